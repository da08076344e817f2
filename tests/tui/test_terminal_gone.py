"""A terminal that goes away ends the process soon, whatever it was doing, and leaves nothing behind."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

pytest.importorskip("termios", reason="needs a pseudo-terminal")
from pseudo_terminal import Terminal

from support.machine import Stopwatch

# A session's first terminal becomes its own; an ignored signal stays ignored over exec.
START = (
    "import os, signal, sys\nos.close(os.open(os.ttyname(0), os.O_RDWR))\n"
    "if os.environ.get('IGNORED'): signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
    "os.execv(sys.executable, [sys.executable, '-m', 'cost_top', *sys.argv[1:]])\n"
)
SECONDS = 2.0


def opened(folder: Path, *arguments: str, **environment: str) -> Terminal:
    folder.mkdir()
    return Terminal(
        "-c", START, *arguments, size=(120, 36), TMPDIR=str(folder), XDG_CONFIG_HOME=str(folder),
        COST_TOP_CACHE=str(folder / "cache"), **environment,
    )  # fmt: skip


def seconds_to_end(terminal: Terminal) -> float:
    """As on a quiet machine, where it took longer than it should."""
    with Stopwatch() as watch:
        try:
            terminal.child.wait(180)
        except subprocess.TimeoutExpired:
            terminal.close()
            return float("inf")
    return watch.seconds if watch.seconds <= SECONDS else watch.quiet_seconds()


def left(folder: Path) -> list[str]:
    """Processes of this folder and temporary logs, once the demo's writer had time to end too."""
    found: list[str] = []
    for _ in range(360):
        lines = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
        found = [line.decode("utf-8", "replace") for line in lines if str(folder).encode() in line]
        found += [str(path) for path in folder.glob("cost-top-demo-*")]
        if not found:
            break
        time.sleep(0.25)
    return found


def lose(folder: Path, seed: int) -> tuple[float, list[str], str]:
    """Lose the terminal of a demo at a random moment, in one of the ways that terminals go away."""
    draw = random.Random(seed)
    wait, ignored, unread = draw.uniform(0.3, 7.0), draw.random() < 0.4, draw.random() < 0.4
    terminal = opened(folder, "demo", "--days", "2", "--rate", "600", **({"IGNORED": "1"} if ignored else {}))
    end = time.monotonic() + wait
    while time.monotonic() < end and terminal.read(0.05):
        if draw.random() < 0.2:
            terminal.press(draw.choice("12345678\t\rj"))
    if unread:
        time.sleep(1.0)  # its output waits, a frame under way
    assert terminal.child.poll() is None, terminal.output[-2000:]
    terminal.hang_up()
    took = seconds_to_end(terminal)
    return took, left(folder), f"after {wait:.1f} s, ignored {ignored}, unread {unread}"


def test_a_demo_ends_with_its_terminal_at_any_of_six_moments(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:  # which keeps the machine busy
        runs = list(pool.map(lambda seed: lose(tmp_path / str(seed), seed), range(6)))
    late = [(took, how) for took, _, how in runs if took > SECONDS]
    assert late == []
    assert [found for _, found, _ in runs if found] == []


@pytest.mark.parametrize(("days", "words"), [("1", ("demo", "live")), ("365", ("writing",))])
def test_a_killed_demo_takes_its_writer_and_its_log_with_it(tmp_path: Path, days: str, words: tuple[str, ...]) -> None:
    terminal = opened(tmp_path / "demo", "demo", "--days", days)
    try:
        for word in words:
            terminal.until(word)
        terminal.child.kill()
        terminal.child.wait(180)
        assert left(tmp_path / "demo") == []
    finally:
        terminal.close()


def test_it_ends_while_the_database_does_not_answer(litellm_url: str, tmp_path: Path) -> None:
    import psycopg

    terminal = opened(tmp_path / "app", litellm_url, IGNORED="1")
    terminal.until("live")
    with psycopg.connect(litellm_url) as blocker:
        blocker.execute('LOCK TABLE "LiteLLM_SpendLogs" IN ACCESS EXCLUSIVE MODE')
        end = time.monotonic() + 3
        while time.monotonic() < end and terminal.read(0.1):
            pass
        assert terminal.child.poll() is None
        terminal.hang_up()
        assert seconds_to_end(terminal) <= SECONDS


HUNG = """
import contextlib, sys, threading, time
from cost_top.tui.leaving import before_a_hard_end, signals_lead_to, watch_terminal
watch_terminal()
with before_a_hard_end(lambda: open(sys.argv[1], "w").close()), signals_lead_to(lambda code: None):
    threading.Thread(target=threading.Event().wait).start()  # not a daemon: it would keep the process
    with contextlib.suppress(OSError):  # the terminal may go between the word and the end of its line
        print("ready", flush=True)
    threading.Lock().acquire() and threading.Event().wait()
"""


@pytest.mark.parametrize("how", ["hang up", "SIGTERM"])
def test_what_listens_to_nothing_is_ended_after_its_last_thing(tmp_path: Path, how: str) -> None:
    terminal = Terminal("-c", "import os; os.close(os.open(os.ttyname(0), os.O_RDWR))\n" + HUNG, str(tmp_path / "done"))
    try:
        terminal.until("ready")
        if how == "SIGTERM":
            terminal.child.terminate()
            terminal.child.wait(180)
            assert terminal.child.returncode == 128 + 15
        else:
            terminal.hang_up()
            assert seconds_to_end(terminal) <= SECONDS
            assert terminal.child.returncode == 128 + 1
        assert (tmp_path / "done").exists()
    finally:
        terminal.close()


def test_a_library_that_waits_for_ever_at_the_end_is_not_waited_for(tmp_path):
    """What holds the interpreter while it ends, as a thread that ended inside a library does."""
    stuck = "import sys, time; from cost_top.tui.leaving import watch_terminal; watch_terminal(); "
    stuck += "sys.stuck = type('Stuck', (), {'__del__': lambda self, sleep=time.sleep: sleep(1000)})()"
    terminal = Terminal("-c", stuck)
    try:
        assert terminal.wait() == -signal.SIGALRM
    finally:
        terminal.close()
