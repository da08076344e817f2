"""`cost-top budgets` over a real log, against sums of the log."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner

from cost_top.cli import group
from cost_top.cli.budgets import lines
from cost_top.model.budgets import Budget, Standing, parse_period
from cost_top.model.format import cells
from support.native_log import NativeLog

USD = 10**12
AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
CONFIG = """\
tz = "Europe/Berlin"
[[budgets]]
name = "all-month"
limit = "200"
period = "month"
forecast_at = [100]
[[budgets]]
name = "user-day"
each = "user"
where = "tag:free"
limit = "0.50"
period = "day"
mode = "hard"
burn = true
"""


@pytest.fixture
def log(tmp_path):
    log = NativeLog(tmp_path / "gateway.db")
    for hour in range(24 * 20):
        at = AT - timedelta(hours=hour, minutes=1)
        log.add(time_ms=int(at.timestamp() * 1000), model="m", user_id=f"u{hour % 3}", tags='["free"]', endpoint="/x",
                input_tokens=1, output_tokens=1, cost_pico_usd=USD // 10 + hour, status=200)  # fmt: skip
    log.add(time_ms=int(AT.timestamp() * 1000), model="m", user_id="u0", cost_pico_usd=99 * USD)  # at AT: not before it
    (tmp_path / "config.toml").write_text(CONFIG)
    yield log
    log.close()


def run(tmp_path, *more):
    arguments = ["budgets", str(tmp_path / "gateway.db"), "--config", str(tmp_path / "config.toml"), "--no-cache"]
    return CliRunner().invoke(group, [*arguments, "--at", AT.isoformat(), *more], standalone_mode=False)


def test_every_figure_is_the_logs(tmp_path, log):
    done = run(tmp_path, "--format", "json")
    told = json.loads(done.output)
    month, *days = told
    midnight = int(datetime(2026, 10, 31, 23, tzinfo=UTC).timestamp() * 1000)
    sums = "SELECT sum(cost_pico_usd) FROM cost_top_requests WHERE time_ms >= ? AND time_ms < ?"
    (spent,) = log.connection.execute(sums, (midnight, int(AT.timestamp() * 1000))).fetchone()
    assert int(float(month["spent_usd"]) * 1000) == spent // 10**9
    assert month["resets_at"] == "2026-11-30T23:00:00Z"
    assert float(month["forecast_usd"]) > float(month["spent_usd"])
    assert [day["value"] for day in days] == ["u2", "u1", "u0"] or len(days) == 3
    assert all(day["time_zone"] == "Europe/Berlin" for day in days)
    assert sum(round(float(day["spent_usd"]) * 10) for day in days) == 13  # since 00:00 in Berlin


def test_a_table_for_people_and_the_exit_code_for_programs(tmp_path, log):
    done = run(tmp_path)
    assert "all-month" in done.output
    assert "resets Tue 1 Dec 00:00 CET" in done.output
    assert "user-day · u0" in done.output
    assert done.return_value in (0, None)
    assert run(tmp_path, "--fail-over", "80").return_value == 3
    assert run(tmp_path, "--name", "all-month", "--fail-over", "80").return_value in (0, None)


def test_names_that_take_two_cells_a_letter_leave_the_figures_below_each_other():
    period = parse_period("month")
    standings = [
        Standing(Budget(name, USD, period, each="user"), AT, AT, AT, 0, value=value)
        for name, value in (("a", "日本太郎"), ("a", "ann"))
    ]
    places = {cells(line.partition("$")[0]) for line in lines(tuple(standings), AT).splitlines()}
    assert places == {len("a · ") + 8 + 2}


def test_bad_input_is_one_line(tmp_path, log):
    assert "no such budget (there: all-month, user-day)" in str(run(tmp_path, "--name", "nope").exception)
    (tmp_path / "config.toml").write_text('tz = "UTC"\n')
    assert "no [[budgets]]" in str(run(tmp_path).exception)
