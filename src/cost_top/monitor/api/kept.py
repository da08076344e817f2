"""Answers of a report API: open ones in memory until they are asked again, closed ones on disk for good.

What is closed does not change any more, and asking may be billed: it is asked once, whatever is restarted.
"""

from __future__ import annotations

import hashlib
import time
from contextlib import suppress
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cost_top.model.files import private_folder, read_sealed, remove, replace_sealed
from cost_top.model.notes import Note, origin_of
from cost_top.model.query import Measures
from cost_top.monitor.api.questions import Wanted, narrowed
from cost_top.sources.report_api import Answer, Bucket

_VERSION = 3
_DAY = timedelta(days=1)
_STALE_SECONDS = 120 * 86400
_MOST_OPEN = 500
_MEASURES = tuple(one.name for one in fields(Measures))


@dataclass(slots=True)
class Asked:
    """An open question's last answer and when it was asked (monotonic seconds)."""

    answer: Answer
    at: float


class KeptAnswers:
    """Used by one thread. `folder` None keeps nothing on disk; two instances may share a folder."""

    def __init__(self, folder: Path | None, identity: str) -> None:
        """Make the folder, private to the user; one that cannot be written is done without."""
        self._open: dict[str, Asked] = {}
        self._closed: dict[str, Answer] = {}
        self._days: dict[str, dict[datetime, Measures]] = {}
        self._folder: Path | None = None
        if folder is not None:
            path = folder / f"api-{identity[:24]}-{_VERSION}"
            with suppress(OSError):
                private_folder(path, folder)
                self._folder = path
                self._prune()

    def answer(self, wanted: Wanted) -> Answer | None:
        """What is known; None before it was asked."""
        if not wanted.closed:
            asked = self._open.get(wanted.key)
            return asked.answer if asked is not None else None
        if _is_by_day(wanted):
            return self._answer_of_days(wanted)
        if wanted.key not in self._closed:
            found = self._read(wanted.key)
            if found is None:
                return None
            self._closed[wanted.key] = found
        return self._closed[wanted.key]

    def asked_at(self, wanted: Wanted) -> float | None:
        """When an open question was last asked, in monotonic seconds."""
        asked = self._open.get(wanted.key)
        return asked.at if asked is not None else None

    def missing(self, wanted: Wanted) -> Wanted:
        """The part of a closed question that is not known: of days asked one by one, those that lack."""
        if not wanted.closed or not _is_by_day(wanted):
            return wanted
        known = self._known_days(wanted)
        lacking = [day for day in _days(wanted) if day not in known]
        return narrowed(wanted, lacking[0], lacking[-1] + _DAY) if lacking else wanted

    def keep(self, wanted: Wanted, answer: Answer, clock: float) -> None:
        """Take over an answer."""
        if not wanted.closed:
            self._open.pop(wanted.key, None)
            self._open[wanted.key] = Asked(answer, clock)
            while len(self._open) > _MOST_OPEN:
                del self._open[next(iter(self._open))]
        elif _is_by_day(wanted):
            known = self._known_days(wanted)
            # A day without a bucket is a day without requests.
            known.update(dict.fromkeys(_days(wanted), Measures()))
            known.update({bucket.start: bucket.measures for bucket in answer.buckets if bucket.start is not None})
            self._write(
                _days_key(wanted), Answer(tuple(Bucket(day, (), known[day]) for day in sorted(known)), answer.as_of)
            )
        else:
            self._closed[wanted.key] = answer
            self._write(wanted.key, answer)

    def _answer_of_days(self, wanted: Wanted) -> Answer | None:
        known = self._known_days(wanted)
        days = _days(wanted)
        if any(day not in known for day in days):
            return None
        return Answer(tuple(Bucket(day, (), known[day]) for day in days), wanted.question.end)

    def _known_days(self, wanted: Wanted) -> dict[datetime, Measures]:
        key = _days_key(wanted)
        if key not in self._days:
            kept = self._read(key)
            self._days[key] = {one.start: one.measures for one in kept.buckets if one.start} if kept else {}
        return self._days[key]

    def _path(self, key: str) -> Path:
        assert self._folder is not None
        return self._folder / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.json"

    def _read(self, key: str) -> Answer | None:
        if self._folder is None:
            return None
        try:
            document = read_sealed(self._path(key))
            return _answer(document) if document is not None and document["key"] == key else None
        except (ValueError, KeyError, TypeError):
            return None  # missing or damaged: it is asked again

    def _write(self, key: str, answer: Answer) -> None:
        if self._folder is None:
            return
        try:
            replace_sealed(self._path(key), _document(key, answer))
        except OSError:
            self._folder = None  # a full or read-only disk: from here on answers are kept in memory

    def _prune(self) -> None:
        assert self._folder is not None
        oldest = time.time() - _STALE_SECONDS
        for path in self._folder.iterdir():
            with suppress(OSError):
                if path.lstat().st_mtime < oldest:
                    remove(path)


def _is_by_day(wanted: Wanted) -> bool:
    return wanted.question.grain == "day" and wanted.question.dimension is None


def _days_key(wanted: Wanted) -> str:
    return f"days {wanted.question.where}"


def _days(wanted: Wanted) -> list[datetime]:
    first, end = wanted.question.start, wanted.question.end
    return [first + number * _DAY for number in range((end - first) // _DAY)]


def _document(key: str, answer: Answer) -> dict[str, Any]:
    buckets = [
        [
            one.start.isoformat() if one.start else None,
            list(one.key),
            [getattr(one.measures, name) for name in _MEASURES],
        ]
        for one in answer.buckets
    ]
    return {
        "key": key,
        "as_of": answer.as_of.isoformat(),
        "notes": [[note, origin_of(note)] for note in answer.notes],
        "measures": _MEASURES,
        "buckets": buckets,
    }


def _answer(document: dict[str, Any]) -> Answer:
    if tuple(document["measures"]) != _MEASURES:
        raise ValueError("kept by another version")
    buckets = []
    for start, key, figures in document["buckets"]:
        if not all(figure is None or type(figure) is int for figure in figures):
            raise ValueError("a figure is no integer")
        instant = datetime.fromisoformat(start).astimezone(UTC) if start is not None else None
        measures = Measures(**dict(zip(_MEASURES, figures, strict=True)))
        buckets.append(Bucket(instant, tuple(key), measures))
    return Answer(
        tuple(buckets),
        datetime.fromisoformat(document["as_of"]),
        tuple(Note(text, origin) for text, origin in document["notes"]),
    )
