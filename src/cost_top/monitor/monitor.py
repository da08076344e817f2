"""One thread owns the clock, the source and the mirror; faces give it a view and get snapshots."""

from __future__ import annotations

import queue
import random
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING

from cost_top.model.errors import SourceError, UserError, one_line
from cost_top.model.feed import Found, UnpricedModel
from cost_top.model.snapshot import Live, RequestRow, Snapshot, Stale
from cost_top.model.view import View
from cost_top.sources.base import SourceDenied

if TYPE_CHECKING:
    from cost_top.mirror.store import Mirror
    from cost_top.model.query import ReportQuery
    from cost_top.pricing.book import RateBook
    from cost_top.sources.base import LogReader, LogSource

_BACKOFF = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
_LOOKUP_SECONDS = 300.0
# A log is asked for at most this fraction (1/n) of the time.
_SLOWDOWN = 10
# Sums are built for this long before a first, incomplete answer is shown.
_PATIENCE = 0.06
# ... and then this long before the next one.
_MORE_PATIENCE = 0.3


class Monitor:
    """Implements `model.feed.Feed` over the request log that `open_source` opens."""

    def __init__(
        self,
        open_source: Callable[[], LogSource],
        load_book: Callable[[], RateBook],
        *,
        zone: tzinfo,
        interval: float,
        cache: Path | None,
    ) -> None:
        """`cache` None keeps nothing on disk. Nothing is opened before `start`."""
        self._open_source = open_source
        self._load_book = load_book
        self._zone = zone
        self._interval = interval
        self._cache = cache
        self._view = View()
        self._publish: Callable[[Snapshot], None] = lambda _: None
        self._commands: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._refresh = False
        self._state: Live | Stale | None = None
        self._failures = 0
        self._next_poll = 0.0
        self._last: Snapshot | None = None
        self._seen: tuple[View, Live | Stale | None, datetime] | None = None
        self._unfinished = True
        self.on_failure: Callable[[UserError], None] = lambda _: None  # the source could not be opened at all

    def start(self, publish: Callable[[Snapshot], None], view: View) -> None:
        """Begin; see `Feed`."""
        self._publish = publish
        self._view = view
        self._thread = threading.Thread(target=self._run, name="monitor", daemon=True)
        self._thread.start()

    def look(self, view: View) -> None:
        """Answer for another view."""
        self._tell(lambda: setattr(self, "_view", view))

    def refresh(self) -> None:
        """Poll now."""
        self._tell(lambda: setattr(self, "_next_poll", 0.0))

    def set_interval(self, seconds: float) -> None:
        """Seconds between polls."""
        self._tell(lambda: setattr(self, "_interval", seconds))

    def find(self, dimension: str, text: str, reply: Callable[[tuple[Found, ...]], None]) -> None:
        """Values of a dimension for a picker."""
        from cost_top.monitor.questions import find

        self._ask(lambda mirror, query: reply(find(mirror, query, dimension, text)))

    def unpriced(self, reply: Callable[[tuple[UnpricedModel, ...]], None]) -> None:
        """The models behind what is unpriced."""
        from cost_top.monitor.questions import unpriced_models

        self._ask(lambda mirror, query: reply(unpriced_models(mirror, query)))

    def _ask(self, question: Callable[[Mirror, ReportQuery], None]) -> None:
        self._tell(lambda: question(self._history.mirror, self._composer.plan.query(self._view, _now(), 100)))

    def stop(self) -> None:
        """End the thread."""
        self._stopping.set()
        self._wake.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout=2)

    def _tell(self, command: Callable[[], None]) -> None:
        self._commands.put(command)
        self._wake.set()

    def _run(self) -> None:
        try:
            self._watch()
        except (UserError, SourceError) as error:
            self.on_failure(error if isinstance(error, UserError) else UserError(one_line(error)))
        except Exception as error:
            # A thread that dies silently would leave a screen that looks alive.
            self.on_failure(UserError(f"cost-top failed: {type(error).__name__}: {one_line(error)}"))

    def _watch(self) -> None:
        # Imported here: the database parts take longer to load than the screen takes to stand.
        from cost_top.monitor.compose import Composer
        from cost_top.monitor.history import History

        source = self._open_source()
        reader = source.connect()
        try:
            self._history = History(source, reader, self._load_book(), self._cache)
            self._composer = Composer(self._history.mirror, self._zone)
            try:
                self._loop(source, reader)
            finally:
                self._history.close()
        finally:
            reader.close()

    def _loop(self, source: LogSource, reader: LogReader) -> None:
        import duckdb

        lookups_due = 0.0
        while not self._stopping.is_set():
            self._wake.clear()
            self._obey()
            clock = time.monotonic()
            self._history.spread()
            if clock >= self._next_poll:
                now = _now()
                try:
                    if clock >= lookups_due:
                        self._history.mirror.database.set_lookups(reader.lookups())
                        lookups_due = clock + _LOOKUP_SECONDS
                    more = self._history.step(now, clock)
                    if isinstance(self._state, Stale):
                        self._history.recovered()
                    self._state = Live(now)
                    self._failures = 0
                    self._next_poll = clock if more else time.monotonic() + self._pause()
                except SourceError as error:
                    self._failed(error, now, clock)
            self._history.collect()
            self._history.tidy(clock)
            try:
                complete = not self._is_news() or self._answer(source.label)
            except duckdb.IOException:
                complete = not self._history.forget_lost_days()
            self._unfinished = not complete
            if complete and not self._history.backfill.pending and self._history.mirror.keep_sums():
                continue
            if complete and self._commands.empty():
                self._wake.wait(max(0.0, min(self._next_poll - time.monotonic(), self._history.patience())))

    def _obey(self) -> None:
        while True:
            try:
                command = self._commands.get_nowait()
            except queue.Empty:
                return
            command()

    def _pause(self) -> float:
        """Seconds to the next poll: a slow log is asked less often."""
        return max(self._interval, self._history.last_poll_seconds * _SLOWDOWN)

    def _failed(self, error: Exception, now: datetime, clock: float) -> None:
        since = self._state.since if isinstance(self._state, Stale) else now
        wait = _BACKOFF[min(self._failures, len(_BACKOFF) - 1)] * random.uniform(0.8, 1.2)  # noqa: S311
        self._failures += 1
        retry = (now + timedelta(seconds=wait)).replace(microsecond=0)
        self._state = Stale(since, one_line(error), retry, denied=isinstance(error, SourceDenied))
        self._next_poll = clock + wait

    def _is_news(self) -> bool:
        """Whether a new snapshot could differ: other rows, another view or state, or another minute."""
        seen = (self._view, self._state, _now().replace(second=0, microsecond=0))
        news = self._unfinished or self._history.changed or seen != self._seen
        self._seen = seen
        self._history.changed = False
        return news

    def _answer(self, label: str) -> bool:
        """Publish what is known for the view; whether all its sums are built."""
        view, now = self._view, _now()
        history = self._history
        history.want(self._composer.plan.period(view, now))
        patience = _MORE_PATIENCE if self._last is not None and self._last.view == view else _PATIENCE
        complete = self._composer.plan.build(view, now, time.monotonic() + patience)
        snapshot = self._composer.compose(view, now, label, history.reaches())
        arrivals = history.tail.arrivals
        snapshot = replace(
            snapshot,
            trust=replace(
                snapshot.trust,
                late_count=arrivals.late,
                repeated_count=arrivals.repeated,
                cached_share_known=history.details_known(),
            ),
            state=self._state,
            filling=history.filling(self._composer.plan.missing_slices(view, now)),
            newest=history.mirror.newest(),
            lateness=arrivals.lateness(),
            log_rows=history.mirror.row_count(),
            rates_date=history.book.date,
            requests=self._requests(view, now),
            watching=history.watching(),
        )
        history.mirror.rollups.keep_recent(view.where)
        if complete:
            self._composer.plan.forget_edges(view, now)
        if snapshot != self._last:
            self._last = snapshot
            self._publish(snapshot)
        return complete

    def _requests(self, view: View, now: datetime) -> tuple[RequestRow, ...]:
        if not view.requests_open:
            return ()
        query = self._composer.plan.query(view, now, view.row_limit)
        return tuple(self._history.mirror.requests(query, view.requests_sort == "cost"))


def _now() -> datetime:
    return datetime.now(UTC)
