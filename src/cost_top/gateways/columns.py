"""A preset's fields over the columns a table really has: which are known, and how each is read."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, FromClause, cast, column, func, literal_column, table
from sqlalchemy import Text as SqlText
from sqlalchemy.sql import quoted_name

from cost_top.gateways.dialects.base import UNKNOWN_MONEY, Cell, Dialect, TimeColumn, constant, number
from cost_top.gateways.preset import PATH_IN_SQL, Expression, Preset, json_paths
from cost_top.model.errors import UserError
from cost_top.model.record import FIELDS

_KINDS = {"VARCHAR": "text", "BIGINT": "integer", "INTEGER": "integer", "BOOLEAN": "boolean", "VARCHAR[]": "tags"}
# What may change after a row was first seen, and is read cheaply.
_FINGERPRINT_FIELDS = ("input_tokens", "output_tokens", "reported_cost", "status", "cache_hit")
# Amounts that no row has, by the kind of the cost column.
_NO_MONEY = {"integer": str(UNKNOWN_MONEY), "double": "9e99", "text": "''"}


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


class LogColumns:
    """The columns of one log. Building fails with `UserError` when the table lacks what nothing goes without."""

    def __init__(self, preset: Preset, columns: Mapping[str, str], dialect: Dialect, schema: str | None = None) -> None:
        """`columns` are those that may be read, with their declared types."""
        self.preset = preset
        self.columns = columns
        self.dialect = dialect
        self.schema = schema or preset.schema
        self._require()
        self.table = self.named(preset.table)
        self.time = TimeColumn(self.column(preset.time_column), columns[preset.time_column], preset.time_unit)
        self.time_kind = self._fitting_time()
        self._json = self._json_sources()
        self._usable = {name: self._known(items) for name, items in preset.fields.items()}
        self.mapped = tuple(name for name, _ in FIELDS if self._usable.get(name))
        self.missing = tuple(name for name in preset.fields if not self._usable[name])
        self._costly = tuple(name for name in self.mapped if any(item.costly for item in self._usable[name]))
        self.fingerprint_fields = tuple(name for name in _FINGERPRINT_FIELDS if self.cells(name, details=False))

    @property
    def shape(self) -> RawShape:
        """What a stream of these statements looks like."""
        includes = self.preset.input_includes_cache
        return RawShape(
            fields=self.mapped,
            fingerprint_fields=self.fingerprint_fields,
            identity_fields=tuple(name for name in self.fingerprint_fields if name not in self._costly),
            time_kind=self.time_kind,
            text_is_blob=self.dialect.text_is_blob,
            cost_kind=self.cost_kind,
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

    @property
    def cost_kind(self) -> str:
        """How the cost comes: integer, double or text."""
        cells = self.cells("reported_cost", details=True)
        return self._money(cells)[1] if cells else "text"

    @property
    def costly(self) -> tuple[str, ...]:
        """Fields that are complete only with details; all input is one where its cached parts are."""
        parts = {"cached_input_tokens", "cache_creation_input_tokens"} & set(self._costly)
        also = {"input_tokens"} if parts else set()
        return tuple(name for name in self.mapped if name in also or name in self._costly)

    def alternatives(self, name: str) -> tuple[Expression, ...]:
        """Where a field comes from in this table, the first known one first."""
        return tuple(self._usable.get(name) or ())

    def column(self, name: str) -> ColumnElement[Any]:
        """A column by its exact name."""
        return column(quoted_name(name, quote=True))

    def named(self, name: str) -> Any:
        """A table by its exact name, in the log's schema."""
        return table(_quoted(name), schema=_quoted(self.schema) if self.schema else None)

    def cell(self, item: Expression) -> Cell | None:
        """What an expression reads; None where this database has no word for it."""
        if item.value is not None:
            return Cell(cast(constant(item.value), SqlText), "text")
        if item.sql:
            spelled = self._with_paths(item.sql.get(self.dialect.name, ""))
            return Cell(literal_column(f"({spelled})"), typed=item.typed) if spelled else None
        name = item.column or ""
        if not item.path:
            return Cell(self.column(name), self.columns.get(name, ""))
        value = self._at_path(name, item.path)
        return None if value is None else Cell(value)

    def cells(self, name: str, details: bool) -> list[Cell]:
        """The alternatives of a field, without the costly ones unless `details`."""
        items = [item for item in self.alternatives(name) if details or not item.costly]
        return [cell for item in items if (cell := self.cell(item)) is not None]

    def read(self, name: str, cells: Sequence[Cell]) -> ColumnElement[Any]:
        """A field's raw column: the first known of the alternatives, in a type that never depends on the rows."""
        kind, dialect = field_kind(name), self.dialect
        if kind == "money":
            return self._money(cells)[0]
        text = dialect.only_text if len(cells) == 1 else dialect.text
        read = {"text": text, "tags": dialect.tags, "integer": dialect.integer, "boolean": dialect.boolean}[kind]
        values = [read(cell) for cell in cells]
        if kind in ("text", "tags"):
            return dialect.finish_text(first(values))
        return func.coalesce(*values, number(-1))

    def raw(self, name: str, details: bool) -> ColumnElement[Any]:
        """A field as it is read now; a constant where it is left for later."""
        cells = self.cells(name, details)
        return self.read(name, cells) if cells else literal_column(self.blank(field_kind(name)))

    def blank(self, kind: str) -> str:
        """The SQL of what a raw column of that kind holds where nothing is known."""
        if kind == "money":
            return _NO_MONEY[self.cost_kind]
        return "-1" if kind in ("integer", "boolean") else self.dialect.spell(self.dialect.finish_text(None))

    def source(self, details: bool) -> Any:
        """What to select from: the table, with its JSON unpacked where that is read."""
        source = self.table
        read = [item for items in self._usable.values() for item in items if details or not item.costly]
        wanted = {name for item in read for name, _ in json_paths(item)}
        for name, relation in self._json.items():
            if name in wanted:
                source = source.outerjoin(relation, literal_column("true"))
        return source

    def filter(self) -> list[ColumnElement[bool]]:
        """The preset's own condition on rows."""
        sql = self.preset.row_filter.sql.get(self.dialect.name) if self.preset.row_filter else None
        return [literal_column(f"({sql})")] if sql else []

    def _money(self, cells: Sequence[Cell]) -> tuple[ColumnElement[Any], str]:
        if len(cells) == 1:
            return self.dialect.money(cells[0], whole=self.preset.cost_unit != "usd")
        return func.coalesce(*map(self.dialect.money_text, cells), constant("")), "text"

    def _fitting_time(self) -> str:
        kind = self.dialect.time_kind(self.time)
        if kind is None:
            preset, declared = self.preset, self.time.declared
            raise UserError(
                f"mapping {preset.origin}: time.unit {preset.time_unit} does not fit the column "
                f"{preset.time_column!r} of type {declared}; change the unit or the column"
            )
        return kind

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
            item for item in items if all(name in self.columns for name in item.columns) and self.cell(item) is not None
        ]

    def _at_path(self, name: str, path: Sequence[str]) -> ColumnElement[Any] | None:
        source = self._json.get(name)
        if source is None:
            return self.dialect.json(Cell(self.column(name), self.columns.get(name, "")), path)
        return self.dialect.json(Cell(source.c[f"{name}.{path[0]}"], "jsonb"), path[1:])

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
        cells = {name: Cell(self.column(name), self.columns[name]) for name in keys}
        found = {name: self.dialect.json_source(cells[name], keys[name], name) for name in keys}
        return {name: source for name, source in found.items() if source is not None}


def first(values: Sequence[ColumnElement[Any]]) -> ColumnElement[Any]:
    """The first of them that is known."""
    return values[0] if len(values) == 1 else func.coalesce(*values)


def _quoted(name: str) -> str:
    return quoted_name(name, quote=True)
