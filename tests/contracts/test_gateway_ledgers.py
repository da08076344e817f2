"""The books that new-api and llmgateway keep, on the databases they run on, held against their logs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner

from cost_top.cli.doctor import command as doctor
from cost_top.insight.ledger import reconciled, reconciliation_line
from cost_top.model.ledger import Ledger, LedgerQuery
from cost_top.monitor.log.answers import LogAnswers
from cost_top.monitor.log.notes import read_ledger
from cost_top.pricing.book import RateBook
from cost_top.sources.sql import ledger as ledger_reading
from cost_top.sources.sql.log import open_log
from support.gateway_shapes import NEW_API
from support.log_writers import LogWriter, mysql_writer, postgres_writer, sqlite_writer
from support.logical import POINTS_PER_DOLLAR, requests
from support.scratch import scratch

USD = 10**12
NOW = datetime.now(UTC).replace(microsecond=0)
TOP_UPS = {
    "id": "int", "user_id": "int", "amount": "int", "money": "real", "trade_no": "key", "payment_method": "key",
    "payment_provider": "key", "create_time": "int", "complete_time": "int", "status": "key",
}  # fmt: skip
CODES = {"id": "int", "key": "key", "status": "int", "name": "key", "quota": "int", "redeemed_time": "int",
         "used_user_id": "int"}  # fmt: skip


def at(days: float) -> int:
    return int((NOW - timedelta(days=days)).timestamp())


def sums(ledger: Ledger | None) -> dict[str, tuple[int, int]]:
    assert ledger is not None
    return {each.kind: (each.entries, each.amount) for each in ledger.sums}


@pytest.fixture(params=["sqlite", "mysql", "postgresql"])
def writer(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LogWriter]:
    with ExitStack() as stack:
        if request.param == "sqlite":
            yield stack.enter_context(sqlite_writer(tmp_path))
        elif request.param == "mysql":
            yield stack.enter_context(mysql_writer(request.getfixturevalue("mariadb_server")))
        else:
            yield stack.enter_context(postgres_writer(request.getfixturevalue("postgres_server")))


def charges(writer: LogWriter) -> int:
    """A log of eight charges of one day, one of them given back, and one more since; what it cost in points."""
    eight = [replace(one, status=200, points=1_000 * (one.number + 1)) for one in requests(8, NOW - timedelta(days=2))]
    noon = (NOW - timedelta(days=2)).replace(hour=12)
    eight = [replace(one, time=noon - timedelta(minutes=one.number)) for one in eight]
    writer.write(NEW_API, eight)
    row, _ = NEW_API.write(eight[0], writer.database)
    for number, (kind, points, when) in enumerate(((6, 700, 1.5), (1, 0, 1.4), (2, 9_000, 1.0))):
        writer.insert("logs", [{**row, "id": 100 + number, "type": kind, "quota": points, "created_at": at(when),
                                "request_id": f"more-{number}"}])  # fmt: skip
    return sum(one.points for one in eight) + 9_000 - 700


def test_the_orders_and_codes_of_new_api_are_held_against_its_log(writer: LogWriter, tmp_path: Path) -> None:
    points = charges(writer)
    assert read_ledger(open_log(writer.location), LedgerQuery(9)) is None  # a log alone is no ledger
    writer.create("top_ups", TOP_UPS)
    order = dict.fromkeys(TOP_UPS, 0) | {"user_id": 7, "trade_no": "secret-order", "status": "success",
                                         "create_time": at(5), "complete_time": at(4)}  # fmt: skip
    writer.insert("top_ups", [
        {**order, "id": 1, "amount": 20, "money": 142.5, "payment_method": "alipay", "payment_provider": "epay"},
        {**order, "id": 2, "amount": 9, "money": 12.25, "payment_method": "stripe", "payment_provider": "stripe"},
        {**order, "id": 3, "amount": 250_000, "money": 1, "payment_method": "creem", "payment_provider": ""},
        {**order, "id": 4, "amount": 99, "payment_method": "alipay", "payment_provider": "", "status": "pending"},
        {**order, "id": 5, "amount": 99, "payment_method": "balance", "payment_provider": "balance"},
    ])  # fmt: skip
    writer.create("redemptions", CODES)
    code = {"key": "secret-code", "name": "gift 100%", "quota": 50_000, "redeemed_time": at(3), "used_user_id": 8}
    writer.insert("redemptions", [{**code, "id": 1, "status": 3}, {**code, "id": 2, "status": 1}])
    writer.create("users", {"id": "int", "quota": "int", "password": "text"})
    writer.insert("users", [{"id": 7, "quota": 400_000, "password": "x"}, {"id": 8, "quota": 100_000, "password": "x"}])

    ledger = read_ledger(open_log(writer.location), LedgerQuery(9))
    assert ledger is not None
    assert sums(ledger) == {
        "purchase": (4, 32 * USD + USD // 4 + USD // 2 + USD // 10),
        "usage_debit": (3, -points * USD // POINTS_PER_DOLLAR),
    }
    assert ledger.balance == USD
    assert ledger.unreadable == 0
    told = {one.note for one in ledger.newest}
    assert {"user 7, stripe", "user 8, code gift 100%", "charges: 8", "refunds: 1", "charges: 1"} <= told
    assert "secret" not in str(ledger)

    answers = LogAnswers(lambda: open_log(writer.location), lambda: RateBook.load(None), None)
    found = reconciled(ledger, answers, NOW)
    answers.close()
    assert found is not None
    assert (found.debits, found.logged, found.difference) == (points * USD // POINTS_PER_DOLLAR,) * 2 + (0,)
    assert reconciliation_line(found).endswith("difference $0.00 (0.00 %): 1 refund ($0.0014) taken off the cost")
    shown = CliRunner().invoke(doctor, [writer.location, "--no-cache", "--config", str(empty(tmp_path))]).output
    assert "4 purchase $32.85" in shown


def empty(folder: Path) -> Path:
    (folder / "config.toml").touch()
    return folder / "config.toml"


def test_orders_of_a_new_api_that_named_no_provider(writer: LogWriter) -> None:
    charges(writer)
    writer.create("top_ups", {name: kind for name, kind in TOP_UPS.items() if name != "payment_provider"})
    order = {"user_id": 7, "trade_no": "", "status": "success", "create_time": at(5), "complete_time": 0}
    writer.insert("top_ups", [
        {**order, "id": 1, "amount": 20, "money": 142.5, "payment_method": "alipay"},
        {**order, "id": 2, "amount": 9, "money": 12.25, "payment_method": "stripe"},
    ])  # fmt: skip
    assert sums(read_ledger(open_log(writer.location), LedgerQuery(0)))["purchase"] == (2, 32 * USD + USD // 4)


def test_the_credits_and_wallets_of_llmgateway(postgres_url: str) -> None:
    begin = (NOW - timedelta(days=3)).replace(tzinfo=None)

    def hours(count: float) -> datetime:
        return begin + timedelta(hours=count)

    with psycopg.connect(postgres_url, autocommit=True) as connection:
        for sql in (
            "CREATE TABLE log (id text PRIMARY KEY, created_at timestamp, used_model text, used_mode text, cost real,"
            " billing_cost numeric)",
            "CREATE TABLE organization (id text, credits numeric, updated_at timestamp)",
            "CREATE TABLE transaction (id text, organization_id text, created_at timestamp, type text, amount numeric,"
            " credit_amount numeric, status text, description text)",
            "CREATE TABLE wallet (id text, balance numeric)",
            "CREATE TABLE wallet_ledger (id text, wallet_id text, created_at timestamp, type text, amount numeric,"
            " balance_after numeric, description text)",
        ):
            connection.execute(sql)

        def add(table: str, *rows: tuple[Any, ...]) -> None:
            for row in rows:
                connection.execute(f"INSERT INTO {table} VALUES ({', '.join(['%s'] * len(row))})", row)

        add("log", *[(f"r{n}", hours(n), "gpt-5", "credits", 0, "1.5") for n in range(1, 5)],
            ("r9", hours(60), "gpt-5", "credits", 0, "1"))  # fmt: skip
        add("organization", ("o1", "94.25", hours(50)), ("o2", "0", hours(1)))
        add("transaction",
            ("t1", "o1", hours(0), "credit_topup", "105", "100", "completed", None),
            ("t2", "o1", hours(1), "credit_refund", "5", "5", "completed", "sorry"),
            ("t3", "o1", hours(2), "credit_gift", "3", "3", "completed", None),
            ("t4", "o1", hours(2), "credit_topup", "50", "50", "pending", None),
            ("t5", "o1", hours(2), "dev_plan_start", "20", "20", "completed", None))  # fmt: skip
        add("wallet", ("w1", "7.75"))
        add("wallet_ledger", ("l1", "w1", hours(0), "topup", "10", "10", "Top-up"),
            ("l2", "w1", hours(5), "usage_debit", "-2.25", "7.75", None))  # fmt: skip
    ledger = read_ledger(open_log(postgres_url), LedgerQuery(20))
    assert ledger is not None
    assert sums(ledger) == {
        "purchase": (2, 110 * USD), "adjustment": (2, -2 * USD),
        "usage_debit": (2, -(375 * USD // 100 + 225 * USD // 100)),
    }  # fmt: skip
    assert (ledger.balance, ledger.checked, ledger.breaks, ledger.unreadable) == (102 * USD, 2, 0, 0)
    answers = LogAnswers(lambda: open_log(postgres_url), lambda: RateBook.load(None), None)
    found = reconciled(ledger, answers, NOW)
    answers.close()
    assert found is not None
    assert (found.debits, found.logged, found.newer) == (6 * USD, 6 * USD, 1)
    assert [one.note for one in ledger.newest if one.id == "t2"] == ["sorry"]


@pytest.mark.parametrize(
    ("sql", "text", "told"),
    [(ledger_reading._USD, "1000000000", 10**21), (ledger_reading._USD, "-0.5", -(10**12) // 2),
     (ledger_reading._USD, "9" * 37, None), (ledger_reading._USD, "much", None),
     (ledger_reading._POINTS, "600000000001", 1_200_000_000_002_000_000), (ledger_reading._POINTS, "-1.5", -3_000_000),
     (ledger_reading._POINTS, "9" * 31, None)],
)  # fmt: skip
def test_amounts_are_exact_or_told_as_unreadable(sql: str, text: str, told: int | None) -> None:
    with scratch() as duck:
        found = duck.execute(f"SELECT {sql.format('given', 10**12, 500_000)} FROM (SELECT ? AS given)", [text])
        assert found.fetchall() == [(told,)]


@pytest.mark.parametrize("unit", ["epoch_s", "epoch_ms", "naive_utc"])
@pytest.mark.parametrize("text", ["9" * 17, "9" * 30, "infinity", "", "soon"])
def test_a_moment_beyond_all_time_is_none(unit: str, text: str) -> None:
    with scratch() as duck:
        found = duck.execute(f"SELECT {ledger_reading._MOMENTS[unit]} FROM (SELECT ? AS moment)", [text]).fetchall()
        assert found[0][0] is None or found[0][0] > 253_000_000_000_000
