"""Files as a request log: their rows in a private index, read like any other SQLite log and refreshed before a look."""

from __future__ import annotations

import hashlib
import os
import threading
import time
import weakref
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cost_top.gateways.shape import RawShape
from cost_top.model.errors import SourceError, UserError, one_line
from cost_top.model.files import cache_folder, remove_database, temporary_file
from cost_top.model.format import counted
from cost_top.model.native import TABLE
from cost_top.sources.base import DayCount, Evidence
from cost_top.sources.files.found import AGENTS, files_of, places_of
from cost_top.sources.files.index import FileIndex
from cost_top.sources.files.index_file import MADE_BY, code_version
from cost_top.sources.files.kinds import agent_kind, kind_of
from cost_top.sources.files.records import Kind
from cost_top.sources.sql.log import SqlLog, SqlLogReader, recognised_log
from cost_top.sources.sql.sqlite import SqliteDatabase

if TYPE_CHECKING:
    from cost_top.gateways.preset import Preset
    from cost_top.sources.sql.recognition import Choice

# Looking at thousands of files takes milliseconds; several readers of one poll look once.
_AGAIN_SECONDS = 0.5
_STALE = 30 * 86400.0  # seconds after which an index that nobody wrote to is removed


def open_files(source: str, mapping: Path | None, cache: Path | None) -> FilesLog:
    """The log that files hold. `source` is a folder, a file, a pattern, `claude-code` or `codex`.

    The index is kept in `cache`, else in a temporary file. Raises `UserError` for everything a user can mend.
    """
    places = places_of(source)
    preset = _mapped(mapping) if mapping is not None else None
    shown = one_line(source, 200)
    files = files_of(places)
    kind = agent_kind(source) if source in AGENTS and preset is None else kind_of(files, shown, preset)
    index = FileIndex(_index_path(places, kind, cache), kind)
    try:
        index.refresh(files)
    except SourceError as error:
        raise UserError(f"{error}; check that the files can be read") from None
    found = recognised_log(
        SqliteDatabase(index.path, ours=True), lambda: _choice(preset), chosen=preset is not None,
        cache=cache if preset is None else None, said=TABLE,
    )  # fmt: skip
    log = FilesLog(found, index, places, source)
    if cache is None:
        weakref.finalize(log, remove_database, index.path)
    return log


def _mapped(mapping: Path) -> Preset:
    from cost_top.gateways.loader import load_preset

    return load_preset(mapping)


def _choice(mapped: Preset | None) -> Choice:
    from cost_top.sources.sql.recognition import Choice

    return Choice.of(mapped) if mapped is not None else Choice.ours(TABLE)


class FilesLog(SqlLog):
    """`LogSource` over files."""

    def __init__(self, found: SqlLog, index: FileIndex, places: tuple[str, ...], source: str) -> None:
        super().__init__(found.database, found.kept, found.found, lambda: found.recognised)
        self.index = index
        self._places, self._source = places, source
        self._lock = threading.Lock()
        self._looked = time.monotonic()
        self._readers = 0  # at work

    @property
    def label(self) -> str:
        """See `LogSource`."""
        name = self._source if self._source in AGENTS else os.path.basename(self._source.rstrip("/")) or self._source
        kind = self.index.kind.name
        return one_line(name if name in (kind, "") else f"{kind}@{name}", 60)

    @property
    def identity(self) -> str:
        """See `LogSource`."""
        where = "|".join((self.index.kind.name, *map(os.path.abspath, self._places)))
        return hashlib.sha256(where.encode("utf-8", "surrogateescape")).hexdigest()[:24]

    @property
    def notes(self) -> tuple[str, ...]:
        """See `LogSource`."""
        told = [self.index.kind.note] if self.index.kind.note else []
        lines = self.index.unreadable()
        if lines:
            told.append(f"{lines:,} line{'s' if lines > 1 else ''} of the files could not be read")
        if left := self.left_out:
            more = f"; and {len(left) - 3} more" if len(left) > 3 else ""
            told.append(f"{counted(len(left), 'file')} left out: {'; '.join(left[:3])}{more}")
        if waiting := self.index.waiting():
            of = f"{len(waiting)} files" if len(waiting) > 1 else waiting[0]
            told.append(f"the last row of {of} may still be in the writing and is not counted yet")
        missing = super().notes if self.index.kind.table != TABLE else ()
        return (*told, *missing)

    @property
    def left_out(self) -> tuple[str, ...]:
        """See `SqlLog`."""
        return self.index.left_out()

    def connect(self) -> FilesReader:
        """See `LogSource`."""
        return FilesReader(self)

    @contextmanager
    def looked_at(self) -> Iterator[None]:
        """Take over what the files gained, at most twice a second. `SourceError` when they cannot be read.

        While somebody reads nothing is taken over: he would read some of it as it was and some as it is.
        """
        with self._lock:
            if not self._readers and time.monotonic() - self._looked >= _AGAIN_SECONDS:
                files = files_of(self._places)
                if not files:
                    raise SourceError(f"{one_line(self._source, 200)}: the files are gone")
                self.index.refresh(files)
                self._looked = time.monotonic()
            self._readers += 1
        try:
            yield
        finally:
            with self._lock:
                self._readers -= 1


