"""Who can answer the one question: a mirrored log, a gateway's report API, another cost-top. Faces know only this."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Protocol

from cost_top.model.credits import Credits
from cost_top.model.engine import Knows, Position, RequestPage
from cost_top.model.errors import UserError
from cost_top.model.feed import Found, UnpricedModel
from cost_top.model.query import Report, ReportQuery
from cost_top.model.snapshot import Filling, Live, Snapshot, Stale
from cost_top.model.view import View


class Answers(Protocol):
    """Every method blocks until it has the answer, and may be called from any thread, one call at a time.

    Raises `CannotAnswer` for a question the source has no answer to, `SourceError` when it does not answer now.
    """

    own_name: str | None  # of the source in the config file

    @property
    def label(self) -> str:
        """The source's name for people, without secrets."""

    @property
    def source_name(self) -> str | None:
        """The source as the dimension `source` names it; None where only whoever is asked knows."""

    def report(self, query: ReportQuery) -> Report:
        """The exact answer, its notes in `Report.notes`."""

    def requests(self, query: ReportQuery, after: Position | None = None) -> RequestPage:
        """At most `query.limit` single requests (200 without one) from `after` on.

        Newest first, or dearest first where `query.sort` is "cost".
        """

    def unpriced(self, query: ReportQuery) -> tuple[UnpricedModel, ...]:
        """The models behind the query's unpriced requests, most tokens first."""

    def credits(self) -> Credits | None:
        """The balance, None where the source knows none."""

    def close(self) -> None:
        """Release the source."""


@dataclass(frozen=True, slots=True)
class Health:
    """How a watched source is. `ready`: the window's figures are complete. `newest` is the newest request's time."""

    ready: bool
    state: Live | Stale | None  # None before the first answer
    newest: datetime | None
    filling: Filling | None  # None when history is complete


class Subscription(Protocol):
    """One face's view of a watched source."""

    def look(self, view: View) -> None:
        """Answer for another view."""

    def close(self) -> None:
        """No more snapshots."""


class Hub(Answers, Protocol):
    """A source that is watched for many faces at a time. Every call returns at once but those of `Answers`."""

    interval: float  # seconds between polls
    on_failure: Callable[[UserError], None]  # on the monitor's thread: the source cannot be watched at all
    on_broken: Callable[[Exception], None]  # ... a question failed for a reason of cost-top's own

    @property
    def intervals(self) -> tuple[float, ...]:
        """Seconds between polls that `+` and `-` step through."""

    def set_interval(self, seconds: float) -> None:
        """Seconds between polls."""

    @property
    def known_name(self) -> str:
        """The source as the dimension `source` names it, as far as that is known; empty before it is open."""

    @property
    def knows(self) -> Knows:
        """What the source can tell."""

    @property
    def repeat_seconds(self) -> float:
        """How long repeated questions beside the views should be apart; 0 where they cost nothing."""

    def start(self) -> None:
        """Begin to watch the source."""

    def subscribe(
        self, view: View, zone: tzinfo, publish: Callable[[Snapshot], None],
        on_error: Callable[[Exception], None] | None = None,
    ) -> Subscription:  # fmt: skip
        """Publish snapshots of a view, days cut in `zone`, on the monitor's thread whenever they change.

        A failure of cost-top's own at this view goes to `on_error` and ends the watch; without it, it ends the hub.
        """

    def refuses(self, view: View) -> str | None:
        """Why the source cannot answer a view, in one line; None when it can. Asks nothing."""

    def find(
        self, view: View, zone: tzinfo, dimension: str, text: str, reply: Callable[[tuple[Found, ...]], None]
    ) -> None:
        """Values of a dimension whose value or name contains `text`, dearest first, in the view's window."""

    def list_requests(self, query: ReportQuery, after: Position | None, reply: Callable[[RequestPage], None]) -> None:
        """A page of what is read of the log so far; see `Answers.requests`."""

    def find_unpriced(self, view: View, zone: tzinfo, reply: Callable[[tuple[UnpricedModel, ...]], None]) -> None:
        """The models behind `unpriced_count` of the view."""

    def refresh(self) -> None:
        """Ask the source now, within its limits."""

    def health(self) -> Health:
        """How the source is."""

    def reading(self, *, incidents: bool = False) -> Filling | None:
        """How far what questions (for `incidents`) wait for is read; None where nothing is, or that is not known."""
