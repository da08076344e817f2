"""The terminal underneath: bytes written to it, whether it is still there, and the signals that end the app."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass

from textual.driver import Driver

WATCH_SECONDS = 5.0
_SIGNALS = tuple(getattr(signal, name) for name in ("SIGHUP", "SIGTERM") if hasattr(signal, name))


@dataclass
class Written:
    """Bytes and writes that went to the terminal since the start."""

    bytes: int = 0
    writes: int = 0


def counting(driver: type[Driver], written: Written) -> type[Driver]:
    """The driver class with a count of what it writes."""

    class CountingDriver(driver):  # type: ignore[valid-type,misc]
        """Adds up what goes to the terminal."""

        def write(self, data: str) -> None:
            """Write, and count the bytes."""
            written.bytes += len(data.encode("utf-8", "replace"))
            written.writes += 1
            super().write(data)

    return CountingDriver


def terminal_is_there() -> bool:
    """Whether the input is still a terminal; Textual would spin on a closed one."""
    try:
        return sys.__stdin__ is not None and os.isatty(sys.__stdin__.fileno())
    except (OSError, ValueError):
        return False


def leave_on_signals(leave: Callable[[int], None]) -> None:
    """Call `leave(128 + number)` on SIGHUP and SIGTERM, so that the terminal is put back in order."""
    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        try:
            loop.add_signal_handler(number, leave, 128 + number)
        except (NotImplementedError, RuntimeError, ValueError):
            return  # not the main thread, or a platform without signal handlers on the loop


def no_color_wanted() -> bool:
    """Whether NO_COLOR asks for no colour; empty means nothing. Textual takes it from the environment itself."""
    return bool(os.environ.get("NO_COLOR"))
