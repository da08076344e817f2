"""Passwords that are in no argument: a file with the source, a command that prints the key; names from elsewhere."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cost_top.model.errors import UserError
from cost_top.sources.locate import locate
from support.gateway_shapes import NATIVE, NEW_API
from support.log_writers import postgres_writer, sqlite_writer
from support.logical import requests

END = datetime(2026, 10, 8, tzinfo=UTC)


def run(tmp_path, *arguments):
    command = [sys.executable, "-m", "cost_top", *map(str, arguments)]
    environment = {
        **os.environ, "COST_TOP_CONFIG": str(tmp_path / "config.toml"), "COST_TOP_CACHE": str(tmp_path / "cache"),
    }  # fmt: skip
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=180, env=environment)


def report(tmp_path, *source):
    done = run(
        tmp_path, "report", *source, "--format", "json", "--tz", "UTC", "--since", "2026-10-01",
        "--until", "2026-10-09", "--group-by", "provider",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def native(postgres_server):
    with postgres_writer(postgres_server) as writer:
        writer.write(NATIVE, requests(20, END))
        yield writer.location


def test_a_source_from_a_private_file(tmp_path, native):
    (tmp_path / "config.toml").write_text("")
    held = tmp_path / "source"
    held.write_text(native + "\n# production\n")
    held.chmod(0o600)
    assert report(tmp_path, "--source-file", held)["totals"]["request_count"] == 20
    held.chmod(0o644)
    refused = run(tmp_path, "report", "--source-file", held)
    assert refused.returncode == 2
    assert "others may read this source file: chmod 600 it" in refused.stderr
    assert native.split("@")[0].rsplit(":", 1)[1] not in refused.stderr


def test_a_password_from_a_command(tmp_path, native):
    head, _, place = native.rpartition("@")
    user, _, password = head.partition("://")[2].partition(":")
    script = tmp_path / "password"
    script.write_text(f"#!/bin/sh\necho '{password}'\n")
    script.chmod(0o700)
    (tmp_path / "config.toml").write_text(
        f'[sources.prod]\nurl = "postgresql://{user}@{place}"\nkey_command = "{script}"\n'
        f'[sources.broken]\nurl = "postgresql://{user}@{place}"\nkey_command = "/bin/false"\n'
    )
    assert report(tmp_path, "prod")["totals"]["request_count"] == 20
    refused = run(tmp_path, "report", "broken")
    assert refused.returncode == 2
    assert "key_command: /bin/false ended with 1" in refused.stderr


def test_names_from_the_database_that_the_config_names(tmp_path):
    with sqlite_writer(tmp_path) as writer:
        writer.write(NEW_API, requests(20, END))
        writer.run("DROP TABLE channels")
        main = tmp_path / "main.db"
        connection = sqlite3.connect(main)
        connection.execute("CREATE TABLE channels (id INTEGER, type INTEGER, key TEXT, name TEXT)")
        connection.executemany("INSERT INTO channels VALUES (?, 14, 'sk-never', '')", [(n,) for n in range(1, 5)])
        connection.commit()
        connection.close()
        (tmp_path / "config.toml").write_text(f'[sources.own]\nurl = "{writer.location}"\nnames_url = "{main}"\n')
        assert {row["provider"] for row in report(tmp_path, "own")["results"]} == {"anthropic"}


def test_a_file_needs_no_key():
    with pytest.raises(UserError, match="a file needs no key"):
        locate("gateway.db", Path("key")).database_url()
