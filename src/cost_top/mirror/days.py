"""Closed days: a Parquet file a day in the user's cache folder, or a table in memory where nothing may be kept.

Beside each day stands what proves it: what the log said of itself when the day was read, and digests of its rows. A day
is held against the log by the cheapest of these that will do.
"""

from __future__ import annotations

import errno
import hashlib
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from enum import IntEnum
from pathlib import Path
from typing import Any

import duckdb

from cost_top.mirror.database import Database
from cost_top.mirror.few_rows import MOST_AT_ONCE, FewRows, digests_of, hear, put
from cost_top.mirror.held import HeldFiles
from cost_top.mirror.kept import KeptFiles, scan, stamp
from cost_top.mirror.looks import Looks, check_of, midnight
from cost_top.mirror.packed import Incoming
from cost_top.mirror.relations import of_table
from cost_top.mirror.report import naive
from cost_top.mirror.schema import COLUMNS, quoted, schema_version
from cost_top.model.errors import UserError
from cost_top.model.files import cache_folder
from cost_top.model.hashed_file import is_whole
from cost_top.model.record import FIELD_NAMES
from cost_top.sources.base import Evidence, LogReader, LogSource

_DAY = timedelta(days=1)
# Days of so many rows are priced where they are written: planning that costs less than a table of all their rows.
_PRICED_BY_THEMSELVES = 25_000
_NO_ROWS = "0 0", "0 0"
_TABLES = itertools.count(1)  # of days of few rows
_NOTE_SECONDS = 60.0  # a proof is noted on disk when it is so much newer
UNKNOWN = datetime(2000, 1, 1, tzinfo=UTC)  # when a day was compared that a clock ahead of this one noted


class Rung(IntEnum):
    """What a day is compared by, cheapest first. Each finds what the ones before it find, and more."""

    WRITTEN = 1  # nothing was written to the table since
    SUMS = 2  # the count, and sums of tokens and cost
    PLAIN = 3  # a digest of every cheap column that is shown or priced
    ALL = 4  # a digest of the costly ones too


@dataclass(frozen=True, slots=True)
class ClosedDay:
    """One UTC day of the log as a relation, and what proves it."""

    day: date
    relation: str  # SQL: a file scan or a table
    row_count: int
    details: bool  # costly columns are read as well
    check: str  # the sums of rung 2; '' where the log has none, or was not asked for them yet
    plain: str = ""  # the digest of rung 3
    content: str = ""  # the digest of rung 4; '' without details
    compared: datetime = UNKNOWN  # when its cheap columns last were those of the log
    evidence: Evidence | None = None  # what the log said of itself before all of it was read or compared
    spelled: str = ""  # what is as good as `plain` and costs less; '' until it was first compared by that
    path: Path | None = None
    held: Path | None = field(default=None, compare=False)  # the file under a name that nobody else removes
    stamp: tuple[int, int, int] | None = field(default=None, compare=False)  # of `held`
    table: str = ""  # that holds it beside other days; '' where it has a relation of its own
    start: datetime = field(init=False)  # its first instant, naive UTC

    def __post_init__(self) -> None:
        """Set what follows from the day."""
        object.__setattr__(self, "start", datetime(self.day.year, self.day.month, self.day.day))

    @property
    def reading(self) -> str:
        """A short text for what was read: other rows, another text."""
        said = f"{self.row_count} {self.plain} {self.content}"
        return hashlib.sha256(said.encode()).hexdigest()[:12]

    def is_damaged(self, thorough: bool) -> bool:
        """Whether its file is gone or no longer what was written; `thorough` reads it, otherwise only if touched."""
        if self.path is None or self.held is None:
            return False
        if not thorough and stamp(self.path) == stamp(self.held) == self.stamp:
            return False
        return stamp(self.held) != self.stamp or not is_whole(self.path)


