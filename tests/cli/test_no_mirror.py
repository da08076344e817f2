"""`--no-mirror`: a log in PostgreSQL is answered there, to the pico-dollar as its copy would, and nothing is kept."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from datetime import UTC, datetime

import psycopg
import pytest

from cost_top.cli.options import resolve
from cost_top.model import native
from cost_top.model.errors import SourceError, UserError
from cost_top.model.filter import Filter, Term, pattern
from cost_top.model.hashed_file import STATEMENTS
from cost_top.model.query import ReportQuery
from cost_top.monitor.cluster.cluster import Cluster
from cost_top.monitor.cluster.reports import asked_report
from cost_top.pricing.book import RateBook
from cost_top.sources.sql.log import open_log
from support.pooler import Pooler

START_MS = 1_790_000_000_000
START, END = (datetime.fromtimestamp(START_MS / 1000 + offset, UTC) for offset in (0, 3600))
ASKED = ("--since", START.isoformat(), "--until", END.isoformat(), "--format", "json", "--tz", "UTC")
HOSTILE = ("o'Neil \\' OR 1=1 --", "a?b \\", "$$;DROP TABLE x;--$$", "{p0:String}", "ct_rows", "\u202eabc")


@pytest.fixture(scope="module")
def log_url(postgres_url):
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(native.DDL)
        connection.execute(
            f"INSERT INTO {native.TABLE} (id, time_ms, provider, model, input_tokens, output_tokens, cost_pico_usd, "
            "latency_ms, tags, token, endpoint) SELECT 'r' || n, %s + n * 1000, 'openai', 'gpt-5-mini', n * 10, n, "
            "CASE WHEN n %% 3 = 0 THEN n * 1000003 END, n %% 97, '[\"env:a\", \"n:' || n %% 3 || '\"]', "
            "'k' || n %% 4, (%s::text[])[1 + n %% 7] FROM generate_series(1, 500) n",
            [START_MS, list(HOSTILE)],
        )
    return postgres_url


def run(folder, *arguments, config=""):
    (folder / "config.toml").write_text(config)
    env = {**os.environ, "COST_TOP_CONFIG": str(folder / "config.toml"), "COST_TOP_CACHE": str(folder / "cache")}
    return subprocess.run(
        [sys.executable, "-m", "cost_top", *arguments], capture_output=True, text=True, env=env, check=False
    )


@pytest.mark.parametrize("group_by", ["model,token", "tag", "hour"])
def test_the_figures_are_those_of_the_copy(log_url, tmp_path, group_by):
    wanted = run(tmp_path, "report", log_url, "--group-by", group_by, "--no-cache", *ASKED)
    found = run(tmp_path, "report", log_url, "--group-by", group_by, "--no-mirror", *ASKED)
    assert (found.returncode, wanted.returncode) == (0, 0), found.stderr + wanted.stderr
    mine, other = json.loads(found.stdout), json.loads(wanted.stdout)
    assert other["totals"]["request_count"] == 500
    assert (mine["totals"], mine["results"]) == (other["totals"], other["results"])
    assert "answered by the database itself" in " ".join(mine["notes"])
    assert "answered by the database itself" not in " ".join(other["notes"])
    kept = [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    assert {path.parent.name for path in kept} <= {STATEMENTS}  # how it is asked, nothing of what it holds
    assert not any(word in path.read_text("utf-8") for path in kept for word in ("gpt-5-mini", "env:a", "o'Neil"))


def test_a_source_of_the_config_file_says_so_too(log_url, tmp_path):
    config = f'[sources.large]\nurl = "{log_url}"\nmirror = false\n'
    found = run(tmp_path, "report", "large", *ASKED, config=config)
    assert "answered by the database itself" in " ".join(json.loads(found.stdout)["notes"]), found.stderr


def test_what_has_no_such_database_is_refused(tmp_path):
    for source in (str(tmp_path / "gateway.db"), "mysql://reader@127.0.0.1/x", "vercel"):
        refused = run(tmp_path, "report", source, "--no-mirror")
        assert refused.returncode == 2
        assert refused.stderr.count("\n") == 1
        assert "--no-mirror (mirror = false) is for a log in PostgreSQL" in refused.stderr


def test_nothing_that_is_kept_can_be_compared(log_url, tmp_path):
    refused = run(tmp_path, "report", log_url, "--no-mirror", "--verify")
    assert refused.returncode == 2
    assert refused.stderr.count("\n") == 1
    assert "of one that is answered where it lives nothing is" in refused.stderr


def test_a_replay_copies_and_says_so(log_url, tmp_path):
    refused = run(tmp_path, "watch", log_url, "--no-mirror", "--replay", "2026-11-01")
    assert refused.returncode == 2
    assert refused.stderr.count("\n") == 1
    assert "leave out --no-mirror" in refused.stderr


def test_doctor_says_from_which_size_on(log_url, tmp_path):
    assert "--no-mirror  advised from 50,000,000 rows on" in run(tmp_path, "doctor", log_url).stdout


@pytest.mark.parametrize("more", ["", "*"])
@pytest.mark.parametrize("text", HOSTILE[:5])
def test_a_filter_is_a_text_whatever_it_holds(log_url, text, more):
    value = re.sub(r"([*\\])", r"\\\1", text) + more
    assert pattern(value)[1] is bool(more)
    where = Filter((Term("endpoint", (value,)),))
    cluster = Cluster(open_log(log_url), RateBook.load(None))
    try:
        # Also where a server takes a backslash for an escape.
        for legacy in (False, True):
            if legacy:
                cluster.ask("SELECT set_config('standard_conforming_strings', 'off', false) AS s")
            found = asked_report(cluster, ReportQuery(START, END, ("endpoint",), where), END)
            assert [row.key[0] for row in found.rows] == [text]
    finally:
        cluster.close()


def test_through_a_pooler_of_transactions(log_url):
    pool = Pooler(log_url)
    try:
        clusters = [Cluster(open_log(url), RateBook.load(None)) for url in (pool.url, log_url)]
        found, wanted = (asked_report(each, ReportQuery(START, END, ("tag",)), END) for each in clusters)
        assert (found.rows, found.totals) == (wanted.rows, wanted.totals)
        for each in clusters:
            each.close()
    finally:
        pool.close()


def test_a_statement_writes_nothing_and_ends_in_time(log_url):
    cluster = Cluster(open_log(log_url, statement_timeout=3), RateBook.load(None))
    try:
        with pytest.raises(SourceError, match="read-only"):
            cluster.ask(f"DELETE FROM {native.TABLE} RETURNING id")
        with pytest.raises(SourceError, match="longer than the statement timeout"):
            cluster.ask("SELECT pg_sleep(60)::text AS s")
        assert cluster.ask("SELECT 1 AS one") == [(1,)]
    finally:
        cluster.close()


def test_an_old_server_is_told_in_one_line(log_url):
    log = open_log(log_url)
    log.columns.dialect.version = 110000
    with pytest.raises(UserError, match="PostgreSQL 12 or newer"):
        Cluster(log, RateBook.load(None))


def test_resolved_without_it(log_url):
    assert not resolve(log_url, None, None, "UTC", True, None).no_mirror
