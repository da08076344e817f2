"""The hot end as it was last read, for as long as the log itself says that nothing was written since.

A file is of one reading: what the log said of itself before, and the names kept beside it. It holds every row from the
beginning of a day on, priced with the rates in its name.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING

import duckdb

from cost_top.mirror.kept import HOT, beside, hash_of, scan
from cost_top.mirror.schema import WITNESSED

if TYPE_CHECKING:
    from cost_top.mirror.store import Mirror
    from cost_top.sources.base import Evidence, Lookup

_VERSION = 1


def take_hot(mirror: Mirror, start: datetime, evidence: Evidence, lookups: Sequence[Lookup]) -> bool:
    """Fill the hot end from `start` (naive UTC) on with what is kept of it; whether that is what the log has now."""
    files, name = mirror.days.files, _name(mirror, start, evidence, lookups)
    path = files.find(name, HOT) if files is not None and name is not None else None
    if path is None:
        return False
    try:
        mirror.touched(mirror.hot.replace(scan(path), start, None))
    except duckdb.Error:  # gone meanwhile
        return False
    mirror.database.names.learn(mirror.database.connection, mirror.hot.table)
    mirror.hot_start = min(mirror.hot_start, start)
    return True


def keep_hot(mirror: Mirror, start: datetime, evidence: Evidence, lookups: Sequence[Lookup]) -> None:
    """Keep the hot end, which begins at `start`; without a place for it, it is read again."""
    files, name = mirror.days.files, _name(mirror, start, evidence, lookups)
    if files is None or name is None or mirror.hot_start != start or files.find(name, HOT) is not None:
        return
    with suppress(OSError, duckdb.IOException):
        made = files.write(mirror.database.connection, f"SELECT * FROM {mirror.hot.table}", name, HOT)
        for other in made.parent.glob(f"[!.]*{HOT}"):
            if other != made:
                other.unlink(missing_ok=True)


def _name(mirror: Mirror, start: datetime, evidence: Evidence, lookups: Sequence[Lookup]) -> str | None:
    """The file's name without its hash; None where the log does not say at once that something was written."""
    if mirror.days.files is None or not evidence.at_once or evidence.text is None:
        return None
    if start != datetime(start.year, start.month, start.day):
        return None
    reading = hash_of(_VERSION, WITNESSED, evidence.place, evidence.text, beside(lookups))
    return f"{start.date()}.hot.{mirror.days.files.rates}.{reading}"