class Days:
    """Where closed days are kept. `folder` None keeps them in memory."""

    def __init__(self, folder: Path | None, source: LogSource, database: Database) -> None:
        """Make the folder, private to the user."""
        self._database = database
        self._costly = bool(source.costly)
        self._reads_whole = source.reads_whole
        self.rows_a_day = 0  # of what was read last
        self.files: KeptFiles | None = None  # any reader's thread may take it away
        self._held: HeldFiles | None = None
        if folder is not None:
            log = f"{source.identity[:24]}-{source.preset.name}"
            key = f"{log}-{source.preset.version[:12]}-{schema_version()}"
            try:
                cache_folder(folder / key, folder)
                self.files = KeptFiles(folder / key, log, source.place, database.book.version[:12])
                self._held = HeldFiles(folder / key)
            except (OSError, UserError) as error:
                if errno.ENOSPC not in (getattr(each, "errno", None) for each in (error, error.__cause__)):
                    raise
                self.files = None  # a full disk keeps nothing, and keeps nobody from an answer

    def close(self) -> None:
        """Have done with every file."""
        if self._held is not None:
            self._held.close()

    def release(self, day: ClosedDay) -> None:
        """Have done with a day's file: nobody reads it any more."""
        if day.held is not None:
            self.release_file(day.held)

    def hold_file(self, path: Path) -> Path | None:
        """A file that stands beside a day, under a name that nobody else removes; None where it is gone."""
        return self._held.hold(path) if self._held is not None else None

    def release_file(self, held: Path) -> None:
        """Have done with a file that was held."""
        if self._held is not None:
            self._held.release(held)

    def is_noted(self, day: ClosedDay) -> bool:
        """Whether a reading is still the one that is kept: of another nothing may be written any more."""
        files = self.files
        noted = _from_note(day.day, files.note(day.day)) if files is not None else None
        return noted is not None and noted.reading == day.reading

    def has(self, day: date) -> bool:
        """Whether an earlier run kept a day, for whatever rates."""
        return self.files is not None and bool(self.files.note(day))

    def known(self, connection: duckdb.DuckDBPyConnection, days: Iterable[date]) -> list[ClosedDay]:
        """The days kept from an earlier run, priced with the present rates; damaged ones are dropped."""
        files = self.files
        if files is None:
            return []
        noted = (_from_note(day, files.note(day)) for day in days)
        found = (self._found(connection, files, day) for day in noted if day is not None)
        return [day for day in found if day is not None]

    def read(
        self, connection: duckdb.DuckDBPyConnection, reader: LogReader, days: Sequence[date], details: bool
    ) -> list[ClosedDay]:
        """Read days that follow each other and keep them. The log's word is taken first: a change in between shows.

        Its sums are asked for when a day is first held against them, except where every look at rows reads them all.
        """
        now, evidence = datetime.now(UTC), reader.evidence()
        checks = {day: check_of(reader, day) for day in days} if self._reads_whole else {}
        complete = details or not self._costly
        start, end = midnight(min(days)), midnight(max(days)) + _DAY
        if not self.rows_a_day and not checks:
            self.rows_a_day = int(check_of(reader, max(days)).partition(" ")[0] or 0)
        told = sum(int(check.partition(" ")[0]) for check in checks.values() if check)
        count = max(told, self.rows_a_day * len(days))  # as the log says, or as the last days were

        def closed(day: date, plain: str, content: str) -> ClosedDay:
            return ClosedDay(
                day, "", int(plain.split(" ", 1)[0]), details, checks.get(day, ""), plain,
                content if complete else "", now, evidence if complete else None,
            )  # fmt: skip

        rows = self._few(connection, reader, (start, end), details) if count <= MOST_AT_ONCE else None
        if rows is None:
            with self._database.period_incoming(connection, reader, start, end, details, count) as incoming:
                rows = incoming.few
                if rows is None:
                    sums = connection.execute(
                        "SELECT CAST(time AS DATE), count(*), sum(fingerprint), sum(content) "
                        f"FROM {incoming.witnesses} GROUP BY 1"
                    ).fetchall()
                    digests = {day: (f"{count} {plain}", f"{count} {content}") for day, count, plain, content in sums}
                    self.rows_a_day = sum(count for _, count, *_ in sums) // len(days)
                    with self._rows_of_days(connection, incoming) as select:
                        found = [closed(day, *digests.get(day, _NO_ROWS)) for day in days]
                        return [self._keep(connection, day, select(day)) for day in found]
        self.rows_a_day = len(rows) // len(days)
        digests = digests_of(rows)
        return self._keep_few(connection, rows, [closed(day, *digests.get(day, _NO_ROWS)) for day in days])

    def _few(
        self, connection: duckdb.DuckDBPyConnection, reader: LogReader, period: tuple[datetime, datetime], details: bool
    ) -> Sequence[Mapping[str, Any]] | None:  # fmt: skip
        """The rows of a period, where they are few and plain."""
        few = FewRows(self._database, reader)
        try:
            rows = few.within(naive(period[0]), naive(period[1]), details)
        finally:
            few.close()
        if rows is not None:
            hear(self._database.names, connection, rows)
        return rows

    def _keep_few(
        self, connection: duckdb.DuckDBPyConnection, rows: Sequence[Mapping[str, Any]], days: Sequence[ClosedDay]
    ) -> list[ClosedDay]:  # fmt: skip
        """Keep days of few rows: in memory in one table, as each table takes longer to make than such rows."""
        table = f"days_{next(_TABLES)}"
        columns = ", ".join(f'"{column}" {kind}' for column, kind in COLUMNS)
        connection.execute(f"CREATE TABLE {table} ({columns})")
        put(connection, table, rows, COLUMNS)
        if self.files is None:
            return [replace(day, relation=f"({of_table(table, [day])})", table=table) for day in days]
        try:
            return [self._keep(connection, day, of_table(table, [day])) for day in days]
        finally:
            connection.execute(f"DROP TABLE {table}")

    @contextmanager
    def _rows_of_days(
        self, connection: duckdb.DuckDBPyConnection, incoming: Incoming
    ) -> Iterator[Callable[[ClosedDay], str]]:
        """How the priced rows of one of several days are selected."""

        def within(day: ClosedDay) -> str:
            return f"time >= TIMESTAMP '{day.start}' AND time < TIMESTAMP '{day.start + _DAY}'"

        def priced(rows: str) -> str:
            return self._database.priced(rows, incoming.enumerated, rated=incoming.rated)

        if self.rows_a_day >= _PRICED_BY_THEMSELVES:
            yield lambda day: priced(f"(SELECT * FROM {incoming.rows} WHERE {within(day)})")
            return
        try:
            connection.execute(f"CREATE OR REPLACE TEMP TABLE priced_days AS {priced(incoming.rows)}")
            yield lambda day: f"SELECT * FROM priced_days WHERE {within(day)}"
        finally:
            connection.execute("DROP TABLE IF EXISTS priced_days")

    def compare(
        self, connection: duckdb.DuckDBPyConnection, reader: LogReader, day: ClosedDay, rung: Rung, *, doubting: bool
    ) -> tuple[ClosedDay, bool]:
        """Hold a day against the log by a rung; the day as it is then, and whether it had to be read again.

        Where `doubting`, what a log tells of itself only seconds after a write proves nothing.
        """
        if day.path is not None and not is_whole(day.path):
            return self.read(connection, reader, [day.day], day.details or rung is Rung.ALL)[0], True
        return self._compared(connection, reader, day, rung, doubting)

    def _compared(
        self, connection: duckdb.DuckDBPyConnection, reader: LogReader, day: ClosedDay, rung: Rung, doubting: bool
    ) -> tuple[ClosedDay, bool]:
        now, evidence = datetime.now(UTC), reader.evidence()
        told = evidence.changes is not None and (evidence.at_once or not doubting)
        unchanged = day.evidence is not None and told and (
            (evidence.place, evidence.changes) == (day.evidence.place, day.evidence.changes)
        )  # fmt: skip
        if unchanged and evidence == day.evidence:
            return self._proven(day, now, evidence), False
        if rung <= Rung.WRITTEN:
            return day, False
        looks = Looks(connection, reader, day.day)
        check = looks.check() if rung is Rung.SUMS else day.check
        if rung is Rung.SUMS and day.check:
            if check == day.check:
                return day, False
        elif rung is Rung.ALL and self._costly and not unchanged:
            if day.content and looks.content() == day.content:
                return self._proven(day, now, evidence), False
        elif ((spelled := looks.spelled()) and spelled == day.spelled) or looks.plain() == day.plain:
            # Where no row was changed, the costly columns were not either.
            complete = unchanged or not self._costly
            return self._proven(day, now, evidence if complete else day.evidence, check, spelled), False
        return self.read(connection, reader, [day.day], day.details or rung is Rung.ALL)[0], True

    def _proven(
        self, day: ClosedDay, now: datetime, evidence: Evidence | None, check: str = "", spelled: str = ""
    ) -> ClosedDay:
        proven = replace(day, compared=now, evidence=evidence, check=check or day.check, spelled=spelled or day.spelled)
        learned = (evidence, proven.check, proven.spelled) != (day.evidence, day.check, day.spelled)
        newer = (now - day.compared).total_seconds() > _NOTE_SECONDS
        files = self.files
        if files is not None and day.path is not None and (newer or learned):
            try:
                files.write_note(day.day, _note(proven))
            except OSError:
                self.files = None  # a full or read-only disk: from here on days are kept in memory
        return proven

    def _keep(self, connection: duckdb.DuckDBPyConnection, closed: ClosedDay, select: str) -> ClosedDay:
        files = self.files
        if files is not None:
            try:
                path = files.write(connection, select, _name(closed, files.rates), ".parquet")
                files.write_note(closed.day, _note(closed))
                files.forget_others(closed.day, closed.reading)
                if (day := self._hold(closed, path)) is not None:
                    return day
            except (OSError, duckdb.IOException):
                self.files = None
        name = f"day_{closed.day:%Y%m%d}_{'details' if closed.details else 'plain'}_{closed.reading}"
        columns = ", ".join(f'CAST("{column}" AS {kind}) AS "{column}"' for column, kind in COLUMNS)
        connection.execute(f"CREATE OR REPLACE TABLE {name} AS SELECT {columns} FROM ({select})")
        return replace(closed, relation=name)

    def _found(self, connection: duckdb.DuckDBPyConnection, files: KeptFiles, noted: ClosedDay) -> ClosedDay | None:
        path = files.find(_name(noted, files.rates), ".parquet") or self._price_again(connection, files, noted)
        return self._hold(noted, path) if path is not None else None

    def _hold(self, day: ClosedDay, path: Path) -> ClosedDay | None:
        """The day read from a file; None where another process has removed it meanwhile."""
        assert self._held is not None
        held = self._held.hold(path)
        if held is None:
            return None
        return replace(day, relation=scan(held), path=path, held=held, stamp=stamp(held))

    def _price_again(self, connection: duckdb.DuckDBPyConnection, files: KeptFiles, noted: ClosedDay) -> Path | None:
        """Make the file for the present rates from one of other rates, without asking the log."""
        for other in files.of_other_rates(_name(noted, "{rates}"), ".parquet"):
            unpriced = f"(SELECT {quoted(FIELD_NAMES)} FROM {scan(other)})"
            try:
                self._database.prepare(connection, unpriced)
            except duckdb.IOException:  # gone meanwhile
                continue
            try:
                return files.write(connection, self._database.priced(unpriced), _name(noted, files.rates), ".parquet")
            except (OSError, duckdb.IOException):
                return None
        return None


