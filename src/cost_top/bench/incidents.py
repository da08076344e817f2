"""Twelve labelled incidents: what each adds to the traffic, or changes in it, exactly."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from cost_top.bench.shops import DAYS, RATES, Key, Shop
from cost_top.bench.traffic import Row, call, cost_of, day_start, pick

HOUR = 3_600_000
QUARTER = 900_000


@dataclass(slots=True)
class Label:
    """What was done and when (Unix milliseconds). `excess` in pico-dollars is in all, by quarter and by slice."""

    name: str
    start: int
    end: int
    young: bool
    excess: int = 0
    curve: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    slices: dict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))

    def note(self, row: Row, cost: int) -> None:
        """An amount that would not have been spent."""
        self.excess += cost
        self.curve[row.time_ms // QUARTER] += cost
        for dimension, value in (
            ("token", row.token), ("endpoint", row.endpoint), ("model", row.model), ("user", row.user),
        ):  # fmt: skip
            if value is not None:
                self.slices[dimension, value] += cost

    def gone(self, time_ms: int) -> int:
        """What of it was spent before a time."""
        return sum(cost for quarter, cost in self.curve.items() if quarter * QUARTER < time_ms)


@dataclass(slots=True)
class Scene:
    """A log in the making."""

    shop: Shop
    rows: list[Row]
    mean_hour: float
    scale: float

    @property
    def draw(self) -> random.Random:
        """The shop's dice."""
        return self.shop.draw


Planner = Callable[[Scene, int, bool], Label | None]


def _key(scene: Scene) -> Key:
    return scene.draw.choice(scene.shop.keys)


def _spend(
    scene: Scene,
    label: Label,
    key: Key,
    hourly: float,
    users: list[str | None],
    model: str | None = None,
    uneven: float = 0.5,
) -> Label:
    """Calls of one key until the rate (mean hours an hour) is reached in each part of the span."""
    draw = scene.draw
    route = pick(draw, key)
    time = label.start
    model = model or route.models[1]
    size = route.input
    # No single call is more than a twentieth of an hour's spend.
    while cost_of(model, int(size), 0, int(route.output), scene.scale) > hourly * scene.mean_hour / 20 and size > 200:
        size /= 1.5
    while time < label.end:
        tokens, hit, out = call(draw, route, size * draw.lognormvariate(0, uneven), 0.0)
        cost = cost_of(model, tokens, hit, out, scene.scale)
        row = Row(time, model, route.name, key.token, key.name, draw.choice(users), tokens, hit, out, cost)
        scene.rows.append(row)
        label.note(row, cost)
        time += max(500, int(cost / (hourly * scene.mean_hour) * HOUR * draw.lognormvariate(0, 0.5)))
    return label


def _strangers(scene: Scene) -> list[str | None]:
    """Nobody by name, or names that were never seen."""
    if scene.draw.random() < 0.5:
        return [None]
    return [f"user-{scene.draw.getrandbits(24):06x}" for _ in range(3)]


def leaked_key(scene: Scene, start: int, young: bool) -> Label:
    """Strangers use a key at several times the shop's whole rate."""
    draw = scene.draw
    label = Label("leaked key", start, start + int(draw.uniform(3, 10) * HOUR), young)
    dear = draw.choice(("claude-opus-4-1", "gpt-5", "claude-sonnet-4-5"))
    return _spend(scene, label, _key(scene), draw.uniform(1.5, 6), _strangers(scene), dear)


def small_leak(scene: Scene, start: int, young: bool) -> Label:
    """Strangers use a key with restraint, for days."""
    draw = scene.draw
    label = Label("small leak", start, start + int(draw.uniform(18, 60) * HOUR), young)
    dear = draw.choice(("claude-sonnet-4-5", "gpt-5"))
    return _spend(scene, label, _key(scene), draw.uniform(0.3, 0.9), _strangers(scene), dear)


def noisy_customer(scene: Scene, start: int, young: bool) -> Label:
    """One user asks many times what it usually does, through the usual key."""
    draw = scene.draw
    key = _key(scene)
    label = Label("noisy customer", start, start + int(draw.uniform(8, 36) * HOUR), young)
    return _spend(scene, label, key, draw.uniform(0.5, 2), [draw.choice(key.users)], uneven=0.7)


