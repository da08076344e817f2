"""Sums are built for as long as there was time to work, within limits."""

from __future__ import annotations

import pytest

from cost_top.mirror import deadline
from cost_top.mirror.deadline import Deadline


def test_a_busy_machine_puts_it_off_and_not_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    now, worked = 100.0, 5.0
    monkeypatch.setattr(deadline.time, "monotonic", lambda: now)
    monkeypatch.setattr(deadline.time, "thread_time", lambda: worked)
    until, never, past = Deadline(100.06), Deadline(float("inf")), Deadline(99.0)
    now += 0.05
    assert [each.has_passed for each in (until, never, past)] == [False, False, True]
    now, worked = now + 0.05, worked + 0.02
    assert not until.has_passed
    worked += 0.05
    assert until.has_passed
    worked -= 0.05
    now += 0.2
    assert [each.has_passed for each in (until, never)] == [True, False]
