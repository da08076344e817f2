"""The bars of days that are over, as the gateway's own daily sums tell them: of a log that is too large to sum."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta

from cost_top.model.errors import SourceError
from cost_top.model.money import pico
from cost_top.model.notes import Note
from cost_top.model.query import added
from cost_top.model.windows import Period
from cost_top.monitor.cluster.cluster import Cluster
from cost_top.monitor.cluster.pieces import DAY, Piece
from cost_top.monitor.cluster.statements import instant_of, micros_of
from cost_top.monitor.drift import differing, within
from cost_top.sources.sql.rollups import RolledUp, has_rollups, rolled

ROLLUP = Note("rollup", "rollup")
_LOOKED_AGAIN = 900.0  # seconds
_LATE = timedelta(minutes=15)  # LiteLLM adds requests to its sums some time after it logs them
# By provider what a bar shows, by the names of the measures; None is not known.
Bar = Mapping[str | None, Mapping[str, int | None]]


class Rollups:
    """Used on the cluster's thread."""

    def __init__(self, cluster: Cluster) -> None:
        """The log may be one whose gateway sums nothing."""
        self._cluster = cluster
        self._days: dict[date, dict[str | None, dict[str, int | None]]] = {}
        self._first: date | None = None  # from when on they are known
        self._due = 0.0  # monotonic seconds

    def look(self, start: datetime) -> None:
        """Read the sums of the days from then on, where they are not known or old."""
        first, until = start.astimezone(UTC).date(), (datetime.now(UTC) - _LATE).date()
        if first >= until or not has_rollups(self._cluster.log):
            return
        if time.monotonic() < self._due and self._first is not None and self._first <= first:
            return
        self._first = min(first, self._first or first)
        self._due = time.monotonic() + _LOOKED_AGAIN
        try:
            _, sums = rolled(self._cluster.reader, self._first, until, "custom_llm_provider")
        except SourceError:
            self._days = {}
            return  # the log itself tells them
        self._days = {}
        for (day, provider), each in sums.items():
            shown = self._cluster.texts.shown("provider", provider or None)
            bar = self._days.setdefault(date.fromisoformat(day), {})
            bar[shown] = _plus(bar.get(shown), _figures(each))

    def days(self, pieces: Sequence[Piece], edges: Sequence[datetime]) -> Mapping[Piece, Bar]:
        """Those of some pieces that are told; a day of which there is no sum is the log's to tell."""
        return {
            piece: self._days[day] for piece, day in self._whole(pieces, edges).items() if self._days.get(day)
        }  # fmt: skip

    def drift(self, reported: Callable[[Piece], int | None], period: Period, oldest: datetime) -> tuple[int, int]:
        """See `monitor.drift.within`; `reported` is what the log says was spent in a piece, None unknown."""
        told = {day: sum(bar["total_cost"] or 0 for bar in bars.values()) for day, bars in self._days.items()}
        logged = {day: cost for day in told if (cost := reported(_piece(day))) is not None}
        return within(differing(told, logged, oldest.date()), period)

    def _whole(self, pieces: Sequence[Piece], edges: Sequence[datetime]) -> dict[Piece, date]:
        """The pieces that are whole days (UTC) within a bar each."""
        if not has_rollups(self._cluster.log):
            return {}
        cuts = [micros_of(edge) for edge in edges]
        return {
            piece: instant_of(piece.start).date()
            for piece in pieces
            if piece.end == piece.start + DAY
            and piece.start % DAY == 0
            and not any(piece.start < cut < piece.end for cut in cuts)
        }


def _piece(day: date) -> Piece:
    start = micros_of(datetime(day.year, day.month, day.day, tzinfo=UTC))
    return Piece(start, start + DAY)


def _figures(told: RolledUp) -> dict[str, int | None]:
    return {
        "total_cost": pico(told.usd),
        "request_count": told.requests,
        "saved_by_cache": None,
        "unpriced_count": 0,
        "input_tokens": told.input_tokens,
        "output_tokens": told.output_tokens,
        "error_count": told.failed,
    }


def _plus(first: Mapping[str, int | None] | None, second: dict[str, int | None]) -> dict[str, int | None]:
    return second if first is None else {name: added((first[name], second[name])) for name in second}
