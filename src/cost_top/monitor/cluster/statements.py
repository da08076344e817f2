"""The statements a log is asked where it lives: rows in the normal form, priced by rates sent along, filtered, summed.

What a field, a price, a measure and a filter mean is what they mean for the mirror: the same SQL, spelled anew.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import duckdb

from cost_top.gateways.mapping import LogStatements
from cost_top.gateways.normalise_placed import TAGS_TEXT, Names, TagLists, placed_of
from cost_top.gateways.shape import RawShape, field_kind
from cost_top.mirror.measures import ADDITIVE, TRUST
from cost_top.mirror.names import NAMED
from cost_top.mirror.where import SEARCHED, condition
from cost_top.model.filter import Filter
from cost_top.model.query import DIMENSIONS, TIME_DIMENSIONS
from cost_top.model.record import FIELD_NAMES
from cost_top.monitor.cluster.sheet import Sheet
from cost_top.monitor.cluster.spelling import PlainKeys, PlainSpelling, Spelling
from cost_top.pricing.rate_join import RateJoin

# What a request's price and the measures are made of.
PRICED_BY = (
    "provider", "model", "input_tokens", "cached_input_tokens", "cache_creation_input_tokens",
    "cache_creation_1h_tokens", "output_tokens", "reasoning_tokens", "reported_cost", "reported_market_cost", "mode",
    "cache_hit", "credential_type", "latency_ms", "status", "region", "audio_input_tokens", "audio_output_tokens",
    "image_output_tokens", "web_search_count", "zero_is_price", "counted",
)  # fmt: skip
_FILTERED = {"tag": "tags", "latency": "latency_ms", "error": "status"}
# What sums are kept by: a tag's rows are known by the whole text of their tags, taken apart afterwards.
LENSES = tuple(name for name in DIMENSIONS if name not in TIME_DIMENSIONS)
BARS = "bars"  # providers by quarters of an hour
SIZES = {BARS: 900_000_000}  # microseconds
LENS_FIELDS = {"tag": TAGS_TEXT, BARS: "provider"}
_SUM = re.compile(r"(?:sum\((.*?)\)|count\(\*\))(?: FILTER \((.*)\))?")
_COMPARED = re.compile(r'"?\w+"? IN $')  # what a list of ids by name stands behind
_MODEL = ("provider", "model", "region", "mode")

Periods = Sequence[tuple[datetime, datetime | None]]


@dataclass(frozen=True, slots=True)
class Rates:
    """The rows of the two tables of rates that go along with a statement."""

    pairs: Sequence[Sequence[object]]
    slots: Sequence[Sequence[object]]


def filter_fields(where: Filter) -> frozenset[str]:
    """The fields of the normal form that a filter looks at."""
    found: set[str] = set()
    for term in where.terms:
        if term.field is None:
            found.update(SEARCHED, NAMED, ("tags",))
        else:
            name = _FILTERED.get(term.field, term.field)
            if name in FIELD_NAMES:
                found.add(name)
    return frozenset(found)


def _compared(where: Filter) -> set[str]:
    """The texts a filter looks at."""
    return {name for name in filter_fields(where) if field_kind(name) == "text"}


def _told_by(wanted: Collection[str]) -> set[str]:
    """The columns of the normal form with these fields."""
    return {*wanted, "us", "time", *([TAGS_TEXT] if "tags" in wanted else [])}


def _lens_column(name: str) -> str:
    """What a lens's rows are grouped by."""
    return f'"{LENS_FIELDS.get(name, name)}"'


def looks_at_prices(where: Filter) -> bool:
    """Whether a filter looks at what is known only of a row that has been priced."""
    fields = {_FILTERED.get(term.field, term.field) for term in where.terms if term.field is not None}
    return not fields <= {*FIELD_NAMES, "error"}


