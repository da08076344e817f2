"""A log in its database watched for many faces: each tick asks for the hot end, each view for what it lacks."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, tzinfo
from typing import TYPE_CHECKING

from cost_top.model.answers import Health
from cost_top.model.credits import Credits
from cost_top.model.engine import Knows, Position, RequestPage
from cost_top.model.errors import CannotAnswer, SourceError
from cost_top.model.feed import Found, UnpricedModel
from cost_top.model.query import Report, ReportQuery
from cost_top.model.snapshot import Filling, Load, Snapshot, Stale, Trust
from cost_top.model.view import View
from cost_top.model.windows import utc_now
from cost_top.monitor.thread import HubSubscription, HubThread, clock
from cost_top.overview.compose import Facts, compose
from cost_top.overview.needs import needs_of

if TYPE_CHECKING:
    from cost_top.model.expected import Expected
    from cost_top.model.features import Features
    from cost_top.model.waste import Waste
    from cost_top.monitor.cluster.cluster import Cluster
    from cost_top.monitor.cluster.engine import ClusterEngine
    from cost_top.pricing.book import RateBook
    from cost_top.sources.base import LogSource

_LOOKUP_SECONDS = 300.0
# The cluster is asked for at most this fraction (1/n) of the time.
_SLOWDOWN = 5
# Statements go on for this long before an answer that is not whole yet is shown.
_PATIENCE = 0.3
_FOUND = 100
# What is stamped later than now counts as well.
_AHEAD = timedelta(days=2)


class ClusterHub(HubThread):
    """`model.answers.Hub` over the log in a database that `open_source` opens."""

    remedy = "grant SELECT or mend the key"

    def __init__(
        self,
        open_source: Callable[[], LogSource],
        load_book: Callable[[], RateBook],
        *,
        interval: float,
        idle_interval: float | None = None,
        expected: tuple[Expected, ...] = (),
    ) -> None:
        """`interval` is in seconds, `idle_interval` that while nobody watches. Nothing is opened before `start`.

        `expected` raises what is usual.
        """
        super().__init__(interval)
        self._knows = Knows(expected=expected)
        self._idle_interval = idle_interval
        self._open_source, self._load_book = open_source, load_book
        self._cluster: Cluster | None = None
        self._engine: ClusterEngine
        self._newest: datetime | None = None
        self._health = Health(False, None, None, None)

    @property
    def label(self) -> str:
        """The log's name; empty before it is open."""
        return self._cluster.log.label if self._cluster is not None else ""

    @property
    def knows(self) -> Knows:
        """See `Hub`."""
        return self._knows

    def refuses(self, view: View) -> str | None:
        """Why the cluster cannot answer a view."""
        if any(term.field == "late" for term in view.where.terms):
            return "which requests came late is not told of a log that is answered where it lives"
        return None

    # Questions

    def report(self, query: ReportQuery) -> Report:
        """The exact answer."""
        from cost_top.monitor.cluster.answers import report

        return self.ask(lambda: report(self._opened(), query, utc_now()))

    def requests(self, query: ReportQuery, after: Position | None = None) -> RequestPage:
        """Single requests."""
        return self.ask(lambda: self._asking().requests(query, after))

    def unpriced(self, query: ReportQuery) -> tuple[UnpricedModel, ...]:
        """The models behind the query's unpriced requests."""
        from cost_top.monitor.cluster.answers import unpriced

        return self.ask(lambda: unpriced(self._opened(), query))

    def features(self, query: ReportQuery, dimensions: Sequence[str]) -> Features:
        """What the rules of `insight` look at; read on the thread that asks, for screens do not wait for it."""
        return self._asking().features(query, dimensions)

    def waste(self, query: ReportQuery) -> Waste:
        """What the period's spend was wasted on; read on the thread that asks."""
        from cost_top.monitor.cluster.answers import waste

        return waste(self._opened(), query)

    def waste_requests(self, query: ReportQuery, lines: Collection[str], after: Position | None = None) -> RequestPage:
        """A page of the requests behind some lines of `waste`; read on the thread that asks."""
        from cost_top.monitor.cluster.answers import waste_requests

        return waste_requests(self._opened(), query, lines, after)

    def credits(self) -> Credits | None:
        """A log knows no balance."""
        return None

    def find(
        self, view: View, zone: tzinfo, dimension: str, text: str, reply: Callable[[tuple[Found, ...]], None]
    ) -> None:
        """Values of a dimension for a picker."""
        from cost_top.monitor.cluster.reports import asked_report

        needle = text.casefold()

        def look() -> None:
            report = asked_report(self._opened(), replace(self._query(view, zone), group_by=(dimension,)), utc_now())
            rows = [row for row in report.rows if any(needle in (part or "").casefold() for part in row.key)]
            reply(
                tuple(
                    Found(row.key[0], row.key[1] if len(row.key) > 1 else None, row.measures.total_cost,
                          row.measures.request_count)
                    for row in rows[:_FOUND]
                )
            )  # fmt: skip

        self.tell(lambda: self._quietly(look))

    def find_unpriced(self, view: View, zone: tzinfo, reply: Callable[[tuple[UnpricedModel, ...]], None]) -> None:
        """The models behind what is unpriced in a view."""
        from cost_top.monitor.cluster.answers import unpriced

        self.tell(lambda: self._quietly(lambda: reply(unpriced(self._opened(), self._query(view, zone)))))

    def list_requests(self, query: ReportQuery, after: Position | None, reply: Callable[[RequestPage], None]) -> None:
        """A page of single requests."""
        self.tell(lambda: self._quietly(lambda: reply(self._asking().requests(query, after))))

    def health(self) -> Health:
        """How the log is, as of the last look at it; never waits."""
        return self._health

    def _quietly(self, command: Callable[[], None]) -> None:
        """Run what the cluster may fail at: the screen then says that it does not answer."""
        try:
            command()
        except CannotAnswer:
            return
        except SourceError as error:
            self.failed(error, utc_now(), clock())

    def _query(self, view: View, zone: tzinfo) -> ReportQuery:
        needs = needs_of(view, utc_now(), zone, self.knows)
        window = needs.periods.window
        return ReportQuery(window.start, window.end if view.end else window.end + _AHEAD, (), view.where, zone)

    def _opened(self) -> Cluster:
        if self._cluster is None:
            raise SourceError("the log is not open yet")
        return self._cluster

    def _asking(self) -> ClusterEngine:
        self._opened()
        return self._engine

    # The thread

    def run(self) -> None:
        """Open the log and ask it for what the watches show."""
        # Imported here: the database parts take longer to load than the screen takes to stand.
        from cost_top.monitor.cluster.answers import open_cluster
        from cost_top.monitor.cluster.engine import ClusterEngine

        cluster = self._cluster = open_cluster(self._open_source, self._load_book)
        try:
            self._engine = ClusterEngine(cluster, self._knows)
            self._loop()
        finally:
            self._opened().close()

    def _follow(self) -> Cluster:
        """The cluster, over the table that its gateway writes now."""
        from cost_top.monitor.cluster.answers import followed
        from cost_top.monitor.cluster.engine import ClusterEngine

        known = self._opened()
        cluster = followed(known, self._open_source, self._load_book)
        if cluster is not known:
            self._cluster, self._engine = cluster, ClusterEngine(cluster, self._knows)
        return cluster

    def _loop(self) -> None:
        cluster = self._opened()
        learn_at = clock() + _LOOKUP_SECONDS
        while not self.stopping.is_set():
            self.obey()
            started = clock()
            if started >= self.next_poll:
                try:
                    cluster = self._follow()
                    if started >= learn_at:
                        cluster.learn(utc_now())
                        learn_at = started + _LOOKUP_SECONDS
                    self._newest = cluster.newest()
                    self._engine.tick(utc_now())
                    self.answered(utc_now())
                    for watch in self.subscriptions:
                        watch.due = True
                    self.next_poll = started + (self._idle_interval or self.interval)
                except SourceError as error:
                    self.failed(error, utc_now(), clock())
            more = self._show(cluster)
            if self.subscriptions and not isinstance(self.state, Stale):
                spent = clock() - started
                self.next_poll = min(self.next_poll, started + max(self.interval, spent * _SLOWDOWN))
            whole = all(watch.last is not None and not watch.last.incomplete for watch in self.subscriptions)
            if whole and self.subscriptions and not isinstance(self.state, Stale):
                self._count_untimed(cluster)
            self._health = Health(self.state is not None and whole, self.state, self._newest, None)
            if not more:
                self.rest(self.next_poll - clock())

    def _count_untimed(self, cluster: Cluster) -> None:
        before = cluster.untimed
        cluster.count_untimed()
        for watch in self.subscriptions:
            watch.due = watch.due or cluster.untimed != before

    def close(self) -> None:
        """End the thread; a statement under way is broken off."""
        self.stopping.set()
        if self._cluster is not None:
            self._cluster.cancel()
        super().close()

    def welcome(self) -> None:
        """Look at the log at once: while nobody watched it was looked at less often."""
        if not isinstance(self.state, Stale):
            self.next_poll = 0.0

    # Snapshots

    def _show(self, cluster: Cluster) -> bool:
        """Publish what is known to each watch that has news; whether there is more to ask for one."""
        more, now = False, utc_now()
        for watch in list(self.subscriptions):
            if not self.is_news(watch, now):
                continue
            snapshot: Snapshot | None
            try:
                snapshot = self._compose(cluster, watch)
            except (SourceError, CannotAnswer) as error:
                # Why it cannot answer is shown, and it is asked again: the same may be told of less time.
                self.failed(error if isinstance(error, SourceError) else SourceError(str(error)), now, clock())
                snapshot = self._as_last(watch)
            except Exception as error:
                self.give_up(watch, error)
                continue
            if snapshot is None:
                continue
            watch.show(snapshot)
            watch.due = bool(snapshot.incomplete) and not isinstance(self.state, Stale)
            more = more or watch.due
            self.obey()
        return more

    def _as_last(self, watch: HubSubscription) -> Snapshot | None:
        """The last figures, with why there are no newer ones."""
        return replace(watch.last, state=self.state) if watch.last is not None else None

    def _compose(self, cluster: Cluster, watch: HubSubscription) -> Snapshot:
        view, engine = watch.view, self._engine
        needs = needs_of(view, utc_now(), watch.zone, engine.knows)
        stale = isinstance(self.state, Stale)
        replies = engine.answers(needs.all, 0.0 if stale else clock() + _PATIENCE)
        missing, statistics = replies["total"].missing, cluster.statistics
        filling = Filling(missing.done, missing.total, None, unit="answers") if missing is not None else None
        drift, drift_days = (0, 0) if view.where else engine.drift(needs.periods.window)
        facts = Facts(
            source=cluster.log.label,
            state=self.state,
            filling=filling,
            newest=self._newest,
            trust=Trust(
                drift=drift,
                drift_days=drift_days,
                rows_unique=cluster.log.rows_unique,
                indexed=cluster.log.indexed,
                untimed_count=cluster.untimed or 0,
            ),
            rates_date=cluster.book.date,
            notes=cluster.log.found.notes,
            load=Load(statistics.queries, statistics.database_ms, statistics.bytes_read, statistics.rows_read),
        )
        snapshot = compose(needs, replies, engine.knows, facts)
        if stale and not snapshot.has_figures and watch.last is not None:
            return replace(watch.last, state=self.state)
        return snapshot
