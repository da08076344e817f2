"""Sums per slice of time, kept until the slice changes: what makes a tick cost what came in, not what is stored.

A slice is an interval that holds whole: a closed day, an hour of the hot end, the cut edge of a window. For each
(filter, lens, slice) the sums are computed once; a lens over a window is the sum over its slices.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import duckdb

from cost_top.mirror.added import Added, SummedRow, additive, place, trust
from cost_top.mirror.fact_sums import Found
from cost_top.mirror.groups import Group, merge_groups
from cost_top.mirror.matching import Matches
from cost_top.mirror.measures import ADDITIVE_NAMES, TRUST
from cost_top.mirror.rollup_tables import LENSES, TRUST_LENS, RollupTables
from cost_top.mirror.slice_rows import SliceRows
from cost_top.mirror.slices import Slice, is_minute, quarter_start, same_missing
from cost_top.model.filter import Filter

_DAY = timedelta(days=1)


class Rollups:
    """The memo of sums. Used by one thread, on one connection."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, relation_of: Callable[[Sequence[Slice]], str]) -> None:
        """`relation_of` gives the SQL relation that holds the rows of slices."""
        self.tables = RollupTables(connection)
        self._rows = SliceRows(relation_of)
        # Whether the groups of a filter's hours are few enough to stand beside the tables.
        self.are_few: Callable[[Filter, Sequence[str]], bool] = lambda _where, _lenses: False
        # Tells whether a row matches a filter, where rows tell that: its sums follow them as those of no filter do.
        self.matching: Callable[[Filter], Matches | None] = lambda _where: None
        # Whether rows have all the columns that sums follow them by.
        self.has_whole_rows: Callable[[], bool] = lambda: True
        self._filters: dict[str, Filter] = {}  # by their text
        self._numbers = itertools.count(1)
        self.days_summed = 0  # rises when sums of whole days are made
        self._recent: list[str] = []
        self._known: dict[tuple[str, str], dict[Slice, int]] = {}
        # By slice number: one row each, read so often that a statement would cost more than the sum.
        self._totals: dict[int, tuple[int, ...]] = {}
        self._trust: dict[int, tuple[int, ...]] = {}
        # By slice number too: what came after the sums were made. The tables do not hold it.
        self._added: dict[int, Added] = {}
        self.dropped = 0  # rises when sums are dropped
        # When what stands behind a filter's sums, by its text, changed last: of those not named here, at the latest.
        self._changed: dict[str, int] = {}
        self._changed_last = 0
        self._changes = itertools.count(1)
        self._loose: set[int] = set()  # of these everything is there, or in `_frozen`
        self._begun: set[int] = set()  # of them those that had no row at first
        self._frozen: dict[int, dict[str, list[Group]]] = {}  # groups of a filter by lens that no row is added to

    def missing(self, where: Filter, lenses: Iterable[str], slices: Iterable[Slice]) -> list[Slice]:
        """The slices that some lens has no sums for, newest first."""
        known = [self._known.get((str(where), lens), {}) for lens in lenses]
        parts = list(slices)
        return sorted({part for done in known for part in parts if part not in done}, reverse=True)

    def build(self, where: Filter, lenses: Sequence[str], slices: Sequence[Slice]) -> None:
        """Compute what is missing for these slices in one pass over their rows (two with tags)."""
        text = self._text(where)
        for wanted, parts in same_missing({lens: self._known.setdefault((text, lens), {}) for lens in lenses}, slices):
            numbered = {part: next(self._numbers) for part in parts}
            if not parts[0].is_whole:
                self._compute_beside(where, wanted, numbered, *self._rows.cut(where, numbered))
            elif where and parts[0].end - parts[0].start < _DAY and self.are_few(where, wanted):
                self._compute_beside(where, wanted, numbered, *self._rows.whole(where, numbered))
            else:
                self._compute(where, wanted, numbered)
            for lens in wanted:
                self._known[text, lens].update(numbered)
            self.days_summed += any(part.end - part.start == _DAY for part in parts)

    def begin(self, parts: Iterable[Slice]) -> None:
        """Slices that no row is in yet, those that are not summed: what comes is added to their sums by every lens."""
        self._filters[""] = Filter()
        known = [self._known.setdefault(("", lens), {}) for lens in LENSES]
        for part in parts:
            if any(part in done for done in known):
                continue
            number = next(self._numbers)
            self._added[number] = Added()
            self._loose.add(number)
            self._begun.add(number)
            for done in known:
                done[part] = number

    def hold(self, where: Filter, lenses: Iterable[str], found: Mapping[Slice, Found]) -> None:
        """Take over the sums of a filter's slices that were made of integer rows."""
        lenses, text = tuple(lenses), self._text(where)
        for part, one in found.items():
            number = next(self._numbers)
            self._totals[number], self._frozen[number] = one.totals, one.groups
            self._loose.add(number)
            if TRUST_LENS in lenses:
                self._trust[number] = one.trust
            for lens in lenses:
                self._known.setdefault((text, lens), {})[part] = number

    def _text(self, where: Filter) -> str:
        text = str(where)
        self._filters[text] = where
        return text

    def _compute(self, where: Filter, lenses: Sequence[str], numbered: dict[Slice, int]) -> None:
        source, given = self._rows.whole(where, numbered)
        if grouped := _grouped(lenses):
            self._totals.update(self.tables.fill(grouped, source, given))
        if "tag" in lenses:
            self.tables.fill_tags(source, given)
        if TRUST_LENS in lenses:
            self._trust.update(self.tables.trust(source, given))

    def _compute_beside(
        self, where: Filter, lenses: Sequence[str], numbered: dict[Slice, int], source: str, given: list[object]
    ) -> None:
        """Sums that stand beside the tables, not in them, so that rows add to them; as they are where rows cannot."""
        frozen = bool(where) and self.matching(where) is None
        for number in numbered.values():
            self._loose.add(number)
            if frozen:
                self._frozen[number] = {}
            else:
                self._added[number] = Added()
        if not frozen and self.has_whole_rows() and (rows := self.tables.few_rows(source, given)) is not None:
            self._sum_rows(lenses, rows)
            return

        def put(number: int, lens: str, group: Group) -> None:
            if frozen:
                self._frozen[number].setdefault(lens, []).append(group)
            else:
                self._added[number].put(lens, group[0], group[1], group[2], group[3:])

        if grouped := _grouped(lenses):
            for number, lens, group in self.tables.summed(grouped, source, given):
                if lens is None:
                    self._totals[number] = tuple(group[3:])
                else:
                    put(number, lens, group)
        if "tag" in lenses:
            for number, group in self.tables.summed_tags(source, given):
                put(number, "tag", group)
        if TRUST_LENS in lenses:
            self._trust.update(self.tables.trust(source, given))

    def _sum_rows(self, lenses: Sequence[str], rows: Iterable[tuple[int, SummedRow]]) -> None:
        """Sum rows beside the tables, each by the number of its slice."""
        for number, row in rows:
            self._add_to(number, lenses, row, additive(row), trust(row))

    def number(self, where: Filter, lens: str, part: Slice) -> int | None:
        """The number of a slice, None where it is not summed."""
        return self._known.get((str(where), lens), {}).get(part)

    def announce(self, where: Filter, part: Slice, lenses: Iterable[str]) -> int:
        """A number for a slice whose sums are put into the tables from elsewhere."""
        number = next(self._numbers)
        self.days_summed += part.end - part.start == _DAY
        for lens in lenses:
            self._known.setdefault((str(where), lens), {})[part] = number
        return number

    def totals_of(self, number: int) -> tuple[int, ...]:
        """The additive measures of one slice."""
        return self._totals.get(number, (0,) * len(ADDITIVE_NAMES))

    def trust_of(self, number: int) -> tuple[int, ...]:
        """The trust sums of one slice."""
        return self._trust.get(number, (0,) * len(TRUST))

    def set_totals(self, number: int, values: tuple[int, ...]) -> None:
        """Put the additive measures of one slice."""
        self._totals[number] = values

    def set_trust(self, number: int, values: tuple[int, ...]) -> None:
        """Put the trust sums of one slice."""
        self._trust[number] = values

    def numbers(self, where: Filter, lens: str, slices: Iterable[Slice]) -> list[int]:
        """The numbers of the slices that are known."""
        known = self._known.get((str(where), lens), {})
        return [known[part] for part in slices if part in known]

    def tabled(self, numbers: Iterable[int]) -> tuple[int, ...]:
        """Those of the numbers whose groups are in the tables."""
        return tuple(number for number in numbers if number not in self._loose)

    def frozen(self, numbers: Iterable[int]) -> tuple[int, ...]:
        """Those of the numbers whose groups are held beside the tables for good."""
        return tuple(number for number in numbers if number in self._frozen) if self._frozen else ()

    def still(self, numbers: Iterable[int]) -> tuple[int, ...]:
        """Those of the numbers whose groups stand beside the tables as they were summed: no row came to them."""
        return tuple(number for number in numbers if (one := self._added.get(number)) and not one.version)

    def groups(self, lens: str, numbers: Iterable[int], limit: int) -> list[Group]:
        """Groups of a lens over slices without what was added to them; at most so many of those in the tables."""
        numbers = tuple(numbers)
        beside = (self._frozen[number].get(lens, ()) for number in self.frozen(numbers))
        return merge_groups(self.tables.groups(lens, self.tabled(numbers), limit), *beside)

    def held(self, lens: str, numbers: Iterable[int]) -> list[Group]:
        """What of a lens's groups over slices is not in the tables; a key may come several times."""
        beside = (self._frozen[number].get(lens, ()) for number in self.frozen(numbers))
        return [*self.added(lens, numbers), *itertools.chain.from_iterable(beside)]

    def totals(self, where: Filter, slices: Iterable[Slice], lens: str = "provider") -> tuple[int, ...]:
        """The additive measures summed over slices that a lens has been computed for (not tags, which overlap)."""
        rows = [self._totals[number] for number in self.numbers(where, lens, slices) if number in self._totals]
        return tuple(map(sum, zip(*rows, strict=True))) if rows else (0,) * len(ADDITIVE_NAMES)

    def trust(self, where: Filter, slices: Iterable[Slice]) -> dict[str, int]:
        """The sums behind the trust line."""
        rows = [self._trust[number] for number in self.numbers(where, TRUST_LENS, slices) if number in self._trust]
        sums = map(sum, zip(*rows, strict=True)) if rows else (0,) * len(TRUST)
        return dict(zip(TRUST, sums, strict=True))

    def version(self, numbers: Iterable[int]) -> int:
        """Rises with everything that is added to slices of these numbers."""
        return sum(self._added[number].version for number in numbers if number in self._added)

    def changed(self, where: Filter) -> int:
        """Another number when rows came or changed that a filter matches, or sums of it were dropped."""
        return self._changed.get(str(where), self._changed_last)

    def added(self, lens: str, numbers: Iterable[int]) -> list[tuple[Any, ...]]:
        """Groups `(key, second, newest, *additive measures)` of what was added to slices, as `groups` gives them.

        A key may come several times; of providers, `second` is a quarter of an hour.
        """
        found = [self._added[number] for number in numbers if number in self._added]
        return [(key, second, newest, *sums) for each in found for key, second, newest, sums in each.of(lens)]

    def change(self, gone: Sequence[SummedRow], come: Sequence[SummedRow]) -> None:
        """Follow rows that came, and rows that were others before: what they match is added up, or else dropped.

        Where a row left its groups or its time, sums are made anew: what it was the newest of, it no longer tells.
        """
        lenses_of: dict[str, list[str]] = {}
        for text, lens in self._known:
            lenses_of.setdefault(text, []).append(lens)
        for text, lenses in lenses_of.items():
            matches = self.matching(self._filters[text]) if text else None
            if text and matches is None:
                self._changed[text] = next(self._changes)
                self._forget_times(text, lenses, {row.time for row in (*gone, *come)})
                continue
            matched = [rows if matches is None else [*filter(matches, rows)] for rows in (gone, come)]
            if any(matched):
                self._changed[text] = next(self._changes)
                self._follow(text, lenses, *matched)

    def _follow(
        self, text: str, lenses: Sequence[str], gone: Sequence[SummedRow], come: Sequence[SummedRow]
    ) -> None:  # fmt: skip
        before: dict[tuple[Any, ...], list[SummedRow]] = {}
        for row in gone:
            before.setdefault(place(row), []).append(row)
        pairs: list[tuple[SummedRow | None, SummedRow]] = []
        for row in come:
            same = before.get(place(row)) if before else None
            pairs.append((same.pop() if same else None, row))
        self._forget_times(text, lenses, {row.time for rows in before.values() for row in rows})
        if not pairs:
            return
        first, last = min(row.time for row in come), max(row.time for row in come)
        summed: dict[int, tuple[Slice, list[str]]] = {}
        for lens in lenses:
            for part, number in self._known[text, lens].items():
                if part.start <= last and part.end > first:
                    summed.setdefault(number, (part, []))[1].append(lens)
        if not self._frozen.keys().isdisjoint(summed):
            self._forget_times(text, lenses, {row.time for row in come})
            return
        for old, row in pairs:
            self._add(summed, old, row)

    def _forget_times(self, text: str, lenses: Iterable[str], times: set[datetime]) -> None:
        """Drop the sums of a filter's slices in which one of these times lies."""
        if not times:
            return
        first, last = min(times), max(times)

        def touches(part: Slice) -> bool:
            return part.start <= last and part.end > first and any(part.start <= time < part.end for time in times)

        self._drop(((text, lens), [*filter(touches, self._known[text, lens])]) for lens in lenses)

    def _add(self, summed: dict[int, tuple[Slice, list[str]]], old: SummedRow | None, row: SummedRow) -> None:
        values, trusted = additive(row), trust(row)
        if old is not None:
            values = tuple(map(int.__sub__, values, additive(old)))
            trusted = tuple(map(int.__sub__, trusted, trust(old)))
        for number, (part, lenses) in summed.items():
            if not part.start <= row.time < part.end:
                continue
            self._added.setdefault(number, Added()).version += 1
            self._add_to(number, lenses, row, values, trusted)

    def _add_to(
        self, number: int, lenses: Sequence[str], row: SummedRow, values: Sequence[int], trusted: Sequence[int]
    ) -> None:  # fmt: skip
        """Add what a row adds to the sums of one slice, where they stand beside the tables."""
        for lens in lenses:
            if lens == TRUST_LENS:
                self._trust[number] = tuple(map(int.__add__, self.trust_of(number), trusted))
            else:
                self._added[number].add(row, lens, values)
        if any(lens != TRUST_LENS for lens in lenses):
            self._totals[number] = tuple(map(int.__add__, self.totals_of(number), values))

    def settle(self, hour: datetime) -> None:
        """Drop the sums that something was added to, of slices that ended before an hour: they are made anew, once."""
        if self._added:
            self.forget(lambda part: part.end <= hour, of=self._added.keys() - (self._loose - self._begun))

    def forget(self, touches: Callable[[Slice], bool], of: Container[int] | None = None) -> None:
        """Drop the sums of slices whose rows changed; with `of`, only of slices with these numbers."""
        self._drop(
            (key, [part for part, number in known.items() if (of is None or number in of) and touches(part)])
            for key, known in self._known.items()
        )

    def forget_edges(self, used: set[Slice], hot_start: datetime) -> None:
        """Drop the cut edges of windows that have moved on; of days that closed before `hot_start` their hours too."""
        moving, changed = {quarter_start(part) for part in used if is_minute(part)}, dict(self._changed)
        self.forget(
            lambda part: (
                part not in used
                and not (is_minute(part) and quarter_start(part) in moving)
                and part.end - part.start <= _DAY
                and (not part.is_whole or (part.start < hot_start and part.end - part.start < _DAY))
            )
        )
        self._changed = changed  # what is used is there

    def keep_recent(self, where: Filter, kept: int = 6) -> None:
        """Note that a filter is looked at; drop the sums of those looked at longest ago (never of the empty one)."""
        text = str(where)
        if self._recent[-1:] == [text]:
            return
        known, self._recent = self._recent, [*(other for other in self._recent if other != text), text][-kept:]
        if gone := {*known} - {*self._recent, ""}:
            self._forget_filters(gone.__contains__)

    def forget_filter(self, where: Filter) -> None:
        """Drop the sums of a filter that other rows match now."""
        self._forget_filters(str(where).__eq__)

    def _forget_filters(self, is_gone: Callable[[str], bool]) -> None:
        gone = [key for key in self._known if is_gone(key[0])]
        self._drop((key, list(self._known[key])) for key in gone)
        for key in gone:
            del self._known[key]
            self._filters.pop(key[0], None)
            self._changed.pop(key[0], None)
            self._changed_last = next(self._changes)

    def _drop(self, gone: Iterable[tuple[tuple[str, str], Sequence[Slice]]]) -> None:
        """Drop the sums of slices by filter and lens."""
        dropped: set[int] = set()
        for key, parts in gone:
            if not parts:
                continue
            numbers = [self._known[key].pop(part) for part in parts]
            dropped.update(numbers)
            self.dropped += 1
            self._changed[key[0]] = next(self._changes)
            if key[1] == TRUST_LENS:
                for number in numbers:
                    self._trust.pop(number, None)
            elif tabled := self.tabled(numbers):
                self.tables.delete(key[1], tabled)
        if not dropped:
            return
        held = {number for known in self._known.values() for number in known.values()}
        for number in dropped - held:
            self._totals.pop(number, None)
            self._added.pop(number, None)
            self._frozen.pop(number, None)
            self._loose.discard(number)
            self._begun.discard(number)


def _grouped(lenses: Sequence[str]) -> list[str]:
    return [lens for lens in lenses if lens not in ("tag", TRUST_LENS)]