def _loop(scene: Scene, label: Label, hourly: float, gap: tuple[float, float], drift: float) -> Label:
    draw = scene.draw
    key = _key(scene)
    route, user = pick(draw, key), draw.choice(key.users)
    model = route.models[draw.random() < 0.5]
    seconds = draw.uniform(*gap)
    per_call = hourly * scene.mean_hour * seconds / 3600
    size = max(50.0, per_call / (scene.scale * RATES[model][0] * 1e6) * 0.7)
    limit = route.input * 20
    if size > limit:
        seconds, size = max(2.0, seconds * limit / size), limit
    time = label.start
    while time < label.end:
        tokens = max(20, int(size * draw.uniform(1 - drift, 1 + drift)))
        out = max(1, int(tokens * RATES[model][0] / RATES[model][2] * draw.uniform(0.3, 0.5)))
        cost = cost_of(model, tokens, 0, out, scene.scale)
        row = Row(time, model, route.name, key.token, key.name, user, tokens, 0, out, cost)
        scene.rows.append(row)
        label.note(row, cost)
        time += int(seconds * 1000 * draw.uniform(0.85, 1.2))
    return label


def retry_loop(scene: Scene, start: int, young: bool) -> Label:
    """The same request over and over."""
    draw = scene.draw
    label = Label("retry loop", start, start + int(draw.uniform(1, 5) * HOUR), young)
    return _loop(scene, label, draw.uniform(1, 5), (6, 40), 0.0)


def agent_loop(scene: Scene, start: int, young: bool) -> Label:
    """An agent that goes round in circles."""
    draw = scene.draw
    label = Label("agent loop", start, start + int(draw.uniform(2, 9) * HOUR), young)
    return _loop(scene, label, draw.uniform(0.6, 3), (15, 70), 0.015)


def _changed(scene: Scene, label: Label, route: str, change: Callable[[Row], Row]) -> Label:
    for place, row in enumerate(scene.rows):
        if label.start <= row.time_ms < label.end and row.endpoint == route:
            other = change(row)
            if other.cost > row.cost:
                scene.rows[place] = other
                label.note(other, other.cost - row.cost)
    return label


def model_swap(scene: Scene, start: int, young: bool) -> Label | None:
    """A route goes to a much dearer model."""
    draw = scene.draw
    label = Label("model swap", start, start + int(draw.uniform(20, 72) * HOUR), young)
    for route in draw.sample(scene.shop.routes, len(scene.shop.routes)):
        old = RATES[route.models[0]]
        dearer = [model for model, rates in RATES.items() if 3 <= rates[0] / old[0] <= 8]
        if dearer and _busy(scene, label, route.name) * 2.5 > 4 * scene.mean_hour:
            return _changed(scene, label, route.name, partial(_with_model, scene.scale, draw.choice(dearer)))
    return None


def _with_model(scale: float, model: str, row: Row) -> Row:
    return row._replace(model=model, cost=cost_of(model, row.input, row.cached, row.output, scale))


def cache_break(scene: Scene, start: int, young: bool) -> Label | None:
    """A changed prompt no longer meets the provider's cache."""
    draw = scene.draw
    label = Label("cache break", start, start + int(draw.uniform(20, 72) * HOUR), young)
    for route in draw.sample(scene.shop.routes, len(scene.shop.routes)):
        if route.cached >= 0.6 and _busy(scene, label, route.name) > 4 * scene.mean_hour:
            return _changed(
                scene, label, route.name,
                lambda row: row._replace(cached=0, cost=cost_of(row.model, row.input, 0, row.output, scene.scale)),
            )  # fmt: skip
    return None


def prompt_growth(scene: Scene, start: int, young: bool) -> Label | None:
    """A route's prompt grows to several times its size."""
    draw = scene.draw
    label = Label("prompt growth", start, start + int(draw.uniform(20, 72) * HOUR), young)
    for route in draw.sample(scene.shop.routes, len(scene.shop.routes)):
        if _busy(scene, label, route.name) > 4 * scene.mean_hour:
            more = int(route.input * draw.uniform(2, 4))
            return _changed(scene, label, route.name, partial(_with_more, scene.scale, more))
    return None


def _with_more(scale: float, more: int, row: Row) -> Row:
    into = row.input + more
    return row._replace(input=into, cost=cost_of(row.model, into, row.cached, row.output, scale))


def _busy(scene: Scene, label: Label, route: str) -> int:
    return sum(row.cost for row in scene.rows if row.endpoint == route and label.start <= row.time_ms < label.end)


