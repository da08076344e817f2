"""LiteLLM's log against its own daily rollups, which are fed apart: what one of them lacks, by day and model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from cost_top.model.errors import UserError
from cost_top.model.money import pico
from cost_top.model.text import clean
from cost_top.sources.sql.log import SqlLog, SqlLogReader
from cost_top.sources.sql.rollups import ROLLUPS, has_rollups, qualified, rolled

# Doubles added in another order differ by less.
_ROUNDING = Decimal("0.000001")


@dataclass(frozen=True, slots=True)
class Drift:
    """One day and model where log and rollup differ. Money in dollars."""

    day: str
    model: str
    log_usd: Decimal
    log_requests: int
    rollup_usd: Decimal
    rollup_requests: int

    @property
    def missing_usd(self) -> Decimal:
        """What the rollup has and the log has not; negative the other way round."""
        return self.rollup_usd - self.log_usd

    @property
    def cause(self) -> str:
        """The likeliest reason, from what LiteLLM is known to do."""
        if self.log_requests == 0:
            return "the log has no rows of it: retention removed them, or disable_spend_logs is on"
        if self.rollup_requests == 0:
            return "the rollup has nothing of it: it was written before the rollups, or they are still to come"
        if self.rollup_requests > self.log_requests:
            return "ids that repeat: LiteLLM keeps one row of a request_id, its rollups count every call"
        if self.rollup_requests < self.log_requests:
            return "calls its rollups leave out, or rollups still to come"
        return "costs that were corrected in one of them"


def drifts(source: SqlLog, days: int = 30, now: datetime | None = None) -> tuple[str, tuple[Drift, ...]]:
    """The rollup compared with, and every day and model that differs, newest first; the running day is left out."""
    if not has_rollups(source):
        raise UserError(
            f"{source.label}: --drift compares LiteLLM's log with its daily rollups; this is no LiteLLM log"
        )
    today = (now or datetime.now(UTC)).date()
    first = today - timedelta(days=days)
    with source.connect() as reader:
        assert isinstance(reader, SqlLogReader)
        usable, sums = rolled(reader, first, today)
        if usable:
            found = {key: (each.usd, each.requests) for key, each in sums.items()}
            return " and ".join(usable), _compared(_logged(reader, source, first, today), found)
    raise UserError(f'{source.label}: no daily rollups that may be read; GRANT SELECT on "{ROLLUPS[-1]}" to cost_top')


Sums = dict[tuple[str, str], tuple[Decimal, int]]


def rolled_up(reader: SqlLogReader, first: date, last: date) -> Mapping[date, int]:
    """See `KeepsRollups`; empty for a log that is not LiteLLM's."""
    found: dict[date, int] = {}
    if has_rollups(reader.source):
        for (day, _), each in rolled(reader, first, last)[1].items():
            moment = date.fromisoformat(day)
            found[moment] = found.get(moment, 0) + pico(each.usd)
    return found


def _logged(reader: SqlLogReader, source: SqlLog, first: date, today: date) -> Sums:
    rows = reader.session.values(
        "SELECT to_char(\"startTime\", 'YYYY-MM-DD') AS d, coalesce(model, '')::text AS m, "
        "sum(spend)::numeric::text AS s, count(*)::bigint AS n "
        f"FROM {qualified(source, source.columns.preset.table)} "
        f"WHERE \"startTime\" >= TIMESTAMP '{first}' AND \"startTime\" < TIMESTAMP '{today}' GROUP BY 1, 2"
    )
    return {(day, clean(model)): (Decimal(spend or 0), int(count or 0)) for day, model, spend, count in rows}


def _compared(logged: Sums, rolled_up: Sums) -> tuple[Drift, ...]:
    nothing = (Decimal(0), 0)
    found = []
    for day, model in sorted({*logged, *rolled_up}, key=lambda key: (key[0], key[1]), reverse=True):
        log, rollup = logged.get((day, model), nothing), rolled_up.get((day, model), nothing)
        if abs(log[0] - rollup[0]) > _ROUNDING:
            found.append(Drift(day, model, *log, *rollup))
    return tuple(found)