class FilesReader(SqlLogReader):
    """`LogReader` over files: each question is about the files as they are now."""

    def __init__(self, source: FilesLog) -> None:
        super().__init__(source)
        self._files = source

    @contextmanager
    def rows(self, start: datetime, end: datetime | None, details: bool) -> Iterator[Any]:
        """See `LogReader`."""
        with self._files.looked_at(), super().rows(start, end, details) as stream:
            yield stream

    @contextmanager
    def packed_rows(self, start: datetime, end: datetime | None, details: bool) -> Iterator[Any]:
        """See `ReadsPackedRows`."""
        with self._files.looked_at(), super().packed_rows(start, end, details) as stream:
            yield stream

    @contextmanager
    def narrow_rows(self, shape: RawShape, start: datetime, end: datetime | None, packed: bool) -> Iterator[Any]:
        """See `SqlLogReader`."""
        with self._files.looked_at(), super().narrow_rows(shape, start, end, packed) as stream:
            yield stream

    @contextmanager
    def rows_at(self, times: Sequence[datetime], details: bool = True) -> Iterator[Any]:
        """See `LogReader`."""
        with self._files.looked_at(), super().rows_at(times, details) as stream:
            yield stream

    @contextmanager
    def fingerprints(self, start: datetime, end: datetime | None) -> Iterator[Any]:
        """See `LogReader`."""
        with self._files.looked_at(), super().fingerprints(start, end) as stream:
            yield stream

    def spelled(self, start: datetime, end: datetime) -> AbstractContextManager[Any] | None:
        """See `SpellsRows`."""
        answer = super().spelled(start, end)
        return self._looked_at(answer) if answer is not None else None

    @contextmanager
    def _looked_at(self, answer: AbstractContextManager[Any]) -> Iterator[Any]:
        with self._files.looked_at(), answer as stream:
            yield stream

    def digest(self, start: datetime, end: datetime) -> str | None:
        """See `LogReader`."""
        with self._files.looked_at():
            return super().digest(start, end)

    def evidence(self) -> Evidence:
        """See `LogReader`. The index counts for itself: its file says nothing for seconds after a write."""
        with self._files.looked_at():
            place = super().evidence().place
            identity, changes, inserts = self.session.values(MADE_BY)[0]
            return Evidence(place, f"{identity}:{changes}", f"{identity}:{inserts}", at_once=True)

    def newest(self) -> datetime | None:
        """See `LogReader`."""
        with self._files.looked_at():
            return super().newest()

    def oldest(self) -> datetime | None:
        """See `LogReader`."""
        with self._files.looked_at():
            return super().oldest()

    def untimed(self) -> int:
        """See `LogReader`."""
        with self._files.looked_at():
            return super().untimed()

    def count(self, start: datetime, end: datetime) -> int | None:
        """See `LogReader`."""
        with self._files.looked_at():
            return super().count(start, end)

    def day_counts(self, start: date, end: date) -> Iterator[DayCount]:
        """See `LogReader`."""
        with self._files.looked_at():
            yield from super().day_counts(start, end)


def _index_path(places: tuple[str, ...], kind: Kind, cache: Path | None) -> Path:
    """Where the index is kept. Each version of the code has its own: two that run would make one anew in turn."""
    if cache is None:
        return temporary_file(".db")
    where = "|".join((kind.name, *sorted(kind.columns), *map(os.path.abspath, places)))
    folder = cache / "files"
    cache_folder(folder, cache)
    path = folder / f"{hashlib.sha256(where.encode('utf-8', 'surrogateescape')).hexdigest()[:24]}-{code_version()}.db"
    for other in folder.glob("*.db"):
        with suppress(OSError):
            if other != path and time.time() - other.stat().st_mtime > _STALE:
                for part in folder.glob(f"{other.stem}.*"):
                    part.unlink(missing_ok=True)
    return path
