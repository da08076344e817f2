"""Reports and requests as a cost-top server spells them: parameters out, exact figures in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from typing import Any, cast
from zoneinfo import ZoneInfo

from cost_top.model.engine import Position
from cost_top.model.errors import UserError
from cost_top.model.money import pico
from cost_top.model.query import (
    AMOUNTS,
    MEASURES,
    MONEY_MEASURES,
    Measures,
    Report,
    ReportQuery,
    ReportRow,
    key_columns,
    known_measures,
    order_rows,
)
from cost_top.model.request_fields import MONEY_FIELDS
from cost_top.model.request_row import RequestRow
from cost_top.model.waste import LINES, Waste, WasteLine
from cost_top.model.wire_codec import decode, decode_list

MOST_ROWS = 10_000
_NOTES = 100
_SPELLED = {"token_name": "api_key_name"}


def zone_text(zone: tzinfo) -> str:
    """The zone's IANA name, which is all that a server knows of it; `UserError` without one."""
    if zone is UTC:
        return "UTC"
    if isinstance(zone, ZoneInfo) and zone.key:
        return zone.key
    raise UserError("this machine's time zone has no name a server would know: give one with --tz, as Europe/Berlin")


def report_parameters(query: ReportQuery) -> dict[str, str]:
    """The parameters of `GET /v1/report` for a query."""
    asked = period_parameters(query)
    if query.latency:
        asked["measures"] = ",".join(MEASURES)
    if not query.group_by:
        return {**asked, "group_by": "credential_type"}  # for its totals
    limit = min(query.limit or MOST_ROWS, MOST_ROWS) if in_server_order(query) else MOST_ROWS
    named = (_SPELLED.get(name, name) for name in query.group_by)
    return {**asked, "group_by": ",".join(named), "sort": query.order[0], "limit": str(limit)}


def period_parameters(query: ReportQuery) -> dict[str, str]:
    """The period, the zone and the filter of a query as parameters."""
    asked = {
        "since": query.start.astimezone(UTC).isoformat(timespec="microseconds"),
        "until": query.end.astimezone(UTC).isoformat(timespec="microseconds"),
        "tz": zone_text(query.zone),
    }
    return {**asked, "where": str(query.where)} if query.where else asked


def in_server_order(query: ReportQuery) -> bool:
    """A server puts measures largest first, and names in their order."""
    sort, descending = query.order
    return descending == (sort in AMOUNTS)


def read_report(value: Mapping[str, Any], query: ReportQuery) -> Report:
    """The answer to `GET /v1/report`, in the query's order; `ValueError` says what is malformed."""
    totals = _measures(value.get("totals"), "totals")
    as_of = decode(datetime, value.get("as_of"), "as_of")
    notes = tuple(decode(str, note, "notes") for note in decode_list(value.get("notes", ()))[:_NOTES])
    if not query.group_by:
        return Report((), (ReportRow((), totals),), totals, 1, as_of, notes)
    columns = key_columns(query.group_by)
    measured = [(row, _measures(row, "results")) for row in decode_list(value.get("results"))]
    rows = [ReportRow(tuple(_key(row, name) for name in columns), measures) for row, measures in measured]
    ordered = order_rows(rows, columns, query.sort, query.descending)
    return Report(columns, ordered, totals, decode(int, value.get("row_count"), "row_count"), as_of, notes)


def read_waste(value: Mapping[str, Any]) -> Waste:
    """The answer to `GET /v1/waste`; `ValueError` says what is malformed."""
    told = {}
    for row in decode_list(value.get("results")):
        if not isinstance(row, dict):
            raise ValueError("a line of waste is no object")
        name, counts = row.get("waste"), (row.get("request_count"), row.get("unpriced_count"))
        told[name] = WasteLine(str(name), _amount(row.get("cost"), "cost"), *(decode(int, n, "count") for n in counts))
    if missing := [name for name in LINES if name not in told]:
        raise ValueError(f"results: {missing[0]} is missing")
    return Waste(tuple(told[name] for name in LINES), decode(bool, value.get("cut_off_known"), "cut_off_known"))


def cut(report: Report, limit: int | None) -> Report:
    """The first rows of a report, which its notes then say."""
    if limit is None or len(report.rows) <= limit:
        return report
    note = f"{limit} of {report.row_count} rows shown; totals are of all"
    return replace(report, rows=report.rows[:limit], notes=(*report.notes, note))


def _key(row: Mapping[str, Any], column: str) -> str | None:
    value = row.get(column, row.get(_SPELLED.get(column, column)))
    text: str | None = decode(str | None, value, column)
    if column == "hour" and text is not None and len(text) == len("2026-11-01T00"):
        return f"{text}:00:00+00:00"  # in UTC a server spells an hour without its offset
    return text


def _measures(row: Any, place: str) -> Measures:
    """The measures of a row: what it does not tell is unknown, but a row without a cost is none."""
    if not isinstance(row, dict) or "total_cost" not in row:
        raise ValueError(f"{place}: total_cost is missing")
    known = {
        name: _amount(row[name], name) if name in MONEY_MEASURES else decode(int, row[name], name)
        for name in MEASURES
        if name in row
    }
    return known_measures(**known)


def _amount(value: Any, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise ValueError(f"{name}: not an amount of money")
    return cast(int, decode(int, pico(value), name))


def request_row(value: Any) -> RequestRow:
    """A row of `GET /v1/requests`; `ValueError` says what is malformed."""
    if not isinstance(value, dict):
        raise ValueError("a request is no object")
    money = {name: _amount(value[name], name) for name in MONEY_FIELDS if value.get(name) is not None}
    return cast(RequestRow, decode(RequestRow, {**value, **money}))


def written_amount(value: Any, name: str) -> int | None:
    """An amount that is written as text, as in `GET /v1/credits`; None without one."""
    if value is None:
        return None
    if not isinstance(value, str) or len(value) > 40:
        raise ValueError(f"{name}: not an amount of money")
    return pico(value)


class Told:
    """What comes before a place in the list of requests, looked through from its instant on, newest first."""

    def __init__(self, place: Position) -> None:
        self._place, self._left = place, place.told

    def follows(self, row: RequestRow) -> bool:
        """Whether the next row comes after the place."""
        if (row.time, row.id) == (self._place.time, self._place.id):
            self._left -= 1
            return self._left < 0
        return row.time < self._place.time or row.id > self._place.id
