"""What a process costs, from /proc; and children that answer with one line of JSON."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

_TICK = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """User and system time of all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


class Calm:
    """Three spans of two seconds in a row in which next to nothing was done: kept days are compared first."""

    _LITTLE = 0.03  # CPU seconds of two
    _PATIENCE = 180.0

    def __init__(self) -> None:
        self._limit = time.monotonic() + self._PATIENCE
        self._spans = 0

    def after(self, cpu: float) -> bool:
        """Whether it is calm, or too late to wait, after a further span that took so many CPU seconds."""
        self._spans = self._spans + 1 if cpu < self._LITTLE else 0
        return self._spans >= 3 or time.monotonic() > self._limit


def memory_mb(pid: int | str = "self") -> tuple[float, float]:
    """(resident now, most ever) in MB."""
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line)
    return tuple(int(lines[name].split()[0]) * 1024 / 1e6 for name in ("VmRSS", "VmHWM"))  # type: ignore[return-value]


def child(mode: str, *arguments: object) -> dict[str, Any]:
    """Run `headless.py` in a process of its own, so that nothing is warm in it; its answer."""
    command = [sys.executable, "-m", "tests.benchmarks.headless", mode, *map(str, arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment())
    return json.loads(done.stdout.splitlines()[-1])


def environment(cache: Path | None = None) -> dict[str, str]:
    """That of a person in a common terminal, without a config file; modules are compiled once, as where installed."""
    given = {name: value for name, value in os.environ.items() if not name.startswith("COST_TOP_")}
    given.pop("PYTHONDONTWRITEBYTECODE", None)
    given |= {"TERM": "xterm-256color", "COLORTERM": "truecolor", "XDG_CONFIG_HOME": "/nonexistent", "TZ": "UTC"}
    if cache is not None:
        given["COST_TOP_CACHE"] = str(cache)
    return given
