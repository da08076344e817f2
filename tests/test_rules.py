"""Budgets, receivers and the guard in the config file: what is right, and one line for what is wrong."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from cost_top.config import load_config, parse_zone
from cost_top.model.errors import UserError
from cost_top.model.toml_file import read_toml
from cost_top.rules import budgets_of, rule_mistakes

FULL = """\
tz = "Europe/Berlin"

[watch]
sensitivity = "normal"
dimensions = ["token", "endpoint", "model", "user"]
min_excess = "0.10"
quiet = "6h"
notify = ["ops"]
[watch.off]
silence = true

[[budgets]]
name = "all-month"
limit = "60000"
period = "month"
tz = "America/New_York"
at = [50, 80, 100]
forecast_at = [100]
burn = true
notify = ["ops", "finance"]

[[budgets]]
name = "free-user-day"
where = "tag:plan:free"
each = "user"
limit = "0.50"
period = "day"
mode = "hard"
cost = "total"
when_unknown = "allow"
unpriced = "ignore"

[[expected]]
name = "launch-week"
where = "endpoint:/summary"
from = 2026-12-01T00:00:00+01:00
until = 2026-12-08T00:00:00+01:00
factor = 3

[[revenue]]
where = "tag:plan:pro"
per_user_month = "29"

[[receivers]]
name = "ops"
kind = "webhook"
format = "standard"
url_file = "ops-webhook.url"
secret_variable = "COST_TOP_OPS_SECRET"
events = ["incident.*", "budget.*"]
resolved = true
allow_private = false

[[receivers]]
name = "finance"
kind = "command"
argv = ["/usr/local/bin/mail-finance", "--json-on-stdin"]

