"""A log that is answered where it lives, asked now and then: each question is answered whole and as it is now."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import UTC, datetime

from cost_top.model.credits import Credits
from cost_top.model.doubts import words
from cost_top.model.engine import Position, RequestPage
from cost_top.model.errors import SourceError, UserError, one_line
from cost_top.model.feed import UnpricedModel, unpriced_model
from cost_top.model.notes import NOT_COUNTED, untimed_notes
from cost_top.model.one_source import OfOneSource
from cost_top.model.query import Report, ReportQuery, unpriced_query, without_untold
from cost_top.model.waste import Waste
from cost_top.monitor.cluster.cluster import Cluster
from cost_top.monitor.cluster.engine import ClusterEngine
from cost_top.monitor.cluster.reports import asked_report, doubts
from cost_top.monitor.cluster.single import one_by_one
from cost_top.pricing.book import RateBook
from cost_top.pricing.unpriced import toml_lines
from cost_top.sources.base import LogSource
from cost_top.sources.sql.reader import SqlLog

_MODELS = 100
_NAMED = 3
_LOOKED_AGAIN = 300.0  # seconds


def open_cluster(open_source: Callable[[], LogSource], load_book: Callable[[], RateBook]) -> Cluster:
    """The log, with its names read. Raises `UserError` for what a user can mend."""
    log = open_source()
    assert isinstance(log, SqlLog)
    cluster = Cluster(log, load_book())
    try:
        cluster.learn(datetime.now(UTC))
    except SourceError as error:
        cluster.close()
        raise UserError(f"{one_line(error)}; check that the log can be reached and read") from None
    return cluster


def followed(cluster: Cluster, open_source: Callable[[], LogSource], load_book: Callable[[], RateBook]) -> Cluster:
    """The cluster, or where its gateway writes another of its tables meanwhile one over that; the first is then closed.

    Looks every few minutes: the other one may be made meanwhile.
    """
    log = cluster.log
    if time.monotonic() - cluster.recognised_at < _LOOKED_AGAIN:
        return cluster
    cluster.recognised_at = time.monotonic()
    try:
        found = open_source()
        assert isinstance(found, SqlLog)
        if found.identity == log.identity:
            log.found = found.found  # until when the other one has rows
            return cluster
        other = open_cluster(lambda: found, load_book)
    except UserError:
        return cluster  # what is wrong is told where it is asked
    cluster.close()
    return other


def report(cluster: Cluster, query: ReportQuery, as_of: datetime) -> Report:
    """The exact answer, with what makes a figure of it less than plain."""
    found = without_untold(asked_report(cluster, query, as_of), cluster.shape.untold)
    how = cluster.statements.spelled.note
    cluster.count_untimed()
    return replace(found, notes=(*([how] if how else ()), *cluster.log.notes, *_notes(cluster, query, found)))


def unpriced(cluster: Cluster, query: ReportQuery) -> tuple[UnpricedModel, ...]:
    """The (provider, model) pairs of unpriced requests, most tokens first."""
    rows = asked_report(cluster, unpriced_query(query, _MODELS), query.end).rows
    return tuple(
        unpriced_model(row.key[0], row.key[1], row.measures, "\n".join(toml_lines(cluster.book, *row.key)))
        for row in rows
    )


def waste(cluster: Cluster, query: ReportQuery) -> Waste:
    """What the period's spend was wasted on."""
    cluster.refuse(query.where)
    return one_by_one(cluster.log, cluster.book, query, lambda mirror: mirror.waste(query))


def waste_requests(
    cluster: Cluster, query: ReportQuery, lines: Collection[str], after: Position | None
) -> RequestPage:  # fmt: skip
    """A page of the requests behind some lines of `waste`."""
    cluster.refuse(query.where)
    return one_by_one(cluster.log, cluster.book, query, lambda mirror: mirror.waste_requests(query, lines, after))


def _notes(cluster: Cluster, query: ReportQuery, found: Report) -> tuple[str, ...]:
    notes = list(untimed_notes(cluster.untimed)) if cluster.untimed is not None else [NOT_COUNTED]
    if found.totals.unpriced_count:
        by_model = replace(query, group_by=("model",), limit=None, sort="unpriced_count", descending=True)
        rows = asked_report(cluster, by_model, found.as_of).rows
        names = [row.key[0] or "(no model)" for row in rows if row.measures.unpriced_count]
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        told = f"({', '.join(names[:_NAMED])}{more}): total_cost is a lower bound"
        count = found.totals.unpriced_count
        notes.append(f"{count} request{'s' if count != 1 else ''} unpriced {told}")
    for doubt, count in doubts(cluster, query):
        notes.append(f"{count} request{'s' if count != 1 else ''}: {words(doubt)}")
    if "tag" in query.group_by:
        notes.append(
            "tags overlap: a request counts in the row of each of its tags, so rows add up to more than totals"
        )
    if found.row_count > len(found.rows):
        notes.append(f"{len(found.rows)} of {found.row_count} rows shown; totals are of all")
    return tuple(notes)


class ClusterAnswers(OfOneSource):
    """`model.answers.Answers` over a log answered where it lives. Any thread may ask; one question at a time."""

    def __init__(self, open_source: Callable[[], LogSource], load_book: Callable[[], RateBook]) -> None:
        """Both are called at the first question."""
        self._open_source, self._load_book = open_source, load_book
        self._lock = threading.RLock()
        self._cluster: Cluster | None = None

    @property
    def label(self) -> str:
        """The log's name; opens it, with `UserError` for what a user can mend."""
        return self._opened().log.label

    def report(self, query: ReportQuery) -> Report:
        """See `Answers`."""
        with self._lock:
            return report(self._opened(), query, datetime.now(UTC))

    @property
    def untimed(self) -> int | None:
        """Rows that no period holds; None where they could not be counted."""
        with self._lock:
            cluster = self._opened()
            cluster.count_untimed()
            return cluster.untimed

    def requests(self, query: ReportQuery, after: Position | None = None) -> RequestPage:
        """See `Answers`."""
        with self._lock:
            return ClusterEngine(self._opened()).requests(query, after)

    def unpriced(self, query: ReportQuery) -> tuple[UnpricedModel, ...]:
        """See `Answers`."""
        with self._lock:
            return unpriced(self._opened(), query)

    def waste(self, query: ReportQuery) -> Waste:
        """What the period's spend was wasted on."""
        return waste(self._opened(), query)

    def waste_requests(self, query: ReportQuery, lines: Collection[str], after: Position | None = None) -> RequestPage:
        """A page of the requests behind some lines of `waste`."""
        return waste_requests(self._opened(), query, lines, after)

    def credits(self) -> Credits | None:
        """A log knows no balance."""
        return None

    def close(self) -> None:
        """Release the connection."""
        with self._lock:
            cluster, self._cluster = self._cluster, None
            if cluster is not None:
                cluster.close()

    def _opened(self) -> Cluster:
        with self._lock:
            if self._cluster is None:
                self._cluster = open_cluster(self._open_source, self._load_book)
            else:
                self._cluster = followed(self._cluster, self._open_source, self._load_book)
            return self._cluster
