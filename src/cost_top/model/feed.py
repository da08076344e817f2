"""What a face needs of the monitor. Every call returns at once; replies come on the monitor's thread."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

from cost_top.model.engine import Position, RequestPage
from cost_top.model.errors import UserError
from cost_top.model.filter import Filter
from cost_top.model.query import Measures, ReportQuery

if TYPE_CHECKING:
    from cost_top.model.answers import Answers
    from cost_top.model.snapshot import Filling, Snapshot
    from cost_top.model.view import View
    from cost_top.model.watched import BudgetRow, IncidentRow

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Found:
    """One answer of a picker: a value of a dimension, its display name and its cost in the window."""

    value: str | None
    name: str | None
    cost: int
    request_count: int | None


@dataclass(frozen=True, slots=True)
class UnpricedModel:
    """A model without a rate, what is behind it, and the TOML that would price it."""

    provider: str | None
    model: str | None
    request_count: int | None
    input_tokens: int | None
    output_tokens: int | None
    override: str


def unpriced_model(provider: str | None, model: str | None, measures: Measures, override: str = "") -> UnpricedModel:
    """What is behind a group's unpriced requests; `override` is "" where our rates would not be asked."""
    return UnpricedModel(
        provider, model, measures.request_count, measures.input_tokens, measures.output_tokens, override
    )


class Feed(Protocol):
    """A running monitor: it publishes snapshots for the view it was last given.

    `on_failure` is called on the monitor's thread when it cannot go on: the source could not be opened at all.
    """

    on_failure: Callable[[UserError], None]

    @property
    def interval(self) -> float:
        """Seconds between polls; 0 where the feed chooses them."""

    @property
    def intervals(self) -> tuple[float, ...]:
        """Seconds between polls that `+` and `-` step through."""

    def refuses(self, view: View) -> str | None:
        """Why the source cannot answer a view, in one line; None when it can."""

    def start(self, publish: Callable[[Snapshot], None], view: View) -> None:
        """Begin; `publish` is called on the monitor's thread with every snapshot that differs from the last."""

    def look(self, view: View) -> None:
        """Answer for another view, as soon as possible; only the latest one counts."""

    def refresh(self) -> None:
        """Poll the source now."""

    def set_interval(self, seconds: float) -> None:
        """Seconds between polls."""

    def find(
        self, dimension: str, text: str, reply: Callable[[tuple[Found, ...]], None], within: Filter | None = None
    ) -> None:
        """Values of a dimension whose value or name contains `text`, dearest first, in the view's window.

        `within` stands in the place of the view's filter.
        """

    def requests(self, query: ReportQuery, after: Position | None, reply: Callable[[RequestPage], None]) -> None:
        """A page of at most `query.limit` single requests from `after` on; see `model.engine.Engine.requests`."""

    def unpriced(self, reply: Callable[[tuple[UnpricedModel, ...]], None]) -> None:
        """The models behind `unpriced_count` of the current view."""

    def ask(
        self, question: Callable[[Answers], T], reply: Callable[[T], None], refuse: Callable[[str], None]
    ) -> None:  # fmt: skip
        """Put a question that takes several answers to the source, on a thread that may wait.

        `refuse` is told in one line why there is no answer.
        """

    def incidents(self, reply: Callable[[tuple[IncidentRow, ...]], None], refuse: Callable[[str], None]) -> None:
        """What is unusual, as `ask` answers."""

    def budgets(self, reply: Callable[[tuple[BudgetRow, ...]], None], refuse: Callable[[str], None]) -> None:
        """How budgets stand, as `ask` answers."""

    def reading(self, *, incidents: bool = False) -> Filling | None:
        """How far what such questions (or `incidents`) wait for is read; None where nothing is, or it is not known."""

    def stop(self) -> None:
        """End the thread and close the source; returns within two seconds."""
