"""How the rows of a period are fetched from LiteLLM, whichever of its three endpoints there is.

The bounds of a question are whole seconds and both belong to it. Pages are not stable: rows of one time come in any
order, rows come in between, and the total ends at 10,000. So a further page is never asked for where it can be
helped: the next question begins at the second at which the last page ended, and repeated rows are told by id and time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, Protocol

from cost_top.gateways.instants import USABLE_FROM, micros
from cost_top.model.errors import SourceError
from cost_top.sources.litellm.client import Caller
from cost_top.sources.litellm.rows import Row, row_time

SECOND = 1_000_000  # times are microseconds since the epoch
DAY = 86400 * SECOND
COUNT_LIMIT = 10_000  # where LiteLLM stops counting, and where /spend/logs ends
_MOST_PAGES = 2_000  # of one period: a day of two million rows through /spend/logs/v2
_TRUNCATED = "x-litellm-spend-logs-truncated"
Order = tuple[str, str]
_OLDEST, _NEWEST = ("startTime", "asc"), ("startTime", "desc")
# How a second with more rows than a page is read: rows that are equal in one order are told apart by another.
_ORDERS: tuple[Order, ...] = (_OLDEST, _NEWEST, ("spend", "asc"), ("total_tokens", "asc"), ("endTime", "desc"))
Told = Callable[[str, str], None]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Page:
    """Rows as they came; `total` is how many the question has, None where the API does not say or stopped counting."""

    rows: Sequence[Row]
    size: int  # with what is no row
    total: int | None
    counted: int  # what it says, capped or not


class Endpoint(Protocol):
    """One of the endpoints that tell requests row by row."""

    name: str

    def pages(self, caller: Caller, start: int, end: int) -> Iterator[Sequence[Row]]:
        """All rows of `[start, end)` and perhaps some beside it, some perhaps twice."""

    def newest(self, caller: Caller, start: int, end: int) -> int | None:
        """Time of the newest row of a period."""


class PagedLogs:
    """`/spend/logs/v2`, and `/spend/logs/ui` of the same shape with smaller pages."""

    def __init__(self, name: str, page_size: int, told: Told) -> None:
        """`told` takes a note: what it is about, and the line."""
        self.name = name
        self.page_size = page_size
        self._told = told
        self.sorts = name == "/spend/logs/v2"  # versions without it give the newest rows first, whatever is asked

    def pages(self, caller: Caller, start: int, end: int) -> Iterator[Sequence[Row]]:
        """See `Endpoint`."""
        asked = 0
        waiting = [(start // SECOND, -(-end // SECOND))]
        last: Sequence[Row] = ()
        while waiting:
            low, high = waiting.pop()
            if high - low <= 1:
                for rows in self._crowded(caller, low, high, last):
                    asked += 1
                    yield rows
            else:
                page = self.page(caller, low, high)
                asked += 1
                last = page.rows
                yield last
                if page.size >= self.page_size:
                    waiting += _rest(low, high, [row_time(row) for row in last])
            if asked > _MOST_PAGES:
                raise SourceError(
                    f"the proxy holds more than {_MOST_PAGES * self.page_size:,} rows from {_when(start // SECOND)} "
                    f"to {_when(-(-end // SECOND))}: too many for its API; read its PostgreSQL database instead"
                )

    def page(
        self, caller: Caller, low: int, high: int, *, number: int = 1, size: int | None = None, order: Order = _OLDEST
    ) -> Page:
        """One page of the rows from second `low` to second `high`."""
        answer = caller.get(
            self.name,
            {
                "start_date": _when(low),
                "end_date": _when(high),
                "page": str(number),
                "page_size": str(size or self.page_size),
                "sort_by": order[0],
                "sort_order": order[1],
            },
        )
        if not isinstance(answer, dict) or not isinstance(answer.get("data"), list):
            raise SourceError(f"{self.name}: answered without a list of rows; is this a LiteLLM proxy?")
        total = answer.get("total")
        counted = total if isinstance(total, int) and not isinstance(total, bool) else 0
        capped = answer.get("total_is_capped") is True or counted == COUNT_LIMIT
        rows = answer["data"]
        return Page(_rows(rows), len(rows), None if capped or "total" not in answer else counted, counted)

    def newest(self, caller: Caller, start: int, end: int) -> int | None:
        """See `Endpoint`."""
        rows = self.page(caller, start // SECOND, -(-end // SECOND), size=1, order=_NEWEST).rows
        return row_time(rows[0]) if rows else None

    def answers(self, caller: Caller) -> None:
        """Ask for a page of this size of a time when there are no rows. Raises `SourceError`."""
        tomorrow = micros(datetime.now(UTC)) // SECOND + 2 * DAY // SECOND
        self.page(caller, tomorrow, tomorrow + 1)

    def oldest(self, caller: Caller, start: int, end: int) -> int | None:
        """Time of the oldest row of a period, where the endpoint can sort."""
        rows = self.page(caller, start // SECOND, -(-end // SECOND), size=1).rows
        return row_time(rows[0]) if rows else None

    def _crowded(self, caller: Caller, low: int, high: int, last: Sequence[Row]) -> Iterator[Sequence[Row]]:
        """A single second, page after page; in other orders as well where rows slipped between the pages.

        `last` is the page that led here: it holds some of these rows.
        """
        times = ((row, row_time(row)) for row in last)
        found = {_key(row) for row, at in times if at and low * SECOND <= at <= high * SECOND}
        total: int | None = None
        for order in _ORDERS:
            number, before = 0, len(found)
            while number < _MOST_PAGES:
                number += 1
                page = self.page(caller, low, high, number=number, order=order)
                found.update(map(_key, page.rows))
                total = page.total
                yield page.rows
                if page.size < self.page_size:
                    break
            else:
                raise SourceError(f"the pages of {_when(low)} do not end; read the proxy's PostgreSQL database instead")
            # Where it stopped counting, an order that brings nothing new must do.
            done = len(found) >= total if total is not None else before == len(found)
            if number == 1 or done:
                return
        self._told(
            "crowded",
            f"the proxy's pages leave out {f'{total - len(found):,}' if total is not None else 'some'} of the requests "
            f"that began in one second ({_when(low)} UTC): sums are lower bounds",
        )


class DayLogs:
    """`/spend/logs` of old versions: whole days in one answer, without pages."""

    name = "/spend/logs"

    def __init__(self, told: Told) -> None:
        """`told` takes a note: what it is about, and the line."""
        self._told = told

    def pages(self, caller: Caller, start: int, end: int) -> Iterator[Sequence[Row]]:
        """See `Endpoint`."""
        today = micros(datetime.now(UTC)) // DAY
        first, last = start // DAY, -(-end // DAY)
        days = [(day, day + 1) for day in range(first, min(last, today))]
        if last > today:  # what is stamped in the future comes with today
            days.append((max(first, today), last))
        for day, after in days:
            yield self._rows(caller, day, after)

    def newest(self, caller: Caller, start: int, end: int) -> int | None:
        """See `Endpoint`. The sums by day say which day to look at."""
        spent = [day for day, item in self.days(caller, start // DAY, -(-end // DAY)).items() if _is_spent(item)]
        times = [row_time(row) for row in self._rows(caller, max(spent), max(spent) + 1)] if spent else []
        return max((time for time in times if time is not None), default=None)

    def days(self, caller: Caller, first: int, after: int) -> dict[int, Row]:
        """The sums of each day, by days since the epoch."""
        answer = caller.get(self.name, {**_dates(first, after), "summarize": "true"})
        if not isinstance(answer, list):
            raise SourceError(f"{self.name}: answered without a list; is this a LiteLLM proxy?")
        return {time // DAY: row for row in _rows(answer) if (time := row_time(row)) is not None}

    def _rows(self, caller: Caller, first: int, after: int) -> Sequence[Row]:
        answer = caller.answer(self.name, {**_dates(first, after), "summarize": "false"})
        if not isinstance(answer.value, list):
            raise SourceError(f"{self.name}: answered without a list of rows; is this a LiteLLM proxy?")
        if answer.headers.get(_TRUNCATED, "").lower() == "true":
            self._told(
                "truncated",
                f"the proxy tells no more than the newest {COUNT_LIMIT:,} requests of a day: the sums of "
                f"{_dates(first, after)['start_date']} are lower bounds; update LiteLLM",
            )
        return _rows(answer.value)


def _key(row: Row) -> tuple[str, str]:
    """What tells a row from every other: a partitioned table of LiteLLM repeats ids."""
    return str(row.get("request_id")), str(row.get("startTime"))


def newest_row(endpoint: Endpoint, caller: Caller, now: datetime) -> datetime | None:
    """Time of the newest row: of the last days if there is one, for old versions count what they are asked about."""
    instant = micros(now)
    for days in (1, 32, (now - USABLE_FROM).days):
        found = endpoint.newest(caller, instant - days * DAY, instant + DAY)
        if found is not None:
            return datetime.fromtimestamp(found // SECOND, UTC) + timedelta(microseconds=found % SECOND)
    return None


def _rest(low: int, high: int, found: Sequence[int | None]) -> list[tuple[int, int]]:
    """What a full page leaves to be asked of the seconds from `low` to `high`; the last one is asked first."""
    times = [time for time in found if time is not None]
    rising = all(one <= other for one, other in pairwise(times))
    falling = all(one >= other for one, other in pairwise(times))
    if not times or rising == falling:  # all of one time, or in no order: nothing tells what is left
        middle = (low + high) // 2
        return [(low, middle), (middle, high)]
    if rising:
        bound = times[-1] // SECOND
        if bound >= high:  # what lies on the last second's edge belongs to the next period
            return []
        return [(bound, high)] if bound > low else [(low + 1, high), (low, low + 1)]
    bound = -(-times[-1] // SECOND)
    if bound <= low:
        return [(low, low + 1)]
    return [(low, bound)] if bound < high else [(low, high - 1), (high - 1, high)]


def _rows(items: Sequence[Any]) -> list[Row]:
    return [item for item in items if isinstance(item, dict)]


def _is_spent(item: Row) -> bool:
    return bool(item.get("spend") or item.get("models") or item.get("users"))


def _when(second: int) -> str:
    return f"{_EPOCH + timedelta(seconds=second):%Y-%m-%d %H:%M:%S}"


def _dates(first: int, after: int) -> dict[str, str]:
    """`end_date` means its first instant, so the day after the last one is named."""
    days = (_EPOCH + timedelta(days=first), _EPOCH + timedelta(days=after))
    return {"start_date": f"{days[0]:%Y-%m-%d}", "end_date": f"{days[1]:%Y-%m-%d}"}
