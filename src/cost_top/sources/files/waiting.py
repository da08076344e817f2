"""Files that are looked at again though nobody wrote to them, and rows that may still be in the writing."""

from __future__ import annotations

import os
import sqlite3
import time

from cost_top.sources.files.content import is_torn
from cost_top.sources.files.found import FoundFile

# How long the last row of a table waits for the end of its line: of one that was there at once, and of one that grew.
_WAITS, _WAITS_GROWING = 60, 3600
_FOLLOWED_SECONDS = 24 * 3600
# File systems note the time of a write no finer than this: a later one may leave the same.
SETTLED_SECONDS = 2.1


def ripe(database: sqlite3.Connection) -> set[str]:
    """Files to be looked at though nobody wrote to them.

    They can be read by now, their last row is the last, or they were read when they had just been written to.
    """
    rows = database.execute(
        "SELECT path, failed, mtime_ns, waits, looked FROM files WHERE failed IS NOT NULL OR waits > 0 OR looked > 0"
    )
    effective = os.access in os.supports_effective_ids
    return {
        os.fsdecode(path)
        for path, failed, mtime_ns, waits, looked in rows.fetchall()
        if (failed is not None and os.access(path, os.R_OK, effective_ids=effective))
        or (failed is None and waits > 0 and _age(mtime_ns) >= waits)
        or (failed is None and looked > 0 and not 0 <= time.time() - looked < SETTLED_SECONDS)
    }


def looked_at(file: FoundFile) -> float:
    """When a file was read that was written to just before, seconds since 1970; 0 where that is long enough ago."""
    return time.time() if _age(file.changed_ns) < SETTLED_SECONDS else 0.0


def waiting_for(file: FoundFile, grew: bool) -> int:
    """Seconds of rest for which the last row of a table waits; 0 where it ends its line or has waited enough."""
    if not file.size or not is_torn(file.path):
        return 0
    wait = _WAITS_GROWING if grew else _WAITS
    return wait if _age(file.mtime_ns) < wait else 0


def may_wait(file: FoundFile) -> bool:
    """Whether what is read of a file may come to be another though nobody writes to it."""
    is_table = file.form == "csv"
    return bool(file.failed) or (is_table and waiting_for(file, grew=True) > 0)


def is_followed(file: FoundFile) -> bool:
    """Whether a file was written to of late, so that it may grow."""
    return _age(file.changed_ns) < _FOLLOWED_SECONDS


def _age(mtime_ns: int) -> float:
    return time.time() - mtime_ns / 10**9