[guard]
max_age = "30s"
reservation = "p90"
"""


def load(tmp_path: Path, text: str):
    path = tmp_path / "config.toml"
    path.write_text(text)
    return load_config(path)


def test_the_documented_settings_are_read(tmp_path):
    config = load(tmp_path, FULL)
    rules = config.rules
    month, day = budgets_of(rules, parse_zone(config.tz), parse_zone)
    assert (month.limit, str(month.zone), month.at, month.forecast_at) == (
        60_000 * 10**12, "America/New_York", (50, 80, 100), (100,),
    )  # fmt: skip
    assert (day.limit, str(day.zone), day.each, day.mode, str(day.where)) == (
        5 * 10**11, "Europe/Berlin", "user", "hard", 'tag:"plan:free"',
    )  # fmt: skip
    assert rules.watch.off == {"silence": True}
    assert rules.watch.quiet == timedelta(hours=6)
    assert rules.receivers[0].wants("incident.opened")
    assert not rules.receivers[0].wants("source.stale")
    assert rules.guard.fixed() is None
    assert rules.expected[0].factor == 3


def test_a_config_without_rules_has_none(tmp_path):
    assert load(tmp_path, 'tz = "UTC"\n').rules is None


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('limit = "0.50"', "limit = 0.50", "config.toml:26: budgets.free-user-day.limit: must be USD in quotes"),
        ('limit = "0.50"', 'limit = "1e-13"', "config.toml:26: budgets.free-user-day.limit: '1e-13' is finer than"),
        ('dimensions = ["token", "endpoint", "model", "user"]', "dimensions = []",
         "config.toml:5: watch.dimensions: is empty"),
        ('events = ["incident.*", "budget.*"]', "events = []", "config.toml:50: receivers.ops.events: is empty"),
        ('secret_variable = "COST_TOP_OPS_SECRET"', "secret_variable = []",
         "config.toml:49: receivers.ops.secret_variable: is empty"),
        ('limit = "0.50"', 'limit = "a lot"', "config.toml:26: budgets.free-user-day.limit: 'a lot' is no amount"),
        ('period = "day"', 'period = "fortnight"', "config.toml:27: budgets.free-user-day.period: 'fortnight' is no"),
        ('period = "day"', 'perid = "day"', "config.toml:27: budgets.free-user-day.perid: unknown key, did you mean"),
        ('mode = "hard"', 'mode = "firm"', "config.toml:28: budgets.free-user-day.mode: must be one of soft, hard"),
        ('each = "user"', 'each = "planet"', "config.toml:25: budgets.free-user-day.each: 'planet' is no dimension"),
        ('each = "user"', 'each = "day"', "config.toml:25: budgets.free-user-day.each: 'day' is no dimension"),
        ("at = [50, 80, 100]", "at = [0]", "config.toml:17: budgets.all-month.at: "),
        ("at = [50, 80, 100]", "at = [-5]", "config.toml:17: budgets.all-month.at: "),
        ('tz = "America/New_York"', 'tz = "Mars/Base"', "config.toml:16: budgets.all-month.tz: unknown time zone"),
        ('"ops", "finance"', '"opps"', "config.toml:20: budgets.all-month.notify: no [[receivers]] is named 'opps'"),
        ('name = "free-user-day"', 'name = "all-month"', "config.toml:23: budgets.all-month.name: 'all-month' is"),
        ('name = "free-user-day"', 'name = "a b"', "config.toml:23: budgets.a b.name: must be 1 to 64"),
        ('where = "tag:plan:free"', 'where = "planet:mars"', "config.toml:24: budgets.free-user-day.where: filter:"),
        ('period = "month"', 'period = "rolling 30d"', "config.toml:18: budgets.all-month.forecast_at: a rolling"),
        ('period = "month"', 'period = "hour"', "config.toml:19: budgets.all-month.burn: goes with a day, a week"),
        ('url_file = "ops-webhook.url"', 'url = "https://"', "receivers.ops.url: is no whole URL"),
        ('url_file = "ops-webhook.url"', 'url = "https://[::1/x"', "receivers.ops.url: is no whole URL"),
        ('url_file = "ops-webhook.url"', 'url = "https://a.example:99999/"', "receivers.ops.url: is no whole URL"),
        ('url_file = "ops-webhook.url"', "", "receivers.ops: a webhook needs one of url, url_file, url_variable"),
        ('url_file = "ops-webhook.url"', 'url = "http://example.com/x"', "receivers.ops.url: must begin with https://"),
        ('per_user_month = "29"', "", "config.toml:40: revenue: says nothing of what is paid"),
        ('"incident.*"', '"insident.*"', "receivers.ops.events: 'insident.*' is no event"),
        ('max_age = "30s"', 'max_age = "soon"', "guard.max_age: 'soon' is no length of time"),
        ('reservation = "p90"', 'reservation = "p9O"', "guard.reservation: 'p9O' is no amount"),
        ('sensitivity = "normal"', 'sensitivity = "loud"', "config.toml:4: watch.sensitivity: must be one of"),
        ("silence = true", "noise = true", "watch.off"),
        ("from = 2026-12-01T00:00:00+01:00", "from = 2026-12-09T00:00:00+01:00",
         "expected.launch-week.from: must be before"),
        ('where = "endpoint:/summary"', 'where = "cost:>5"',
         "expected.launch-week.where: takes names such as 'endpoint:/summary', not cost:>5"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line_with_file_line_and_key(tmp_path, old, new, said):
    assert FULL.count(old) == 1 or old.startswith('period = "')
    with pytest.raises(UserError) as raised:
        load(tmp_path, FULL.replace(old, new, 1))
    line = str(raised.value)
    assert said in line
    assert "\n" not in line


def test_every_mistake_is_told_at_once(tmp_path):
    text = FULL.replace('limit = "0.50"', 'limit = "a lot"').replace('max_age = "30s"', 'max_age = "soon"')
    (tmp_path / "config.toml").write_text(text)
    told = rule_mistakes(read_toml(tmp_path / "config.toml", "config file"), parse_zone)
    assert [line.split(": ")[1] for line in told] == ["budgets.free-user-day.limit", "guard.max_age"]
    (tmp_path / "config.toml").write_text(FULL.replace('"ops", "finance"', '"opps", "fin"'))
    assert len(rule_mistakes(read_toml(tmp_path / "config.toml", "config file"), parse_zone)) == 2


def test_rules_as_documented_are_read_without_pydantic(tmp_path):
    (tmp_path / "config.toml").write_text(FULL)
    code = "import sys; from cost_top.config import load_config; r = load_config().rules; "
    code += "print(len(r.budgets), sorted({'pydantic', 'pydantic_core'} & {*sys.modules}))"
    env = {**os.environ, "COST_TOP_CONFIG": str(tmp_path / "config.toml")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, check=True)
    assert done.stdout.split(None, 1) == ["2", "[]\n"]


def test_a_rule_that_is_no_table_is_refused(tmp_path):
    with pytest.raises(UserError, match="budgets"):
        load(tmp_path, "budgets = 3\n")
    with pytest.raises(UserError, match="budgets"):
        load(tmp_path, "budgets = [3]\n")
