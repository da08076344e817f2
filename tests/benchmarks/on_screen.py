"""Figures of the app as a person meets it: in a pseudo-terminal."""

from __future__ import annotations

import re
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.benchmarks.process import cpu_seconds, memory_mb
from tests.benchmarks.screen import Screen, cost_top, lacks, shows
from tests.benchmarks.table import Figure, at_most

_FRAME = shows("╭", "quit")
_EMPTY = [sys.executable, "-m", "tests.benchmarks.empty_app"]
_RUNS = 5
_SETTLE = 120.0


def first_frame(source: str, cache: Path) -> list[Figure]:
    """The first full frame, against that of an empty Textual app started in turn with it."""
    ours, theirs, burning = [], [], []
    for _ in range(_RUNS):
        theirs.append(_time(_EMPTY, cache, shows("ready")))
        shutil.rmtree(cache, ignore_errors=True)
        screen = Screen(cost_top(source), cache)
        try:
            ours.append(_since(screen, _FRAME))
            burning.append(_since(screen, shows("req/min")))
        finally:
            screen.close()
    frame, empty = statistics.median(ours), statistics.median(theirs)
    beside = f"{frame * 1000:.0f} ms, empty app {empty * 1000:.0f} ms"
    return [
        at_most("first frame after `cost-top URL`", frame / empty, 1.6, "× an empty app", beside, 2),
        at_most("last hour on the screen, nothing cached", statistics.median(burning), 1.0, "s", digits=2),
    ]


def warm_start(source: str, cache: Path) -> list[Figure]:
    """From exec until 30 days stand on the screen, with the days kept from an earlier run."""
    times = [_time(cost_top(source), cache, _complete) for _ in range(3)]
    return [at_most("warm start, 30 days on the screen", statistics.median(times), 1.0, "s", digits=2)]


def idle(source: str, cache: Path) -> list[Figure]:
    """The app left alone for a minute on a log that gets nothing."""
    screen = Screen(cost_top(source), cache)
    try:
        _since(screen, _complete)
        _calm(screen)
        before = cpu_seconds(screen.pid)
        written = [screen.take(2.0) for _ in range(30)]
        share = (cpu_seconds(screen.pid) - before) / 60
        now, most = memory_mb(screen.pid)
    finally:
        screen.close()
    silent = sum(1 for size in written if size == 0)
    return [
        at_most("idle app at a 2 s interval, CPU over a minute", share * 100, 1.5, "% of a core", digits=2),
        at_most(
            "bytes to the terminal in a tick without news (median)",
            statistics.median(written),
            0,
            "bytes",
            f"{sum(written)} in a minute, {silent} of 30 ticks silent",
            0,
        ),
        at_most("memory of the app, 30 days in the window", now, 350, "MB", f"most ever {most:.0f} MB", 0),
    ]


def repaint(source: str, cache: Path) -> list[Figure]:
    """From the key to the screen: a drill and the letters of a filter."""
    screen = Screen(cost_top(source), cache)
    try:
        _since(screen, _complete)
        _calm(screen)
        drilled, back = _answered(screen, "\r"), _answered(screen, "\x1b")
        screen.press("/")
        screen.take(1)
        screen.press("token:key_00000000015")
        screen.take(5)
        typed = _answered(screen, "3")
    finally:
        screen.close()
    named = {"Enter until another total": drilled, "Escape until the old total": back, "last letter of a filter": typed}
    return [
        at_most(f"repaint: {name}", first, 100, "ms", f"whole {whole:.0f} ms", 0)
        for name, (first, whole) in named.items()
    ]


def demo_memory(_source: str, _cache: Path) -> list[Figure]:
    """`cost-top demo` after a minute."""
    with tempfile.TemporaryDirectory() as folder:
        screen = Screen(cost_top("demo"), Path(folder))
        try:
            started = _since(screen, _complete)
            screen.take(60)
            now, most = memory_mb(screen.pid)
        finally:
            screen.close()
    return [
        at_most("memory of the demo after a minute", now, 110, "MB", f"most ever {most:.0f} MB", 0),
        Figure("demo, 30 days on the screen", f"{started:.1f} s", "≤ 3 s to be ready", None),
    ]


def _complete(lines: Sequence[str]) -> bool:
    return shows("req/min", "money:")(list(lines)) and lacks("reading", "connecting")(list(lines))


def _since(screen: Screen, holds: Callable[[list[str]], bool]) -> float:
    when = screen.until(holds, 600)
    if when is None:
        raise TimeoutError("that never came to the screen")
    return when - screen.started


def _time(command: list[str], cache: Path, holds: Callable[[list[str]], bool]) -> float:
    screen = Screen(command, cache)
    try:
        return _since(screen, holds)
    finally:
        screen.close()


def _calm(screen: Screen) -> None:
    """Until what runs in the background has ended: three ticks in which the process did next to nothing."""
    limit = time.monotonic() + _SETTLE
    quiet = 0
    while quiet < 3 and time.monotonic() < limit:
        before = cpu_seconds(screen.pid)
        screen.take(2.0)
        quiet = quiet + 1 if cpu_seconds(screen.pid) - before < 0.08 else 0


def _spend(lines: Sequence[str]) -> str:
    """The total in the Spend card; empty while the card is being drawn."""
    top = next((number for number, line in enumerate(lines[:-1]) if "╭─ Spend ─" in line), -1)
    found = re.match(r"│ (≥?\$[\d.,]+) ", lines[top + 1])
    return found[1] if found else ""


def _answered(screen: Screen, keys: str) -> tuple[float, float]:
    """Milliseconds until another total stands in the Spend card, and until it misses nothing."""
    before = _spend(screen.shown)
    pressed = screen.press(keys)
    first = screen.until(lambda lines: _spend(lines) not in ("", before), 60)
    filled = lacks("reading ")
    whole = first if filled(screen.shown) else screen.until(filled, 60)
    screen.take(3)
    return tuple(((when or float("inf")) - pressed) * 1000 for when in (first, whole))  # type: ignore[return-value]
