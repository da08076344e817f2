"""The promises about time and loss: never waits, never fails, keeps what it accepted."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from cost_top.record import Recorder
from cost_top.record.writer import BATCH_ROWS

ANSWER = {"model": "gpt-4o", "choices": [], "usage": {"prompt_tokens": 10, "completion_tokens": 2}}


def count(path) -> int:
    with contextlib.closing(sqlite3.connect(path, timeout=180)) as connection:
        return connection.execute("SELECT count(*) FROM cost_top_requests").fetchone()[0]


def until(condition, seconds=20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not happen"
        time.sleep(0.02)


def test_a_log_of_an_earlier_version_gets_the_columns_it_lacks(tmp_path):
    path = tmp_path / "old.db"
    with contextlib.closing(sqlite3.connect(path)) as old:
        old.executescript(
            "CREATE TABLE cost_top_requests (id VARCHAR(255) NOT NULL PRIMARY KEY, time_ms BIGINT NOT NULL, "
            "model TEXT, input_tokens BIGINT); INSERT INTO cost_top_requests VALUES ('old', 1, 'gpt-4o', 5);"
        )
    with Recorder(f"sqlite:///{path}") as recorder:
        recorder.record(response=ANSWER, id="new", session="s-1", region="us")
        assert recorder.flush(20), recorder.last_error
    with contextlib.closing(sqlite3.connect(path)) as read:
        found = read.execute("SELECT id, input_tokens, session, region FROM cost_top_requests ORDER BY id").fetchall()
    assert found == [("new", 10, "s-1", "us"), ("old", 5, None, None)]


def test_a_new_file_belongs_to_its_owner_alone(log):
    before = os.umask(0)
    try:
        log.recorder.record(response=ANSWER)
        assert log.row()["input_tokens"] == 10
    finally:
        os.umask(before)
    for file in log.path.parent.glob("requests.db*"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    with contextlib.closing(sqlite3.connect(log.path)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_rows_arrive_by_themselves(log):
    log.recorder.record(response=ANSWER)
    until(lambda: log.recorder.written == 1)
    assert count(log.path) == 1


def test_twenty_thousand_requests_at_once_are_all_kept(log):
    for number in range(20_000):
        log.recorder.record(response=ANSWER, id=f"row-{number}")
    assert log.recorder.flush(60)
    assert (count(log.path), log.recorder.dropped) == (20_000, 0)


def test_many_threads(log):
    def work(name):
        for number in range(500):
            log.recorder.record(response=ANSWER, id=f"{name}-{number}")

    threads = [threading.Thread(target=work, args=(name,)) for name in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(log.rows()) == 4000


def test_a_locked_database_is_waited_for(log):
    log.recorder.record(response=ANSWER)
    assert log.recorder.flush(20)
    with contextlib.closing(sqlite3.connect(log.path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        for _ in range(3000):
            log.recorder.record(response=ANSWER)
        until(lambda: log.recorder.last_error is not None)
        assert not log.recorder.flush(0.1)
        other.execute("ROLLBACK")
    assert len(log.rows()) == 3001
    assert log.recorder.dropped == 0


def test_an_absent_folder_is_waited_for_up_to_the_bound(tmp_path):
    folder = tmp_path / "later"
    recorder = Recorder(f"sqlite:///{folder}/requests.db", queue_rows=100)
    for _ in range(250):
        recorder.record(response=ANSWER)
    assert not recorder.flush(0.3)
    assert recorder.dropped == 150
    assert recorder.last_error.startswith("FileNotFoundError")
    folder.mkdir()
    assert recorder.flush(20)
    assert (count(folder / "requests.db"), recorder.written) == (100, 100)
    recorder.close()


def test_a_file_that_is_moved_away_is_replaced(log):
    log.recorder.record(response=ANSWER, id="first")
    assert log.recorder.flush(20)
    for file in log.path.parent.glob("requests.db*"):
        file.rename(file.with_name(file.name.replace("requests", "old")))
    log.recorder.record(response=ANSWER, id="second")
    assert log.row()["id"] == "second"
    assert count(log.path.with_name("old.db")) == 1


def test_a_file_that_is_no_database_costs_nothing_but_rows(tmp_path):
    path = tmp_path / "requests.db"
    path.write_text("this is a letter, not a database\n" * 50)
    recorder = Recorder(f"sqlite:///{path}")
    recorder.record(response=ANSWER)
    assert not recorder.flush(0.3)
    recorder.close(timeout=0.1)
    assert "not a database" in recorder.last_error
    assert recorder.dropped == 1
    assert path.read_text().startswith("this is a letter")


def test_a_refused_row_does_not_take_the_others_along(log):
    with contextlib.closing(sqlite3.connect(log.path)) as other:
        from cost_top.model.native import DDL

        other.executescript(DDL)
        other.execute(
            "CREATE TRIGGER picky BEFORE INSERT ON cost_top_requests WHEN NEW.model = 'bad' "
            "BEGIN SELECT RAISE(ABORT, 'no such model here'); END"
        )
    for model in ("good", "bad", "good", "bad", "good"):
        log.recorder.record(model=model)
    assert [row["model"] for row in log.rows()] == ["good"] * 3
    assert (log.recorder.written, log.recorder.dropped) == (3, 2)
    assert "refused" in log.recorder.last_error


def test_after_close_requests_are_counted_as_dropped(log):
    with log.recorder as recorder:
        recorder.record(response=ANSWER)
    assert count(log.path) == 1
    recorder.record(response=ANSWER)
    recorder.close()
    assert (count(log.path), recorder.dropped, recorder.written) == (1, 1, 1)


def test_a_record_never_waits_for_the_database(log):
    """Not timed: with the only connection blocked for good, every call still returns and every row is still there."""
    log.recorder.record(response=ANSWER)
    assert log.recorder.flush(20)
    gate = threading.Event()
    write = log.recorder._writer.store.write
    log.recorder._writer.store.write = lambda rows: (gate.wait(30), write(rows))
    for _ in range(5000):
        log.recorder.record(response=ANSWER)
    assert log.recorder.written == 1
    gate.set()
    assert len(log.rows()) == 5001


SCRIPT = """
import os, sys
from cost_top.record import Recorder
recorder = Recorder("sqlite:///" + sys.argv[1])
answer = {"model": "gpt-4o", "choices": [], "usage": {"prompt_tokens": 10, "completion_tokens": 2}}
"""


def python(body: str, path: Path, **options) -> subprocess.Popen:
    source = Path(__file__).resolve().parents[2] / "src"
    environment = {**os.environ, "PYTHONPATH": str(source)}
    return subprocess.Popen([sys.executable, "-c", SCRIPT + body, str(path)], env=environment, **options)


def test_rows_are_flushed_at_exit(tmp_path):
    path = tmp_path / "requests.db"
    assert python("for n in range(1234): recorder.record(response=answer)", path).wait(180) == 0
    assert count(path) == 1234


def test_an_exception_that_ends_the_program_loses_nothing(tmp_path):
    path = tmp_path / "requests.db"
    body = "for n in range(50): recorder.record(response=answer)\nraise SystemExit(3)"
    assert python(body, path).wait(180) == 3
    assert count(path) == 50


def test_exit_is_not_held_up_by_a_database_that_never_comes(tmp_path):
    body = "import cost_top.record.writer as w; w.EXIT_SECONDS = 0.2\nrecorder.record(response=answer)"
    process = python(body, tmp_path / "absent" / "requests.db", stderr=subprocess.PIPE)
    _, message = process.communicate(timeout=180)
    assert process.returncode == 0
    assert b"1 requests were not recorded" in message


@pytest.mark.parametrize("rate", ["paced", "flat out"])
def test_kill_9_loses_at_most_the_last_batch(tmp_path, rate):
    """What was accepted earlier than one batch (of rows or of time) before the kill is in the database."""
    path = tmp_path / "requests.db"
    pause, enough = ("time.sleep(0.001)", 1000) if rate == "paced" else ("None", 60_000)
    body = f"""
