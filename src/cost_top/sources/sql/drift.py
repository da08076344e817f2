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

_ROLLUPS = ("LiteLLM_DailyGlobalSpend", "LiteLLM_DailyUserSpend")
_COLUMNS = {"date", "model", "spend", "api_requests"}
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
    if not _has_rollups(source):
        raise UserError(
            f"{source.label}: --drift compares LiteLLM's log with its daily rollups; this is no LiteLLM log"
        )
    today = (now or datetime.now(UTC)).date()
    first = today - timedelta(days=days)
    with source.connect() as reader:
        assert isinstance(reader, SqlLogReader)
        usable, rolled = _rolled_by_model(reader, first, today)
        if usable:
            return " and ".join(usable), _compared(_logged(reader, source, first, today), rolled)
    raise UserError(f'{source.label}: no daily rollups that may be read; GRANT SELECT on "{_ROLLUPS[-1]}" to cost_top')


Sums = dict[tuple[str, str], tuple[Decimal, int]]


def rolled_up(reader: SqlLogReader, first: date, last: date) -> Mapping[date, int]:
    """See `KeepsRollups`; empty for a log that is not LiteLLM's."""
    found: dict[date, int] = {}
    if _has_rollups(reader.source):
        for (day, _), (spent, _) in _rolled_by_model(reader, first, last)[1].items():
            moment = date.fromisoformat(day)
            found[moment] = found.get(moment, 0) + pico(spent)
    return found


def _has_rollups(source: SqlLog) -> bool:
    return source.facts.preset == "litellm" and source.database.name == "postgresql"


def _rolled_by_model(reader: SqlLogReader, first: date, last: date) -> tuple[list[str], Sums]:
    """The rollups used and their sums: of each day those of the first that knows it, since one of them is younger."""
    source = reader.source
    found = source.database.tables(reader.session, set(_ROLLUPS))
    usable = [
        table.name
        for name in _ROLLUPS
        for table in found
        if table.name == name and table.schema == source.columns.schema and set(table.columns) >= _COLUMNS
    ]
    used: list[str] = []
    sums, days = Sums(), set[str]()
    for rollup in usable:
        if len(days) == (last - first).days:
            break
        rolled = _rolled(reader, source, rollup, first, last)
        begun = min((day for day, _ in rolled), default="")
        # A rollup that began within the period may have half of its first day; the last of them is the oldest.
        half = begun if rollup != usable[-1] and begun > first.isoformat() else None
        known = {key: figures for key, figures in rolled.items() if key[0] not in days and key[0] != half}
        if known:
            used.append(rollup)
        sums |= known
        days |= {day for day, _ in known}
    return used or usable[-1:], sums


def _rolled(reader: SqlLogReader, source: SqlLog, rollup: str, first: date, today: date) -> Sums:
    return _sums(
        reader,
        f"SELECT date::text AS d, coalesce(model, '')::text AS m, sum(spend)::numeric::text AS s, "
        f"sum(api_requests)::bigint AS n FROM {_qualified(source, rollup)} "
        f"WHERE date >= '{first}' AND date < '{today}' GROUP BY 1, 2",
    )


def _logged(reader: SqlLogReader, source: SqlLog, first: date, today: date) -> Sums:
    return _sums(
        reader,
        "SELECT to_char(\"startTime\", 'YYYY-MM-DD') AS d, coalesce(model, '')::text AS m, "
        "sum(spend)::numeric::text AS s, count(*)::bigint AS n "
        f"FROM {_qualified(source, source.columns.preset.table)} "
        f"WHERE \"startTime\" >= TIMESTAMP '{first}' AND \"startTime\" < TIMESTAMP '{today}' GROUP BY 1, 2",
    )


def _sums(reader: SqlLogReader, sql: str) -> Sums:
    return {
        (day, clean(model)): (Decimal(spend or 0), int(count or 0))
        for day, model, spend, count in reader.session.values(sql)
    }


def _compared(logged: Sums, rolled: Sums) -> tuple[Drift, ...]:
    nothing = (Decimal(0), 0)
    found = []
    for day, model in sorted({*logged, *rolled}, key=lambda key: (key[0], key[1]), reverse=True):
        log, rollup = logged.get((day, model), nothing), rolled.get((day, model), nothing)
        if abs(log[0] - rollup[0]) > _ROUNDING:
            found.append(Drift(day, model, *log, *rollup))
    return tuple(found)


def _qualified(source: SqlLog, table: str) -> str:
    quoted = source.columns.dialect.quoted
    schema = source.columns.schema
    return f"{quoted(schema)}.{quoted(table)}" if schema else quoted(table)
