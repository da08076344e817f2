"""One look at a log, for an overview that is printed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path

from cost_top.model.snapshot import Live, Snapshot, Trust
from cost_top.model.view import View
from cost_top.model.windows import Period, previous_period, window_period
from cost_top.monitor.log.engine import LogEngine
from cost_top.monitor.log.once import read_period
from cost_top.overview.compose import Facts, compose
from cost_top.overview.needs import needs_of
from cost_top.pricing.book import RateBook
from cost_top.sources.base import LogSource


def once_snapshot(source: LogSource, book: RateBook, cache: Path | None, view: View, zone: tzinfo) -> Snapshot:
    """The snapshot of a view, all of it read. Raises `SourceError`."""
    now = datetime.now(UTC)
    end = view.end or now
    shown = window_period(view.window_at(end), end, zone)
    before = previous_period(view.window_at(end), shown, zone)
    whole = Period(before.start.replace(second=0, microsecond=0) - timedelta(minutes=1), now)
    mirror = read_period(source, book, cache, whole, counts_untimed=True)
    try:
        mirror.take_over_sums()
        engine = LogEngine(mirror)
        needs = needs_of(view, now, zone, engine.knows)
        replies = engine.answers(needs.all, float("inf"))
        while mirror.keep_sums():
            pass
        facts = Facts(
            source.label, Live(now), newest=engine.newest(), log_rows=engine.row_count(), rates_date=book.date,
            trust=Trust(
                untimed_count=mirror.untimed or 0, rows_unique=source.rows_unique, indexed=source.indexed
            ),
        )  # fmt: skip
        return compose(needs, replies, engine.knows, facts)
    finally:
        mirror.close()
