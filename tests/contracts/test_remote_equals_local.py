"""A terminal on a server shows what a terminal on the log shows: the real command, a real log, the same figures."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from cost_top.insight.waste import waste_page, waste_view
from cost_top.model.engine import Position
from cost_top.model.errors import UserError
from cost_top.model.feed import Feed
from cost_top.model.filter import parse_filter, value_term
from cost_top.model.query import ReportQuery
from cost_top.model.request_row import RequestRow
from cost_top.model.snapshot import Live, Snapshot, Stale
from cost_top.model.view import Crumb, View
from cost_top.model.wire import LENS_NAMES
from cost_top.monitor.feed import Monitor
from cost_top.monitor.log.answers import LogAnswers
from cost_top.monitor.log.hub import LogHub
from cost_top.monitor.remote import RemoteFeed
from cost_top.pricing.book import RateBook
from cost_top.sources.cost_top.client import CostTopClient
from cost_top.sources.sql.log import open_log
from support.native_log import NativeLog
from support.other_process import run_sql
from support.served import environment, served, write_traffic

PATIENCE = 120.0
BERLIN, KATHMANDU = ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Kathmandu")


@dataclass
class Screen:
    """A face that keeps the newest snapshot."""

    feed: Feed
    shown: list[Snapshot] = field(default_factory=list)
    failures: list[UserError] = field(default_factory=list)

    def start(self, view: View) -> None:
        self.feed.on_failure = self.failures.append
        self.feed.start(self.shown.append, view)

    def settled(self, view: View) -> Snapshot | None:
        """The snapshot of a view once it is whole."""
        assert not self.failures
        last = self.shown[-1] if self.shown else None
        if last is None or last.view != view or last.filling is not None or not isinstance(last.state, Live):
            return None
        return last


def wait_for(is_right: Callable[[], Any], told: Callable[[], object] = lambda: "", seconds: float = PATIENCE) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := is_right()):
        assert time.monotonic() < deadline, f"never came right: {told()}"
        time.sleep(0.01)
    return found


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    written = NativeLog(tmp_path_factory.mktemp("remote") / "gateway.db")
    write_traffic(written, count=1_500, days=35)
    # The last hours are dense enough for every minute of the burn rate.
    written.run(
        "UPDATE cost_top_requests SET time_ms = (SELECT max(time_ms) FROM cost_top_requests) - (rowid % 90) * 60000 "
        "WHERE rowid % 10 = 0"
    )
    # Another process serves it, this one reads it: nobody writes with a second copy of SQLite.
    written.close()
    return written.path


@pytest.fixture(scope="module")
def url(log: Path) -> Iterator[str]:
    with served(log.parent, log, "--interval", "1") as server:
        yield server.url


@pytest.fixture(scope="module")
def here(log: Path) -> LogAnswers:
    """The log, asked directly."""
    return LogAnswers(lambda: open_log(str(log)), lambda: RateBook.load(None), log.parent / "own-cache")


@pytest.fixture
def there(url: str) -> Iterator[CostTopClient]:
    """The server, asked the same."""
    client = CostTopClient(url, "")
    yield client
    client.close()


def local_feed(log: Path, zone: tzinfo) -> Feed:
    hub = LogHub(lambda: open_log(str(log)), lambda: RateBook.load(None), interval=1.0, cache=None)
    return Monitor(hub, zone)


def remote_feed(url: str, zone: tzinfo) -> Feed:
    return RemoteFeed(lambda: CostTopClient(url, ""), zone)


def differences(local: Snapshot | None, remote: Snapshot | None) -> dict[str, Any]:
    """The fields that do not say the same; the source is named differently on purpose."""
    if local is None or remote is None:
        return {"settled": (local is not None, remote is not None)}
    return {
        each.name: (getattr(local, each.name), getattr(remote, each.name))
        for each in fields(Snapshot)
        if each.compare and each.name != "source" and getattr(local, each.name) != getattr(remote, each.name)
    }


NOW = datetime.now(UTC).replace(microsecond=0)
CLOSED = NOW - timedelta(days=3, hours=5)
NOBODY = Crumb("user", "no user", value_term("user", None))
VIEWS = [
    View(),
    View(window="24h", lenses=LENS_NAMES, tab="tag"),
    View(window="7d", end=CLOSED, lenses=LENS_NAMES, row_limit=3),
    View(window="mtd", filter=parse_filter("tag:prod -model:gpt* status:<400"), lenses=("provider", "tag", "user")),
    View(window="30d", crumbs=(NOBODY,), sort=(("model", "request_count", False), ("endpoint", "key", True))),
    View(window="7d", filter=parse_filter('user:"ac*me","a,b" cost:>0.2'), lenses=LENS_NAMES),
    View(window="1h", mark=NOW - timedelta(minutes=40), row_limit=20),
    View(window="30d", end=CLOSED, filter=parse_filter("été")),
    View(window="24h", filter=parse_filter("user:nobody-at-all")),
    View(window="24h", filter=parse_filter("source:gate*.db tag:prod")),
    View(window="24h", filter=parse_filter("-source:gateway.db")),
]


NOT_THERE = ("user:nobody-at-all", "-source:gateway.db")


@pytest.mark.parametrize("zone", [UTC, KATHMANDU], ids=str)
def test_every_view_is_the_same_from_afar(log: Path, url: str, zone: tzinfo) -> None:
    local, remote = Screen(local_feed(log, zone)), Screen(remote_feed(url, zone))
    try:
        for view in VIEWS:
            for screen in (local, remote):
                screen.feed.look(view) if screen.shown else screen.start(view)

            def differ(view: View = view) -> dict[str, Any]:
                return differences(local.settled(view), remote.settled(view))

            # Both turn over to the next minute, but not in the same instant.
            wait_for(lambda: not differ(), differ)
            arrived, here = remote.settled(view), local.settled(view)
            assert arrived is not None
            assert here is not None
            assert arrived.spend.measures.total_cost > 0 or str(view.filter) in NOT_THERE
            assert [lens.dimension for lens in arrived.lenses] == list(view.lenses)
            if view.end is not None:
                assert arrived.period == here.period
                assert [lens.period for lens in arrived.lenses] == [lens.period for lens in here.lenses]
            assert arrived.source.startswith("gateway.db @ 127.0.0.1:")
    finally:
        for screen in (local, remote):
            screen.feed.stop()


def test_pickers_and_unpriced_models_are_the_same(log: Path, url: str) -> None:
    view = View(window="7d", filter=parse_filter("-status:429"), end=CLOSED)
    screens = [Screen(local_feed(log, UTC)), Screen(remote_feed(url, UTC))]
    replies: list[dict[str, Any]] = [{}, {}]
    try:
        for screen, told in zip(screens, replies, strict=True):
            screen.start(view)
            wait_for(lambda screen=screen: screen.settled(view))
            for dimension, text in (("user", "A"), ("token", "name of k1"), ("tag", ""), ("model", "no such")):
                screen.feed.find(dimension, text, lambda found, told=told, name=dimension: told.update({name: found}))
                wait_for(lambda told=told, name=dimension: name in told)
            screen.feed.unpriced(lambda models, told=told: told.update(unpriced=models))
            wait_for(lambda told=told: "unpriced" in told)
    finally:
        for screen in screens:
            screen.feed.stop()
    assert replies[0] == replies[1]
    assert replies[0]["user"]
    assert replies[0]["unpriced"]


QUERIES = [
    {},
    {"group_by": ("provider",)},
    {"group_by": ("day", "token"), "zone": BERLIN},
    {"group_by": ("hour",), "sort": "hour", "descending": False},
    {"group_by": ("hour", "token_name"), "zone": KATHMANDU, "limit": 50},
    {"group_by": ("minute", "status"), "limit": 9, "zone": BERLIN, "sort": "error_count"},
    {"group_by": ("tag", "user"), "where": 'user:"ac*me","a,b" -tag:dev'},
    {"group_by": ("model", "credential_type"), "sort": "latency_p95", "descending": False, "limit": 4},
    {"group_by": ("endpoint", "owner", "team", "token"), "where": "unpriced:no cost:>0.3", "limit": 5},
    {"group_by": ("user",), "sort": "user", "descending": True},
    {"group_by": ("user", "model"), "sort": "tokens", "limit": 4},
    {"group_by": ("model",), "sort": "tokens", "descending": False, "limit": 2},
    {"group_by": ("user",), "where": "user:nobody-at-all"},
]


@pytest.mark.parametrize("asked", QUERIES, ids=lambda asked: "-".join(asked.get("group_by", ())) or "total")
def test_reports_are_the_same(here: LogAnswers, there: CostTopClient, asked: dict[str, Any]) -> None:
    query = query_of(asked)
    # What keeps the figures from being plain a server tells in its notes.
    local, remote = replace(here.report(query), trust=None), there.report(query)
    assert remote == local
    assert (remote.totals.total_cost > 0) == ("nobody" not in str(query.where))


def test_unpriced_models_of_a_query_are_the_same(here: LogAnswers, there: CostTopClient) -> None:
    query = query_of({"where": "-tag:dev", "descending": False})
    assert there.unpriced(query) == here.unpriced(query)
    assert there.unpriced(query)


def query_of(asked: dict[str, Any]) -> ReportQuery:
    plain = ReportQuery(NOW - timedelta(days=20, microseconds=-1), CLOSED)
    return replace(plain, **{**asked, "where": parse_filter(asked.get("where", ""))})


@pytest.mark.parametrize(("size", "sort"), [(7, "time"), (200, "time"), (40, "cost")])
def test_requests_are_the_same_page_by_page(here: LogAnswers, there: CostTopClient, size: int, sort: str) -> None:
    query = ReportQuery(
        NOW - timedelta(days=9), CLOSED, where=parse_filter("provider:openai -cache_hit:yes"), sort=sort, limit=size
    )
    pages: list[list[RequestRow]] = [[], []]
    for answers, rows in zip((here, there), pages, strict=True):
        after: Position | None = None
        for _ in range(4):
            page = answers.requests(query, after)
            rows.extend(page.rows)
            after = page.following
            if after is None:
                break
    assert pages[0]
    assert pages[1] == pages[0]


def test_waste_and_the_requests_behind_it_are_the_same(here: LogAnswers, there: CostTopClient) -> None:
    query = ReportQuery(NOW - timedelta(days=9), CLOSED, limit=4)
    local, remote = waste_view(here, query), waste_view(there, query)
    assert (remote.rows, remote.totals) == (local.rows, local.totals)
    for line in ("failed_but_paid", "total"):
        pages: list[list[RequestRow]] = [[], []]
        for answers, rows in zip((here, there), pages, strict=True):
            after: Position | None = None
            for _ in range(3):
                page = waste_page(answers, query, line, after)
                rows.extend(page.rows)
                after = page.following
                if after is None:
                    break
        assert len(pages[0]) > 4, line
        assert pages[1] == pages[0]


def test_the_command_prints_the_same_of_either(log: Path, url: str) -> None:
    printed = []
    period = ("--since", (NOW - timedelta(days=12)).isoformat(), "--until", CLOSED.isoformat())
    options = ("--group-by", "day,provider,token", "--tz", "Europe/Berlin", "--where", "-team:red", "--format", "json")
    for source in (log, url):
        done = subprocess.run(
            [sys.executable, "-m", "cost_top", "report", str(source), *period, *options], capture_output=True,
            text=True, env=environment(log.parent), cwd=log.parent, timeout=180, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        printed.append(json.loads(done.stdout))
    for one in printed:
        one.pop("source", None)
        one.pop("as_of", None)
    assert printed[0] == printed[1]


def test_a_new_request_is_on_the_remote_screen_and_lives_through_a_restart(tmp_path: Path) -> None:
    written = NativeLog(tmp_path / "gateway.db")
    write_traffic(written, count=300, days=2)
    written.close()
    view = View(window="24h", row_limit=5)
    with served(tmp_path, written.path, "--interval", "1") as server:
        port = server.url.rpartition(":")[2].strip("/")
        screen = Screen(remote_feed(server.url, UTC))
        screen.start(view)
        try:
            before = wait_for(lambda: screen.settled(view))
            insert_now(written.path, "new-1")
            newest = wait_for(lambda: shows(screen, before, 1))
            assert newest.spend.measures.total_cost - before.spend.measures.total_cost == 1_234_567_890_123
            server.end()
            stale = wait_for(lambda: screen.shown[-1] if isinstance(screen.shown[-1].state, Stale) else None)
            assert stale.spend == newest.spend, "the last figures stay"
            insert_now(written.path, "new-2")
            with served(tmp_path, written.path, "--interval", "1", "--port", port):
                screen.feed.refresh()  # rather than when the patience is over
                wait_for(lambda: shows(screen, before, 2) and screen.settled(view))
        finally:
            screen.feed.stop()
        assert not screen.failures


def insert_now(log: Path, identity: str) -> None:
    """One more request, written by another process as a gateway does."""
    stamp = int(datetime.now(UTC).timestamp() * 1000)
    run_sql(
        log,
        "INSERT INTO cost_top_requests (id, time_ms, provider, model, cost_pico_usd, status) "
        f"VALUES ('{identity}', {stamp}, 'openai', 'gpt-4o', 1234567890123, 200)",
    )


def shows(screen: Screen, before: Snapshot, more: int) -> Snapshot | None:
    """The newest snapshot once it has so many more requests."""
    last, known = screen.shown[-1], before.spend.measures.request_count
    return last if last.spend.measures.request_count == (known or 0) + more else None
