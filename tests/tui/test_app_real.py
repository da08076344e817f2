"""`cost-top gateway.db` in a pseudo-terminal: the command, the monitor, a real log, what a person sees."""

import base64
import json
import re
import signal
import sqlite3
import time

import pytest

pytest.importorskip("termios", reason="needs a pseudo-terminal")
from pseudo_terminal import PATIENCE, Terminal
from test_app_terminal import NAMES, strangers

from cost_top.model.money import display_usd

# A session's first terminal becomes its own, so that closing it is a hang-up.
COMMAND = (
    "import os, sys; os.close(os.open(os.ttyname(0), os.O_RDWR)); "
    "os.execv(sys.executable, [sys.executable, '-m', 'cost_top', *sys.argv[1:]])"
)
TEXTS = (
    "provider", "model", "endpoint", "token", "token_name", "user_id", "owner", "team", "credential_type", "mode",
    "client_ip", "user_agent",
)  # fmt: skip
USD = 10**12


@pytest.fixture
def cost_top(tmp_path):
    """Starts the command on a terminal."""
    opened = []
    config = tmp_path / "config.toml"
    config.write_text(f'export_folder = "{tmp_path}"\n')

    def start(*arguments, **options):
        places = {"COST_TOP_CONFIG": str(config), "COST_TOP_CACHE": str(tmp_path / "cache"), "TZ": "UTC"}
        opened.append(Terminal("-c", COMMAND, *map(str, arguments), **places, **options))
        return opened[-1]

    yield start
    for each in opened:
        each.close()


@pytest.fixture
def log(sqlite_log):
    """Forty requests of the last hours: costs that rise, two models, one request of four without a user."""
    log = sqlite_log()
    now = time.time_ns() // 1_000_000
    for number in range(40):
        log.add(
            time_ms=now - (40 - number) * 300_000, provider=("openai", "anthropic")[number % 2],
            model=("gpt-a", "claude-b")[number % 2], endpoint="/answer", token="pk_1", token_name="web",
            user_id=f"user-{number % 4}" if number % 4 else None, tags='["prod"]', input_tokens=1000,
            output_tokens=100, cost_pico_usd=(number + 1) * USD // 10, status=200, latency_ms=800,
        )  # fmt: skip
    return log


def of(provider):
    return f"provider = '{provider}'"


def spent(log, where="1 = 1"):
    (cost,) = log.connection.execute(f"SELECT sum(cost_pico_usd) FROM cost_top_requests WHERE {where}").fetchone()
    return display_usd(cost)


def settle(shown):
    """Read until it has been quiet for a while."""
    quiet = time.monotonic()
    while time.monotonic() < quiet + 0.5:
        before = len(shown.output)
        shown.read(0.1)
        quiet = time.monotonic() if len(shown.output) > before else quiet


def until_gone(shown, unwanted):
    end = time.monotonic() + PATIENCE
    while unwanted in shown.text:
        assert time.monotonic() < end, f"{unwanted!r} stayed:\n{shown.text}"
        shown.read(0.2)


def test_figures_filter_drill_and_quit(cost_top, log):
    shown = cost_top(log.path, size=(120, 36))
    shown.until(spent(log))
    shown.until("gateway.db  last 30 days")
    for provider in ("openai", "anthropic"):
        shown.until(re.compile(rf"│ {provider}[ █▏▎▍▌▋▊▉]+{re.escape(spent(log, of(provider)))}"))
    shown.press("/")
    shown.until("Filter")
    shown.press("model:claude* -user:*")
    shown.until("no request matches")
    shown.press("\x15")
    until_gone(shown, "claude*")
    shown.press("model:gpt* -user:*")
    shown.until(f"{spent(log, 'user_id IS NULL')} in 10 requests")
    shown.press("\r")
    until_gone(shown, "Filter ─")
    shown.press("\x1b")
    shown.until(spent(log))
    shown.press("\x1b[B")
    shown.press("\r")
    shown.until("all requests › provider openai")
    shown.until(spent(log, of("openai")))
    shown.press("l")
    shown.until("Requests · newest first")
    shown.until("gpt-a")
    shown.press("\x1b")
    until_gone(shown, "newest first")
    shown.until("Top endpoints")
    settle(shown)  # a key that follows an escape at once is another key
    shown.press("q")
    assert shown.wait() == 0
    assert b"\x1b[?1049l" in shown.output
    assert b"Traceback" not in shown.output


