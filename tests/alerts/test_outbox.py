"""Events to a real receiver with every fault: tried again on schedule, each under one id, over restarts and kill -9."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import textwrap
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from standardwebhooks.webhooks import Webhook

from cost_top.alerts import pinned
from cost_top.alerts.event import Event, event_id, event_of
from cost_top.alerts.outbox import MOST_WAITING, SCHEDULE, Outbox
from cost_top.alerts.receiver import Receiver
from cost_top.rule_tables import ReceiverTable
from support.webhook_receiver import WebhookReceiver

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()


class Clock:
    """Moves only when told."""

    def __init__(self) -> None:
        self.at = NOW

    def __call__(self) -> datetime:
        return self.at

    def pass_(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


class Bench:
    """An outbox with one receiver, its state in memory as the file would hold it."""

    def __init__(self, url: str, **table) -> None:
        self.clock = Clock()
        self.said: list[str] = []
        self.saved: dict = {}
        settings = {"name": "ops", "url": url, "insecure": True, **table}
        self.receiver = Receiver(ReceiverTable(**settings), url, (SECRET,))
        self.start()

    def start(self) -> None:
        """As after a restart."""
        document = json.loads(json.dumps(self.saved))
        self.outbox = Outbox(document, [self.receiver], "gateway.db", self.save, self.said.append, self.clock())

    def save(self) -> None:
        self.saved = self.outbox.as_json()

    def deliver(self) -> int:
        count = 0
        while self.outbox.deliver_due("ops", self.clock):
            count += 1
        return count


def event(number: int = 1, kind: str = "budget.threshold", at: datetime = NOW, **more) -> Event:
    return Event(
        event_id(kind, number), kind, at, "budget/x", f"budget x has reached {number} %", {"n": number}, **more
    )


@pytest.fixture
def hook():
    with WebhookReceiver() as receiver:
        yield receiver


def test_a_delivered_event_is_signed_and_its_receivers_library_accepts_it(hook):
    bench = Bench(hook.url)
    bench.clock.at = datetime.now(UTC)
    bench.outbox.put([event(at=bench.clock.at)], bench.clock())
    assert bench.deliver() == 1
    (request,) = hook.requests
    body = Webhook(SECRET).verify(request.body, request.headers)
    assert body["type"] == "budget.threshold"
    assert body["data"] == {"n": 1}
    assert request.headers["webhook-id"] == event().id
    assert request.headers["content-type"] == "application/json"
    assert bench.outbox.waiting() == []
    assert bench.said == []


def test_each_secret_signs_so_that_one_can_replace_another(hook):
    bench = Bench(hook.url)
    other = "whsec_" + base64.b64encode(b"x" * 32).decode()
    bench.receiver = Receiver(bench.receiver.table, hook.url, (other, SECRET))
    bench.clock.at = datetime.now(UTC)
    bench.start()
    bench.outbox.put([event(at=bench.clock.at)], bench.clock())
    bench.deliver()
    for secret in (other, SECRET):
        Webhook(secret).verify(hook.requests[0].body, hook.requests[0].headers)


def test_the_same_event_put_twice_is_sent_once(hook):
    bench = Bench(hook.url)
    assert len(bench.outbox.put([event(), event()], NOW)) == 1
    bench.start()
    assert bench.outbox.put([event()], NOW) == []
    bench.deliver()
    bench.start()
    bench.outbox.put([event()], NOW)
    bench.deliver()
    assert len(hook.requests) == 1


@pytest.mark.parametrize("fault", [302, 400, 404, 500, 503, "close", "half", "hang", "late", "trickle"])
def test_a_fault_is_tried_again_after_five_seconds_under_the_same_id(hook, fault, monkeypatch):
    monkeypatch.setattr(pinned.post, "__kwdefaults__", {**pinned.post.__kwdefaults__, "timeout": 0.4})
    hook.answers, hook.late_seconds = [fault, 204], 1.5
    bench = Bench(hook.url)
    bench.outbox.put([event()], NOW)
    assert bench.deliver() == 1
    assert len(bench.said) == 1
    assert "s3cret" not in bench.said[0]
    bench.start()  # a restart in between changes nothing
    bench.clock.pass_(4)
    assert bench.deliver() == 0
    bench.clock.pass_(70)  # throttling answers wait a minute
    assert bench.deliver() == 1
    assert hook.ids() == [event().id] * 2
    assert bench.outbox.waiting() == []


def test_what_waits_is_as_near_as_it_was_when_the_clock_is_set_back(hook):
    hook.answers = [500, 204]
    bench = Bench(hook.url)
    bench.outbox.put([event()], NOW)
    bench.clock.pass_(-3600)
    assert bench.deliver() == 1
    bench.clock.pass_(-86_400)
    assert bench.deliver() == 0
    bench.clock.pass_(10)
    assert bench.deliver() == 1
    assert (hook.ids(), bench.outbox.waiting()) == ([event().id] * 2, [])


def test_more_than_is_kept_costs_those_first_whose_receiver_takes_nothing(hook):
    hook.answers = [500]
    bench = Bench(hook.url)
    bench.outbox.put([event(1, at=NOW + timedelta(minutes=1))], NOW)
    assert bench.deliver() == 1
    bench.outbox.put([event(number) for number in range(2, 2 + MOST_WAITING)], NOW)
    assert [one.event.body["data"]["n"] for one in bench.outbox.waiting()] == list(range(2, 2 + MOST_WAITING))
    assert bench.said[-1] == f"1 events for ops are dropped: more than {MOST_WAITING} wait to be sent"


def test_a_redirect_is_not_followed(hook):
    with WebhookReceiver() as other:
        hook.answers = [(302, {"Location": other.url})]
        bench = Bench(hook.url)
        bench.outbox.put([event()], NOW)
        bench.deliver()
        assert other.requests == []


def test_410_ends_it_until_a_test_or_another_address(hook):
    hook.answers = [410, 204]
    bench = Bench(hook.url)
    bench.outbox.put([event(1), event(2)], NOW)
    assert bench.deliver() == 1
    assert "410" in bench.said[0]
    bench.start()
    bench.outbox.put([event(3)], NOW)
    assert bench.deliver() == 0
    bench.outbox.enable("ops")
    bench.outbox.put([event(4)], NOW)
    assert bench.deliver() == 1


def test_retry_after_holds_for_everything_to_that_receiver(hook):
    hook.answers = [(429, {"Retry-After": "120"}), 204]
    bench = Bench(hook.url)
    bench.outbox.put([event(1), event(2)], NOW)
    assert bench.deliver() == 1
    bench.clock.pass_(119)
    assert bench.deliver() == 0
    bench.clock.pass_(30)
    assert bench.deliver() == 2
    assert sorted(hook.ids()) == sorted([event(1).id, event(1).id, event(2).id])


def test_it_is_given_up_after_a_day_and_said(hook):
    hook.answers = [500]
    bench = Bench(hook.url)
    bench.outbox.put([event()], NOW)
    attempts = 0
    for _ in range(100):
        attempts += bench.deliver()
        bench.clock.pass_(900)
        if attempts == 3:
            bench.start()
    assert bench.outbox.waiting() == []
    assert "given up" in bench.said[-1]
    assert 6 <= attempts <= len(SCHEDULE)


def test_what_waited_too_long_while_nobody_watched_is_not_sent_but_remembered(hook):
    bench = Bench(hook.url)
    bench.outbox.put([event()], NOW)
    bench.clock.pass_(7 * 3600)
    bench.start()
    assert bench.deliver() == 0
    assert "too old" in bench.said[0]
    assert bench.outbox.put([event()], bench.clock()) == []


def test_an_event_that_is_old_when_it_is_found_is_recorded_and_not_sent(hook):
    bench = Bench(hook.url)
    assert len(bench.outbox.put([event(at=NOW - timedelta(hours=7))], NOW)) == 1
    assert bench.deliver() == 0


def test_a_receiver_gets_the_events_it_asked_for_and_those_that_name_it(hook):
    bench = Bench(hook.url, events=["incident.*"], resolved=False)
    bench.outbox.put([event(1), event(2, "incident.opened"), event(3, "incident.closed"), event(4, "receiver.test"),
                      event(5, "incident.opened", notify=("other",)),
                      event(6, "incident.opened", notify=("ops",))], NOW)  # fmt: skip
    bench.deliver()
    assert [json.loads(request.body)["data"]["n"] for request in hook.requests] == [2, 4, 6]


def test_a_chat_gets_one_message_a_second(hook):
    bench = Bench(hook.url, format="slack")
    bench.outbox.put([event(1), event(2)], NOW)
    assert bench.deliver() == 1
    bench.clock.pass_(1)
    assert bench.deliver() == 1


def test_a_state_of_nonsense_waits_for_nothing(hook):
    bench = Bench(hook.url)
    bench.saved = {"outbox": [3, {"event": {}}, {"event": None, "receiver": "ops"}], "done": [1], "disabled": {}}
    bench.start()
    assert bench.deliver() == 0


def test_an_event_survives_the_state_file():
    assert event_of(json.loads(json.dumps(event(notify=("ops",)).as_json()))) == event(notify=("ops",))


# kill -9 between sending and noting that it was sent

_RUN = textwrap.dedent("""
    import os, signal, sys, time
    from datetime import UTC, datetime
    from pathlib import Path
    from cost_top.alerts.event import Event, event_id
    from cost_top.alerts.outbox import Outbox
    from cost_top.alerts.receiver import Receiver
    from cost_top.rule_tables import ReceiverTable
    from cost_top.state.state_file import StateFile

    path, url, die = Path(sys.argv[1]), sys.argv[2], sys.argv[3] == "die"
    state = StateFile(path)
    document = state.open()
    table = ReceiverTable("ops", url=url, insecure=True)
    now = lambda: datetime.now(UTC)
    outbox = Outbox(document, [Receiver(table, url)], "s", lambda: state.save(outbox.as_json()), print, now())
    at = datetime.now(UTC)
    outbox.put([Event(event_id("a", "same"), "budget.threshold", at, "s", "t", {})], at)
    if die:
        outbox._note = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
    while outbox.deliver_due("ops", now):
        pass
""")


def test_killed_between_sending_and_noting_the_same_id_comes_again(hook, tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2] / "src")}

    def run(how: str) -> int:
        command = [sys.executable, "-c", _RUN, str(tmp_path / "watch.json"), hook.url, how]
        return subprocess.run(command, env=environment, timeout=180, check=False).returncode

    assert run("die") == -signal.SIGKILL
    assert run("live") == 0
    assert run("live") == 0
    assert len(hook.requests) == 2
    assert len(set(hook.ids())) == 1
