"""A report of a log of which nothing is kept: of its rows only what the report is made of is read.

Whoever asks again of the same days, when the log was written to, is likely to go on asking: then they are read whole,
and kept so that they can be compared from then on.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

from cost_top.mirror.backfill import Backfill, Failed, Work
from cost_top.mirror.days import ClosedDay
from cost_top.mirror.narrow_days import NarrowDays
from cost_top.mirror.needed import needed
from cost_top.mirror.report import naive
from cost_top.mirror.store import Mirror
from cost_top.model.errors import SourceError
from cost_top.model.query import ReportQuery
from cost_top.model.windows import Period
from cost_top.sources.base import Evidence, LogReader, LogSource, Lookup, ReadsNarrowRows

_DAY = timedelta(days=1)
_TOGETHER = (250_000, 1000)  # rows and days that are read at once: nobody waits for the first of them


def read_narrow(
    source: LogSource, mirror: Mirror, reader: LogReader, query: ReportQuery, period: Period, evidence: Evidence,
    lookups: Sequence[Lookup],
) -> bool:  # fmt: skip
    """Read a period for a report; False where it is to be read whole. Raises `SourceError`."""
    wanted = needed(query, mirror.database.rates, lookups)
    if not isinstance(reader, ReadsNarrowRows) or "id" in wanted.read:
        return False
    if mirror.oldest is None or mirror.log_newest is None:
        return False
    first, last = mirror.oldest.replace(tzinfo=UTC), mirror.log_newest + timedelta(microseconds=1)
    days = days_of(max(period.start, first), min(period.end, last))
    first_hot = mirror.first_hot_day(datetime.now(UTC), mirror.log_newest)
    narrow = NarrowDays(mirror.days, mirror.database, wanted, evidence, lookups, first_hot)
    if narrow.were_asked(days) or any(mirror.days.has(day) for day in days):
        narrow.forget()
        return False
    kept = {day.day: day for day in narrow.known()}
    missing = [day for day in days if day not in kept]
    if missing:
        narrow.rows_a_day = _rows_a_day(reader, missing, first_hot)
    read = _read(source, mirror, narrow, missing)
    narrow.note(days)
    until = max([naive(period.end), *(datetime(day.year, day.month, day.day) + _DAY for day in days)])
    mirror.hold_narrow(narrow.held, [*kept.values(), *read], until)
    return True


def days_of(start: datetime, end: datetime) -> list[date]:
    """The UTC days that a period touches."""
    day = naive(start).date()
    days = []
    while datetime(day.year, day.month, day.day) < naive(end):
        days.append(day)
        day += _DAY
    return days


def _rows_a_day(reader: LogReader, days: list[date], first_hot: date) -> int:
    """Of the newest day that is over: the last one may have begun a moment ago."""
    day = max((day for day in days if day < first_hot), default=days[-1])
    return sum(one.row_count for one in reader.day_counts(day, day + _DAY))


def _read(source: LogSource, mirror: Mirror, narrow: NarrowDays, days: list[date]) -> list[ClosedDay]:
    if not days:
        return []
    backfill = Backfill(source, mirror.database, narrow, patient=False, together=_TOGETHER)
    backfill.rows_a_day = narrow.rows_a_day or None
    backfill.ask(Work.DETAILS, days)
    backfill.start()
    try:
        backfill.wait()
    finally:
        backfill.stop()
    found = []
    while not backfill.results.empty():
        result = backfill.results.get()
        if isinstance(result, Failed):
            raise SourceError(str(result.error))
        found.append(result.day)
    return found
