"""What a process costs, from /proc; and children that answer with one line of JSON."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from cost_top.model.files import read_sealed

_TICK = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """User and system time of all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


class Comparing:
    """Kept days that are held against the log after a start, as the notes beside them tell."""

    _PATIENCE = 900.0

    def __init__(self, cpu: float, cache: Path, started: datetime) -> None:
        """`cpu` is what the app has taken so far, `started` when it was."""
        self._began, self._cpu = time.monotonic(), cpu
        self._cache = cache
        self._since = started - timedelta(seconds=65)  # what was noted a minute before is not noted again

    def goes_on(self) -> bool:
        """Whether a day of the log that was looked at last was not compared yet."""
        first = datetime.now(UTC).date() - timedelta(days=60)  # the app holds none that is much older
        notes = [note for note in self._cache.glob("*/????-??-??.json") if date.fromisoformat(note.stem) >= first]
        if not notes or time.monotonic() - self._began > self._PATIENCE:
            return False
        latest = max(notes, key=lambda note: note.stat().st_mtime).parent
        told = [read_sealed(note) for note in notes if note.parent == latest]
        return not all(isinstance(note, dict) and self._is_new(note["compared"]) for note in told)

    def _is_new(self, compared: str) -> bool:
        return datetime.fromisoformat(compared) >= self._since

    def told(self, cpu: float) -> str:
        """The figure, once it is over."""
        seconds = time.monotonic() - self._began
        if seconds < 1:
            return "nothing: all were just read"
        ended = "" if seconds <= self._PATIENCE else "; not all were, in that time"
        return f"{(cpu - self._cpu) / seconds * 100:.1f} % of a core for {seconds:.0f} s{ended}"


class Calm:
    """Three spans of two seconds in a row in which next to nothing was done."""

    _LITTLE = 0.03  # CPU seconds of two
    _PATIENCE = 600.0  # what the incident rules learn first of ten million rows takes minutes

    def __init__(self) -> None:
        self._limit = time.monotonic() + self._PATIENCE
        self._spans = 0

    @property
    def told(self) -> str:
        """What is to be said of what is measured now."""
        return "" if self._spans >= 3 else "something was still at work"

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
