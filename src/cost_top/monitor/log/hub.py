"""A request log watched for many faces: the mirror filled and followed, snapshots composed, questions answered."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future
from dataclasses import replace
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TypeVar

from cost_top.model.answers import Health
from cost_top.model.credits import Credits
from cost_top.model.engine import Position, RequestPage
from cost_top.model.errors import SourceChanged, SourceError, SourceReplaced, UserError, one_line
from cost_top.model.feed import Found, UnpricedModel
from cost_top.model.format import counted
from cost_top.model.memory import keep_little
from cost_top.model.notes import Note
from cost_top.model.query import Report, ReportQuery
from cost_top.model.snapshot import Filling, Snapshot, Stale
from cost_top.model.view import View
from cost_top.model.windows import Period, utc_now
from cost_top.monitor.log.waiting import WaitingQuestions
from cost_top.monitor.thread import HubSubscription, HubThread, clock

if TYPE_CHECKING:
    from cost_top.mirror.feature_parts import Part
    from cost_top.model.expected import Expected
    from cost_top.model.features import Features
    from cost_top.model.ledger import Ledger, LedgerQuery
    from cost_top.model.waste import Waste
    from cost_top.monitor.log.engine import LogEngine
    from cost_top.monitor.log.history import History
    from cost_top.monitor.log.month_end import MonthEnds
    from cost_top.monitor.log.screens import LogScreens
    from cost_top.pricing.book import RateBook
    from cost_top.sources.base import LogReader, LogSource

_LOOKUP_SECONDS = 300.0
# A log is asked for at most this fraction (1/n) of the time.
_SLOWDOWN = 10
# An answer that is still incomplete follows the one before no sooner than this.
_SETTLING = 0.3
# While the window is read, whoever sees some of it is shown more only after so many times as long as composing took:
# days that came together are summed together, and the readers have the processor meanwhile.
_FILLING_REST = 6.0
# So many looks in a row may find that the log was written under them before that is told as a failure.
_MOST_CHANGES = 3
# Closed days that were not compared for so long are told of.
_COMPARED = timedelta(minutes=15)
# And that rows of the hot end were not; they are, within half of it, unless the log is slow or very much changes.
_SEEN = timedelta(minutes=1)
T = TypeVar("T")


class LogHub(HubThread):
    """`model.answers.Hub` over the request log that `open_source` opens."""

    remedy = "grant SELECT or mend the key"

    def __init__(
        self,
        open_source: Callable[[], LogSource],
        load_book: Callable[[], RateBook],
        *,
        interval: float,
        cache: Path | None,
        idle_interval: float | None = None,
        expected: tuple[Expected, ...] = (),
    ) -> None:
        """`interval` is in seconds, `idle_interval` that while nobody watches. `cache` None keeps nothing on disk.

        Nothing is opened before `start`. `expected` raises what is usual.
        """
        super().__init__(interval)
        self._expected = expected
        self._idle_interval = idle_interval
        self._open_source = open_source
        self._load_book = load_book
        self._cache = cache
        self._questions = WaitingQuestions()
        self._source: LogSource | None = None
        self._health = Health(False, None, None, None)
        self._polled_at: datetime | None = None
        self._rests_until = 0.0  # monotonic seconds
        self._changes = 0  # so many looks in a row found that the log was written under them
        self._month_ends: MonthEnds | None = None
        self._looked_through: Filling | None = None  # how far `features` is
        self.history: History  # once the log is open
        self._engine: LogEngine
        self._screens: LogScreens

    @property
    def label(self) -> str:
        """The log's name; empty before it is open."""
        return self._source.label if self._source is not None else ""

    # Questions

    def report(self, query: ReportQuery) -> Report:
        """The exact answer, once the mirror holds the period."""
        from cost_top.monitor.log.month_end import MonthEnds
        from cost_top.monitor.log.notes import compared_note, seen_note, told

        if self._month_ends is None:
            self._month_ends = MonthEnds()
        month_ends = self._month_ends

        def answer() -> Report:
            mirror = self.history.mirror
            now = utc_now()
            report = mirror.report(query, self._polled_at or now)
            assert self._source is not None
            compared = compared_note(mirror, query, now, now - _COMPARED)
            seen = self.history.tail.seen
            looked = None if seen is None else now - timedelta(seconds=clock() - seen)
            own, trust = told(mirror, query, report)
            notes = (*self._source.notes, *own, *month_ends.note(mirror, query, now),
                     *compared, *seen_note(mirror, query, looked, now - _SEEN), *self._stale_notes())  # fmt: skip
            return replace(report, notes=notes, trust=trust)

        return self._when_held(query, answer)

    def requests(self, query: ReportQuery, after: Position | None = None) -> RequestPage:
        """Single requests, newest first."""
        return self._when_held(query, lambda: self._engine.requests(query, after))

    def unpriced(self, query: ReportQuery) -> tuple[UnpricedModel, ...]:
        """The models behind the query's unpriced requests."""
        from cost_top.monitor.log.pickers import unpriced_models

        return self._when_held(query, lambda: unpriced_models(self.history.mirror, query))

    def features(self, query: ReportQuery, dimensions: Sequence[str]) -> Features:
        """What the rules of `insight` look at, once the mirror holds the period."""
        # Closed days are read beside the thread that everybody waits for.
        mirror, days = self._when_held(query, lambda: (one := self.history.mirror, one.days_to_hold(query)))
        held: dict[str, Part] = {}

        def answer() -> Features:
            present = self.history.mirror  # another log, which has other days, may have taken the name
            return present.features(query, dimensions, held if present is mirror else None)

        try:
            for done, read in enumerate(days, 1):
                self._looked_through = Filling(done, len(days), None)
                if not self.stopping.is_set() and (found := read()) is not None:
                    held.update([found])
            return self._when_held(query, answer)
        finally:
            self._looked_through = None

    def waste(self, query: ReportQuery) -> Waste:
        """What the period's spend was wasted on."""
        return self._when_held(query, lambda: self.history.mirror.waste(query))

    def waste_requests(self, query: ReportQuery, lines: Collection[str], after: Position | None = None) -> RequestPage:
        """A page of the requests behind some lines of `waste`."""
        return self._when_held(query, lambda: self.history.mirror.waste_requests(query, lines, after))

    def ledger(self, query: LedgerQuery) -> Ledger | None:
        """What is asked of the ledger beside the log, read now; None where there is none."""
        from cost_top.monitor.log.notes import read_ledger

        if self._source is None:
            raise SourceError("the log is not open yet")
        return read_ledger(self._source, query)

    def credits(self) -> Credits | None:
        """The balance of the ledger beside the log, read now."""
        from cost_top.monitor.log.notes import read_credits

        if self._source is None:
            raise SourceError("the log is not open yet")
        return read_credits(self._source)

    def find(
        self, view: View, zone: tzinfo, dimension: str, text: str, reply: Callable[[tuple[Found, ...]], None]
    ) -> None:
        """Values of a dimension for a picker."""
        from cost_top.monitor.log.pickers import find

        self._soon(lambda: reply(find(self.history.mirror, self._screens.query(view, zone), dimension, text)))

    def find_unpriced(self, view: View, zone: tzinfo, reply: Callable[[tuple[UnpricedModel, ...]], None]) -> None:
        """The models behind what is unpriced in a view."""
        from cost_top.monitor.log.pickers import unpriced_models

        self._soon(lambda: reply(unpriced_models(self.history.mirror, self._screens.query(view, zone))))

    def list_requests(self, query: ReportQuery, after: Position | None, reply: Callable[[RequestPage], None]) -> None:
        """A page of the requests that are read so far."""
        self._soon(lambda: reply(self._engine.requests(query, after)))

    def _soon(self, command: Callable[[], None]) -> None:
        """Run a command that reads the mirror; where a kept day is gone or damaged, once more without it."""
        import duckdb

        def run() -> None:
            try:
                command()
            except duckdb.Error:
                if not self.history.forget_lost_days(thorough=True):
                    raise
                command()

        self.tell(run)

    def refuses(self, view: View) -> str | None:  # noqa: ARG002 - a log answers every view
        """Why the source cannot answer a view."""
        return None

    def health(self) -> Health:
        """How the log is, as of the last look at it; never waits."""
        return self._health

    def reading(self, *, incidents: bool = False) -> Filling | None:
        """See `HubThread`; for `incidents` how many days are looked through."""
        return (self._looked_through if incidents else None) or super().reading()

    def _when_held(self, query: ReportQuery, answer: Callable[[], T]) -> T:
        future: Future[T] = Future()
        self.tell(lambda: self._questions.add(Period(query.start, query.end), future, answer))
        return self.wait_for(future)

    def _answer_questions(self) -> None:
        self._questions.answer(self.history, self._not_yet)

    def _not_yet(self) -> NoReturn:
        if isinstance(self.state, Stale):
            raise SourceError(self.state.error)
        filling = self.history.filling((0, 0))
        done = f": {filling.done} of {counted(filling.total, 'day')}" if filling is not None else ""
        done += f"; {filling.error}" if filling is not None and filling.error else ""
        raise SourceError(f"history is still being read{done}; ask again")

    def _stale_notes(self) -> tuple[str, ...]:
        if not isinstance(self.state, Stale):
            return ()
        since = self.state.since.isoformat(timespec="seconds")
        return (Note(f"the source does not answer since {since}: {self.state.error}", "source"),)

    # The thread

    def run(self) -> None:
        """Open the log and follow it."""
        # Imported here: the database parts take longer to load than the screen takes to stand.
        from cost_top.monitor.log.engine import LogEngine
        from cost_top.monitor.log.history import History
        from cost_top.monitor.log.screens import LogScreens

        keep_little()
        source: LogSource | None = self._open_source()
        while source is not None:
            self._source = source
            reader = source.connect()
            try:
                self.history = History(source, reader, self._load_book(), self._cache)
                self._engine = LogEngine(self.history.mirror, self._expected)
                self._screens = LogScreens(self.history, self._engine)
                try:
                    source = self._loop(source, reader)
                finally:
                    self.history.close()
            finally:
                reader.close()

    def _loop(self, source: LogSource, reader: LogReader) -> LogSource | None:
        """Follow the log until the end (None), or until another one has taken its name, which is returned."""
        history, lookups_due = self.history, 0.0
        while not self.stopping.is_set():
            self.obey()
            now_clock = clock()
            history.spread()
            if now_clock >= self.next_poll:
                now = utc_now()
                try:
                    if now_clock >= lookups_due:
                        history.changed |= history.mirror.database.set_lookups(reader.lookups())
                        lookups_due = now_clock + _LOOKUP_SECONDS
                    more = history.step(now, now_clock)
                    if isinstance(self.state, Stale):
                        history.recovered()
                    self.answered(now)
                    self._changes = 0
                    self._polled_at = self._engine.as_of = now
                    self.next_poll = now_clock if more else clock() + self._pause()
                except SourceReplaced as error:
                    try:
                        return self._open_source()
                    except (UserError, SourceError) as unusable:
                        # The last figures stay until there is a log to read.
                        self.failed(SourceError(f"{one_line(error)}: {one_line(unusable)}"), now, now_clock)
                except SourceError as error:
                    self._looked_in_vain(error, now, now_clock)
                else:
                    if more and history.comes_whole:
                        continue
            history.collect()
            history.tidy(now_clock)
            history.mirror.facts.collect(history.mirror.closed)
            settled_in = self._show(source.label)
            history.is_summing = settled_in == 0.0
            self._answer_questions()
            self._note_health()
            if settled_in is None and history.window_is_read():
                history.mirror.keep_facts()
            if settled_in is None and not history.backfill.pending and history.mirror.keep_sums():
                continue
            if settled_in != 0.0:
                patience = 0.25 if self._questions else history.patience()
                self.rest(min(self.next_poll - clock(), patience, settled_in or patience))
        return None

    def _looked_in_vain(self, error: SourceError, now: datetime, now_clock: float) -> None:
        """A log that was only written under the look is looked at again before that is told."""
        self._changes += isinstance(error, SourceChanged)
        if isinstance(error, SourceChanged) and self._changes <= _MOST_CHANGES:
            self.next_poll = clock() + self._pause()
        else:
            self.failed(error, now, now_clock)

    def welcome(self) -> None:
        """Look at the log at once: while nobody watched it was looked at less often."""
        if not isinstance(self.state, Stale):
            self.next_poll = 0.0

    def _pause(self) -> float:
        """Seconds to the next poll: a slow log is asked less often, and one that nobody watches."""
        idle = self._idle_interval if not self.subscriptions else None
        return max(idle or self.interval, self.history.last_poll_seconds * _SLOWDOWN)

    def _note_health(self) -> None:
        history = self.history
        ready = self.state is not None and history.window_is_read()
        self._health = Health(ready, self.state, history.mirror.newest(), history.filling((0, 0)))

    # Snapshots

    def _show(self, label: str) -> float | None:
        """Publish what is known to every subscription that has news.

        The seconds until there is more to do for one, 0 while sums are to be built; None when all is shown.
        """
        import duckdb

        if self.history.changed:
            self.history.changed = False
            for watch in self.subscriptions:
                watch.due = True
        now = utc_now()
        news = [watch for watch in self.subscriptions if self.is_news(watch, now)]
        shown: dict[tuple[View, tzinfo], tuple[Snapshot, bool]] = {}
        held: dict[HubSubscription, float] = {}  # until when an incomplete answer is held back
        began = clock()
        rest = 0.0 if self.history.window_is_read() else self._rests_until - began
        for watch in news:
            if watch not in self.subscriptions:
                continue
            key = (watch.view, watch.zone)
            if rest > 0 and watch.is_shown:
                watch.due, held[watch] = True, rest
                continue
            if key not in shown:
                try:
                    shown[key] = self._screens.compose(watch, label, self.state, self._filters())
                except Exception as error:
                    if isinstance(error, duckdb.Error) and self.history.forget_lost_days(thorough=True):
                        watch.due = True  # a kept day is gone or damaged: it is read again
                        continue
                    self.give_up(watch, error)
                    continue
            snapshot, at_hand = shown[key]
            early = watch.settles_at - clock() if snapshot.incomplete and watch.is_shown else 0.0
            if early <= 0:
                watch.show(snapshot)
                watch.settles_at = clock() + _SETTLING
            watch.due = at_hand or early > 0
            if watch.due and not at_hand:
                held[watch] = early
            # However many watch, a question waits for one of them at most.
            self.obey()
            self._answer_questions()
        if shown:
            self._rests_until = clock() + _FILLING_REST * (clock() - began)
        due = [watch for watch in self.subscriptions if watch.due]
        if news and not due:
            self._screens.forget_all_but({(watch.view, watch.zone) for watch in self.subscriptions})
        return min((held.get(watch, 0.0) for watch in due), default=None)

    def _filters(self) -> int:
        """How many filters are looked at beside one another."""
        return len({str(watch.view.where) for watch in self.subscriptions})
