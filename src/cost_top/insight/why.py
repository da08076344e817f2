"""Why spend is up or down: one change between two equal periods, its factors, and who is behind it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from fractions import Fraction

from cost_top.insight.drivers import Share, explain, simplest
from cost_top.insight.shapley import Amount, split, whole
from cost_top.model.query import Report, ReportRow

DIMENSIONS = ("token", "endpoint", "model", "user")
CELLS = ("model", "endpoint")
CACHE = "(answered by the cache)"


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two periods. Money in pico-dollars; `unpriced` requests are in no figure but their own."""

    start: datetime
    end: datetime
    cost: int
    requests: int
    tokens: int
    cached: int
    input: int
    unpriced: int = 0


@dataclass(frozen=True, slots=True)
class Driver:
    """A value behind the change. `share` of the change (1 is all); the parts of `factors` add up to its own change."""

    dimension: str
    value: str | None
    name: str | None
    before: Side
    after: Side
    share: Fraction
    factors: Mapping[str, int]
    swap: tuple[str, str, str | None] | None = None  # old model, new model, endpoint
    inside: tuple[Driver, ...] = ()

    @property
    def change(self) -> int:
        """After less before, in pico-dollars."""
        return self.after.cost - self.before.cost


@dataclass(frozen=True, slots=True)
class Why:
    """The answer. `factors` add up to the change to the pico-dollar; `models` are those that became more of all."""

    before: Side
    after: Side
    factors: Mapping[str, int]
    drivers: tuple[Driver, ...]
    models: tuple[str, ...] = ()
    swap: tuple[str, str, str | None] | None = None  # old model, new model, endpoint
    notes: tuple[str, ...] = ()
    key: tuple[str, str] | None = None  # id and name of the one key that all of it is of

    @property
    def change(self) -> int:
        """After less before, in pico-dollars."""
        return self.after.cost - self.before.cost

    @property
    def is_empty(self) -> bool:
        """Whether there is no request in either period that has a price."""
        return not any((side.cost, side.requests, side.tokens) != (0, 0, 0) for side in (self.before, self.after))


@dataclass(frozen=True, slots=True)
class Ask:
    """Two answers to one question, grouped by all dimensions at once, over `[start, end)` each, no unpriced rows."""

    before: Report
    after: Report
    periods: tuple[tuple[datetime, datetime], tuple[datetime, datetime]]
    unpriced: tuple[int, int] = (0, 0)


Rows = Sequence[ReportRow]
_TAKEN_OVER = Fraction(1, 3)  # of an endpoint's requests, from which another model is in the place of the one before


def why(ask: Ask, dimensions: Sequence[str] = DIMENSIONS, top: int = 3) -> Why:
    """Split the change and name its drivers, at most `top` of a dimension, the first with those inside it.

    Requests that a source does not count are taken as none; then all of a cell's change is mix and price.
    """
    columns = ask.after.columns
    old, new = ask.before.rows, ask.after.rows
    before, after = (
        replace(_side(rows, *period), unpriced=unpriced)
        for rows, period, unpriced in zip((old, new), ask.periods, ask.unpriced, strict=True)
    )
    factors = whole(split(_cells(old, columns), _cells(new, columns)))
    change = after.cost - before.cost
    known = [name for name in dimensions if name in columns]
    told = [name for name in known if _varies(name, (*old, *new), columns)] or known
    drivers = _drivers(old, new, columns, told, change, ask, top)
    if drivers:
        first = drivers[0]
        place = columns.index(first.dimension)
        part_old, part_new = ([row for row in rows if row.key[place] == first.value] for rows in (old, new))
        others = [name for name in dimensions if name in columns and _varies(name, (*part_old, *part_new), columns)]
        inside = _drivers(part_old, part_new, columns, others, first.change, ask, 1)
        drivers = (replace(first, inside=inside), *drivers[1:])
    key = _only_key((*new, *old), columns)
    return Why(before, after, factors, drivers, _risen(old, new, columns), _swap(old, new, columns), key=key)


def _only_key(rows: Rows, columns: Sequence[str]) -> tuple[str, str] | None:
    """The id and the name of the key that all of these requests are of."""
    if "token" not in columns or "token_name" not in columns:
        return None
    places = columns.index("token"), columns.index("token_name")
    keys = {row.key[places[0]] for row in rows}
    found = next(((row.key[places[0]], row.key[places[1]]) for row in rows if row.key[places[1]]), (None, None))
    return (found[0], found[1]) if len(keys) == 1 and found[0] and found[1] else None


def _varies(dimension: str, rows: Rows, columns: Sequence[str]) -> bool:
    """Whether a dimension can tell these requests apart."""
    place = columns.index(dimension)
    return len({row.key[place] for row in rows}) > 1


def _side(rows: Rows, start: datetime, end: datetime) -> Side:
    measures = [row.measures for row in rows]
    return Side(
        start,
        end,
        sum(one.total_cost for one in measures),
        sum(one.request_count or 0 for one in measures),
        sum((one.input_tokens or 0) + (one.output_tokens or 0) for one in measures),
        sum(one.cached_input_tokens or 0 for one in measures),
        sum(one.input_tokens or 0 for one in measures),
    )


