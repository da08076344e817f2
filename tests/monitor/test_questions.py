"""Questions of several parts that a face puts through its feed: over a watched log, and when they fail."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cost_top.insight.levels import Rules
from cost_top.insight.why import DIMENSIONS, Why
from cost_top.insight.why_asked import explained
from cost_top.mirror import features
from cost_top.model.budgets import Budget, KeptBudgets, parse_period
from cost_top.model.errors import CannotAnswer, SourceError
from cost_top.model.query import ReportQuery
from cost_top.model.view import View
from cost_top.model.windows import Period
from cost_top.monitor import watched
from cost_top.monitor.feed import Monitor
from cost_top.monitor.log.hub import LogHub
from cost_top.monitor.questions import Questions
from cost_top.monitor.watched import Watched
from cost_top.pricing.book import RateBook
from cost_top.sources.sql.log import open_log

PICO = 10**12
PATIENCE = 120.0


def test_a_watched_log_is_asked_why_and_how_it_stands_and_the_parts_equal_the_change_in_the_log(
    sqlite_log, tmp_path: Path
) -> None:
    log = sqlite_log()
    now = datetime.now(UTC).replace(microsecond=0)
    for hour, token, cost in ((22, "old", 2), (3, "web", 1), (3, "agent", 1), (1, "web", 1), (1, "agent", 30)):
        log.add(time_ms=int((now - timedelta(hours=hour)).timestamp() * 1000), token=token, token_name=f"{token} key",
                provider="openai", model="gpt-5", endpoint="/reply", input_tokens=1000, output_tokens=10,
                cost_pico_usd=cost * PICO, status=200)  # fmt: skip
    hub = LogHub(lambda: open_log(str(log.path)), lambda: RateBook.load(None), interval=1, cache=tmp_path)
    budget = Budget("all", 40 * PICO, parse_period("rolling 1d"))
    feed = Monitor(hub, UTC, Watched(Rules, lambda: (budget,), KeptBudgets, UTC))
    told: queue.Queue[Any] = queue.Queue()
    feed.start(lambda _: None, View())
    try:
        query = ReportQuery(now - timedelta(hours=2), now, DIMENSIONS)
        other = Period(now - timedelta(hours=4), now - timedelta(hours=2))
        feed.ask(lambda answers: explained(answers, query, other), told.put, told.put)
        answer = told.get(timeout=PATIENCE)
        feed.incidents(told.put, told.put)
        incidents = told.get(timeout=PATIENCE)
        feed.budgets(told.put, told.put)
        budgets = told.get(timeout=PATIENCE)
    finally:
        feed.stop()
    assert isinstance(answer, Why), answer
    assert (answer.before.cost, answer.after.cost) == (2 * PICO, 31 * PICO)
    assert sum(answer.factors.values()) == answer.change
    assert incidents == ()
    assert [(row.title, row.spent, row.left) for row in budgets] == [("all", 35 * PICO, 5 * PICO)]
    assert budgets[0].falls_out == 2 * PICO
    assert now + timedelta(hours=3) < budgets[0].falls_out_by < now + timedelta(hours=4)
    assert (answer.drivers[0].name, answer.drivers[0].change) == ("agent key", 29 * PICO)


def test_a_question_does_not_wait_for_a_look_at_budgets_or_incidents(tmp_path: Path) -> None:
    goes_on = threading.Event()
    told: queue.Queue[Any] = queue.Queue()

    def budgets() -> tuple[Budget, ...]:
        assert goes_on.wait(PATIENCE)
        return ()

    hub = LogHub(lambda: open_log(str(tmp_path)), lambda: RateBook.load(None), interval=1, cache=None)
    feed = Monitor(hub, UTC, Watched(Rules, budgets, KeptBudgets, UTC))
    feed.budgets(told.put, told.put)
    feed.ask(lambda _: 7, told.put, told.put)
    try:
        assert told.get(timeout=5) == 7
    finally:
        goes_on.set()
        feed.stop()


@pytest.mark.parametrize("most", [2, 3])
def test_more_requests_than_a_terminal_has_memory_for_are_not_looked_through(
    sqlite_log, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr(watched, "MOST_REQUESTS", most)
    readers = []  # the threads that read closed days for it

    def reading(read: Callable[..., Any], is_closed: Callable[..., bool]) -> Callable[..., Any]:
        def noted(*given: Any) -> Any:
            readers.extend([threading.current_thread().name] if is_closed(*given) else [])
            return read(*given)

        return noted

    is_file = lambda _, relation, *rest: relation.startswith("read_parquet(")  # noqa: E731
    monkeypatch.setattr(features, "read_part", reading(features.read_part, is_file))
    monkeypatch.setattr(features, "kept_part", reading(features.kept_part, lambda *_: True))
    log, now = sqlite_log(), datetime.now(UTC)
    for day in (1, 2, 30):
        log.add(time_ms=int((now - timedelta(days=day)).timestamp() * 1000), provider="openai", cost_pico_usd=PICO)
    hub = LogHub(lambda: open_log(str(log.path)), lambda: RateBook.load(None), interval=1, cache=tmp_path)
    feed = Monitor(hub, UTC, Watched(Rules, tuple, tuple, UTC))
    told: queue.Queue[Any] = queue.Queue()
    feed.start(lambda _: None, View())
    try:
        feed.incidents(told.put, told.put)
        answer = told.get(timeout=PATIENCE)
    finally:
        feed.stop()
    assert answer == () if most == 3 else answer.startswith("more than 2 requests in five weeks"), answer
    assert bool(readers) is (most == 3)
    assert "monitor" not in readers, "what is watched does not wait for it"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (CannotAnswer("not by model"), "not by model"),
        (SourceError("gone\nfor good"), "gone for good"),
        (ZeroDivisionError("x"), "cost-top failed: ZeroDivisionError: x"),
    ],
)
def test_whatever_fails_somebody_is_told_in_one_line_and_the_next_question_is_answered(
    error: Exception, reason: str
) -> None:
    told: queue.Queue[Any] = queue.Queue()
    questions = Questions(None)  # type: ignore[arg-type]

    def fail(_: Any) -> None:
        raise error

    questions.put(fail, told.put, told.put)
    questions.put(lambda _: 7, told.put, told.put)
    questions.close()
    assert [told.get(timeout=PATIENCE), told.get(timeout=PATIENCE)] == [reason, 7]
