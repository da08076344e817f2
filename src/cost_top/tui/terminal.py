"""The terminal underneath: what is written to it, how much, and what its user's environment asks for."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass, field

from textual.driver import Driver

from cost_top.tui.painted import Painted

_FRAME = re.compile(r"\x1b\[\d+;\d+H")
_BEGIN, _END = "\x1b[?2026h", "\x1b[?2026l"
# Textual cuts long frames there, anywhere.
_WHOLE_FRAMES = sys.platform != "win32"


@dataclass
class Written:
    """Bytes and writes that went to the terminal since the start, and what stands on it."""

    bytes: int = 0
    writes: int = 0
    painted: Painted = field(default_factory=Painted)


def counting(driver: type[Driver], written: Written) -> type[Driver]:
    """The driver class that sends what differs from what stands on the terminal, and counts it."""

    class CountingDriver(driver):  # type: ignore[valid-type,misc]
        """Adds up what goes to the terminal."""

        _begun = False  # a frame that may come to nothing

        def write(self, data: str) -> None:
            """Write what is not there yet, and count the bytes."""
            if data == _BEGIN:
                self._begun = True
                return
            if data == _END and self._begun:
                self._begun = False
                return
            if _WHOLE_FRAMES and _FRAME.match(data):
                data = written.painted.frame(data)
                if not data:
                    return
            elif "?1049" in data:
                written.painted.forget()  # another screen of the terminal
            if self._begun:
                self._begun = False
                data = f"{_BEGIN}{data}"
            written.bytes += len(data.encode("utf-8", "replace"))
            written.writes += 1
            super().write(data)

    return CountingDriver


def no_color_wanted() -> bool:
    """Whether NO_COLOR asks for no colour; empty means nothing. Textual takes it from the environment itself."""
    return bool(os.environ.get("NO_COLOR"))