def creep(scene: Scene, start: int, young: bool) -> Label:
    """One key asks more from day to day until it is several times what it was."""
    draw = scene.draw
    days = draw.uniform(5, 9)
    label = Label("creep", start, start + int(days * 24 * HOUR), young)
    whole = max(scene.shop.keys[: max(2, len(scene.shop.keys) // 3)], key=lambda _: draw.random())
    peak = draw.uniform(3, 5)
    shifted = int(days * 24 * HOUR)
    for row in [row for row in scene.rows if row.token == whole.token and label.start <= row.time_ms < label.end]:
        more = (peak - 1) * (row.time_ms - label.start) / shifted
        while more > 0:
            if draw.random() < more:
                copy = row._replace(
                    time_ms=row.time_ms + int(draw.uniform(5, 1800) * 1000),
                    output=max(1, int(row.output * draw.uniform(0.6, 1.4))),
                )
                copy = copy._replace(
                    cost=round(row.cost * draw.uniform(0.7, 1.3)),
                    input=max(20, int(row.input * draw.uniform(0.7, 1.3))),
                    cached=0,
                )
                scene.rows.append(copy)
                label.note(copy, copy.cost)
            more -= 1
    return label


def silence(scene: Scene, start: int, young: bool) -> Label | None:
    """A key, or everything, stops in its busy hours."""
    draw = scene.draw
    day_ms = start - start % HOUR
    counts: dict[str, int] = defaultdict(int)
    length = int(draw.uniform(3, 8) * HOUR)
    for week in (1, 2):
        seen: dict[str, int] = defaultdict(int)
        for row in scene.rows:
            if day_ms - week * 168 * HOUR <= row.time_ms < day_ms - week * 168 * HOUR + length:
                seen[row.token] += 1
        for key, count in seen.items():
            counts[key] = count if week == 1 else min(counts[key], count)
    busy = [key for key, count in counts.items() if count >= 50]
    token: str | None = draw.choice(sorted(busy)) if busy and draw.random() < 0.6 else None
    label = Label("silence", day_ms, day_ms + length, young)
    scene.rows[:] = [
        row for row in scene.rows if not (label.start <= row.time_ms < label.end and token in (None, row.token))
    ]
    label.slices["token", token or ""] = 0
    return label


def double_logging(scene: Scene, start: int, young: bool) -> Label:
    """Every row is written twice."""
    draw = scene.draw
    label = Label("double logging", start, start + int(draw.uniform(4, 14) * HOUR), young)
    for row in [row for row in scene.rows if label.start <= row.time_ms < label.end]:
        copy = row._replace(time_ms=row.time_ms + draw.randint(0, 1500))
        scene.rows.append(copy)
        label.note(copy, copy.cost)
    return label


CLASSES: tuple[Planner, ...] = (
    leaked_key, small_leak, retry_loop, agent_loop, model_swap, cache_break, prompt_growth, noisy_customer, creep,
    silence, double_logging,
)  # fmt: skip
_BUSY = ("silence", "double_logging", "model_swap", "cache_break", "prompt_growth")


def plant(scene: Scene, apart: list[tuple[int, int]]) -> list[Label]:
    """One of each class and one young one, none within half a day of another (creep apart) or of `apart`."""
    draw = scene.draw
    young = draw.choice([one for one in CLASSES if one not in (silence, creep)])
    labels: list[Label] = []
    for planner, is_young in [(young, True), *((one, False) for one in draw.sample(CLASSES, len(CLASSES)))]:
        for _ in range(60):
            day = draw.randint(4, 7) if is_young else draw.randint(12 if planner is not silence else 15, DAYS - 4)
            if planner is creep:
                day = draw.randint(14, DAYS - 11)
            hour = draw.uniform(9, 16) if planner.__name__ in _BUSY else draw.uniform(0, 24)
            start = day_start(scene.shop, day) + int(hour * HOUR)
            if planner is silence and day % 7 >= 5:
                continue
            if planner is creep and any(one.name == "silence" and one.start > start for one in labels):
                continue  # it would speak in the silence
            taken = [(one.start, one.end) for one in labels if one.name != "creep" or planner is silence] + apart
            if any(start < end + 12 * HOUR and start > begin - 30 * HOUR for begin, end in taken):
                continue
            label = planner(scene, start, is_young)
            if label is not None:
                labels.append(label)
                break
    return sorted(labels, key=lambda label: label.start)
