"""A log's mirror as an engine: what its rows tell, answered from sums."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from cost_top.mirror.store import Mirror
from cost_top.model.engine import Knows, Need, Position, Replies, RequestPage, page_of
from cost_top.model.expected import Expected
from cost_top.model.features import Features
from cost_top.model.filter import Filter
from cost_top.model.query import ReportQuery

_ROWS = 200


class LogEngine:
    """`model.engine.Engine` over a mirror; used on the mirror's thread."""

    def __init__(self, mirror: Mirror, expected: tuple[Expected, ...] = ()) -> None:
        """`as_of` is when the log was last looked at, `filters` how many views' filters there are."""
        self.knows = Knows(expected=expected)
        self._mirror = mirror
        self.as_of: datetime | None = None
        self.filters = 1

    def answers(self, needs: Sequence[Need], until: float) -> Replies:
        """See `Engine`."""
        as_of = self.as_of or max(need.query.end for need in needs)
        return self._mirror.reports(needs, until, as_of, self.filters)

    def version(self, wheres: Sequence[Filter]) -> tuple[object, ...]:
        """The same as long as whole replies to needs with these filters say the same, but for what is timed."""
        return self._mirror.version(wheres)

    def requests(self, query: ReportQuery, after: Position | None = None) -> RequestPage:
        """See `Engine`."""
        limit, dearest = query.limit or _ROWS, query.sort == "cost"
        rows = self._mirror.rows.requests(replace(query, limit=limit + 1), dearest, after)
        return page_of(rows, limit, dearest=dearest, after=after)

    def features(self, query: ReportQuery, dimensions: Sequence[str] = ()) -> Features:
        """See `Engine`."""
        return self._mirror.features(query, dimensions)

    def newest(self) -> datetime | None:
        """Time of the newest row."""
        return self._mirror.newest()

    def row_count(self) -> int:
        """Rows held, whatever the filter."""
        return self._mirror.row_count()
