"""Rule B, dearer: an endpoint pays far more per token or request than it did, or its prompts are no longer cached."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from math import sqrt

from cost_top.insight.calendar import DAY, HOUR
from cost_top.insight.candidate import Candidate
from cost_top.insight.price import Baseline, History, Session, Sums

_WINDOWS = (HOUR, 6 * HOUR, DAY)
_STILL = (HOUR // 2, HOUR, 6 * HOUR)  # the last part, which must be dearer too
_FLOORS = (0.4, 0.8, 1.2)  # mean hours
_RATIO = 1.6
_DEVIATIONS = 6.0
_FEWEST = 20
# Of a cache that is no longer met: the usual share, what is left of it, and how far beyond the days' spread.
_CACHED = 0.2
_CACHED_LEFT = 0.5
_CACHED_DEVIATIONS = 5.0
_CACHED_LEAST_SPREAD = 0.02
_CACHED_FLOORS = (0.25, 0.5, 0.8)
_CACHED_RATIO = 1.15
_CACHED_FEWEST = 12
# Of requests that have grown: other sessions than the two dearest must have, too.
_REQUEST_DAYS = 5
_REQUEST_DEVIATIONS = 5.0
_REQUEST_SESSIONS = 5
_NAMELESS_EVENNESS = 3.0


Part = tuple[int, Session, int, int, int]  # bucket, session, paid requests, cost, tokens


def dearer(history: History, endpoint: str, end: int, day: int, mean_hour: float, least: int) -> Candidate | None:
    """The first window, shortest first, whose requests are dearer than price, spread and single sessions explain.

    Cost per token first; cost per request only where no window is dearer by the token. `least` is the smallest excess
    (pico-dollars) that is worth a word.
    """
    known = history.baseline(day)
    if known is None:
        return None
    sums = [history.since(end - window) for window in _WINDOWS]
    for index, one in enumerate(sums):
        usual = known.token * one.tokens
        recent = history.since(end - _STILL[index])
        if (
            one.cost - usual > least
            # Half of what is too much is still there: what is over is no news.
            and 2 * recent.cost > (1 + one.cost / usual) * known.token * recent.tokens
            and (
                _is_dearer(history, one, known, end, index, mean_hour)
                or _is_uncached(history, one, known, end, index, mean_hour)
            )
        ):
            return _candidate(endpoint, history, end, index, one.cost, usual, known.token, "token")
    for index, one in enumerate(sums):
        usual = known.request * one.paid
        if one.cost - usual > least and _is_larger(history, one, known, end, index, mean_hour):
            return _candidate(endpoint, history, end, index, one.cost, usual, known.request, "request")
    return None


def _is_dearer(history: History, one: Sums, known: Baseline, end: int, index: int, mean_hour: float) -> bool:
    """Far dearer by the token, and without the dearest session too: one user of a dear model is no change of price."""
    usual, floor = known.token * one.tokens, _FLOORS[index] * mean_hour
    excess = one.cost - usual
    if one.paid < _FEWEST or excess <= floor or one.cost <= _RATIO * usual:
        return False
    if excess <= _DEVIATIONS * sqrt((one.sessions + 1) * known.variance + (known.token_spread * one.tokens) ** 2):
        return False
    cost, usual = _without_dearest(history, end, index, known.token)
    return cost > _RATIO * usual and cost - usual > floor / 2


def _is_uncached(history: History, one: Sums, known: Baseline, end: int, index: int, mean_hour: float) -> bool:
    """Less than half of the usual share of the input is cached, which says why: little has to be dearer then."""
    usual = known.token * one.tokens
    if one.paid < _CACHED_FEWEST or known.cached < _CACHED or one.share >= _CACHED_LEFT * known.cached:
        return False
    if known.cached - one.share <= _CACHED_DEVIATIONS * max(known.cached_spread, _CACHED_LEAST_SPREAD):
        return False
    if one.cost - usual <= _CACHED_FLOORS[index] * mean_hour or one.cost <= _CACHED_RATIO * usual:
        return False
    cost, usual = _without_dearest(history, end, index, known.token)
    return cost > _CACHED_RATIO * usual


def _is_larger(history: History, one: Sums, known: Baseline, end: int, index: int, mean_hour: float) -> bool:
    """Far dearer by the request, in several sessions: a prompt has grown. One long session is no change."""
    usual, floor = known.request * one.paid, _FLOORS[index] * mean_hour
    if known.days < _REQUEST_DAYS or one.paid < _FEWEST or one.cost <= _RATIO * usual:
        return False
    if one.cost - usual <= max(floor, _REQUEST_DEVIATIONS * known.request_spread * one.paid):
        return False
    recent = history.since(end - _STILL[index])
    if 2 * recent.cost <= (1 + _RATIO) * known.request * recent.paid or recent.paid < _FEWEST // 4:
        return False
    parts = list(_parts(history, end, index))
    if all(session[1] is None for _, session, *_ in parts):
        return _is_even(parts, known.request)
    if one.sessions < _REQUEST_SESSIONS:
        return False
    sums: dict[Session, list[int]] = {}
    for _, session, paid, cost, _ in parts:
        found = sums.setdefault(session, [0, 0])
        found[0] += paid
        found[1] += cost
    others = sorted(sums.values(), key=lambda two: two[1] - known.request * two[0])[:-2]
    paid, cost = sum(two[0] for two in others), sum(two[1] for two in others)
    return len(others) >= 2 and paid >= _FEWEST // 2 and cost > _RATIO * known.request * paid


def _is_even(parts: Iterable[Part], request: float) -> bool:
    """Whether nearly each five minutes of requests that name no user are dearer, not few of them by much: the sum of
    what is too much against the root of its squares, which for n even parts is the root of n."""
    sums: dict[int, float] = {}
    for bucket, _, paid, cost, _ in parts:
        sums[bucket] = sums.get(bucket, 0.0) + cost - request * paid
    return sum(sums.values()) > _NAMELESS_EVENNESS * sqrt(sum(more * more for more in sums.values()))


def _without_dearest(history: History, end: int, index: int, price: float) -> tuple[int, float]:
    """Cost, and usual cost of the tokens, without the session of an hour that is dearest for its tokens."""
    sums: dict[tuple[int, Session], list[int]] = {}
    for bucket, session, _, cost, tokens in _parts(history, end, index):
        hour = bucket // HOUR if index else 0  # a session may run over the full hour
        found = sums.setdefault((hour, session), [0, 0])
        found[0] += cost
        found[1] += tokens
    dearest = max(sums.values(), key=lambda one: one[0] - price * one[1])
    return (
        sum(one[0] for one in sums.values()) - dearest[0],
        price * (sum(one[1] for one in sums.values()) - dearest[1]),
    )


def _parts(history: History, end: int, index: int) -> Iterator[Part]:
    """Of a window: bucket, session, paid requests, cost and tokens."""
    place = bisect_left(history.at, end - _WINDOWS[index])
    for bucket, parts in zip(history.at[place:], history.parts[place:], strict=True):
        for session, paid, cost, tokens in parts:
            yield bucket, session, paid, cost, tokens


def _candidate(
    endpoint: str, history: History, end: int, index: int, cost: int, usual: float, rate: float, per: str
) -> Candidate:
    window = _WINDOWS[index]
    started = history.at[bisect_left(history.at, end - window)]
    return Candidate("price", "endpoint", endpoint, window, started, cost, round(usual), rate, per)