def _name(day: ClosedDay, rates: str) -> str:
    return f"{day.day}.{'details' if day.details else 'plain'}.{rates}.{day.reading}"


def _note(day: ClosedDay) -> dict[str, Any]:
    evidence = day.evidence
    return {
        "row_count": day.row_count, "details": day.details, "check": day.check, "plain": day.plain,
        "content": day.content, "spelled": day.spelled, "compared": day.compared.isoformat(),
        "evidence": asdict(evidence) if evidence is not None else None,
    }  # fmt: skip


def _from_note(day: date, note: dict[str, Any]) -> ClosedDay | None:
    try:
        evidence = note["evidence"]
        return ClosedDay(
            day, "", int(note["row_count"]), bool(note["details"]), str(note["check"]), str(note["plain"]),
            str(note["content"]), _by_our_clock(datetime.fromisoformat(note["compared"])),
            Evidence(**evidence) if evidence is not None else None, str(note.get("spelled", "")),
        )  # fmt: skip
    except (ValueError, KeyError, TypeError):
        return None


def _by_our_clock(noted: datetime) -> datetime:
    """Hosts that share a cache have clocks of their own."""
    now = datetime.now(UTC)
    return min(noted, now) if (noted - now).total_seconds() < _NOTE_SECONDS else UNKNOWN
