"""A child on a pseudo-terminal of its own, its screen decoded by an emulator."""

import fcntl
import os
import re
import select
import struct
import subprocess
import sys
import termios
import time

import pyte

PATIENCE = 120.0
# What would speak for another terminal than this one.
_UNWANTED = ("NO_COLOR", "COLORTERM", "COLUMNS", "LINES")


class Terminal:
    """A child on a pseudo-terminal of its own."""

    def __init__(self, *arguments: str, size: tuple[int, int] = (80, 24), **environment: str) -> None:
        self.ours, theirs = os.openpty()
        columns, rows = size
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.screen = pyte.Screen(columns, rows)
        self.stream = pyte.ByteStream(self.screen)
        self.output = b""
        kept = {name: value for name, value in os.environ.items() if name not in _UNWANTED}
        self.child = subprocess.Popen(
            [sys.executable, *arguments],
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

    def until(self, wanted: str | re.Pattern[str]) -> None:
        pattern = wanted if isinstance(wanted, re.Pattern) else re.compile(re.escape(wanted))
        end = time.monotonic() + PATIENCE
        while not pattern.search(self.text):
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

    def hang_up(self) -> None:
        """Close our end, as a terminal that is closed does."""
        os.close(self.ours)
        self.ours = -1

    def close(self) -> None:
        if self.child.poll() is None:
            self.child.kill()
            self.child.wait()
        if self.ours >= 0:
            os.close(self.ours)
