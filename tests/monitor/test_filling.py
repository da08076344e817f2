"""While a log is read for the first time, answers are composed as often as a reader of the screen can do with."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from cost_top.model.snapshot import Live
from cost_top.model.view import View
from cost_top.monitor.log import hub as hub_module
from cost_top.monitor.log.hub import LogHub

NOW = datetime(2026, 11, 20, 23, 30, tzinfo=UTC)


def test_while_the_window_is_read_nobody_is_answered_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(hub_module, "clock", lambda: clock.now)
    hub = LogHub(lambda: pytest.fail("is not opened"), lambda: pytest.fail("is not loaded"), interval=2.0, cache=None)
    composed: list[float] = []

    def compose(watch: Any, *_: object) -> tuple[Any, bool]:
        composed.append(clock.now)
        clock.now += 0.1
        return SimpleNamespace(view=watch.view, incomplete=False, number=len(composed)), False

    is_read = SimpleNamespace(now=False)
    hub.history = SimpleNamespace(  # type: ignore[assignment]
        changed=False, window_is_read=lambda: is_read.now, covers=lambda _: True
    )
    hub._screens = SimpleNamespace(compose=compose, forget_all_but=lambda _: None)  # type: ignore[assignment]
    hub.state = Live(NOW)
    watch = hub.subscribe(View(), UTC, lambda _: None)
    hub.obey()

    def days_came() -> float | None:
        hub.history.changed = True
        return hub._show("log")

    assert days_came() is None
    assert days_came() == pytest.approx(0.3)
    assert watch.due
    assert len(composed) == 1
    watch.view = View(window="7d")  # another view waits for nothing
    days_came()
    assert len(composed) == 2
    clock.now += 0.31
    days_came()
    assert len(composed) == 3
    is_read.now = True
    days_came()
    assert len(composed) == 4
