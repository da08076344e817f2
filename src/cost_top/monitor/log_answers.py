"""A request log that is read on demand: each question reads its part of the log, whole and as it is now."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cost_top.mirror.store import Mirror
from cost_top.model.answers import Position, RequestPage
from cost_top.model.credits import Credits
from cost_top.model.feed import UnpricedModel
from cost_top.model.query import Report, ReportQuery
from cost_top.model.snapshot import RequestRow
from cost_top.model.windows import Period
from cost_top.monitor.notes import report_notes
from cost_top.monitor.once import read_period
from cost_top.monitor.questions import unpriced_models
from cost_top.pricing.book import RateBook
from cost_top.sources.base import LogSource

_DAY = timedelta(days=1)
_PAGE = 200
# The newest requests are looked for in stretches of so many days before the whole rest is read.
_STRETCHES = (timedelta(days=1), timedelta(days=7))


class LogAnswers:
    """`model.answers.Answers` over a log. Nothing is read before it is asked for; closed days are kept in `cache`.

    Any thread may ask; questions are answered one after another. `SourceError` when the log does not answer.
    """

    def __init__(
        self, open_source: Callable[[], LogSource], load_book: Callable[[], RateBook], cache: Path | None
    ) -> None:
        """Both callables are called once, at the first question; `cache` None keeps nothing on disk."""
        self._open_source = open_source
        self._load_book = load_book
        self._cache = cache
        self._lock = threading.RLock()
        self._log: LogSource | None = None
        self._book: RateBook | None = None

    @property
    def label(self) -> str:
        """The log's name; opens it, with `UserError` for what a user can mend."""
        return self._opened().label

    def report(self, query: ReportQuery) -> Report:
        """The exact answer; its notes are the log's own and what the figures lack."""
        with self._lock:
            log, now = self._opened(), datetime.now(UTC)
            with self._read(Period(query.start, query.end)) as mirror:
                report = mirror.report(query, now)
                return replace(report, notes=(*log.notes, *report_notes(mirror, query, report)))

    def requests(self, query: ReportQuery, after: Position | None = None) -> RequestPage:
        """A page of single requests, newest first, of equal times by id; no more of the log is read than it needs."""
        limit = query.limit or _PAGE
        end = query.end
        if after is not None and after.time < end:
            end = after.time + timedelta(microseconds=1)
        rows: list[RequestRow] = []
        with self._lock:
            for period in _newest_first(query.start, end):
                wanted = replace(query, start=period.start, end=period.end, limit=limit + 1 - len(rows))
                with self._read(period) as mirror:
                    rows += mirror.requests(wanted, after=after)
                if len(rows) > limit:
                    last = rows[limit - 1]
                    return RequestPage(tuple(rows[:limit]), Position(last.time, last.id))
        return RequestPage(tuple(rows))

    def unpriced(self, query: ReportQuery) -> tuple[UnpricedModel, ...]:
        """The models behind the query's unpriced requests, most tokens first."""
        with self._lock, self._read(Period(query.start, query.end)) as mirror:
            return unpriced_models(mirror, query)

    def credits(self) -> Credits | None:
        """A log knows no balance."""
        return None

    def close(self) -> None:
        """Nothing stays open between questions."""

    def _opened(self) -> LogSource:
        with self._lock:
            if self._log is None:
                self._log = self._open_source()
            return self._log

    @contextmanager
    def _read(self, period: Period) -> Iterator[Mirror]:
        log = self._opened()
        if self._book is None:
            self._book = self._load_book()
        mirror = read_period(log, self._book, self._cache, period)
        try:
            yield mirror
        finally:
            mirror.close()


def _newest_first(start: datetime, end: datetime) -> Iterator[Period]:
    """`[start, end)` in pieces cut at midnight UTC, so that no closed day is read twice."""
    for stretch in _STRETCHES:
        if start >= end:
            return
        day = (end.astimezone(UTC) - timedelta(microseconds=1)).replace(hour=0, minute=0, second=0, microsecond=0)
        cut = max(start, day - stretch + _DAY)
        yield Period(cut, end)
        end = cut
    if start < end:
        yield Period(start, end)
