"""Rows, totals and stretches read off the sums; what has not changed from tick to tick is not read again."""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from typing import Any, TypeVar

from cost_top.mirror.groups import merge_groups, order_groups, undated
from cost_top.mirror.local_time import LocalTime
from cost_top.mirror.measures import ADDITIVE_NAMES, measures_of, part_sums
from cost_top.mirror.report import keys_of, ordered
from cost_top.mirror.rollup_tables import BAR_SUMS
from cost_top.mirror.rollups import Rollups
from cost_top.mirror.slices import Slice, quarters_of
from cost_top.model.filter import Filter
from cost_top.model.query import SUMMED_MEASURES, TOKENS, Measures, Report, ReportQuery, ReportRow, known_measures

T = TypeVar("T")
Key = tuple[str | None, ...]
# Results that are kept, of each filter looked at.
_MEMO_SIZE = 80
# Ten lenses of three parts each, these merged, and what is asked of them.
_GROUPS_SIZE = 50
_UNSEEN = 4  # of the filters that are kept nobody looks at so many: they leave room for no large results
_ROWS_SIZE = 4000
_LARGE = {"groups", "merged", "top", "known", "costs", "still"}
_ALL = 1_000_000_000
_FEW_GROUPS = 1000  # more are merged and ordered by the database
_STEP = 256  # groups more are asked for at a time
_INSTANT = timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_bar_sums: Callable[[Sequence[int]], tuple[int, ...]] = itemgetter(*map(ADDITIVE_NAMES.index, BAR_SUMS))


