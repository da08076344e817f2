"""What is asked of the mirror's rows themselves: single requests, minutes, latencies, why figures are not plain."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from cost_top.mirror.measures import ADDITIVE, LATENCY, TRUST, UNPRICED
from cost_top.mirror.needed import NOTED
from cost_top.mirror.report import naive, requests
from cost_top.mirror.rollup_tables import BAR_SUMS
from cost_top.mirror.schema import first_row
from cost_top.mirror.where import condition
from cost_top.model.doubts import TOLD
from cost_top.model.engine import Position
from cost_top.model.filter import Filter
from cost_top.model.query import Measures, ReportQuery, TrustSums
from cost_top.model.request_row import RequestRow
from cost_top.pricing.explain import parts_of

if TYPE_CHECKING:
    import duckdb

    from cost_top.mirror.store import Mirror

_DAY = timedelta(days=1)
# The arithmetic of each price is told in lists of so many requests: longer ones are for programs.
_EXPLAINED = 500


@dataclass(frozen=True, slots=True)
class Caveats:
    """What a reader of figures must know beside them."""

    trust: TrustSums
    doubts: list[tuple[str, int, list[str]]]  # (doubt, requests, models), the most frequent first
    avoided_input_tokens: int  # that hits of the response cache did not send
    avoided_output_tokens: int


class Rows:
    """Reads the rows of a mirror, on its thread."""

    def __init__(self, mirror: Mirror) -> None:
        """Holds nothing of its own."""
        self._mirror = mirror
        self._relation = mirror.relation

    @property
    def _connection(self) -> duckdb.DuckDBPyConnection:
        return self._mirror.database.connection

    def minutes(self, where: Filter, start: datetime, end: datetime) -> list[tuple[Any, ...]]:
        """`(minutes since start, cost, requests, errors, unpriced, rows, latencies in ms)` of the rows of a period."""
        sql, parameters = condition(where)
        return self._connection.execute(
            "SELECT date_diff('minute', CAST(? AS TIMESTAMP), time), coalesce(sum(cost), 0), "
            "count(*) FILTER (counted IS NOT FALSE), count(*) FILTER (status >= 400 AND counted IS NOT FALSE), "
            f"count(*) FILTER ({UNPRICED}), count(*), list(latency_ms) FILTER (latency_ms IS NOT NULL) "
            f"FROM {self._relation(start, end)} WHERE time >= ? AND time < ? AND {sql} GROUP BY 1",
            [start, start, end, *parameters],
        ).fetchall()

    def minute_bars(self, where: Filter, start: datetime, end: datetime, origin: datetime) -> list[tuple[Any, ...]]:
        """`(minutes since origin, *BAR_SUMS)` of the rows in `[start, end)`."""
        sql, parameters = condition(where)
        sums = ", ".join(f"coalesce({ADDITIVE[name]}, 0)" for name in BAR_SUMS)
        return self._connection.execute(
            f"SELECT date_diff('minute', CAST(? AS TIMESTAMP), time), {sums} FROM {self._relation(start, end)} "
            f"WHERE time >= ? AND time < ? AND {sql} GROUP BY 1",
            [origin, start, end, *parameters],
        ).fetchall()

    def times(self, where: Filter, start: datetime, end: datetime, edges: Sequence[datetime]) -> list[tuple[int, int]]:
        """`(part, p95 latency in ms)` of the rows in `[start, end)`; part n begins at `edges[n]`."""
        sql, parameters = condition(where)
        parts = " ".join(f"WHEN minute < TIMESTAMP '{edge}' THEN {part}" for part, edge in enumerate(edges[1:]))
        # Bars are cut at whole minutes: the part is found once for each.
        return self._connection.execute(
            f"WITH timed AS (SELECT date_trunc('minute', time) AS minute, latency_ms FROM {self._relation(start, end)} "
            f"WHERE time >= ? AND time < ? AND latency_ms IS NOT NULL AND {sql}), "
            f"minutes AS (SELECT minute, CASE {parts} END AS part FROM (SELECT DISTINCT minute FROM timed)) "
            f"SELECT part, {LATENCY['latency_p95']} FROM timed JOIN minutes USING (minute) GROUP BY part",
            [start, end, *parameters],
        ).fetchall()

    def quarter_costs(self, query: ReportQuery) -> list[tuple[datetime, int]]:
        """When each quarter of an hour with rows of a query begins (UTC), and what they cost."""
        sql, parameters = condition(query.where)
        start, end = naive(query.start), naive(query.end)
        found = self._connection.execute(
            "SELECT make_timestamp(CAST(quarter AS BIGINT) * 900000000), coalesce(sum(cost), 0) "
            f"FROM {self._relation(start, end)} WHERE time >= ? AND time < ? AND {sql} GROUP BY quarter",
            [start, end, *parameters],
        ).fetchall()
        return [(quarter.replace(tzinfo=UTC), int(cost)) for quarter, cost in found]

    def requests(
        self, query: ReportQuery, dearest_first: bool = False, after: Position | None = None
    ) -> list[RequestRow]:
        """Single requests, newest or dearest first; the newest are looked for in the newest days first.

        `after` continues a list behind its last request.
        """
        if after is not None and after.time < query.end and not dearest_first:
            query = replace(query, end=after.time + timedelta(microseconds=1))
        start, end = naive(query.start), naive(query.end)
        limit = query.limit or 200
        if dearest_first:
            relation = self._relation(start, end)
            return self.told(requests(self._connection, relation, query, True, after))
        hot = replace(query, start=max(query.start, self._mirror.hot_start.replace(tzinfo=UTC)))
        rows = requests(self._connection, self._mirror.hot.table, hot, after=after)
        for day in sorted(self._mirror.closed, reverse=True):
            closed = self._mirror.closed[day]
            if len(rows) >= limit or closed.start + _DAY <= start:
                break
            if closed.start < end and closed.start < self._mirror.hot_start:
                first = closed.start.replace(tzinfo=UTC)
                part = replace(query, start=max(query.start, first), end=min(query.end, first + _DAY))
                rows += requests(self._connection, closed.relation, part, after=after)
        return self.told(rows[:limit])

    def told(self, rows: list[RequestRow]) -> list[RequestRow]:
        """With what people call their teams and users, the rate each model is known by and how its name led there."""
        rows = self._mirror.database.names.named_requests(rows)
        book = self._mirror.database.book
        matches = {pair: book.match(*pair) for pair in {(row.provider, row.model) for row in rows}}
        explained = len(rows) <= _EXPLAINED
        return [
            replace(row, matched_model=match.text, price_parts=parts_of(book, row) if explained else ())
            if (match := matches[row.provider, row.model])
            else row
            for row in rows
        ]

    def caveats(self, query: ReportQuery, totals: Measures) -> Caveats:
        """What keeps the figures of a query, whose `totals` are known, from being plain; in one pass at most."""
        trust = self._mirror.trust(query)
        avoided = (
            "coalesce(sum(input_tokens) FILTER (cache_hit), 0), coalesce(sum(output_tokens) FILTER (cache_hit), 0)"
        )
        if trust is None:
            known = TRUST if self._mirror.told is None else NOTED
            sums = ", ".join(f"coalesce({sql}, 0)" for sql in known.values())
            *counts, tokens_in, tokens_out = self._first(query, f"{sums}, {avoided}")
            told: dict[str, Any] = dict.fromkeys(TRUST) | dict(zip(known, map(int, counts), strict=True))
            trust = TrustSums(**told)
        elif totals.cache_hit_count:
            tokens_in, tokens_out = self._first(query, avoided)
        else:
            tokens_in = tokens_out = 0
        doubts = self._doubts(query) if trust.unrated_count or trust.doubtful_count else []
        return Caveats(trust, doubts, int(tokens_in), int(tokens_out))

    def _doubts(self, query: ReportQuery) -> list[tuple[str, int, list[str]]]:
        """(doubt, requests, models) of the query's requests, but for models without a rate and reported zeros."""
        sql, parameters = condition(query.where)
        start, end = naive(query.start), naive(query.end)
        return self._connection.execute(
            "SELECT told, count(*), list_sort(list(DISTINCT concat_ws(' ', coalesce(model, '(no model)'), CASE told "
            "WHEN 'mode' THEN mode WHEN 'region' THEN region END))) "
            f"FROM (SELECT {TOLD} AS told, model, mode, region FROM {self._relation(start, end)} WHERE time >= ? "
            f"AND time < ? AND {sql}) WHERE told NOT IN ('model', 'zero') GROUP BY told ORDER BY count(*) DESC, told",
            [start, end, *parameters],
        ).fetchall()

    def reported(self, days: Iterable[date]) -> dict[date, int]:
        """What the log itself says was spent on those of `days` that are closed, in pico-dollars."""
        held = [self._mirror.closed[day] for day in days if day in self._mirror.closed]
        return {
            day.day: int(first_row(self._connection, f"SELECT sum(reported_cost) FROM {day.relation}")[0] or 0)
            for day in held
        }

    def _first(self, query: ReportQuery, expressions: str) -> tuple[Any, ...]:
        sql, parameters = condition(query.where)
        start, end = naive(query.start), naive(query.end)
        return first_row(
            self._connection,
            f"SELECT {expressions} FROM {self._relation(start, end)} WHERE time >= ? AND time < ? AND {sql}",
            [start, end, *parameters],
        )
