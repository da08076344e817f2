"""A request log watched for many faces: the mirror filled and followed, snapshots composed, questions answered."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from cost_top.model.answers import Health, Position, RequestPage
from cost_top.model.credits import Credits
from cost_top.model.errors import SourceError
from cost_top.model.feed import Found, UnpricedModel
from cost_top.model.query import Report, ReportQuery
from cost_top.model.snapshot import RequestRow, Snapshot, Stale
from cost_top.model.view import View
from cost_top.model.windows import Period
from cost_top.monitor.hub import HubThread, WatchOfHub, clock, fulfil, utc_now

if TYPE_CHECKING:
    from cost_top.mirror.rollups import Slice
    from cost_top.monitor.compose import Composer
    from cost_top.monitor.history import History
    from cost_top.pricing.book import RateBook
    from cost_top.sources.base import LogReader, LogSource

_LOOKUP_SECONDS = 300.0
# A log is asked for at most this fraction (1/n) of the time.
_SLOWDOWN = 10
# Sums are built for this long before a first, incomplete answer is shown.
_PATIENCE = 0.06
# ... and then this long before the next one.
_MORE_PATIENCE = 0.3
# A question waits this long for history that is still being read.
ANSWER_SECONDS = 45.0
_ROWS = 200
_KEPT_FILTERS = 6
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Question:
    """A question that waits until the mirror holds its period."""

    period: Period
    future: Future[Any]
    answer: Callable[[], Any]
    deadline: float  # monotonic seconds


class LogHub(HubThread):
    """`model.answers.Hub` over the request log that `open_source` opens."""

    def __init__(
        self,
        open_source: Callable[[], LogSource],
        load_book: Callable[[], RateBook],
        *,
        interval: float,
        cache: Path | None,
        idle_interval: float | None = None,
    ) -> None:
        """`interval` is in seconds, `idle_interval` that while nobody watches. `cache` None keeps nothing on disk.

        Nothing is opened before `start`.
        """
        super().__init__(interval)
        self._idle_interval = idle_interval
        self._open_source = open_source
        self._load_book = load_book
        self._cache = cache
        self._composers: dict[tzinfo, Composer] = {}
        self._questions: list[_Question] = []
        self._source: LogSource | None = None
        self._health = Health(False, None, None, None)
        self._polled_at: datetime | None = None
        self.history: History  # once the log is open

    @property
    def label(self) -> str:
        """The log's name; empty before it is open."""
        return self._source.label if self._source is not None else ""

    # Questions

    def report(self, query: ReportQuery) -> Report:
        """The exact answer, once the mirror holds the period."""
        from cost_top.monitor.notes import report_notes

        def answer() -> Report:
            mirror = self.history.mirror
            report = mirror.report(query, self._polled_at or utc_now())
            assert self._source is not None
            notes = (*self._source.notes, *report_notes(mirror, query, report), *self._stale_notes())
            return replace(report, notes=notes)

        return self._when_held(query, answer)

    def requests(self, query: ReportQuery, after: Position | None = None) -> RequestPage:
        """Single requests, newest first."""
        limit = query.limit or _ROWS

        def answer() -> RequestPage:
            rows = self.history.mirror.requests(replace(query, limit=limit + 1), after=after)
            shown = tuple(rows[:limit])
            return RequestPage(shown, Position(shown[-1].time, shown[-1].id) if len(rows) > limit else None)

        return self._when_held(query, answer)

    def unpriced(self, query: ReportQuery) -> tuple[UnpricedModel, ...]:
        """The models behind the query's unpriced requests."""
        from cost_top.monitor.questions import unpriced_models

        return self._when_held(query, lambda: unpriced_models(self.history.mirror, query))

    def credits(self) -> Credits | None:
        """A log knows no balance."""
        return None

    def find(
        self, view: View, zone: tzinfo, dimension: str, text: str, reply: Callable[[tuple[Found, ...]], None]
    ) -> None:
        """Values of a dimension for a picker."""
        from cost_top.monitor.questions import find

        self._soon(lambda: reply(find(self.history.mirror, self._query(view, zone), dimension, text)))

    def find_unpriced(self, view: View, zone: tzinfo, reply: Callable[[tuple[UnpricedModel, ...]], None]) -> None:
        """The models behind what is unpriced in a view."""
        from cost_top.monitor.questions import unpriced_models

        self._soon(lambda: reply(unpriced_models(self.history.mirror, self._query(view, zone))))

    def _soon(self, command: Callable[[], None]) -> None:
        """Run a command that reads the mirror; where a kept day is gone, once more without it."""
        import duckdb

        def run() -> None:
            try:
                command()
            except duckdb.IOException:
                self.history.forget_lost_days()
                command()

        self.tell(run)

    def refuses(self, view: View) -> str | None:  # noqa: ARG002 - a log answers every view
        """Why the source cannot answer a view."""
        return None

    def health(self) -> Health:
        """How the log is, as of the last look at it; never waits."""
        return self._health

    def _when_held(self, query: ReportQuery, answer: Callable[[], T]) -> T:
        future: Future[T] = Future()
        question = _Question(Period(query.start, query.end), future, answer, clock() + ANSWER_SECONDS)
        self.tell(lambda: self._questions.append(question))
        return self.wait_for(future)

    def _answer_questions(self) -> None:
        """Answer the questions whose period is held; those that wait too long learn why."""
        import duckdb

        waiting = []
        for question in self._questions:
            if self.history.covers(question.period):
                try:
                    fulfil(question.future, question.answer, let=duckdb.IOException)
                except duckdb.IOException:
                    # A kept day is gone from the cache folder: it is read again, and the question waits for it.
                    self.history.forget_lost_days()
                    waiting.append(question)
            elif clock() > question.deadline:
                fulfil(question.future, self._not_yet)
            else:
                self.history.want(question.period, gently=True)
                waiting.append(question)
        self._questions = waiting

    def _not_yet(self) -> NoReturn:
        if isinstance(self.state, Stale):
            raise SourceError(self.state.error)
        filling = self.history.filling((0, 0))
        done = f": {filling.done} of {filling.total} days" if filling is not None else ""
        raise SourceError(f"history is still being read{done}; ask again")

    def _stale_notes(self) -> tuple[str, ...]:
        if not isinstance(self.state, Stale):
            return ()
        return (
            f"the source does not answer since {self.state.since.isoformat(timespec='seconds')}: {self.state.error}",
        )

    def _query(self, view: View, zone: tzinfo) -> ReportQuery:
        return self._composer(zone).plan.query(view, utc_now(), 100)

    # The thread

    def run(self) -> None:
        """Open the log and follow it."""
        # Imported here: the database parts take longer to load than the screen takes to stand.
        from cost_top.monitor.history import History

        source = self._source = self._open_source()
        reader = source.connect()
        try:
            self.history = History(source, reader, self._load_book(), self._cache)
            try:
                self._loop(source, reader)
            finally:
                self.history.close()
        finally:
            reader.close()

    def _loop(self, source: LogSource, reader: LogReader) -> None:
        import duckdb

        history, lookups_due = self.history, 0.0
        while not self.stopping.is_set():
            self.obey()
            now_clock = clock()
            history.spread()
            if now_clock >= self.next_poll:
                now = utc_now()
                try:
                    if now_clock >= lookups_due:
                        history.mirror.database.set_lookups(reader.lookups())
                        lookups_due = now_clock + _LOOKUP_SECONDS
                    more = history.step(now, now_clock)
                    if isinstance(self.state, Stale):
                        history.recovered()
                    self.answered(now)
                    self._polled_at = now
                    self.next_poll = now_clock if more else clock() + self._pause()
                except SourceError as error:
                    self.failed(error, now, now_clock)
            history.collect()
            history.tidy(now_clock)
            try:
                complete = self._show(source.label)
                self._answer_questions()
            except duckdb.IOException:
                complete = not history.forget_lost_days()
            self._note_health()
            if complete and not history.backfill.pending and history.mirror.keep_sums():
                continue
            if complete:
                patience = 0.25 if self._questions else history.patience()
                self.rest(min(self.next_poll - clock(), patience))

    def welcome(self) -> None:
        """Look at the log at once: while nobody watched it was looked at less often."""
        if not isinstance(self.state, Stale):
            self.next_poll = 0.0

    def _pause(self) -> float:
        """Seconds to the next poll: a slow log is asked less often, and one that nobody watches."""
        idle = self._idle_interval if not self.watches else None
        return max(idle or self.interval, self.history.last_poll_seconds * _SLOWDOWN)

    def _note_health(self) -> None:
        history = self.history
        ready = self.state is not None and history.window_is_read()
        self._health = Health(ready, self.state, history.mirror.newest(), history.filling((0, 0)))

    def _composer(self, zone: tzinfo) -> Composer:
        from cost_top.monitor.compose import Composer

        if zone not in self._composers:
            self._composers[zone] = Composer(self.history.mirror, zone)
        return self._composers[zone]

    # Snapshots

    def _show(self, label: str) -> bool:
        """Publish what is known to every watch that has news; whether all sums are built."""
        import duckdb

        if self.history.changed:
            self.history.changed = False
            for watch in self.watches:
                watch.due = True
        now = utc_now()
        news = [watch for watch in self.watches if self.is_news(watch, now)]
        shown: dict[tuple[View, tzinfo], tuple[Snapshot, bool]] = {}
        for watch in news:
            key = (watch.view, watch.zone)
            if key not in shown:
                try:
                    shown[key] = self._compose(watch, label)
                except duckdb.IOException:
                    raise  # a kept day is gone: the loop reads it again
                except Exception as error:
                    self.give_up(watch, error)
                    continue
            snapshot, complete = shown[key]
            watch.due = not complete
            watch.show(snapshot)
        if news:
            self._forget_unseen()
        return not any(watch.due for watch in self.watches)

    def _compose(self, watch: WatchOfHub, label: str) -> tuple[Snapshot, bool]:
        """The snapshot of a watch's view, and whether all its sums are built."""
        view, now, history, composer = watch.view, utc_now(), self.history, self._composer(watch.zone)
        history.want(composer.plan.period(view, now))
        patience = _MORE_PATIENCE if watch.last is not None and watch.last.view == view else _PATIENCE
        complete = composer.plan.build(view, now, clock() + patience)
        snapshot = composer.compose(view, now, label, history.reaches())
        arrivals = history.tail.arrivals
        snapshot = replace(
            snapshot,
            trust=replace(
                snapshot.trust,
                late_count=arrivals.late,
                repeated_count=arrivals.repeated,
                cached_share_known=history.details_known(),
            ),
            state=self.state,
            filling=history.filling(composer.plan.missing_slices(view, now)),
            newest=history.mirror.newest(),
            lateness=arrivals.lateness(),
            log_rows=history.mirror.row_count(),
            rates_date=history.book.date,
            requests=self._requests(view, composer, now),
            watching=history.watching(),
        )
        filters = {str(one.view.where) for one in self.watches}
        history.mirror.rollups.keep_recent(view.where, _KEPT_FILTERS + len(filters))
        return snapshot, complete

    def _forget_unseen(self) -> None:
        """Drop the sums of window edges that no view has any more."""
        if any(watch.due for watch in self.watches):
            return
        now = utc_now()
        used: set[Slice] = set()
        for view, zone in {(watch.view, watch.zone) for watch in self.watches}:
            used |= self._composer(zone).plan.used_slices(view, now)
        self.history.mirror.rollups.forget_edges(used)

    def _requests(self, view: View, composer: Composer, now: datetime) -> tuple[RequestRow, ...]:
        if not view.requests_open:
            return ()
        query = composer.plan.query(view, now, view.row_limit)
        return tuple(self.history.mirror.requests(query, view.requests_sort == "cost"))
