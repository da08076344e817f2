"""`cost-top watch` as a process over a real log and a real receiver."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from support.guarded import spend, wait_until
from support.native_log import NativeLog
from support.webhook_receiver import WebhookReceiver

CONFIG = """\
tz = "UTC"
[watch]
notify = ["ops"]
[[budgets]]
name = "user-day"
each = "user"
limit = "1.00"
period = "day"
at = [50, 100]
[[receivers]]
name = "ops"
url = "{url}"
insecure = true
"""


class Place:
    """A folder with a log and a config; commands run in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = NativeLog(folder / "gateway.db")
        self.config = folder / "config.toml"

    def command(self, *more: str) -> list[str]:
        return [sys.executable, "-m", "cost_top", "watch", str(self.log.path), "--config", str(self.config), *more]

    @property
    def environment(self) -> dict[str, str]:
        plain = {name: value for name, value in os.environ.items() if not name.startswith("COST_TOP")}
        return {**plain, "COST_TOP_CACHE": str(self.folder / "cache"), "COST_TOP_STATE": str(self.folder / "state")}

    def run(self, *more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(self.command(*more), env=self.environment, capture_output=True, text=True, timeout=120,
                              check=False)  # fmt: skip

    def start(self, *more: str) -> subprocess.Popen[str]:
        return subprocess.Popen(self.command(*more), env=self.environment, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True)  # fmt: skip


@pytest.fixture
def place(tmp_path):
    place = Place(tmp_path)
    yield place
    place.log.close()


@pytest.fixture
def hook():
    with WebhookReceiver() as receiver:
        yield receiver


def test_once_tells_delivers_and_exits_with_3_and_says_it_no_second_time(place, hook):
    place.config.write_text(CONFIG.format(url=hook.url))
    spend(place.log, "ann", 1.2)
    spend(place.log, "bob", 0.6)
    done = place.run("--once")
    assert done.returncode == 3, done.stderr
    assert "budget user-day · ann has reached 100 %" in done.stdout
    bodies = [json.loads(request.body) for request in hook.requests]
    assert sorted((body["data"]["value"], body["data"]["threshold_percent"]) for body in bodies) == [
        ("ann", 100), ("bob", 50),
    ]  # fmt: skip
    again = place.run("--once", "--format", "json")
    assert again.returncode == 3
    assert [one["value"] for one in json.loads(again.stdout)["budgets"]] == ["ann", "bob"]
    assert len(hook.requests) == 2


def test_live_events_come_as_they_happen_and_once_over_a_kill(place, hook):
    place.config.write_text(CONFIG.format(url=hook.url))
    spend(place.log, "ann", 0.4)
    with place.start("--format", "jsonl") as watch:
        try:
            assert "1 budget, 1 receiver," in watch.stderr.readline()
            spend(place.log, "ann", 0.2)
            wait_until(lambda: len(hook.requests) == 1, 60)
            event = json.loads(watch.stdout.readline())
            assert (event["type"], event["data"]["value"]) == ("budget.threshold", "ann")
            assert hook.ids() == [event["id"]]
            second = place.run("--once")
            assert second.returncode == 2
            assert "another cost-top watch uses it" in second.stderr
            assert len(second.stderr.splitlines()) == 1
        finally:
            watch.kill()
    with place.start() as watch:
        try:
            watch.stderr.readline()
            spend(place.log, "ann", 0.5)
            wait_until(lambda: len(hook.requests) == 2, 60)
            assert json.loads(hook.requests[1].body)["data"]["threshold_percent"] == 100
            watch.send_signal(signal.SIGTERM)
            assert watch.wait(90) == 0
        finally:
            watch.kill()
    assert max(Counter(hook.ids()).values()) == 1


def test_nothing_is_sent_where_nothing_is_to_be(place, hook):
    place.config.write_text(CONFIG.format(url=hook.url))
    spend(place.log, "ann", 2)
    assert place.run("--once", "--no-deliver").returncode == 3
    assert hook.requests == []


def test_a_log_without_trouble_exits_with_0(place, hook):
    place.config.write_text(CONFIG.format(url=hook.url))
    spend(place.log, "ann", 0.1)
    done = place.run("--once")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_receiver_can_be_tried(place, hook):
    place.config.write_text(CONFIG.format(url=hook.url))
    done = place.run("--test", "ops")
    assert done.returncode == 0, done.stderr
    assert "took it" in done.stdout
    assert json.loads(hook.requests[0].body)["type"] == "receiver.test"
    hook.answers = [500]
    failed = place.run("--test", "ops")
    assert failed.returncode == 2
    assert "answered 500" in failed.stderr
    assert "s3cret" not in done.stdout + failed.stderr
    assert "no such receiver" in place.run("--test", "nope").stderr


def test_bad_input_is_one_line(place, hook):
    place.config.write_text(CONFIG.format(url=hook.url) + 'secret_variable = "NOT_SET"\n')
    spend(place.log, "ann", 0.1)
    for arguments, said in [(("--once",), "NOT_SET is not set"), (("--until", "now"), "--until goes with --replay"),
                            (("--replay", "1d", "--once"), "--once and --state are of a live watch")]:  # fmt: skip
        done = place.run(*arguments)
        assert done.returncode == 2
        assert said in done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_a_replay_tells_when_budgets_would_have_spoken(place, hook):
    place.config.write_text(CONFIG.format(url=hook.url))
    start = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=3)
    for minute, cost in ((61, 0.3), (62, 0.3), (130, 0.5), (24 * 60 + 2, 0.6)):
        at = int((start + timedelta(minutes=minute)).timestamp() * 1000)
        spend(place.log, "ann", cost, time_ms=at)
    done = place.run("--replay", start.isoformat(), "--format", "json", "--no-cache", "--tz", "UTC")
    assert done.returncode == 0, done.stderr
    found = [(one["name"], one["value"], one["threshold"], one["at"]) for one in json.loads(done.stdout)["budgets"]]
    day = start + timedelta(days=1)
    assert found == [
        ("user-day", "ann", 50, f"{start:%Y-%m-%d}T01:05:00Z"), ("user-day", "ann", 100, f"{start:%Y-%m-%d}T02:15:00Z"),
        ("user-day", "ann", 50, f"{day:%Y-%m-%d}T00:05:00Z"),
    ]  # fmt: skip
