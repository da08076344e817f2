"""The requests behind a view as far as they were read, page by page. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo

from cost_top.model.engine import Position, RequestPage
from cost_top.model.query import ReportQuery
from cost_top.model.request_row import RequestRow
from cost_top.model.snapshot import Snapshot

PAGE = 200
# So many rows are read again at once when something changed; those below stay as they were read.
MOST_REREAD = 1000
_LATEST = datetime.max.replace(tzinfo=UTC) - timedelta(days=2)


def request_query(snapshot: Snapshot, zone: tzinfo) -> ReportQuery:
    """The requests behind a snapshot; of a live one also those that are stamped later than now."""
    view = snapshot.view
    start = snapshot.period.start if view.end is not None else snapshot.period.start.replace(second=0, microsecond=0)
    return ReportQuery(start, view.end or _LATEST, (), view.where, zone, "time")


@dataclass(frozen=True, slots=True)
class Listing:
    """Rows in their order, and where the next page begins."""

    order: str = "time"  # or "cost"
    rows: tuple[RequestRow, ...] = ()
    following: Position | None = None
    is_answered: bool = False

    @property
    def reread(self) -> int:
        """How many rows to read when something changed."""
        return min(max(PAGE, len(self.rows)), MOST_REREAD)

    def with_page(self, after: Position | None, page: RequestPage) -> Listing:
        """The list with one more page, or with its first rows read again."""
        if after is not None:
            if after != self.following:
                return self  # the list has changed meanwhile
            return replace(self, rows=(*self.rows, *page.rows), following=page.following)
        kept = self._below(page)
        following = self.following if kept else page.following
        return Listing(self.order, (*page.rows, *kept), following, is_answered=True)

    def _below(self, page: RequestPage) -> tuple[RequestRow, ...]:
        """The known rows that come after those of a first page; none where the page does not lead to them."""
        if page.following is None:
            return ()
        last, told = page.following, 0
        for index, row in enumerate(self.rows):
            place = Position(row.time, row.id, row.cost if self.order == "cost" else None, last.told)
            told += place == last
            if told == last.told:
                return self.rows[index + 1 :]
        return ()

    @property
    def keys(self) -> list[Hashable]:
        """What tells each row from the others; rows of one id and time are counted."""
        alike: Counter[tuple[str, datetime]] = Counter()
        found: list[Hashable] = []
        for row in self.rows:
            place = (row.id, row.time)
            alike[place] += 1
            found.append((*place, alike[place]))
        return found
