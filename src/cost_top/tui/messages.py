"""What reaches the event loop from elsewhere: the monitor's answers, and the wishes of panels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from textual.message import Message

from cost_top.model.engine import Position, RequestPage
from cost_top.model.feed import Found, UnpricedModel
from cost_top.model.filter import Term
from cost_top.model.snapshot import Snapshot
from cost_top.model.watched import IncidentRow

if TYPE_CHECKING:
    from cost_top.insight.why import Why
    from cost_top.model.query import Report, ReportQuery


@dataclass
class SnapshotArrived(Message):
    """A snapshot from the monitor's thread; one that waits is replaced by the next."""

    snapshot: Snapshot

    def can_replace(self, message: Message) -> bool:
        """Only the newest snapshot matters."""
        return isinstance(message, SnapshotArrived)


@dataclass
class UnusualArrived(Message):
    """The open incidents while more is spent than usual; none: nothing is unusual."""

    incidents: tuple[IncidentRow, ...]


@dataclass
class FoundArrived(Message):
    """The answer to a picker's question, which had this number."""

    number: int
    found: tuple[Found, ...]


@dataclass
class RequestsArrived(Message):
    """A page of requests, the answer to the question of this number; `after` None is the first page."""

    number: int
    after: Position | None
    page: RequestPage


@dataclass
class UnpricedArrived(Message):
    """The models without a rate."""

    models: tuple[UnpricedModel, ...]


@dataclass
class WhyArrived(Message):
    """What is behind a change of spend."""

    answer: Why


@dataclass
class ListArrived(Message):
    """The rows a dialog asked for."""

    rows: Sequence[Any]


@dataclass
class ReportArrived(Message):
    """The answer to a question, and the question."""

    report: Report
    query: ReportQuery


@dataclass
class Refused(Message):
    """A question has no answer, and why in one line."""

    reason: str


@dataclass
class DrillRequested(Message):
    """A row was opened: look at its requests alone."""

    dimension: str
    value: str | None
    label: str


@dataclass
class SortRequested(Message):
    """A lens is to be sorted by a measure; the same measure again turns the order round."""

    lens: str
    measure: str


@dataclass
class TabRequested(Message):
    """Another lens for the panel with tabs."""

    lens: str


@dataclass
class RequestsRequested(Message):
    """The requests behind a part of the trust line."""

    label: str
    term: Term
