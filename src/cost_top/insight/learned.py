"""What the rules have learned of a log until a day (UTC) ended: a start goes on from there, as if it read it all."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta, tzinfo
from hashlib import sha256
from typing import Any, BinaryIO, NamedTuple, Protocol

from cost_top.insight.engine import Engine, pass_over
from cost_top.insight.levels import Rules
from cost_top.insight.news import News
from cost_top.model.features import BUCKET_SECONDS, Features

_DAY_SECONDS = 86_400
# What stands in a file; all else in it is numbers and texts. A file that names other classes is none of ours.
_CLASSES = frozenset({
    ("array", "array"), ("array", "_array_reconstructor"), ("collections", "deque"),
    ("cost_top.insight.past_cells", "PastCells"),
    ("cost_top.insight.price", "Baseline"), ("cost_top.insight.price", "History"),
    ("cost_top.insight.price", "Prices"), ("cost_top.insight.price", "Sums"), ("cost_top.insight.series", "Series"),
    ("cost_top.insight.sessions", "Sessions"), ("cost_top.insight.sessions", "Size"),
    ("cost_top.insight.sessions", "_Hour"), ("cost_top.insight.shares", "Shares"),
    ("cost_top.insight.traits", "LoggedTwice"), ("cost_top.model.cells", "Block"),
    ("cost_top.model.cells", "Choice"), ("cost_top.model.features", "Cell"), ("cost_top.model.features", "Doubled"),
})  # fmt: skip


class Shelf(Protocol):
    """Where it is kept by the same code, under the last day it holds and a text for its form."""

    def open(self, day: date, form: str) -> BinaryIO | None:
        """What is kept until the end of a day; None where nothing whole is."""

    def keep(self, day: date, form: str, fill: Callable[[BinaryIO], None]) -> None:
        """Keep what `fill` writes, where there is a place for it."""


class Learned(NamedTuple):
    """What an engine knew of the buckets before `end`, which count from `origin` (Unix seconds).

    `readings` say from what: of each day, by its beginning, which reading of the log, by which clock.
    """

    origin: int
    end: int
    readings: Mapping[int, str]
    known: tuple[Any, ...]


def begin(rules: Rules, zone: tzinfo, features: Features, until: int, shelf: Shelf | None) -> Engine:
    """A new engine that was fed the buckets of `features` before `until`, at the end of a day, without a tick.

    Where what was learned of the days before, or of some of them, is kept and they are the same, it goes on from there;
    it counts buckets from an earlier origin then.
    """
    days = range(features.origin, features.origin + until * BUCKET_SECONDS, _DAY_SECONDS)
    readings = {
        start: f"{features.readings[start]} {_clock(zone, start)}" for start in days if start in features.readings
    }
    if shelf is None or len(readings) < len(days):  # some are not over, or not kept
        shelf = None
    form = _form(rules, zone, features.dimensions)
    learned = _found(shelf, form, readings) if shelf is not None else None
    engine = Engine(rules, learned.origin if learned else features.origin, zone, features.dimensions)
    if learned is not None:
        engine.know(learned.known, (features.origin - learned.origin) // BUCKET_SECONDS)
    start, end = learned.end if learned else 0, until + (features.origin - engine.origin) // BUCKET_SECONDS
    if start < end:
        news = News(features, engine.origin, start, end)
        pass_over(engine, news, news.twice, start, end)
        if shelf is not None:
            found = Learned(engine.origin, end, readings, engine.learned())
            shelf.keep(_day(days[-1]), form, lambda file: _write(file, found))
    return engine


def _form(rules: Rules, zone: tzinfo, dimensions: tuple[str, ...]) -> str:
    """A short text for all that it depends on beside the readings; what a tick alone asks for is not of it."""
    said = repr(zone), dimensions, rules.dimensions, rules.on("loop"), rules.errors
    return sha256(repr(said).encode()).hexdigest()[:12]


def _clock(zone: tzinfo, start: int) -> str:
    """A short text for how far a place's clocks are from UTC in each hour of a day: what is known of it may change."""
    hours = (datetime.fromtimestamp(start + 3600 * hour, zone).utcoffset() for hour in range(25))
    return sha256(repr([hour and hour.total_seconds() for hour in hours]).encode()).hexdigest()[:8]


def _found(shelf: Shelf, form: str, readings: Mapping[int, str]) -> Learned | None:
    """The newest that was learned from these readings, as far as it goes."""
    for start in sorted(readings, reverse=True):
        file = shelf.open(_day(start), form)
        if file is not None:
            with file:
                return _read(file, {day: reading for day, reading in readings.items() if day <= start})
    return None


def _write(file: BinaryIO, learned: Learned) -> None:
    for part in ((learned.origin, learned.end, dict(learned.readings)), learned.known):
        pickle.dump(part, file, pickle.HIGHEST_PROTOCOL)


def _read(file: BinaryIO, needed: Mapping[int, str]) -> Learned | None:
    """What is kept, if it was learned from these readings and can be read."""
    try:
        origin, end, readings = _Reader(file).load()
        if any(readings.get(start) != reading for start, reading in needed.items()):
            return None
        return Learned(origin, end, readings, _Reader(file).load())
    except (OSError, EOFError, ImportError, LookupError, ValueError, TypeError, AttributeError, pickle.UnpicklingError):
        return None


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _CLASSES:
            raise pickle.UnpicklingError(f"{module}.{name} is none of ours")
        return super().find_class(module, name)


def _day(start: int) -> date:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=start)).date()