class Lenses:
    """Used by the thread of the sums."""

    def __init__(self, rollups: Rollups) -> None:
        """Reads `rollups`; builds nothing."""
        self._rollups = rollups
        self._memo: OrderedDict[tuple[object, ...], object] = OrderedDict()
        self._rows: dict[tuple[str, str | None], tuple[tuple[Any, ...], ReportRow]] = {}
        self._groups: OrderedDict[tuple[object, ...], object] = OrderedDict()  # these are large
        self.filters = 6

    def _remember(self, key: tuple[object, ...], compute: Callable[[], T]) -> T:
        """The result for sums that are known by their numbers: new sums have new numbers."""
        is_large = key[0] in _LARGE
        memo = self._groups if is_large else self._memo
        most = _GROUPS_SIZE * (self.filters - _UNSEEN) if is_large else _MEMO_SIZE * self.filters
        if key in memo:
            memo.move_to_end(key)
            return memo[key]  # type: ignore[return-value]
        value = compute()
        memo[key] = value
        while len(memo) > most:
            memo.popitem(last=False)
        return value

    def totals(self, where: Filter, lens: str, slices: Sequence[Slice]) -> Measures:
        """The measures of all requests that a lens was summed over."""
        numbers = self._rollups.numbers(where, lens, slices)
        key = ("totals", *numbers, self._rollups.version(numbers))
        return self._remember(key, lambda: measures_of(self._rollups.totals(where, slices, lens)))

    def rows(
        self, where: Filter, lens: str, slices: Sequence[Slice], sort: str, descending: bool, limit: int
    ) -> tuple[tuple[ReportRow, ...], int]:
        """The first groups of a lens by a measure, its own name or "newest", and how many there are."""
        measure = "key" if sort == lens else sort if sort in (*SUMMED_MEASURES, TOKENS, "newest") else "total_cost"
        numbers = self._rollups.numbers(where, lens, slices)
        key = ("rows", lens, *numbers, self._rollups.version(numbers), measure, descending, limit)

        def read() -> tuple[tuple[ReportRow, ...], int]:
            found, count = self._top(where, lens, slices, measure, descending, limit)
            return tuple(self._row(lens, row) for row in found), count

        return self._remember(key, read)

    def _row(self, lens: str, group: tuple[Any, ...]) -> ReportRow:
        """A group as a row of a report; the one made before as long as it says the same."""
        made = self._rows.get((lens, group[0]))
        if made is None or made[0] != group:
            if len(self._rows) > _ROWS_SIZE:
                self._rows.clear()
            key = (group[0], undated(group[1])) if lens == "token" else group[:1]
            made = self._rows[lens, group[0]] = group, ReportRow(tuple(key), measures_of(group[3:]))
        return made[1]

    def _top(
        self, where: Filter, lens: str, slices: Sequence[Slice], measure: str, descending: bool, limit: int
    ) -> tuple[list[tuple[Any, ...]], int]:
        """Groups `(key, second, newest, *sums)`. What was summed is kept from tick to tick, what was added is not."""
        rollups = self._rollups
        numbers = tuple(rollups.numbers(where, lens, slices))
        tabled, frozen = rollups.tabled(numbers), rollups.frozen(numbers)
        limit_read = _ALL if frozen else _FEW_GROUPS + 1
        summed = self._remember(("merged", lens, tabled, frozen), lambda: self._summed(where, lens, slices, limit_read))
        added = self._added(lens, numbers, tabled)
        if frozen or len(summed) <= _FEW_GROUPS:
            groups = merge_groups(summed, added)
            return order_groups(groups, measure, descending)[:limit], len(groups)
        # Of many groups the first are asked for, so many more as what was added may have moved, and those it moved.
        reach = limit + -(-len(added) // _STEP) * _STEP
        first, count = self._remember(
            ("top", lens, tabled, measure, descending, reach),
            lambda: rollups.tables.top(lens, numbers, measure, descending, reach),
        )
        if not added:
            return first[:limit], count
        there = {row[0]: row for row in first}
        known: dict[str | None, tuple[Any, ...] | None] = self._remember(("known", lens, tabled), dict)
        strange = [group[0] for group in added if group[0] not in there and group[0] not in known]
        known.update(dict.fromkeys(strange))
        known.update((row[0], row) for row in rollups.tables.groups_of(lens, tabled, strange))
        moved = [row for group in added if group[0] not in there and (row := known[group[0]]) is not None]
        came = sum(1 for group in added if group[0] not in there and known[group[0]] is None)
        return order_groups(merge_groups(first, moved, added), measure, descending)[:limit], count + came

    def _added(self, lens: str, numbers: Sequence[int], tabled: tuple[int, ...]) -> list[tuple[Any, ...]]:
        """The groups beside the tables, merged; those of slices that no row came to once."""
        rollups, still = self._rollups, self._rollups.still(numbers)
        # Of one window the last ones alone are kept: as its edge moves, there are others every minute.
        known: dict[tuple[int, ...], list[tuple[Any, ...]]] = self._remember(("still", lens, tabled), dict)
        if still not in known:
            known.clear()
            known[still] = merge_groups(rollups.added(lens, still))
        return merge_groups(known[still], rollups.added(lens, set(numbers).difference(still)))

    def _summed(self, where: Filter, lens: str, slices: Sequence[Slice], limit: int) -> list[tuple[Any, ...]]:
        """The groups of a lens, merged; `limit` of them where there are too many to hold."""
        parts = []
        for part in _by_change(slices):
            numbers = self._rollups.numbers(where, lens, part)
            known = (*self._rollups.tabled(numbers), *self._rollups.frozen(numbers))
            found = self._remember(
                ("groups", lens, known),
                lambda known=known: self._rollups.groups(lens, known, limit),  # type: ignore[misc]
            )
            if len(found) >= limit:
                return found
            parts.append(found)
        return merge_groups(*parts)

    def costs(self, where: Filter, lens: str, slices: Sequence[Slice], keys: tuple[Key, ...]) -> tuple[ReportRow, ...]:
        """The cost of each of these groups, nothing where it has none."""
        numbers = tuple(self._rollups.numbers(where, lens, slices))
        tabled = self._rollups.tabled(numbers)
        costs = self._remember(("costs", lens, tabled), lambda: self._rollups.tables.costs(lens, tabled))

        def told() -> tuple[ReportRow, ...]:
            added: dict[str | None, int] = {}
            for group in self._rollups.held(lens, numbers):
                added[group[0]] = added.get(group[0], 0) + group[3]
            return tuple(
                ReportRow(key, Measures(total_cost=costs.get(key[0], 0) + added.get(key[0], 0))) for key in keys
            )

        return self._remember(("beside", lens, numbers, self._rollups.version(numbers), keys), told)

    def stretches(
        self, where: Filter, slices: Sequence[Slice], edges: Sequence[datetime], *, by_provider: bool
    ) -> tuple[ReportRow, ...]:
        """What a chart shows (`BAR_SUMS`) between edges at quarters of an hour."""
        cuts = tuple(int((edge - _EPOCH) // timedelta(minutes=15)) for edge in edges)
        numbers = self._rollups.numbers(where, "provider", slices)
        key = ("stretches", *numbers, self._rollups.version(numbers), cuts, by_provider)
        return self._remember(key, lambda: self._stretches(where, slices, cuts, by_provider))

    def _stretches(
        self, where: Filter, slices: Sequence[Slice], cuts: tuple[int, ...], by_provider: bool
    ) -> tuple[ReportRow, ...]:
        days, hours, lately = _by_change(slices)
        settled = self._rollups.numbers(where, "provider", (*days, *hours))

        def before() -> tuple[dict[Key, tuple[int, ...]], dict[Key, ReportRow]]:
            sums: dict[Key, tuple[int, ...]] = {}
            for part in (days, hours):
                self._add_bars(sums, where, part, cuts, by_provider)
            return sums, {group: _bar(group, values) for group, values in sums.items()}

        key = ("settled", *settled, self._rollups.version(settled), cuts, by_provider)
        known, rows = self._remember(key, before)
        sums, rows = dict(known), dict(rows)
        for group in self._add_bars(sums, where, lately, cuts, by_provider):
            rows[group] = _bar(group, sums[group])
        return tuple(rows.values())

    def _add_bars(
        self, sums: dict[Key, tuple[int, ...]], where: Filter, part: Sequence[Slice], cuts: tuple[int, ...],
        by_provider: bool,
    ) -> set[Key]:  # fmt: skip
        """Add `BAR_SUMS` of slices to those of each group; the groups that there are more of now."""
        changed: set[Key] = set()

        def add(place: int, provider: str | None, values: Sequence[int]) -> None:
            group: Key = (provider, str(place)) if by_provider else (str(place),)
            known = sums.get(group)
            sums[group] = tuple(map(int.__add__, known, values)) if known is not None else tuple(values)
            changed.add(group)

        cut: list[Slice] = []
        inside: dict[int, int] = {}  # slices that lie within a bar: its place
        for each in part:
            first, last = quarters_of((Slice(each.start, each.end - _INSTANT),))
            place = bisect_right(cuts, first) - 1
            number = self._rollups.number(where, "provider", each)
            if number is not None and 0 <= place < len(cuts) - 1 and last < cuts[place + 1]:
                inside[number] = place
            else:
                cut.append(each)
        self._add_whole_bars(add, inside, by_provider)
        numbers = self._rollups.numbers(where, "provider", cut)
        tabled, (first, last) = self._rollups.tabled(numbers), quarters_of(cut)
        found = self._remember(("bars", tabled, cuts), lambda: self._rollups.tables.bars(tabled, first, last, cuts))
        for place, provider, *values in found:
            add(place, provider, values)
        for provider, quarter, _, *measures in self._rollups.held("provider", numbers):
            place = bisect_right(cuts, quarter) - 1
            if 0 <= place < len(cuts) - 1:
                add(place, provider, _bar_sums(measures))
        return changed

    def _add_whole_bars(
        self, add: Callable[[int, str | None, Sequence[int]], None], inside: dict[int, int], by_provider: bool
    ) -> None:
        """Add slices, known by their numbers, that lie within the bars of these places."""
        rollups = self._rollups
        if not by_provider:
            for number, place in inside.items():
                if any(values := _bar_sums(rollups.totals_of(number))):
                    add(place, None, values)
            return
        tabled = rollups.tabled(inside)
        found = self._remember(("daily", tabled), lambda: rollups.tables.by_provider(tabled))
        for number, provider, *sums in found:
            add(inside[number], provider, sums)
        for number, place in inside.items():
            for provider, _, _, *measures in rollups.held("provider", (number,)):
                add(place, provider, _bar_sums(measures))


def _bar(group: Key, values: Sequence[int]) -> ReportRow:
    return ReportRow(group, known_measures(**dict(zip(BAR_SUMS, values, strict=True))))


def by_time(rollups: Rollups, slices: Sequence[Slice], query: ReportQuery, as_of: datetime) -> Report:
    """A report by days or hours of a zone, alone or by provider as well."""
    first, last = quarters_of(slices)
    selected, keys = keys_of(query.group_by, LocalTime(first, last + 1, query.zone))
    numbers = rollups.numbers(query.where, "provider", slices)
    sums, values = rollups.tables.quarters(rollups.tabled(numbers), rollups.held("provider", numbers))
    grouped = f"SELECT {selected}, {part_sums()} FROM ({sums}) GROUP BY {keys}"
    return ordered(rollups.tables.connection, grouped, values, query, as_of, (), None)


def _by_change(slices: Sequence[Slice]) -> tuple[list[Slice], list[Slice], list[Slice]]:
    """Whole days, which seldom change; hours before the last two, which change now and then; the others."""
    parts: tuple[list[Slice], list[Slice], list[Slice]] = ([], [], [])
    lately = max((part.end for part in slices), default=datetime.max) - timedelta(hours=3)
    for part in slices:
        length = part.end - part.start
        settled = length >= timedelta(hours=1) and part.end <= lately
        place = 0 if length >= timedelta(days=1) else 1 if settled else 2
        parts[place].append(part)
    return parts
