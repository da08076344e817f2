"""Connections that say nothing, and streams of one asker, shut nobody out and fill no disk."""

from __future__ import annotations

import contextlib
import os
import resource
import select
import signal
import socket
import subprocess
import time
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from cost_top.serve.connections import HEAD_SECONDS
from support.machine import Stopwatch
from support.native_log import NativeLog
from support.served import command, environment, served, write_traffic

HALF = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: "


@pytest.fixture
def log(tmp_path) -> Iterator[NativeLog]:
    made = NativeLog(tmp_path / "gateway.db")
    write_traffic(made, 200)
    yield made
    made.close()


@pytest.fixture
def sockets() -> Iterator[list[socket.socket]]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4000, before[1]), before[1]))
    opened: list[socket.socket] = []
    yield opened
    for one in opened:
        one.close()
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def connect(url: str, sent: bytes) -> socket.socket:
    parts = urllib.parse.urlsplit(url)
    one = socket.create_connection((parts.hostname, parts.port), timeout=180)
    if sent:
        one.sendall(sent)
    return one


@pytest.mark.parametrize("limit", [None, 400])
def test_more_half_open_connections_than_there_is_room_for(log, tmp_path, sockets, limit):
    lower = f"import resource; resource.setrlimit(resource.RLIMIT_NOFILE, ({limit}, {limit}))" if limit else ""
    with served(tmp_path, log.path, "--rate-limit", 10_000, patch=lower) as server:
        for number in range(1_100):
            sockets.append(connect(server.url, HALF if number % 2 else b""))
            if number % 275 == 274:
                with httpx.Client(base_url=server.url, timeout=90, trust_env=False) as other:
                    assert other.get("/healthz").status_code == 200
                    assert other.get("/v1/report", params={"since": "1d"}).status_code == 200
        assert len(os.listdir(f"/proc/{server.process.pid}/fd")) < (limit or 1_100)
        assert len(server.stderr) < 1_000
        assert server.end() == 0


def test_a_head_that_does_not_come_is_not_waited_for(log, tmp_path, sockets):
    sooner = "import cost_top.serve.connections as c; c.HEAD_SECONDS /= 4"
    with served(tmp_path, log.path, patch=sooner) as server:
        answered = connect(server.url, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        silent, slow = connect(server.url, b""), connect(server.url, HALF)
        sockets += [answered, silent, slow]
        with Stopwatch() as watch:
            assert answered.recv(12) == b"HTTP/1.1 200"
            for late in (silent, slow):
                late.settimeout(180)
                with contextlib.suppress(ConnectionResetError):
                    assert late.recv(1) == b""
        assert watch.seconds > HEAD_SECONDS / 5
        assert watch.quiet_seconds() < HEAD_SECONDS / 2
        answered.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answered.settimeout(60)
        while b"HTTP/1.1 200" not in answered.recv(65536):
            continue


def test_one_asker_s_streams_leave_places_and_time_for_others(log, tmp_path, sockets):
    with served(tmp_path, log.path, "--rate-limit", 10_000) as server:
        for number in range(110):
            where = urllib.parse.quote(f"user:u{number}")
            ask = f"GET /v1/live?window=30d&where={where} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
            sockets.append(connect(server.url, ask))
        heads = [one.recv(12) for one in sockets]
        assert heads.count(b"HTTP/1.1 200") == 32
        assert heads.count(b"HTTP/1.1 429") == 78
        with Stopwatch() as watch:
            assert server.get("/v1/report", since="1d").status_code == 200
        assert watch.quiet_seconds() < 5


def test_a_length_and_an_encoding_together_are_refused(log, tmp_path, sockets):
    with served(tmp_path, log.path) as server:
        head = b"POST /v1/live HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n"
        sockets.append(connect(server.url, head + b"\r\n0\r\n\r\n"))
        assert b"400" in sockets[0].recv(200)
        for host in ("localhost:1.evil.example", "127.0.0.1:x", "localhost:123456"):
            assert server.client.get("/v1/report", headers={"Host": host}).status_code == 403


def wait_for_work(process: subprocess.Popen[bytes], seconds: float) -> None:
    """Until a server has used so much of a processor, or listens and is as long at rest."""
    folder, deadline = Path(f"/proc/{process.pid}"), None

    def used() -> float:
        fields = (folder / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    end = used() + seconds
    while used() < end and (deadline is None or time.monotonic() < deadline):
        if deadline is None and select.select([process.stdout], [], [], 0)[0]:
            deadline = time.monotonic() + seconds / 2
        time.sleep(0.01)


def catches(process: subprocess.Popen[bytes], number: int) -> bool:
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    caught = next(line for line in lines if line.startswith("SigCgt:"))
    return bool(int(caught.split()[1], 16) >> (number - 1) & 1)


@pytest.mark.parametrize("work", [0.2, 0.4, 0.6, 0.8, 1.0, 1.3, 1.7])
def test_sigterm_at_any_moment_ends_cleanly(log, tmp_path, work):
    with (tmp_path / "err").open("w+") as errors:
        process = subprocess.Popen(
            command("--port", 0, log.path, patch="import cost_top.cli; print('up', flush=True)"),
            stdout=subprocess.PIPE, stderr=errors, env=environment(tmp_path), cwd=tmp_path,
        )  # fmt: skip
        assert process.stdout is not None
        with process.stdout:
            assert process.stdout.readline() == b"up\n"
            wait_for_work(process, work)
            while work > 0.5 and not catches(process, signal.SIGTERM):
                time.sleep(0.01)
            late = catches(process, signal.SIGTERM)
            process.send_signal(signal.SIGTERM)
            assert process.wait(180) in (0, 0 if late else -signal.SIGTERM)
        errors.seek(0)
        assert errors.read() == ""


def test_sigterm_while_the_database_does_not_answer(litellm_url, tmp_path):
    import psycopg

    from support.litellm_log import spend_row, wait_for_lock, write_spend

    write_spend(litellm_url, *(spend_row(f"t-{number}", after=-3600 * number) for number in range(200)))
    with served(tmp_path, litellm_url, "--interval", 1, ready=False) as server, psycopg.connect(litellm_url) as blocker:
        blocker.execute('LOCK TABLE "LiteLLM_SpendLogs" IN ACCESS EXCLUSIVE MODE')
        wait_for_lock(litellm_url)
        with Stopwatch() as watch:
            assert server.end() == 0
        assert watch.quiet_seconds() < 4
        assert server.stderr == ""
