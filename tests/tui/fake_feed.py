"""A feed without a thread: it answers every view at once with a seeded snapshot and remembers what it was asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from snapshots import USD, VALUES, request_rows, snapshot

from cost_top.model.answers import Answers
from cost_top.model.engine import Position, RequestPage, page_of
from cost_top.model.feed import Found, UnpricedModel
from cost_top.model.filter import Filter
from cost_top.model.query import ReportQuery
from cost_top.model.request_row import RequestRow
from cost_top.model.snapshot import Filling, Snapshot
from cost_top.model.view import View
from cost_top.model.watched import BudgetRow, IncidentRow
from cost_top.monitor.questions import answer

UNPRICED = (
    UnpricedModel("ollama", "qwen3-coder:30b", 312, 820_000, 41_000, '[prices."qwen3-coder:30b"]\ninput = "0.10"\n'),
    UnpricedModel(None, "house-model", 3, 1200, 80, '[prices."house-model"]\ninput = "0.10"\n'),
)


class FakeFeed:
    """Implements the `Feed` protocol."""

    def __init__(self, answer: Callable[[View], Snapshot | None] = snapshot) -> None:
        self.answer = answer
        self.views: list[View] = []
        self.calls: list[str] = []
        self.publish: Callable[[Snapshot], None] = lambda snapshot: None
        self.interval = 2.0
        self.intervals = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
        self.listed: tuple[RequestRow, ...] | None = None  # the requests behind every view
        self.answers: Answers | None = None  # whom questions of several parts are put to
        self.found: tuple[IncidentRow, ...] | None = None
        self.standing: tuple[BudgetRow, ...] | None = None
        self.filling: Filling | None = None  # how far what a question waits for is read
        self.refuses: Callable[[View], str | None] = lambda view: None

    @property
    def view(self) -> View:
        return self.views[-1]

    def start(self, publish: Callable[[Snapshot], None], view: View) -> None:
        self.publish = publish
        self.look(view)

    def look(self, view: View) -> None:
        self.views.append(view)
        answer = self.answer(view)
        if answer is not None:
            self.publish(answer)

    def refresh(self) -> None:
        self.calls.append("refresh")

    def set_interval(self, seconds: float) -> None:
        self.calls.append(f"interval {seconds:g}")

    def find(
        self, dimension: str, text: str, reply: Callable[[tuple[Found, ...]], None], within: Filter | None = None
    ) -> None:
        self.calls.append(f"find {dimension} {text!r}" + (f" within {within}" if within is not None else ""))
        pairs = [value if isinstance(value, tuple) else (value, None) for value in VALUES[dimension]]
        reply(
            tuple(
                Found(value, name, (100 - index) * USD, 1000 - index)
                for index, (value, name) in enumerate(pairs)
                if text.lower() in f"{value} {name}".lower()
            )
        )

    def requests(self, query: ReportQuery, after: Position | None, reply: Callable[[RequestPage], None]) -> None:
        self.calls.append(f"requests {query.sort} {query.limit} {after.id if after else None}")
        rows = self.listed if self.listed is not None else request_rows(60, query.sort, 7)
        first = next((place + 1 for place, row in enumerate(rows) if after is not None and row.id == after.id), 0)
        reply(page_of(rows[first : first + (query.limit or 200) + 1], query.limit or 200))

    def unpriced(self, reply: Callable[[tuple[UnpricedModel, ...]], None]) -> None:
        self.calls.append("unpriced")
        reply(UNPRICED)

    def ask(
        self, question: Callable[[Answers], Any], reply: Callable[[Any], None], refuse: Callable[[str], None]
    ) -> None:  # fmt: skip
        self.calls.append("ask")
        if self.answers is None:
            refuse("the source tells no such thing")
        else:
            answer(self.answers, question, reply, refuse)

    def incidents(self, reply: Callable[[Any], None], refuse: Callable[[str], None]) -> None:
        self.calls.append("incidents")
        reply(self.found) if self.found is not None else refuse("no request log")

    def budgets(self, reply: Callable[[Any], None], refuse: Callable[[str], None]) -> None:
        self.calls.append("budgets")
        reply(self.standing) if self.standing is not None else refuse("no budgets")

    def reading(self, *, incidents: bool = False) -> Filling | None:
        return self.filling

    def stop(self) -> None:
        self.calls.append("stop")
