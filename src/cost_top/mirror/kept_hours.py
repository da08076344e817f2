"""The whole hours of the hot end that a follower has held against the log: the next start reads what came since.

A file holds every row from the beginning of a day until some hour, priced with the rates in its name. It is used where
the log's digest of the same period says that it still holds those rows, and no others.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from cost_top.mirror.hot import span
from cost_top.mirror.kept import HOURS, beside, hash_of, scan
from cost_top.mirror.schema import WITNESSED, first_row
from cost_top.model.files import remove
from cost_top.model.hashed_file import is_whole

if TYPE_CHECKING:
    from cost_top.mirror.store import Mirror

_VERSION = 1
_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class KeptHours:
    """The rows of `[start, until)` (naive UTC)."""

    path: Path
    start: datetime
    until: datetime


def kept_hours(mirror: Mirror, start: datetime) -> KeptHours | None:
    """What is kept of the hot end from `start` (naive UTC, a midnight) on, as far as it goes."""
    files = mirror.days.files
    if files is None:
        return None
    found = []
    for path in files.folder.glob(f"{start.date()}.until-*{HOURS}"):
        hours = re.fullmatch(rf"until-(\d+)\.{re.escape(_reading(mirror))}\.\w+{HOURS}", path.name.partition(".")[2])
        if hours is not None and is_whole(path):
            found.append(KeptHours(path, start, start + int(hours[1]) * _HOUR))
    return max(found, key=lambda kept: kept.until, default=None)


def digest_of(connection: duckdb.DuckDBPyConnection, kept: KeptHours) -> str | None:
    """Count and sum of its fingerprints, as `Hot.digest` gives them; None where the file is gone."""
    try:
        count, total = first_row(
            connection, f"SELECT count(*), coalesce(sum(fingerprint), 0) FROM {scan(kept.path)}"
        )  # fmt: skip
    except duckdb.Error:
        return None
    return f"{count} {total}"


def take_hours(mirror: Mirror, kept: KeptHours) -> bool:
    """Fill the hot end, which begins after `kept` does, with what is kept before it; whether the file was there."""
    end = mirror.hot_start
    try:
        rows = f"(SELECT * FROM {scan(kept.path)} WHERE {span(kept.start, end)})"
        mirror.touched(mirror.hot.replace(rows, kept.start, end))
    except duckdb.Error:
        return False
    mirror.database.names.learn(mirror.database.connection, mirror.hot.table)
    mirror.hot_start = kept.start
    return True


def keep_hours(mirror: Mirror, until: datetime) -> None:
    """Keep the hot end, which begins at a midnight, up to an hour; without a place for it, it is read again."""
    files, start = mirror.days.files, mirror.hot_start
    if files is None:
        return
    name = f"{start.date()}.until-{(until - start) // _HOUR}.{_reading(mirror)}"
    with suppress(OSError, duckdb.IOException):
        select = f"SELECT * FROM {mirror.hot.table} WHERE {span(start, until)}"
        made = files.write(mirror.database.connection, select, name, HOURS)
        forget_hours(mirror, made)


def forget_hours(mirror: Mirror, but: Path | None = None) -> None:
    """Remove what is kept of hours: the log no longer says that."""
    files = mirror.days.files
    for path in files.folder.glob(f"[!.]*{HOURS}") if files is not None else ():
        if path != but:
            remove(path)


def _reading(mirror: Mirror) -> str:
    """With which rates, as `KeptFiles` looks for them, and with which names beside the log rows were read."""
    files = mirror.days.files
    reading = hash_of(_VERSION, WITNESSED, beside(mirror.database.lookups))
    return f"{files.rates if files is not None else ''}.{reading}"
