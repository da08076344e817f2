"""Days read for some of their columns: all that a report is made of, in a fraction of the work of whole days.

Nothing in them shows a change of the log, so what is kept of them is used only while the log itself says that nothing
was written since. A file holds the days that were read together.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from typing import Any

import duckdb

from cost_top.mirror.database import Database
from cost_top.mirror.days import ClosedDay, Days
from cost_top.mirror.few_rows import put
from cost_top.mirror.kept import NARROW, KeptFiles, beside, hash_of, scan
from cost_top.mirror.needed import Needed
from cost_top.mirror.packed import Incoming
from cost_top.mirror.schema import COLUMNS
from cost_top.model.files import read_sealed, remove, replace_sealed
from cost_top.sources.base import Evidence, LogReader, Lookup, ReadsNarrowRows

_DAY = timedelta(days=1)
_NOTE = "narrow.json"


class NarrowDays:
    """Reads and keeps days of the columns that are needed, for as long as the log says what it says now."""

    def __init__(
        self, days: Days, database: Database, needed: Needed, evidence: Evidence, lookups: Sequence[Lookup],
        first_hot: date,
    ) -> None:  # fmt: skip
        """`days` is where they are kept; `evidence` was taken before any of them is read.

        Days from `first_hot` on are kept only where the log follows a write at once.
        """
        self._days, self._database = days, database
        self.needed = needed
        self.held = tuple(name for name, _ in COLUMNS if name in needed.held)
        self._evidence = evidence
        said = evidence.place, evidence.text, beside(lookups)
        self._reading = hash_of(*said) if evidence.text is not None else None
        self._kind = f"rows-{hash_of(self.held)}"
        self._until = date.max if evidence.at_once else first_hot
        note = read_sealed(days.files.folder / _NOTE) if days.files is not None else None
        self._noted: dict[str, Any] = note if isinstance(note, dict) else {}
        self._made: dict[str, int] = {}
        self.rows_a_day = 0  # about so many

    @property
    def _files(self) -> KeptFiles | None:
        return self._days.files

    def were_asked(self, days: Iterable[date]) -> bool:
        """Whether some of these days were read so before, of a log that was written to since."""
        if self._reading is not None and self._noted.get("reading") == self._reading:
            return False
        return not {str(day) for day in days}.isdisjoint(self._noted.get("days", ()))

    def known(self) -> list[ClosedDay]:
        """The days that an earlier run kept of the same columns and the same log."""
        if self._files is None or self._noted.get("reading") != self._reading:
            return []
        found: list[ClosedDay] = []
        for first, count in self._noted.get("made", {}).get(self._kind, {}).items():
            days = [date.fromisoformat(first) + number * _DAY for number in range(count)]
            name = self._name(days)
            path = self._files.find(name, NARROW) if name is not None else None
            held = self._days.hold_file(path) if path is not None else None
            if held is not None:
                self._made[first] = count
                found += self._closed(days, scan(held))
            else:
                for damaged in self._files.folder.glob(f"{name}.*{NARROW}"):
                    remove(damaged)
        return found

    def read(
        self, connection: duckdb.DuckDBPyConnection, reader: LogReader, days: Sequence[date], details: bool
    ) -> list[ClosedDay]:  # fmt: skip
        """Read days that follow each other and keep them."""
        assert isinstance(reader, ReadsNarrowRows)
        told = self.needed.read
        rows = reader.narrowed(told)
        start = datetime(min(days).year, min(days).month, min(days).day, tzinfo=UTC)
        end = start + len(days) * _DAY
        count = self.rows_a_day * len(days)
        with self._database.period_incoming(connection, rows, start, end, details, count, told) as found:
            return self._keep(connection, sorted(days), found)

    def note(self, days: Iterable[date]) -> None:
        """Note which days were asked for, and remove what was kept of an earlier state of the log."""
        files = self._files
        if files is None:
            return
        made = self._noted.get("made", {}) if self._noted.get("reading") == self._reading else {}
        note = {"reading": self._reading, "days": sorted(map(str, days)), "made": {**made, self._kind: self._made}}
        with suppress(OSError):
            replace_sealed(files.folder / _NOTE, note)
        self._forget(self._reading)

    def forget(self) -> None:
        """Remove all that is kept: from now on the days are kept whole."""
        if self._noted and self._files is not None:
            remove(self._files.folder / _NOTE)
            self._forget(None)

    def _forget(self, but: str | None) -> None:
        for path in self._files.folder.glob(f"[!.]*{NARROW}") if self._files is not None else ():
            if but is None or path.name.split(".")[3:4] != [but]:
                remove(path)

    def _keep(
        self, connection: duckdb.DuckDBPyConnection, days: Sequence[date], found: Incoming
    ) -> list[ClosedDay]:  # fmt: skip
        name, files = self._name(days), self._files
        if files is not None and name is not None:
            with suppress(OSError, duckdb.IOException):
                select = self._select(connection, found, found.enumerated)
                made = files.write(connection, select, name, NARROW)
                held = self._days.hold_file(made)
                if held is not None:
                    self._made[str(days[0])] = len(days)
                    return list(self._closed(days, scan(held)))
        table = f"narrow_{days[0]:%Y%m%d}"
        connection.execute(f"CREATE OR REPLACE TABLE {table} AS {self._select(connection, found, ())}")
        return list(self._closed(days, table))

    def _select(self, connection: duckdb.DuckDBPyConnection, found: Incoming, enumerated: Collection[str]) -> str:
        if found.few is None:
            return self._database.priced(found.rows, enumerated, self.held, found.rated)
        held = [(name, kind) for name, kind in COLUMNS if name in self.held]
        columns = ", ".join(f'"{name}" {kind}' for name, kind in held)
        connection.execute(f"CREATE OR REPLACE TEMP TABLE few_rows ({columns})")
        put(connection, "few_rows", found.few, held)
        return "SELECT * FROM few_rows"

    def _closed(self, days: Iterable[date], relation: str) -> Iterator[ClosedDay]:
        now = datetime.now(UTC)
        return (ClosedDay(day, relation, 0, True, "", compared=now, evidence=self._evidence) for day in days)

    def _name(self, days: Sequence[date]) -> str | None:
        """The name, without its hash, of the file of days in a row; None where one of them is not kept."""
        if self._files is None or self._reading is None or days[-1] >= self._until:
            return None
        return f"{days[0]}.{self._kind}-{len(days)}.{self._files.rates}.{self._reading}"
