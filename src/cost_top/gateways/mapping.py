"""The statements that read one log, compiled from its columns."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnClause,
    ColumnElement,
    Select,
    and_,
    case,
    func,
    literal_column,
    not_,
    null,
    or_,
    select,
    union_all,
)

from cost_top.gateways.columns import LogColumns, first
from cost_top.gateways.dialects.base import number
from cost_top.gateways.instants import SPELLED, USABLE_FROM, USABLE_UNTIL, ZONES_APART, sqlite_in_utc
from cost_top.gateways.preset import Expression
from cost_top.gateways.shape import ROW_HASH, field_kind, pack_name
from cost_top.gateways.spelled import spelled_columns
from cost_top.gateways.texts import HEADS, NARROW, PACKED, WITHIN, KeptTexts, LogFacts, LogTexts
from cost_top.gateways.witnesses import EXACT, SEPARATOR
from cost_top.gateways.zero_costs import zero_for_tokens
from cost_top.model.notes import MOST_UNTIMED


class LogStatements(LogTexts):
    """SQL texts for one log. The head of the large ones is compiled once: it takes longer than a poll may."""

    def __init__(self, columns: LogColumns) -> None:
        self.columns = columns
        self._dialect = columns.dialect
        self._heads: dict[str, str | None] = {}
        # Readers ask from threads of their own, and what columns share must not be built by two at once.
        self._making = threading.RLock()
        self._makers: dict[str, Callable[[], str | None]] = {
            "rows True": lambda: self._rows_head(details=True),
            "rows False": lambda: self._rows_head(details=False),
            "packed True": lambda: self._packed_head(details=True),
            "packed False": lambda: self._packed_head(details=False),
            "fingerprints": self._fingerprints_head,
            "digest": self._digest_head,
            "spelled": self._spelled_head,
            "period_count": self._period_count_head,
            "day_count": self._day_count_head,
            "newest": lambda: self._edge(is_last=True),
            "oldest": lambda: self._edge(is_last=False),
            "sample": self._sample_head,
            "untimed": self._untimed_head,
        }
        self._narrow: dict[tuple[str, ...], str] = {}
        self._own: tuple[str, ...] | None = None

    @property
    def facts(self) -> LogFacts:
        """What is known of the log."""
        columns = self.columns
        preset = columns.preset
        return LogFacts(
            preset.name, preset.table, columns.schema, preset.overlap, columns.version, columns.costly,
            columns.missing, columns.key is not None, columns.shape,
        )  # fmt: skip

    def kept(self) -> KeptTexts | None:
        """All that is compiled, for a later run; None where this database's conditions are only spelled here."""
        if self._dialect.name not in SPELLED:
            return None
        heads = {name: head for name in HEADS if (head := self.head(name)) is not None}
        return KeptTexts(self._dialect.name, heads, self.columns.time_text, self.conditions())

    def head(self, name: str) -> str | None:
        """See `LogTexts`."""
        if name not in self._heads:
            with self._making:
                if name not in self._heads:
                    kind, *words = name.split(" ")
                    made = self._narrow_head(words[0], words[1:]) if kind == NARROW else self._makers[name]()
                    self._heads[name] = made
        return self._heads[name]

    def times(self, start: datetime, end: datetime) -> list[str]:
        """See `LogTexts`."""
        return [self._dialect.spell(condition) for condition in self.columns.within(start, end)]

    def at(self, times: Sequence[datetime]) -> str:
        """See `LogTexts`."""
        return self._dialect.spell(self.columns.at(times))

    def conditions(self) -> tuple[str, ...]:
        """See `LogTexts`."""
        if self._own is None:
            self._own = tuple(self._dialect.spell(condition) for condition in self.columns.filter())
        return self._own

    def narrow(self, fields: Collection[str], periods: Sequence[tuple[datetime, datetime | None]]) -> str:
        """As `rows` with details, of some fields alone and of several periods, which do not overlap."""
        wanted = tuple(name for name in self.columns.mapped if name in fields)
        head = self._narrow.get(wanted)
        if head is None:
            read = self.columns.only(wanted)
            figures = [read.raw(name, details=True).label(name) for name in wanted]
            head = self._render(self._select([*figures, *self._inclusive(read)], True, wanted, read))
            self._narrow[wanted] = head
        within = or_(*(and_(*self._times(start, end)) for start, end in periods))
        return self._joined(head, [self._dialect.spell(within), *self.conditions()])

    def count(self, periods: Sequence[tuple[datetime, datetime | None]]) -> str:
        """One row: how many rows some periods have, which do not overlap."""
        within = or_(*(and_(*self._times(start, end)) for start, end in periods))
        counted = select(self._dialect.integer_sum(func.count()).label("n")).select_from(self.columns.source(True, ()))
        return self._render(counted.where(within, *self.columns.filter()))

    def models(self, start: datetime, end: datetime) -> str:
        """Providers and models of a period: rows of each, how many have a reported cost, of how many it is no price."""
        names = [self.columns.raw(name, details=False) for name in ("provider", "model")]
        costs = [case((cell.value.is_not(None), number(1))) for cell in self.columns.cells("reported_cost", False)]
        reported = func.count(first(costs)) if costs else number(0)
        counts = {"rows": func.count(), "reported": reported, "zeros": func.count(zero_for_tokens(self.columns))}
        grouped = select(names[0].label("provider"), names[1].label("model"),
                         *(value.label(name) for name, value in counts.items()))  # fmt: skip
        found = (
            grouped.select_from(self.columns.source(details=False))
            .where(*self._times(start, end), *self.columns.filter())
            .group_by(literal_column("1"), literal_column("2"))
        )
        return self._witnessed(
            {"provider": "text", "model": "text", **dict.fromkeys(counts, "integer")},
            self._render(found),
        )

    def expression_probe(self, name: str, expression: Expression) -> str | None:
        """A statement that fails when a mapping's own SQL is wrong, and reads nothing; None where there is none."""
        if not expression.sql:
            return None
        cell = self.columns.cell(expression)
        if cell is None:
            return None
        probe = select(self.columns.read(name, [cell]).label("probe")).select_from(self.columns.source(True, (name,)))
        return self._render(probe.limit(literal_column("0"))).replace(WITHIN, "1 = 0")

    def _rows_head(self, details: bool) -> str:
        kinds = self._raw_kinds([*self.columns.mapped, *self._also()])
        if isinstance(self.columns.preset.input_includes_cache, Expression):
            kinds["input_includes_cache"] = "boolean"
        return self._witnessed(kinds, self._render(self._rows(details)))

    def _packed_head(self, details: bool) -> str:
        columns = self._packed(details)
        kinds = self._raw_kinds([]) | dict.fromkeys(columns, "text")
        kinds |= {name: _raw_kind(name) for name in (*self.columns.mapped, *self._also()) if name in columns}
        kinds |= dict.fromkeys((value.name for value in self._inclusive()), "boolean")
        figures = [*(value.label(name) for name, value in columns.items()), *self._inclusive()]
        return self._witnessed(kinds, self._render(self._select(figures, details)))

    def _narrow_head(self, form: str, fields: Sequence[str]) -> str:
        shape = self.columns.shape.narrowed(fields)
        packs = {pack_name(place): self._pack(names, True) for place, names in enumerate(shape.packs)}
        if form != PACKED:
            packs = {}
        packed = {name for names in shape.packs for name in names} if packs else set()
        alone = [name for name in shape.fields if name not in packed]
        figures = [*(value.label(name) for name, value in packs.items()), *self._fields(alone, True)]
        moment = self._dialect.time(self.columns.time).label("time")
        read = select(moment, *figures, *self._inclusive()).select_from(self.columns.source(True, shape.fields))
        kinds = self._raw_kinds([]) | dict.fromkeys(packs, "text") | {name: _raw_kind(name) for name in alone}
        kinds |= dict.fromkeys((value.name for value in self._inclusive()), "boolean")
        del kinds["id"]
        return self._witnessed(kinds, self._render(read))

    def _fingerprints_head(self) -> str:
        columns = self.columns
        plain = dict(columns.plain)
        # What a row without an id is known by.
        plain |= {name: columns.raw(name, details=False) for name in columns.shape.identity_fields}
        figures = [value.label(name) for name, value in (*plain.items(), *columns.key_values)]
        kinds = self._raw_kinds([*plain, *columns.shape.key_columns])
        return self._witnessed(kinds, self._render(self._select(figures, details=False)))

    def _digest_head(self) -> str | None:
        if self.columns.row_hash is None:
            return None
        total = self._dialect.as_text(func.coalesce(func.sum(self._dialect.wide(self.columns.row_hash)), number(0)))
        digest = select(func.count().label("rows"), total.label("digest"))
        return self._render(digest.select_from(self.columns.source(details=False)))

    def _spelled_head(self) -> str | None:
        columns = spelled_columns(self.columns)
        if columns is None:
            return None
        kinds = {column.name: "money" if column.name == EXACT else "text" for column in columns}
        return self._witnessed(kinds, self._render(select(*columns).select_from(self.columns.source(details=False))))

    def _period_count_head(self) -> str:
        return self._render(select(func.count().label("rows")).select_from(self.columns.source(False)))

    def _day_count_head(self) -> str:
        parts = [self._sum(name) for name in ("input_tokens", "output_tokens", "reported_cost")]
        literal = self._dialect.literal
        check = self._dialect.concatenated(
            [piece for part in parts for piece in (literal("/"), func.coalesce(part, literal("")))]
        )
        counted = select(func.count().label("rows"), self._dialect.as_text(check).label("check_text"))
        return self._render(counted.select_from(self.columns.source(False)))

    def _sample_head(self) -> str:
        rows = self._rows(details=False).where(*self._usable_time())
        return self._render(rows.order_by(self.columns.time.value.desc()))

    def _untimed_head(self) -> str:
        counts = []
        for condition in self.columns.beyond():
            found: Select[Any] = select(literal_column("1").label("one")).select_from(self.columns.table)
            bounded = found.where(condition, *self.columns.filter()).limit(number(MOST_UNTIMED)).subquery()
            counts.append(select(func.count()).select_from(bounded).scalar_subquery())
        total: ColumnElement[Any] = number(0)
        for count in counts:
            total = total + count
        return self._render(select(total.label("rows")))

    def _raw_kinds(self, fields: Sequence[str]) -> dict[str, str]:
        """The names and kinds of a stream's columns: id, time, then these fields."""
        time = "iso" if self.columns.time_kind == "iso" else "integer"
        return {"id": "text", "time": time, **{name: _raw_kind(name) for name in fields}}

    def _also(self) -> dict[str, ColumnElement[Any]]:
        """What a stream of rows holds beside the fields: what rows are told apart by and their changes known by."""
        beside = (*self.columns.plain, *self.columns.key_values)
        return {name: value for name, value in beside if name not in self.columns.mapped}

    def _witnessed(self, kinds: Mapping[str, str], statement: str) -> str:
        """The statement behind one row of the right types that stands for nothing: no id, and no time.

        Without it a driver that knows types only from rows gives an empty answer types of its own.
        """
        if not self._dialect.types_from_rows:
            return statement
        blanks = {kind: "''" if kind == "iso" else self.columns.blank(kind) for kind in kinds.values()}
        columns = ", ".join(f"{blanks[kind]} AS {self._dialect.quoted(name)}" for name, kind in kinds.items())
        return f"SELECT {columns} UNION ALL {statement}"

    def _rows(self, details: bool) -> Select[Any]:
        also = [value.label(name) for name, value in self._also().items()]
        return self._select([*self._fields(self.columns.mapped, details), *also, *self._inclusive()], details)

    def _packed(self, details: bool) -> dict[str, ColumnElement[Any]]:
        """What a packed stream holds beside id and time: packs, then what is none."""
        mapped, packs = self.columns.mapped, self.columns.shape.packs
        found: dict[str, ColumnElement[Any]] = {}
        for place, names in enumerate(packs):
            found[pack_name(place)] = self._pack(names, details)
        packed = {name for names in packs for name in names}
        found |= {name: self.columns.raw(name, details) for name in mapped if name not in packed}
        return found | self._also()

    def _pack(self, names: Sequence[str], details: bool) -> ColumnElement[Any]:
        parts = [part for name in names for part in (self._dialect.literal(SEPARATOR), self._part(name, details))]
        packed = self._dialect.packed(parts[1:])
        cells = [self.columns.cells(name, details) for name in names]
        plain = all(len(given) == 1 and isinstance(given[0].value, ColumnClause) for given in cells)
        if not plain or all(field_kind(name) == "text" for name in names):
            return packed
        # What few rows have: to see that none is there costs less than to spell it.
        nothing = SEPARATOR.join("" if field_kind(name) == "text" else self.columns.blank("integer") for name in names)
        unknown = and_(*(given[0].value.is_(null()) for given in cells))
        return case((unknown, self._dialect.packed([self._dialect.literal(nothing)])), else_=packed)

    def _part(self, name: str, details: bool) -> ColumnElement[Any]:
        """A raw column as text, '' where unknown."""
        raw = self.columns.raw(name, details, is_part=True)
        return raw if field_kind(name) == "text" else self._dialect.part_text(self._dialect.as_text(raw))

    def _fields(self, names: Sequence[str], details: bool) -> list[ColumnElement[Any]]:
        return [self.columns.raw(name, details).label(name) for name in names]

    def _inclusive(self, columns: LogColumns | None = None) -> list[ColumnElement[Any]]:
        """Whether input holds its cached parts, where that differs from row to row."""
        includes = self.columns.preset.input_includes_cache
        if isinstance(includes, Expression) and (cell := (columns or self.columns).cell(includes)) is not None:
            return [func.coalesce(self._dialect.boolean(cell), number(-1)).label("input_includes_cache")]
        return []

    def _select(
        self, figures: Sequence[ColumnElement[Any]], details: bool, names: Collection[str] | None = None,
        columns: LogColumns | None = None,
    ) -> Select[Any]:  # fmt: skip
        columns = columns or self.columns
        read = select(columns.identity.label("id"), self._dialect.time(columns.time).label("time"), *figures)
        return read.select_from(columns.source(details, names))

    def _sum(self, name: str) -> ColumnElement[Any]:
        cells = self.columns.cells(name, details=False)
        return self._dialect.total(cells[0]) if cells else self._dialect.literal("")

    def _edge(self, *, is_last: bool) -> str:
        value, moment = self.columns.time.value, self._dialect.time(self.columns.time).label("time")
        order = value.desc() if is_last else value.asc()
        if self.columns.time.unit == "iso_zoned":
            return self._edge_of_zoned(order, is_last)
        usable = select(moment).select_from(self.columns.table).where(*self._usable_time())
        return self._render(usable.order_by(order).limit(literal_column("1")))

    def _edge_of_zoned(self, order: ColumnElement[Any], is_last: bool) -> str:
        """Texts with offsets: the last one need not be the newest, which is a day or so before it at most."""
        value, moment = self.columns.time.value, self._dialect.time(self.columns.time)
        conditions = self._usable_time()
        table, best = self.columns.table, func.max if is_last else func.min
        if self._dialect.name != "sqlite":  # the others read texts whole in any case
            found = best(moment.collate("C") if self._dialect.name == "postgresql" else moment)
            return self._render(select(found.label("time")).select_from(table).where(*conditions))
        edge = select(value).select_from(table).where(*conditions).order_by(order)
        text = func.substr(edge.limit(literal_column("1")).scalar_subquery(), number(1), number(19))
        moved = func.datetime(text, literal_column(f"'{'-' if is_last else '+'}{ZONES_APART} hours'"))
        near = value >= moved if is_last else value <= func.replace(moved, literal_column("' '"), literal_column("'T'"))
        # Those in UTC, which most are, stand in order.
        in_utc: ColumnElement[bool] = literal_column(f"({sqlite_in_utc(self._dialect.spell(value))})")
        first = select(moment.label("time")).select_from(table).where(near, in_utc, *conditions).order_by(order)
        rest = select(best(moment).label("time")).select_from(table).where(near, not_(in_utc), *conditions)
        both = union_all(select(first.limit(literal_column("1")).subquery().c.time), rest).subquery()
        return self._render(select(best(both.c.time).label("time")))

    def _usable_time(self) -> list[ColumnElement[bool]]:
        return [*self._times(USABLE_FROM, None), *self.columns.filter()]

    def _times(self, start: datetime, end: datetime | None) -> list[ColumnElement[bool]]:
        first = min(max(start, USABLE_FROM), USABLE_UNTIL)
        last = min(end or USABLE_UNTIL, USABLE_UNTIL)
        return self.columns.within(first, last)

    def _render(self, statement: Select[*tuple[Any, ...]]) -> str:
        return self._dialect.render(statement)


def _raw_kind(name: str) -> str:
    """The kind of a raw column: a field's, of its plain form too; a key is text."""
    if name == ROW_HASH:
        return "integer"
    return "text" if name.startswith("key ") else field_kind(name.removeprefix("plain "))
