"""How commands meet their surroundings: interrupts, encodings, full disks, and input that nobody expects."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cost_top.model.hashed_file import STATEMENTS
from support.machine import Stopwatch
from support.native_log import NativeLog

NAMES = ("ünïcode≥", "日本語", "plain")


@pytest.fixture
def log(sqlite_log) -> NativeLog:
    made = sqlite_log()
    now = time.time_ns() // 1_000_000
    for number, name in enumerate(NAMES):
        made.add(time_ms=now - 60_000 * (number + 1), user_id=name, model="gpt-a", cost_pico_usd=10**12 + number)
    made.add(time_ms=now - 60_000, user_id="unpriced", model="unheard-of", input_tokens=5)
    return made


def run(folder: Path, *arguments: str, code: int | None = 0, **options: object) -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, "COST_TOP_CACHE": str(folder / "cache"), "XDG_CONFIG_HOME": str(folder), "TZ": "UTC"}
    environment |= options.pop("env", {})  # type: ignore[arg-type]
    done = subprocess.run(
        [sys.executable, "-m", "cost_top", *arguments], check=False, timeout=120, env=environment,
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options},
    )  # fmt: skip
    assert code is None or done.returncode == code, done.stderr
    assert b"Traceback" not in (done.stderr or b"")
    return done


@pytest.mark.parametrize("encoding", ["latin-1", "ascii", "iso8859-15"])
def test_a_locale_that_is_not_utf_8_gets_figures_and_data_stays_utf_8(log, tmp_path, encoding):
    env = {"PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    ask = ("report", str(log.path), "--group-by", "user", "--since", "1d")
    table = run(tmp_path, *ask, env=env).stdout
    assert b"unpriced" in table
    if encoding != "ascii":
        wide = next(line for line in table.splitlines() if line.startswith(b"?"))
        assert wide.startswith("日本語".encode("ascii", "replace") * 2 + b" ")
    overview = run(tmp_path, str(log.path), env=env).stdout
    assert (b">= $3" if encoding != "ascii" else "≥ $3".encode()) in overview  # click takes ASCII for an accident
    names = {row["user"] for row in json.loads(run(tmp_path, *ask, "--format", "json", env=env).stdout)["results"]}
    assert {*NAMES} < names
    assert "日本語".encode() in run(tmp_path, *ask, "--format", "csv", env=env).stdout


@pytest.mark.parametrize(
    "arguments",
    [("--where", "user:\udcff"), ("--where", "\udcff"), ("--group-by", "\udcff"), ("--sort", "\udcff"),
     ("--since", "\udcff"), ("--tz", "\udcff"), ("--since", "0001-01-01T00:00:00+10:00"),
     ("--until", "9999-12-31T23:59:59-23:59")],
    ids=str,
)  # fmt: skip
def test_what_cannot_be_read_is_refused_in_one_line(log, tmp_path, arguments):
    told = run(tmp_path, "report", str(log.path), *map(os.fsencode, arguments), code=2).stderr  # type: ignore[arg-type]
    assert told.startswith(b"cost-top: ")
    assert told.count(b"\n") == 1
    assert b"failed:" not in told


def test_any_limit_is_a_limit(log, tmp_path):
    told = run(tmp_path, "report", str(log.path), "--limit", "9" * 23, "--format", "json", "--group-by", "user")
    assert len(json.loads(told.stdout)["results"]) == 4


@pytest.mark.parametrize("at", ["9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+10:00"])
def test_no_time_is_beyond_a_price(tmp_path, at):
    told = run(tmp_path, "price", "--model", "gpt-5", "--input", "1", "--at", at, code=2).stderr
    assert told.count(b"\n") == 1
    batch = tmp_path / "requests.csv"
    batch.write_text(f"model,ts_utc,input_tokens\ngpt-5,{at},1\n")
    assert b"line 2" in run(tmp_path, "price", "--batch", str(batch), code=2).stderr


@pytest.mark.parametrize("form", ["table", "json", "csv"])
def test_a_full_disk_is_said_in_one_line(log, tmp_path, form):
    with open("/dev/full", "wb") as full:
        done = run(tmp_path, "report", str(log.path), "--format", form, "--since", "1d", code=2, stdout=full)
    assert done.stderr.splitlines()[-1] == b"cost-top: the output cannot be written: No space left on device"


def test_a_reader_that_leaves_early_ends_it_quietly(log, tmp_path):
    for arguments in (("report", str(log.path)), ("price", "--models")):
        reading, writing = os.pipe()
        os.close(reading)
        try:
            done = run(tmp_path, *arguments, code=None, stdout=writing)
        finally:
            os.close(writing)
        assert (done.returncode, done.stderr) == (141, b"")


def test_control_c_ends_a_report_on_a_database_that_does_not_answer(litellm_url, tmp_path):
    import psycopg

    from support.litellm_log import wait_for_lock

    with psycopg.connect(litellm_url) as blocker:
        blocker.execute('LOCK TABLE "LiteLLM_SpendLogs" IN ACCESS EXCLUSIVE MODE')
        process = subprocess.Popen(
            [sys.executable, "-m", "cost_top", "report", litellm_url, "--no-cache"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        wait_for_lock(litellm_url)
        process.send_signal(signal.SIGINT)  # inside the driver
        with Stopwatch() as watch:
            told = process.communicate(timeout=180)
        assert watch.quiet_seconds() < 2
        assert process.returncode == 130
        assert (told[0], told[1].strip()) == (b"", b""), "at most the line after ^C"


@pytest.mark.parametrize(("mode", "words"), [(0o777, "others"), (0o500, "")])
def test_a_cache_folder_that_others_can_write_to_is_refused(log, tmp_path, mode, words):
    folder = tmp_path / "kept"
    folder.mkdir()
    folder.chmod(mode)
    if mode == 0o500 and os.geteuid() == 0:
        pytest.skip("root writes everywhere")
    told = run(tmp_path, "report", str(log.path), code=2, env={"COST_TOP_CACHE": str(folder)}).stderr.decode()
    assert told.startswith(f"cost-top: cache folder {folder}")
    assert words in told
    assert "COST_TOP_CACHE" in told


def test_a_kept_folder_made_by_another_is_refused(log, tmp_path):
    run(tmp_path, "report", str(log.path))
    (kept,) = (each for each in (tmp_path / "cache").iterdir() if each.name != STATEMENTS)
    kept.chmod(0o777)
    assert b"can be written to by others" in run(tmp_path, "report", str(log.path), code=2).stderr
    kept.chmod(0o700)
    if os.geteuid() == 0:
        os.chown(kept, 12345, 12345)
        assert b"belongs to another user" in run(tmp_path, "report", str(log.path), code=2).stderr


def test_a_comparison_without_its_colon_is_no_word(log, tmp_path):
    for where, right in (("cost>5", "cost:>5"), ("status>=400", "status:>=400"), ("latency_ms<9", "latency:<9"),
                         ("cots>5", "cost:>5"), ("user=acme", "user:acme"), ("-cost=3", "cost:3")):  # fmt: skip
        told = run(tmp_path, "report", str(log.path), "--where", where, code=2).stderr.decode()
        assert f"write {right}\n" in told, where
    run(tmp_path, "report", str(log.path), "--where", '"a>5" x=y')


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [(("reprot",), "report"), (("docter",), "doctor"), (("reprot", "LOG"), "report"),
     (("reprot", "--group-by", "model"), "report"), (("report", "LOG", "--group-by", "modle"), "model"),
     (("report", "LOG", "--where", "tga:x"), "tag"), (("report", "LOG", "--sort", "total_costs"), "total_cost")],
)  # fmt: skip
def test_the_nearest_name_is_offered(log, tmp_path, arguments, meant):
    told = run(tmp_path, *(str(log.path) if part == "LOG" else part for part in arguments), code=2).stderr.decode()
    assert f"did you mean {meant}?" in told


@pytest.mark.parametrize("closed", [(1,), (2,), (0, 1, 2)], ids=str)
def test_a_stream_that_its_parent_closed_is_nothing(log, tmp_path, closed):
    def close() -> None:
        for number in closed:
            os.close(number)

    run(tmp_path, "report", str(log.path), preexec_fn=close)
    run(tmp_path, "report", str(tmp_path / "missing.db"), preexec_fn=close, code=2)


def test_options_that_would_change_nothing_are_refused(log, tmp_path):
    for arguments, said in (
        (("report", "--format", "line", "--until", "2026-11-01"), b"--format line: tells today and the last hour"),
        (("report", "--format", "line", "--group-by", "model"), b"--format line: tells today and the last hour"),
        (("requests", "--focus-version", "1.3"), b"--focus-version: is of --format focus"),
    ):
        assert said in run(tmp_path, arguments[0], str(log.path), *arguments[1:], code=2).stderr


def test_a_file_that_cannot_be_used_is_named_and_why(tmp_path):
    told = run(tmp_path, "report", f"{tmp_path}/{'x' * 300}.jsonl", code=2).stderr.decode()
    assert told.startswith(f"cost-top: {tmp_path}")
    assert told.endswith(": File name too long\n")


def test_a_table_says_what_it_is_of(log, tmp_path):
    told = run(tmp_path, "report", str(log.path), "--tz", "UTC", "--since", "2026-11-01", "--until", "2026-11-15",
               "--where", "user:plain", "--sort", "cost").stdout.decode()  # fmt: skip
    assert told.startswith("gateway.db   2026-11-01 00:00 to 2026-11-15 00:00 UTC   user:plain\n")


def test_the_database_of_this_machine_s_gateway_is_offered(tmp_path):
    env = {"DATABASE_URL": "postgresql://u:secret@h/db"}
    for arguments in ((), ("report",)):
        told = run(tmp_path, *arguments, code=2, env=env).stderr.decode()
        assert '"$DATABASE_URL"' in told
        assert "secret" not in told


@pytest.mark.parametrize("form", ["file:{}", "file://{}?mode=ro", "sqlite:{}", "sqlite:///{}"])
def test_a_file_by_its_url(log, tmp_path, form):
    assert b"gpt-a" in run(tmp_path, "report", form.format(log.path), "--group-by", "model").stdout


def test_words_of_libpq_are_told_to_be_a_url(tmp_path):
    assert b"postgresql://USER@HOST" in run(tmp_path, "report", "host=db dbname=litellm", code=2).stderr


def test_a_database_without_a_host_by_socket_and_by_service(postgres_server, postgres_url, tmp_path):
    from urllib.parse import urlsplit

    parts = urlsplit(postgres_url)
    env = {"PGHOST": parts.hostname or "", "PGPORT": str(parts.port), "PGUSER": parts.username or "",
           "PGPASSWORD": parts.password or ""}  # fmt: skip
    service = tmp_path / "services.conf"
    service.write_text(f"[ll]\nhost={parts.hostname}\nport={parts.port}\ndbname={parts.path[1:]}\n")
    for url in (
        f"postgresql://{parts.path}",
        f"postgresql://{parts.path}?host={parts.hostname}",
        "postgresql://?service=ll",
    ):
        told = run(tmp_path, "report", url, code=2, env={**env, "PGSERVICEFILE": str(service)}).stderr.decode()
        assert "holds no request log" in told, "it was reached"


def test_a_log_without_rights_is_said_to_be_there(litellm_url, tmp_path):
    import psycopg

    with psycopg.connect(litellm_url, autocommit=True) as connection:
        connection.execute("CREATE ROLE nobody_much LOGIN PASSWORD 'secret-pw'")
    try:
        url = litellm_url.replace(litellm_url.partition("//")[2].partition("@")[0], "nobody_much:secret-pw")
        told = run(tmp_path, "report", url, code=2).stderr.decode()
        assert "no right to read LiteLLM_SpendLogs; GRANT" in told
    finally:
        with psycopg.connect(litellm_url, autocommit=True) as connection:
            connection.execute("DROP ROLE nobody_much")


@pytest.mark.parametrize(
    ("words", "offered"),
    [("cost-top report --group-by mo", {"model"}), ("cost-top report --group-by model,mo", set()),
     ("cost-top report --group-by model,us", {"model,user"}), ("cost-top report x --where ta", {"tag:"}),
     ("cost-top report pro", {"prod", "pro"}), ("cost-top rep", {"report"})],
)  # fmt: skip
def test_a_shell_completes_sources_dimensions_and_fields(tmp_path, words, offered):
    config = tmp_path / "config.toml"
    config.write_text('[sources.prod]\nurl = "a.db"\n')
    env = {"_COST_TOP_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1),
           "COST_TOP_CONFIG": str(config)}  # fmt: skip
    lines = run(tmp_path, code=None, env=env).stdout.decode().split()
    assert {line.partition(",")[2] for line in lines} == offered


def test_however_it_is_ended_no_temporary_file_stays(tmp_path):
    log = tmp_path / "log.csv"
    log.write_text(
        "timestamp,provider,model,prompt_tokens,completion_tokens,cached_tokens,cost,provider_cost,latency_ms,status,"
        "key_name,client_ip,streaming,user_agent\n"
        f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ},openai,gpt-5,1,1,0,0.1,0.1,9,200,private,,false,\n"
    )
    ends = {"SIGTERM": 143, "SIGKILL": -9, "reader": 141}
    running, folders = {}, {}
    for end in ends:
        folders[end] = tmp_path / end
        folders[end].mkdir()
        running[end] = subprocess.Popen(
            [sys.executable, "-m", "cost_top", "requests", str(log), "--follow", "--no-cache", "--format", "csv"],
            stdout=subprocess.PIPE, env={**os.environ, "TMPDIR": str(folders[end]), "XDG_CONFIG_HOME": str(tmp_path)},
        )  # fmt: skip
    for end, process in running.items():
        assert process.stdout is not None
        assert b"time" in process.stdout.readline()
        assert b"private" in process.stdout.readline()
        assert len([*folders[end].iterdir()]) == 1
        if end == "reader":
            process.stdout.close()
        else:
            process.send_signal(signal.Signals[end])
    for end, process in running.items():
        assert process.wait(30) == ends[end], end
        process.stdout.close()
        assert end == "SIGKILL" or not [*folders[end].iterdir()], end
    (left,) = folders["SIGKILL"].iterdir()
    os.utime(left, (1, 1))
    run(tmp_path, "report", str(log), "--no-cache", env={"TMPDIR": str(folders["SIGKILL"])})
    assert not [*folders["SIGKILL"].iterdir()], "the next one removes what a killed one left"


def test_control_c_while_the_modules_load_is_quiet():
    loads = "import builtins, os, signal; real = builtins.__import__\n" \
        "def load(name, *rest):\n" \
        "    if name == 'click': os.kill(os.getpid(), signal.SIGINT)\n" \
        "    return real(name, *rest)\n" \
        "builtins.__import__ = load\nfrom cost_top.__main__ import main\nmain()"  # fmt: skip
    done = subprocess.run([sys.executable, "-c", loads, "report"], capture_output=True, check=False, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"")


def test_signals_that_its_parent_holds_back_end_it(log, tmp_path):
    held = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
    for number in (signal.SIGTERM, signal.SIGINT):
        before = signal.pthread_sigmask(signal.SIG_BLOCK, held)
        try:
            watch = subprocess.Popen(
                [sys.executable, "-m", "cost_top", "watch", str(log.path), "--format", "jsonl"],
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ | {"XDG_STATE_HOME": str(tmp_path)},
            )  # fmt: skip
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        with watch:
            try:
                assert b"watch" in watch.stderr.readline()
                watch.send_signal(number)
                assert watch.wait(60) == 0
            finally:
                watch.kill()
