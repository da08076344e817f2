"""Closed days: a Parquet file a day in the user's cache folder, or a table in memory where nothing may be kept.

A file is written beside its name and renamed, so a reader sees a whole file or none, and two instances may share a
folder. What the log said of the day when it was read is kept with it; a day is used only while the log still says so.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from cost_top.mirror.database import Database
from cost_top.mirror.schema import SCHEMA_VERSION, first_row, quoted
from cost_top.model.errors import UserError
from cost_top.model.files import replace_private
from cost_top.model.record import FIELD_NAMES
from cost_top.sources.base import LogReader, LogSource

_DAY = timedelta(days=1)
_STALE = 7 * 86400  # files of other rates are kept this long for an instance that still uses them


@dataclass(frozen=True, slots=True)
class ClosedDay:
    """One UTC day of the log as a relation. `check` is what the log said of it when it was read."""

    day: date
    relation: str  # SQL: a file scan or a table
    row_count: int
    details: bool  # costly columns are read as well
    check: str
    path: Path | None = None
    start: datetime = field(init=False)  # its first instant, naive UTC

    def __post_init__(self) -> None:
        """Set what follows from the day."""
        object.__setattr__(self, "start", datetime(self.day.year, self.day.month, self.day.day))


class Days:
    """Where closed days are kept. `folder` None keeps them in memory."""

    def __init__(self, folder: Path | None, source: LogSource, database: Database) -> None:
        """Make the folder, private to the user."""
        self._database = database
        self._rates = database.book.version[:12]
        self._folder: Path | None = None
        if folder is not None:
            key = f"{source.identity[:24]}-{source.preset.name}-{source.preset.version[:12]}-{SCHEMA_VERSION}"
            self._folder = folder / key
            try:
                self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
                self._prune()
            except OSError as error:
                raise UserError(
                    f"cache folder {self._folder}: {error.strerror or error}; use --no-cache or set XDG_CACHE_HOME"
                ) from error

    def known(self, connection: duckdb.DuckDBPyConnection, days: Iterable[date]) -> list[ClosedDay]:
        """The days kept from an earlier run, priced with the present rates; damaged ones are dropped."""
        if self._folder is None:
            return []
        found = []
        for day in days:
            note = self._read_note(day)
            if note is None:
                continue
            path = self._path(day, note["details"])
            closed = ClosedDay(day, scan(path), note["row_count"], note["details"], note["check"], path)
            if self._is_whole(connection, closed) or self._price_again(connection, closed):
                found.append(closed)
        return found

    def read(self, connection: duckdb.DuckDBPyConnection, reader: LogReader, day: date, details: bool) -> ClosedDay:
        """Read a day from the log and keep it. The log is asked for its check first: a change in between shows."""
        check = self._check(reader, day)
        start = datetime(day.year, day.month, day.day, tzinfo=UTC)
        answer = reader.rows(start, start + _DAY, details)
        with self._database.ingested(connection, reader, answer) as rows:
            return self._keep(connection, day, rows, details, check)

    def still_true(self, reader: LogReader, closed: ClosedDay) -> bool:
        """Whether the log still says of the day what it said when it was read."""
        return self._check(reader, closed.day) == closed.check

    @staticmethod
    def _check(reader: LogReader, day: date) -> str:
        return next((f"{count.row_count} {count.check}" for count in reader.day_counts(day, day + _DAY)), "")

    def _keep(
        self, connection: duckdb.DuckDBPyConnection, day: date, rows: str, details: bool, check: str
    ) -> ClosedDay:
        row_count = int(first_row(connection, f"SELECT count(*) FROM {rows}")[0])
        if self._folder is not None:
            path = self._path(day, details)
            try:
                self.write(connection, f"SELECT * FROM {rows}", path)
                closed = ClosedDay(day, scan(path), row_count, details, check, path)
                self._write_note(closed)
                return closed
            except (OSError, duckdb.IOException):
                self._folder = None  # a full or read-only disk: from here on days are kept in memory
        return self._in_memory(connection, day, rows, row_count, details, check)

    @staticmethod
    def _in_memory(
        connection: duckdb.DuckDBPyConnection, day: date, rows: str, row_count: int, details: bool, check: str
    ) -> ClosedDay:
        name = f"day_{day:%Y%m%d}_{'details' if details else 'plain'}"
        connection.execute(f"CREATE OR REPLACE TABLE {name} AS SELECT * FROM {rows}")
        return ClosedDay(day, name, row_count, details, check)

    def _price_again(self, connection: duckdb.DuckDBPyConnection, closed: ClosedDay) -> bool:
        """Make the file for the present rates from one of other rates, without asking the log."""
        assert self._folder is not None
        kind = "details" if closed.details else "plain"
        for other in sorted(self._folder.glob(f"{closed.day}.{kind}.*.parquet"), key=_age):
            old = ClosedDay(closed.day, scan(other), closed.row_count, closed.details, closed.check, other)
            if closed.path is None or not self._is_whole(connection, old):
                continue
            connection.execute(
                f"CREATE OR REPLACE TEMP TABLE unpriced_rows AS SELECT {quoted(FIELD_NAMES)} FROM {old.relation}"
            )
            self._database.price(connection, "unpriced_rows", "priced_rows")
            try:
                self.write(connection, "SELECT * FROM priced_rows", closed.path)
            except (OSError, duckdb.IOException):
                return False
            finally:
                connection.execute("DROP TABLE unpriced_rows; DROP TABLE priced_rows")
            return True
        return False

    @staticmethod
    def _is_whole(connection: duckdb.DuckDBPyConnection, closed: ClosedDay) -> bool:
        if closed.path is None or not closed.path.exists():
            return False
        try:
            return int(first_row(connection, f"SELECT count(*) FROM {closed.relation}")[0]) == closed.row_count
        except duckdb.Error:
            return False

    def _path(self, day: date, details: bool) -> Path:
        assert self._folder is not None
        return self._folder / f"{day}.{'details' if details else 'plain'}.{self._rates}.parquet"

    def write(self, connection: duckdb.DuckDBPyConnection, select: str, path: Path) -> None:
        """Make a private file of a statement's rows, whole or not at all."""
        assert self._folder is not None
        handle, name = tempfile.mkstemp(prefix=".new-", suffix=".parquet", dir=self._folder)  # mode 0600
        os.close(handle)
        try:
            connection.execute(f"COPY ({select}) TO {_literal(name)} (FORMAT parquet, COMPRESSION zstd)")
            Path(name).chmod(0o600)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise

    def _note_path(self, day: date) -> Path:
        assert self._folder is not None
        return self._folder / f"{day}.json"

    def _write_note(self, closed: ClosedDay) -> None:
        note = {key: value for key, value in asdict(closed).items() if key in ("row_count", "details", "check")}
        replace_private(self._note_path(closed.day), json.dumps(note))

    def _read_note(self, day: date) -> dict[str, Any] | None:
        try:
            note = json.loads(self._note_path(day).read_text())
            return {
                "row_count": int(note["row_count"]),
                "details": bool(note["details"]),
                "check": str(note["check"]),
            }
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _prune(self) -> None:
        assert self._folder is not None
        now = datetime.now(UTC).timestamp()
        for path in (*self._folder.glob("*.parquet"), *self._folder.glob("*.sums")):
            if self._rates not in path.name and now - _age(path) > _STALE:
                path.unlink(missing_ok=True)
        for path in self._folder.glob(".new-*"):
            if now - _age(path) > 3600:
                path.unlink(missing_ok=True)


def scan(path: Path) -> str:
    """The relation of one day's file."""
    return f"read_parquet({_literal(str(path))})"


def union(relations: Iterable[str]) -> str:
    """Several relations of the mirror's columns as one; files are scanned together."""
    files = []
    others = []
    for relation in relations:
        if relation.startswith("read_parquet("):
            files.append(relation.removeprefix("read_parquet(").removesuffix(")"))
        else:
            others.append(relation)
    parts = [f"read_parquet([{', '.join(files)}])"] if files else []
    parts += others
    if len(parts) == 1:
        return parts[0]
    return "(" + " UNION ALL BY NAME ".join(f"SELECT * FROM {part}" for part in parts) + ")"


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _age(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
