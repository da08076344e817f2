"""The waste of the period that was asked about last: it is looked for once while the period's rows stay as they are."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from cost_top.mirror.report import MOST_ROWS, TIES, from_place, naive, order_of_requests, requests
from cost_top.mirror.schema import first_row
from cost_top.mirror.waste import BEHIND, waste
from cost_top.mirror.where import condition
from cost_top.model.engine import Position
from cost_top.model.filter import Filter
from cost_top.model.query import ReportQuery
from cost_top.model.request_row import RequestRow
from cost_top.model.waste import Waste

if TYPE_CHECKING:
    import duckdb

    from cost_top.mirror.store import Mirror

_MOST_HELD = 1_000_000  # (line, id, time, cost): more are looked for each time
_INSTANT = timedelta(microseconds=1)
_Asked = tuple[datetime, datetime, Filter, datetime, int]


class Wasted:
    """Looks for the waste of a mirror's periods, on its thread, and holds that of one."""

    def __init__(self, mirror: Mirror) -> None:
        """Nothing is looked for yet."""
        self._mirror = mirror
        self._held: tuple[_Asked, Waste] | None = None  # where it is, `BEHIND` is of the same

    @property
    def _connection(self) -> duckdb.DuckDBPyConnection:
        return self._mirror.database.connection

    def changed(self, first: datetime, last: datetime) -> None:
        """Rows from `first` to `last` (naive UTC) came, went or are others."""
        if self._held is not None:
            start, end, *_ = self._held[0]
            if first < end and last >= start:
                self._forget()

    def waste(self, query: ReportQuery) -> Waste:
        """As `waste.waste` tells it."""
        with self._found(query) as found:
            return found

    def requests(self, query: ReportQuery, lines: Collection[str], after: Position | None) -> list[RequestRow]:
        """The requests behind some of `LINES`, at most `query.limit`, as `report.requests` tells requests.

        The dearest come first where `query.sort` is "cost".
        """
        dearest_first = query.sort == "cost"
        with self._found(query):
            try:
                self._read_page(query, lines, dearest_first, after)
                return requests(self._connection, "waste_page", query, dearest_first, after)
            finally:
                self._connection.execute("DROP TABLE IF EXISTS waste_page; DROP TABLE IF EXISTS waste_keys")

    def _read_page(
        self, query: ReportQuery, lines: Collection[str], dearest_first: bool, after: Position | None
    ) -> None:
        """Make `waste_page` of every request that may stand on a page: no more rows are read than can."""
        place, of_place = ("TRUE", list[object]()) if after is None else from_place(after, dearest_first)
        most = min((query.limit or MOST_ROWS) + (after.told if after is not None else 0), MOST_ROWS)
        # All that share the place of one: their order among themselves is told by other columns.
        self._connection.execute(
            f"CREATE OR REPLACE TEMP TABLE waste_keys AS WITH places AS (SELECT time, id FROM {BEHIND} "
            f"WHERE list_contains(?, line) AND {place} ORDER BY {order_of_requests(dearest_first, 'id')} LIMIT {most}) "
            "SELECT b.id AS its_id, b.time AS its_time, b.cost AS its_cost, b.counted AS is_counted, "
            f"sum(b.many) AS many FROM {BEHIND} b SEMI JOIN places p ON b.time = p.time AND b.id = p.id "
            "WHERE list_contains(?, line) GROUP BY ALL",
            [list(lines), *of_place, list(lines)],
        )
        first, last = first_row(self._connection, "SELECT min(its_time), max(its_time) FROM waste_keys")
        if first is None:
            first = last = naive(query.start)
        matches, parameters = condition(query.where)
        # Where nothing is unique, of rows that are alike as many are listed as stand in the line.
        self._connection.execute(
            "CREATE OR REPLACE TEMP TABLE waste_page AS WITH rows AS "
            f"(SELECT * FROM {self._mirror.relation(first, last + _INSTANT)} "
            f"WHERE time >= ? AND time <= ? AND {matches}) "
            "SELECT rows.* FROM rows JOIN waste_keys ON id = its_id AND time = its_time "
            "AND cost IS NOT DISTINCT FROM its_cost AND (counted IS NOT FALSE) = is_counted "
            "QUALIFY row_number() OVER (PARTITION BY id, time, cost, counted IS NOT FALSE "
            f"ORDER BY {TIES}) <= many",
            [first, last, *parameters],
        )

    @contextmanager
    def _found(self, query: ReportQuery) -> Iterator[Waste]:
        """Inside the block `BEHIND` is of the query's requests."""
        start, end = naive(query.start), naive(query.end)
        asked = (start, end, query.where, self._mirror.hot_start, self._mirror.database.names.version)
        if self._held is None or self._held[0] != asked:
            self._forget()
            relation = self._mirror.relation(start, end)
            self._held = asked, waste(self._connection, relation, query, self._mirror.database.book)
        try:
            yield self._held[1]
        finally:
            if first_row(self._connection, f"SELECT count(*) FROM {BEHIND}")[0] > _MOST_HELD:
                self._forget()

    def _forget(self) -> None:
        self._held = None
        self._connection.execute(f"DROP TABLE IF EXISTS {BEHIND}")
