"""An incident told whole: what it cost beyond the usual, by which factors, through whom, in one sentence."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from fractions import Fraction

from cost_top.insight.calendar import DAY, HOUR
from cost_top.insight.drivers import Share, explain, simplest
from cost_top.insight.incidents import UNPAID_KINDS, Incident
from cost_top.insight.shapley import Amount, split, whole
from cost_top.insight.standing import Slice, Standing
from cost_top.insight.usual import usual
from cost_top.model.errors import one_line
from cost_top.model.features import Features
from cost_top.model.money import display_usd

_BASELINE = 28 * DAY
_WORDS = {"token": "key"}
_NAME_WIDTH = 60
_MOVED = 10  # points by which the cached share must fall, or that of failures rise, to be told
_FAILED = 25  # per cent of the requests
_UNTOLD = Fraction(1, 10)  # a factor below this share of the change is no cause


@dataclass(frozen=True, slots=True)
class Told:
    """Money in pico-dollars; the parts of `factors` add up to `excess`."""

    spent: int
    excess: int
    factors: Mapping[str, int]
    drivers: tuple[Share, ...]
    sentence: str


def describe(incident: Incident, standing: Standing, features: Features) -> Told:
    """What is known of an incident from its start until its last alarm."""
    first = incident.first
    start, end = first.started, max(first.started + 1, incident.last_fire)
    now = _Side(features, standing, incident.part, start, end)
    spent = now.cost
    is_spend = first.kind not in UNPAID_KINDS
    excess = spent - _usual(incident, standing, features, now, start, end) if is_spend else 0
    # From the beginning of a day: older days may be told whole. Where nothing is usual, nothing was before.
    is_asked = spent != excess or first.kind == "price"
    baseline = (start - _BASELINE) // DAY * DAY if is_asked else start
    before = _before(features, standing, incident.part, baseline, start)
    scale = _scale(before, spent - excess)
    factors = whole(split(before.amounts(scale), now.amounts(Fraction(1))))
    difference = excess - sum(factors.values())
    factors["requests"] += difference  # nothing was spent before: what is usual belongs to no cell
    drivers = _drivers(before, now, scale, excess)
    cached = _cached(before, now) if first.kind == "price" else ""
    sentence = _sentence(incident, features, excess, factors, drivers, cached, _failed(before, now))
    return Told(spent, excess, factors, drivers, sentence)


def _before(features: Features, standing: Standing, part: Slice, start: int, end: int) -> _Side:
    """Four weeks of cells are gone through once, as far as nothing in them changes any more."""
    cut = max(start, min(end, standing.sure // DAY * DAY))
    key = (part, start, cut)
    if key not in standing.remembered:
        standing.remembered[key] = _Side(features, standing, part, start, cut)
    side: _Side = deepcopy(standing.remembered[key])
    side.add(features, standing, part, cut, end)
    return side


class _Side:
    """What the cells of a slice sum up to in `[start, end)`; there may be more of them than memory is for."""

    def __init__(self, features: Features, standing: Standing, part: Slice, start: int, end: int) -> None:
        self.cost = self.tokens = self.paid = self.input = self.cached = self.requests = self.errors = 0
        # By the value of each dimension that is watched beside the slice's own.
        self.costs: dict[str, dict[str | None, int]] = {
            name: defaultdict(int) for name in standing.watched if name != part[0]
        }
        self._sums: dict[tuple[str | None, ...], list[int]] = defaultdict(lambda: [0, 0, 0])
        self.add(features, standing, part, start, end)

    def add(self, features: Features, standing: Standing, part: Slice, start: int, end: int) -> None:
        """What follows."""
        model, endpoint = features.dimensions.index("model"), features.dimensions.index("endpoint")
        costs = [(features.dimensions.index(name), values) for name, values in self.costs.items()]
        for cell in features.between(start, end, standing.holding(part)):
            names = cell.names
            if not standing.holds(part, names, cell.tags):
                continue
            self.cost += cell.cost
            self.tokens += cell.tokens
            self.paid += cell.paid
            self.input += cell.input
            self.cached += cell.cached
            self.requests += cell.requests
            self.errors += cell.errors
            found = self._sums[names[model], names[endpoint]]
            found[0] += cell.requests
            found[1] += cell.tokens
            found[2] += cell.cost
            for place, values in costs:
                values[names[place]] += cell.cost

    def amounts(self, scale: Fraction) -> dict[tuple[str | None, ...], Amount]:
        """By model and endpoint, times `scale`."""
        if not scale:
            return {}
        return {key: Amount(*(value * scale for value in values)) for key, values in self._sums.items()}


def _usual(incident: Incident, standing: Standing, features: Features, now: _Side, start: int, end: int) -> int:
    """What would have been spent in the span."""
    spent = now.cost
    if incident.first.kind == "price":
        per_token = incident.first.per == "token"
        return min(spent, round(incident.first.rate * (now.tokens if per_token else now.paid)))
    if incident.first.kind == "double":
        return spent - sum(one.doubled_cost for one in features.doubled if start <= one.bucket < end)
    series = standing.series.get(incident.part)
    if series is None:
        return 0  # a loop of a key where keys are not watched: what is usual of it is not kept
    total = 0.0
    for hour in range(start, end, HOUR):
        until = min(end, hour + HOUR)
        known = usual(series, HOUR, hour + HOUR, standing.first, standing.calendar)
        total += standing.raised(series, HOUR, hour + HOUR, known).cost * (until - hour) / HOUR
    return min(round(total), spent)


def _scale(before: _Side, usual_cost: int) -> Fraction:
    return Fraction(usual_cost, before.cost) if before.cost > 0 else Fraction()


def _drivers(before: _Side, now: _Side, scale: Fraction, excess: int) -> tuple[Share, ...]:
    """The values that explain most, of the dimension that explains it best and of those that are as plain."""
    found = {}
    for dimension, costs in now.costs.items():
        old = {value: cost * scale for value, cost in before.costs[dimension].items()}
        found[dimension] = explain(dimension, old, costs, Fraction(excess))
    chosen: list[Share] = []
    for dimension in simplest(found):
        if not chosen or sum(share.share for share in found[dimension]) >= Fraction(4, 5):
            chosen += [share for share in found[dimension] if share.value is not None]
    return tuple(chosen[:4])


def label(dimension: str, value: str | None, features: Features) -> str:
    """A slice as a person calls it."""
    if value is None:
        return "all spend" if dimension == "total" else f"(no {_WORDS.get(dimension, dimension)})"
    name = features.token_names.get(value) if dimension == "token" else None
    return f"{_WORDS.get(dimension, dimension)} {one_line(name or value, _NAME_WIDTH)}"


def _sentence(
    incident: Incident, features: Features, excess: int, factors: Mapping[str, int], drivers: tuple[Share, ...],
    cached: str, failed: str,
) -> str:  # fmt: skip
    first = incident.first
    subject = label(first.dimension, first.value, features)
    hours = span(first.window)
    if first.kind == "silence":
        return f"{subject}: no request for {hours}, where there usually are many."
    if first.kind == "errors":
        return f"{subject}: at least a quarter of the requests of {hours} failed, where hardly any do."
    if first.kind == "double":
        return f"Rows are logged twice: {display_usd(excess)} of the cost in the log is that of copies."
    what = f"{subject} is {display_usd(excess)} over the usual"
    if first.kind == "price":
        much = times(first.spent, first.usual)
        what = f"{subject} pays {much} as much per {first.per}{cached}, {display_usd(excess)} too much"
        if not excess:
            return f"{subject} paid {much} as much per {first.per} for {hours}; cheaper ones since have made up for it."
    if first.kind == "loop":
        verb = "sends" if first.dimension == "token" else "is sent"
        what = f"{subject} {verb} the same request over and over, {display_usd(excess)} over the usual"
    elif first.kind == "spike" and first.usual > 0:
        what += f" ({times(first.spent, first.usual)} in {hours})"
    who = ", ".join(
        f"{label(share.dimension, share.value, features)} {round(min(share.share, Fraction(1)) * 100)} %"
        for share in drivers[:2]
    )
    causes = [name for name, part in sorted(factors.items(), key=lambda item: -item[1]) if part > excess * _UNTOLD]
    words = {
        "requests": "more requests",
        "mix": "dearer models",
        "size": "larger requests",
        "price": "a higher price per token",
    }
    why = " and ".join(words[name] for name in causes[:2])
    why = ", ".join(filter(None, (why, failed)))
    return what + (f": {who} of it" if who else "") + (f"; {why}" if why else "") + "."


def _cached(before: _Side, now: _Side) -> str:
    """How far the cached share of the input moved, where that is worth a word."""
    sides = [(side.input, side.cached) for side in (before, now)]
    if not all(total for total, _ in sides):
        return ""
    old, new = (cached * 100 / total for total, cached in sides)
    return f" (cached input {old:.0f} % → {new:.0f} %)" if old - new >= _MOVED else ""


def _failed(before: _Side, now: _Side) -> str:
    """How many of the requests failed, where far more did than before."""
    old, new = (side.errors * 100 / side.requests if side.requests else 0.0 for side in (before, now))
    return f"{new:.0f} % of them failed" if new >= _FAILED and new - old >= _MOVED else ""


def times(cost: int, usual_cost: int) -> str:
    """How many times the usual, for eyes.

    >>> times(217, 10), times(1240, 10)
    ('21.7×', '124×')
    """
    ratio = cost / usual_cost
    return f"{ratio:.1f}×" if ratio < 100 else f"{ratio:.0f}×"


def span(buckets: int) -> str:
    """A number of buckets as time.

    >>> span(6), span(12), span(288)
    ('30 min', '1 h', '24 h')
    """
    return f"{buckets * 5} min" if buckets < HOUR or buckets % HOUR else f"{buckets // HOUR} h"
