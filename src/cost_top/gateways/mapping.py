"""A preset and the columns a table really has, compiled to the statements that read the log."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Select, case, cast, column, func, literal_column, select, table
from sqlalchemy import Text as SqlText
from sqlalchemy.sql import quoted_name

from cost_top.gateways.dialects.base import USABLE_FROM, USABLE_UNTIL, Cell, Dialect, TimeColumn, constant, number
from cost_top.gateways.preset import PATH_IN_SQL, Expression, LookupTable, Preset, json_paths
from cost_top.model.errors import UserError
from cost_top.model.record import FIELDS

_KINDS = {"VARCHAR": "text", "BIGINT": "integer", "INTEGER": "integer", "BOOLEAN": "boolean", "VARCHAR[]": "tags"}
# What may change after a row was first seen, and is read cheaply.
FINGERPRINT_FIELDS = ("input_tokens", "output_tokens", "reported_cost", "status", "cache_hit")


@dataclass(frozen=True, slots=True)
class RawShape:
    """What the normal form must know of a raw stream."""

    fields: tuple[str, ...]  # in the stream; the others are unknown
    fingerprint_fields: tuple[str, ...]
    identity_fields: tuple[str, ...]  # of these, those that are equal in every stream of a row
    time_kind: str  # micros, timestamp or iso
    text_is_blob: bool
    cost_kind: str  # integer, double or text
    pico_per_unit: tuple[int, int]
    input_includes_cache: bool | None  # None: the stream says it row by row
    user_agent_tag: str | None


def field_kind(name: str) -> str:
    """How a field is read: text, integer, boolean, tags or money."""
    return "money" if name == "reported_cost" else _KINDS[dict(FIELDS)[name]]


class LogStatements:
    """The statements of one log. Building fails with `UserError` when the table lacks what nothing goes without."""

    def __init__(self, preset: Preset, columns: Mapping[str, str], dialect: Dialect, schema: str | None = None) -> None:
        self.preset = preset
        self.columns = columns
        self.dialect = dialect
        self.schema = schema or preset.schema
        self._require()
        self._table = self._named(preset.table)
        self._time = TimeColumn(self._column(preset.time_column), columns[preset.time_column], preset.time_unit)
        kind = dialect.time_kind(self._time)
        if kind is None:
            declared = columns[preset.time_column]
            raise UserError(
                f"mapping {preset.origin}: time.unit {preset.time_unit} does not fit the column "
                f"{preset.time_column!r} of type {declared}; change the unit or the column"
            )
        self._time_kind = kind
        self._heads: dict[str, str] = {}
        self._json = self._json_sources()
        self._usable = {name: self._known(items) for name, items in preset.fields.items()}
        self.mapped = tuple(name for name, _ in FIELDS if self._usable.get(name))
        self.missing = tuple(name for name in preset.fields if not self._usable[name])
        self.costly = tuple(name for name in self.mapped if any(item.costly for item in self._usable[name]))

    @property
    def shape(self) -> RawShape:
        """What a stream of these statements looks like."""
        includes = self.preset.input_includes_cache
        return RawShape(
            fields=self.mapped,
            fingerprint_fields=self._fingerprint_fields(),
            identity_fields=tuple(name for name in self._fingerprint_fields() if name not in self.costly),
            time_kind=self._time_kind,
            text_is_blob=self.dialect.text_is_blob,
            cost_kind=self._money()[1],
            pico_per_unit=self.preset.pico_per_unit,
            input_includes_cache=includes if isinstance(includes, bool) else None,
            user_agent_tag=self.preset.user_agent_tag,
        )

    @property
    def version(self) -> str:
        """Hash of the preset and of what was found of it."""
        found = f"{self.preset.digest()}|{self.mapped}|{self.dialect.name}|{self.shape}"
        return hashlib.sha256(found.encode()).hexdigest()[:16]

    @property
    def read_columns(self) -> tuple[str, ...]:
        """Every column of the table that any statement names."""
        preset = self.preset
        items = [preset.id, *(item for items in self._usable.values() for item in items)]
        items += [item for item in (preset.row_filter, preset.input_includes_cache) if isinstance(item, Expression)]
        named = {preset.time_column, *(name for item in items for name in item.columns)}
        spelled = " ".join(sql for item in items for sql in item.sql.values())
        return tuple(name for name in self.columns if name in named or re.search(rf"\b{re.escape(name)}\b", spelled))

    def alternatives(self, name: str) -> tuple[Expression, ...]:
        """Where a field comes from in this table, the first known one first."""
        return tuple(self._usable.get(name) or ())

    def rows(self, start: datetime, end: datetime | None, details: bool) -> str:
        """The raw rows of a period."""
        return self._joined(self._rows_head(details), self._within(start, end))

    def rows_at(self, times: Sequence[datetime], details: bool) -> str:
        """The raw rows at some times."""
        return self._joined(self._rows_head(details), [self.dialect.at(self._time, times), *self._filter()])

    def fingerprints(self, start: datetime, end: datetime | None) -> str:
        """Ids, times and changeable figures of a period, from cheap columns."""
        if "fingerprints" not in self._heads:
            figures = [self._raw(name, details=False).label(name) for name in self._fingerprint_fields()]
            head = self._render(self._select(figures, details=False))
            self._heads["fingerprints"] = self._witnessed(self._raw_kinds(self._fingerprint_fields()), head)
        return self._joined(self._heads["fingerprints"], self._within(start, end))

    def models(self, start: datetime, end: datetime) -> str:
        """Providers and models of a period: rows of each, and how many of them lack a reported cost."""
        names = [self._raw(name, details=False) if name in self.mapped else self.dialect.finish_text(None)
                 for name in ("provider", "model")]  # fmt: skip
        items = [item for item in self._usable.get("reported_cost") or [] if not item.costly]
        cells = [cell for item in items if (cell := self._cell(item)) is not None]
        costs = [case((cell.value.is_not(None), number(1))) for cell in cells]
        reported = func.count(_first(costs)) if costs else number(0)
        grouped = select(names[0].label("provider"), names[1].label("model"), func.count().label("rows"),
                         reported.label("reported"))  # fmt: skip
        found = (
            grouped.select_from(self._source(details=False))
            .where(*self._within(start, end))
            .group_by(literal_column("1"), literal_column("2"))
        )
        return self._witnessed(
            {"provider": "text", "model": "text", "rows": "integer", "reported": "integer"}, self._render(found)
        )

    def sample(self, limit: int) -> str:
        """A few of the newest raw rows."""
        return self._render(self._rows(details=False).where(*self._usable_time()).order_by(
            self._time.value.desc()).limit(limit))  # fmt: skip

    def newest(self) -> str:
        """The time of the newest row."""
        return self._edge(self._time.value.desc())

    def oldest(self) -> str:
        """The time of the oldest row."""
        return self._edge(self._time.value.asc())

    def day_count(self, day: date) -> str:
        """One row: count and the check text of a UTC day."""
        start = datetime.combine(day, time(), UTC)
        parts = [self._sum(name) for name in ("input_tokens", "output_tokens", "reported_cost")]
        check: ColumnElement[Any] = constant("")
        for part in parts:
            check = check.op("||")(constant("/")).op("||")(func.coalesce(part, constant("")))
        counted = select(func.count().label("rows"), cast(check, SqlText).label("check_text")).select_from(
            self._source(False)
        )
        return self._render(counted.where(*self._within(start, start + timedelta(days=1))))

    def untimed(self, limit: int) -> str:
        """How many rows have no usable time; each kind is counted up to `limit`."""
        counts = []
        for condition in self.dialect.beyond(self._time):
            found: Select[Any] = select(literal_column("1").label("one")).select_from(self._table)
            bounded = found.where(condition, *self._filter()).limit(literal_column(str(int(limit)))).subquery()
            counts.append(select(func.count()).select_from(bounded).scalar_subquery())
        total: ColumnElement[Any] = number(0)
        for count in counts:
            total = total + count
        return self._render(select(total.label("rows")))

    def lookup(self, lookup: LookupTable) -> str:
        """Ids and names of a table beside the log, where both are known."""
        key, name = self._column(lookup.id), self._column(lookup.name)
        texts = [self.dialect.finish_text(self.dialect.only_text(Cell(value))) for value in (key, name)]
        found = (
            select(texts[0].label("id"), texts[1].label("name"))
            .select_from(self._named(lookup.table))
            .where(key.is_not(None), name.is_not(None))
        )
        return self._witnessed({"id": "text", "name": "text"}, self._render(found))

    def expression_probe(self, name: str, expression: Expression) -> str | None:
        """A statement that fails when a mapping's own SQL is wrong, and reads nothing; None where there is none."""
        if not expression.sql:
            return None
        cell = self._cell(expression)
        statement = select(self._alternatives(name, [cell])[0].label("probe")) if cell else None
        return (
            self._render(statement.select_from(self._source(details=True)).limit(literal_column("0")))
            if statement is not None
            else None
        )

    def _require(self) -> None:
        preset = self.preset
        always = [preset.time_column, *preset.id.columns, *preset.recognised_by]
        for item in (preset.row_filter, preset.input_includes_cache):
            always += item.columns if isinstance(item, Expression) else ()
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
            item
            for item in items
            if all(name in self.columns for name in item.columns) and self._cell(item) is not None
        ]

    def _cell(self, item: Expression) -> Cell | None:
        if item.value is not None:
            return Cell(cast(constant(item.value), SqlText), "text")
        if item.sql:
            spelled = self._with_paths(item.sql.get(self.dialect.name, ""))
            return Cell(literal_column(f"({spelled})"), typed=item.typed) if spelled else None
        name = item.column or ""
        if not item.path:
            return Cell(self._column(name), self.columns.get(name, ""))
        value = self._at_path(name, item.path)
        return None if value is None else Cell(value)

    def _at_path(self, name: str, path: Sequence[str]) -> ColumnElement[Any] | None:
        source = self._json.get(name)
        if source is None:
            return self.dialect.json(Cell(self._column(name), self.columns.get(name, "")), path)
        return self.dialect.json(Cell(source.c[path[0]], "jsonb"), path[1:])

    def _with_paths(self, sql: str) -> str:
        """The SQL of a preset with each `${column.key.key}` replaced by the text at that path; '' if it has none."""

        def spelled(match: re.Match[str]) -> str:
            name, *path = match[1].split(".")
            value = self._at_path(name, path)
            return "NULL" if value is None else self.dialect.spell(value)

        return PATH_IN_SQL.sub(spelled, sql)

    def _json_sources(self) -> dict[str, FromClause]:
        """One relation for each JSON column that is read at paths, where the database wants one."""
        keys: dict[str, list[str]] = {}
        for item in (item for items in self.preset.fields.values() for item in items):
            for name, path in json_paths(item):
                if name in self.columns and path[0] not in keys.setdefault(name, []):
                    keys[name].append(path[0])
        cells = {name: Cell(self._column(name), self.columns[name]) for name in keys}
        found = {name: self.dialect.json_source(cells[name], keys[name], f"{name}_json") for name in keys}
        return {name: source for name, source in found.items() if source is not None}

    def _source(self, details: bool) -> Any:
        """What to select from: the table, with its JSON unpacked where that is read."""
        source = self._table
        for name, relation in self._json.items():
            read = (item for items in self._usable.values() for item in items if details or not item.costly)
            if any(name == column_name for item in read for column_name, _ in json_paths(item)):
                source = source.outerjoin(relation, literal_column("true"))
        return source

    def _alternatives(self, name: str, cells: Sequence[Cell]) -> tuple[ColumnElement[Any], str]:
        """The field's raw column (its type never depends on the rows) and, for money, its kind."""
        kind, dialect = field_kind(name), self.dialect
        if kind == "money":
            if len(cells) == 1:
                return dialect.money(cells[0], whole=self.preset.cost_unit != "usd")
            return func.coalesce(*map(dialect.money_text, cells), constant("")), "text"
        text = dialect.only_text if len(cells) == 1 else dialect.text
        read = {"text": text, "tags": dialect.tags, "integer": dialect.integer, "boolean": dialect.boolean}[kind]
        values = [read(cell) for cell in cells]
        if kind in ("text", "tags"):
            return dialect.finish_text(_first(values)), kind
        return func.coalesce(*values, number(-1)), kind

    def _rows_head(self, details: bool) -> str:
        """Everything before WHERE; it never changes, and compiling it takes longer than a poll may."""
        key = f"rows {details}"
        if key not in self._heads:
            kinds = self._raw_kinds(self.mapped)
            if isinstance(self.preset.input_includes_cache, Expression):
                kinds["input_includes_cache"] = "boolean"
            self._heads[key] = self._witnessed(kinds, self._render(self._rows(details)))
        return self._heads[key]

    def _raw_kinds(self, fields: Sequence[str]) -> dict[str, str]:
        """The names and kinds of a stream's columns: id, time, then these fields."""
        time = "iso" if self._time_kind == "iso" else "integer"
        return {"id": "text", "time": time, **{name: field_kind(name) for name in fields}}

    def _witnessed(self, kinds: Mapping[str, str], statement: str) -> str:
        """The statement behind one row of the right types that stands for nothing: no id, and no time.

        Without it a driver that knows types only from rows gives an empty answer types of its own.
        """
        if not self.dialect.types_from_rows:
            return statement
        money = {"integer": "0", "double": "0.0", "text": "''"}[self._money()[1]]
        blank = self.dialect.spell(self.dialect.finish_text(None))
        spelled = {"integer": "-1", "boolean": "-1", "text": blank, "tags": blank, "iso": "''", "money": money}
        columns = ", ".join(f'{spelled[kind]} AS "{name}"' for name, kind in kinds.items())
        return f"SELECT {columns} UNION ALL {statement}"

    def _joined(self, head: str, conditions: Sequence[ColumnElement[bool]]) -> str:
        return f"{head} WHERE " + " AND ".join(f"({self.dialect.spell(condition)})" for condition in conditions)

    def _raw(self, name: str, details: bool) -> ColumnElement[Any]:
        items = [item for item in self._usable[name] if details or not item.costly]
        cells = [cell for item in items if (cell := self._cell(item)) is not None]
        if cells:
            return self._alternatives(name, cells)[0]
        kind = field_kind(name)
        if kind in ("text", "tags"):
            return self.dialect.finish_text(None)
        return cast(constant(""), SqlText) if kind == "money" else number(-1)

    def _money(self) -> tuple[ColumnElement[Any] | None, str]:
        items = self._usable.get("reported_cost") or []
        cells = [cell for item in items if (cell := self._cell(item)) is not None]
        return self._alternatives("reported_cost", cells) if cells else (None, "text")

    def _fingerprint_fields(self) -> tuple[str, ...]:
        cheap = (name for name in FINGERPRINT_FIELDS if any(not item.costly for item in self._usable.get(name) or []))
        return tuple(cheap)

    def _rows(self, details: bool) -> Select[Any]:
        extra = []
        includes = self.preset.input_includes_cache
        if isinstance(includes, Expression) and (cell := self._cell(includes)) is not None:
            extra = [func.coalesce(self.dialect.boolean(cell), number(-1)).label("input_includes_cache")]
        return self._select([*(self._raw(name, details).label(name) for name in self.mapped), *extra], details)

    def _select(self, figures: Sequence[ColumnElement[Any]], details: bool) -> Select[Any]:
        cell = self._cell(self.preset.id)
        identity = self.dialect.finish_text(self.dialect.only_text(cell) if cell else None)
        moment = self.dialect.time(self._time)
        return select(identity.label("id"), moment.label("time"), *figures).select_from(self._source(details))

    def _sum(self, name: str) -> ColumnElement[Any]:
        items = [item for item in self._usable.get(name) or [] if not item.costly]
        cell = self._cell(items[0]) if items else None
        return self.dialect.total(cell) if cell else constant("")

    def _edge(self, order: ColumnElement[Any]) -> str:
        moment = self.dialect.time(self._time).label("time")
        return self._render(
            select(moment)
            .select_from(self._table)
            .where(*self._usable_time())
            .order_by(order)
            .limit(literal_column("1"))
        )

    def _within(self, start: datetime, end: datetime | None) -> list[ColumnElement[bool]]:
        first = min(max(start, USABLE_FROM), USABLE_UNTIL)
        last = min(end or USABLE_UNTIL, USABLE_UNTIL)
        return [*self.dialect.within(self._time, first, last), *self._filter()]

    def _usable_time(self) -> list[ColumnElement[bool]]:
        return self._within(USABLE_FROM, None)

    def _filter(self) -> list[ColumnElement[bool]]:
        sql = self.preset.row_filter.sql.get(self.dialect.name) if self.preset.row_filter else None
        return [literal_column(f"({sql})")] if sql else []

    def _column(self, name: str) -> ColumnElement[Any]:
        return column(_quoted(name))

    def _named(self, name: str) -> Any:
        return table(_quoted(name), schema=_quoted(self.schema) if self.schema else None)

    def _render(self, statement: Select[*tuple[Any, ...]]) -> str:
        return self.dialect.render(statement)


def _quoted(name: str) -> str:
    return quoted_name(name, quote=True)


def _first(values: Sequence[ColumnElement[Any]]) -> ColumnElement[Any]:
    return values[0] if len(values) == 1 else func.coalesce(*values)
