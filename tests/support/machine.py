"""How busy the machine is, for what is promised in seconds of a quiet one."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import TracebackType

_STAT = Path("/proc/stat")
_EVERY = 0.02


class Stopwatch:
    """Seconds as they were (`seconds`), and as they would have been on a quiet machine (`quiet_seconds`): what else ran
    meanwhile is counted while it runs, as afterwards it may be over.
    """

    def __enter__(self) -> Stopwatch:
        self._counts: list[int] = []
        self._over = threading.Event()
        self._counting = threading.Thread(target=self._count, daemon=True)
        self._counting.start()
        self._began = time.monotonic()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.seconds = time.monotonic() - self._began
        self._over.set()
        self._counting.join()

    def quiet_seconds(self) -> float:
        meanwhile = sum(self._counts) / len(self._counts) / (os.cpu_count() or 1) if self._counts else 1.0
        return self.seconds / max(1.0, meanwhile, _busy())

    def _count(self) -> None:
        while _STAT.exists() and not self._over.wait(_EVERY):
            line = next(line for line in _STAT.read_text().splitlines() if line.startswith("procs_running"))
            self._counts.append(int(line.split()[1]) - 1)  # without the one that counts


def _busy() -> float:
    """How many times longer than alone a process takes now; 1 on a quiet machine."""
    began, before = time.monotonic(), _worked()
    for _ in range(3):
        subprocess.run([sys.executable, "-S", "-E", "-c", "sum(range(300_000))"], check=True)
    return max(1.0, (time.monotonic() - began) / max(0.01, _worked() - before))


def _worked() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
