"""One answer and done: the part of a log that a question needs, read whole and held against the log."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from cost_top.mirror.backfill import Backfill, Failed, Work
from cost_top.mirror.report import naive
from cost_top.mirror.store import Mirror
from cost_top.mirror.tail import Tail
from cost_top.model.errors import SourceError
from cost_top.model.windows import Period
from cost_top.pricing.book import RateBook
from cost_top.sources.base import LogSource, SourceDenied

_DAY = timedelta(days=1)


def read_period(source: LogSource, book: RateBook, cache: Path | None, period: Period) -> Mirror:
    """A mirror that holds the log's rows of a period, with all columns, as the log has them now.

    Days kept from an earlier run are used only where the log still says of them what it said then.
    Raises `SourceError`.
    """
    mirror = Mirror(source, book, cache)
    try:
        _read(source, mirror, period)
    except BaseException:
        mirror.close()
        raise
    return mirror


def _read(source: LogSource, mirror: Mirror, period: Period) -> None:
    now = datetime.now(UTC)
    with source.connect() as reader:
        mirror.database.set_lookups(reader.lookups())
        oldest = reader.oldest()
        first_hot = mirror.first_hot_day(now)
        hot_start = datetime(first_hot.year, first_hot.month, first_hot.day)
        backfill = Backfill(source, mirror.database, mirror.days, patient=False)
        if oldest is not None:
            _ask(backfill, mirror, _days(max(period.start, oldest), min(period.end, hot_start.replace(tzinfo=UTC))))
            backfill.start()
        try:
            if naive(period.end) > hot_start:
                _fill(Tail(mirror, reader, source.overlap), max(hot_start, naive(period.start)))
            else:
                mirror.hot_start = hot_start
            backfill.wait()
        finally:
            backfill.stop()
    while not backfill.results.empty():
        result = backfill.results.get()
        if isinstance(result, Failed):
            raise SourceError(str(result.error))
        if result.day is not None:
            mirror.adopt(result.day)


def _fill(tail: Tail, start: datetime) -> None:
    for wait in (0.2, 1.0, None):
        try:
            tail.fill(start, None)
            return
        except SourceDenied:
            raise
        except SourceError:
            if wait is None:
                raise
            time.sleep(wait)


def _ask(backfill: Backfill, mirror: Mirror, days: list[date]) -> None:
    kept = {
        day.day: day
        for day in mirror.days.known(mirror.database.connection, days)
        if day.details or not backfill.costly
    }
    for day in kept.values():
        mirror.adopt(day)
    backfill.ask(Work.DETAILS, [day for day in days if day not in kept])
    backfill.verify(kept.values())


def _days(start: datetime, end: datetime) -> list[date]:
    day = naive(start).date()
    days = []
    while datetime(day.year, day.month, day.day) < naive(end):
        days.append(day)
        day += _DAY
    return days
