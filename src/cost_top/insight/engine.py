"""The rules over a log, step by step: the same engine at simulated time and live."""

from __future__ import annotations

import pickle
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import tzinfo
from itertools import groupby
from operator import attrgetter
from typing import Any

from cost_top.insight.calendar import DAY, Calendar
from cost_top.insight.candidate import Candidate
from cost_top.insight.dearer import dearer
from cost_top.insight.incidents import Incident, Incidents
from cost_top.insight.levels import GATES, SURPRISES, WINDOWS, Rules
from cost_top.insight.price import Prices
from cost_top.insight.repeated import Repeated
from cost_top.insight.series import Series
from cost_top.insight.spike import spike
from cost_top.insight.standing import Standing
from cost_top.insight.traits import Errors, LoggedTwice, is_quiet, loops, silence
from cost_top.model.features import BUCKET_SECONDS, Cell, Doubled, Features, LoopStep


class Engine:
    """Feed it buckets in order; `tick` judges where the log stands after the last of them."""

    def __init__(self, rules: Rules, origin: int, zone: tzinfo, dimensions: tuple[str, ...]) -> None:
        """`origin` (Unix seconds) is where bucket 0 begins; `dimensions` are those of the cells."""
        self.rules, self.origin = rules, origin
        self.standing = Standing(
            Calendar(origin, zone), dimensions, rules.dimensions, SURPRISES[rules.sensitivity], rules.expected
        )
        self.incidents = Incidents(int(rules.quiet.total_seconds()) // BUCKET_SECONDS)
        self._gate = GATES[rules.sensitivity]
        self._endpoint = dimensions.index("endpoint")
        self._prices = Prices(dimensions.index("token"), dimensions.index("user"))
        self._twice = LoggedTwice()
        self._errors = Errors(dimensions)
        self._repeated = Repeated(dimensions, rules.dimensions)
        self._changed: set[tuple[str, str | None]] = set()
        self._steps: list[LoopStep] = []
        self._judged = 0  # what is in buckets before it has been judged

    def feed(
        self, bucket: int, cells: Sequence[Cell], steps: Sequence[LoopStep] = (), doubled: Doubled | None = None
    ) -> None:
        """Take in a bucket; empty ones are fed too."""
        self.standing.feed(bucket, cells)
        self._changed.update((series.dimension, series.value) for series in self.standing.changed)
        self._steps += steps
        if doubled is not None:
            self._twice.add(doubled)
        self._add_traits(bucket, self.standing.day, cells)

    def pass_over(
        self, parts: Sequence[tuple[int, Sequence[Cell]]], end: int, doubled: Iterable[Doubled] = ()
    ) -> None:  # fmt: skip
        """As `feed` for every bucket before `end`, those with cells given, where no tick comes before the end.

        What rows of calls there were is over.
        """
        self.standing.pass_over(parts, end)
        for one in doubled:
            self._twice.add(one)
        for bucket, cells in parts:
            self._add_traits(bucket, self.standing.calendar.day(bucket), cells)
        self._judged = end

    def _add_traits(self, bucket: int, day: int, cells: Sequence[Cell]) -> None:
        endpoints: dict[str, list[Cell]] = defaultdict(list)
        for cell in cells:
            endpoint = cell.names[self._endpoint]
            if endpoint is not None:
                endpoints[endpoint].append(cell)
        for endpoint, parts in endpoints.items():
            self._prices.add(bucket, day, endpoint, parts)
        if self.rules.on("loop") and cells:
            self._repeated.add(bucket, day, cells)
        if self.rules.errors and cells:
            self._errors.add(bucket, day, cells)

    def tick(self) -> list[Incident]:
        """The incidents that open now; `incidents` holds them all."""
        candidates = [] if self.standing.learning else list(self._candidates())
        self._changed.clear()
        self._steps.clear()
        self._judged = self.standing.end
        return self.incidents.take(candidates, self.standing)

    def learned(self) -> tuple[object, ...]:
        """All it knows, for `know`, while it was never asked for incidents: plain values and what is made of them."""
        return self.standing.learned(), self._prices, self._twice, self._errors.shares, self._repeated.shares

    def know(self, learned: tuple[Any, ...], origin: int) -> None:
        """As one that was fed what another had learned, from bucket `origin` on."""
        standing, self._prices, self._twice, self._errors.shares, self._repeated.shares = learned
        self.standing.know(standing, origin)
        for part in (self._prices, self._errors.shares, self._repeated.shares):
            part.forget(origin)
        self._judged = self.standing.end

    def mark(self) -> tuple[object, ...]:
        """How it is now, for `back`: what only grows is not copied."""
        small = (self.incidents, self._prices, self._twice)
        return self.standing.mark(), pickle.dumps(small, pickle.HIGHEST_PROTOCOL)

    def back(self, mark: tuple[object, ...]) -> None:
        """As it was after a `tick`: what was fed since is as if it had not been."""
        standing, small = mark
        self.standing.back(standing)  # type: ignore[arg-type]
        self.incidents, self._prices, self._twice = pickle.loads(small)  # type: ignore[arg-type] # noqa: S301 - ours
        self._errors.shares.cut(self.standing.end)
        self._repeated.shares.cut(self.standing.end)
        self._changed.clear()
        self._steps.clear()
        self._judged = self.standing.end

    def forget(self, before: int) -> None:
        """Drop what was before a bucket: five weeks and a day are looked back at most."""
        self.standing.forget(before)
        self._prices.forget(before)
        self._errors.shares.forget(before)
        self._repeated.shares.forget(before)

    def rest(self, end: int) -> None:
        """Hold packed what no window reaches that ends after a bucket."""
        before = end - WINDOWS[-1]
        for part in (self.standing, self._errors.shares, self._repeated.shares):
            part.rest(before)

    def _candidates(self) -> list[Candidate]:
        standing, rules = self.standing, self.rules
        end, least = standing.end, rules.min_excess
        found: list[Candidate | None] = []
        if rules.on("spike"):
            enough = max(least, min(self._gate.floors) * standing.mean_hour)
            dear = [key for key in self._changed if standing.series[key].spent(end - WINDOWS[-1], end) > enough]
            for key in sorted(dear, key=lambda key: (key[0], key[1] or "")):
                found.append(spike(standing.series[key], end, standing, self._gate, least))
        if rules.on("price"):
            found += [
                dearer(paid, value, end, standing.day, standing.mean_hour, least)
                for value in sorted(value for name, value in self._changed if name == "endpoint" and value is not None)
                if (paid := self._prices.history(value)) is not None
            ]
        twice = self._twice.check(self._judged, end, standing.total, least)
        if rules.on("double"):
            found.append(twice)
        if rules.on("loop"):
            found += [
                one for one in loops(self._steps, standing, least)
                if one.value is not None and one.spent > self._repeated.habit(one.value, standing)
            ]  # fmt: skip
            again = self._repeated.check(standing, least)
            found += again if again and not self._twice.lasts(end) else []
        if rules.on("silence"):
            found += self._silences()
        if rules.on("errors"):
            found += self._errors.check(end, standing.calendar)
        return [candidate for candidate in found if candidate is not None]

    def _silences(self) -> list[Candidate]:
        """Of the whole log, else of keys: where nothing comes at all, no key is news; nor is one that was replaced."""
        standing = self.standing
        if is_quiet(standing.total, standing.end):
            whole = silence(standing.total, standing.end, standing.first, standing.calendar)
            return [whole] if whole is not None else []
        tokens = sorted(value for value, series in standing.tokens.items() if is_quiet(series, standing.end))
        found = (silence(standing.tokens[value], standing.end, standing.first, standing.calendar) for value in tokens)
        return [
            candidate
            for candidate in found
            if candidate is not None
            and _others_go_on(standing, standing.series["token", candidate.value], candidate.window)
            and not _was_outage(standing, candidate.window)
            and not standing.is_replaced(standing.series["token", candidate.value])
        ]


def _others_go_on(standing: Standing, series: Series, window: int) -> bool:
    """Whether the rest of the log has half of the requests of a week ago or more: on a holiday no key is news."""
    end, last = standing.end, standing.calendar.back(standing.end, 7)
    now, before = (standing.total.count(one - window, one) - series.count(one - window, one) for one in (end, last))
    return 2 * now >= before


def _was_outage(standing: Standing, window: int) -> bool:
    """Whether half of a key's silence is one of the whole log, which was told of that."""
    return 2 * standing.total.longest_gap(standing.end - window, standing.end) >= window


def run(features: Features, rules: Rules, zone: tzinfo, start: int, step: int = 1) -> Engine:
    """All of `features` through an engine, judged every `step` buckets from bucket `start` on."""
    engine = Engine(rules, features.origin, zone, features.dimensions)
    engine.standing.fine_from = features.count  # what the features hold
    steps, doubled = defaultdict[int, list[LoopStep]](list), {one.bucket: one for one in features.doubled}
    for one in features.loops:
        steps[one.bucket].append(one)
    cells = InOrder(features.cells)
    first = features.first if features.first is not None else features.count
    judged = max(first, min(features.count, start - 1))
    pass_over(engine, cells, doubled, first, judged)
    for bucket in range(judged, features.count):
        engine.feed(bucket, cells.of(bucket), steps.get(bucket, ()), doubled.get(bucket))
        if bucket + 1 >= start and (bucket + 1 - start) % step == 0:
            engine.tick()
    return engine


def pass_over(engine: Engine, cells: InOrder, doubled: Mapping[int, Doubled], start: int, end: int) -> None:
    """Feed `[start, end)` without a tick, a day at a time: so much is held at once."""
    for first in range(start, end, DAY):
        span = range(first, min(first + DAY, end))
        parts = [(bucket, found) for bucket in span if (found := cells.of(bucket))]
        if parts or engine.standing.first >= 0:
            engine.pass_over(parts, span.stop, [doubled[bucket] for bucket in span if bucket in doubled])
            engine.rest(span.stop)


class InOrder:
    """Cells, asked for bucket by bucket; gone through once."""

    def __init__(self, cells: Iterable[Cell]) -> None:
        self._rest = buckets(cells)
        self._next = next(self._rest, None)

    def of(self, bucket: int) -> Sequence[Cell]:
        """Those of a bucket, which is after the one asked for before."""
        if self._next is None or self._next[0] != bucket:
            return ()
        found, self._next = self._next[1], next(self._rest, None)
        return found


def buckets(cells: Iterable[Cell]) -> Iterator[tuple[int, list[Cell]]]:
    """The cells of each bucket that has any."""
    for bucket, found in groupby(cells, attrgetter("bucket")):
        yield bucket, list(found)
