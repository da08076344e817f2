"""Incidents and budgets as a screen lists them, read from their JSON: the same of a log here and of a server."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeVar

from cost_top.model.dimensions import none_text
from cost_top.model.errors import SourceError
from cost_top.model.money import pico

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class IncidentRow:
    """One incident. Money in pico-dollars; `closed` None: it is open. `value` None with dimension `total`."""

    id: str
    kind: str
    dimension: str
    value: str | None
    name: str | None
    started: datetime
    opened: datetime
    closed: datetime | None
    excess: int
    peak_per_hour: int
    sentence: str
    drivers: tuple[tuple[str, str | None], ...] = ()  # (dimension, value), the one that explains most first
    last_hour: int | None = None  # what its slice spent, where that is told


@dataclass(frozen=True, slots=True)
class BudgetRow:
    """One budget, or one value of its `each`. Money in pico-dollars; `spent` None: not known, `error` says why.

    `used_up_at` is at the usual pace, `used_up_now_at` at that of the last hour. `is_kept`: by the gateway itself.
    """

    title: str
    limit: int
    spent: int | None
    unpriced: int
    resets_at: datetime | None
    forecast: int | None
    used_up_at: datetime | None
    used_up_now_at: datetime | None
    is_hard: bool
    is_kept: bool
    period: str
    burning: str
    error: str
    falls_out: int | None = None  # of a rolling one: what leaves its window, and by when
    falls_out_by: datetime | None = None
    raised: int = 0  # of the limit so much is there only until `raised_until`
    raised_until: datetime | None = None
    guard_asked: bool | None = None  # whether a gateway asks the guard of the server that told it; None: none told it

    @property
    def left(self) -> int | None:
        """What is left; negative when more was spent."""
        return None if self.spent is None else self.limit - self.spent


def incident_rows(told: Iterable[Any]) -> tuple[IncidentRow, ...]:
    """Of `insight.replay.incidents_json`: open ones, dearest first, then the newest; `SourceError` for what is none."""
    rows = _read(told, "incident", _incident)
    still = [row for row in rows if row.closed is None]
    over = [row for row in rows if row.closed is not None]
    still.sort(key=lambda row: row.excess, reverse=True)
    # Of one leak seen as a key's, a user's and an endpoint's the key is the one to act on.
    same = [row for row in still if row.excess * 20 >= still[0].excess * 19 and row.dimension == "token"]
    still.sort(key=lambda row: row is not next(iter(same), None))
    return (*still, *sorted(over, key=lambda row: row.opened, reverse=True))


def budget_rows(
    told: Iterable[Any], missing: Iterable[Any] = (), guard_asked: bool | None = None
) -> tuple[BudgetRow, ...]:  # fmt: skip
    """Budgets from `model.budget_json`; `SourceError` for what is none. Those nearest their end first.

    `missing` are lines on budgets that could not be read: each is a row at the end, not known and with that reason.
    `guard_asked` is what a server tells of its guard.
    """
    rows = [replace(row, guard_asked=guard_asked) for row in _read(told, "budget", _budget)]
    rows.sort(key=lambda row: (row.spent is not None, (row.spent or 0) / max(1, row.limit)), reverse=True)
    return (*rows, *_read(missing, "budget", _missing))


def _read(told: Iterable[Any], what: str, read: Callable[[Mapping[str, Any]], Row]) -> list[Row]:
    try:
        return [read(one) for one in told]
    except (KeyError, TypeError, ValueError, ArithmeticError, AttributeError) as error:
        raise SourceError(f"not understood: what the source tells of a {what} ({type(error).__name__})") from None


def _incident(told: Mapping[str, Any]) -> IncidentRow:
    return IncidentRow(
        _text(told["id"]), _text(told["kind"]), _text(told["dimension"]), _optional(told["value"]),
        _optional(told["name"]), _instant(told["started"]), _instant(told["opened"]), _moment(told["closed"]),
        pico(told["excess_usd"]), pico(told["peak_usd_per_hour"]), _text(told["sentence"]),
        tuple((_text(one["dimension"]), _optional(one["value"])) for one in told.get("drivers", ())),
        _money(told.get("last_hour_usd")),
    )  # fmt: skip


def _budget(told: Mapping[str, Any]) -> BudgetRow:
    value = _optional(told["value_name"]) or _optional(told["value"])
    kept, each = "kept_by" in told, _optional(told["each"])
    name = _text(told["name"])
    title = name if kept or each is None else f"{name} · {value if value is not None else none_text(each)}"
    return BudgetRow(
        title, pico(told["limit_usd"]), _money(told["spent_usd"]), int(told.get("unpriced_requests", 0)),
        _moment(told["resets_at"]), _money(told.get("forecast_usd")), _moment(told.get("used_up_at")),
        _moment(told.get("used_up_at_present_pace")), told.get("mode", "hard") == "hard", kept,
        _optional(told["period"]) or "", _optional(told.get("burning")) or "", _optional(told.get("error")) or "",
        _money(told.get("falls_out_usd")), _moment(told.get("falls_out_by")),
        _money(told.get("raised_usd")) or 0, _moment(told.get("raised_until")),
    )  # fmt: skip


def _missing(reason: Any) -> BudgetRow:
    return BudgetRow("the gateway's own", 0, None, 0, None, None, None, None, False, True, "", "", _text(reason))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _optional(value: Any) -> str | None:
    return None if value is None else _text(value)


def _money(value: Any) -> int | None:
    return None if value is None else pico(value)


def _instant(value: Any) -> datetime:
    moment = datetime.fromisoformat(_text(value))
    if moment.tzinfo is None:
        raise ValueError
    return moment


def _moment(value: Any) -> datetime | None:
    return None if value is None else _instant(value)
