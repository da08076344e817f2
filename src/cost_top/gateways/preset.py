"""A gateway preset as a value: which table, which column is which field, in which units. No database here."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

SQLITE = "sqlite"
POSTGRESQL = "postgresql"
MYSQL = "mysql"
CLICKHOUSE = "clickhouse"
DATABASES = (SQLITE, POSTGRESQL, MYSQL, CLICKHOUSE)

# Units of the time column. `naive_utc` is a timestamp without zone that holds UTC; on SQLite it is ISO text.
# `epoch_any` is seconds, milliseconds or microseconds, told by their size; `declared` is what the column's type says.
TIME_UNITS = ("epoch_s", "epoch_ms", "epoch_us", "epoch_any", "naive_utc", "timestamptz", "iso_utc", "declared")

# Pico-dollars in one unit of the cost column; `points` has a divisor of its own (points per dollar).
COST_UNITS: Mapping[str, int] = {"usd": 10**12, "nano_usd": 1000, "pico_usd": 1, "points": 10**12}


# What of a column that may hold keys is none: a SHA-256 in hex.
SECRET_RULES = ("unless sha256",)

# In a preset's SQL: the text at a path of a JSON column, `${metadata.usage.tier}`; with a type in front, of a path or a
# column, what a safe cast makes of it: `${int metadata.usage.cached}`, `${bool hit}`, `${decimal price}`; a status
# may be a word, or the class of an error: `${status ended}`, `${error metadata.error_class}`.
PATH_IN_SQL = re.compile(r"\$\{(?:(int|bool|decimal|status|error) )?(\w+(?:\.\w+)*)\}")


@dataclass(frozen=True, slots=True)
class Expression:
    """Where a figure comes from: exactly one of a column, a path into a JSON column, SQL, or a fixed text."""

    column: str | None = None
    path: tuple[str, ...] = ()  # into `column`, which then holds JSON
    sql: Mapping[str, str] = field(default_factory=dict)  # by database
    value: str | None = None
    needs: tuple[str, ...] = ()  # columns that must exist; without them the expression is unknown
    costly: bool = False  # read later for history
    typed: bool = False  # SQL that always has the field's type: integer or boolean
    secret: str | None = None  # may hold raw keys, unless …; one of SECRET_RULES
    public: tuple[str, ...] = ()  # of a secret column: markers that are no keys

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column it is known to read."""
        in_sql = (match[2].split(".")[0] for sql in self.sql.values() for match in PATH_IN_SQL.finditer(sql))
        return (*((self.column,) if self.column else ()), *self.needs, *in_sql)


@dataclass(frozen=True, slots=True)
class KeptBudgetTable:
    """A table of budgets that the gateway itself keeps and enforces, one a row: names of its columns.

    `of` is the dimension they limit. `limit` and `spent` are USD; rows without a limit are no budgets. With
    `limits_table`, `limit`, `period` and `resets_at` are columns of the row there whose `limits_id` is this one's
    `limits_by`. Of one value the first entry that has a limit holds. `within` is the team of a member; `names` and
    `within_names` are the dimensions whose lookups name `id` and `within`. `raised` is by how much the limit is more
    until `raised_until`: columns beside it, or keys of `raised_in`, a column of JSON of the table itself. What is over
    a `soft` limit is told of and not refused; it stands beside another limit of the same value.
    """

    of: str
    table: str
    id: str
    limit: str
    spent: str
    name: str | None = None
    period: str | None = None
    resets_at: str | None = None
    limits_table: str | None = None
    limits_id: str | None = None
    limits_by: str | None = None
    period_unit: str | None = None  # hour, day, week or month; `period` is then how many
    started_at: str | None = None  # when the period began, where `resets_at` is not kept
    state: str | None = None  # where it says "deleted" the row is no budget
    otherwise: str | None = None  # the name where `name` is empty
    within: str | None = None
    names: str | None = None
    within_names: str | None = None
    raised: str | None = None
    raised_until: str | None = None
    raised_in: str | None = None
    soft: bool = False

    def without_rises(self) -> KeptBudgetTable:
        """The same where no limit can be known to be raised."""
        return replace(self, raised=None, raised_until=None, raised_in=None)

    @property
    def limit_columns(self) -> tuple[str, ...]:
        """The columns that are the limits table's, where there is one."""
        rises = () if self.raised_in else (self.raised, self.raised_until)
        return tuple(filter(None, (self.limits_id, self.limit, self.period, self.resets_at, *rises)))

    @property
    def own_columns(self) -> tuple[str, ...]:
        """The columns of the table itself."""
        limits = () if self.limits_table else self.limit_columns
        own = (self.id, self.spent, self.name, self.limits_by, self.period_unit, self.started_at, self.state,
               self.otherwise, self.within, self.raised_in)  # fmt: skip
        return (*filter(None, own), *limits)


@dataclass(frozen=True, slots=True)
class LedgerPart:
    """One statement on the gateway's own books: of those of one `name` the first whose tables can be read is used.

    `sql` has the columns of `beside.LEDGER_READ`, and `{table}` where a table is named. `reads` are the tables with the
    columns that it needs. `time_unit` is that of `moment`: `epoch_s`, `epoch_ms` or `naive_utc`.
    """

    name: str
    sql: str
    reads: Mapping[str, tuple[str, ...]]
    time_unit: str


