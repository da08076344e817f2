"""The ledger beside a native log: sums, the running balance row by row, and debits held against the logged cost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from click.testing import CliRunner

from cost_top.cli.doctor import command as doctor
from cost_top.insight.ledger import Reconciliation, ledger_problems, ledger_told, reconciliation_line
from cost_top.model.errors import CannotAnswer
from cost_top.model.filter import Filter, parse_filter, value_term
from cost_top.model.ledger import LedgerQuery
from cost_top.model.native import DDL, LEDGER_DDL
from cost_top.model.secret import public_key
from cost_top.monitor.log.answers import LogAnswers
from cost_top.monitor.log.notes import read_ledger
from cost_top.pricing.book import RateBook
from cost_top.serve.insight_shapes import LedgerAnswer
from cost_top.serve.shapes import CreditsAnswer
from cost_top.serve.tokens import digest_of
from cost_top.sources.cost_top.client import CostTopClient
from cost_top.sources.sql.log import open_log
from support.native_log import NativeLog
from support.served import served

USD = 10**12
SECRET = {"all": "a" * 16, "part": "p" * 16}
BEGIN = datetime.now(UTC).replace(microsecond=0) - timedelta(days=2)
Entry = tuple[str, int, str, Any, Any, str | None]


def entries(log: NativeLog, *rows: Entry) -> None:
    """Rows of id, minutes since the beginning, kind, amount, balance and key."""
    with log.connection:
        log.connection.executescript(LEDGER_DDL)
        log.connection.executemany(
            "INSERT INTO cost_top_ledger (id, time_ms, kind, amount_pico_usd, balance_pico_usd, token) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            [(id_, ms(minute), *more) for id_, minute, *more in rows],
        )


def ms(minute: int) -> int:
    return int((BEGIN + timedelta(minutes=minute)).timestamp() * 1000)


def at(minute: int) -> str:
    return (BEGIN + timedelta(minutes=minute)).isoformat().replace("+00:00", "Z")


def request(log: NativeLog, minute: int, cost: int | None, **more: Any) -> None:
    log.add(time_ms=ms(minute), **{"provider": "openai", "model": "gpt-4o", "cost_pico_usd": cost, **more})


@pytest.fixture
def log(tmp_path) -> Iterator[NativeLog]:
    """Ten dollars bought, three requests of a dollar debited at $2.90, one of a customer's own key, two newer ones."""
    log = NativeLog(tmp_path / "gateway.db")
    request(log, -10, 5 * USD)  # before the ledger began
    for minute in (1, 2, 3):
        request(log, minute, USD)
    request(log, 3, 7 * USD, credential_type="byok")
    for minute in (20, 21):
        request(log, minute, USD)
    yield log
    log.close()


