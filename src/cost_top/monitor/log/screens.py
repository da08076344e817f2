"""What the subscriptions of a log look at: each view's needs, answered by the engine and composed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

from cost_top.model.engine import Missing
from cost_top.model.filter import Filter
from cost_top.model.query import ReportQuery
from cost_top.model.snapshot import Live, Snapshot, Stale, Trust
from cost_top.model.view import View
from cost_top.model.windows import floor, utc_now
from cost_top.monitor.log.engine import LogEngine
from cost_top.monitor.log.history import History
from cost_top.monitor.thread import HubSubscription, clock
from cost_top.overview.compose import Facts, compose, ending, refreshed
from cost_top.overview.needs import Needs, needs_of
from cost_top.overview.periods import MINUTE, periods_of

# Sums are built for this long before a first, incomplete answer is shown; after a start from kept days it is whole.
_PATIENCE, _PATIENCE_AT_FIRST = 0.06, 0.3


@dataclass(frozen=True, slots=True)
class _Kept:
    """A whole answer: it holds until the minute is over or other rows stand behind it."""

    minute: datetime
    wheres: tuple[Filter, ...]
    version: tuple[object, ...]
    needs: Needs
    snapshot: Snapshot


class LogScreens:
    """Used on the log's thread."""

    def __init__(self, history: History, engine: LogEngine) -> None:
        """`engine` is over the history's mirror."""
        self._history = history
        self._engine = engine
        self._kept: dict[tuple[View, tzinfo], _Kept] = {}
        self._looked: tuple[datetime, datetime, set[tuple[View, tzinfo]]] | None = None

    def query(self, view: View, zone: tzinfo) -> ReportQuery:
        """The requests of a view's window; of a live one also those that are stamped later than now."""
        period = periods_of(view, utc_now(), zone, self._engine.knows).window
        end = period.end if view.end else datetime.max.replace(tzinfo=UTC) - timedelta(days=2)
        return ReportQuery(period.start, end, (), view.where, zone, limit=100)

    def compose(
        self, watch: HubSubscription, label: str, state: Live | Stale | None, filters: int
    ) -> tuple[Snapshot, bool]:
        """The snapshot of a view, and whether more can be summed for it at once."""
        view, history, engine, now = watch.view, self._history, self._engine, utc_now()
        minute, kept = floor(now, MINUTE), self._kept.get((view, watch.zone))
        if kept is not None and kept.minute == minute and kept.version == engine.version(kept.wheres):
            return refreshed(kept.snapshot, self._facts(kept.needs, label, state, None), now), False
        # All that goes on by the clock does so by the minute: in the same one the same is asked, and known to be.
        needs = (
            kept.needs if kept is not None and kept.minute == minute else needs_of(view, now, watch.zone, engine.knows)
        )
        history.want(needs.periods.window)
        engine.filters = filters
        patience = _PATIENCE_AT_FIRST if watch.last is None and history.is_first_shown else _PATIENCE
        if watch.is_shown:
            patience = max(patience, watch.settles_at - clock())
        replies = engine.answers(needs.all, clock() + patience)
        facts = self._facts(needs, label, state, replies["total"].missing)
        snapshot = ending(compose(needs, replies, engine.knows, facts), now)
        at_hand = any(reply.missing is not None and reply.missing.is_at_hand for reply in replies.values())
        if not snapshot.incomplete and not any(need.timed for need in needs.all):
            wheres = tuple(dict.fromkeys(need.query.where for need in needs.all))
            self._kept[view, watch.zone] = _Kept(minute, wheres, engine.version(wheres), needs, snapshot)
        return snapshot, at_hand

    def _facts(self, needs: Needs, label: str, state: Live | Stale | None, missing: Missing | None) -> Facts:
        history = self._history
        arrivals = history.tail.arrivals
        drift, drift_days = (0, 0) if needs.view.where else history.drift.within(needs.periods.window)
        return Facts(
            source=label,
            state=state,
            filling=history.filling((missing.total - missing.done, missing.total) if missing is not None else (0, 0)),
            newest=history.mirror.newest(),
            lateness=arrivals.lateness(),
            trust=Trust(
                late_count=arrivals.late,
                repeated_count=arrivals.repeated,
                drift=drift,
                drift_days=drift_days,
                untimed_count=history.mirror.untimed or 0,
                cached_share_known=history.details_known(),
                rows_unique=history.source.rows_unique,
                indexed=history.source.indexed,
            ),
            log_rows=history.mirror.row_count(),
            rates_date=history.book.date,
            load=history.load(),
        )

    def forget_all_but(self, views: Iterable[tuple[View, tzinfo]]) -> None:
        """Drop the sums of window edges that none of these views has any more: edges move once a minute."""
        now, knows, views = utc_now(), self._engine.knows, tuple(views)
        for gone in self._kept.keys() - set(views):
            del self._kept[gone]
        looked = floor(now, MINUTE), self._history.mirror.hot_start, set(views)
        if looked == self._looked:
            return
        self._looked = looked
        needs = [need for view, zone in views for need in needs_of(view, now, zone, knows).all]
        self._history.mirror.forget_all_but(needs)
