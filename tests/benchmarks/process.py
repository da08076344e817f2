"""What a process costs, from /proc; and children that answer with one line of JSON."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

_TICK = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """User and system time of all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


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
    """That of a person in a common terminal, without a config file."""
    given = {name: value for name, value in os.environ.items() if not name.startswith("COST_TOP_")}
    given |= {"TERM": "xterm-256color", "COLORTERM": "truecolor", "XDG_CONFIG_HOME": "/nonexistent", "TZ": "UTC"}
    if cache is not None:
        given["COST_TOP_CACHE"] = str(cache)
    return given
