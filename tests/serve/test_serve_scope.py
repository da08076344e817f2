"""A token that may see a part sees nothing of the whole: a live stream beside a balance, a source that fails."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from cost_top.model.credits import Credits
from cost_top.model.filter import parse_filter
from cost_top.model.notes import origin_of
from cost_top.model.query import ReportQuery
from cost_top.model.snapshot import Asking, Balance, Load, Stale, Trust
from cost_top.model.view import View
from cost_top.monitor.log.hub import LogHub
from cost_top.pricing.book import RateBook
from cost_top.serve.tokens import Token, digest_of
from cost_top.sources.sql.log import open_log
from support.served_double import NOW, HubDouble, in_thread, snapshot_of

WHOLE, PART = "a" * 16, "b" * 16
TOKENS = (Token("whole", digest_of(WHOLE)), Token("part", digest_of(PART), parse_filter("user:acme")))
# Each figure of the whole is a number that stands nowhere else.
OF_THE_WHOLE = {
    "balance": 7_000_000_000_001, "used": 7_000_000_000_002, "runway": 7003, "metered": 7_000_000_000_004,
    "metered_span": 7005, "questions": 7006, "cost": 7_000_000_000_007, "cost_per_month": 7_000_000_000_008,
    "queries": 7009, "bytes": 7_000_010, "rows": 7_000_011, "log_rows": 7_000_012, "late": 7013, "repeated": 7014,
    "lateness": 7015,
}  # fmt: skip


def whole_snapshot() -> Any:
    of = OF_THE_WHOLE
    return snapshot_of(
        View("24h"), 5,
        balance=Balance(Credits(of["balance"], of["used"], NOW), timedelta(seconds=of["runway"]), of["metered"],
                        timedelta(seconds=of["metered_span"])),
        asking=Asking(60.0, of["questions"], of["cost"], of["cost_per_month"]),
        load=Load(of["queries"], 0.5, of["bytes"], of["rows"]), log_rows=of["log_rows"],
        trust=Trust(late_count=of["late"], repeated_count=of["repeated"]), lateness=timedelta(seconds=of["lateness"]),
        newest=datetime(2026, 11, 9, 17, 17, 17, tzinfo=UTC),
    )  # fmt: skip


@pytest.fixture
def first_event():
    """The first event of a live stream with a token."""

    def ask(token: str) -> str:
        hub = HubDouble()
        subscribed, publish = threading.Event(), hub.subscribe

        def subscribe(*arguments: Any, **options: Any) -> Any:
            subscription = publish(*arguments, **options)
            subscription.publish(whole_snapshot())
            subscribed.set()
            return subscription

        hub.subscribe = subscribe  # type: ignore[method-assign]
        with (
            in_thread(hub, tokens=TOKENS) as url,
            httpx.stream("GET", f"{url}/v1/live", headers={"Authorization": f"Bearer {token}"}, timeout=90) as stream,
        ):
            assert stream.status_code == 200
            assert subscribed.wait(90)
            for line in stream.iter_lines():
                if line.startswith("data: "):
                    return line
        raise AssertionError("no event")

    return ask


def told(event: str) -> set[str]:
    return {name for name, number in OF_THE_WHOLE.items() if str(number) in event} | (
        {"newest"} if "17:17:17" in event else set()
    )


def test_a_token_for_the_whole_sees_the_balance_and_the_load(first_event):
    assert told(first_event(WHOLE)) == {*OF_THE_WHOLE, "newest"}


def test_a_token_for_a_part_sees_its_figures_and_nothing_of_the_whole(first_event):
    event = first_event(PART)
    assert told(event) == set()
    assert json.loads(event.removeprefix("data: "))["spend"]["measures"]["total_cost"] == 5


def test_what_a_log_says_when_it_fails_is_known_by_where_it_comes_from_not_by_its_words(sqlite_log, monkeypatch):
    log = sqlite_log()
    log.add(provider="openai", cost_pico_usd=1)
    hub = LogHub(lambda: open_log(str(log.path), None), lambda: RateBook.load(None), interval=0.05, cache=None)
    stale, failed = threading.Event(), hub.failed

    def fail(*arguments: Any) -> None:
        failed(*arguments)
        stale.set()

    monkeypatch.setattr(hub, "failed", fail)
    hub.start()
    try:
        query = ReportQuery(datetime(2026, 11, 10, tzinfo=UTC), datetime(2026, 11, 11, tzinfo=UTC))
        assert not [note for note in hub.report(query).notes if origin_of(note) == "source"]
        log.run("ALTER TABLE cost_top_requests RENAME TO gone")
        assert stale.wait(90)
        (note,) = [note for note in hub.report(query).notes if origin_of(note) == "source"]
        assert isinstance(hub.state, Stale)
        assert hub.state.error in note
    finally:
        hub.close()
        log.run("ALTER TABLE gone RENAME TO cost_top_requests")
