"""Until when sums are built before what is known of them is shown."""

from __future__ import annotations

import time

# Where the machine has other work to do, so many seconds more: each part that is shown is drawn.
_LONGER = 0.2


class Deadline:
    """An instant of the monotonic clock, put off until as much was worked as there was time for, within limits."""

    def __init__(self, until: float) -> None:
        """`until` may be infinite."""
        self._until = until
        self._allowed = until - time.monotonic()
        self._began = time.thread_time()

    @property
    def has_passed(self) -> bool:
        """Whether to show what is known."""
        now = time.monotonic()
        if now <= self._until:
            return False
        return now > self._until + _LONGER or time.thread_time() - self._began >= self._allowed