@dataclass(frozen=True, slots=True)
class LookupTable:
    """A table of names: `field` of a record is the name where its field `by` is the id."""

    field: str
    by: str
    table: str
    id: str
    name: str
    otherwise: str | None = None  # the column whose text is taken where `name` is empty or not among `values`
    values: Mapping[str, str] = dataclasses.field(default_factory=dict)  # what the texts of `name` stand for


@dataclass(frozen=True, slots=True)
class JoinedTable:
    """A table that knows more of the log's rows, called `name` in SQL; of a key's rows the one with the newest counts.

    `on` are its key's columns, each with the log's column that holds it.
    """

    name: str
    table: str
    on: Mapping[str, str]
    newest: str
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Setting:
    """A number the gateway keeps in a table of settings: the column `value` of the row whose `key` is `name`."""

    table: str
    key: str
    name: str
    value: str
    default: tuple[int, int] | None = None  # as a fraction, where there is no such row


@dataclass(frozen=True, slots=True)
class RowKinds:
    """What the values of a column say of a row; rows of every other value are left out."""

    column: str
    requests: tuple[int | str, ...] = ()  # requests and their money
    money: tuple[int | str, ...] = ()  # money that belongs to no request of its own
    refunds: tuple[int | str, ...] = ()  # money given back, stored as a positive amount; no request


@dataclass(frozen=True, slots=True)
class Preset:
    """One gateway's log. `fields` maps normal-form fields to alternatives: the first known one wins."""

    name: str
    origin: str  # the file it came from, for messages
    table: str
    ids: tuple[Expression, ...]  # the first that the table has
    time_column: str  # "" where the time is an expression
    time_unit: str
    fields: Mapping[str, tuple[Expression, ...]]
    time_sql: Expression | None = None
    schema: str | None = None
    databases: tuple[str, ...] = DATABASES
    recognised_by: tuple[str, ...] = ()  # columns that tell this gateway's table from another of the same name
    recognised_without: tuple[str, ...] = ()  # and columns that only such another one has
    row_filter: Expression | None = None
    overlap: timedelta = timedelta(minutes=5)
    cost_unit: str = "usd"
    cost_divisor: tuple[int, int] = (1, 1)  # units in a dollar, as a fraction; for `points`
    cost_setting: Setting | None = None  # where the log keeps it
    input_includes_cache: bool | Expression = True
    user_agent_tag: str | None = None  # tags with this prefix are the user agent, not tags
    never: tuple[str, ...] = ()  # columns with secrets or payloads: no expression may name them
    also_reads: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # tables that SQL names, with their columns
    joins: tuple[JoinedTable, ...] = ()
    instead_of: str | None = None  # the preset of an older table of the same gateway; the rows say which one is kept
    lookups: tuple[LookupTable, ...] = ()
    budgets: tuple[KeptBudgetTable, ...] = ()
    ledger: tuple[LedgerPart, ...] = ()
    hints: Mapping[str, str] = field(default_factory=dict)  # column: what its presence says of the version
    advice: Mapping[str, str] = field(default_factory=dict)  # by what may be found: "index", "table NAME" without a log
    cannot_tell: tuple[str, ...] = ()  # what this gateway's log does not hold, a clause each

    @property
    def id(self) -> Expression:
        """What identifies a row."""
        return self.ids[0]

    @property
    def of_any_row(self) -> tuple[Expression, ...]:
        """The expressions that every row is read for, whatever fields are: whether it counts, when it was."""
        every = (self.row_filter, self.input_includes_cache, self.time_sql)
        return tuple(item for item in every if isinstance(item, Expression))

    @property
    def pico_per_unit(self) -> tuple[int, int]:
        """(numerator, denominator) that turn the cost column into pico-dollars."""
        whole, part = self.cost_divisor
        return COST_UNITS[self.cost_unit] * part, whole

    def digest(self) -> str:
        """Hash over everything that decides a figure."""
        return hashlib.sha256(json.dumps(_plain(self), sort_keys=True).encode()).hexdigest()[:16]


def _plain(preset: Preset) -> object:
    def expression(item: Expression) -> object:
        found = [item.column, item.path, dict(item.sql), item.value, item.needs, item.costly, item.typed]
        return [*found, item.secret, item.public]

    includes = preset.input_includes_cache
    return {
        "table": [preset.schema, preset.table, preset.time_column, preset.time_unit],
        "id": [expression(item) for item in preset.ids],
        "time": expression(preset.time_sql) if preset.time_sql else None,
        "joins": [[item.name, item.table, dict(item.on), item.newest, item.columns] for item in preset.joins],
        "names": [
            [item.field, item.by, item.table, item.id, item.name, item.otherwise, dict(item.values)]
            for item in preset.lookups
        ],
        "fields": {name: [expression(item) for item in items] for name, items in preset.fields.items()},
        "filter": expression(preset.row_filter) if preset.row_filter else None,
        "cost": [preset.cost_unit, preset.cost_divisor],
        "input": includes if isinstance(includes, bool) else expression(includes),
        "tags": preset.user_agent_tag,
    }
