"""The newest rows of a log, taken over in Python: what a look finds costs the mirror two or three small statements."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from operator import itemgetter
from typing import Any

from cost_top.mirror.added import COLUMNS, SummedRow, rows_of
from cost_top.mirror.database import Database
from cost_top.mirror.few_rows import FewRows, hear, price_rows
from cost_top.mirror.hot import NOTHING, Hot, Upserted, hour_of
from cost_top.sources.base import LogReader, SpellsRows

MANY = 300  # rows: more are taken over in one go by the database
_AGAIN = 100  # rows that a look sees again, so that those that came a little late are among it
_summed: Callable[[Mapping[str, Any]], tuple[Any, ...]] = itemgetter(*COLUMNS)


class Newest:
    """Rows of the log's end as the normal form and the rates make them in Python. Used on the mirror's thread.

    What it cannot tell (odd rows, many at once, two of one id, rows that are gone) it leaves to the database.
    """

    def __init__(self, database: Database, hot: Hot, reader: LogReader, costly: bool) -> None:
        """`costly` rows are not read twice."""
        self._database = database
        self._hot = hot
        self._reader = reader
        self._few = FewRows(database, reader)
        self._plain = self._few.plain
        self._seen: dict[Any, int] = {}  # raw ids and fingerprints of the rows of the last look
        self._left: dict[Any, int] = {}  # the same, of one that was left to the database
        self._again: list[datetime] = []  # times of its newest rows
        self._costly = costly

    @property
    def is_plain(self) -> bool:
        """Whether there are plain rows at all."""
        return self._plain is not None

    def forget(self) -> None:
        """The hot end changed otherwise: what was seen may not be there any more."""
        self._seen = {}

    def taken(self) -> None:
        """What the last look found was taken over otherwise, in its whole period."""
        self._seen, self._left = self._left, {}

    def start(self, newest: datetime, overlap: datetime) -> datetime:
        """Where a look begins that sees some of the newest rows again, all of them after `overlap`."""
        return newest if self._costly else max(min([newest, *self._again]), overlap)

    def take(self, start: datetime, late: datetime | None) -> Upserted | None:
        """Take over what came or changed since `start` (naive UTC); new rows older than `late` came late.

        None where that is not all: it is to be looked at by its fingerprints.
        """
        assert self._plain is not None
        seen, self._seen, self._left = self._seen, {}, {}
        found = self._few.since(start, MANY + _AGAIN + 1)
        self._reader.took(len(found))
        if len(found) > MANY + _AGAIN or len({values[0] for values in found}) < len(found):
            self._again = []
            return None
        self._left = {values[0]: self._plain.fingerprint(values) for values in found}
        came = [values for values in found if seen.get(values[0]) != self._left[values[0]]]
        result = self._taken(came, late, self._few.are_packed)
        if result is not None:
            self.taken()
        self._again = sorted(self._plain.time(values[1]) for values in found)[-_AGAIN:]
        return result

    def fill(self, start: datetime, end: datetime | None) -> Upserted | None:
        """Take over `[start, end)` (naive UTC), of which nothing is held; None where there is, or it is many or odd."""
        if self._hot.count() and self._hot.digest(start, end) != NOTHING:
            return None
        rows = self._few.within(start, end)
        if rows is None or (self._hot.count() and self._hot.witnesses([row["key"] for row in rows])):
            return None
        hear(self._database.names, self._database.connection, rows)
        return self._keep(rows, {}, None)

    def digest(self, start: datetime, end: datetime | None) -> str:
        """Count and sum of the fingerprints of `[start, end)` (naive UTC) in the log, as `Hot.digest` gives them."""
        assert self._plain is not None
        select = f"SELECT count(*), coalesce(sum(fingerprint), 0) FROM ({self._few.fingerprint_select})"
        count, total = self._few.fetch(self._few.fingerprints(start, end), select)[0]
        self._reader.took(int(count))
        return f"{count} {total}"

    def spelled(self, start: datetime, end: datetime) -> str | None:
        """What follows every change of the rows of `[start, end)` (naive UTC) at a third of what their digest takes.

        It is compared with itself. None where the log has no such thing.
        """
        reader = self._reader
        if not isinstance(reader, SpellsRows):
            return None
        answer = reader.spelled(start.replace(tzinfo=UTC), end.replace(tzinfo=UTC))
        if answer is None:
            return None
        count, total = self._few.fetch(answer, reader.spelled_sum("log_stream"))[0]
        self._reader.took(int(count))
        return f"{count} {total}"

    def compare(self, start: datetime, end: datetime | None, late: datetime | None) -> Upserted | None:
        """Take over what came or changed in `[start, end)`, told by fingerprints; None as `take`."""
        assert self._plain is not None
        found = self._few.fetch(self._few.fingerprints(start, end), self._few.fingerprint_select)
        self._reader.took(len(found))
        held = self._hot.witnesses_within(start, end)
        looked = {
            key: (self._plain.time(time), fingerprint, raw)
            for raw, time, fingerprint in found
            if (key := self._plain.key(raw)) is not None
        }
        if len(looked) < len(found) or not held.keys() <= looked.keys():
            return None
        differ = {raw: time for key, (time, fingerprint, raw) in looked.items() if held.get(key) != (time, fingerprint)}
        if len(differ) > MANY or not differ:
            return None
        times = sorted(set(differ.values()))
        return self._taken([values for values in self._few.at(times) if values[0] in differ], late, False)

    def _taken(self, came: Sequence[Sequence[Any]], late: datetime | None, packed: bool) -> Upserted | None:
        rows = self._few.read(came, packed)
        if rows is None or not all(self._database.names.knows(row) for row in rows):
            return None
        held = self._hot.witnesses([row["key"] for row in rows]) if rows else {}
        rows = [row for row in rows if held.get(row["key"]) != (row["time"], row["fingerprint"])]
        gone = self._hot.take_out([row["key"] for row in rows if row["key"] in held])
        return self._keep(rows, gone, late)

    def _keep(
        self, rows: list[dict[str, Any]], gone: dict[str, tuple[bool, SummedRow]], late: datetime | None
    ) -> Upserted:
        price_rows(self._database.book, rows)
        came_late = 0
        for row in rows:
            if row["key"] in gone:
                row["late"] = gone[row["key"]][0]
            elif late is not None and row["time"] < late:
                row["late"] = True
                came_late += 1
        come = rows_of(map(_summed, rows))
        before = [row for _, row in gone.values()]
        self._hot.add(rows, come)
        new = [row["time"] for row in rows if row["key"] not in gone]
        hours = frozenset(hour_of(row.time) for row in (*come, *before))
        return Upserted(len(new), len(gone), came_late, hours, new, before, come)