import time
n = 0
while True:
    recorder.record(response=answer, id=str(n))
    n += 1
    if n % 50 == 0:
        os.write(1, b"%d\\n" % n)
    {pause}
"""
    accepted = 0
    with python(body, path, stdout=subprocess.PIPE) as process:
        for line in process.stdout:
            accepted = int(line) if line.endswith(b"\n") else accepted
            if accepted >= enough:
                process.send_signal(signal.SIGKILL)
    kept = count(path)
    assert kept >= enough / 2, "it never wrote"
    # Flat out, two batches are on their way; on a busy machine the writer may be some further behind.
    assert accepted - kept <= (BATCH_ROWS if rate == "paced" else 6 * BATCH_ROWS)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        # No hole: what is kept is the beginning of what was accepted.
        assert connection.execute("SELECT max(CAST(id AS INTEGER)) FROM cost_top_requests").fetchone() == (kept - 1,)
    print(f"{rate}: accepted {accepted}, kept {kept}, lost {accepted - kept}")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_writes_each_row_once(tmp_path):
    path = tmp_path / "requests.db"
    body = """
for n in range(100): recorder.record(response=answer, id=f"before-{n}")
child = os.fork()
name = "child" if child == 0 else "parent"
for n in range(200): recorder.record(response=answer, id=f"{name}-{n}")
assert recorder.flush(20)
if child == 0:
    assert recorder.written == 200, recorder
    recorder.close()
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
assert recorder.written == 300, recorder
"""
    assert python(body, path).wait(180) == 0
    assert count(path) == 500
