"""Where a log stands at one instant: all slices, sessions, and what the rules measure amounts by."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

from cost_top.insight.calendar import DAY, HOUR, Calendar
from cost_top.insight.levels import WINDOWS
from cost_top.insight.past_cells import PastCells
from cost_top.insight.series import Series
from cost_top.insight.sessions import Sessions
from cost_top.insight.usual import Usual, mean_hour, usual
from cost_top.model.expected import Expected
from cost_top.model.features import BUCKET_SECONDS, Cell, Holding

Slice = tuple[str, str | None]
_TOTAL: Slice = ("total", None)
_SHARE_DAYS = 28
_LEARNING = 3 * DAY
_OVERLAP = 3  # buckets in which requests under an old name may still come


class Standing:
    """Fed bucket by bucket, in order; afterwards every figure is as of the end of the last one (`end`)."""

    def __init__(
        self, calendar: Calendar, names: Sequence[str], watched: Sequence[str], surprise: float,
        expected: Iterable[Expected] = (),
    ) -> None:  # fmt: skip
        """`names` are the dimensions a cell carries, `watched` those whose values are slices."""
        self.surprise = surprise
        self.calendar = calendar
        self.places = {name: place for place, name in enumerate(names)}
        self.watched = tuple(name for name in watched if name in self.places)
        self.with_tags = "tag" in watched
        self.expected = tuple(expected)
        self.total = Series(*_TOTAL)
        self.series: dict[Slice, Series] = {_TOTAL: self.total}
        self.tokens: dict[str, Series] = {}  # of these, those of keys
        self.sure = 0  # what is in buckets before it changes no more
        self.remembered: dict[object, Any] = {}  # what was told of them, until days are forgotten
        self.sessions = Sessions()
        self.first = -1  # bucket of the log's oldest request
        self.end = 0
        self.day = 0
        self.mean_hour = 0.0
        self.changed: list[Series] = []  # that had requests in the last bucket
        self.past = PastCells(len(names))
        self.fine_from = 0  # of days that end before this bucket only sums are kept
        self._recent: deque[tuple[int, Sequence[Cell]]] = deque()
        self._shares: dict[tuple[Slice, Slice, int], float] = {}  # of two slices until a day

    @property
    def learning(self) -> bool:
        """Whether the log is still too young for a verdict."""
        return self.first < 0 or self.end - self.first < _LEARNING

    def feed(self, bucket: int, cells: Sequence[Cell]) -> None:
        """Take in everything a bucket holds; buckets come in order, each once, empty ones too."""
        self.end, self.day = bucket + 1, self.calendar.day(bucket)
        if self.first < 0 and cells:
            self.first = bucket
        self.sessions.turn(bucket)
        self.changed = []
        if cells:
            self._take(bucket, cells)
        if self.first >= 0:
            self.mean_hour = mean_hour(self.total, self.end, self.first)

    def pass_over(self, parts: Sequence[tuple[int, Sequence[Cell]]], end: int) -> None:
        """As `feed` for every bucket before `end`, at once, where nothing is asked in between; `parts` have cells."""
        for day, same in groupby(parts, lambda part: self.calendar.day(part[0])):
            self._take_day(day, list(same))
        if parts and self.first < 0:
            self.first = parts[0][0]
        self.end, self.day, self.changed = end, self.calendar.day(end - 1), []
        self.sessions.turn(end - 1)
        if self.first >= 0:
            self.mean_hour = mean_hour(self.total, self.end, self.first)

    def _take_day(self, day: int, parts: Sequence[tuple[int, Sequence[Cell]]]) -> None:
        """What the buckets of a local day hold."""
        token, endpoint, user = (self.places[name] for name in ("token", "endpoint", "user"))
        add_session = self.sessions.add
        for bucket, cells in parts:
            self.sessions.turn(bucket)
            for cell in cells:
                if cell.cost:
                    own = cell.names
                    add_session(own[token], own[endpoint], own[user], cell.cost)
            self.past.add(bucket, cells, self.fine_from)
            self._recent.append((bucket, cells))
        while self._recent[0][0] < parts[-1][0] - WINDOWS[-1]:
            self._recent.popleft()
        buckets = [bucket for bucket, cells in parts for _ in cells]
        names: Sequence[tuple[str | None, ...]]
        _, names, tags, requests, costs, largest, squares, *_ = zip(
            *(cell for _, cells in parts for cell in cells), strict=True
        )
        columns = (buckets, costs, requests, largest, squares)
        self.total.extend(day, *columns)
        for name in self.watched:
            self._extend(day, name, [one[self.places[name]] for one in names], columns)
        if self.with_tags:
            spread = [(place, tag) for place, some in enumerate(tags) for tag in dict.fromkeys(some)]
            if spread:
                places = [place for place, _ in spread]
                self._extend(
                    day, "tag", [tag for _, tag in spread], [[one[place] for place in places] for one in columns]
                )

    def _extend(self, day: int, dimension: str, values: Sequence[str | None], columns: Sequence[Sequence[Any]]) -> None:
        """A day's cells to the slices of a dimension."""
        places: dict[str, list[int]] = {}
        for place, value in enumerate(values):
            if value is not None:
                if value in places:
                    places[value].append(place)
                else:
                    places[value] = [place]
        for value, own in places.items():
            series = self.series.get((dimension, value)) or self._new(dimension, value)
            if len(own) == 1:
                buckets, costs, requests, largest, squares = (column[own[0]] for column in columns)
                series.add(buckets, day, costs, requests, largest, squares)
            else:
                series.extend(day, *map(itemgetter(*own), columns))

    def _new(self, dimension: str, value: str) -> Series:
        series = self.series[dimension, value] = Series(dimension, value)
        if dimension == "token":
            self.tokens[value] = series
        return series

    def _drop(self, key: Slice) -> None:
        del self.series[key]
        if key[0] == "token" and key[1] is not None:
            del self.tokens[key[1]]

    def forget(self, before: int) -> None:
        """Drop what was before a bucket, and slices that had nothing since."""
        for key, series in list(self.series.items()):
            series.forget(before)
            if not series.at and series is not self.total:
                self._drop(key)
        self.calendar.forget()
        self._shares.clear()
        self.remembered.clear()

    def rest(self, before: int) -> None:
        """Hold what was before a bucket packed: a look asks for little of it."""
        for series in self.series.values():
            series.rest(before)

    def learned(self) -> tuple[object, ...]:
        """All it knows, for `know`."""
        return self.end, self.day, self.series, self.sessions, self.past, self._recent

    def know(self, learned: tuple[Any, ...], origin: int) -> None:
        """As one that was fed what another had learned, from bucket `origin` on."""
        self.end, self.day, self.series, self.sessions, self.past, self._recent = learned
        self.total = self.series[_TOTAL]
        self.tokens = {series.value: series for series in self.series.values()
                       if series.dimension == "token" and series.value is not None}  # fmt: skip
        self.forget(origin)
        self.past.forget(origin)
        for series in self.series.values():
            series.first = series.at[0] if series.at else -1
        self.first = self.total.first
        if self.first >= 0:
            self.mean_hour = mean_hour(self.total, self.end, self.first)

    def mark(self) -> tuple[object, ...]:
        """How it is now, for `back`."""
        scalars = (self.first, self.end, self.day, self.mean_hour)
        return scalars, self.sessions.mark(), self.past.mark(), tuple(self._recent)

    def back(self, mark: tuple[object, ...]) -> None:
        """As it was: what was fed since is as if it had not been."""
        scalars, sessions, past, recent = mark
        self.first, self.end, self.day, self.mean_hour = scalars  # type: ignore[misc]
        self.sessions.back(sessions)  # type: ignore[arg-type]
        self.past.back(past)  # type: ignore[arg-type]
        self._recent = deque(recent)  # type: ignore[call-overload]
        self._shares.clear()
        self.changed = []
        for key, series in list(self.series.items()):
            if series.at and series.at[-1] >= self.end:
                series.cut(self.end)
                if series.first < 0 and series is not self.total:
                    self._drop(key)

    def _take(self, bucket: int, cells: Sequence[Cell]) -> None:
        token, endpoint, user = (self.places[name] for name in ("token", "endpoint", "user"))
        watched = [(name, self.places[name], dict[str, list[Cell]]()) for name in self.watched]
        tags = dict[str, list[Cell]]()
        add_session = self.sessions.add
        for cell in cells:
            names = cell.names
            for _, place, values in watched:
                value = names[place]
                if value is not None:
                    found = values.get(value)
                    if found is None:
                        values[value] = [cell]
                    else:
                        found.append(cell)
            if self.with_tags:
                for tag in dict.fromkeys(cell.tags):
                    tags.setdefault(tag, []).append(cell)
            if cell.cost:
                add_session(names[token], names[endpoint], names[user], cell.cost)
        self._add(bucket, self.total, cells)
        for name, values in (*((name, values) for name, _, values in watched), ("tag", tags)):
            for value, own in values.items():
                series = self.series.get((name, value)) or self._new(name, value)
                self._add(bucket, series, own)
        self.past.add(bucket, cells, self.fine_from)
        self._recent.append((bucket, cells))
        while self._recent[0][0] < bucket - WINDOWS[-1]:
            self._recent.popleft()

    def _add(self, bucket: int, series: Series, cells: Sequence[Cell]) -> None:
        if len(cells) == 1:
            _, _, _, requests, cost, largest, squares, *_ = cells[0]
        else:
            requests = cost = largest = 0
            squares = 0.0
            for cell in cells:
                requests += cell.requests
                cost += cell.cost
                squares += cell.squares
                largest = max(largest, cell.largest)
        series.add(bucket, self.day, cost, requests, largest, squares)
        self.changed.append(series)

    def holds(self, part: Slice, names: Sequence[str | None], tags: Sequence[str]) -> bool:
        """Whether requests of these names belong to a slice."""
        dimension, value = part
        if dimension == "total":
            return True
        return value in tags if dimension == "tag" else names[self.places[dimension]] == value

    def holding(self, part: Slice) -> Holding | None:
        """What the cells of a slice hold; None where that is no single name."""
        return (self.places[part[0]], part[1]) if part[0] in self.places else None

    def common(self, one: Slice, other: Slice, window: int, until: int | None = None) -> tuple[int, float]:
        """What two slices have in common: cost in the last `window` buckets (in those of them before `until`), and its
        share of `one` in four weeks."""
        until = self.end if until is None else until
        if other in (one, _TOTAL):
            return self.series[one].spent(self.end - window, until), 1.0
        spent = sum(
            cell.cost
            for bucket, cells in self._recent
            if self.end - window <= bucket < until
            for cell in cells
            if self.holds(one, cell.names, cell.tags) and self.holds(other, cell.names, cell.tags)
        )
        # Until yesterday; of the longest window until the day before.
        return spent, self._share(one, other, (self.end - 1) // DAY - 1 - (window > 2 * HOUR))

    def _share(self, one: Slice, other: Slice, last: int) -> float:
        """The share of `one` that `other` has too, by cost, in four weeks until a day."""
        known = self._shares.get((one, other, last))
        if known is None:
            both = whole = 0
            for cell in self.past.of_days(self.past.newest - _SHARE_DAYS, last, self.holding(one)):
                if cell.cost and self.holds(one, cell.names, cell.tags):
                    whole += cell.cost
                    both += cell.cost if self.holds(other, cell.names, cell.tags) else 0
            known = self._shares[one, other, last] = both / whole if whole > 0 else 0.0
        return known

    def lately(self, window: int) -> Iterator[Cell]:
        """The cells of the last `window` buckets, of a day at most, the newest first."""
        for bucket, cells in reversed(self._recent):
            if bucket < self.end - window:
                return
            yield from cells

    def short_session(self, part: Slice, window: int, longest: int) -> int:
        """Cost of the dearest session (key, endpoint, user) of `window` buckets that spans fewer than `longest`."""
        token, endpoint, user = (self.places[name] for name in ("token", "endpoint", "user"))
        found: dict[tuple[str | None, ...], list[int]] = {}
        for cell in self.lately(window):
            if cell.cost and self.holds(part, cell.names, cell.tags):
                key = (cell.names[token], cell.names[endpoint], cell.names[user])
                one = found.setdefault(key, [0, cell.bucket, cell.bucket])
                one[0] += cell.cost
                one[1] = cell.bucket
        return max((cost for cost, first, last in found.values() if last - first + 1 < longest), default=0)

    def predecessors(self, series: Series) -> Iterable[Series]:
        """Older values of the same dimension that ended when this one began."""
        return (other for other in self.series.values() if _succeeds(series, other))

    def is_replaced(self, series: Series) -> bool:
        """Whether a value that has requests now began when this one ended."""
        return any(_succeeds(other, series) and self.end - other.at[-1] <= HOUR for other in self.series.values())

    def raised(self, series: Series, window: int, end: int, known: Usual) -> Usual:
        """The usual cost with what is expected beyond it."""
        cost = known.cost
        now = self.calendar.origin + end * BUCKET_SECONDS
        for one in self.expected:
            if not one.lasts(now, window * BUCKET_SECONDS):
                continue
            if not one.slices or (series.dimension, series.value) in one.slices:
                cost = one.raised(cost, known.cost)
                continue
            for part in one.slices:
                other = self.series.get(part)
                if other is not None:
                    _, share = self.common(part, (series.dimension, series.value), window)
                    theirs = usual(other, window, end, self.first, self.calendar).cost
                    cost += one.added(theirs * share)
        return known._replace(cost=cost)


def _succeeds(series: Series, other: Series) -> bool:
    return (
        other.dimension == series.dimension
        and other.first < series.first
        and series.first - DAY <= other.at[-1] < series.first + _OVERLAP
    )
