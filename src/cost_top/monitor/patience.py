"""How long a source that fails is left alone."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

from cost_top.model.errors import SourceDenied, SourceThrottled, one_line
from cost_top.model.snapshot import Stale

BACKOFF = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)  # seconds after each failure in a row
# Trying again alone does not help where a key is refused; `r` does it when the key is right.
FINAL_SECONDS = 3600.0


class Patience:
    """Counts the failures in a row and says how long to wait after each."""

    def __init__(self) -> None:
        self._failures = 0
        self._since: datetime | None = None

    def answered(self) -> None:
        """The source answered: the next failure is a first one."""
        self._failures, self._since = 0, None

    def after(self, error: Exception, steps: tuple[float, ...], final: bool) -> float:
        """Seconds until the next try: longer each time, as long as the source asks for, and long after a `final` no."""
        # Many terminals and servers must not come back at once.
        wait = steps[min(self._failures, len(steps) - 1)] * random.uniform(0.8, 1.2)  # noqa: S311
        if isinstance(error, SourceThrottled) and error.wait is not None:
            wait = max(wait, error.wait)
        self._failures += 1
        return FINAL_SECONDS if final else wait

    def stale(self, error: Exception, now: datetime, wait: float, remedy: str = "mend the key") -> Stale:
        """What a face is told meanwhile; `remedy` is what helps where the source refuses."""
        self._since = self._since or now
        retry = (now + timedelta(seconds=wait)).replace(microsecond=0)
        return Stale(self._since, one_line(error), retry, isinstance(error, SourceDenied), remedy)
