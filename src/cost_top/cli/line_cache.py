"""What the last `report --format line` read, for as long as a log in files stays as it was: a prompt asks every second.

A log in a SQLite file, or in files of rows, that nobody wrote to says now what it said then. So the sum of the day and
the single costs of the last hour are kept with the files' change marks; while these are the same, the line is told
without opening the log.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import astuple, dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cost_top.model.code import FIGURES, code_hash
from cost_top.model.files import read_sealed
from cost_top.pricing.released import rates_path

if TYPE_CHECKING:
    from cost_top.cli.options import Resolved
    from cost_top.model.answers import Answers
    from cost_top.model.filter import Filter
    from cost_top.model.query import ReportQuery

HOUR = timedelta(hours=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Of a file written to less than this ago a later write might leave no other mark.
_SETTLED = 2.1
_AHEAD = timedelta(days=2)
_MOST = 5_000  # requests of an hour
_BESIDE = ("", "-wal", "-journal")


@dataclass(frozen=True, slots=True)
class Sum:
    """A cost in pico-dollars; a lower bound where requests have no price."""

    cost: int
    unpriced: int


class LineCache:
    """The kept figures of one source, filter and day."""

    def __init__(self, settings: Resolved, where: Filter, midnight: datetime) -> None:
        """Looks at the files that decide the figures; for a log that is not in files, or without a cache, it is void.

        So it is where another database has the names and the unit of amounts: that may change as well.
        """
        file = _sqlite_file(settings)
        self._look = partial(_sqlite_marks, file) if file else partial(_files_marks, settings)
        self._path: Path | None = None
        self._began = time.time()
        self._marks = self._look()
        if self._marks is None or settings.cache is None or settings.names_url:
            return
        beside = [path and [str(path.absolute()), _mark(path)] for path in (settings.overrides, settings.mapping)]
        code = [code_hash(*FIGURES, "sources/files", "usage"), _mark(rates_path())]
        told = [code, self._marks.place, beside, str(where), midnight.isoformat()]
        digest = sha256(json.dumps(told).encode("utf-8", "replace")).hexdigest()
        self._path = settings.cache / f"line-{digest[:24]}.json"

    def read(self, now: datetime) -> tuple[Sum, Sum, int] | None:
        """Of today and of the last hour as of `now`, and rows of no time; None where the log is not as it was or
        nothing is kept."""
        if self._path is None:
            return None
        try:
            kept = read_sealed(self._path)
            if kept is None or self._marks is None or kept["marks"] != self._marks.told:
                return None
            if datetime.fromisoformat(kept["until"]) > now:
                return None
            since = micros(now - HOUR)
            last = [(cost, unpriced) for at, cost, unpriced in kept["hour"] if at >= since]
            hour = Sum(sum(cost for cost, _ in last), sum(flag for _, flag in last))
            return Sum(*map(int, kept["today"])), hour, int(kept["untimed"])
        except (ValueError, KeyError, TypeError):
            return None

    @property
    def is_settled(self) -> bool:
        """Whether figures read now can be told apart from later ones: nothing is written just now."""
        if self._path is None or self._marks is None or self._look() != self._marks:
            return False
        return self._marks.rests and self._marks.written < (self._began - _SETTLED) * 1e9

    def singles(self, answers: Answers, query: ReportQuery, hour: Sum) -> list[tuple[datetime, int, int]] | None:
        """Of each request of the last hour its time, cost and whether it has no price; None where they may not be kept.

        They must come to the hour's sum, and no request may lie ahead of the clock: it would come into the hour later.
        """
        if not self.is_settled:
            return None
        page = answers.requests(replace(query, limit=_MOST))
        found = [
            (row.time, row.cost or 0, int(row.price_status == "unpriced" and not row.cache_hit)) for row in page.rows
        ]
        if page.following is not None or Sum(sum(row[1] for row in found), sum(row[2] for row in found)) != hour:
            return None
        ahead = answers.report(replace(query, start=query.end, end=query.end + _AHEAD, limit=None))
        return None if ahead.totals.request_count or ahead.totals.total_cost else found

    def keep(self, now: datetime, today: Sum, hour: list[tuple[datetime, int, int]], untimed: int) -> None:
        """Figures as of `now`: of each request of the last hour its time, cost and whether it has no price."""
        from cost_top.model.files import private_folder, replace_sealed

        if self._path is None or self._marks is None or not self.is_settled or len(hour) > _MOST:
            return
        told = {
            "marks": self._marks.told, "until": now.isoformat(), "today": [today.cost, today.unpriced],
            "untimed": untimed, "hour": [[micros(at), cost, unpriced] for at, cost, unpriced in hour],
        }  # fmt: skip
        try:
            private_folder(self._path.parent, self._path.parent)
            for old in self._path.parent.glob("line-*.json"):
                if old != self._path and time.time() - old.stat().st_mtime > 86_400:
                    old.unlink(missing_ok=True)
            replace_sealed(self._path, told)
        except OSError:
            return  # the next line is only dearer


def micros(moment: datetime) -> int:
    """Microseconds since 1970."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _sqlite_file(settings: Resolved) -> Path | None:
    place = settings.place
    if place is None or place.kind != "database":
        return None
    text = place.url.removeprefix("sqlite:///")
    return None if "://" in text or "?" in text else Path(text).expanduser()


@dataclass(frozen=True, slots=True)
class _Marks:
    """What changes when a log in files does."""

    place: str
    told: list[Any]  # equal as long as nothing was written
    written: int  # the latest write, nanoseconds since 1970
    rests: bool = True  # nothing else comes to be read of it as time goes by


def _sqlite_marks(path: Path) -> _Marks | None:
    """Of the file and what SQLite writes beside it, with what readers see of that; None where there is no such file."""
    path = path.resolve()  # SQLite writes beside the file, not beside a link to it
    # What is beside it SQLite gives to the file's owner when it opens that, which is a change but no write.
    marks = [_mark(Path(f"{path}{suffix}"), 4 if suffix else 5) for suffix in _BESIDE]
    if marks[0] is None:
        return None
    written = max(max(mark[3:]) for mark in marks if mark is not None)
    return _Marks(str(path), [*marks, _index_head(path)], written)


def _files_marks(settings: Resolved) -> _Marks | None:
    """Of all the files of a source; None where it is another one, or nothing is there."""
    place = settings.place
    if place is None or place.kind != "files":
        return None
    from cost_top.sources.files.found import files_of, places_of
    from cost_top.sources.files.waiting import may_wait

    places = places_of(place.url)
    found = files_of(places)
    if not found:
        return None
    seen = sha256()
    for file in found:
        told = astuple(file)
        seen.update(f"{told}\n".encode("utf-8", "surrogateescape"))
    where = "|".join(map(os.path.abspath, places))
    written = max(file.changed_ns for file in found)
    return _Marks(where, [len(found), seen.hexdigest()], written, not any(map(may_wait, found)))


def _index_head(path: Path) -> str:
    """What a commit changes when readers see it, which may be long after it was written to the write-ahead log.

    These are the number of its last frame, the pages, the checksum of the frames and the salts of the log. The
    descriptor stays open: closing it would make this process forget the locks of SQLite's own readers.
    """
    try:
        return os.pread(os.open(f"{path}-shm", os.O_RDONLY), 24, 16).hex()
    except OSError:
        return ""


def _mark(path: Path, most: int = 5) -> list[int] | None:
    """What changes when a file does, with its times last; an empty file is as good as none."""
    try:
        found = path.stat()
    except OSError:
        return None
    if not found.st_size:
        return None
    return [found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns][:most]
