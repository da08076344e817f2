"""The features the rules look at: closed days as they are kept, the rest from the mirror's rows, a day at a time."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import sha256
from itertools import pairwise
from typing import TYPE_CHECKING

import duckdb

from cost_top.mirror.feature_parts import (
    FEWEST,
    HOUR,
    MANY,
    PART_DIMENSIONS,
    PAUSE,
    TWICE,
    Call,
    Key,
    Part,
    Run,
    read_part,
)
from cost_top.mirror.kept_features import keep_part, kept_part, name_of
from cost_top.mirror.names import Names
from cost_top.mirror.report import naive
from cost_top.mirror.where import condition
from cost_top.model.cells import Block, Choice, PackedCells
from cost_top.model.features import BASE_DIMENSIONS, BUCKET_SECONDS, Doubled, Features, LoopStep
from cost_top.model.filter import Filter
from cost_top.model.query import ReportQuery

if TYPE_CHECKING:
    from cost_top.mirror.database import Database
    from cost_top.mirror.days import ClosedDay, Days
    from cost_top.mirror.store import Mirror

_DAY = timedelta(days=1)
_DAY_SECONDS = 86_400
_SECOND = 1_000_000


def features(
    mirror: Mirror, query: ReportQuery, dimensions: Sequence[str] = (), held: Mapping[str, Part] | None = None
) -> Features:
    """The features of the rows of `[query.start, query.end)` that match; buckets count from the start.

    `dimensions` are those beyond the usual ones that the rules are to watch (`team`, `tag`). Of the closed days that
    are `held`, as `days_to_hold` gave them, nothing is read.
    """
    origin, names = int(query.start.timestamp()), mirror.database.names
    parts = list(_parts(mirror, query, origin, held or {}))
    found = joined(parts, query, dimensions, names)
    called = json.dumps([sorted(names.labels(name).items()) for name in found.dimensions])
    return replace(found, readings=_readings(mirror, query, parts, sha256(called.encode()).hexdigest()[:12]))


def days_to_hold(mirror: Mirror, query: ReportQuery) -> list[Callable[[], tuple[str, Part] | None]]:
    """A call for each closed day of a period that reads what the rules look at of it, and keeps it where it was not.

    They are for any thread, one after another: it takes long, and nobody has to wait for the mirror's own meanwhile.
    None of a day that is gone by then: whoever asks the mirror for it learns of that there.
    """
    kept = (one for one in _whole_days(mirror, query) if one[1].path is not None)
    return [partial(_held, mirror.database, mirror.days, *one) for one in kept]


def _held(database: Database, days: Days, start: int, day: ClosedDay) -> tuple[str, Part] | None:
    part = kept_part(days, day)
    if part is None:
        with suppress(duckdb.Error), database.cursor() as connection:
            part = _kept_anew(connection, days, start, day)
    return (name_of(day), part) if part is not None else None


def joined(parts: Iterable[tuple[int, Part]], query: ReportQuery, dimensions: Sequence[str], names: Names) -> Features:
    """Parts that follow each other, each with its beginning (Unix seconds), as the features of a query."""
    columns = (*BASE_DIMENSIONS, *(name for name in dimensions if name not in (*BASE_DIMENSIONS, "tag")))
    origin = int(query.start.timestamp())
    put = _Joined(origin)
    for start, part in parts:
        put.add(start, part)
    choice = Choice(
        tuple(PART_DIMENSIONS.index(name) for name in columns), tuple(map(names.labels, columns)), "tag" in dimensions
    )
    steps = sorted(put.steps, key=lambda one: (one[1].bucket, one[1].token, one[0]))
    return Features(
        origin=origin,
        count=max(0, -(-int(query.end.timestamp() - origin) // BUCKET_SECONDS)),
        first=put.blocks[0][0] + put.blocks[0][1].first if put.blocks else None,
        dimensions=columns,
        cells=PackedCells(put.blocks, choice),
        loops=tuple(step for _, step in steps),
        doubled=tuple(put.doubled),
        token_names=names.token_names({token: name for token, (_, name) in put.token_names.items()}),
    )


def _parts(mirror: Mirror, query: ReportQuery, origin: int, held: Mapping[str, Part]) -> Iterator[tuple[int, Part]]:
    """Parts in order, without a gap between them, each with its beginning in Unix seconds.

    They end with the day (UTC), so that kept ones are used, where buckets do; else after so many buckets as a day has.
    """
    end, sql = naive(query.end), condition(query.where)
    whole = dict(_whole_days(mirror, query))
    is_even = _is_even(query)
    start, since = origin, naive(query.start)
    while since < end:
        following = (start // _DAY_SECONDS + 1) * _DAY_SECONDS if is_even else start + _DAY_SECONDS
        until = min(end, datetime.fromtimestamp(following, UTC).replace(tzinfo=None))
        day = whole.get(start)
        if day is not None:
            kept = held.get(name_of(day)) if day.path is not None else None
            kept = kept or kept_part(mirror.days, day)
            yield start, kept or _kept_anew(mirror.database.connection, mirror.days, start, day)
        else:
            relation = mirror.relation(since, until)
            yield start, read_part(mirror.database.connection, relation, start, since, until, sql)
        start, since = following, until


def _whole_days(mirror: Mirror, query: ReportQuery) -> list[tuple[int, ClosedDay]]:
    """The closed days that lie in a period of all requests whose buckets end with them, with their beginnings."""
    if query.where or not _is_even(query):
        return []
    start, end = naive(query.start), min(naive(query.end), mirror.hot_start)
    return [
        (int(day.start.replace(tzinfo=UTC).timestamp()), day)
        for _, day in sorted(mirror.closed.items())
        if start <= day.start and day.start + _DAY <= end
    ]


def _readings(
    mirror: Mirror, query: ReportQuery, parts: Iterable[tuple[int, Part]], called: str
) -> dict[int, str]:  # fmt: skip
    """Which reading of the log stands behind each kept day, and what its values are `called`; days without a request,
    as before the log began, are known too."""
    days, until = dict(_whole_days(mirror, query)), int(mirror.hot_start.replace(tzinfo=UTC).timestamp())
    found = {}
    for start, part in parts:
        day = days.get(start)
        if day is not None and day.path is not None:
            found[start] = f"{name_of(day)} {called}"
        elif not part.blocks and not query.where and start + _DAY_SECONDS <= until:
            found[start] = "empty"
    return found


def _is_even(query: ReportQuery) -> bool:
    return query.start.timestamp() % BUCKET_SECONDS == 0


def _kept_anew(connection: duckdb.DuckDBPyConnection, days: Days, start: int, day: ClosedDay) -> Part:
    part = read_part(connection, day.relation, start, day.start, day.start + _DAY, condition(Filter()))
    keep_part(days, day, part)
    return part


class _Joined:
    """Parts put together, in order. Everything here counts from the origin: buckets, and microseconds."""

    def __init__(self, origin: int) -> None:
        """`origin` in Unix seconds."""
        self._origin = origin
        self.blocks: list[tuple[int, Block]] = []
        self.doubled: list[Doubled] = []
        self.steps: list[tuple[int, LoopStep]] = []  # with the time of each
        self.token_names: dict[str, tuple[int, str]] = {}
        self._runs: dict[Key, Run] = {}  # those that may go on
        self._copies: dict[Key, int] = {}  # when the last of rows that are alike came

    def add(self, start: int, part: Part) -> None:
        """The next part, which begins at `start` (Unix seconds)."""
        seconds = start - self._origin
        shift, us = seconds // BUCKET_SECONDS, seconds * _SECOND
        self.blocks += [(shift, block) for block in part.blocks]
        for token, (at, name) in part.token_names.items():
            self.token_names[token] = (at + us, name)
        self._add_doubled(part, shift, us)
        self._add_steps(part, us)

    def _add_doubled(self, part: Part, shift: int, us: int) -> None:
        count = cost = 0
        for copy in part.first_copies:
            before = self._copies.get(copy.key)
            if before is not None and copy.us + us - before <= TWICE and copy.is_counted:
                count, cost = count + 1, cost + copy.cost
        for one in part.doubled:
            more = (count, cost) if one.bucket == 0 else (0, 0)
            self.doubled.append(
                Doubled(one.bucket + shift, one.requests, one.doubled + more[0], one.doubled_cost + more[1])
            )
        self._copies = {copy.key: copy.us + us for copy in part.last_copies}

    def _add_steps(self, part: Part, us: int) -> None:
        gone_on: dict[int, Run] = {}
        for number, head in enumerate(part.heads):
            before = self._runs.get(head.key)
            if before is not None and _goes_on(before.calls[-1], head.calls[0], us):
                gone_on[number] = before
                self._add_early_steps(before, _moved(head.calls, us))
        for step in part.steps:
            before = gone_on.get(step.head)
            if before is None:
                self._step(step.us + us, step.token, step.spent, step.started + us)
            elif not step.is_early:
                self._step(step.us + us, step.token, step.spent, before.started)
        by_key = {part.heads[number].key: before for number, before in gone_on.items()}
        self._runs = {}
        for tail in part.tails:
            run = tail._replace(started=tail.started + us, calls=_moved(tail.calls, us))
            before = by_key.get(tail.key) if tail.is_both else None
            if before is not None:
                run = _lengthened(before, run)
            self._runs[run.key] = run

    def _step(self, us: int, token: str, spent: int, started: int) -> None:
        bucket = us // (BUCKET_SECONDS * _SECOND)
        self.steps.append((us, LoopStep(bucket, token, spent, self._origin + started // _SECOND)))

    def _add_early_steps(self, before: Run, calls: Sequence[Call]) -> None:
        """The steps among the first calls of a row that began in a part before; see `feature_parts` for what one is."""
        together, first = (*before.calls, *calls), len(before.calls)
        low = high = spent = 0
        for place in range(first, len(together)):
            us = together[place][0]
            while high < len(together) and together[high][0] <= us:
                spent += together[high][2]
                high += 1
            while together[low][0] < us - HOUR:
                spent -= together[low][2]
                low += 1
            count = before.size + place - first + 1
            if count >= FEWEST and _is_step(together[place - FEWEST + 1 : place + 1], count):
                self._step(us, str(before.key[0]), spent, before.started)


def _goes_on(last: Call, first: Call, us: int) -> bool:
    return first[0] + us - last[0] <= PAUSE and 20 * abs(first[1] - last[1]) <= last[1]


def _is_step(calls: Sequence[Call], count: int) -> bool:
    """Whether gaps are even, and inputs are, unless there were many calls."""
    gaps = [later[0] - earlier[0] for earlier, later in pairwise(calls)]
    whole = sum(gaps)
    # Deviation against mean, both squared and times the squared number of gaps: 0.35² is 49 of 400.
    if (len(gaps) * sum(gap * gap for gap in gaps) - whole * whole) * 400 > 49 * whole * whole:
        return False
    inputs = [call[1] for call in calls]
    return count >= MANY or 100 * max(inputs) <= 108 * min(inputs)


def _moved(calls: Iterable[Call], us: int) -> tuple[Call, ...]:
    return tuple((at + us, put, cost) for at, put, cost in calls)


def _lengthened(before: Run, run: Run) -> Run:
    """A row of calls that fills a part, with what was before it."""
    calls = (*before.calls, *run.calls)
    needed = [call for place, call in enumerate(calls)
              if place >= len(calls) - FEWEST or call[0] >= calls[-1][0] - HOUR]  # fmt: skip
    return run._replace(size=before.size + run.size, started=before.started, calls=tuple(needed))