def _cells(rows: Rows, columns: Sequence[str]) -> dict[tuple[str | None, ...], Amount]:
    """By model and endpoint; what the response cache answered are cells of their own, without cost or tokens."""
    places = [columns.index(name) for name in CELLS if name in columns]
    sums: dict[tuple[str | None, ...], list[int]] = defaultdict(lambda: [0, 0, 0])
    for row in rows:
        key = tuple(row.key[place] for place in places)
        hits = row.measures.cache_hit_count or 0
        if hits:
            sums[CACHE, *key][0] += hits
        found = sums[key]
        found[0] += (row.measures.request_count or 0) - hits
        found[1] += (row.measures.input_tokens or 0) + (row.measures.output_tokens or 0)
        found[2] += row.measures.total_cost
    return {key: Amount(*values) for key, values in sums.items()}


def _by(rows: Rows, place: int) -> dict[str | None, list[ReportRow]]:
    groups: dict[str | None, list[ReportRow]] = defaultdict(list)
    for row in rows:
        groups[row.key[place]].append(row)
    return groups


def _drivers(
    old: Rows, new: Rows, columns: Sequence[str], dimensions: Sequence[str], change: int, ask: Ask, top: int
) -> tuple[Driver, ...]:
    """The values of the dimension that explains the change best."""
    found: dict[str, tuple[Share, ...]] = {}
    groups = {name: (_by(old, columns.index(name)), _by(new, columns.index(name))) for name in dimensions}
    for name, sides in groups.items():
        costs = [
            {value: sum(row.measures.total_cost for row in rows) for value, rows in side.items()} for side in sides
        ]
        found[name] = explain(name, costs[0], costs[1], Fraction(change))
    order = simplest(found)
    if not order:
        return ()
    name = order[0]
    before, after = groups[name]
    return tuple(
        _driver(share, before.get(share.value, []), after.get(share.value, []), columns, ask)
        for share in found[name][:top]
    )


def _driver(share: Share, old: Rows, new: Rows, columns: Sequence[str], ask: Ask) -> Driver:
    name = share.value
    if share.dimension == "token" and "token_name" in columns:
        place = columns.index("token_name")
        name = next((row.key[place] for row in (*new, *old) if row.key[place]), name)
    return Driver(
        share.dimension, share.value, name, _side(old, *ask.periods[0]), _side(new, *ask.periods[1]), share.share,
        whole(split(_cells(old, columns), _cells(new, columns))), _swap(old, new, columns),
    )  # fmt: skip


def _swap(old: Rows, new: Rows, columns: Sequence[str]) -> tuple[str, str, str | None] | None:
    """The endpoint of most spend whose usual model, by requests, gave way to another."""
    if "model" not in columns:
        return None
    model = columns.index("model")
    endpoint = columns.index("endpoint") if "endpoint" in columns else None
    sides: list[dict[str | None, dict[str | None, int]]] = []
    spend: dict[str | None, int] = defaultdict(int)
    for rows in (old, new):
        counts: dict[str | None, dict[str | None, int]] = defaultdict(lambda: defaultdict(int))
        for row in rows:
            place = row.key[endpoint] if endpoint is not None else None
            counts[place][row.key[model]] += row.measures.request_count or 0
            spend[place] += row.measures.total_cost if rows is new else 0
        sides.append(counts)
    for place in sorted(spend, key=lambda one: -spend[one]):
        then, now = (side.get(place, {}) for side in sides)
        before, after = (max(models, key=models.__getitem__, default=None) for models in (then, now))
        if before is None or after is None or before == after:
            continue
        # Where the usual model is asked as ever, another one that is asked more came beside it; of two that are used
        # alike now the one and now the other is the usual one.
        lost, gained = then[before] - now.get(before, 0), now[after] - then.get(after, 0)
        if 2 * lost >= gained and _share(after, now) - _share(after, then) >= _TAKEN_OVER:
            return before, after, place
    return None


def _share(model: str, requests: Mapping[str | None, int]) -> Fraction:
    return Fraction(requests.get(model, 0), sum(requests.values()) or 1)


def _risen(old: Rows, new: Rows, columns: Sequence[str]) -> tuple[str, ...]:
    """The dearest models whose share of the requests rose, at most two."""
    if "model" not in columns:
        return ()
    place = columns.index("model")
    sides = [_by(rows, place) for rows in (old, new)]
    totals = [sum(row.measures.request_count or 0 for row in rows) or 1 for rows in (old, new)]
    risen = []
    for value, rows in sides[1].items():
        count = sum(row.measures.request_count or 0 for row in rows)
        before = sum(row.measures.request_count or 0 for row in sides[0].get(value, []))
        if value is not None and Fraction(count, totals[1]) > Fraction(before, totals[0]):
            risen.append((sum(row.measures.total_cost for row in rows) / (count or 1), value))
    return tuple(value for _, value in sorted(risen, reverse=True)[:2])
