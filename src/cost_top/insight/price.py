"""Paid requests of every endpoint, by bucket and by session, and what they usually cost."""

from __future__ import annotations

from bisect import bisect_left
from operator import sub
from statistics import median
from typing import NamedTuple

from cost_top.insight.calendar import DAY, HOUR
from cost_top.model.features import Cell

_DAYS = 14
_FEWEST_A_DAY = 10
_FEWEST_DAYS = 3
_LEAST_SPREAD = 0.05  # of the price
_KEPT = DAY + 2 * HOUR  # buckets, of which a day is looked back at

Session = tuple[str | None, str | None]  # key and user


class Sums(NamedTuple):
    """Of paid requests. `cost` in pico-dollars; `sessions` are those of a key and user within an hour."""

    paid: int = 0
    cost: int = 0
    tokens: int = 0
    input: int = 0
    cached: int = 0
    sessions: int = 0

    @property
    def share(self) -> float:
        """The cached share of the input."""
        return self.cached / self.input if self.input else 0.0


class Baseline(NamedTuple):
    """What an endpoint paid in the last days: medians of days, and how far days lie from them.

    `token` and `request` are costs in pico-dollars; `variance` is the mean squared miss of a session from the cost of
    its tokens; `cached` a share of the input.
    """

    days: int
    token: float
    token_spread: float
    variance: float
    request: float
    request_spread: float
    cached: float
    cached_spread: float


class History:
    """The paid requests of one endpoint. Stretches are half-open and in buckets."""

    __slots__ = ("_days", "_hour", "_known", "_open", "at", "parts", "sums")

    def __init__(self) -> None:
        self.at: list[int] = []
        self.parts: list[list[tuple[Session, int, int, int]]] = []  # requests, cost and tokens by session in each
        self.sums: list[Sums] = [Sums()]  # before each
        # Of a local day: as `Sums`; then of its sessions: squares of cost, products, squares of tokens.
        self._days: dict[int, list[float]] = {}
        self._hour = (-1, -1)  # hour and local day of the open sessions
        self._open: dict[Session, list[int]] = {}  # cost and tokens
        self._known: tuple[int, Baseline | None] = (-1, None)

    def add(self, bucket: int, day: int, parts: list[tuple[Session, int, int, int]], more: Sums) -> None:
        """What a bucket brought; its sessions are counted here."""
        if self._hour != (bucket // HOUR, day):
            self._close()
            self._hour = (bucket // HOUR, day)
        if self.at and self.at[0] < bucket - _KEPT:
            self.forget(bucket - DAY)
        known = len(self._open)
        for session, _, cost, tokens in parts:
            found = self._open.setdefault(session, [0, 0])
            found[0] += cost
            found[1] += tokens
        paid, all_cost, all_tokens, put, cached, _ = more
        day_sums = self._days.get(day)
        if day_sums is None:
            day_sums = self._days[day] = [0.0] * 9
        day_sums[0] += paid
        day_sums[1] += all_cost
        day_sums[2] += all_tokens
        day_sums[3] += put
        day_sums[4] += cached
        before = self.sums[-1]
        self.at.append(bucket)
        self.parts.append(parts)
        self.sums.append(Sums(
            before[0] + paid, before[1] + all_cost, before[2] + all_tokens, before[3] + put, before[4] + cached,
            before[5] + len(self._open) - known,
        ))  # fmt: skip

    def forget(self, before: int) -> None:
        """Drop what was before a bucket, but for sums of days."""
        gone = bisect_left(self.at, before)
        del self.at[:gone], self.parts[:gone], self.sums[:gone]

    def since(self, bucket: int) -> Sums:
        """Sums from a bucket of the last day on."""
        return Sums(*map(sub, self.sums[-1], self.sums[bisect_left(self.at, bucket)]))

    def baseline(self, day: int) -> Baseline | None:
        """Of the fourteen days before `day`; None without three that had enough requests."""
        if self._known[0] != day:
            self._known = (day, self._baseline(day))
        return self._known[1]

    def _baseline(self, day: int) -> Baseline | None:
        for old in [past for past in self._days if past < day - _DAYS - 1]:
            del self._days[old]
        days = [sums for past, sums in self._days.items() if day - _DAYS <= past < day and sums[0] >= _FEWEST_A_DAY]
        if len(days) < _FEWEST_DAYS:
            return None
        token, token_spread = _middle([sums[1] / sums[2] for sums in days])
        misses = sum(sums[6] - 2 * token * sums[7] + token * token * sums[8] for sums in days)
        variance = max(0.0, misses / max(1.0, sum(sums[5] for sums in days)))
        request, request_spread = _middle([sums[1] / sums[0] for sums in days])
        shares = [sums[4] / sums[3] for sums in days if sums[3]]
        cached, cached_spread = _middle(shares) if shares else (0.0, 0.0)
        return Baseline(
            len(days), token, max(token_spread, _LEAST_SPREAD * token), variance, request,
            max(request_spread, _LEAST_SPREAD * request), cached, cached_spread,
        )  # fmt: skip

    def _close(self) -> None:
        """The sessions of an hour are over."""
        sums = self._days.get(self._hour[1])
        if sums is not None:
            for cost, tokens in self._open.values():
                for place, value in enumerate((1, cost * cost, cost * tokens, tokens * tokens), 5):
                    sums[place] += value
        self._open.clear()


class Prices:
    """The endpoints of a log."""

    def __init__(self, token: int, user: int) -> None:
        """Where the names of a cell have the key and the user."""
        self._token = token
        self._user = user
        self._endpoints: dict[str, History] = {}

    def add(self, bucket: int, day: int, endpoint: str, cells: list[Cell]) -> None:
        """What a bucket brought to one endpoint."""
        parts: list[tuple[Session, int, int, int]] = []
        paid = cost = tokens = put = cached = 0
        for cell in cells:
            if cell.paid:
                names = cell.names
                parts.append(((names[self._token], names[self._user]), cell.paid, cell.paid_cost, cell.tokens))
                paid += cell.paid
                cost += cell.paid_cost
                tokens += cell.tokens
                put += cell.input
                cached += cell.cached
        if parts:
            more = Sums(paid, cost, tokens, put, cached)
            self._endpoints.setdefault(endpoint, History()).add(bucket, day, parts, more)

    def history(self, endpoint: str) -> History | None:
        """That of an endpoint; None when nothing was paid on it."""
        return self._endpoints.get(endpoint)

    def forget(self, before: int) -> None:
        """Drop what was before a bucket, and endpoints that had nothing since."""
        for endpoint, history in list(self._endpoints.items()):
            history.forget(before)
            if not history.at:
                del self._endpoints[endpoint]


def _middle(values: list[float]) -> tuple[float, float]:
    """The median, and the deviation that a median distance from it stands for."""
    middle = median(values)
    return middle, 1.4826 * median([abs(value - middle) for value in values])
