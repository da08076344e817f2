"""A program in a real pseudo-terminal: when what was on the screen, and what it wrote."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pyte
from tests.benchmarks.process import environment

COLUMNS, LINES = 140, 42


class Screen:
    """A running program; `read` takes what it wrote, `shown` is the screen after that."""

    def __init__(self, command: Sequence[str], cache: Path, columns: int = COLUMNS, lines: int = LINES) -> None:
        """Start it; `started` is the instant before exec."""
        self.bytes = 0
        self._screen = pyte.Screen(columns, lines)
        self._stream = pyte.ByteStream(self._screen)
        self._chunks: list[tuple[float, bytes]] = []
        self.started = time.perf_counter()
        self.pid, self._terminal = pty.fork()
        if self.pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
            os.execve(command[0], list(command), environment(cache))

    @property
    def shown(self) -> list[str]:
        """The lines of the screen."""
        return list(self._screen.display)

    def press(self, keys: str) -> float:
        """Type; the instant of it."""
        os.write(self._terminal, keys.encode())
        return time.perf_counter()

    def take(self, seconds: float) -> int:
        """Read for so long; how many bytes came. Costs next to nothing beside the program that is measured."""
        before = self.bytes
        until = time.perf_counter() + seconds
        while (left := until - time.perf_counter()) > 0:
            self._read(left)
        self._draw()
        return self.bytes - before

    def until(self, holds: Callable[[list[str]], bool], seconds: float = 60) -> float | None:
        """The instant of the write after which the screen held so; None when it did not come to that."""
        limit = time.perf_counter() + seconds
        while time.perf_counter() < limit:
            self._read(0.2)
            while self._chunks:
                when, data = self._chunks.pop(0)
                self._stream.feed(data)
                if holds(self.shown):
                    return when
        return None

    def close(self) -> None:
        """End it."""
        try:
            os.kill(self.pid, signal.SIGTERM)
            self.take(0.3)
            os.kill(self.pid, signal.SIGKILL)
        except OSError:
            pass  # it has ended by itself
        os.waitpid(self.pid, 0)
        os.close(self._terminal)

    def _read(self, seconds: float) -> None:
        if select.select([self._terminal], [], [], seconds)[0]:
            try:
                data = os.read(self._terminal, 1 << 16)
            except OSError:
                time.sleep(min(seconds, 0.05))  # it has ended
                return
            self._chunks.append((time.perf_counter(), data))
            self.bytes += len(data)

    def _draw(self) -> None:
        for _, data in self._chunks:
            self._stream.feed(data)
        self._chunks.clear()


def cost_top(*arguments: str) -> list[str]:
    """The installed command of this interpreter."""
    return [str(Path(sys.executable).with_name("cost-top")), *arguments]


def shows(*texts: str) -> Callable[[list[str]], bool]:
    """Whether all these texts are on the screen."""
    return lambda lines: all(any(text in line for line in lines) for text in texts)


def lacks(*texts: str) -> Callable[[list[str]], bool]:
    """Whether none of these texts is."""
    return lambda lines: not any(text in line for line in lines for text in texts)
