"""The feed of a server over the network: the same figures, through cut lines, refusals and restarts."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any

import pytest

from cost_top.model.errors import UserError
from cost_top.model.feed import Feed, Found
from cost_top.model.filter import parse_filter
from cost_top.model.query import Measures, ReportQuery
from cost_top.model.snapshot import Burn, Live, Snapshot, Spend, Stale
from cost_top.model.view import View
from cost_top.model.windows import Period
from cost_top.model.wire import snapshot_to_json
from cost_top.monitor.remote import RemoteFeed
from cost_top.sources.cost_top.client import CostTopClient
from support.cost_top_server import FakeServe, Stream, serving

PATIENCE = 120.0
NOW = datetime(2026, 11, 21, 14, 3, 22, tzinfo=UTC)
COSTS = {"": 100, "user:acme": 7, "user:globex": 3}


def composed(costs: dict[str, int] = COSTS, **others: Any) -> Callable[[View], Snapshot]:
    """Figures by filter."""

    def compose(view: View) -> Snapshot:
        spend = Spend(Measures(total_cost=costs[str(view.where)]))
        snapshot = Snapshot(view, "gateway.db", Period(NOW - timedelta(days=30), NOW), spend, Burn(), state=Live(NOW))
        return replace(snapshot, **others)

    return compose


class Terminal:
    """A face that keeps what it is told."""

    def __init__(self, url: str, key: str = "", zone: tzinfo = UTC) -> None:
        self.snapshots: list[Snapshot] = []
        self.failures: list[UserError] = []
        self.feed: Feed = RemoteFeed(lambda: CostTopClient(url, key), zone)
        self.feed.on_failure = self.failures.append
        self.view = View()

    def start(self) -> Terminal:
        self.feed.start(self.snapshots.append, self.view)
        return self

    def look(self, **changes: Any) -> None:
        self.view = replace(self.view, **changes)
        self.feed.look(self.view)

    def until(self, is_right: Callable[[Snapshot], bool]) -> Snapshot:
        wait_for(lambda: self.failures or (self.snapshots and is_right(self.snapshots[-1])), self.told)
        assert not self.failures, self.failures
        return self.snapshots[-1]

    def failure(self) -> str:
        wait_for(lambda: bool(self.failures), self.told)
        return str(self.failures[0])

    def told(self) -> object:
        return [(one.spend.measures.total_cost, one.state) for one in self.snapshots[-3:]], self.failures


def wait_for(is_right: Callable[[], object], told: Callable[[], object] = lambda: "") -> None:
    deadline = time.monotonic() + PATIENCE
    while not is_right():
        assert time.monotonic() < deadline, f"never came right: {told()}"
        time.sleep(0.01)


def costs(amount: int) -> Callable[[Snapshot], bool]:
    return lambda snapshot: snapshot.spend.measures.total_cost == amount and isinstance(snapshot.state, Live)


def stale(snapshot: Snapshot) -> bool:
    return isinstance(snapshot.state, Stale)


@pytest.fixture
def serve() -> Iterator[FakeServe]:
    with serving(FakeServe(composed())) as server:
        yield server


@pytest.fixture
def terminal(serve: FakeServe) -> Iterator[Terminal]:
    terminal = Terminal(serve.url)
    yield terminal
    terminal.feed.stop()


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cost_top.monitor.remote.BACKOFF", (0.02, 0.04))


def test_figures_come_as_they_change(serve: FakeServe, terminal: Terminal) -> None:
    terminal.start()
    first = terminal.until(costs(100))
    assert first.source == f"gateway.db @ 127.0.0.1:{serve.port}"
    assert first.view == terminal.view
    assert first.period == Period(NOW - timedelta(days=30), NOW), "instants are the server's"
    serve.show(composed({**COSTS, "": 101}))
    second = terminal.until(costs(101))
    assert second.burn is first.burn, "what did not change was not sent"
    serve.show(composed({**COSTS, "": 101}, state=Live(NOW + timedelta(seconds=2))))
    serve.show(composed({**COSTS, "": 102}))
    terminal.until(costs(102))
    assert len(terminal.snapshots) == 3, "nothing is published where nothing differs"


def test_another_view_is_another_stream(serve: FakeServe, terminal: Terminal) -> None:
    terminal.start()
    terminal.until(costs(100))
    terminal.look(filter=parse_filter("user:acme"), window="7d")
    shown = terminal.until(costs(7))
    assert shown.view == terminal.view
    for name in ("globex", "acme") * 5:
        terminal.look(filter=parse_filter(f"user:{name}"))
    terminal.until(costs(7))
    wait_for(lambda: serve.open_streams == 1)
    assert serve.views[-1] == terminal.view
    for snapshot in terminal.snapshots:
        assert snapshot.spend.measures.total_cost == COSTS[str(snapshot.view.where)], "figures stay with their view"


def test_a_view_that_is_slow_to_come_is_given_up_for_the_next(serve: FakeServe, terminal: Terminal) -> None:
    released = threading.Event()
    serve.scripts = [None, lambda stream, view: (stream.begin(), released.wait(PATIENCE))]
    terminal.start()
    terminal.until(costs(100))
    terminal.look(filter=parse_filter("user:acme"))
    wait_for(lambda: len(serve.views) == 2)
    terminal.look(filter=parse_filter("user:globex"))
    terminal.until(costs(3))
    released.set()


def test_a_scope_of_the_server_does_not_change_the_view(serve: FakeServe, terminal: Terminal) -> None:
    serve.show(lambda view: replace(composed()(view), view=replace(view, filter=parse_filter("user:acme"))))
    terminal.start()
    assert terminal.until(costs(100)).view == terminal.view


def test_the_line_is_cut_and_comes_back(serve: FakeServe, terminal: Terminal) -> None:
    terminal.start()
    terminal.until(costs(100))
    serve.scripts = [lambda stream, view: stream.refuse(500, "internal_server_error", "the server failed")] * 3
    before = datetime.now(UTC)
    serve.cut()
    wait_for(lambda: len(serve.views) == 5)
    terminal.until(costs(100))
    lost = [one.state for one in terminal.snapshots if isinstance(one.state, Stale)]
    assert len(lost) >= 2, "those that say the same are told once"
    assert {state.since for state in lost} == {lost[0].since}, "since when counts from the first failure"
    assert before <= lost[0].since <= datetime.now(UTC)
    assert all(one.spend.measures.total_cost == 100 for one in terminal.snapshots), "the last figures stay"
    assert "failed (500): the server failed" in lost[-1].error
    assert not lost[-1].denied
    serve.show(composed({**COSTS, "": 105}))
    terminal.until(costs(105))


def test_the_server_restarts(serve: FakeServe) -> None:
    port = serve.port
    with serving(FakeServe(composed())) as first:
        terminal = Terminal(first.url).start()
        terminal.until(costs(100))
        port = first.port
    try:
        gone = terminal.until(stale)
        assert isinstance(gone.state, Stale)
        assert gone.state.retry_at >= gone.state.since - timedelta(seconds=1)
        with serving(FakeServe(composed({**COSTS, "": 200}), port=port)):
            terminal.until(costs(200))
    finally:
        terminal.feed.stop()


def half_an_event(stream: Stream, view: View) -> None:
    stream.begin()
    stream.write('event: snapshot\ndata: {"spend": {"measures"')


def garbage(stream: Stream, view: View) -> None:
    stream.begin()
    stream.write("\x00\xff::::\ndata: <html>\nevent: snapshot\n\n")
    stream.end()


def wrong_kinds(stream: Stream, view: View) -> None:
    stream.begin()
    stream.event("snapshot", {**snapshot_to_json(composed()(view)), "spend": "much"})
    stream.end()


def no_object(stream: Stream, view: View) -> None:
    stream.begin()
    stream.event("snapshot", [1, 2])


def only_changes(stream: Stream, view: View) -> None:
    stream.begin()
    stream.event("snapshot", {"log_rows": 5})


def nested(stream: Stream, view: View) -> None:
    stream.begin()
    stream.write("event: snapshot\ndata: " + "[" * 100_000 + "\n\n")


def a_web_page(stream: Stream, view: View) -> None:
    stream._handler.answer(200, "<html>welcome</html>")


def an_end_in_order(stream: Stream, view: View) -> None:
    stream.begin()
    stream.write(": alive\n\n")
    stream.end()


def an_error_event(stream: Stream, view: View) -> None:
    stream.begin()
    stream.event("error", {"error": {"message": "the log is\x1b[31m gone", "type": "internal_server_error"}})


FAULTS = {
    half_an_event: "broke off",
    garbage: "not JSON|web page",
    wrong_kinds: "malformed snapshot: spend: a text where an object belongs",
    no_object: "malformed event",
    only_changes: "malformed snapshot: burn is missing",
    nested: "nested too deep|not JSON",
    a_web_page: "did not answer with a live stream",
    an_end_in_order: "the live view ended",
    an_error_event: r"the log is\[31m gone",
}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_faults_of_the_stream_make_the_figures_stale_until_it_is_whole_again(
    serve: FakeServe, terminal: Terminal, fault: Any
) -> None:
    terminal.start()
    terminal.until(costs(100))
    serve.scripts = [fault]
    serve.show(composed({**COSTS, "": 101}))
    terminal.until(costs(101))
    serve.cut()
    wait_for(lambda: len(serve.views) >= 3)
    terminal.until(costs(101))
    told = [one.state.error for one in terminal.snapshots if isinstance(one.state, Stale)]
    assert any(re.search(FAULTS[fault], line) for line in told), told
    assert all(line.isprintable() and len(line) <= 300 for line in told)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_first_answer_that_is_none_is_one_line(serve: FakeServe, terminal: Terminal, fault: Any) -> None:
    serve.scripts = [fault]
    terminal.start()
    failure = terminal.failure()
    assert f"127.0.0.1:{serve.port}" in failure
    assert re.search(FAULTS[fault], failure), failure
    assert failure.isprintable()
    assert not terminal.snapshots


def test_the_token_is_wrong_from_the_start(serve: FakeServe) -> None:
    serve.token = "right-token"
    for key in ("", "wrong-token"):
        terminal = Terminal(serve.url, key).start()
        failure = terminal.failure()
        assert "(401): no such token; give the server's token in COST_TOP_TOKEN" in failure
        assert "wrong-token" not in failure
        terminal.feed.stop()
    terminal = Terminal(serve.url, "right-token").start()
    terminal.until(costs(100))
    terminal.feed.stop()


def test_the_token_is_taken_back_and_given_again(serve: FakeServe) -> None:
    serve.token = "secret-token"
    terminal = Terminal(serve.url, "secret-token").start()
    terminal.until(costs(100))
    serve.token = "another"
    serve.cut()
    denied = terminal.until(lambda snapshot: stale(snapshot) and snapshot.state.denied)  # type: ignore[union-attr]
    assert denied.spend.measures.total_cost == 100
    assert "secret-token" not in repr(denied)
    # A key that is refused is not tried again and again; `r` tries it.
    assert denied.state.retry_at - denied.state.since > timedelta(minutes=40)  # type: ignore[union-attr]
    serve.token = "secret-token"
    terminal.feed.refresh()
    terminal.until(costs(100))
    terminal.feed.stop()


def test_what_is_no_cost_top_is_said(serve: FakeServe, terminal: Terminal) -> None:
    serve.scripts = [lambda stream, view: stream.refuse(404, "x", "page not found")]
    terminal.start()
    assert terminal.failure() == (
        f"127.0.0.1:{serve.port} is no cost-top serve: knows nothing at this address (404): page not found"
    )


def test_a_view_that_the_server_cannot_answer_is_no_other_server(serve: FakeServe, terminal: Terminal) -> None:
    serve.answers["/healthz"] = {"ready": True, "stale": False}
    serve.scripts = [lambda stream, view: stream.refuse(400, "invalid_request_error", "its API knows no endpoints")]
    terminal.start()
    assert terminal.failure().endswith("refuses the question (400): its API knows no endpoints")


def test_a_later_refusal_keeps_the_screen(serve: FakeServe, terminal: Terminal) -> None:
    serve.scripts = [None, lambda stream, view: stream.refuse(400, "invalid_request_error", "no such lens")]
    terminal.start()
    terminal.until(costs(100))
    terminal.look(filter=parse_filter("user:acme"))
    terminal.until(lambda snapshot: stale(snapshot) and "no such lens" in snapshot.state.error)  # type: ignore[union-attr]
    terminal.look(filter=parse_filter("user:globex"))
    terminal.until(costs(3))


def test_nobody_listens(serve: FakeServe) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    terminal = Terminal(f"http://127.0.0.1:{port}").start()
    assert terminal.failure() == f"127.0.0.1:{port}: the connection is refused: nothing listens there"


def test_an_address_that_may_not_be_asked() -> None:
    assert "https" in Terminal("http://example.com").start().failure()


def test_a_zone_without_a_name(serve: FakeServe) -> None:
    terminal = Terminal(serve.url, zone=timezone(timedelta(hours=2))).start()
    assert "give one with --tz" in terminal.failure()
    terminal.feed.stop()
    assert len(terminal.failures) == 1


def test_patience_that_is_asked_for_is_had(
    serve: FakeServe, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    lost = RemoteFeed._lost

    def note(self: RemoteFeed, error: Any) -> float:
        waits.append(lost(self, error))
        return 0.01

    monkeypatch.setattr(RemoteFeed, "_lost", note)
    busy = ("rate_limit_exceeded", "too many questions")
    serve.scripts = [lambda stream, view: stream.refuse(429, *busy, Retry_After="7"),
                     lambda stream, view: stream.refuse(503, *busy, Retry_After="never")]  # fmt: skip
    terminal.start()
    terminal.until(costs(100))
    assert waits[0] == 7
    assert waits[1] < 1, "a time that is none is no time"
    assert len(waits) == 2


def test_refresh_ends_the_wait_and_asks_the_server(
    serve: FakeServe, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cost_top.monitor.remote.BACKOFF", (1000.0,))
    serve.answers["/v1/refresh"] = (202, {})
    terminal.start()
    terminal.until(costs(100))
    serve.cut()
    terminal.until(stale)
    terminal.feed.refresh()
    terminal.until(costs(100))
    wait_for(lambda: "/v1/refresh" in serve.paths())


def test_pickers_and_unpriced_models(serve: FakeServe, terminal: Terminal) -> None:
    serve.answers["/v1/find"] = {"results": [{"value": "acme\x1b[2J", "name": None, "cost": 5, "request_count": 2}]}
    serve.answers["/v1/unpriced"] = {
        "results": [{"provider": "p", "model": "m", "request_count": 1, "input_tokens": 2, "output_tokens": None,
                     "override": "[[price]]\nmodel = \"m\""}]
    }  # fmt: skip
    terminal.start()
    terminal.until(costs(100))
    terminal.look(filter=parse_filter("user:acme"))
    replies: list[Any] = []
    terminal.feed.find("user", "ac", replies.append)
    wait_for(lambda: len(replies) == 1)
    assert replies[0] == (Found("acme[2J", None, 5, 2),)
    terminal.feed.unpriced(replies.append)
    wait_for(lambda: len(replies) == 2)
    assert replies[1][0].override == '[[price]]\nmodel = "m"'
    found = next(asked for asked in serve.asked if asked.path == "/v1/find")
    assert found.body["tz"] == "UTC"
    assert (found.body["dimension"], found.body["text"]) == ("user", "ac")
    assert found.body["view"]["filter"]["terms"][0]["values"] == ["acme"]


def test_a_question_that_fails_gets_no_answer_and_stops_nothing(serve: FakeServe, terminal: Terminal) -> None:
    serve.answers["/v1/find"] = (503, {"error": {"message": "slow", "type": "internal_server_error"}})
    terminal.start()
    terminal.until(costs(100))
    replies: list[Any] = []
    terminal.feed.find("user", "x", replies.append)
    wait_for(lambda: "/v1/find" in serve.paths())
    serve.answers["/v1/find"] = {"results": []}
    terminal.feed.find("user", "y", replies.append)
    wait_for(lambda: bool(replies))
    assert replies == [()]
    assert not terminal.failures


def test_of_searches_that_wait_only_the_last_is_asked(serve: FakeServe, terminal: Terminal) -> None:
    first, go_on = threading.Event(), threading.Event()

    def slow(asked: Any) -> Any:
        first.set()
        go_on.wait(PATIENCE)
        return {"results": [{"value": asked.body["text"], "name": None, "cost": 1, "request_count": 1}]}

    serve.answers["/v1/find"] = slow
    terminal.start()
    replies: list[Any] = []
    terminal.feed.find("user", "a", replies.append)
    assert first.wait(PATIENCE)
    for text in ("ab", "abc", "abcd"):
        terminal.feed.find("user", text, replies.append)
    go_on.set()
    wait_for(lambda: replies and replies[-1][0].value == "abcd")
    assert [found[0].value for found in replies] == ["a", "abcd"]


@pytest.mark.parametrize("moment", ["streaming", "connecting", "waiting", "asking", "never started"])
def test_stop_ends_at_once_whatever_is_under_way(
    serve: FakeServe, terminal: Terminal, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    released = threading.Event()
    if moment == "connecting":
        serve.scripts = [lambda stream, view: released.wait(PATIENCE)]
    if moment == "waiting":
        monkeypatch.setattr("cost_top.monitor.remote.BACKOFF", (1000.0,))
    if moment == "asking":
        serve.answers["/v1/find"] = lambda asked: (released.wait(PATIENCE), {"results": []})[1]
    if moment != "never started":
        terminal.start()
        wait_for(lambda: bool(serve.views))
    if moment not in ("connecting", "never started"):
        terminal.until(costs(100))
    if moment == "waiting":
        serve.cut()
        terminal.until(stale)
    if moment == "asking":
        terminal.feed.find("user", "x", lambda found: None)
        wait_for(lambda: "/v1/find" in serve.paths())
    feed = terminal.feed
    assert isinstance(feed, RemoteFeed)
    feed.stop()
    assert not any(thread.is_alive() for thread in feed._threads)
    count = len(terminal.snapshots)
    serve.show(composed({**COSTS, "": 999}))
    released.set()
    wait_for(lambda: serve.open_streams == 0)
    assert len(terminal.snapshots) == count
    assert not terminal.failures


def test_a_question_of_several_parts_goes_to_the_server_and_a_refusal_is_told(
    serve: FakeServe, terminal: Terminal
) -> None:  # fmt: skip
    terminal.start()
    told: list[object] = []
    query = ReportQuery(NOW - timedelta(days=1), NOW)
    terminal.feed.ask(lambda answers: answers.report(query).totals.total_cost, told.append, told.append)
    wait_for(lambda: told)
    assert "no such path" in str(told[0])
    serve.answers["/v1/report"] = {
        "results": [],
        "totals": {"total_cost": 1.25},
        "as_of": NOW.isoformat(),
        "row_count": 0,
    }
    terminal.feed.ask(lambda answers: answers.report(query).totals.total_cost, told.append, told.append)
    wait_for(lambda: len(told) > 1)
    assert told[1] == 125 * 10**10


def test_incidents_and_budgets_are_the_servers_and_nonsense_is_refused(serve: FakeServe, terminal: Terminal) -> None:
    terminal.start()
    told: list[Any] = []
    incident = {
        "id": "x", "kind": "spike", "dimension": "token", "value": "k", "name": "web", "closed": None, "sentence": "s",
        "started": "2026-11-20T10:00:00Z", "opened": "2026-11-20T11:00:00Z", "excess_usd": "1.25",
        "peak_usd_per_hour": "0.5",
    }  # fmt: skip
    serve.answers["/v1/incidents"] = {"incidents": [incident]}
    serve.answers["/v1/budgets"] = {"budgets": [{"name": 7}]}
    terminal.feed.incidents(told.append, told.append)
    terminal.feed.budgets(told.append, told.append)
    wait_for(lambda: len(told) > 1)
    assert told[0][0].excess == 125 * 10**10
    assert "not understood" in told[1]
    budget = {"name": "all", "each": None, "value": None, "value_name": None, "limit_usd": "2", "spent_usd": "1",
              "resets_at": None, "mode": "hard", "period": "day"}  # fmt: skip
    for asked in (True, False, None):
        beside = {} if asked is None else {"guard_asked": asked}  # an older server does not tell
        serve.answers["/v1/budgets"] = {"budgets": [budget], **beside}
        terminal.feed.budgets(told.append, told.append)
        wait_for(lambda: len(told) > 2)
        assert told.pop()[0].guard_asked is asked
