"""`cost-top serve` as a process of its own, on a free port, over a log that the test writes."""

from __future__ import annotations

import json
import os
import random
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from support.native_log import NativeLog

START_SECONDS = 180
END_SECONDS = 180


class Served:
    """A running server. `line` is what it printed when it listened."""

    def __init__(self, process: subprocess.Popen[str], line: str, stderr: Path, verify: Any = True) -> None:
        self.process = process
        self.line = line
        self.url = next(word for word in line.split() if word.startswith("http"))
        self._stderr = stderr
        if self.url.startswith("http:"):
            verify = False  # costs no reading of authorities
        self.client = httpx.Client(base_url=self.url, timeout=180, verify=verify, trust_env=False)

    @property
    def stderr(self) -> str:
        return self._stderr.read_text("utf-8")

    def get(self, path: str, auth: str | None = None, **parameters: Any) -> httpx.Response:
        return self.client.get(path, params=parameters, headers=bearer(auth))

    def post(self, path: str, body: object = None, auth: str | None = None) -> httpx.Response:
        return self.client.post(path, json=body, headers=bearer(auth))

    def end(self, number: int = signal.SIGTERM) -> int:
        """The exit code after a signal."""
        self.process.send_signal(number)
        return self.process.wait(END_SECONDS)

    def wait_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while self.client.get("/healthz").status_code != 200:
            assert time.monotonic() < deadline, self.stderr
            time.sleep(0.05)


def bearer(token: str | None) -> dict[str, str]:
    return {} if token is None else {"Authorization": f"Bearer {token}"}


def command(*arguments: object, patch: str = "") -> list[str]:
    """`patch` is Python that is run first, to break something."""
    run = f"import sys\n{patch}\nfrom cost_top.cli import main\nmain()"
    return [sys.executable, "-c", run, "serve", *map(str, arguments)]


def environment(folder: Path, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Without the user's own settings."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("COST_TOP")}
    return {**plain, "COST_TOP_CACHE": str(folder / "cache"), "HOME": str(folder), "TZ": "UTC", **(more or {})}


@contextmanager
def served(folder: Path, *arguments: object, env: Mapping[str, str] | None = None, ready: bool = True,
           verify: Any = True, patch: str = "") -> Iterator[Served]:  # fmt: skip
    """The command with a free port, once it listens and (unless told otherwise) has read its history."""
    stderr = folder / f"serve-{random.randrange(10**9)}.err"
    with stderr.open("w") as errors:
        process = subprocess.Popen(
            command("--port", 0, *arguments, patch=patch), stdout=subprocess.PIPE, stderr=errors, text=True,
            env=environment(folder, env), cwd=folder,
        )  # fmt: skip
    try:
        assert process.stdout is not None
        readable, _, _ = select.select([process.stdout], [], [], START_SECONDS)
        line = process.stdout.readline() if readable else ""
        assert line.startswith("cost-top serve: "), stderr.read_text("utf-8")
        server = Served(process, line, stderr, verify)
        with server.client:
            if ready:
                server.wait_ready()
            yield server
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(END_SECONDS)
        process.stdout.close()


def refused(folder: Path, *arguments: object, env: Mapping[str, str] | None = None) -> tuple[int, str]:
    """Exit code and stderr of a command that is expected not to serve."""
    done = subprocess.run(
        command(*arguments), capture_output=True, text=True, env=environment(folder, env), cwd=folder,
        timeout=START_SECONDS, check=False,
    )  # fmt: skip
    return done.returncode, done.stderr


def write_traffic(log: NativeLog, count: int = 400, days: int = 3, seed: int = 5) -> datetime:
    """Requests of the last days, of every kind that a report tells apart. The newest one's time."""
    draw = random.Random(seed)
    end = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=2)
    last = int(end.timestamp() * 1000)
    with log.connection:
        for number in range(count):
            byok, hit = draw.random() < 0.1, draw.random() < 0.05
            provider, model = draw.choice(
                [("openai", "gpt-5-mini"), ("anthropic", "claude-sonnet-4-5"), ("nowhere", "unheard-of"), (None, None)]
            )
            token = draw.choice(["k1", "k2", "k3", None])
            tokens = draw.randrange(1, 50_000)
            row = {
                "id": f"q{number:05}", "time_ms": last - (_age(draw, days) if number else 0),
                "provider": provider, "model": model, "endpoint": draw.choice(["/chat", "/agent", None]),
                "token": token, "token_name": token and f"name of {token}",
                "user_id": draw.choice(["acme", "beta", "ac*me", "a,b", None]), "owner": draw.choice(["ann", "bob"]),
                "team": draw.choice(["red", None]),
                "tags": json.dumps(draw.sample(["prod", "dev", "été"], draw.randrange(3))),
                "credential_type": "byok" if byok else "system", "input_tokens": tokens,
                "cached_input_tokens": tokens // 3, "output_tokens": draw.randrange(1, 5_000),
                "cost_pico_usd": 0 if byok or hit else draw.choice([None, draw.randrange(1, 10**12)]), "cache_hit": hit,
                "latency_ms": draw.randrange(50, 9_000), "status": draw.choice([200, 200, 200, 429]),
            }  # fmt: skip
            names, marks = ", ".join(row), ", ".join("?" * len(row))
            log.connection.execute(f"INSERT INTO cost_top_requests ({names}) VALUES ({marks})", list(row.values()))
    return end


def _age(draw: random.Random, days: int) -> int:
    """Milliseconds; none about an hour, where a window's edge would move over it during the test."""
    age = draw.randrange(days * 86_400_000)
    return age + 1_800_000 if 3_000_000 < age < 4_200_000 else age
