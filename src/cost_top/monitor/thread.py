"""One thread that owns a source. Faces hand it commands and questions, and get snapshots through their watches."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from dataclasses import replace
from datetime import datetime, tzinfo
from typing import Any, TypeVar

from cost_top.model.answers import Health
from cost_top.model.engine import Knows, Position, RequestPage
from cost_top.model.errors import Broken, CannotAnswer, SourceDenied, SourceError, SourceThrottled, UserError, one_line
from cost_top.model.feed import Found, UnpricedModel
from cost_top.model.one_source import OfOneSource, asks, settled_view
from cost_top.model.query import ReportQuery
from cost_top.model.snapshot import Filling, Live, Snapshot, Stale
from cost_top.model.view import View
from cost_top.monitor.patience import BACKOFF, Patience

T = TypeVar("T")


class HubSubscription:
    """One face's view of a hub. Its fields are the hub's thread's; `look` and `close` are for any thread."""

    def __init__(
        self, hub: HubThread, view: View, zone: tzinfo, publish: Callable[[Snapshot], None],
        on_error: Callable[[Exception], None] | None,
    ) -> None:  # fmt: skip
        """Use `HubThread.subscribe`."""
        self.asked, self.zone, self.publish, self.on_error = view, zone, publish, on_error
        self.last: Snapshot | None = None  # what was published last
        self._last_asked = view  # and what it was asked for as
        self.due = True  # the figures may differ from those published last, or are not complete
        self.settles_at = 0.0  # no sooner (monotonic seconds) an incomplete answer follows the last
        self.seen: tuple[View, Live | Stale | None, datetime] | None = None
        self._hub = hub

    def look(self, view: View) -> None:
        """Answer for another view."""

        def change() -> None:
            self.asked, self.due = view, True

        self._hub.tell(change)

    @property
    def view(self) -> View:
        """What is looked at of the source; `asked` is the view as the face spelled it."""
        if not asks(self.asked.where):
            return self.asked
        return settled_view(self.asked, self._hub.known_name)

    @property
    def is_shown(self) -> bool:
        """Whether something was published of the view that is looked at now."""
        return self.last is not None and self.last.view == self.view

    def close(self) -> None:
        """No more snapshots."""
        self._hub.tell(lambda: self._hub.subscriptions.remove(self) if self in self._hub.subscriptions else None)

    def show(self, snapshot: Snapshot) -> None:
        """Publish a snapshot unless it says what the last one said."""
        if snapshot != self.last or self.asked != self._last_asked:
            self.last, self._last_asked = snapshot, self.asked
            self.publish(snapshot if snapshot.view == self.asked else replace(snapshot, view=self.asked))


