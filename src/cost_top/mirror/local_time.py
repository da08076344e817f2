"""Days, hours and minutes of a time zone as SQL over quarters of an hour: groups are numbers, named once each."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone, tzinfo

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_QUARTER = timedelta(minutes=15)
_DAY = 96  # quarters


class LocalTime:
    """The local time of rows whose quarter since 1970 lies in `[first, last)`."""

    def __init__(self, first: int, last: int, zone: tzinfo, column: str = "quarter", time: str = "time") -> None:
        """`column` holds the quarter, `time` the instant, which minutes alone are cut from."""
        self._column, self._time = column, time
        self._spans = offsets(first, last, zone)

    def text(self, dimension: str) -> str:
        """What a group of a time dimension is called: `2026-11-01`, or an instant with its offset."""
        if dimension == "day":
            return f"strftime(DATE '1970-01-01' + CAST({self._day} AS INTEGER), '%Y-%m-%d')"
        instant = self._minute if dimension == "minute" else f"make_timestamp({self._hour} * 3600000000)"
        offset = self._cases([f"'{_offset_text(seconds)}'" for _, seconds in self._spans])
        return f"strftime({instant}, '%Y-%m-%dT%H:%M:%S') || {offset}"

    def groups(self, dimension: str) -> tuple[str, ...]:
        """What rows of one group share."""
        if dimension == "day":
            return (self._day,)
        instant = self._minute if dimension == "minute" else self._hour
        return (instant, self._span) if len(self._spans) > 1 else (instant,)

    @property
    def _span(self) -> str:
        """The number of the span of one offset that a row is in."""
        last = len(self._spans) - 1
        if not last:
            return "0"
        ends = (f"WHEN {self._column} < {self._spans[place + 1][0]} THEN {place}" for place in range(last))
        return f"CASE {' '.join(ends)} ELSE {last} END"

    def _cases(self, values: list[str]) -> str:
        """One value for each span."""
        chosen = " ".join(f"WHEN {place} THEN {value}" for place, value in enumerate(values))
        return f"CASE {self._span} {chosen} END"

    @property
    def _shift(self) -> str:
        return self._cases([str(seconds) for _, seconds in self._spans])

    @property
    def _day(self) -> str:
        return f"(({self._column} * 900::BIGINT + {self._shift}) // 86400)"

    @property
    def _hour(self) -> str:
        return f"(({self._column} * 900::BIGINT + {self._shift}) // 3600)"

    @property
    def _minute(self) -> str:
        return f"date_trunc('minute', {self._time} + to_seconds({self._shift}))"


def offsets(first: int, last: int, zone: tzinfo) -> list[tuple[int, int]]:
    """(first quarter, seconds east of UTC) of each span of one offset in `[first, last)`; at least one.

    >>> offsets(0, 1, UTC)
    [(0, 0)]
    """
    spans = [(first, _offset(first, zone))]
    for day in range(first, last, _DAY):
        # Clocks change at most once a day.
        if _offset(min(day + _DAY, last), zone) == spans[-1][1]:
            continue
        for quarter in range(day, min(day + _DAY, last) + 1):
            if (seconds := _offset(quarter, zone)) != spans[-1][1]:
                spans.append((quarter, seconds))
    return spans


def _offset(quarter: int, zone: tzinfo) -> int:
    return int(((_EPOCH + quarter * _QUARTER).astimezone(zone).utcoffset() or timedelta()).total_seconds())


def _offset_text(seconds: int) -> str:
    """As in ISO 8601.

    >>> _offset_text(7200), _offset_text(-12600), _offset_text(0)
    ('+02:00', '-03:30', '+00:00')
    """
    return datetime(1970, 1, 1, tzinfo=timezone(timedelta(seconds=seconds))).isoformat()[19:]
