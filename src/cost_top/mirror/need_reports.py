"""Reports that answer single needs, made of sums by slice, or of minutes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from cost_top.mirror.lenses import Lenses, by_time
from cost_top.mirror.report import naive
from cost_top.mirror.rollup_tables import BAR_SUMS, LENSES, TRUST_LENS
from cost_top.mirror.slices import Slice
from cost_top.model.engine import STRETCH, Need, Reply
from cost_top.model.query import Measures, Report, ReportRow, TrustSums, key_columns, known_measures

if TYPE_CHECKING:
    from cost_top.mirror.store import Mirror

_QUARTER = timedelta(minutes=15)
# Cut from the quarters of an hour that sums by provider keep.
BY_TIME = frozenset({"day", "hour"})
_ALL = 1_000_000_000


class NeedReports:
    """Made anew each time, by ids."""

    def __init__(self, mirror: Mirror, lenses: Lenses) -> None:
        """Used on the mirror's thread."""
        self._mirror, self._lenses = mirror, lenses

    def of(self, need: Need, slices: Sequence[Slice], replies: Mapping[str, Reply], as_of: datetime) -> Report:
        """From the sums of these slices; of a need that goes beside another, whose reply is there."""
        query = need.query
        if need.edges:
            return self._by_stretch(need, slices, as_of)
        if BY_TIME & set(query.group_by):
            return by_time(self._mirror.rollups, slices, query, as_of)
        dimension = query.group_by[0] if query.group_by else None
        if need.beside and dimension is not None:
            return self._beside(need, slices, replies, dimension, as_of)
        lens = dimension if dimension not in (None, "tag") else "provider"
        totals = self._lenses.totals(query.where, lens, slices)
        trust = None
        if need.trust:
            trust = TrustSums(**self._mirror.rollups.trust(query.where, slices))
        if dimension is None:
            return Report((), (ReportRow((), totals),), totals, 1, as_of, trust=trust)
        limit = _ALL if query.limit is None else query.limit
        sort, descending = (query.sort, query.descending) if query.sort == "newest" else query.order
        rows, count = self._lenses.rows(query.where, dimension, slices, sort, descending, limit)
        return Report(key_columns((dimension,)), rows, totals, count, as_of, trust=trust)

    def _beside(
        self, need: Need, slices: Sequence[Slice], replies: Mapping[str, Reply], dimension: str, as_of: datetime
    ) -> Report:
        other = replies[need.beside].report
        keys = tuple(row.key for row in other.rows) if other is not None else ()
        rows = self._lenses.costs(need.query.where, dimension, slices, keys)
        return Report(key_columns((dimension,)), rows, Measures(), len(rows), as_of)

    def _by_stretch(self, need: Need, slices: Sequence[Slice], as_of: datetime) -> Report:
        query = need.query
        rows = self._lenses.stretches(query.where, slices, need.edges, by_provider=bool(query.group_by))
        return Report((*query.group_by, STRETCH), rows, Measures(), len(rows), as_of)

    def by_minute(self, need: Need, as_of: datetime) -> Report:
        """Stretches of a minute, from the rows."""
        query, origin = need.query, naive(need.edges[0])
        start, end = naive(query.start), naive(need.edges[-1] if need.open_end else query.end)
        if not need.query.latency:
            bars = self._mirror.rows.minute_bars(query.where, start, end, origin)
            rows = tuple(
                ReportRow((str(place),), known_measures(**dict(zip(BAR_SUMS, map(int, values), strict=True))))
                for place, *values in bars
            )
            return Report((STRETCH,), rows, Measures(), len(rows), as_of)
        minutes, latency = self._mirror.minutes.of(query.where, origin, end)
        rows = tuple(
            ReportRow((str(minute),), known_measures(cost, unpriced, request_count=count, error_count=errors))
            for minute, cost, count, errors, unpriced in minutes
        )
        totals = Measures(
            sum(one[1] for one in minutes), request_count=sum(one[2] for one in minutes),
            error_count=sum(one[3] for one in minutes), unpriced_count=sum(one[4] for one in minutes),
            latency_p95=latency,
        )  # fmt: skip
        return Report((STRETCH,), rows, totals, len(rows), as_of)


def lenses_of(need: Need) -> tuple[str, ...]:
    """The lenses a need is made of; none where it needs the rows themselves."""
    group_by = need.query.group_by
    if need.timed:
        return ()
    if need.edges:
        return ("provider",) if group_by in ((), ("provider",)) and not is_fine(need) else ()
    if BY_TIME & set(group_by) and {*group_by} <= {*BY_TIME, "provider"}:
        return ("provider",)
    if need.query.latency or len(group_by) > 1:
        return ()
    dimension = group_by[0] if group_by else "provider"
    if dimension not in LENSES or dimension == TRUST_LENS:
        return ()
    totals = ("provider",) if dimension == "tag" and not need.beside else ()
    return (dimension, *totals, *((TRUST_LENS,) if need.trust else ()))


def is_fine(need: Need) -> bool:
    """Whether it is cut into less than quarters of an hour, which sums do not tell."""
    return bool(need.edges) and need.edges[1] - need.edges[0] < _QUARTER
