"""What needs the requests of a log in ClickHouse one by one: they are read, looked through here, and forgotten."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from cost_top.mirror.store import Mirror
from cost_top.model.errors import CannotAnswer
from cost_top.model.query import ReportQuery
from cost_top.model.windows import Period, floor
from cost_top.monitor.log.once import read_period
from cost_top.pricing.book import RateBook
from cost_top.sources.clickhouse.database import MOST_SINGLE
from cost_top.sources.sql.reader import SqlLog, SqlLogReader

_Told = TypeVar("_Told")
_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
_AHEAD = timedelta(days=2)  # what is stamped later than now is read as well


def one_by_one(
    log: SqlLog, book: RateBook, query: ReportQuery, tell: Callable[[Mirror], _Told], most: int = MOST_SINGLE
) -> _Told:  # fmt: skip
    """What `tell` makes of the requests of a query's period; on connections of its own, so that any thread may ask.

    `CannotAnswer` where they are more than `most`, `SourceError` where the cluster does not answer.
    """
    with log.connect() as reader:
        assert isinstance(reader, SqlLogReader)
        count = int(reader.session.values(log.statements.count([_read(log, query)]))[0][0])
    if count > most:
        raise CannotAnswer(
            f"{log.label} is answered where it lives, and its {count:,} requests of this period are more than the "
            f"{most:,} that are read from there one by one; filter them by a shorter period"
        )
    mirror = read_period(log, book, None, Period(query.start, query.end))
    try:
        return tell(mirror)
    finally:
        mirror.close()


def _read(log: SqlLog, query: ReportQuery) -> tuple[datetime, datetime]:
    """The time that is read for a query: whole days (UTC), and from where rows still come all that came after."""
    now = datetime.now(UTC)
    hot = floor(now - max(_HOUR, log.overlap * 2), _DAY)
    start = query.start if query.start >= hot else floor(query.start, _DAY)
    last = floor(query.end, _DAY)
    end = last if last == query.end else last + _DAY
    return start, end if end <= hot else max(query.end, now + _AHEAD)
