"""The reader of a LiteLLM proxy's rows: what one poll fetched answers the questions that follow from it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, date, datetime, timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any

from cost_top.gateways.instants import USABLE_FROM, USABLE_UNTIL, micros
from cost_top.model.budgets import KeptBudgets
from cost_top.sources.base import DayCount, Evidence, LogReader, Lookup, Statistics
from cost_top.sources.litellm.client import Caller
from cost_top.sources.litellm.names import has_activity
from cost_top.sources.litellm.pages import DAY, SECOND, DayLogs, PagedLogs, newest_row
from cost_top.sources.litellm.rows import Value
from cost_top.sources.litellm.table import RawTable
from cost_top.sources.shaped import ShapedReader

if TYPE_CHECKING:
    from cost_top.sources.litellm.log import LiteLLMApi

_EPOCH = date(1970, 1, 1)
_AHEAD = timedelta(days=1)  # how far a request's time may lie in the future
_APART = 60 * SECOND  # times nearer than this are asked for as one period
_HISTORY = timedelta(days=62)  # where nothing tells how old the log is
_ACTIVITY_REACH = timedelta(days=399)  # the longest period of the proxy's own sums
_LATEST = micros(USABLE_UNTIL)


class LiteLLMReader(ShapedReader):
    """`LogReader` over a LiteLLM proxy. The statistics' `database_ms` is the time of the requests."""

    def __init__(self, source: LiteLLMApi, caller: Caller, statistics: Statistics) -> None:
        self.source = source
        self.statistics = statistics
        self._caller = caller
        self._shape = source.rows.shape
        self._table = RawTable(source.rows.columns)
        self._looked: tuple[int, int] | None = None  # the period whose rows the table holds for the next question

    def rows(self, start: datetime, end: datetime | None, details: bool) -> AbstractContextManager[Any]:  # noqa: ARG002
        """See `LogReader`. Right after `fingerprints` of a period that holds this one, nothing is fetched again."""
        return self._rows(micros(start), _bound(end))

    def rows_at(self, times: Sequence[datetime], details: bool = True) -> AbstractContextManager[Any]:  # noqa: ARG002
        """See `LogReader`. Right after `fingerprints` of a period that holds the times, nothing is fetched again."""
        if not times:
            raise ValueError("rows_at needs at least one time")
        return self._rows_at(sorted({micros(time) for time in times}))

    def fingerprints(self, start: datetime, end: datetime | None) -> AbstractContextManager[Any]:
        """See `LogReader`. Rows come whole, so these are the rows themselves."""
        return self._fingerprints(micros(start), _bound(end))

    def digest(self, start: datetime, end: datetime) -> str | None:  # noqa: ARG002
        """See `LogReader`. The API makes none."""
        return None

    def evidence(self) -> Evidence:
        """See `LogReader`. An API proves nothing."""
        return Evidence("")

    def newest(self) -> datetime | None:
        """See `LogReader`."""
        self._caller.begin()
        return newest_row(self.source.endpoint, self._caller, datetime.now(UTC))

    def oldest(self) -> datetime | None:
        """See `LogReader`. Perhaps too early where the endpoint cannot sort, never too late.

        It is then the first day of the proxy's own sums if no row lies before it, else 62 days ago.
        """
        self._caller.begin()
        endpoint, now = self.source.endpoint, datetime.now(UTC)
        if isinstance(endpoint, PagedLogs) and endpoint.sorts:
            found = endpoint.oldest(self._caller, micros(USABLE_FROM), micros(now + _AHEAD))
            return _instant(found) if found is not None else None
        if newest_row(endpoint, self._caller, now) is None:
            return None
        days = self.source.activity.days(self._caller, (now - _ACTIVITY_REACH).date(), now.date())
        used = [day for day, metrics in days.items() if has_activity(metrics)]
        fallback = _midnight((now - _HISTORY).date())
        if not used:
            return fallback
        first = _midnight(min(used))
        before = endpoint.newest(self._caller, micros(USABLE_FROM), micros(first) - SECOND)
        return first if before is None else min(first, fallback)

    def count(self, start: datetime, end: datetime) -> int | None:  # noqa: ARG002
        """See `LogReader`. The API tells no more than 10,000."""
        return None

    def day_counts(self, start: date, end: date) -> Iterator[DayCount]:
        """See `LogReader`. Two requests a day.

        A count of 10,000 means that many or more, and rows of the midnight after the day are among them. It is 0
        where the endpoint does not count. The check follows the proxy's own sums of the day: spend to a millionth of
        a dollar, requests and tokens.
        """
        for offset in range((end - start).days):
            day = start + timedelta(days=offset)
            self._caller.begin()
            sums = self.source.activity.text(self._caller, day)
            number = (day - _EPOCH).days
            endpoint = self.source.endpoint
            if isinstance(endpoint, PagedLogs):
                low, high = number * DAY // SECOND, (number + 1) * DAY // SECOND
                yield DayCount(day, endpoint.page(self._caller, low, high, size=1).counted, sums)
            elif isinstance(endpoint, DayLogs):
                item = endpoint.days(self._caller, number, number + 1).get(number, {})
                yield DayCount(day, 0, f"{sums}|{item.get('spend')}|{item.get('models')}")

    def untimed(self) -> int:
        """See `LogReader`. The API asks for a period, so it never tells of such rows."""
        return 0

    def lookups(self) -> tuple[Lookup, ...]:
        """See `LogReader`."""
        self._caller.begin()
        self.source.look_for_silence(self._caller)
        return self.source.names.read(self._caller)

    def kept_budgets(self) -> KeptBudgets:
        """The budgets that the proxy keeps, as far as the key may know of them."""
        from cost_top.sources.litellm.budgets import kept_budgets

        self._caller.begin()
        return kept_budgets(self._caller, self.source.admin is not False, dict(self._shape.keys).get("token"))

    def took(self, rows: int) -> None:
        """See `LogReader`."""
        self.statistics.rows_read += rows

    def cancel(self) -> None:
        """See `LogReader`."""
        self._caller.cancel()

    def close(self) -> None:
        """See `LogReader`."""
        self._table.close()
        self._looked = None
        self._caller.close()

    def __enter__(self) -> LogReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def _fingerprints(self, start: int, end: int) -> Iterator[Any]:
        self._fetch([(start, end)])
        with self._table.stream(start, end) as stream:
            yield stream
        self._looked = (start, end)

    @contextmanager
    def _rows(self, start: int, end: int) -> Iterator[Any]:
        looked, self._looked = self._looked, None
        if looked is None or not looked[0] <= start or not end <= looked[1]:
            self._fetch([(start, end)])
        with self._table.stream(start, end) as stream:
            yield stream
        self._table.empty()

    @contextmanager
    def _rows_at(self, times: Sequence[int]) -> Iterator[Any]:
        looked, self._looked = self._looked, None
        if looked is None or not looked[0] <= times[0] or not times[-1] < looked[1]:
            self._fetch(_periods(times))
        with self._table.stream_at(times) as stream:
            yield stream
        self._table.empty()

    def _fetch(self, periods: Sequence[tuple[int, int]]) -> None:
        """Make the table hold the rows of these periods."""
        self._looked = None
        self._caller.begin()
        self._table.fill(page for start, end in periods for page in self._raw(start, end))

    def _raw(self, start: int, end: int) -> Iterator[list[tuple[Value, ...]]]:
        end = min(end, micros(datetime.now(UTC) + _AHEAD))
        if end <= start:
            return
        read = self.source.rows.read
        for page in self.source.endpoint.pages(self._caller, start, end):
            found = (read(row) for row in page)
            yield [row for row in found if row is not None and start <= int(row[1]) < end]


def _bound(end: datetime | None) -> int:
    return _LATEST if end is None else min(micros(end), _LATEST)


def _periods(times: Sequence[int]) -> list[tuple[int, int]]:
    """Few periods that hold all of these times, which rise."""
    periods = [(times[0], times[0] + 1)]
    for time in times[1:]:
        if time - periods[-1][1] < _APART:
            periods[-1] = (periods[-1][0], time + 1)
        else:
            periods.append((time, time + 1))
    return periods


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _instant(time: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=time)
