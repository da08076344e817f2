"""The statements that follow one log, put together from texts that were compiled before."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from cost_top.gateways.instants import USABLE_FROM, USABLE_UNTIL, TimeText, at_times, period_within
from cost_top.gateways.shape import RawShape

# Where the conditions on the log's rows go, so that no more is read of a joined table than they need.
WITHIN = "1 = 1 /* of these rows */"
NARROW, PACKED = "narrow", "packed"  # of the names of heads; see `narrow_head`
# What `LogTexts` are put together from. Not every database has a digest, or spells rows.
HEADS = (
    "rows True",
    "rows False",
    "packed True",
    "packed False",
    "fingerprints",
    "digest",
    "spelled",
    "period_count",
    "day_count",
    "newest",
    "oldest",
    "sample",
    "untimed",
)


def narrow_head(shape: RawShape, packed: bool) -> str:
    """The name of what rows of a narrowed shape are read by."""
    return " ".join((NARROW, PACKED if packed else "rows", *shape.fields))


@dataclass(frozen=True, slots=True)
class LogFacts:
    """What is known of a log once it is recognised."""

    preset: str
    table: str
    schema: str | None
    overlap: timedelta
    version: str  # of the mapping and of what was found of it
    costly: tuple[str, ...]
    missing: tuple[str, ...]  # fields that the gateway has, but not this table
    is_unique: bool  # something in the table tells every row from every other
    shape: RawShape


class LogTexts(ABC):
    """SQL texts for one log: a head that never changes, and the conditions of a period behind it."""

    @abstractmethod
    def head(self, name: str) -> str | None:
        """One of `HEADS`."""

    @abstractmethod
    def times(self, start: datetime, end: datetime) -> list[str]:
        """The conditions of `[start, end)`."""

    @abstractmethod
    def at(self, times: Sequence[datetime]) -> str:
        """The condition of single times."""

    @abstractmethod
    def conditions(self) -> tuple[str, ...]:
        """The preset's own conditions on rows."""

    def rows(self, start: datetime, end: datetime | None, details: bool) -> str:
        """The raw rows of a period."""
        return self._joined(self._known(f"rows {details}"), self.within(start, end))

    def packed_rows(self, start: datetime, end: datetime | None, details: bool) -> str:
        """As `rows`, with texts that go together packed in one column; see `gateways.packed`."""
        return self._joined(self._known(f"packed {details}"), self.within(start, end))

    def narrow_rows(self, shape: RawShape, start: datetime, end: datetime | None, packed: bool) -> str:
        """As `rows` with details or `packed_rows`, of a narrowed shape's fields alone."""
        return self._joined(self._known(narrow_head(shape, packed)), self.within(start, end))

    def rows_at(self, times: Sequence[datetime], details: bool) -> str:
        """The raw rows at some times."""
        return self._joined(self._known(f"rows {details}"), [self.at(times), *self.conditions()])

    def fingerprints(self, start: datetime, end: datetime | None) -> str:
        """Ids, times and what follows every change of a row, from cheap columns."""
        return self._joined(self._known("fingerprints"), self.within(start, end))

    def digest(self, start: datetime, end: datetime | None) -> str | None:
        """One row: count and sum of the rows' hashes; None where the database makes none."""
        head = self.head("digest")
        return self._joined(head, self.within(start, end)) if head is not None else None

    def spelled(self, start: datetime, end: datetime | None) -> str | None:
        """The rows of a period as they are spelled, see `gateways.spelled`; None where the database does not."""
        head = self.head("spelled")
        return self._joined(head, self.within(start, end)) if head is not None else None

    def period_count(self, start: datetime, end: datetime) -> str:
        """One row: how many rows a period has."""
        return self._joined(self._known("period_count"), self.within(start, end))

    def day_count(self, day: date) -> str:
        """One row: count and the check text of a UTC day."""
        start = datetime.combine(day, time(), UTC)
        return self._joined(self._known("day_count"), self.within(start, start + timedelta(days=1)))

    def newest(self) -> str:
        """The time of the newest row."""
        return self._known("newest")

    def oldest(self) -> str:
        """The time of the oldest row."""
        return self._known("oldest")

    def untimed(self) -> str:
        """One row: how many rows have no usable time, each kind counted up to `model.notes.MOST_UNTIMED`."""
        return self._known("untimed")

    def sample(self, limit: int) -> str:
        """A few of the newest raw rows."""
        return f"{self._known('sample')} LIMIT {int(limit)}"

    def within(self, start: datetime, end: datetime | None) -> list[str]:
        """The conditions of the rows of a period."""
        first = min(max(start, USABLE_FROM), USABLE_UNTIL)
        return [*self.times(first, min(end or USABLE_UNTIL, USABLE_UNTIL)), *self.conditions()]

    def _known(self, name: str) -> str:
        head = self.head(name)
        assert head is not None, name
        return head

    def _joined(self, head: str, conditions: Sequence[str]) -> str:
        spelled = " AND ".join(f"({condition})" for condition in conditions)
        return f"{head.replace(WITHIN, spelled)} WHERE {spelled}"


class KeptTexts(LogTexts):
    """Texts from an earlier run."""

    def __init__(self, database: str, heads: Mapping[str, str], time: TimeText, conditions: Sequence[str]) -> None:
        """`database` is one of `gateways.instants.SPELLED`."""
        self._database = database
        self._heads = heads
        self._time = time
        self._conditions = tuple(conditions)

    def head(self, name: str) -> str | None:
        """See `LogTexts`."""
        return self._heads.get(name)

    def times(self, start: datetime, end: datetime) -> list[str]:
        """See `LogTexts`."""
        return period_within(self._database, self._time, start, end)

    def at(self, times: Sequence[datetime]) -> str:
        """See `LogTexts`."""
        return at_times(self._database, self._time, times)

    def conditions(self) -> tuple[str, ...]:
        """See `LogTexts`."""
        return self._conditions
