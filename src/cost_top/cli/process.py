"""How a command meets its surroundings: interrupts, the encoding of its output, and its end."""

from __future__ import annotations

import _thread
import codecs
import os
import select
import stat
import sys
import threading
import time
from typing import NoReturn

_TIDY_SECONDS = 0.5
# What a locale that is not UTF-8 shows instead; anything else becomes a question mark.
_PLAIN = {
    "≥": ">=", "≤": "<=", "≈": "~", "–": "-", "—": "-", "…": "...", "·": "-", "×": "x", "→": "->", "›": ">", "▲": "^",
    "▼": "v", "▬": "=", "│": "|", "─": "-", "“": '"', "”": '"', "’": "'", "█": "#",
    "▏": "|", "\u202f": " ", "\u00a0": " ",
}  # fmt: skip


def is_terminal() -> bool:
    """Whether a full-screen app can run: input, output and errors are a terminal that is not dumb."""
    return os.environ.get("TERM") not in (None, "", "dumb") and all(
        stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)
    )


def open_missing_streams() -> None:
    """Where a program was started with a standard stream closed, it is nothing instead.

    Else the next file that is opened takes its number, and what is meant for the stream is written into that file.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            nothing = os.open(os.devnull, os.O_RDWR)
            if nothing != number:
                os.dup2(nothing, number)
                os.close(nothing)
            setattr(sys, name, os.fdopen(number, "w" if number else "r", encoding="utf-8", closefd=False))


def degrade_gracefully() -> None:
    """From now on text that the locale cannot spell is written in characters that it can; UTF-8 spells everything."""

    def spelled(error: UnicodeError) -> tuple[str, int]:
        assert isinstance(error, UnicodeEncodeError)
        from cost_top.model.format import cells

        unknown = error.object[error.start : error.end]
        # In as many cells as it would have taken: columns stay where they are.
        return "".join(_PLAIN.get(character) or "?" * cells(character) for character in unknown), error.end

    codecs.register_error("cost-top", spelled)
    for stream in (sys.stdout, sys.stderr):
        if stream is not None and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="cost-top")


def write_data(text: str) -> None:
    """CSV or JSON on stdout: UTF-8 whatever the locale is."""
    sys.stdout.flush()
    binary = getattr(sys.stdout, "buffer", None)
    if binary is None:
        sys.stdout.write(text)
        return
    binary.write(text.encode("utf-8", "replace"))
    binary.flush()


def end_on_interrupt() -> None:
    """From now on Ctrl-C ends the process with 130, also inside a driver that makes something else of the signal.

    SIGTERM and SIGHUP end it as they do anyway, with no temporary file left behind.
    To be called before any thread is started: all inherit that the signals are not theirs. Only for a whole process.
    """
    import signal

    if not hasattr(signal, "pthread_sigmask"):
        return
    asked = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    waited_for = {number for number in asked if signal.getsignal(number) != signal.SIG_IGN}
    signal.pthread_sigmask(signal.SIG_BLOCK, waited_for)

    def wait() -> None:
        number = signal.sigwait(waited_for)
        if number == signal.SIGINT:
            _thread.interrupt_main()  # what can tidy up does
            time.sleep(_TIDY_SECONDS)
        end_now(128 + number)

    threading.Thread(target=wait, name="interrupt", daemon=True).start()


def end_when_asked() -> None:
    """From now on SIGTERM ends the process with 0: being asked to end is no failure of what serves."""
    import signal

    signal.signal(signal.SIGTERM, lambda *_: end_now(0))
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        signal.signal(signal.SIGHUP, lambda *_: end_now(128 + signal.SIGHUP))


def end_with_the_reader() -> None:
    """From now on the process ends with 141 when nobody reads its output any more, also while it has nothing to say."""
    if not hasattr(select, "poll") or not stat.S_ISFIFO(os.fstat(sys.stdout.fileno()).st_mode):
        return
    poller = select.poll()
    poller.register(sys.stdout.fileno(), 0)  # only hang-ups and errors

    def wait() -> None:
        poller.poll()
        end_now(141)

    threading.Thread(target=wait, name="reader", daemon=True).start()


def end_now(code: int) -> NoReturn:
    """Leave at once, whatever the process is doing, with no temporary file behind."""
    try:
        _remove_temporary()
    finally:
        os._exit(code)


def end(code: int) -> NoReturn:
    """Leave with what was written on its way and no temporary file behind.

    Readers that are still in a driver's hands end with the process.
    """
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        code = 141
    except OSError as error:
        code = code or 2
        say(f"the output cannot be written: {error.strerror or error}")
    _remove_temporary()
    try:
        sys.stderr.flush()
    finally:
        os._exit(code)


def say(line: str) -> None:
    """One line on stderr, if anybody hears it."""
    try:
        sys.stderr.write(f"cost-top: {line}\n")
        sys.stderr.flush()
    except OSError:
        return


def _remove_temporary() -> None:
    """Remove temporary files; where what makes them is not loaded there are none."""
    remove = getattr(sys.modules.get("cost_top.model.files"), "remove_temporary", None)
    if remove is not None:
        remove()
