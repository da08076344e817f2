"""The tool for budgets, over a real log."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from cost_top.cli.options import resolve
from cost_top.model.budgets import KeptBudget, KeptBudgets
from cost_top.model.errors import UserError
from cost_top.model.money import PICO_PER_USD
from cost_top.model.native import LEDGER_DDL
from cost_top.serve.mcp_budgets import BudgetTools
from support.guarded import CONFIG, spend


def test_budgets_as_a_tool_say_what_the_log_says(sqlite_log, tmp_path):
    log = sqlite_log()
    spend(log, "ann", 0.6)
    config = tmp_path / "config.toml"
    config.write_text(CONFIG)
    settings = resolve(str(log.path), None, None, "UTC", True, config)
    tools = BudgetTools(settings.open_answers(), settings.budgets(), list)
    found = tools.budgets()
    assert [(one["name"], one["value"], one["spent_usd"]) for one in found["budgets"]] == [
        ("all-month", None, "0.6"), ("user-day", "ann", "0.6"),
    ]  # fmt: skip
    assert "$0.6000 of $0.5000 used (120 %)" in found["budgets"][1]["line"]
    assert len(tools.budgets("user-day")["budgets"]) == 1
    with pytest.raises(UserError, match="is no budget: there are all-month, user-day"):
        tools.budgets("nope")
    assert BudgetTools(settings.open_answers(), (), list).budgets()["budgets"] == []


def test_an_assistant_is_told_the_credits_with_the_budgets(sqlite_log):
    log = sqlite_log()
    spend(log, "ann", 0.6)
    settings = resolve(str(log.path), None, None, "UTC", True, None)
    tools = BudgetTools(settings.open_answers(), (), list)
    assert tools.budgets()["credits"] is None
    debited = int(datetime.now(UTC).timestamp() * 1000)
    bought = debited - 3_600_000
    with log.connection:
        log.connection.executescript(LEDGER_DDL)
        log.connection.executemany(
            "INSERT INTO cost_top_ledger (id, time_ms, kind, amount_pico_usd, balance_pico_usd) VALUES (?, ?, ?, ?, ?)",
            [("p", bought, "purchase", 5 * PICO_PER_USD, 5 * PICO_PER_USD),
             ("d", debited, "usage_debit", -PICO_PER_USD // 2, 9 * PICO_PER_USD // 2)],
        )  # fmt: skip
    told = tools.budgets()["credits"]
    assert (told["balance_usd"], [one["kind"] for one in told["sums"]]) == ("4.5", ["purchase", "usage_debit"])
    assert told["reconciliation"].startswith("ledger debits $0.5000, logged cost $0.6000 in the same span")


def test_budgets_that_the_gateway_keeps_come_after_ours_and_not_under_a_name(sqlite_log, tmp_path):
    log = sqlite_log()
    spend(log, "ann", 0.6)
    config = tmp_path / "config.toml"
    config.write_text(CONFIG)
    settings = resolve(str(log.path), None, None, "UTC", True, config)
    told = KeptBudget("token", "hash", "CI", 10 * PICO_PER_USD, 4 * PICO_PER_USD, "30d")
    kept = KeptBudgets((told,), ("budgets of teams are not known",))
    tools = BudgetTools(settings.open_answers(), settings.budgets(), list, lambda: kept)
    answer = tools.budgets()
    last = answer["budgets"][-1]
    assert answer["notes"] == ["budgets of teams are not known"]
    assert (last["name"], last["kept_by"], last["left_usd"]) == ("token CI", "gateway", "6")
    assert last["line"] == "token CI  $4.00 of $10.00 used (40 %), 30d · kept by the gateway"
    assert all("kept_by" not in one for one in tools.budgets("all-month")["budgets"])
