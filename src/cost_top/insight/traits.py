"""Rules C to F: logged twice, loop, silence, errors. Each looks at one trait of the requests."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

from cost_top.insight.calendar import DAY, HOUR, Calendar
from cost_top.insight.candidate import Candidate
from cost_top.insight.series import Series
from cost_top.insight.shares import Shares
from cost_top.insight.standing import Slice, Standing
from cost_top.model.features import BUCKET_SECONDS, Cell, Doubled, LoopStep

_TWICE_WINDOWS = (HOUR // 2, 6 * HOUR)
_TWICE_FEWEST = 12
_TWICE_SHARE = 0.25
_LOOP_FLOOR = 0.25  # mean hours
_SILENCE_WINDOWS = (6, 12, 24, 48, 72)
_SILENCE_FEWEST = 30
_SILENCE_COMPARED = 3  # windows before, at least
_SILENCE_MANY = 7
_SILENCE_AGE = 7 * DAY
_SILENCE_GAP = 2.0
_ERROR_WINDOW = 3
_ERROR_FEWEST = 20
_ERROR_SHARE = 0.25
_ERROR_USUAL = 0.05


class LoggedTwice:
    """Rule C: rows equal in key, model and every token count within two seconds."""

    def __init__(self) -> None:
        self._recent: deque[Doubled] = deque()

    def add(self, news: Doubled) -> None:
        """What a bucket brought."""
        self._recent.append(news)
        while self._recent[0].bucket < news.bucket - _TWICE_WINDOWS[-1]:
            self._recent.popleft()

    def check(self, since: int, end: int, whole: Series, least: int) -> Candidate | None:
        """In the last half hour, else in the last six hours, where there is more since a bucket; `whole` is the series
        of the total."""
        if not any(one.doubled for one in self._recent if one.bucket >= since):
            return None
        for window, parts in self._copied(end):
            cost = sum(one.doubled_cost for one in parts)
            if cost > least:
                started = next(one.bucket for one in parts if one.doubled)
                spent = whole.spent(end - window, end)
                return Candidate("double", "total", None, window, started, spent, spent - cost)
        return None

    def lasts(self, end: int) -> bool:
        """Whether rows are logged twice, or were in the last hours."""
        return next(self._copied(end), None) is not None

    def _copied(self, end: int) -> Iterator[tuple[int, list[Doubled]]]:
        """The windows, the shortest first, in which enough rows are copies, and what they hold."""
        for window in _TWICE_WINDOWS:
            parts = [one for one in self._recent if one.bucket >= end - window]
            doubled, requests = sum(one.doubled for one in parts), sum(one.requests for one in parts)
            if doubled >= _TWICE_FEWEST and doubled >= _TWICE_SHARE * requests:
                yield window, parts


def loops(steps: Iterable[LoopStep], standing: Standing, least: int) -> list[Candidate]:
    """Rule D: even rows of calls of one key that cost more than a quarter of a mean hour within an hour."""
    worst: dict[str, LoopStep] = {}
    for step in steps:
        if step.token not in worst or step.spent > worst[step.token].spent:
            worst[step.token] = step
    return [
        Candidate(
            "loop", "token", token, HOUR, (step.started - standing.calendar.origin) // BUCKET_SECONDS, step.spent, 0
        )
        for token, step in worst.items()
        if step.spent > max(_LOOP_FLOOR * standing.mean_hour, least)
    ]


def is_quiet(series: Series, end: int) -> bool:
    """Whether a slice that had requests has none for so long that it may be worth a word."""
    return bool(series.at) and end - 1 - series.at[-1] >= _SILENCE_WINDOWS[0]


def silence(series: Series, end: int, first: int, calendar: Calendar) -> Candidate | None:
    """Rule E: no request in a window that had thirty and more in each of four weeks and on the week's like days, one
    spared, and that is twice as long as pauses at this hour were."""
    if end - first < _SILENCE_AGE or not is_quiet(series, end):
        return None
    quiet = end - 1 - series.at[-1]
    last = calendar.back(end, 7)
    for window in _SILENCE_WINDOWS:
        if window > quiet:
            break
        if series.count(last - window, last) < _SILENCE_FEWEST:
            continue
        weeks = [last, *(end_ for week in range(2, 5) if (end_ := calendar.back(end, 7 * week)) - window >= first)]
        weekend = calendar.is_weekend(end - 1)
        days = [one for day in range(1, 7) if calendar.is_weekend((one := calendar.back(end, day)) - 1) == weekend]
        compared = [*weeks, *days]
        few = sum(series.count(one - window, one) < _SILENCE_FEWEST for one in compared)
        # One outage or holiday in what is compared is no custom; with few days to compare it may be.
        spared = len(compared) >= _SILENCE_MANY
        if last - window < first or len(compared) < _SILENCE_COMPARED or few > spared:
            continue
        pauses = [series.longest_gap(one - window - HOUR, one + HOUR) for one in compared]
        pause = sorted(pauses)[-2] if len(weeks) > 1 else max(pauses)
        if window >= _SILENCE_GAP * max(pause, 1):
            return Candidate("silence", series.dimension, series.value, window, series.at[-1] + 1, 0, 0)
    return None


class Errors:
    """Rule F: a quarter of the requests fail where hardly any did at this hour of the week before."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self._places = {name: names.index(name) for name in ("endpoint", "provider") if name in names}
        self.shares = Shares()

    def add(self, bucket: int, day: int, cells: Iterable[Cell]) -> None:
        """What a bucket of a local day brought."""
        sums: dict[Slice, list[int]] = {}
        for cell in cells:
            parts: list[Slice] = [("total", None), *((name, cell.names[place]) for name, place in self._places.items())]
            for part in parts:
                if part[0] == "total" or part[1] is not None:
                    found = sums.setdefault(part, [0, 0, 0])
                    found[0] += cell.requests
                    found[1] += cell.errors
                    found[2] += cell.cost
        for part, (requests, errors, cost) in sums.items():
            self.shares.add(part, bucket, day, (requests, cost), (errors, 0))

    def check(self, end: int, calendar: Calendar) -> list[Candidate]:
        """The slices that fail now."""
        found = []
        start = end - _ERROR_WINDOW
        for part, (everything, failed) in self.shares.items():
            if not failed.at or failed.at[-1] < start:
                continue
            requests, errors = everything.count(start, end), failed.count(start, end)
            if requests < _ERROR_FEWEST or errors < _ERROR_SHARE * requests:
                continue
            days = [calendar.back(end, day) for day in range(1, 8)]
            before = sum(everything.count(one - HOUR, one) for one in days)
            failures = sum(failed.count(one - HOUR, one) for one in days)
            if before and failures <= _ERROR_USUAL * before:
                spent = everything.spent(start, end)
                found.append(Candidate("errors", *part, _ERROR_WINDOW, failed.first_in(start, end), spent, spent))
        return found
