"""The incident rules over a watched log: every five minutes, over what is new."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from cost_top.insight.levels import Rules
from cost_top.insight.live import LiveRules
from cost_top.mirror.kept_rules import KeptRules
from cost_top.model.answers import Hub
from cost_top.model.collector import uncollected
from cost_top.model.errors import CannotAnswer
from cost_top.model.features import BUCKET_SECONDS, Features
from cost_top.model.filter import Filter
from cost_top.model.memory import give_back
from cost_top.model.query import Report, ReportQuery

if TYPE_CHECKING:
    from cost_top.monitor.log.history import History

_FILTERS = 8
_FOLLOWED = 3  # filters whose state is kept; others are read anew


@runtime_checkable
class TellsFeatures(Protocol):
    """A hub over a log."""

    def report(self, query: ReportQuery) -> Report:
        """See `Hub`."""

    def features(self, query: ReportQuery, dimensions: Sequence[str]) -> Features:
        """What the rules look at."""


class LiveIncidents:
    """The incidents of the last three days, as JSON has them. Any thread may ask; one at a time is worked out."""

    def __init__(self, rules: Rules, zone: tzinfo, most: int | None = None) -> None:
        """`most` requests are looked through, and of a log with more in five weeks none."""
        self._rules, self._zone, self._most = rules, zone, most
        self._lock = threading.Lock()
        self._seen: dict[Filter, tuple[datetime, tuple[dict[str, Any], ...]]] = {}
        self._followed: dict[Filter, LiveRules] = {}
        self._history: History | None = None

    def found(self, hub: Hub, now: datetime, where: Filter) -> tuple[dict[str, Any], ...]:
        """As of the last five minutes that are whole, in order of opening, among the requests of `where` alone.

        Blocks. `CannotAnswer` for a source that is no log, `SourceError` when it does not answer.
        """
        tick = datetime.fromtimestamp(int(now.timestamp()) // BUCKET_SECONDS * BUCKET_SECONDS, now.tzinfo)
        if not isinstance(hub, TellsFeatures):
            raise CannotAnswer("incidents are found in single requests: the source must be a request log")
        with self._lock:
            seen = self._seen.get(where)
            if seen is not None and seen[0] == tick:
                return seen[1]
            found = self._run(hub, tick, where)
            self._seen = {**dict(list(self._seen.items())[-_FILTERS:]), where: (tick, found)}
            return found

    def _run(self, hub: TellsFeatures, tick: datetime, where: Filter) -> tuple[dict[str, Any], ...]:
        history: History | None = getattr(hub, "history", None)
        if history is not self._history:  # another log has taken the name
            self._followed, self._history = {}, history
        live = self._followed.pop(where, None) or LiveRules(self._rules, self._zone, _shelf(history))
        query = ReportQuery(live.wanted_from(tick), tick, where=where)
        if self._most is not None and (hub.report(query).totals.request_count or 0) > self._most:
            raise CannotAnswer(
                f"more than {self._most:,} requests in five weeks: too many to look through here; use cost-top watch"
            )
        features = hub.features(query, self._rules.dimensions)
        with uncollected():
            found = tuple(live.take(features))
        del features
        give_back()
        self._followed = {**dict(list(self._followed.items())[-(_FOLLOWED - 1) :]), where: live}
        return found


def _shelf(history: History | None) -> KeptRules | None:
    """Beside the log's days, where it has any."""
    return KeptRules(history.mirror.days) if history is not None else None
