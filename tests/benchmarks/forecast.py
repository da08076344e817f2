"""The back-test of the forecast: invented histories, month by month, beside run-rate and the last seven days."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta

from cost_top.insight.forecast import NEEDED_DAYS, forecast

DAYS = 330
SEEDS = 4
AT = (1, 3, 5, 10, 15, 20)
FIRST = date(2025, 12, 1)
# Spend a day in USD, weekend's share, noise of a day, growth a day, month-start batch in days, Saturday's batch.
SHOPS = (
    (5.0, 0.8, 0.35, 0.001, 0.4, 0.0),
    (300.0, 0.3, 0.18, 0.002, 0.5, 0.3),
    (20_000.0, 0.7, 0.1, 0.0015, 0.3, 0.25),
)
_DAY = timedelta(days=1)
Method = Callable[[Sequence[int], date, date, int], float]


def histories() -> Iterator[list[int]]:
    """Twelve: three shops, four seeds; four steps of the level in each. Pico-dollars a day, the oldest first."""
    for seed in range(SEEDS):
        for spend, weekend, noise, growth, start, saturday in SHOPS:
            draw = random.Random(f"{spend}-{seed}")
            steps = {draw.randrange(30, DAYS): draw.uniform(0.8, 1.4) for _ in range(4)}
            weekdays = [draw.uniform(0.9, 1.15) for _ in range(5)] + [weekend, weekend * 0.9]
            level, days = spend, []
            for number in range(DAYS):
                day = FIRST + _DAY * number
                level *= (1 + growth) * steps.get(number, 1.0)
                cost = level * weekdays[day.weekday()] * draw.lognormvariate(0, noise)
                cost += level * (start * (day.day == 1) + saturday * (day.weekday() == 5)) * draw.uniform(0.8, 1.2)
                days.append(round(cost * 10**12))
            yield days


def run_rate(_: Sequence[int], today: date, end: date, spent: int) -> float:
    first = (end - _DAY).replace(day=1)
    return spent / (today - first).days * (end - first).days


def last_seven(costs: Sequence[int], today: date, end: date, spent: int) -> float:
    return spent + sum(costs[:7]) / 7 * (end - today).days


def ours(costs: Sequence[int], today: date, end: date, spent: int) -> float:
    found = forecast(costs, today, end, spent)
    assert found is not None
    return found.total


METHODS: dict[str, Method] = {
    "run-rate": run_rate,
    "to date + last 7 days": last_seven,
    "weekday medians × level": ours,
}


def months(days: list[int]) -> Iterator[tuple[int, int]]:
    """Where each whole month with enough history begins and ends, as places in the days."""
    place = 0
    while True:
        first = FIRST + _DAY * place
        following = (first.replace(day=1) + timedelta(days=32)).replace(day=1)
        end = place + (following - first).days
        if end > len(days):
            return
        if first.day == 1 and place >= NEEDED_DAYS:
            yield place, end
        place = end


def back_test() -> tuple[dict[str, dict[int, float]], dict[int, tuple[float, float]], int]:
    """Mean absolute error by method and days of the month gone; coverage and mean width of the band; month ends."""
    errors: dict[str, dict[int, list[float]]] = {name: {at: [] for at in AT} for name in METHODS}
    within: dict[int, list[bool]] = {at: [] for at in AT}
    widths: dict[int, list[float]] = {at: [] for at in AT}
    count = 0
    for days in histories():
        for start, end in months(days):
            count += 1
            actual = sum(days[start:end])
            for at in AT:
                today, last = FIRST + _DAY * (start + at), FIRST + _DAY * end
                costs, spent = days[: start + at][::-1], sum(days[start : start + at])
                for name, method in METHODS.items():
                    errors[name][at].append(abs(method(costs, today, last, spent) / actual - 1))
                found = forecast(costs, today, last, spent)
                assert found is not None
                assert found.low is not None
                assert found.high is not None
                within[at].append(found.low <= actual <= found.high)
                widths[at].append((found.high - found.low) / actual)
    means = {name: {at: sum(values) / len(values) for at, values in by.items()} for name, by in errors.items()}
    coverage = {at: (sum(within[at]) / len(within[at]), sum(widths[at]) / len(widths[at])) for at in AT}
    return means, coverage, count


def show() -> None:
    """The table."""
    means, coverage, count = back_test()
    print(f"mean absolute error of the month, {count} month ends, after so many days of it")
    print(f"{'':26}" + "".join(f"{at:>9}" for at in AT))
    for name, by in means.items():
        print(f"{name:26}" + "".join(f"{value * 100:>7.1f} %" for value in by.values()))
    print(f"{'80 % band covers':26}" + "".join(f"{covered * 100:>7.0f} %" for covered, _ in coverage.values()))
    print(f"{'its width, of the month':26}" + "".join(f"{width * 100:>7.0f} %" for _, width in coverage.values()))
    every = sum(covered for covered, _ in coverage.values()) / len(coverage)
    print(f"covered in all: {every * 100:.1f} %, to reach 74–90 %")
