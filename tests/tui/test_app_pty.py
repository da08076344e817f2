"""The app on a real pseudo-terminal, decoded by an emulator: it draws, answers, leaves, tidies up."""

import re
import signal
import time
from pathlib import Path

import pytest

pytest.importorskip("termios", reason="needs a pseudo-terminal")
from pseudo_terminal import PATIENCE, Terminal

PROGRAM = str(Path(__file__).with_name("pty_program.py"))


@pytest.fixture
def terminal():
    opened = []

    def open_terminal(*arguments, **options):
        opened.append(Terminal(PROGRAM, *arguments, **options))
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
    shown.until("cost-top: keys and figures")
    for _ in range(20):  # page by page to the end
        shown.press("\x1b[6~")
        shown.read(0.3)
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
    deadline, before, since = time.monotonic() + PATIENCE, -1, 0.0
    while time.monotonic() < since + 3.0 or before < 0:
        shown.read(0.1)
        if len(shown.output) != before:
            before, since = len(shown.output), time.monotonic()
            assert since < deadline, "it never came to rest"


@pytest.mark.parametrize("typed", ["/tag:prod\r", "/tag:prod\r" * 2])
def test_a_filter_that_comes_in_one_packet_with_its_enter_arrives(terminal, typed):
    shown = terminal()
    shown.until("claude-sonnet-4.6")
    shown.press(typed)
    shown.until(re.compile(r"litellm@prod-db.*tag:prod"))


@pytest.mark.parametrize(
    ("key", "text", "crumb"),
    [("u", "acme", "user acme-corp"), ("t", "batch", "tag batch"), ("K", "mob", "token mobile app")],
)
def test_a_picker_waits_for_the_answer_to_what_was_typed_ahead(terminal, key, text, crumb):
    shown = terminal(size=(120, 36))
    shown.until("claude-sonnet-4.6")
    shown.press(f"{key}{text}\r")
    shown.until(f"all requests › {crumb}")


def test_control_z_suspends_and_fg_restores(terminal):
    shown = terminal()
    shown.until("claude-sonnet-4.6")
    shown.press("\x1a")
    deadline = time.monotonic() + 90
    while Path(f"/proc/{shown.child.pid}/stat").read_text().rpartition(")")[2].split()[0] != "T":
        shown.read(0.1)
        assert time.monotonic() < deadline, "it never stopped"
    assert b"\x1b[?1049l" in shown.output, "the shell's screen is back"
    before = len(shown.output)
    shown.child.send_signal(signal.SIGCONT)
    shown.until("claude-sonnet-4.6")
    while b"claude-sonnet-4.6" not in shown.output[before:]:
        shown.read(0.2)
        assert time.monotonic() < deadline + 20
    shown.press("q")
    assert shown.wait() == 0


def test_what_a_library_writes_past_python_stays_off_the_screen_and_is_told_in_the_end(terminal):
    shown = terminal("--noisy")
    shown.until("claude-sonnet-4.6")
    assert b"certificate" not in shown.output
    shown.press("q")
    assert shown.wait() == 0
    while b"soon" not in shown.output and shown.read(1.0):
        pass
    assert shown.output.count(b"cost-top: told meanwhile: WARNING: the certificate [2Jends soon") == 1
    assert shown.output.index(b"told meanwhile") > shown.output.index(b"\x1b[?1049l")
