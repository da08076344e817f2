"""A command as receiver: the event on its input, and what of the environment it sees."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime

from cost_top.alerts.event import Event
from cost_top.alerts.receiver import open_receiver, secret_variables
from cost_top.config import load_config

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
_COPY = (
    "import json, os, sys; json.dump([json.load(sys.stdin), dict(os.environ)], open(sys.argv[1], 'w'));"
    "sys.exit('no' if sys.argv[2] else 0)"
)


def test_a_command_gets_the_event_and_none_of_our_secrets(tmp_path, monkeypatch):
    seen = tmp_path / "seen.json"
    secrets = {
        "TEAM_A_KEY": "of a source", "OPS_URL": "https://hooks.example/s3cret", "OPS_SIGNING": "whsec_" + "QUFB" * 8,
        "OPENAI_ADMIN_KEY": "sk-admin", "MYSQL_PWD": "pw", "PGPASSWORD": "pw", "COST_TOP_SOURCE": "x",
        "DATABASE_URL": "postgresql://reader:pw@db.example/litellm",
    }  # fmt: skip
    for name, value in {**secrets, "MAIL_HOST": "https://mail.example/"}.items():
        monkeypatch.setenv(name, value)
    argv = [sys.executable, "-c", _COPY, str(seen)]
    (tmp_path / "config.toml").write_text(
        '[sources.team]\nurl = "openai"\nkey_variable = "TEAM_A_KEY"\n'
        '[[receivers]]\nname = "ops"\nurl_variable = "OPS_URL"\nsecret_variable = "OPS_SIGNING"\n'
        f'[[receivers]]\nname = "good"\nkind = "command"\nargv = {json.dumps([*argv, ""])}\n'
        f'[[receivers]]\nname = "bad"\nkind = "command"\nargv = {json.dumps([*argv, "no"])}\n'
    )
    config = load_config(tmp_path / "config.toml")
    assert config.rules is not None
    _, good, bad = (open_receiver(one, tmp_path, secret_variables(config)) for one in config.rules.receivers)
    event = Event("evt_1", "budget.threshold", NOW, "budget/x", "budget x has reached 80 %", {"n": 1})
    assert good.deliver(event, "log.db", NOW).ok
    told, environment = json.loads(seen.read_text())
    assert told == {"id": "evt_1", **event.body, "text": event.text}
    assert not secrets.keys() & environment.keys()
    assert environment["MAIL_HOST"] == "https://mail.example/"
    assert bad.deliver(event, "log.db", NOW).told == "ended with 1: no"