class Statements:
    """SQL over one log. Parameters are collected by the caller."""

    def __init__(
        self, log: LogStatements, join: RateJoin, names: duckdb.DuckDBPyConnection, spelled: Spelling
    ) -> None:  # fmt: skip
        """`names` holds the table of names that filters look into; `spelled` is how the log's database writes it."""
        self._log, self._join, self._names = log, join, names
        self._shape = log.columns.shape
        self.spelled = spelled
        self.lookups: Names = {}  # names that fill one field from another
        priced = join.select("ct_rows", "ct_pairs", "ct_slots")
        self._priced = spelled.sql(priced)

    @property
    def shape(self) -> RawShape:
        """What is known of rows."""
        return self._shape

    @property
    def join(self) -> RateJoin:
        """The rates."""
        return self._join

    def normal(
        self, periods: Periods, wanted: Collection[str], shown: Collection[str] = (), tags: TagLists | None = None
    ) -> str:  # fmt: skip
        """Some fields of the rows of some periods in the normal form; texts of `shown` as they are shown.

        `tags` are the lists in raw texts of tags, where the database does not take them apart.
        """
        fields = placed_of({*wanted, *(by for (field, by) in self.lookups if field in shown)}, self._shape)
        return self.spelled.normal(self._shape, self._log.narrow(fields, periods), wanted, shown, self.lookups, tags)

    def tells_agent(self, wanted: Collection[str]) -> bool:
        """Whether a wanted user agent may be one of the tags."""
        return "user_agent" in wanted and self._shape.user_agent_tag is not None and "tags" in self._shape.fields

    def tag_texts(self, periods: Periods, limit: int) -> str:
        """The raw texts of tags, each once."""
        return (
            f"SELECT DISTINCT tags_text FROM ({self.normal(periods, (TAGS_TEXT,))}) AS told "
            f"WHERE tags_text <> '' LIMIT {limit}"
        )

    @property
    def has_costly_modes(self) -> bool:
        """Whether a row's mode stands in JSON or the like."""
        return "mode" in self._log.columns.costly

    def models(self, periods: Periods, modes: bool) -> str:
        """What prices depend on, as it is logged: provider, model, region and with `modes` the mode, each once."""
        names = _MODEL if modes else _MODEL[:-1]
        return f"SELECT DISTINCT {', '.join(names)} FROM ({self.normal(periods, names)}) AS told"

    def source(
        self, periods: Periods, rates: Rates, where: Filter, keys: Collection[str] = (), shown: Collection[str] = (),
        tags: TagLists | None = None, odd: Sheet | None = None,
    ) -> str:  # fmt: skip
        """The rows of some periods with their prices, as a relation; `keys` are fields wanted beside.

        With `odd` those alone that this sheet has no price of.
        """
        filtered = filter_fields(where)
        wanted = {*PRICED_BY, *keys, *filtered}
        compared = {*shown, *_compared(where)}
        normal = self.normal(periods, wanted, compared, tags)
        if odd is not None:
            normal = self._plain.odd(normal, _told_by(wanted), odd)
        pair_columns, slot_columns = self._join.columns
        tables = {
            "ct_rows": f"({normal})",
            "ct_pairs": self.spelled.relation(pair_columns, rates.pairs),
            "ct_slots": self.spelled.relation(slot_columns, rates.slots),
        }
        # All at once: names and models within them may read like one of these words.
        rows = re.sub(r"\bct_(?:rows|pairs|slots)\b", lambda found: tables[found[0]], self._priced)
        return f"({rows}) AS priced"

    def plain(
        self, periods: Periods, sheet: Sheet, where: Filter, condition: str, edges: Sequence[int],
        lenses: Sequence[str], trust: bool,
    ) -> str:  # fmt: skip
        """As `lenses`, without a table of rates and without odd rows; see `PlainSpelling`."""
        known = self._shape.fields
        named = "token_name" if "token" in lenses and "token_name" in known else None
        wanted = {*(name for name in PRICED_BY if name in known and name != "latency_ms"), *_MODEL, "counted"}
        wanted |= {LENS_FIELDS.get(name, name) for name in lenses} | filter_fields(where)
        wanted |= {"user", "token"} if trust else set()
        wanted |= {named} if named is not None else set()
        rows = self.normal(periods, wanted, _compared(where))
        if where:
            rows = f"SELECT * FROM ({rows}) WHERE {condition}"
        return self._plain.sums(rows, _told_by(wanted), sheet, self.spelled.piece(edges), named,
                                self.plain_keys(lenses), trust)  # fmt: skip

    @staticmethod
    def plain_keys(lenses: Sequence[str]) -> PlainKeys:
        """What `plain` groups by."""
        return [(place, _lens_column(name), SIZES.get(name, 0)) for place, name in enumerate(lenses)]

    @property
    def _plain(self) -> PlainSpelling:
        assert self.spelled.plain is not None
        return self.spelled.plain

    def condition(self, where: Filter, parameters: dict[str, object]) -> str:
        """A filter's condition; what it compares with is added to `parameters`."""
        sql, values = condition(where, carried=True)
        sql, values = self._with_names(sql, list(values))
        return self.spelled.bound(sql, values, parameters)

    def _with_names(self, sql: str, values: list[object]) -> tuple[str, list[object]]:
        """Ids by name are looked up here: names are not in the log."""
        while (begin := sql.find("(SELECT id FROM cost_top_names")) >= 0:
            depth, end = 0, begin
            for end in range(begin, len(sql)):
                depth += (sql[end] == "(") - (sql[end] == ")")
                if depth == 0:
                    break
            inside = sql[begin + 1 : end]
            before, count = sql[:begin].count("?"), inside.count("?")
            found = self._names.execute(inside, values[before : before + count]).fetchall()
            ids = [str(row[0]) for row in found]
            values[before : before + count] = [ids] if ids else []
            # To look for every row's text in an empty list takes as long as in one of some.
            told = f"{sql[:begin]}?" if ids else _COMPARED.sub("FALSE", sql[:begin])
            sql = f"{told}{sql[end + 1 :]}"
        return sql, values

    def grouped(
        self, source: str, where: str, keys: Sequence[str], told: Sequence[str] = (), *, latency: bool
    ) -> str:  # fmt: skip
        """Of each group of `keys` (SQL): those, the newest of each of `told`, the measures, with `latency` its too."""
        given = [*(f"{key} AS k{place}" for place, key in enumerate(keys)),
                 *(f'"{name}" AS t{place}' for place, name in enumerate(told))]  # fmt: skip
        inner = f"SELECT {', '.join(['*', *given])} FROM {source} WHERE {where}"
        chosen = [
            *(f"k{place}" for place in range(len(keys))),
            *(self.spelled.newest(f"t{place}") for place in range(len(told))),
        ]
        groups = f" GROUP BY {', '.join(chosen[: len(keys)])}" if keys else ""
        columns = [*chosen, self._additive(), *([self.spelled.latencies] if latency else [])]
        return f"SELECT {', '.join(columns)} FROM ({inner}) AS asked{groups}"

    def lenses(self, source: str, where: str, edges: Sequence[int], lenses: Sequence[str], trust: bool) -> str:
        """Sums of each piece of time (from one of `edges` to the next) by each lens, all in one reading.

        Columns: the lens's number, its key as it is logged, the quarter of an hour (of `BARS`, whose key is the
        provider), piece, newest request, newest with a name, that name, the additive measures; with `trust`, what the
        trust line needs but for `with_tag`, of the first lens's groups.
        """
        keys = [(place, _lens_column(name), name == BARS) for place, name in enumerate(lenses)]
        name = "token_name" if "token" in lenses else None
        parts = {name: self._part(sql) for name, sql in ADDITIVE.items()}
        trusted = {f"trust_{name}": self._part(sql) for name, sql in TRUST.items() if trust and name != "with_tag"}
        return self.spelled.by_lens(source, where, self.spelled.piece(edges), name, keys, parts, trusted)

    def minutes(self, source: str, where: str, edges: Sequence[int]) -> str:
        """Whether it is the total, the edge before, the additive measures and the 95th percentile of latencies."""
        inner = f"SELECT *, {self.spelled.piece(edges)} AS piece FROM {source} WHERE {where}"
        return (
            f"SELECT grouping(piece), piece, {self._additive()}, {self.spelled.latencies} FROM ({inner}) AS asked "
            "GROUP BY GROUPING SETS ((), (piece))"
        )

    def _additive(self) -> str:
        """The additive measures, in the order of `measures_of`."""
        return ", ".join(f"coalesce({self.spelled.sql(sql)}, 0) AS {name}" for name, sql in ADDITIVE.items())

    def _part(self, sql: str) -> str:
        """What a row adds to a sum over rows; NULL where nothing."""
        found = _SUM.fullmatch(sql)
        assert found is not None
        value, of = found[1] or "1", found[2]
        return self.spelled.sql(f"CASE WHEN {of} THEN {value} END" if of else value)


def instant_of(us: int) -> datetime:
    """The instant of microseconds since 1970."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=us)


def micros_of(instant: datetime) -> int:
    """Microseconds since 1970 of an aware instant."""
    delta = instant - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86400 + delta.seconds) * 1_000_000 + delta.microseconds
