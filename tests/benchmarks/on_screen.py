"""Figures of the app as a person meets it: in a pseudo-terminal."""

from __future__ import annotations

import re
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests.benchmarks.process import Calm, Comparing, cpu_seconds, memory_mb
from tests.benchmarks.screen import Screen, cost_top, lacks, shows
from tests.benchmarks.table import Figure, at_most
from tests.benchmarks.writer import writing

_FRAME = shows("╭", "quit")
_EMPTY = [sys.executable, "-m", "tests.benchmarks.empty_app"]
_RUNS = 5


def first_frame(source: str, cache: Path, runs: int = _RUNS) -> list[Figure]:
    """The first full frame, against that of an empty Textual app started in turn with it, by CPU and by the clock."""
    ours, theirs, burning, hour_cpu, cpu, their_cpu = [], [], [], [], [], []
    for _ in range(runs):
        empty_app = Screen(_EMPTY, cache)
        try:
            theirs.append(_since(empty_app, shows("ready")))
            their_cpu.append(cpu_seconds(empty_app.pid))
        finally:
            empty_app.close()
        shutil.rmtree(cache, ignore_errors=True)
        screen = Screen(cost_top(source), cache)
        try:
            ours.append(_since(screen, _FRAME))
            cpu.append(cpu_seconds(screen.pid))
            burning.append(_since(screen, shows("req/min")))
            hour_cpu.append(cpu_seconds(screen.pid))
        finally:
            screen.close()
    frame, empty = statistics.median(ours), statistics.median(theirs)
    beside = f"{frame * 1000:.0f} ms, empty app {empty * 1000:.0f} ms"
    return [
        at_most("first frame after `cost-top URL`, CPU", min(cpu) / min(their_cpu), 1.45, "× an empty app", beside, 2),
        at_most("last hour on the screen, nothing cached", min(hour_cpu), 1.0, "s of CPU", _clock(burning), 2),
    ]


def warm_start(source: str, cache: Path, runs: int = 5) -> list[Figure]:
    """From exec until 30 days stand on the screen, with all kept that an app keeps that was left alone for a while."""
    before = Screen(cost_top(source), cache)
    try:
        _since(before, _complete)
        _calm(before)
    finally:
        before.close()
    times, cpu = [], []
    for _ in range(runs):
        screen = Screen(cost_top(source), cache)
        try:
            times.append(_since(screen, _complete))
            cpu.append(cpu_seconds(screen.pid))
        finally:
            screen.close()
    return [at_most("warm start, 30 days on the screen", min(cpu), 0.9, "s of CPU", _clock(times), 2)]


def idle(source: str, cache: Path, ticks: int = 30) -> list[Figure]:
    """The app left alone on a log that gets nothing, then with a gateway that writes 100 rows a tick.

    First it holds the days that were kept against the log, which was written to since: that is measured by itself.
    """
    started = datetime.now(UTC)
    screen = Screen(cost_top(source), cache)
    try:
        _since(screen, _complete)
        comparing = Comparing(cpu_seconds(screen.pid), cache, started)
        while comparing.goes_on():
            screen.take(2.0)
        compared = comparing.told(cpu_seconds(screen.pid))
        calm = _calm(screen)
        before = cpu_seconds(screen.pid)
        written = [screen.take(2.0) for _ in range(ticks)]
        share = (cpu_seconds(screen.pid) - before) / (2 * ticks)
        now, most = memory_mb(screen.pid)
        with writing(source):
            screen.take(4.0)
            before = cpu_seconds(screen.pid)
            busy = [screen.take(2.0) for _ in range(min(ticks, 15))]
            together = (cpu_seconds(screen.pid) - before) / len(busy) * 1000
    finally:
        screen.close()
    silent = sum(1 for size in written if size == 0)
    return [
        Figure("the app while kept days are compared, CPU", compared),
        at_most("idle app at a 2 s interval after that, CPU", share * 100, 0.8, "% of a core", calm, 2),
        at_most(
            "tick with 100 new rows, monitor and screen",
            together,
            20,
            "ms of CPU",
            f"{statistics.median(busy) / 1000:.1f} kB to the terminal",
        ),
        at_most(
            "bytes to the terminal in a tick without news (median)",
            statistics.median(written),
            0,
            "bytes",
            f"{sum(written)} in {2 * ticks} s, {silent} of {ticks} ticks silent",
            0,
        ),
        at_most("memory of the app, 30 days in the window", now, 280, "MB", f"most ever {most:.0f} MB", 0),
    ]


def bytes_per_key(source: str, cache: Path) -> list[Figure]:
    """What a key writes to the terminal at 120×36 and truecolor, until all of it is shown."""
    screen = Screen(cost_top(source), cache, columns=120, lines=36)
    written = {}
    try:
        _since(screen, _complete)
        _calm(screen)
        for name, key, limit in (("focus", "\t", 3), ("drill", "\r", 25), ("help", "?", 12), ("window", "]", 20)):
            screen.press(key)
            written[name] = screen.take(3.0), limit
            screen.press("\x1b" if name in ("drill", "help") else "")
            screen.take(3.0)
    finally:
        screen.close()
    return [
        at_most(f"bytes to the terminal: {name}", size / 1000, limit, "kB") for name, (size, limit) in written.items()
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
        at_most("memory of the demo after a minute", now, 140, "MB", f"most ever {most:.0f} MB", 0),
        Figure("demo, 30 days on the screen", f"{started:.1f} s", "≤ 3 s to be ready", None),
    ]


def _complete(lines: Sequence[str]) -> bool:
    return shows("req/min", "money:")(list(lines)) and lacks("reading", "connecting")(list(lines))


def _since(screen: Screen, holds: Callable[[list[str]], bool]) -> float:
    when = screen.until(holds, 600)
    if when is None:
        raise TimeoutError("that never came to the screen")
    return when - screen.started


def _clock(times: Sequence[float]) -> str:
    return f"{statistics.median(times):.2f} s by the clock"


def _calm(screen: Screen) -> str:
    """Until what runs in the background has ended; what is to be said where it has not."""
    calm, before = Calm(), cpu_seconds(screen.pid)
    screen.take(2.0)
    while not calm.after(cpu_seconds(screen.pid) - before):
        before = cpu_seconds(screen.pid)
        screen.take(2.0)
    return calm.told


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
