"""One answer and done: the part of a log that a question needs, read whole and held against the log."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from cost_top.mirror.backfill import Backfill, Failed, Work
from cost_top.mirror.days import ClosedDay, Rung
from cost_top.mirror.kept_hot import keep_hot, take_hot
from cost_top.mirror.report import naive
from cost_top.mirror.store import Mirror
from cost_top.mirror.tail import Tail
from cost_top.model.errors import SourceDenied, SourceError
from cost_top.model.query import ReportQuery
from cost_top.model.windows import Period
from cost_top.monitor.log.narrow import days_of, read_narrow
from cost_top.monitor.log.untimed import untimed_now
from cost_top.pricing.book import RateBook
from cost_top.sources.base import Evidence, LogSource

# Days kept from an earlier run are compared in every column for so long, newest first; the others by their sums.
THOROUGH_SECONDS = 1.5
# So much of the hot end is read at a time where memory is short.
_PART = timedelta(hours=6)


def read_period(
    source: LogSource, book: RateBook, cache: Path | None, period: Period, verify: bool = False,
    query: ReportQuery | None = None, counts_untimed: bool = False, little: bool = False,
    is_cut: bool = False,
) -> Mirror:  # fmt: skip
    """A mirror that holds the log's rows of a period, with all columns, or those that a report of a `query` needs.

    The hot end is as the log has it now. Days kept from an earlier run are used where the log says of them what it said
    then; `Mirror.compared` tells since when all their columns are known to be the log's, which is now where `verify` is
    asked for, where nothing was written since, and where there was time. Who shows figures also `counts_untimed` rows:
    `Mirror.untimed`, which stays None where they could not be counted. With `little` memory closed days and the
    hot end are read one after the other, by one thread; of a period that `is_cut` out of a day its rows alone are read,
    and nothing is kept. Raises `SourceError`.
    """
    mirror = Mirror(source, book, cache)
    try:
        if little:
            mirror.database.use_threads(1)
        _read(source, mirror, period, verify, query, counts_untimed, little, is_cut)
    except BaseException:
        mirror.close()
        raise
    return mirror


def _read(
    source: LogSource, mirror: Mirror, period: Period, verify: bool, query: ReportQuery | None, counts_untimed: bool,
    little: bool, is_cut: bool,
) -> None:  # fmt: skip
    now = datetime.now(UTC)
    with source.connect() as reader:
        evidence, lookups = reader.evidence(), reader.lookups()
        mirror.database.set_lookups(lookups)
        if counts_untimed:
            with suppress(SourceError):  # if the log is gone, the next question tells
                mirror.untimed = untimed_now(reader, mirror.days.files, evidence)
        oldest = reader.oldest()
        mirror.begin(naive(oldest) if oldest is not None else None)
        newest = mirror.log_newest = reader.newest()
        if query is not None and not verify and read_narrow(source, mirror, reader, query, period, evidence, lookups):
            return
        if is_cut:
            _fill_part(Tail(mirror, reader, source.overlap), naive(period.start), naive(period.end))
            return
        first_hot = mirror.first_hot_day(now, newest)
        hot_start = datetime(first_hot.year, first_hot.month, first_hot.day)
        backfill = Backfill(source, mirror.database, mirror.days, patient=False)
        backfill.doubting = verify
        if not verify:
            backfill.thorough_until = time.monotonic() + THOROUGH_SECONDS
        if oldest is not None:
            days = days_of(max(period.start, oldest), min(period.end, hot_start.replace(tzinfo=UTC)))
            rung = Rung.SUMS if source.reads_whole and not verify else Rung.ALL
            _ask(backfill, mirror, days, evidence if evidence.at_once or not verify else None, rung)
        if backfill.pending:
            backfill.start()
        try:
            if little:
                backfill.wait()
            if naive(period.end) <= hot_start:
                mirror.hot_start = hot_start
            elif not take_hot(mirror, hot_start, evidence, lookups):
                _fill(Tail(mirror, reader, source.overlap), max(hot_start, naive(period.start)),
                      min(naive(period.end), naive(now)) if little else None)  # fmt: skip
                keep_hot(mirror, hot_start, evidence, lookups)
            backfill.wait()
        finally:
            backfill.stop()
    _take_over(mirror, backfill)


def _take_over(mirror: Mirror, backfill: Backfill) -> None:
    while not backfill.results.empty():
        result = backfill.results.get()
        if isinstance(result, Failed):
            raise SourceError(str(result.error))
        if result.anew:
            mirror.adopt(result.day)
        else:
            mirror.confirm(result.day)


def _fill(tail: Tail, start: datetime, end: datetime | None) -> None:
    """Read the hot end from `start` (naive UTC) on; where an `end` is told, in parts, the newest first."""
    until = None
    while end is not None and end - start > _PART:
        end -= _PART
        _fill_part(tail, end, until)
        until = end
    _fill_part(tail, start, until)


def _fill_part(tail: Tail, start: datetime, end: datetime | None) -> None:
    for wait in (0.2, 1.0, None):
        try:
            tail.fill(start, end)
            return
        except SourceDenied:
            raise
        except SourceError:
            if wait is None:
                raise
            time.sleep(wait)


def _ask(backfill: Backfill, mirror: Mirror, days: list[date], evidence: Evidence | None, rung: Rung) -> None:
    now = datetime.now(UTC)
    kept = {
        day.day: day
        for day in mirror.days.known(mirror.database.connection, days)
        if day.details or not backfill.costly
    }
    mirror.adopt_kept([replace(day, compared=now) if _is_proven(day, evidence) else day for day in kept.values()])
    backfill.ask(Work.DETAILS, [day for day in days if day not in kept])
    backfill.verify((day for day in kept.values() if not _is_proven(day, evidence)), rung)


def _is_proven(day: ClosedDay, evidence: Evidence | None) -> bool:
    """Whether nothing was written to the log since the day was read or compared."""
    return evidence is not None and evidence.text is not None and day.evidence == evidence
