"""A preset's fields over the columns a table really has: which are known, and how each is read."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping, Sequence
from copy import copy
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, FromClause, case, column, func, literal_column, table
from sqlalchemy.sql import quoted_name

from cost_top.gateways.detect import UniqueKey, row_key
from cost_top.gateways.dialects.base import Cell, Dialect, ReadsJsonOnce, TimeColumn, number
from cost_top.gateways.ended import ENDED, ERRORS
from cost_top.gateways.fitted import fitted
from cost_top.gateways.instants import TimeText, any_unit_beyond, at_times, period_within
from cost_top.gateways.joined import named_joins, newest_rows
from cost_top.gateways.json_reads import json_paths, paths_of, whole_numbers
from cost_top.gateways.preset import PATH_IN_SQL, Expression, Preset
from cost_top.gateways.secrets import key_fields
from cost_top.gateways.shape import (
    COUNTS,
    ROW_HASH,
    UNKNOWN_DOUBLE,
    UNKNOWN_MONEY,
    UNREADABLE_COUNT,
    UNREADABLE_DOUBLE,
    UNREADABLE_MONEY,
    RawShape,
    field_kind,
)  # fmt: skip
from cost_top.gateways.times import expressed, of_any_unit
from cost_top.model.errors import UserError
from cost_top.model.record import FIELDS
from cost_top.model.secret import RULES

# A row without an id is known by these.
_IDENTITY_FIELDS = ("input_tokens", "output_tokens", "reported_cost", "status", "cache_hit")
# Amounts that no row has, by the kind of the cost column.
_NO_MONEY = {"integer": str(UNKNOWN_MONEY), "double": UNKNOWN_DOUBLE, "text": "''"}
_STATUSES = {"status": ENDED, "error": ERRORS}
_ODD_MONEY = {"integer": str(UNREADABLE_MONEY), "double": UNREADABLE_DOUBLE}


class LogColumns:
    """The columns of one log. Building fails with `UserError` when the table lacks what nothing goes without."""

    def __init__(
        self, preset: Preset, columns: Mapping[str, str], dialect: Dialect, schema: str | None = None,
        keys: Sequence[UniqueKey] = (),
    ) -> None:  # fmt: skip
        """`columns` are those that may be read, with their declared types; `keys` are the table's own."""
        preset = fitted(preset, columns, dialect)
        self.preset = preset
        self.columns = columns
        self.dialect = dialect
        self.schema = schema or preset.schema
        self._require()
        # Qualified, a name that is gone is an error: SQLite takes a quoted name alone for a text.
        self._table: Any = table(
            _quoted(preset.table), *(column(_quoted(name)) for name in columns),
            schema=_quoted(self.schema) if self.schema else None,
        )  # fmt: skip
        self.table: Any = self._table
        self.key = row_key(preset, keys, columns)
        self._paths = paths_of(preset, preset.fields, columns)
        # What every statement has again: to build it takes longest of all.
        self._spelled: dict[tuple[str, bool], str] = {}
        self._raw: dict[tuple[str, bool, bool], ColumnElement[Any]] = {}
        self._json = self._json_sources()
        self._at_once: Mapping[tuple[str, tuple[str, ...]], Cell] = {}
        self.time = self._time()
        self.time_kind = self._fitting_time()
        self._usable = {name: self._known(items) for name, items in preset.fields.items()}
        self.mapped = tuple(name for name, _ in FIELDS if self._usable.get(name))
        self.missing = tuple(name for name in preset.fields if not self._usable[name])
        self._costly = tuple(name for name in self.mapped if any(item.costly for item in self._usable[name]))
        self._read_at_once({})
        self.plain_fields = tuple(name for name in self.mapped if self.cells(name, details=False))
        values = [self.raw(name, details=False) for name in self.plain_fields]
        self.row_hash = dialect.row_hash([self.identity, dialect.time(self.time), *values])

    @property
    def shape(self) -> RawShape:
        """What a stream of these statements looks like."""
        includes = self.preset.input_includes_cache
        return RawShape(
            fields=self.mapped,
            plain=tuple(name for name, _ in self.plain),
            identity_fields=tuple(
                name for name in _IDENTITY_FIELDS if name in self.plain_fields and name not in self._costly
            ),
            time_kind=self.time_kind,
            text_is_blob=self.dialect.text_is_blob,
            cost_kind=self.cost_kind,
            pico_per_unit=self.preset.pico_per_unit,
            input_includes_cache=includes if isinstance(includes, bool) else None,
            user_agent_tag=self.preset.user_agent_tag,
            keys=key_fields(self.preset, self.mapped),
            key="none" if self.key is None else "columns" if self.key else "id",
            key_columns=tuple(f"key {place}" for place in range(len(self.key or ()))),
        )

    @property
    def time_text(self) -> TimeText:
        """The column that says when, for `gateways.instants`."""
        preset = self.preset
        value = self.column(preset.time_column) if preset.time_unit == "epoch_any" else self.time.value
        return TimeText(self.dialect.spell(value), self.time.declared, preset.time_unit)

    @property
    def identity(self) -> ColumnElement[Any]:
        """The raw id."""
        cell = self.cell(self.preset.id)
        return self.dialect.finish_text(self.dialect.only_text(cell) if cell else None)

    @property
    def plain(self) -> list[tuple[str, ColumnElement[Any]]]:
        """The raw columns that follow every change of a cheap column, by name."""
        if self.row_hash is not None:
            return [(ROW_HASH, self.row_hash)]
        # Where costly columns come first the stream has both forms.
        return [
            (f"plain {name}" if name in self._costly else name, self.raw(name, details=False))
            for name in self.plain_fields
        ]

    @property
    def key_values(self) -> list[tuple[str, ColumnElement[Any]]]:
        """The raw columns that tell rows of one id apart."""
        cells = [Cell(self.column(name), self.columns[name]) for name in self.key or ()]
        return [
            (f"key {place}", self.dialect.finish_text(self.dialect.only_text(cell))) for place, cell in enumerate(cells)
        ]

    @property
    def version(self) -> str:
        """Hash of the preset and of what was found of it."""
        found = f"{self.preset.digest()}|{self.mapped}|{self.dialect.name}|{self.shape}|{RULES}"
        return hashlib.sha256(found.encode()).hexdigest()[:16]

    @property
    def read_columns(self) -> tuple[str, ...]:
        """Every column of the table that any statement names."""
        preset = self.preset
        items = [preset.id, *preset.of_any_row, *(item for items in self._usable.values() for item in items)]
        named = {preset.time_column, *(self.key or ()), *(name for join in preset.joins for name in join.on.values())}
        named |= {*(name for item in items for name in item.columns)}
        spelled = " ".join(sql for item in items for sql in item.sql.values())
        return tuple(name for name in self.columns if name in named or re.search(rf"\b{re.escape(name)}\b", spelled))

    @property
    def cost_kind(self) -> str:
        """How the cost comes: integer, double or text."""
        cells = self.cells("reported_cost", details=True)
        return self._money(cells)[1] if cells else "text"

    @property
    def costly(self) -> tuple[str, ...]:
        """Fields that are complete only with details; so is all input where its cached parts are, and all output."""
        parts = {"cached_input_tokens", "cache_creation_input_tokens"} & set(self._costly)
        also = {"input_tokens"} if parts else set()
        also |= {"output_tokens"} & set(self.mapped) if "reasoning_tokens" in self._costly else set()
        return tuple(name for name in self.mapped if name in also or name in self._costly)

    def only(self, fields: Collection[str]) -> LogColumns:
        """The same for a statement that reads these fields alone."""
        found = copy(self)
        found._paths = paths_of(self.preset, fields, self.columns)
        found._read_at_once(whole_numbers(self.preset, self._usable, fields, self.dialect.name))
        return found

    def _read_at_once(self, counts: Mapping[str, Sequence[tuple[str, ...]]]) -> None:
        """Have all that is read at paths read once, where the database wants that; `counts` as whole numbers."""
        self.table, self._at_once, self._spelled, self._raw = self._table, {}, {}, {}
        if isinstance(self.dialect, ReadsJsonOnce) and not self.schema:
            read = {name: self.columns[name] for name in self.read_columns}
            at_once = self.dialect.read_once(self.preset.table, read, counts, self._paths)
            if at_once is not None:
                self.table, self._at_once = at_once
        self.time = self._time()

    def alternatives(self, name: str) -> tuple[Expression, ...]:
        """Where a field comes from in this table, the first known one first."""
        return tuple(self._usable.get(name) or ())

    def column(self, name: str) -> ColumnElement[Any]:
        """A column of the log by its exact name."""
        return self.table.c[name] if name in self.table.c else column(_quoted(name))

    def cell(self, item: Expression, is_count: bool = False) -> Cell | None:
        """What an expression reads, `is_count` for a count; None where this database has no word for it."""
        if item.value is not None:
            return Cell(self.dialect.as_text(self.dialect.literal(item.value)), "text")
        if item.sql:
            spelled = self._with_paths(sql := item.sql.get(self.dialect.name, ""), is_count)
            if is_count and item.typed and spelled and not PATH_IN_SQL.search(sql):
                # As of a column: one below zero is none. What is read at paths says so itself.
                spelled = f"CASE WHEN ({spelled}) < 0 THEN {UNREADABLE_COUNT} ELSE ({spelled}) END"
            return Cell(literal_column(f"({spelled})"), typed=item.typed) if spelled else None
        name = item.column or ""
        if not item.path:
            return Cell(self.column(name), self.columns.get(name, ""))
        return self._at_path(name, item.path)

    def cells(self, name: str, details: bool) -> list[Cell]:
        """The alternatives of a field, without the costly ones unless `details`."""
        items = [item for item in self.alternatives(name) if details or not item.costly]
        return [cell for item in items if (cell := self.cell(item, name in COUNTS)) is not None]

    def read(self, name: str, cells: Sequence[Cell], is_part: bool = False) -> ColumnElement[Any]:
        """A field's raw column: the first known of the alternatives, in a type that never depends on the rows.

        With `is_part`, a text as part of a pack.
        """
        kind, dialect = field_kind(name), self.dialect
        if kind == "money":
            return self._money(cells)[0]
        if kind == "amount":
            return func.coalesce(*map(dialect.money_text, cells), dialect.literal(""))
        text = dialect.only_text if len(cells) == 1 else dialect.text
        integer = dialect.count if name in COUNTS else dialect.integer
        read = {"text": text, "tags": dialect.tags, "integer": integer, "boolean": dialect.boolean}[kind]
        values = [read(cell) for cell in cells]
        if kind in ("text", "tags"):
            return (dialect.part_text if is_part else dialect.finish_text)(first(values))
        return func.coalesce(*values, number(-1))

    def raw(self, name: str, details: bool, is_part: bool = False) -> ColumnElement[Any]:
        """A field as it is read now, by itself or as part of a pack; a constant where it is left for later."""
        form = name, details, is_part
        if form not in self._raw:
            cells = self.cells(name, details)
            read = self.read(name, cells, is_part) if cells else literal_column(self.blank(field_kind(name)))
            self._raw[form] = read
        return self._raw[form]

    def blank(self, kind: str) -> str:
        """The SQL of what a raw column of that kind holds where nothing is known."""
        if kind == "money":
            return _NO_MONEY[self.cost_kind]
        if kind == "amount":
            return "''"
        return "-1" if kind in ("integer", "boolean") else self.dialect.spell(self.dialect.finish_text(None))

    def unknown(self, kind: str) -> list[str]:
        """As `blank`, and what stands for a figure that is there and none; an amount as text stands for itself."""
        odd = _ODD_MONEY.get(self.cost_kind) if kind == "money" else None
        odd = str(UNREADABLE_COUNT) if kind == "integer" else odd
        return [self.blank(kind), *([odd] if odd else [])]

    def source(self, details: bool, names: Collection[str] | None = None) -> Any:
        """What to select from: the table, with its JSON unpacked and others joined where they are read.

        `names` are the fields that are, all of them where it is None.
        """
        source = self.table
        wanted_items = (items for name, items in self._usable.items() if names is None or name in names)
        read = [item for items in wanted_items for item in items if details or not item.costly]
        # Whatever is read of a row, its time is, and whether it counts.
        beside = self.preset.of_any_row if names is not None else ()
        wanted = {name for item in (*read, *beside) for name, _ in json_paths(item)}
        for name, relation in self._json.items():
            if name in wanted:
                source = source.outerjoin(relation, literal_column("true"))
        for joined in named_joins(self.preset.joins, read, self.dialect.name):
            source = source.outerjoin(*newest_rows(joined, self.preset.table, self.dialect))
        return source

    def within(self, start: datetime, end: datetime) -> list[ColumnElement[bool]]:
        """The conditions of `[start, end)`, served by an index on the time's column."""
        if self.preset.time_unit == "epoch_any":
            return [literal_column(one) for one in period_within(self.dialect.name, self.time_text, start, end)]
        return self.dialect.within(self.time, start, end)

    def beyond(self) -> list[ColumnElement[bool]]:
        """Conditions that, one at a time, select the rows without a usable time; see `Dialect.beyond`."""
        if self.preset.time_unit == "epoch_any":
            return [literal_column(one) for one in any_unit_beyond(self.time_text.value)]
        return self.dialect.beyond(self.time)

    def at(self, times: Sequence[datetime]) -> ColumnElement[bool]:
        """Rows at any of these times; rows next to them may be among them."""
        if self.preset.time_unit == "epoch_any":
            return literal_column(at_times(self.dialect.name, self.time_text, times))
        return self.dialect.at(self.time, times)

    def filter(self) -> list[ColumnElement[bool]]:
        """The preset's own condition on rows."""
        sql = self.preset.row_filter.sql.get(self.dialect.name) if self.preset.row_filter else None
        return [literal_column(f"({self._with_paths(sql)})")] if sql else []

    def _money(self, cells: Sequence[Cell]) -> tuple[ColumnElement[Any], str]:
        if len(cells) == 1:
            return self.dialect.money(cells[0], whole=self.preset.cost_unit != "usd")
        # One that is no amount is not known; where none is, it is told.
        texts = (*map(self.dialect.readable_money, cells), *map(self.dialect.money_text, cells))
        return func.coalesce(*texts, self.dialect.literal("")), "text"

    def _time(self) -> TimeColumn:
        preset = self.preset
        if preset.time_sql is not None:
            sql = preset.time_sql.sql.get(self.dialect.name)
            if sql is None:
                raise UserError(f"mapping {preset.origin}: time.sql has no text for {self.dialect.name}")
            return expressed(self._with_paths(sql), preset.time_unit, self.dialect.name)
        if preset.time_unit == "epoch_any":
            return of_any_unit(self.column(preset.time_column))
        return TimeColumn(self.column(preset.time_column), self.columns[preset.time_column], preset.time_unit)

    def _fitting_time(self) -> str:
        kind = self.dialect.time_kind(self.time)
        if kind is None:
            preset, declared = self.preset, self.time.declared
            raise UserError(
                f"mapping {preset.origin}: time.unit {preset.time_unit} does not fit the column "
                f"{preset.time_column or 'expression'!r} of type {declared}; change the unit or the column"
            )
        return kind

    def _require(self) -> None:
        preset = self.preset
        always = [*filter(None, [preset.time_column]), *preset.id.columns, *preset.recognised_by]
        for item in preset.of_any_row:
            always += item.columns
        missing = sorted({name for name in always if name not in self.columns})
        if missing:
            names = ", ".join(missing)
            raise UserError(
                f"table {preset.table}: is no {preset.name} log: it lacks {names}; "
                "give the right table, or map it with --mapping FILE"
            )

    def _known(self, items: Sequence[Expression]) -> list[Expression]:
        """The alternatives this table can answer."""
        return [
            item for item in items if all(name in self.columns for name in item.columns) and self.cell(item) is not None
        ]

    def _at_path(self, name: str, path: Sequence[str]) -> Cell | None:
        if (name, tuple(path)) in self._at_once:
            return self._at_once[name, tuple(path)]
        source = self._json.get(name)
        if source is None:
            cell = Cell(self.column(name), self.columns.get(name, ""))
        else:
            cell, path = Cell(source.c[f"{name}.{path[0]}"], "jsonb"), path[1:]
        value = self.dialect.json(cell, path, self._paths.get(name, ()) if source is None else ())
        return None if value is None else Cell(value, json_parts=self.dialect.json_parts(cell, path))

    def _with_paths(self, sql: str, is_count: bool = False) -> str:
        """The SQL of a preset with each `${…}` replaced by what it stands for in this database; '' if it has none."""

        def spelled(match: re.Match[str]) -> str:
            name, *path = match[2].split(".")
            if name not in self.columns:
                return "NULL"
            cell = self._at_path(name, path) if path else Cell(self.column(name), self.columns[name])
            return "NULL" if cell is None else f"({self.dialect.spell(self._cast(match[1], cell, is_count))})"

        if (sql, is_count) not in self._spelled:
            self._spelled[sql, is_count] = PATH_IN_SQL.sub(spelled, sql)
        return self._spelled[sql, is_count]

    def _cast(self, kind: str | None, cell: Cell, is_count: bool) -> ColumnElement[Any]:
        """What a `${kind column.key}` of a preset's SQL reads: never an error, NULL where it is none.

        In the SQL of a count what is there and none is `UNREADABLE_COUNT`, and whatever it is added to is no count.
        """
        if kind is None:
            return cell.value
        if words := _STATUSES.get(kind):
            word = func.lower(self.dialect.as_text(cell.value))
            # The word is read once for all.
            named = case(*((self.dialect.literal(said), number(status)) for said, status in words.items()), value=word)
            return func.coalesce(self.dialect.integer(cell), named)
        integer = self.dialect.count if is_count else self.dialect.integer
        cast = {"int": integer, "bool": self.dialect.boolean, "decimal": self.dialect.decimal}[kind]
        return cast(cell)

    def _json_sources(self) -> dict[str, FromClause]:
        """One relation for each JSON column that is read at paths, where the database wants one."""
        keys = {name: list(dict.fromkeys(path[0] for path in paths)) for name, paths in self._paths.items()}
        cells = {name: Cell(self.column(name), self.columns[name]) for name in keys}
        found = {name: self.dialect.json_source(cells[name], keys[name], name) for name in keys}
        return {name: source for name, source in found.items() if source is not None}


def first(values: Sequence[ColumnElement[Any]]) -> ColumnElement[Any]:
    """The first of them that is known."""
    return values[0] if len(values) == 1 else func.coalesce(*values)


def _quoted(name: str) -> str:
    return quoted_name(name, quote=True)