LINES: tuple[Entry, ...] = (
    ("e1", 0, "purchase", 10 * USD, 10 * USD, None),
    ("e2", 5, "usage_debit", -2 * USD, 8 * USD, None),
    ("e3", 6, "usage_debit", -9 * USD // 10, 71 * USD // 10, None),
    ("e4", 30, "adjustment", USD, None, None),
)


def read(log: NativeLog) -> Any:
    return read_ledger(open_log(str(log.path), None), LedgerQuery(100))


def test_against_a_cost_that_is_a_lower_bound_the_difference_is_an_upper_one():
    found = Reconciliation(BEGIN, BEGIN, debits=3 * 10**12, logged=10**12, unpriced=2, newer=0)
    assert reconciliation_line(found) == (
        "ledger debits $3.00, logged cost ≥ $1.00 in the same span, difference ≤ $2.00; 2 requests unpriced"
    )


def test_a_server_gives_the_ledger_held_against_the_log(tmp_path, log):
    entries(log, *LINES)
    tokens = tmp_path / "tokens.toml"
    tokens.write_text("".join(
        f'[[tokens]]\nname = "{name}"\nsha256 = "{digest_of(secret).hex()}"\n'
        + ('where = "user:u1"\n' if name == "part" else "")
        for name, secret in SECRET.items()
    ))  # fmt: skip
    tokens.chmod(0o600)
    with served(tmp_path, log.path, "--tokens", tokens) as server:
        answer = server.get("/v1/ledger", SECRET["all"]).json()
        LedgerAnswer.model_validate(answer)
        assert answer["balance_usd"] == "8.1"
        assert answer["used_up_at"] is None, "two days tell no pace"
        assert answer["sums"] == [
            {"kind": "adjustment", "amount_usd": "1", "entries": 1},
            {"kind": "purchase", "amount_usd": "10", "entries": 1},
            {"kind": "usage_debit", "amount_usd": "-2.9", "entries": 2},
        ]
        assert (answer["balances_checked"], answer["balances_wrong"], answer["notes"]) == (3, 0, [])
        held = answer["reconciliation"]
        assert (held["debits_usd"], held["logged_cost_usd"], held["difference_usd"]) == ("2.9", "3", "-0.1")
        assert held["line"] == (
            "ledger debits $2.90, logged cost $3.00 in the same span, difference -$0.1000 (3.33 %): "
            "2 requests newer than the last debit"
        )
        assert [one["id"] for one in answer["entries"]] == ["e4", "e3", "e2", "e1"]
        assert [one["id"] for one in server.get("/v1/ledger", SECRET["all"], limit=1).json()["entries"]] == ["e4"]
        assert server.get("/v1/ledger", SECRET["part"]).status_code == 403
        assert server.get("/v1/ledger", SECRET["all"], limit=0).status_code == 400
        for name in ("model", "user_id", "tags", "where"):
            refused = server.get("/v1/ledger", SECRET["all"], **{name: "model:x"})
            assert (refused.status_code, refused.json()["error"]["param"]) == (400, name)
        assert server.get("/v1/ledger", SECRET["all"], until="now").status_code == 400
        part = server.get("/v1/ledger", SECRET["all"], since=at(2), until=at(6)).json()
        LedgerAnswer.model_validate(part)
        assert ([one["id"] for one in part["entries"]], part["balance_usd"]) == (["e2"], "8")
        assert part["sums"] == [{"kind": "usage_debit", "amount_usd": "-2", "entries": 1}]
        held = part["reconciliation"]  # requests at the second and third minute, none after the debit
        assert (held["debits_usd"], held["logged_cost_usd"], held["newer_requests"]) == ("2", "2", 0)
        assert datetime.fromisoformat(held["since"]) == BEGIN + timedelta(minutes=2)


def test_a_log_without_a_ledger_is_not_found(tmp_path, log):
    with served(tmp_path, log.path) as server:
        assert server.get("/v1/ledger").status_code == 404
        assert server.get("/v1/credits").status_code == 404
        with closing(CostTopClient(server.url, "")) as client, pytest.raises(CannotAnswer, match="no ledger"):
            client.ledger_told(LedgerQuery())


def test_the_balance_and_when_it_is_used_up_stand_in_the_credits_and_reach_a_screen_over_http(tmp_path, log):
    entries(log, *LINES)
    for day in range(1, 6):
        request(log, -day * 1440, USD)
    request(log, 2870, USD)  # ten minutes ago
    with served(tmp_path, log.path, "--tz", "UTC") as server, closing(CostTopClient(server.url, "")) as client:
        credits = server.get("/v1/credits").json()
        CreditsAnswer.model_validate(credits)
        assert (credits["balance"], credits["total_used"]) == ("8.10", "2.90")
        now = datetime.now(UTC)
        usual, present = (
            datetime.fromisoformat(credits[name]) - now for name in ("used_up_at", "used_up_at_present_pace")
        )
        assert timedelta(hours=7.9) < present < timedelta(hours=8.1) < usual < timedelta(days=9)
        answers = LogAnswers(lambda: open_log(str(log.path), None), lambda: RateBook.load(None), None)
        query = LedgerQuery(9, BEGIN + timedelta(minutes=2))
        here, there = ledger_told(answers, query, now, UTC), ledger_told(client, query, now, UTC)
        assert here.used_up is not None
        assert there.used_up is not None
        assert abs(here.used_up - there.used_up) < timedelta(hours=1)
        assert replace(there, used_up=None, used_up_now=None) == replace(here, used_up=None, used_up_now=None)
        assert here.balance == 81 * USD // 10
        assert "ledger debits $2.90, logged cost $2.00 in the same span" in (here.reconciliation or "")
        assert answers.credits() is not None


def test_a_balance_that_does_not_follow_is_named(log):
    more = [("e3", 6, "usage_debit", -USD, 6 * USD, None), ("e4", 7, "usage_debit", -USD, 5 * USD, None)]
    entries(log, *LINES[:2], *more)
    ledger = read(log)
    assert (ledger.checked, ledger.breaks, ledger.broken_ids) == (4, 1, ("e3",))
    assert ledger_problems(ledger) == ["1 ledger balances do not follow from the entry before (e3)"]
    assert ledger.balance == 5 * USD


def test_a_balance_for_each_key_is_checked_by_key(log):
    entries(
        log,
        ("a1", 0, "purchase", 10 * USD, 10 * USD, "a"), ("b1", 1, "purchase", 5 * USD, 5 * USD, "b"),
        ("a2", 2, "usage_debit", -USD, 9 * USD, "a"), ("b2", 3, "usage_debit", -2 * USD, 3 * USD, "b"),
    )  # fmt: skip
    ledger = read(log)
    assert (ledger.checked, ledger.breaks, ledger.balance) == (4, 0, 12 * USD)


def test_the_entries_of_some_keys_are_asked_for_by_their_ids(log):
    entries(
        log, ("a1", 0, "purchase", 10 * USD, 10 * USD, "key-a"), ("a2", 2, "usage_debit", -USD, 9 * USD, "key-a"),
        ("b1", 3, "usage_debit", -USD, 8 * USD, "key-b"), ("n1", 4, "usage_debit", -USD, 7 * USD, None),
    )  # fmt: skip
    source = open_log(str(log.path), None)
    for text, ids in (
        ("token:key-a", ["a2", "a1"]),
        ("token:key-*", ["b1", "a2", "a1"]),
        ("-token:key-a", ["n1", "b1"]),
    ):
        found = read_ledger(source, LedgerQuery(9, where=parse_filter(text)))
        assert [one.id for one in found.newest] == ids
        assert (found.balance, found.checked, found.breaks) == (None, 4, 0)


def test_a_secret_key_is_asked_for_by_what_is_shown_of_it_and_by_itself(log):
    secret = "sk-proj-abcdefghij0123456789"
    entries(log, ("a1", 0, "usage_debit", -USD, None, secret), ("b1", 1, "usage_debit", -USD, None, "key-b"))
    source = open_log(str(log.path), None)
    (_, shown) = (one.token for one in read_ledger(source, LedgerQuery(9)).newest)
    assert shown == public_key(secret)
    for term in (value_term("token", shown), value_term("token", secret), *parse_filter(f"token:{secret}").terms):
        found = read_ledger(source, LedgerQuery(9, where=Filter((term,))))
        assert [one.id for one in found.newest] == ["a1"]
        others = read_ledger(source, LedgerQuery(9, where=Filter((replace(term, negated=True),))))
        assert [one.id for one in others.newest] == ["b1"]


def test_entries_of_one_instant_may_stand_in_any_order(log):
    entries(
        log,
        ("m", 0, "purchase", 10 * USD, 10 * USD, None), ("z", 1, "usage_debit", -USD, 9 * USD, None),
        ("a", 1, "usage_debit", -2 * USD, 7 * USD, None), ("q", 2, "usage_debit", -USD, 6 * USD, None),
    )  # fmt: skip
    assert read(log).breaks == 0


def test_what_cannot_be_read_is_in_no_sum_and_said(log):
    entries(
        log,
        ("e1", 0, "purchase", 10 * USD, None, None), ("e2", 1, "purchase", "a lot", None, None),
        ("e3", 2, "gift", 3 * USD, None, None), ("e4", 3, "usage_debit", 1.5, None, None),
    )  # fmt: skip
    ledger = read(log)
    assert {each.kind: each.amount for each in ledger.sums} == {"purchase": 10 * USD, "gift": 3 * USD}
    assert (ledger.unreadable, ledger.balance, ledger.last_debit) == (2, None, None)
    assert ledger_problems(ledger) == [
        "2 ledger entries have no time or no whole amount: they are in no sum",
        "1 ledger entries are of no known kind",
    ]


def test_a_kind_of_its_own_that_is_called_balance_is_named_and_counted(log):
    entries(log, ("e0", -1, "balance", 3 * USD, None, None), *LINES)
    ledger = read(log)
    assert {each.kind: each.amount for each in ledger.sums}["balance"] == 3 * USD
    assert ledger.balance == 81 * USD // 10, "as the entries with a balance say"
    assert "1 ledger entries are of no known kind" in ledger_problems(ledger)


def test_doctor_says_what_does_not_hold_together(log, tmp_path):
    (tmp_path / "config.toml").touch()
    arguments = [str(log.path), "--no-cache", "--config", str(tmp_path / "config.toml")]
    assert "ledger" not in CliRunner().invoke(doctor, arguments).output
    entries(log, *LINES)
    told = CliRunner().invoke(doctor, arguments).output
    assert "2 usage_debit -$2.90; balance $8.10" in told
    assert "ledger debits $2.90, logged cost $3.00 in the same span" in told
    assert "do not follow" not in told
    log.run("UPDATE cost_top_ledger SET balance_pico_usd = 1 WHERE id = 'e2'")
    done = CliRunner().invoke(doctor, arguments)
    assert done.exit_code == 1
    assert "2 ledger balances do not follow from the entry before (e2, e3)" in done.output


def test_a_postgresql_log_has_it_too(postgres_url):
    import psycopg

    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(DDL)
        assert read_ledger(open_log(postgres_url, None), LedgerQuery(2)) is None
        connection.execute(LEDGER_DDL)
        for id_, minute, *more in LINES:
            connection.execute(
                "INSERT INTO cost_top_ledger VALUES (%s, %s, %s, %s, %s, %s, NULL)", [id_, ms(minute), *more]
            )
    ledger = read_ledger(open_log(postgres_url, None), LedgerQuery(2))
    assert ledger is not None
    assert [(each.kind, each.amount) for each in ledger.sums] == [
        ("adjustment", USD), ("purchase", 10 * USD), ("usage_debit", -29 * USD // 10),
    ]  # fmt: skip
    assert (ledger.balance, ledger.breaks, len(ledger.newest)) == (81 * USD // 10, 0, 2)
