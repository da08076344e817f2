"""Leaving when the terminal goes away or a signal asks for it: in good order where that works, and at once where not.

No part of the process can keep it: a writer that waits for a dead terminal, a reader inside a statement, a frame under
way. So the end is watched by a thread of its own, which needs nothing of theirs. Textual is not needed here.
"""

from __future__ import annotations

import atexit
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from cost_top.model.files import remove_temporary

HANG_UP = getattr(signal, "SIGHUP", signal.SIGTERM)
_NAMES = ("SIGHUP", "SIGTERM", "SIGINT", "SIGQUIT")
_SIGNALS = tuple(getattr(signal, name) for name in _NAMES if hasattr(signal, name))
# Seconds for an end in good order. A terminal that is gone needs no tidying.
_GRACE = {HANG_UP: 0.4}
_LONG_GRACE = 3.0
_LOOK_SECONDS = 0.5

_last_things: list[Callable[[], None]] = []
_watched, _ending = threading.Lock(), threading.Lock()  # taken once


@contextmanager
def before_a_hard_end(tidy: Callable[[], None]) -> Iterator[None]:
    """Within the block `tidy` is done also when the process has to end at once; it may not wait."""
    _last_things.append(tidy)
    try:
        yield
    finally:
        _last_things.remove(tidy)


@contextmanager
def signals_lead_to(leave: Callable[[int], None]) -> Iterator[None]:
    """Within the block signals that ask for the end call `leave(128 + number)`; what does not leave soon is ended.

    Only the main thread can; elsewhere nothing changes. An ignored SIGHUP is heard as well.
    """

    def heard(number: int, _: object) -> None:
        end_within(_GRACE.get(signal.Signals(number), _LONG_GRACE), 128 + number)
        leave(128 + number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, heard) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            # While it ends, a signal that comes once more may not cut short what is tidied.
            signal.signal(number, signal.SIG_IGN if _ending.locked() else handler)


def watch_terminal() -> None:
    """From now on the process hears SIGHUP when its terminal goes away, and ends even if it does not listen."""
    if terminal_is_there() and _watched.acquire(blocking=False):
        atexit.register(_end_by_the_clock)
        threading.Thread(target=_watch, name="terminal", daemon=True).start()


def terminal_is_there() -> bool:
    """Whether the input is a terminal that can still be read."""
    try:
        return sys.__stdin__ is not None and os.isatty(sys.__stdin__.fileno())
    except (OSError, ValueError):
        return False


def end_within(seconds: float, code: int) -> None:
    """End the process in so many seconds, whatever it does; the first call decides."""

    def end() -> None:
        time.sleep(seconds)
        for tidy in (*reversed(_last_things), remove_temporary):
            try:
                tidy()
            except Exception:  # noqa: S112 - nothing may keep the process
                continue
        os._exit(code)

    if _ending.acquire(blocking=False):
        threading.Thread(target=end, name="end", daemon=True).start()


def _end_by_the_clock() -> None:
    """While the interpreter ends a library may wait for ever for a thread that has ended: the kernel ends that."""
    if hasattr(signal, "setitimer"):
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, _LONG_GRACE)


def _watch() -> None:
    poller = None
    if hasattr(select, "poll") and sys.__stdin__ is not None:
        poller = select.poll()
        poller.register(sys.__stdin__.fileno(), 0)  # only hang-ups and errors
    while terminal_is_there():
        if poller is None:
            time.sleep(_LOOK_SECONDS)
        elif poller.poll(_LOOK_SECONDS * 1000):
            break
    end_within(_GRACE[HANG_UP], 128 + HANG_UP)
    os.kill(os.getpid(), HANG_UP)
