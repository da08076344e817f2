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


def ripe(database: sqlite3.Connection) -> set[str]:
    """Files to be read though nobody wrote to them: they can be by now, or their last row is the last."""
    rows = database.execute("SELECT path, failed, mtime_ns, waits FROM files WHERE failed IS NOT NULL OR waits > 0")
    effective = os.access in os.supports_effective_ids
    return {
        os.fsdecode(path)
        for path, failed, mtime_ns, waits in rows.fetchall()
        if (failed is not None and os.access(path, os.R_OK, effective_ids=effective))
        or (failed is None and _age(mtime_ns) >= waits)
    }


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
    return _age(file.mtime_ns) < _FOLLOWED_SECONDS


def _age(mtime_ns: int) -> float:
    return time.time() - mtime_ns / 10**9