class HubThread(OfOneSource):
    """What the hubs of logs and of report APIs share: the thread, its commands, its watches and its patience."""

    def __init__(self, interval: float) -> None:
        """`interval` is in seconds. Nothing is opened before `start`."""
        self.interval = interval
        self.subscriptions: list[HubSubscription] = []
        self.state: Live | Stale | None = None
        self.on_failure: Callable[[UserError], None] = lambda _: None  # the source could not be opened at all
        self.on_broken: Callable[[Exception], None] = _raise  # a command failed for a reason of cost-top's own
        self.commands: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self.next_poll = 0.0
        self.throttled_until = 0.0  # monotonic seconds: the source asked for patience
        self._futures: set[Future[Any]] = set()
        self._patience = Patience()
        self._wake = threading.Event()
        self.stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to watch the source."""
        self._thread = threading.Thread(target=self._run, name="monitor", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread and close the source; returns within two seconds."""
        self.stopping.set()
        self._wake.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout=2)
        self._fail_questions()

    def subscribe(
        self, view: View, zone: tzinfo, publish: Callable[[Snapshot], None],
        on_error: Callable[[Exception], None] | None = None,
    ) -> HubSubscription:  # fmt: skip
        """Publish snapshots of a view, days cut in `zone`, on the monitor's thread whenever they change.

        A failure of cost-top's own at this view goes to `on_error` and ends the watch; without it, it ends the hub.
        """
        watch = HubSubscription(self, view, zone, publish, on_error)

        def add() -> None:
            if not self.subscriptions:
                self.welcome()
            self.subscriptions.append(watch)

        self.tell(add)
        return watch

    def refresh(self) -> None:
        """Ask the source now, within its limits."""
        self.tell(self.hurry)

    def set_interval(self, seconds: float) -> None:
        """Seconds between polls."""
        self.tell(lambda: setattr(self, "interval", seconds))

    def tell(self, command: Callable[[], None]) -> None:
        """Run a command on the thread, soon."""
        self.commands.put(command)
        self._wake.set()

    def ask(self, question: Callable[[], T]) -> T:
        """Run a question on the thread and wait for its answer or its error."""
        future: Future[T] = Future()
        self.tell(lambda: fulfil(future, question))
        return self.wait_for(future)

    def wait_for(self, future: Future[T]) -> T:
        """The answer to a question that the thread was told of; `SourceError` once the thread has ended."""
        self._futures.add(future)
        try:
            if self.stopping.is_set() or (self._thread is not None and not self._thread.is_alive()):
                self._fail_questions()
            return future.result()
        except CancelledError:
            raise SourceError("the source is no longer watched") from None
        finally:
            self._futures.discard(future)

    def hurry(self) -> None:
        """Poll at once, or when the source's patience ends; on the thread."""
        self.next_poll = self.throttled_until

    @property
    def intervals(self) -> tuple[float, ...]:
        """Seconds between polls that `+` and `-` step through."""
        return (1.0, 2.0, 5.0, 10.0, 30.0, 60.0)

    backoff: tuple[float, ...] = BACKOFF
    remedy = "mend the key"  # what helps where the source denies access

    @property
    def label(self) -> str:
        """The source's name for people; empty before it is open."""
        raise NotImplementedError

    @property
    def known_name(self) -> str:
        """See `model.answers.Hub`."""
        return self.own_name or self.label

    @property
    def source_name(self) -> str:
        """See `OfOneSource`; waits until the source is open where that alone tells it."""
        return self.known_name or self.ask(lambda: self.label)

    @property
    def knows(self) -> Knows:
        """What the source can tell."""
        return Knows()

    @property
    def repeat_seconds(self) -> float:
        """How long repeated questions beside the views should be apart; 0 where they cost nothing."""
        return 0.0

    def health(self) -> Health:
        """How the source is, as of the last look at it; never waits."""
        raise NotImplementedError

    def reading(self, *, incidents: bool = False) -> Filling | None:  # noqa: ARG002 - only a log's are looked for
        """How far what questions wait for is read; None where nothing is, or that is not known. Never waits."""
        return self.health().filling

    def refuses(self, view: View) -> str | None:
        """Why the source cannot answer a view, in one line; None when it can. Asks nothing."""
        raise NotImplementedError

    def find(
        self, view: View, zone: tzinfo, dimension: str, text: str, reply: Callable[[tuple[Found, ...]], None]
    ) -> None:
        """Values of a dimension for a picker."""
        raise NotImplementedError

    def list_requests(self, query: ReportQuery, after: Position | None, reply: Callable[[RequestPage], None]) -> None:
        """A page of single requests; none where the source tells none."""

    def find_unpriced(self, view: View, zone: tzinfo, reply: Callable[[tuple[UnpricedModel, ...]], None]) -> None:
        """The models behind what is unpriced in a view."""
        raise NotImplementedError

    def welcome(self) -> None:
        """The first watch comes; on the thread."""

    def run(self) -> None:
        """Watch the source until `stopping` is set; on the thread."""
        raise NotImplementedError

    def obey(self) -> None:
        """Run the commands that wait."""
        self._wake.clear()
        while True:
            try:
                command = self.commands.get_nowait()
            except queue.Empty:
                return
            try:
                command()
            except Exception as error:
                self.on_broken(error)

    def rest(self, seconds: float) -> None:
        """Sleep until a command comes, at most so long."""
        if self.commands.empty() and not self.stopping.is_set():
            self._wake.wait(max(0.0, seconds))

    def answered(self, now: datetime) -> None:
        """Note that the source answered."""
        self.state = Live(now)
        self._patience.answered()

    def failed(self, error: Exception, now: datetime, clock: float) -> None:
        """Note that it did not, and when it is tried next."""
        wait = self._patience.after(error, self.backoff, final=isinstance(error, SourceDenied) and error.final)
        if isinstance(error, SourceThrottled) and error.wait is not None:
            self.throttled_until = clock + wait
        self.state = self._patience.stale(error, now, wait, self.remedy)
        self.next_poll = clock + wait

    def give_up(self, watch: HubSubscription, error: Exception) -> None:
        """End a watch whose view cannot be composed; raises where nobody is told."""
        if watch.on_error is None:
            raise error
        self.subscriptions.remove(watch)
        watch.on_error(error)

    def is_news(self, watch: HubSubscription, now: datetime) -> bool:
        """Whether a new snapshot could differ: other figures, another view or state, or another minute."""
        seen = (watch.view, self.state, now.replace(second=0, microsecond=0))
        news = watch.due or seen != watch.seen
        watch.seen = seen
        watch.due = False
        return news

    def _run(self) -> None:
        try:
            self.run()
        except Exception as error:
            # A thread that dies silently would leave a screen that looks alive; while all is being closed, what it
            # works with may be taken from under it.
            if not self.stopping.is_set():
                self.on_failure(_told(error))
        finally:
            self.stopping.set()
            self._fail_questions()

    def _fail_questions(self) -> None:
        for future in list(self._futures):
            future.cancel()


def _told(error: Exception) -> UserError:
    if isinstance(error, UserError):
        return error
    if isinstance(error, SourceError):
        return UserError(one_line(error))
    return UserError(f"cost-top failed: {type(error).__name__}: {one_line(error)}")


def _raise(error: Exception) -> None:
    raise error


def fulfil(future: Future[T], question: Callable[[], T], let: type[Exception] | tuple[()] = ()) -> None:
    """Answer a future, with the question's error where it fails; errors of the kind `let` are raised."""
    if future.done():
        return
    try:
        answer = question()
    except let:
        raise
    except (CannotAnswer, UserError, SourceError) as error:
        future.set_exception(error)
    except Exception as error:
        broken = Broken(f"cost-top failed: {type(error).__name__}: {one_line(error)}")
        broken.__cause__ = error
        future.set_exception(broken)
    else:
        future.set_result(answer)


def clock() -> float:
    """Monotonic seconds."""
    return time.monotonic()
