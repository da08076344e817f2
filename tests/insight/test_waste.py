"""`cost-top report --view waste` over real logs with each kind of waste planted: every dollar stands in one line."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from click.testing import CliRunner

from cost_top.cli.report import command
from cost_top.cli.requests import command as requests_command
from cost_top.model.errors import CannotAnswer, UserError

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
PERIOD = ("--since", "2026-11-20", "--until", "2026-11-21", "--tz", "UTC", "--no-cache")
CENT = 10**10


@pytest.fixture(autouse=True)
def no_config(tmp_path, monkeypatch) -> None:
    (tmp_path / "config.toml").touch()
    monkeypatch.setenv("COST_TOP_CONFIG", str(tmp_path / "config.toml"))


@pytest.fixture
def log(sqlite_log):
    """Ordinary requests of a cent each, all different, so that no line has anything."""
    log = sqlite_log()
    for number in range(48):
        add(log, number * 900, input_tokens=1000 + 300 * (number % 16), user_id=f"u{number % 5}")
    return log


def add(log: Any, seconds: float, **more: Any) -> None:
    at = NOON - timedelta(hours=11) + timedelta(seconds=seconds)
    log.add(**{
        "time_ms": int(at.timestamp() * 1000), "provider": "openai", "model": "gpt-4o", "endpoint": "/chat",
        "token": "k1", "input_tokens": 1234, "output_tokens": 50, "cost_pico_usd": CENT, "status": 200, **more,
    })  # fmt: skip


def run(log: Any, *arguments: str) -> str:
    done = CliRunner().invoke(command, [str(log.path), "--view", "waste", *PERIOD, *arguments], standalone_mode=False)
    if done.exception is not None:
        raise done.exception
    return done.stdout


def lines(log: Any, *arguments: str) -> dict[str, tuple[str, int]]:
    """Dollars and requests of the lines that hold something."""
    answer = json.loads(run(log, "--format", "json", *arguments))
    found = {row["waste"]: (row["cost"], row["request_count"]) for row in answer["results"] if row["request_count"]}
    return {**found, "total": (answer["totals"]["cost"], answer["totals"]["request_count"])}


def test_ordinary_requests_waste_nothing(log):
    assert lines(log) == {"total": ("0", 0)}


def test_what_failed_and_was_paid_is_listed_by_its_filter(log):
    add(log, 10, status=500, input_tokens=77_000, cost_pico_usd=123_456_789_012)
    add(log, 20, status=429, input_tokens=78_000, cost_pico_usd=0)
    assert lines(log) == {"failed_but_paid": ("0.123456789012", 1), "total": ("0.123456789012", 1)}
    assert listed(log, "failed_but_paid") == [0.123456789012]


def test_what_was_cut_off_counts_with_an_unknown_cost_too(log):
    add(log, 10, streamed=1, output_tokens=None, input_tokens=77_000, cost_pico_usd=3 * CENT)
    add(log, 20, streamed=1, output_tokens=0, input_tokens=None, cost_pico_usd=None)
    add(log, 30, streamed=1, output_tokens=9, input_tokens=79_000)
    answer = json.loads(run(log, "--format", "json"))
    (row,) = [row for row in answer["results"] if row["waste"] == "cut_off"]
    assert (row["cost"], row["request_count"], row["unpriced_count"]) == ("0.03", 2, 1)
    assert "the cost of 1 of these requests is unknown: the total is a lower bound" in answer["notes"]
    assert sorted(listed(log, "cut_off")) == [0, 0.03]


def test_a_log_without_usage_says_so_and_calls_nothing_cut_off(sqlite_log):
    log = sqlite_log()
    add(log, 0, streamed=1, input_tokens=None, output_tokens=None)
    assert lines(log) == {"total": ("0", 0)}
    assert "which ones were cut off is not known" in run(log)


def test_a_retry_follows_a_failure_of_the_same_kind_within_ten_minutes(log):
    def pair(start: int, tokens: int, gap: int, **second: Any) -> None:
        add(log, start, input_tokens=tokens, status=500, cost_pico_usd=0)
        add(log, start + gap, input_tokens=tokens, **second)

    pair(10, 70_000, 30)
    pair(20, 71_000, 601)
    pair(30, 72_000, 30, token="k2")
    pair(40, 73_000, 30, model="gpt-4o-mini")
    pair(50, 74_000, 30, endpoint="/other")
    add(log, 50, input_tokens=70_000)  # the retry was answered: this one is another request
    assert lines(log) == {"retried": ("0.01", 1), "total": ("0.01", 1)}


def test_an_even_row_of_calls_is_repeated_where_it_costs_something(log):
    for number in range(20):
        add(log, 100 + 60 * number, token="looping", input_tokens=50_000 + number, cost_pico_usd=50 * CENT)
        add(log, 130 + 60 * number, token="cheap", input_tokens=50_000 + number, cost_pico_usd=1)
    assert lines(log) == {"repeated": ("10", 20), "total": ("10", 20)}


def test_uneven_calls_are_no_loop(log):
    for number in range(20):
        add(
            log,
            100 + 60 * number + 25 * (number % 2) - 25 * (number % 3),
            token="agent",
            input_tokens=50_000 + number,
            cost_pico_usd=50 * CENT,
        )
    assert lines(log) == {"total": ("0", 0)}


def test_what_is_logged_twice_stands_apart_and_in_no_sum(log):
    for number in range(20):
        for _ in range(2):
            add(log, 90 * number, input_tokens=60_000 + 7000 * number, output_tokens=number, endpoint=f"/r{number}")
    assert lines(log) == {"logged_twice": ("0.2", 20), "total": ("0", 0)}
    assert "not spent twice: 20 requests are logged twice; they are not in the total" in run(log)


def test_two_equal_requests_now_and_then_are_chance(log):
    for number in range(3):
        for _ in range(2):
            add(log, 90 * number, input_tokens=60_000 + 7000 * number, endpoint=f"/r{number}")
    assert lines(log) == {"total": ("0", 0)}


def test_repeats_could_come_from_the_cache_at_the_price_of_cached_input(log):
    """gpt-4o costs $2.50 for a million input tokens and $1.25 from the cache."""
    for number in range(4):
        add(log, 60 * number, token=f"k{number}", input_tokens=100_000, cost_pico_usd=25 * CENT)
    for number in range(2):
        add(log, 60 * number, input_tokens=200_000, cost_pico_usd=50 * CENT)
    for number in range(3):
        add(log, 301 * number, input_tokens=300_000, cost_pico_usd=75 * CENT)
    assert lines(log) == {"cacheable": ("0.375", 3), "total": ("0.375", 3)}
    answer = json.loads(run(log, "--format", "json"))
    (row,) = [row for row in answer["results"] if row["waste"] == "cacheable"]
    assert row["kind"] == "could be"
    assert any("an estimate by token counts" in note for note in answer["notes"])


def test_what_is_cached_already_cannot_be_saved_again(log):
    for number in range(4):
        add(log, 60 * number, input_tokens=100_000, cached_input_tokens=100_000, cost_pico_usd=12 * CENT)
    assert lines(log) == {"total": ("0", 0)}


def test_a_request_stands_in_the_first_line_that_fits(log):
    for number in range(20):  # a loop whose calls fail, some paid, each logged twice
        for _ in range(2):
            add(log, 60 * number, token="k9", input_tokens=50_000, status=500 if number % 2 else 200,
                cost_pico_usd=50 * CENT)  # fmt: skip
    answer = json.loads(run(log, "--format", "json"))
    assert sum(row["request_count"] for row in answer["results"]) <= 40
    (failed,) = [row for row in answer["results"] if row["waste"] == "failed_but_paid"]
    assert (failed["cost"], failed["request_count"]) == ("10", 20)
    (retried,) = [row for row in answer["results"] if row["waste"] == "retried"]
    assert retried["request_count"] == 9


def test_a_filter_narrows_the_lines_but_not_what_makes_a_retry(log):
    add(log, 10, input_tokens=70_000, status=500, cost_pico_usd=0)
    add(log, 40, input_tokens=70_000)
    assert lines(log, "--where", "status:200") == {"retried": ("0.01", 1), "total": ("0.01", 1)}
    assert lines(log, "--where", "token:k2") == {"total": ("0", 0)}


def test_csv_is_exact_and_the_table_is_for_eyes(log):
    add(log, 10, status=500, input_tokens=77_000, cost_pico_usd=123_456_789_012)
    rows = list(csv.DictReader(io.StringIO(run(log, "--format", "csv"))))
    assert [row["waste"] for row in rows] == [
        "failed_but_paid", "cut_off", "retried", "repeated", "logged_twice", "cacheable",
    ]  # fmt: skip
    assert rows[0]["cost"] == "0.123456789012"
    assert rows[0]["where"] == "error:yes cost:>0"
    table = run(log)
    assert "$0.1235 20.5 %" in table
    assert "error:yes cost:>0" in table


def test_it_has_lines_of_its_own(log, tmp_path):
    with pytest.raises(UserError, match="leave out --group-by"):
        run(log, "--group-by", "model")
    from cost_top.insight.waste import waste_view

    with pytest.raises(CannotAnswer, match="must be a request log"):
        waste_view(object(), None)  # type: ignore[arg-type]


def test_each_line_has_the_requests_of_its_figure_behind_it(log):
    for number in range(20):  # a loop whose calls fail, some paid, each logged twice
        for _ in range(2):
            add(log, 60 * number, token="k9", input_tokens=50_000, status=500 if number % 2 else 200,
                cost_pico_usd=50 * CENT)  # fmt: skip
            add(log, 90 * number, input_tokens=60_000 + 7000 * number, output_tokens=number, endpoint=f"/r{number}")
    add(log, 5, streamed=1, output_tokens=0, input_tokens=None, cost_pico_usd=None)
    for number in range(4):
        add(log, 60 * number, token=f"k{number}", input_tokens=100_000, cost_pico_usd=25 * CENT)
        add(log, 60 * number, token=f"k{number}", input_tokens=110_000, cached_input_tokens=110_000)
    answer = json.loads(run(log, "--format", "json"))
    told = [(row["waste"], row) for row in answer["results"] if row["request_count"]]
    assert len(told) >= 4
    for name, row in (*told, ("total", answer["totals"])):
        behind = wasted(log, name)
        assert len(behind) == row["request_count"], name
        if name not in ("cacheable", "total"):  # of those a part is told: what could be saved
            assert sum(Decimal(each["cost"] or 0) for each in behind) == Decimal(row["cost"]), name
    dearest = wasted(log, "failed_but_paid", "--sort", "cost", "--limit", "15", "--where", "-token:nobody")
    assert [(row["cost"], row["status"]) for row in dearest] == [("0.5", 500)] * 15


def wasted(log: Any, line: str, *arguments: str) -> list[dict[str, Any]]:
    done = CliRunner().invoke(
        requests_command, [str(log.path), *PERIOD, "--waste", line, "--format", "json", *arguments],
        standalone_mode=False, catch_exceptions=False,
    )  # fmt: skip
    document = json.loads(done.stdout)
    return document if isinstance(document, list) else document["requests"]


def listed(log: Any, name: str) -> list[float | None]:
    """The costs of the requests that a line's filter lists."""
    answer = json.loads(run(log, "--format", "json"))
    (row,) = [row for row in answer["results"] if row["waste"] == name]
    done = CliRunner().invoke(
        requests_command, [str(log.path), *PERIOD, "--where", row["where"], "--format", "json"], standalone_mode=False,
        catch_exceptions=False,
    )  # fmt: skip
    document = json.loads(done.stdout)
    rows = document if isinstance(document, list) else document["requests"]
    return [None if row["cost"] is None else float(row["cost"]) for row in rows]
