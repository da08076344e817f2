"""A log answered where it lives as an engine: sets of needs become few statements there, nothing is copied."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from operator import itemgetter
from typing import Any

from cost_top.mirror.measures import ADDITIVE_NAMES, measures_of
from cost_top.model.engine import STRETCH, Knows, Missing, Need, Position, Reply, RequestPage, page_of
from cost_top.model.features import Features
from cost_top.model.filter import Filter
from cost_top.model.query import (
    Measures,
    Report,
    ReportQuery,
    ReportRow,
    TrustSums,
    added,
    key_columns,
    known_measures,
    without_untold,
)
from cost_top.model.rested import Rested, question_of
from cost_top.model.windows import Period
from cost_top.monitor.cluster.cluster import Cluster
from cost_top.monitor.cluster.newest import NewestRows
from cost_top.monitor.cluster.pieces import Piece, stretch_of
from cost_top.monitor.cluster.reports import asked_report, asked_requests
from cost_top.monitor.cluster.rollups import ROLLUP, Bar, Rollups
from cost_top.monitor.cluster.single import one_by_one
from cost_top.monitor.cluster.statements import BARS, LENSES, micros_of
from cost_top.monitor.cluster.sums import TRUSTED, Sums

_ROWS = 200
_QUARTER_US = 15 * 60_000_000
# Of a bar of a chart.
_SHOWN = (
    "total_cost", "request_count", "saved_by_cache", "unpriced_count", "input_tokens", "output_tokens", "error_count",
)  # fmt: skip
_of_bar = itemgetter(*map(ADDITIVE_NAMES.index, _SHOWN))
_LEAST_SETTLED = timedelta(minutes=10)
_LOOKED_BACK, _LEAST_SHARE = 300.0, 100  # seconds, and as a multiple of the time it took


class ClusterEngine:
    """`model.engine.Engine` over a log that is answered where it lives; used on one thread."""

    def __init__(self, cluster: Cluster, knows: Knows | None = None) -> None:
        self.knows = knows or Knows()
        self._cluster = cluster
        self._sums = Sums(cluster, max(_LEAST_SETTLED, cluster.log.overlap), NewestRows(cluster))
        self._rollups = Rollups(cluster)
        self._fine: dict[tuple[object, ...], Report] = {}  # of this tick
        self._timed: Rested[Report] = Rested()
        self._oldest: datetime | None = None
        self._oldest_due = 0.0  # monotonic seconds
        self._as_of = datetime.now(UTC)

    def tick(self, now: datetime) -> None:
        """Look at the log's hot end anew from now on."""
        self._as_of = now
        self._sums.tick(now)
        self._fine.clear()
        if self._oldest is None or time.monotonic() > self._oldest_due:
            # Older rows may have been imported.
            asked = time.monotonic()
            self._oldest = self._cluster.oldest()
            answered = time.monotonic()
            self._oldest_due = answered + max(_LOOKED_BACK, _LEAST_SHARE * (answered - asked))

    def answers(self, needs: Sequence[Need], until: float) -> dict[str, Reply]:
        """See `Engine`; `until` of 0 asks for nothing."""
        if until:
            self._build(needs, until)
        replies: dict[str, Reply] = {}
        shown: dict[str, tuple[tuple[str | None, ...], ...]] = {}
        for need in needs:
            reply = self._reply(need, shown, bool(until))
            told = reply.report and without_untold(reply.report, self._cluster.shape.untold)
            replies[need.name] = replace(reply, report=told)
        return replies

    def requests(self, query: ReportQuery, after: Position | None = None) -> RequestPage:
        """See `Engine`."""
        limit, dearest = query.limit or _ROWS, query.sort == "cost"
        rows = asked_requests(self._cluster, replace(query, limit=limit + 1), dearest, after)
        return page_of(rows, limit, dearest=dearest, after=after)

    def features(self, query: ReportQuery, dimensions: Sequence[str] = ()) -> Features:
        """See `Engine`."""
        cluster = self._cluster
        cluster.refuse(query.where)
        return one_by_one(cluster.log, cluster.book, query, lambda mirror: mirror.features(query, dimensions))

    def drift(self, period: Period) -> tuple[int, int]:
        """Of the days (UTC) inside a period: what the gateway's own sums have more, and how many days differ."""
        if self._oldest is None:
            return 0, 0
        return self._rollups.drift(partial(self._sums.reported, Filter()), period, self._oldest)

    def _build(self, needs: Sequence[Need], until: float) -> None:
        for comparison in (False, True):
            wanted: dict[Filter, dict[Piece, dict[str, None]]] = {}
            for need in needs:
                if need.comparison is comparison and not self._is_before_the_log(need):
                    lenses = _lenses_of(need)
                    parts = self._pieces(need) if lenses else ()
                    if _may_be_rolled_up(need):
                        self._rollups.look(need.query.start)
                    told = self._rolled_up(need, parts)
                    for piece in [piece for piece in parts if piece not in told]:
                        wanted.setdefault(need.query.where, {}).setdefault(piece, {}).update(dict.fromkeys(lenses))
            for where, pieces in wanted.items():
                self._sums.refresh(where, ("provider",), pieces)
                if not self._sums.build(where, pieces, until):
                    return

    def _pieces(self, need: Need) -> tuple[Piece, ...]:
        start = max(need.query.start, self._oldest) if self._oldest is not None else need.query.start
        # What ends now would end elsewhere at each look: what is stamped later is left out where it is read.
        ends_now = need.query.end > self._as_of - timedelta(minutes=1) and bool(need.edges)
        end = None if need.open_end or ends_now else need.query.end
        return self._sums.pieces(start, end) if end is None or start < end else ()

    def _rolled_up(self, need: Need, pieces: Sequence[Piece]) -> Mapping[Piece, Bar]:
        """What the gateway's own sums tell of a need."""
        return self._rollups.days(pieces, need.edges) if _may_be_rolled_up(need) else {}

    def _is_before_the_log(self, need: Need) -> bool:
        before = self._oldest is None or need.query.start < self._oldest
        # Where it is cut into stretches, those that the log has are told.
        return need.comparison and not need.edges and before

    def _reply(self, need: Need, shown: dict[str, tuple[tuple[str | None, ...], ...]], ask: bool) -> Reply:
        if self._is_before_the_log(need):
            return Reply(reason="the log does not go back so far")
        lenses, pieces = _lenses_of(need), self._pieces(need)
        if not lenses:
            return self._at_once(need, ask)
        told = self._rolled_up(need, pieces)
        summed = [piece for piece in pieces if piece not in told]
        lacking = {piece for _, piece in self._sums.missing(need.query.where, lenses, summed)}
        missing = Missing(len(pieces) - len(lacking), len(pieces)) if lacking else None
        if need.comparison and missing is not None:
            return Reply(missing=missing)
        return Reply(self._summed(need, pieces, shown), missing)

    def _summed(
        self, need: Need, pieces: Sequence[Piece], shown: dict[str, tuple[tuple[str | None, ...], ...]]
    ) -> Report:  # fmt: skip
        query, sums, as_of = need.query, self._sums, self._as_of
        if need.edges:
            return self._by_stretch(need, pieces, self._rolled_up(need, pieces))
        dimension = query.group_by[0] if query.group_by else None
        if need.beside and dimension is not None:
            costs = sums.costs(query.where, dimension, pieces)
            rows = tuple(
                ReportRow(key, Measures(total_cost=costs.get(key[0], 0))) for key in shown.get(need.beside, ())
            )
            return self._cluster.names.named(Report(key_columns((dimension,)), rows, Measures(), len(rows), as_of))
        totals = sums.totals(query.where, pieces)
        trust = TrustSums(**sums.trust(query.where, pieces)) if need.trust else None
        if dimension is None:
            return Report((), (ReportRow((), totals),), totals, 1, as_of, trust=trust)
        rows, count = sums.rows(query.where, dimension, pieces, query.sort, query.descending, query.limit)
        shown[need.name] = tuple(row.key for row in rows)
        report = Report(key_columns((dimension,)), rows, totals, count, as_of, trust=trust)
        return self._cluster.names.named(report)

    def _by_stretch(self, need: Need, pieces: Sequence[Piece], told: Mapping[Piece, Bar]) -> Report:
        edges = tuple(micros_of(edge) for edge in need.edges)
        found: dict[tuple[str | None, ...], tuple[int | None, ...]] = {}

        def add(provider: str | None, stretch: str | None, figures: tuple[int | None, ...]) -> None:
            key = (provider, stretch) if need.query.group_by else (stretch,)
            known = found.get(key)
            found[key] = tuple(map(added, zip(known, figures, strict=True))) if known is not None else figures

        summed = [piece for piece in pieces if piece not in told]
        for (provider, stretch), group in self._sums.bars(need.query.where, summed, edges, need.open_end).items():
            add(provider, stretch, _of_bar(group.sums))
        for piece, bar in told.items():
            at = stretch_of(edges, piece.start, need.open_end)
            for provider, figures in bar.items() if at is not None else ():
                add(provider, str(at), tuple(figures[name] for name in _SHOWN))
        rows = tuple(ReportRow(key, _measures(figures)) for key, figures in found.items())
        notes = (ROLLUP,) if told else ()
        return Report((*need.query.group_by, STRETCH), rows, Measures(), len(rows), self._as_of, notes)

    # What needs the rows themselves

    def _at_once(self, need: Need, ask: bool) -> Reply:
        query = need.query
        if need.timed and not need.edges:
            question = question_of(query, need.open_end)
            if not ask:
                last = self._timed.last(question)
                return Reply(last) if last is not None else Reply(missing=Missing(0, 1))
            return Reply(self._timed.of(question, lambda: asked_report(self._cluster, query, self._as_of)))
        key = (query, need.edges, need.open_end)
        if key not in self._fine:
            if not ask:
                return Reply(missing=Missing(0, 1))
            self._fine[key] = self._by_minute(need) if need.edges else asked_report(self._cluster, query, self._as_of)
        return Reply(self._fine[key])

    def _by_minute(self, need: Need) -> Report:
        """Stretches that are no quarters of an hour, and latencies."""
        query, cluster = need.query, self._cluster
        last = need.edges[-1] if need.open_end else min(query.end, need.edges[-1])
        start = max(query.start, need.edges[0])
        edges = [micros_of(edge) for edge in need.edges]
        found: Sequence[Sequence[Any]]
        if self._sums.newest.cover(micros_of(start)):
            cluster.refuse(query.where)
            found = self._sums.newest.minutes(query.where, micros_of(start), micros_of(last), edges)
        else:
            source, where, parameters = cluster.source([(start, last)], query.where)
            found = cluster.ask(cluster.statements.minutes(source, where, edges), parameters)
        totals, rows = Measures(), []
        for total, at, *figures in found:
            measures = measures_of(figures, latency=True)
            if total:
                totals = measures
            else:
                rows.append(ReportRow((str(edges.index(int(at))),), measures))
        rows.sort(key=lambda row: int(row.key[0] or 0))
        return Report((STRETCH,), tuple(rows), totals, len(rows), self._as_of)


def _measures(figures: Sequence[int | None]) -> Measures:
    """Of a bar, from the figures of `_SHOWN`."""
    named = dict(zip(_SHOWN, figures, strict=True))
    return known_measures(named.pop("total_cost") or 0, named.pop("unpriced_count") or 0, **named)


def _may_be_rolled_up(need: Need) -> bool:
    """Whether a gateway's own sums of days may stand for the log's: in the chart of all requests."""
    return need.name == "chart" and not need.query.where


def _lenses_of(need: Need) -> tuple[str, ...]:
    """The lenses a need is made of; none where it needs the rows themselves."""
    group_by = need.query.group_by
    if need.timed:
        return ()
    if need.edges:
        fine = any(micros_of(edge) % _QUARTER_US for edge in need.edges)
        return (BARS,) if group_by in ((), ("provider",)) and not (fine or need.query.latency) else ()
    if need.query.latency or len(group_by) > 1:
        return ()
    dimension = group_by[0] if group_by else "provider"
    if dimension not in LENSES:
        return ()
    trust = (TRUSTED, "tag") if need.trust else ()
    return (dimension, *(("provider",) if not need.beside else ()), *trust)