def test_a_new_request_is_seen_and_a_lost_log_is_said_and_found_again(cost_top, log):
    shown = cost_top(log.path, "--interval", "1")
    shown.until(spent(log))
    log.add(time_ms=time.time_ns() // 1_000_000, provider="groq", model="late", cost_pico_usd=100 * USD)
    shown.until("groq")
    shown.until(spent(log))
    aside = log.path.with_name("aside.db")
    log.path.rename(aside)
    shown.until("no data")
    shown.until(spent(log))  # the last figures stay, once the frame is drawn whole
    aside.rename(log.path)
    until_gone(shown, "no data")
    shown.until(spent(log))


HOSTILE = (
    *NAMES, "\x1b]52;c;aGFja2Vk\x07", "\x1b]52;c;aGFja2Vk\x07[red]" + "x" * 10_000, "\x1b[6n", "\x1bPq\x1b\\",
    "\x1b]0;owned\x07", "=cmd|'x'!A1", "\u2066rtl\u2069",
)  # fmt: skip


def test_no_byte_of_hostile_data_reaches_the_terminal(cost_top, sqlite_log, tmp_path):
    log = sqlite_log("hostile\x1b[31m.db")
    now = time.time_ns() // 1_000_000
    for number, name in enumerate(HOSTILE):
        # Valid JSON and what a careless writer makes of it.
        tags = json.dumps([name, f"{name}-2"]) if number % 2 else f'["{name}"]'
        rest = {"tags": tags, "status": 200, "input_tokens": 7}
        texts = dict.fromkeys(TEXTS, name)
        log.add(id=f"{name}{number}", time_ms=now - number * 1000, cost_pico_usd=(99 - number) * USD, **texts, **rest)
    shown = cost_top(log.path, size=(120, 36))
    shown.until("family")
    for keys in ("4", "5", "6", "7", "8", "1", *["\x1b[B"] * 4, "\r", "y", "\x1b", "l", "\x1b[B", "y", "\r", "\x1b"):
        shown.press(keys)
        settle(shown)
    for keys in ("\x1b", "u", "\x1b[B", "\r", "t", "\r", "K", "\r", "x", "y", "\x1b", "?", "\x1b", "/", "\x1b", "s"):
        shown.press(keys)
        settle(shown)
    shown.press("q")
    assert shown.wait() == 0
    assert strangers(shown.output.decode("utf-8")) == []
    copied = re.findall(rb"\x1b\]52;c;([^\x07\x1b]*)", shown.output)
    assert copied, "y copied something"
    assert b"aGFja2Vk" not in copied
    for each in copied:
        text = base64.b64decode(each).decode()
        assert all(character.isprintable() or character in "\t\n" for character in text)
    # 22 is the shape of the pointer.
    assert set(re.findall(rb"\x1b\]([0-9]+);", shown.output)) <= {b"22", b"52"}


@pytest.mark.parametrize("how", ["terminated", "terminal closed"])
def test_the_end_comes_from_outside(cost_top, log, how):
    shown = cost_top(log.path)
    shown.until(spent(log))
    if how == "terminated":
        shown.child.send_signal(signal.SIGTERM)
        assert shown.wait() == 128 + signal.SIGTERM
        assert b"\x1b[?1049l" in shown.output
        assert b"Traceback" not in shown.output
    else:
        shown.hang_up()
        assert shown.child.wait(PATIENCE) in (128 + signal.SIGHUP, -signal.SIGHUP)


def test_a_source_that_cannot_be_opened_ends_the_app_with_one_line(cost_top, tmp_path):
    other = tmp_path / "other.db"
    sqlite3.connect(other).execute("CREATE TABLE something (id TEXT)").connection.close()
    shown = cost_top(other)
    assert shown.wait() == 2
    assert "other.db: holds no request log" in shown.text
    assert "Traceback" not in shown.text
