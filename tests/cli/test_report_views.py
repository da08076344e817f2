"""The other faces of `cost-top report`: savings, unit economics, charts, the status line, and the money condition."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from cost_top.cli.report import command
from cost_top.cli.report_faces import check_limit
from cost_top.cli.report_views import parse_per
from cost_top.config import parse_zone
from cost_top.insight.savings import savings_of
from cost_top.insight.units import Income, revenue_of
from cost_top.model.chart import chart_text, series_of, steps_of
from cost_top.model.errors import UserError
from cost_top.model.query import Measures, Report, ReportQuery, ReportRow

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
PERIOD = ("--since", "2026-11-20", "--until", "2026-11-21", "--tz", "UTC", "--no-cache")


def at(minute: int) -> int:
    return int((NOON + timedelta(minutes=minute)).timestamp() * 1000)


@pytest.fixture
def log(sqlite_log):
    """gpt-4o-mini costs $0.15 and $0.60 for a million tokens; cached input half of that."""
    log = sqlite_log()
    openai = {"provider": "openai", "model": "gpt-4o-mini", "token": "k1"}
    log.add(
        id="a", time_ms=at(0), user_id="u1", input_tokens=1_000_000, output_tokens=0, cost_pico_usd=10**11, **openai
    )
    log.add(
        id="b",
        time_ms=at(1),
        user_id="u2",
        input_tokens=1_000_000,
        cached_input_tokens=1_000_000,
        output_tokens=1000,
        **openai,
    )
    log.add(id="c", time_ms=at(2), input_tokens=1_000_000, output_tokens=0, cost_pico_usd=0, cache_hit=1, **openai)
    log.add(
        id="d", time_ms=at(3), user_id="u2", input_tokens=1_000_000, output_tokens=0, credential_type="byok", **openai
    )
    log.add(
        id="e",
        time_ms=at(4),
        provider="x",
        model="nobody-knows",
        token="k2",
        cost_pico_usd=5 * 10**11,
        input_tokens=9,
        output_tokens=9,
    )
    return log


def run(*arguments: str, code: int = 0) -> str:
    done = CliRunner().invoke(command, [*arguments, *PERIOD], standalone_mode=False)
    if done.exception is not None:
        raise done.exception
    assert (done.return_value or 0) == code
    return done.stdout


def test_savings_have_wholes_of_their_own_and_compare_like_with_like(log):
    answer = json.loads(run(str(log.path), "--view", "savings", "--group-by", "token", "--format", "json"))
    first = next(row for row in answer["results"] if row["token"] == "k1")
    # a: listed at 0.15, paid 0.10; b: 0.075 for cached input and 0.0006 for output, as listed.
    assert (first["paid"], first["list_price"], first["discount"]) == ("0.1756", "0.2256", "0.05")
    assert first["discount_percent_of_list_price"] == "22.16"
    assert (first["prompt_cache_savings"], first["prompt_cache_percent_of_cost_without_it"]) == ("0.075", "29.93")
    assert (first["saved_by_cache"], first["saved_by_cache_percent_of_cost_without_it"]) == ("0.15", "46.07")
    other = next(row for row in answer["results"] if row["token"] == "k2")
    assert (other["paid"], other["list_price"], other["discount"]) == (
        "0.5",
        "0.5",
        "0",
    )  # a model without a list price is listed at what it cost
    assert (answer["totals"]["paid"], answer["totals"]["discount"]) == ("0.6756", "0.05")


def test_nothing_to_compare_with_has_no_share():
    savings = savings_of(Measures(total_cost=5, market_cost=None, saved_by_cache=None), Measures(market_cost=None))
    assert (savings.discount, savings.list_price, savings.without_response_cache) == (None, None, None)


def test_units_count_distinct_users_and_say_how_much_they_cover(log, tmp_path: Path):
    config = tmp_path / "config.toml"
    config.write_text('[[revenue]]\nwhere = "token:k1"\nper_user_month = "30"\n')
    arguments = (str(log.path), "--view", "units", "--group-by", "token", "--per", "seats=2", "--config", str(config))
    answer = json.loads(run(*arguments, "--format", "json"))
    first = next(row for row in answer["results"] if row["token"] == "k1")
    assert (first["user_count"], first["per_user"], first["per_request"], first["per_seats"]) == (
        2,
        "0.0878",
        "0.0439",
        "0.0878",
    )
    assert (first["revenue"], first["margin"]) == ("2", "1.8244")  # two users, a day of thirty
    assert next(row for row in answer["results"] if row["token"] == "k2")["margin"] is None
    assert answer["totals"]["user_count"] == 2
    assert any("25.99 % of the cost" in note for note in answer["notes"])
    assert any("revenue counts whole in each row" in note for note in answer["notes"])
    by_user = json.loads(run(*arguments, "--format", "json", "--group-by", "user"))
    assert not any("counts whole" in note for note in by_user["notes"])
    assert "per seats" in run(*arguments)
    assert next(csv.DictReader(io.StringIO(run(*arguments, "--format", "csv"))))["token"] == "k2"


def test_users_that_pay_nothing_are_compared_with_the_cheapest_plan(log, tmp_path: Path):
    config = tmp_path / "config.toml"
    plans = (("user:u1", "30"), ("token:k1", "40"), ("user:u2", "0"))
    tables = "".join(f'[[revenue]]\nwhere = "{where}"\nper_user_month = "{usd}"\n' for where, usd in plans)
    for percent, near in ((75, 1), (76, 0)):  # $0.0756 against $0.10
        config.write_text(f"{tables}[units]\nnear_upgrade_percent = {percent}\n")
        answer = json.loads(run(str(log.path), "--view", "units", "--config", str(config), "--format", "json"))
        expected = f"near an upgrade: {near} of 1 user of user:u2 above {percent} % of $0.1000, what the median user"
        assert any(note.startswith(expected) for note in answer["notes"]), answer["notes"]


def test_revenue_is_by_the_day():
    assert revenue_of([(Income(per_user_month=30), 2), (Income(per_month=60), 9)], timedelta(days=15)) == 60
    assert revenue_of([], timedelta(days=15)) is None


@pytest.mark.parametrize("text", ["seats", "seats=", "seats=0", "seats=-1", "seats=1/0", "se ats=1", "=4", "seats=nan"])
def test_a_wrong_number_is_refused(text: str):
    with pytest.raises(UserError, match="write NAME=NUMBER"):
        parse_per([text])


def test_the_money_condition_has_an_exit_code_of_its_own(log):
    run(str(log.path), "--fail-over", "0.67", code=3)
    run(str(log.path), "--fail-over", "$0.68", code=0)
    with pytest.raises(UserError, match="write an amount in USD"):
        run(str(log.path), "--fail-over", "lots")


def test_a_limit_says_how_many_requests_it_does_not_know_the_cost_of(capsys):
    assert check_limit(10**12, Measures(total_cost=2 * 10**12, unpriced_count=1)) == 3
    assert capsys.readouterr().err == "cost-top: ≥ $2.00 is above --fail-over $1.00\n"
    assert check_limit(10**12, Measures(total_cost=0, unpriced_count=1)) == 0
    assert capsys.readouterr().err == "note: 1 unpriced request: the cost may be above --fail-over\n"


def test_views_and_formats_that_do_not_go_together_are_refused(log):
    with pytest.raises(UserError, match="--view units"):
        run(str(log.path), "--per", "a=1")
    with pytest.raises(UserError, match="draws spend"):
        run(str(log.path), "--view", "savings", "--format", "chart")


def chart(*, plain: bool = False, names: int = 2, days: int = 10) -> str:
    rows = [ReportRow((f"2026-11-{day:02}", f"model-{number}"), Measures(total_cost=(number + 1) * day * 10**12))
            for day in range(1, days) for number in range(names)]  # fmt: skip
    report = Report(("day", "model"), tuple(rows), Measures(), len(rows), NOON)
    query = ReportQuery(datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, days, tzinfo=UTC), ("day", "model"))
    return chart_text(report, query, "log  November", 80, 20, colour=False, plain=plain)


def test_a_chart_fits_a_pipe_of_80_columns_with_axes_and_a_legend():
    drawn = chart()
    lines = drawn.splitlines()
    assert max(map(len, lines)) <= 80
    assert "\x1b" not in drawn
    assert "model-1" in drawn
    assert "model-0" in drawn
    assert "$27.00" in drawn
    assert "Nov 1" in lines[-1]


def test_a_chart_in_ascii_has_no_other_character():
    assert chart(plain=True, names=9).isascii()


def test_beyond_six_names_the_rest_is_one_series():
    rows = tuple(ReportRow(("2026-11-01", f"m{number}"), Measures(total_cost=number)) for number in range(9))
    series = series_of(Report(("day", "model"), rows, Measures(), 9, NOON), "day", ["2026-11-01"])
    assert list(series) == ["m8", "m7", "m6", "m5", "m4", "m3", "3 others"]
    assert series["3 others"] == [3]


def test_days_and_hours_of_a_chart_follow_the_clocks_of_the_zone():
    berlin = parse_zone("Europe/Berlin")
    start = datetime(2026, 10, 25, tzinfo=berlin)
    query = ReportQuery(start.astimezone(UTC), datetime(2026, 10, 26, tzinfo=berlin).astimezone(UTC), zone=berlin)
    assert steps_of(query, "day") == ["2026-10-25"]
    assert len(steps_of(query, "hour")) == 25


def test_a_chart_is_drawn_by_the_command_in_a_locale_without_utf_8(log):
    environment = {**os.environ, "LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "COLUMNS": "80"}
    line = [
        sys.executable,
        "-m",
        "cost_top",
        "report",
        str(log.path),
        *PERIOD,
        "--group-by",
        "model",
        "--format",
        "chart",
    ]
    done = subprocess.run(line, env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.isascii()
    assert "gpt-4o-mini" in done.stdout


def test_the_status_line_tells_today_and_the_last_hour(sqlite_log):
    log = sqlite_log()
    now = int(datetime.now(UTC).timestamp() * 1000)
    log.add(id="a", time_ms=now - 1000, provider="x", model="m", cost_pico_usd=2 * 10**12)
    log.add(id="b", time_ms=now - 1000, provider="x", model="nobody-knows", input_tokens=5, output_tokens=5)
    done = CliRunner().invoke(
        command, [str(log.path), "--format", "line", "--tz", "UTC", "--no-cache"], standalone_mode=False
    )
    assert done.stdout == "≥ $2.00 today · ≥ $2.00/h\n"
