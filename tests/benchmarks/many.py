"""Much of one thing: a log that is ten times as long, filters that are watched beside one another, users."""

from __future__ import annotations

import select
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
from tests.benchmarks.process import Calm, child, cpu_seconds, environment, memory_mb
from tests.benchmarks.request_log import DAYS, USERS, Traffic, sqlite_log
from tests.benchmarks.screen import cost_top
from tests.benchmarks.table import Figure, at_most
from tests.benchmarks.writer import writing

_TIMES = 10
_FILTERS = 50
_MOST_USERS_ROWS = 1_000_000


def growth(source: str, _cache: Path, rows: int = 1_000_000, rounds: int = 2, seconds: float = 16) -> list[Figure]:
    """The same traffic over ten times as many days: what a tick, a drill and memory take of it, in turn."""
    logs = {
        times: sqlite_log(Path(source).parent, rows * times, Traffic(DAYS * times)) for times in (1, _TIMES)
    }  # fmt: skip
    found: dict[int, list[dict[str, Any]]] = {times: [] for times in logs}
    for _ in range(rounds):
        for times, log in logs.items():
            found[times].append(child("session", log, _cache_of(log), seconds))

    def least(times: int, name: str) -> float:
        return min(_figures(session)[name] for session in found[times])

    what = f"growth, {rows * _TIMES / 1e6:g} M rows against {rows / 1e6:g} M of the same traffic"
    figures = []
    for name, unit in (("tick", "ms of CPU"), ("drill", "ms"), ("memory", "MB")):
        much, little = least(_TIMES, name), least(1, name)
        figures.append(at_most(f"{what}: {name}", much / little, 1.1, "×", f"{much:.0f}, {little:.0f} {unit}", 2))
    return figures


def users(source: str, _cache: Path, rows: int = _MOST_USERS_ROWS, seconds: float = 12) -> list[Figure]:
    """Few users, many, and a user a request: reading 30 days, a tick, a drill, memory."""
    told = []
    for name in USERS:
        log = sqlite_log(Path(source).parent, rows, Traffic(users=name))
        cache = _cache_of(log)
        cold = child("cold", log, cache)
        known = _figures(child("session", log, cache, seconds))
        told.append(Figure(
            f"users: {name}, {rows / 1e6:g} M rows: read, tick, drill",
            f"{cold['held']:.1f} s, {known['tick']:.0f} ms of CPU, {known['drill']:.0f} ms",
        ))  # fmt: skip
        told.append(
            Figure("the same: memory while read, settled", f"{cold['memory'][1]:.0f}, {known['memory']:.0f} MB")
        )
        shutil.rmtree(cache, ignore_errors=True)
    return told


def filters(source: str, cache: Path, seconds: float = 40, count: int = _FILTERS) -> list[Figure]:
    """One `serve` watched through so many different filters, with a gateway that writes."""
    with _served(source, cache) as (pid, url), _watched(url, count) as events:
        _calm(pid)
        with writing(source):
            time.sleep(6)
            before, seen = cpu_seconds(pid), sum(events)
            time.sleep(seconds)
            share = (cpu_seconds(pid) - before) / seconds
        memory = memory_mb(pid)[0]
    beside = f"{(sum(events) - seen) / seconds * 2 / count:.1f} snapshots each a tick, {memory:.0f} MB"
    return [at_most(f"{count} different filters on one `serve`", share * 100, 15, "% of a core", beside)]


def _cache_of(log: Path) -> Path:
    return log.with_name(f"cache-{log.stem}")


def _figures(session: dict[str, Any]) -> dict[str, float]:
    return {
        "tick": session["busy"]["cpu_ms_per_tick"], "drill": session["looks"]["drill"][1],
        "memory": session["memory"][0],
    }  # fmt: skip


@contextmanager
def _served(source: str, cache: Path) -> Iterator[tuple[int, str]]:
    command = cost_top("serve", source, "--port", "0", "--interval", "2", "--rate-limit", "100000")
    with subprocess.Popen(command, env=environment(cache), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            assert select.select([process.stdout], [], [], 60)[0], "serve says nothing"
            words = process.stdout.readline().split()
            url = next((word for word in words if word.startswith("http://")), None)
            assert url is not None, " ".join(words)
            with httpx.Client(base_url=url) as client:
                while client.get("/healthz").status_code != 200:
                    time.sleep(0.5)
            yield process.pid, url
        finally:
            process.terminate()


@contextmanager
def _watched(url: str, count: int) -> Iterator[list[int]]:
    """Streams of 30 days through a filter each; how many snapshots came on each."""
    seen = [0] * count
    stopping = threading.Event()

    def watch(number: int) -> None:
        # One address may hold no more than 32 streams.
        transport = httpx.HTTPTransport(local_address=f"127.0.0.{2 + number % 4}")
        asked = {"window": "30d", "where": f"token:key_{number:012d}"}
        with (
            suppress(httpx.HTTPError),
            httpx.Client(base_url=url, timeout=60, transport=transport) as client,
            client.stream("GET", "/v1/live", params=asked) as stream,
        ):
            stream.raise_for_status()
            for line in stream.iter_lines():
                seen[number] += line == "event: snapshot"
                if stopping.is_set():
                    return

    for number in range(count):
        threading.Thread(target=watch, args=(number,), daemon=True).start()
    limit = time.monotonic() + 120
    while not all(seen):
        assert time.monotonic() < limit, f"{sum(1 for one in seen if one)} of {count} streams began"
        time.sleep(0.2)
    try:
        yield seen
    finally:
        stopping.set()


def _calm(pid: int) -> None:
    calm, before = Calm(), cpu_seconds(pid)
    time.sleep(2)
    while not calm.after(cpu_seconds(pid) - before):
        before = cpu_seconds(pid)
        time.sleep(2)
