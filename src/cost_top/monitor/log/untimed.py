"""Rows of a log without a usable time, which no period holds: counted beside everything else, and only now and then."""

from __future__ import annotations

import threading
import time
from contextlib import suppress

from cost_top.mirror.kept import KeptFiles, hash_of
from cost_top.mirror.store import Mirror
from cost_top.model.errors import SourceError
from cost_top.sources.base import Evidence, LogReader, LogSource

_SECONDS = 900.0  # between two counts, where the log was written to
_SHARE = 0.001  # of the log's time: texts that are times are told from others one by one
_NOTE = "untimed"


def untimed_now(reader: LogReader, files: KeptFiles | None, evidence: Evidence) -> int:
    """How many there are; not asked again of a log that says it was not written to. Raises `SourceError`."""
    said = hash_of(evidence.place, evidence.text) if evidence.at_once and evidence.text is not None else None
    if files is None or said is None:
        return reader.untimed()
    note = files.said(_NOTE)
    if note.get("log") == said and isinstance(rows := note.get("rows"), int):
        return rows
    rows = reader.untimed()
    with suppress(OSError):
        files.say(_NOTE, {"log": said, "rows": rows})
    return rows


class Untimed:
    """Counts on a connection of its own while the log is followed; used by the thread that follows it."""

    def __init__(self, source: LogSource, mirror: Mirror) -> None:
        self._source, self._mirror = source, mirror
        self._due = 0.0
        self._asked: Evidence | None = None  # what the log said of itself before it was counted last
        self._counted: list[tuple[int | None, float]] = []  # the rows and the seconds it took, for the owner to take
        self._thread: threading.Thread | None = None
        self._reader: LogReader | None = None
        self._stopping = False

    def look(self, evidence: Evidence | None, clock: float) -> bool:
        """Begin to count where it is time; whether the number is otherwise than before. `clock`: monotonic seconds."""
        changed = self._take(clock)
        is_same = evidence is not None and evidence == self._asked and evidence.text is not None
        if evidence is not None and not is_same and self._thread is None and clock >= self._due:
            self._asked = evidence
            self._thread = threading.Thread(target=self._count, args=(evidence,), name="untimed", daemon=True)
            self._thread.start()
        return changed

    def stop(self) -> None:
        """Break off."""
        self._stopping = True
        if self._thread is not None:
            if self._reader is not None:
                self._reader.cancel()
            self._thread.join(timeout=2)

    def _take(self, clock: float) -> bool:
        if self._thread is None or not self._counted:
            return False
        self._thread.join()
        self._thread = None
        rows, spent = self._counted.pop()
        self._due = clock + max(_SECONDS, spent / _SHARE)
        before = self._mirror.untimed
        if rows is not None:
            self._mirror.untimed = rows
        return self._mirror.untimed != before

    def _count(self, evidence: Evidence) -> None:
        began, rows = time.perf_counter(), None
        try:
            with suppress(SourceError), self._source.connect() as reader:
                self._reader = reader
                if not self._stopping:
                    rows = untimed_now(reader, self._mirror.days.files, evidence)
        finally:
            self._reader = None
            self._counted.append((rows, time.perf_counter() - began))
