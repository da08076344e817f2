"""The features of a stretch of a log for the rules of `insight`, read once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from cost_top.insight.live import HISTORY
from cost_top.model.features import BUCKET_SECONDS, Features
from cost_top.model.filter import Filter
from cost_top.model.query import ReportQuery
from cost_top.model.windows import Period
from cost_top.monitor.log.once import read_period
from cost_top.pricing.book import RateBook
from cost_top.sources.base import LogSource

_BUCKET = timedelta(seconds=BUCKET_SECONDS)


def log_bounds(source: LogSource) -> tuple[datetime, datetime] | None:
    """Times of the oldest and the newest request; None for an empty log. Raises `SourceError`."""
    with source.connect() as reader:
        oldest, newest = reader.oldest(), reader.newest()
    return (oldest, newest) if oldest is not None and newest is not None else None


def read_features(
    source: LogSource, book: RateBook, cache: Path | None, period: Period, where: Filter, dimensions: Sequence[str]
) -> tuple[Features, int]:
    """The features of a period and of the history before it, and the bucket at which the period starts.

    Buckets are cut so that the period starts with one. Raises `SourceError`.
    """
    bounds = log_bounds(source)
    oldest = min(max(bounds[0] if bounds else period.start, period.start - HISTORY), period.start)
    before = -(-(period.start - oldest) // _BUCKET)
    start = period.start - before * _BUCKET
    mirror = read_period(source, book, cache, Period(start, period.end))
    try:
        return mirror.features(ReportQuery(start, period.end, where=where), dimensions), before
    finally:
        mirror.close()
