"""A feed without a thread: it answers every view at once with a seeded snapshot and remembers what it was asked."""

from __future__ import annotations

from collections.abc import Callable

from snapshots import USD, VALUES, snapshot

from cost_top.model.feed import Found, UnpricedModel
from cost_top.model.snapshot import Snapshot
from cost_top.model.view import View

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
        self.on_demand = False
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

    def find(self, dimension: str, text: str, reply: Callable[[tuple[Found, ...]], None]) -> None:
        self.calls.append(f"find {dimension} {text!r}")
        pairs = [value if isinstance(value, tuple) else (value, None) for value in VALUES[dimension]]
        reply(
            tuple(
                Found(value, name, (100 - index) * USD, 1000 - index)
                for index, (value, name) in enumerate(pairs)
                if text.lower() in f"{value} {name}".lower()
            )
        )

    def unpriced(self, reply: Callable[[tuple[UnpricedModel, ...]], None]) -> None:
        self.calls.append("unpriced")
        reply(UNPRICED)

    def stop(self) -> None:
        self.calls.append("stop")
