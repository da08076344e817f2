"""What reaches the event loop from elsewhere: the monitor's answers, and the wishes of panels."""

from __future__ import annotations

from dataclasses import dataclass

from textual.message import Message

from cost_top.model.feed import Found, UnpricedModel
from cost_top.model.filter import Term
from cost_top.model.snapshot import Snapshot


@dataclass
class SnapshotArrived(Message):
    """A snapshot from the monitor's thread; one that waits is replaced by the next."""

    snapshot: Snapshot

    def can_replace(self, message: Message) -> bool:
        """Only the newest snapshot matters."""
        return isinstance(message, SnapshotArrived)


@dataclass
class FoundArrived(Message):
    """The answer to a picker's question, which had this number."""

    number: int
    found: tuple[Found, ...]


@dataclass
class UnpricedArrived(Message):
    """The models without a rate."""

    models: tuple[UnpricedModel, ...]


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
