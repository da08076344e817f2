"""`cost-top SOURCE` without a terminal: its figures are those of `cost-top report`, compared with the time before."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from click.testing import CliRunner

from cost_top.cli.report import command as report
from cost_top.cli.screen import command as overview
from cost_top.model.errors import UserError

DOLLAR = 10**12


@pytest.fixture
def printed(sqlite_log, tmp_path, monkeypatch):
    monkeypatch.setenv("COST_TOP_CONFIG", str(tmp_path / "config.toml"))
    (tmp_path / "config.toml").write_text("")

    def run(rows):
        log, now = sqlite_log(), datetime.now(UTC)
        for days, dollars in rows:
            ms = int((now - timedelta(days=days)).timestamp() * 1000)
            log.add(time_ms=ms, provider="openai", model="gpt-4o", cost_pico_usd=round(dollars * DOLLAR))
        shown = CliRunner().invoke(overview, [str(log.path), "--tz", "UTC", "--no-cache"])
        assert (shown.exit_code, shown.stderr) == (0, "")
        return log, shown.stdout

    return run


def spend_line(text):
    return next(line for line in text.splitlines() if line.startswith("spend"))


def test_the_window_is_compared_with_the_thirty_days_before_it(printed):
    _, text = printed([(0.01, 1), (3, 2), (29, 3), (31.5, 2), (45, 1), (59, 1), (62, 500)])
    assert spend_line(text).endswith("$6.00  ▲ $2.00 (50.0 %) vs 30 days before")


def test_without_a_time_before_it_says_so(printed):
    _, text = printed([(0.01, 1), (3, 2)])
    assert "the 30 days before are not known" in spend_line(text)


def test_a_log_that_ended_long_ago_is_not_called_empty(printed):
    _, text = printed([(93, 1), (120, 2)])
    last = (datetime.now(UTC) - timedelta(days=93)).date()
    assert f"the newest is of {last}.\ncost-top report --since {last} shows it." in text
    assert "The log is empty" not in text
    assert "unchanged" not in text


def test_its_spend_is_that_of_a_report_on_the_same_time(printed):
    log, text = printed([(0.01, 1.25), (3, 2.5), (29, 3), (45, 1)])
    asked = [str(log.path), "--tz", "UTC", "--no-cache", "--since", "30d", "--format", "json"]
    told = json.loads(CliRunner().invoke(report, asked).stdout)
    assert Decimal(told["totals"]["total_cost"]) == Decimal("6.75")
    assert "$6.75" in spend_line(text)


@pytest.mark.parametrize(
    ("asked", "spend"),
    [
        (["--since", "5d"], "$3.00"),
        (["--since", "50d", "--until", "20d"], "$8.00"),
        (["--until", "20d"], "$8.00"),
    ],
)
def test_a_time_of_ones_own(printed, asked, spend):
    log, _ = printed([(0.01, 1), (3, 2), (29, 3), (45, 5), (62, 500)])
    shown = CliRunner().invoke(overview, [str(log.path), "--tz", "UTC", "--no-cache", *asked])
    assert (shown.exit_code, shown.stderr) == (0, "")
    assert spend in spend_line(shown.stdout)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (["--since", "5d", "--window", "7d"], "--window is a time too"),
        (["--since", "2d", "--until", "5d"], "is not before"),
        (["--since", "2999-01-01"], "is not before"),
        (["--since", "soon"], "is no time"),
        (["--since", "0001-01-01"], "ten years"),
    ],
)
def test_a_time_that_is_none_is_one_line(sqlite_log, asked, words):
    log = sqlite_log()
    shown = CliRunner().invoke(overview, [str(log.path), "--no-cache", *asked])
    assert words in str(shown.exception)
    assert isinstance(shown.exception, UserError)
