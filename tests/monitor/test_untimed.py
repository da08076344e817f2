"""Rows without a usable time are told beside the figures that lack them, and are not counted at every look."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cost_top.cli.requests import command as requests_command
from cost_top.mirror.backfill import Backfill, Work
from cost_top.mirror.store import Mirror
from cost_top.model.errors import SourceError
from cost_top.model.notes import MOST_UNTIMED, NOT_COUNTED
from cost_top.model.query import ReportQuery
from cost_top.model.view import View
from cost_top.model.windows import Period
from cost_top.monitor.cluster.answers import ClusterAnswers
from cost_top.monitor.cluster.hub import ClusterHub
from cost_top.monitor.log.answers import LogAnswers
from cost_top.monitor.log.hub import LogHub
from cost_top.monitor.log.overview_once import once_snapshot
from cost_top.monitor.log.untimed import Untimed
from cost_top.pricing.book import RateBook
from cost_top.sources.base import Evidence
from cost_top.sources.files.log import open_files
from cost_top.sources.sql.log import open_log
from cost_top.sources.sql.reader import SqlLogReader
from support.log_writers import LogWriter, clickhouse_writer

NOW = datetime.now(UTC)
GOOD = {"time_ms": int(NOW.timestamp() * 1000) - 60_000, "model": "gpt-4o", "input_tokens": 1}
BAD: list[dict[str, Any]] = [{**GOOD, "time_ms": at} for at in (5, "soon", 10**16)]
QUERY = ReportQuery(NOW - timedelta(days=30), NOW)
TOLD = "3 rows have no usable time: in no period and in no figure (cost-top doctor)"
MAPPING = (
    'name = "n"\ntable = "calls"\nid = "id"\ntime = { column = "at", unit = "iso_utc" }\n[fields]\nmodel = "model"\n'
)


@pytest.fixture
def log(sqlite_log: Any) -> Any:
    """A native log with one request, and three that were never made at any time."""
    log = sqlite_log("gateway.db", wal=False)
    for row in (GOOD, *BAD):
        log.add(**row)
    return log


@pytest.fixture
def clickhouse(clickhouse_server: Any) -> Iterator[LogWriter]:
    with clickhouse_writer(clickhouse_server) as writer:
        yield writer


def opened(log: Any, cache: Path | None = None) -> LogAnswers:
    return LogAnswers(lambda: open_log(str(log.path)), lambda: RateBook.load(None), cache)


def test_a_report_tells_them_and_counts_the_others(log: Any) -> None:
    report = opened(log).report(QUERY)
    assert (report.totals.request_count, TOLD in report.notes) == (1, True)


def test_a_report_of_what_is_held_for_several_questions_tells_them(log: Any) -> None:
    answers = opened(log)
    with answers.held(Period(QUERY.start, QUERY.end)):
        assert TOLD in answers.report(QUERY).notes


@pytest.mark.parametrize("form", ["table", "json", "jsonl", "csv", "focus"])
@pytest.mark.parametrize("how", [(), ("--sort", "cost"), ("--waste", "total")])
def test_single_requests_tell_them_once(log: Any, form: str, how: tuple[str, ...]) -> None:
    if form == "focus" and "cost" in how:
        return
    words = [str(log.path), "--since", "30d", "--no-cache", "--format", form, *how]
    done = CliRunner().invoke(requests_command, words, standalone_mode=False)
    assert done.exception is None, done.exception
    assert done.output.count(TOLD) == 1
    assert (TOLD in done.stderr) == (form not in ("table", "json"))
    for row in BAD:
        log.connection.execute("DELETE FROM cost_top_requests WHERE time_ms = ?", (row["time_ms"],))
    log.connection.commit()
    assert "usable time" not in CliRunner().invoke(requests_command, words, standalone_mode=False).output


def test_a_log_without_any_time_is_not_said_to_be_empty(sqlite_log: Any) -> None:
    log = sqlite_log("gateway.db", wal=False)
    for row in BAD:
        log.add(**row)
    report = opened(log).report(QUERY)
    assert (report.totals.request_count, report.notes[-1]) == (0, TOLD)
    snapshot = once_snapshot(open_log(str(log.path)), RateBook.load(None), None, View(window="30d"), UTC)
    assert snapshot.trust.untimed_count == 3


def test_a_log_whose_rows_all_have_one_says_nothing(sqlite_log: Any) -> None:
    log = sqlite_log("gateway.db", wal=False)
    log.add(**GOOD)
    assert not any("usable time" in note for note in opened(log).report(QUERY).notes)


def test_they_are_counted_again_only_where_the_log_was_written_to(
    log: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    count = SqlLogReader.untimed
    monkeypatch.setattr(SqlLogReader, "untimed", lambda reader: asked.append(1) or count(reader))
    for path in log.path.parent.glob("gateway.db*"):
        os.utime(path, (time.time() - 60, time.time() - 60))
    for _ in range(3):
        assert TOLD in opened(log, tmp_path / "cache").report(QUERY).notes
    before = len(asked)
    assert before == 1, "an unchanged log was asked again"
    log.add(**{**GOOD, "time_ms": 7})
    assert any(
        note.startswith("4 rows have no usable time") for note in opened(log, tmp_path / "cache").report(QUERY).notes
    )
    opened(log).requests(QUERY)
    with opened(log).held(Period(QUERY.start, QUERY.end)):
        pass
    assert len(asked) == before + 1, "single requests have no figure beside which they are told"


def test_where_they_cannot_be_counted_that_is_told(log: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def fail(reader: Any) -> int:
        asked.append(reader)
        raise SourceError("too slow")

    monkeypatch.setattr(SqlLogReader, "untimed", fail)
    report = opened(log).report(QUERY)
    assert (report.totals.request_count, NOT_COUNTED in report.notes) == (1, True)
    assert len(asked) == 1, "what takes too long is not tried twice for one report"


def test_the_screen_is_told_once_history_is_read(log: Any) -> None:
    hub = LogHub(lambda: open_log(str(log.path)), lambda: RateBook.load(None), interval=0.05, cache=None)
    with shown_by(hub) as count:
        assert count == 3
        assert TOLD in hub.report(QUERY).notes


@contextmanager
def shown_by(hub: LogHub | ClusterHub) -> Iterator[int | None]:
    """How many such rows a running hub comes to show; it goes on within the block."""
    shown: list[Any] = []
    hub.subscribe(View(window="30d"), UTC, shown.append)
    hub.start()
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not (shown and shown[-1].trust.untimed_count):
            time.sleep(0.02)
        yield shown[-1].trust.untimed_count
    finally:
        hub.close()


def test_a_log_that_is_answered_where_it_lives_tells_them(clickhouse: Any, tmp_path: Path) -> None:
    clickhouse.create("calls", {"id": "Int64", "at": "String", "model": "key"})
    times = [f"{NOW - timedelta(hours=1):%Y-%m-%d %H:%M:%S}", "soon", "", "1970-01-01 00:00:00"]
    clickhouse.insert("calls", [{"id": n, "at": at, "model": "gpt-4o"} for n, at in enumerate(times)])
    path = tmp_path / "map.toml"
    path.write_text(MAPPING)
    answers = ClusterAnswers(lambda: open_log(clickhouse.location, path), lambda: RateBook.load(None))
    try:
        report = answers.report(QUERY)
        assert (report.totals.request_count, TOLD in report.notes) == (1, True)
    finally:
        answers.close()
    hub = ClusterHub(lambda: open_log(clickhouse.location, path), lambda: RateBook.load(None), interval=0.05)
    with shown_by(hub) as count:
        assert count == 3


def test_lines_of_files_whose_time_is_none_are_told(tmp_path: Path) -> None:
    times = [f"{NOW - timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}", "soon", None, "1970-01-01T00:00:00Z"]
    path, mapping = tmp_path / "calls.jsonl", tmp_path / "map.toml"
    path.write_text("".join(json.dumps({"id": n, "at": at, "model": "m"}) + "\n" for n, at in enumerate(times)))
    mapping.write_text(MAPPING)
    log = open_files(str(path), mapping, None)
    report = LogAnswers(lambda: log, lambda: RateBook.load(None), None).report(QUERY)
    assert (report.totals.request_count, TOLD in report.notes) == (1, True)


class Counted:
    """A log that counts when it is told to."""

    def __init__(self) -> None:
        self.rows, self.asked = 3, 0

    def connect(self) -> Counted:
        return self

    def untimed(self) -> int:
        self.asked += 1
        return self.rows

    def cancel(self) -> None: ...

    def __enter__(self) -> Counted:
        return self

    def __exit__(self, *_: object) -> None: ...


def look(untimed: Untimed, evidence: Evidence | None, clock: float) -> bool:
    """A look, and one more once what it began is done."""
    changed = untimed.look(evidence, clock)
    if untimed._thread is not None:
        untimed._thread.join()
    return untimed.look(None, clock) or changed


def test_while_a_log_is_followed_they_are_counted_now_and_then(sqlite_log: Any) -> None:
    source: Any = Counted()
    mirror = Mirror(open_log(str(sqlite_log("gateway.db").path)), RateBook.load(None), None)
    untimed = Untimed(source, mirror)
    assert not look(untimed, None, 0.0), "nothing is known of the log yet"
    assert look(untimed, Evidence("place", "1", "1"), 0.0)
    assert (mirror.untimed, source.asked) == (3, 1)
    source.rows = MOST_UNTIMED
    assert not look(untimed, Evidence("place", "1", "1"), 10_000.0), "it was not written to"
    assert not look(untimed, Evidence("place", "1", "2"), 100.0), "not so soon again"
    assert look(untimed, Evidence("place", "1", "2"), 1000.0)
    assert (mirror.untimed, source.asked) == (MOST_UNTIMED, 2)
    untimed.stop()
    mirror.close()


def test_no_fourth_connection_is_opened_for_it(log: Any) -> None:
    source = open_log(str(log.path))
    mirror = Mirror(source, RateBook.load(None), None)
    backfill = Backfill(source, mirror.database, mirror.days)
    readers: list[Any] = [Counted() for _ in range(2)]
    assert backfill.has_room
    backfill._readers.update(readers[:1])
    assert backfill.has_room
    backfill._readers.update(readers)
    assert not backfill.has_room
    backfill._readers.clear()
    backfill.ask(Work.READ, [NOW.date()])
    assert not backfill.has_room
    mirror.close()
