"""The app on a real pseudo-terminal, decoded by an emulator: it draws, answers, leaves, tidies up."""

import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyte
import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
if sys.platform != "win32":
    import fcntl
    import struct
    import termios

PATIENCE = 30.0


class Terminal:
    """A child on a pseudo-terminal of its own."""

    def __init__(self, *arguments: str, size: tuple[int, int] = (80, 24), **environment: str) -> None:
        self.ours, theirs = os.openpty()
        columns, rows = size
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.screen = pyte.Screen(columns, rows)
        self.stream = pyte.ByteStream(self.screen)
        self.output = b""
        kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLORTERM")}
        self.child = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("pty_program.py")), *arguments],
            stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
            env={**kept, "TERM": "xterm-256color", "LANG": "C.UTF-8", **environment},
        )  # fmt: skip
        os.close(theirs)

    @property
    def text(self) -> str:
        return "\n".join(self.screen.display)

    def read(self, seconds: float) -> bool:
        """Take what the child wrote; False once it is gone."""
        if not select.select([self.ours], [], [], seconds)[0]:
            return True
        try:
            data = os.read(self.ours, 65536)
        except OSError:
            return False
        self.output += data
        # The emulator knows no synchronised updates and no key protocol.
        self.stream.feed(data)
        return bool(data)

    def until(self, wanted: str) -> None:
        end = time.monotonic() + PATIENCE
        while wanted not in self.text:
            assert time.monotonic() < end, f"{wanted!r} never came:\n{self.text}"
            assert self.read(0.2), f"ended before {wanted!r}:\n{self.output[-2000:]!r}"

    def press(self, keys: str) -> None:
        os.write(self.ours, keys.encode())

    def wait(self) -> int:
        end = time.monotonic() + PATIENCE
        while self.child.poll() is None:
            assert time.monotonic() < end, "it never ended"
            self.read(0.1)
        while self.read(0.05) and select.select([self.ours], [], [], 0.05)[0]:
            pass
        return self.child.returncode

    def close(self) -> None:
        if self.child.poll() is None:
            self.child.kill()
            self.child.wait()
        os.close(self.ours)


@pytest.fixture
def terminal():
    opened = []

    def open_terminal(*arguments, **options):
        opened.append(Terminal(*arguments, **options))
        return opened[-1]

    yield open_terminal
    for each in opened:
        each.close()


def test_it_draws_at_80_by_24_drills_and_quits(terminal):
    shown = terminal()
    shown.until("claude-sonnet-4.6")
    assert "≥ $1,847.20" in shown.text
    shown.until("/ filter")
    assert "/ filter" in shown.screen.display[23]
    shown.press("\r")
    shown.until("all requests › provider anthropic")
    shown.press("q")
    assert shown.wait() == 0
    assert b"\x1b[?1049l" in shown.output, "the alternate screen is left"
    assert b"\x1b[?25h" in shown.output, "the cursor is shown again"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_and_puts_the_terminal_back(terminal, number):
    shown = terminal()
    shown.until("claude-sonnet-4.6")
    shown.child.send_signal(number)
    assert shown.wait() == 128 + number
    assert b"\x1b[?1049l" in shown.output
    assert b"\x1b[?25h" in shown.output
    assert b"Traceback" not in shown.output


def test_the_help_counts_what_was_written_to_the_terminal(terminal):
    shown = terminal()
    shown.until("claude-sonnet-4.6")
    shown.press("?")
    shown.until("kB written")
    shown.press("\x1b")
    shown.until("trend")


def test_without_the_mouse_no_mouse_is_asked_for(terminal):
    with_mouse, without = terminal(), terminal("--no-mouse")
    for shown in (with_mouse, without):
        shown.until("claude-sonnet-4.6")
    assert b"\x1b[?1000h" in with_mouse.output
    assert b"\x1b[?1000h" not in without.output


def test_no_color_writes_no_colour(terminal):
    shown = terminal(NO_COLOR="1")
    shown.until("claude-sonnet-4.6")
    assert b"38;" not in shown.output
    assert b"48;" not in shown.output


def test_an_idle_screen_writes_nothing(terminal):
    shown = terminal()
    shown.until("claude-sonnet-4.6")
    end = time.monotonic() + 1.0
    while time.monotonic() < end:
        shown.read(0.1)
    before = len(shown.output)
    end = time.monotonic() + 3.0
    while time.monotonic() < end:
        shown.read(0.1)
    assert len(shown.output) == before
