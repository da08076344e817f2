"""Requests as they come: each once, and again only when its figures changed."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TextIO

import click

from cost_top.cli.output_file import emptied
from cost_top.cli.process import end_with_the_reader
from cost_top.model.errors import SourceError, UserError
from cost_top.model.filter import Filter
from cost_top.model.notes import tells_untimed
from cost_top.model.query import ReportQuery
from cost_top.model.request_row import RequestRow

if TYPE_CHECKING:
    from cost_top.cli.options import Resolved
    from cost_top.cli.request_output import Writer
    from cost_top.model.answers import Answers

# How far back a request that comes late, or changes, is noticed at once, and by the look that is due each minute.
OVERLAP = timedelta(minutes=2)
LOOK_BACK = timedelta(hours=1)
_LONG_LOOK_SECONDS = 60.0
_RECOUNTED_SECONDS = 900.0  # rows without a time are not counted more often
_AHEAD = timedelta(days=2)  # clocks of gateways run ahead
_PAGE = 1000
_INSTANT = timedelta(microseconds=1)


class Arrivals:
    """What is new among the newest requests, in the order of their times."""

    def __init__(self) -> None:
        self._told: dict[str, list[RequestRow]] = {}  # by id, in which not every log's rows differ
        self._newest: datetime | None = None
        self._long_look_due = 0.0  # monotonic seconds

    def wanted_from(self, now: datetime, clock: float) -> datetime:
        """From when on to ask: shortly before the newest that was told, and now and then for all that may change."""
        if self._newest is None or clock >= self._long_look_due:
            self._long_look_due = clock + _LONG_LOOK_SECONDS
            return now - LOOK_BACK
        return max(now - LOOK_BACK, min(now, self._newest) - OVERLAP)

    def missed(self) -> None:
        """A look came to nothing: the next is a long one."""
        self._long_look_due = 0.0

    def news(self, rows: list[RequestRow]) -> list[tuple[RequestRow, int, bool]]:
        """`(row, revision, late)` for each row that was not told yet, or not with these figures."""
        found = []
        newest = self._newest
        several, met = Counter(row.id for row in rows), Counter[RequestRow]()
        for row in sorted(rows, key=lambda row: (row.time, row.id)):
            told = self._told.setdefault(row.id, [])
            met[row] += 1
            known = told.count(row) if several[row.id] > 1 else told[-1:].count(row)
            if known >= met[row]:
                continue
            told.append(row)
            found.append((row, len(told), len(told) == 1 and newest is not None and row.time < newest))
        self._newest = max([row.time for row in rows] + ([newest] if newest is not None else []), default=newest)
        return found

    def forget(self, before: datetime) -> None:
        """Drop what is too old to come again."""
        self._told = {key: told for key, told in self._told.items() if told[-1].time >= before}


class Unfollowed:
    """Rows without a usable time, which never come: told of when they are counted, and again when there are others."""

    def __init__(self) -> None:
        self._due, self._wait = 0.0, 1.0  # monotonic seconds; a log's rows are counted some time after its start
        self._told = ""

    def news(self, answers: Answers, query: ReportQuery, clock: float) -> str:
        """A note that was not told yet; empty where there is none, or it is not time to ask."""
        if clock < self._due:
            return ""
        self._due, self._wait = clock + self._wait, min(2 * self._wait, _RECOUNTED_SECONDS)
        asked = replace(query, end=query.start + _INSTANT, group_by=(), where=Filter())
        note = next(filter(tells_untimed, answers.report(asked).notes), self._told)
        news, self._told = note if note != self._told else "", note
        return news


def first_told(
    news: list[tuple[RequestRow, int, bool]], first: int, started: datetime
) -> list[tuple[RequestRow, int, bool]]:  # fmt: skip
    """The last `first` from before the start, and all since."""
    before = [one for one in news if one[0].time < started]
    return [*before[-first:], *news[len(before) :]]


def follow_requests(settings: Resolved, query: ReportQuery, out: TextIO, writer: Writer, first: int) -> None:
    """Tell the last `first` requests and then all that come, until interrupted."""
    end_with_the_reader()
    hub = settings.open_hub()
    failed: list[UserError] = []
    hub.on_failure = failed.append
    hub.start()
    arrivals, unfollowed, started = Arrivals(), Unfollowed(), datetime.now(UTC)
    try:
        answered = begun = False
        while not failed:
            now = datetime.now(UTC)
            try:
                rows = newest_requests(hub, query, arrivals.wanted_from(now, time.monotonic()), now)
                note = unfollowed.news(hub, query, time.monotonic())
            except SourceError:
                rows, note = [], ""  # it is tried again; what came meanwhile is told then
                arrivals.missed()
            else:
                if not answered:  # what stands in the file is worth more than nothing
                    emptied(out)
                    writer.source_name = hub.source_name or hub.label
                    writer.begin()
                answered = True
            writer.meet(rows)
            news = arrivals.news(rows)
            for row, revision, late in news if begun else first_told(news, first, started):
                writer.add(row, revision, late)
            out.flush()
            if note:
                click.echo(f"note: {note}", err=True)
            begun = begun or bool(rows)
            arrivals.forget(now - LOOK_BACK)
            time.sleep(hub.interval)
        raise failed[0]
    finally:
        hub.close()


def newest_requests(answers: Answers, query: ReportQuery, start: datetime, now: datetime) -> list[RequestRow]:
    """All requests from then on, page by page."""
    recent = replace(query, start=max(query.start, start), end=now + _AHEAD, limit=_PAGE)
    rows: list[RequestRow] = []
    after = None
    while True:
        page = answers.requests(recent, after)
        rows += page.rows
        after = page.following
        if after is None:
            return rows
