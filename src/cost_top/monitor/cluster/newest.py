"""The newest rows of a log in ClickHouse, read once a look and summed here.

To take a statement apart that prices and sums takes the server longer than the few rows of the last hour are worth.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from cost_top.mirror.measures import TRUST, row_sums
from cost_top.mirror.where import condition
from cost_top.model.filter import Filter
from cost_top.monitor.cluster.cluster import Cluster
from cost_top.monitor.cluster.pieces import QUARTER, Piece
from cost_top.monitor.cluster.statements import BARS, instant_of, micros_of

# More than these are summed by the cluster.
MOST = 20_000
# So few, so many seconds ago at most, are not counted before they are read.
_FEW_SHARE, _LATELY = 0.75, 60.0
# The burn rate needs an hour, by the minute.
_BACK = timedelta(minutes=62)
_TRUSTED = ", ".join(f"coalesce({sql}, 0) AS trust_{name}" for name, sql in TRUST.items() if name != "with_tag")
_US = "epoch_us(time)"


class NewestRows:
    """Used on the cluster's thread. Sums have the columns of the cluster's own statements."""

    def __init__(self, cluster: Cluster, most: int = MOST) -> None:
        self._cluster, self._most = cluster, most
        self._since = 0
        self._is_here: bool | None = None  # None: not looked for yet
        self._few_at: float | None = None  # when they were few (monotonic seconds)

    def tick(self, now: datetime, hot: int) -> None:
        """From now on the rows are to be read anew: from `hot` (microseconds) on, and an hour at least."""
        self._since = min(hot, micros_of(now - _BACK))
        self._is_here = None

    def cover(self, start: int) -> bool:
        """Whether all rows from `start` (microseconds) on are here; reads them where they are few."""
        if start < self._since:
            return False
        if self._is_here is None:
            self._is_here = self._read()
        return self._is_here

    def _read(self) -> bool:
        cluster, since, began = self._cluster, instant_of(self._since), time.monotonic()
        known = self._few_at is not None and began - self._few_at <= _LATELY
        if not known and cluster.ask(cluster.log.statements.count([(since, None)]))[0][0] > self._most:
            return False
        self._few_at = None
        local, reader = cluster.local, cluster.reader
        with local.ingested(local.connection, reader, reader.rows(since, None, True)) as relation:
            made = local.connection.execute(f"CREATE OR REPLACE TEMP TABLE newest_rows AS SELECT * FROM {relation}")
            count = made.fetchall()[0][0]
        self._few_at = began if count < _FEW_SHARE * self._most else None
        return True

    def lenses(self, where: Filter, pieces: Sequence[Piece], lenses: Sequence[str], trust: bool) -> list[list[Any]]:
        """As `Statements.lenses`: the sums of each piece by each lens; its keys are as they are shown."""
        sums = f"{row_sums()}, {_TRUSTED}" if trust else row_sums()
        inside = " OR ".join(
            f"({_US} >= {piece.start}{'' if piece.end is None else f' AND {_US} < {piece.end}'})" for piece in pieces
        )
        keys = {f"k{number}": lens for number, lens in enumerate(lenses)}
        groups = [f"(piece, {key}{', quarter' if lens == BARS else ''})" for key, lens in keys.items()]
        quarter = "quarter" if BARS in lenses else "0"
        rows = self._rows(
            f"SELECT grouping({', '.join(keys)}), coalesce({', '.join(keys)}), {quarter}, piece, max({_US}), "
            f"coalesce(max({_US}) FILTER (token_name IS NOT NULL), 0), arg_max(token_name, time), {sums} "
            f"FROM {{rows}} GROUP BY GROUPING SETS ({', '.join(groups)})",
            where, inside, [piece.start for piece in pieces],
            [*(f"{_key(lens)} AS {key}" for key, lens in keys.items()), f"{_US} // {QUARTER} AS quarter"],
        )  # fmt: skip
        # A bit for each key, the first one's the highest; only that of the row's own lens is not set.
        every = (1 << len(keys)) - 1
        return [[len(keys) - (every - bits).bit_length(), value, at or 0, *rest] for bits, value, at, *rest in rows]

    def minutes(self, where: Filter, start: int, end: int, edges: Sequence[int]) -> list[list[Any]]:
        """As `Statements.minutes`, of the rows of `[start, end)`."""
        return self._rows(
            f"SELECT grouping(piece), piece, {row_sums(latency=True)} FROM {{rows}} "
            "GROUP BY GROUPING SETS ((), (piece))",
            where, f"{_US} >= {start} AND {_US} < {end}", edges,
        )  # fmt: skip

    def _rows(
        self, sql: str, where: Filter, inside: str, edges: Sequence[int], keys: Sequence[str] = ()
    ) -> list[list[Any]]:  # fmt: skip
        """What `sql` tells of the `rows` that match; `piece` and the `keys` are columns of theirs."""
        matching, parameters = condition(where)
        arms = " ".join(f"WHEN {_US} >= {edge} THEN {edge}" for edge in sorted(edges, reverse=True))
        columns = ", ".join(["*", f"CASE {arms} ELSE {min(edges)} END AS piece", *keys])
        rows = f"(SELECT {columns} FROM newest_rows WHERE ({inside}) AND {matching})"
        connection = self._cluster.local.connection
        return [list(row) for row in connection.execute(sql.format(rows=rows), parameters).fetchall()]


def _key(lens: str) -> str:
    if lens == "tag":
        return "CASE WHEN len(tags) > 0 THEN CAST(to_json(tags) AS VARCHAR) ELSE '' END"
    return f'CAST("{"provider" if lens == BARS else lens}" AS VARCHAR)'
