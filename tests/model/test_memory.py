"""Memory that is free again goes back to the system."""

from __future__ import annotations

import subprocess
import sys

import pytest

_TAKES = """
import ctypes, pathlib, threading
from cost_top.model.memory import give_back, keep_little

def held():
    return int(pathlib.Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6

keep_little()
before, kept = held(), []
def take():
    pieces = [bytes(4000) for _ in range(20_000)]
    kept.extend(pieces[::500])
takers = [threading.Thread(target=take) for _ in range(2)]
for taker in takers:
    taker.start()
    taker.join()
give_back()
print(held() - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the GNU C library's")
def test_what_was_taken_at_once_is_given_back_whatever_lies_between() -> None:
    done = subprocess.run([sys.executable, "-c", _TAKES], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 10  # of 160 MB


def test_where_the_system_knows_nothing_of_it_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    from cost_top.model import memory

    monkeypatch.setattr(memory, "_library", lambda: None)
    memory.keep_little()
    memory.give_back()
