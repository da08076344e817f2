"""What a model costs at an instant: price sets with context tiers, schedules, and timelines of both."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta, tzinfo
from fractions import Fraction
from typing import Any

from cost_top.model.modes import BOUNDED, MODES, STANDARD

# Kinds of usage that are billed beside text. Without a rate they are left out of an amount, which then says so.
PARTS: tuple[str, ...] = ("audio_input", "audio_output", "image_output", "web_search")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Rates:
    """Pico-USD per token (`request`, `web_search`: each); a part without a price of its own has that of its whole.

    Only audio, images and searches may have no price at all: None.
    """

    input: int
    cached: int
    write: int
    write_1h: int
    output: int
    reasoning: int
    request: int = 0
    audio_input: int | None = None
    audio_cached: int | None = None
    audio_output: int | None = None
    image_output: int | None = None
    web_search: int | None = None

    @property
    def free(self) -> bool:
        """Whether nothing costs anything."""
        return not (self.input or self.cached or self.write or self.write_1h or self.output or self.request)

    def times(self, numerator: int, denominator: int) -> Rates:
        """Every price per token times a factor, half-even; what is billed by the piece stays."""
        found: dict[str, int] = {}
        for item in fields(self):
            value = getattr(self, item.name)
            if value is not None and item.name not in ("request", "web_search"):
                found[item.name] = round(Fraction(value * numerator, denominator))
        return replace(self, **found)


@dataclass(frozen=True, slots=True)
class Quote:
    """A price in force: `tiers[i]` holds for requests of more than `starts[i-1]` input tokens.

    `source` says where it comes from; `override` marks the user's own price or alias; `paid` is what the user pays
    as a fraction (numerator, denominator) of it. `whole` holds in every mode and region: the user said so, or it is
    free. `of_rounds` is of requests whose input is a sum of rounds: only the first tier is sure to be theirs; `cut_off`
    of those whose output was not counted to its end.
    """

    starts: tuple[int, ...]
    tiers: tuple[Rates, ...]
    source: str
    override: bool = False
    paid: tuple[int, int] | None = None
    whole: bool = False
    of_rounds: bool = False
    cut_off: bool = False

    def rates(self, total_input: int) -> Rates:
        """The tier for a request's total input; a cliff: all its tokens have this tier's price."""
        number = 0
        for start in self.starts:
            if total_input > start:
                number += 1
        return self.tiers[number]

    def is_sure(self, total_input: int) -> bool:
        """Whether that tier is the one of all tokens."""
        return not (self.of_rounds and self.starts and total_input > self.starts[0])

    @property
    def free(self) -> bool:
        """Whether nothing costs anything in any tier."""
        return all(tier.free for tier in self.tiers)


def quote(prices: Mapping[str, Any], source: str, override: bool = False, whole: bool = False) -> Quote | None:
    """The quote of one price set of `rates.json`; None when nothing in it is priced per token or request."""
    if not any(key in prices for key in ("in", "out", "request")):
        return None
    starts = sorted({start for value in prices.values() if isinstance(value, list) for start, _ in value[1:]})
    priced = [{key: _tier(value, start) for key, value in prices.items()} for start in (0, *starts)]
    whole = whole or not any(value for tier in priced for value in tier.values())
    return Quote(tuple(starts), tuple(_resolved(tier, whole) for tier in priced), source, override, whole=whole)


def _tier(value: int | list[Any], start: int) -> int:
    if isinstance(value, int):
        return value
    price: int = value[0]
    for tier_start, tier_price in value[1:]:
        if start >= tier_start:
            price = tier_price
    return price


def _resolved(prices: Mapping[str, int], whole: bool) -> Rates:
    """`whole` prices cover audio and images at the price of text, and searches."""
    input_price, output = prices.get("in", 0), prices.get("out", 0)
    cached, write = prices.get("cr", input_price), prices.get("cw", input_price)
    audio_input = prices.get("audio_in", input_price if whole else None)
    return Rates(
        input_price,
        cached,
        write,
        prices.get("cw1h", write),
        output,
        prices.get("reasoning", output),
        prices.get("request", 0),
        audio_input,
        prices.get("audio_cr", audio_input),
        prices.get("audio_out", output if whole else None),
        prices.get("image_out", output if whole else None),
        prices.get("web", 0 if whole else None),
    )


@dataclass(frozen=True, slots=True)
class Schedule:
    """Windows of minutes of the day `[start, end)` in `zone`, on the given weekdays (Monday 0; empty: every day).

    A window whose end is not after its start runs over midnight; each part belongs to the day it falls on.
    """

    zone: str
    windows: tuple[tuple[int, int], ...]
    days: tuple[int, ...] = ()

    def active(self, moment: datetime) -> bool:
        """Whether an aware instant is inside."""
        local = moment.astimezone(UTC if self.zone == "UTC" else _zone(self.zone))
        if self.days and local.weekday() not in self.days:
            return False
        minute = local.hour * 60 + local.minute
        return any(
            start <= minute < end if start < end else minute >= start or minute < end for start, end in self.windows
        )


def _zone(name: str) -> tzinfo:
    from zoneinfo import ZoneInfo

    return ZoneInfo(name)


def schedules(listed: Iterable[Mapping[str, Any]]) -> tuple[Schedule, ...]:
    """The schedules of `rates.json`."""
    return tuple(
        Schedule(item["zone"], tuple((start, end) for start, end in item["windows"]), tuple(item.get("days", ())))
        for item in listed
    )


@dataclass(frozen=True, slots=True)
class Period:
    """A quote within `[start, end)` (epoch seconds, None: open) and, with a schedule, only at its hours."""

    start: int | None
    end: int | None
    quote: Quote | None
    schedule: Schedule | None = None

    def covers(self, second: int) -> bool:
        """Whether the span, regardless of the schedule, covers an instant."""
        return (self.start is None or second >= self.start) and (self.end is None or second < self.end)


class Timeline:
    """Everything one model costs over time. `edges` cut time into segments; within one only schedules change it."""

    def __init__(
        self, modes: Mapping[str, tuple[Period, ...]], regions: Mapping[str, tuple[int, int]] | None = None
    ) -> None:
        self.periods = modes
        self.regions: Mapping[str, tuple[int, int]] = regions or {}
        ends = {end for periods in modes.values() for period in periods for end in (period.start, period.end)}
        self.edges: tuple[int, ...] = tuple(sorted(end for end in ends if end is not None))
        self.modes: tuple[str, ...] = tuple(mode for mode in MODES if mode in modes)
        used = dict.fromkeys(
            period.schedule for periods in modes.values() for period in periods if period.schedule is not None
        )
        self.schedules: tuple[Schedule, ...] = tuple(used)
        self._cells = {
            mode: tuple(self._segment(periods, number) for number in range(len(self.edges) + 1))
            for mode, periods in modes.items()
        }

    def _segment(self, periods: tuple[Period, ...], number: int) -> tuple[tuple[Schedule | None, Quote | None], ...]:
        moment = self.edges[number - 1] if number else (self.edges[0] - 1 if self.edges else 0)
        return tuple((period.schedule, period.quote) for period in reversed(periods) if period.covers(moment))

    def cell(self, segment: int, mode: str, active: Iterable[Schedule], region: str = "") -> Quote | None:
        """The quote of a segment in a mode and a region (as `model.modes` spells them) while `active` hold.

        In a mode or region without a price of its own only a quote that is `whole` holds.
        """
        if mode in BOUNDED:
            mode, of_rounds, cut_off = BOUNDED[mode]
            found = self.cell(segment, mode, active, region)
            return found and replace(found, of_rounds=of_rounds, cut_off=cut_off)
        cells = self._cells.get(mode, self._cells[STANDARD])[segment]
        holding = set(active)
        found = next((found for schedule, found in cells if schedule is None or schedule in holding), None)
        if found is None or found.whole:
            return found
        if mode not in self._cells or (region and region not in self.regions):
            return None
        if not region:
            return found
        return replace(found, tiers=tuple(tier.times(*self.regions[region]) for tier in found.tiers))

    def at(self, moment: datetime, mode: str = STANDARD, region: str = "") -> Quote | None:
        """The quote at an instant (naive is UTC), or None when there is no price then."""
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        segment = bisect_right(self.edges, (aware - _EPOCH) // timedelta(seconds=1))
        return self.cell(segment, mode, (item for item in self.schedules if item.active(aware)), region)
