"""The ledger of credits as a cost-top server spells it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from cost_top.model.ledger import LedgerEntry, LedgerQuery, LedgerSum, LedgerTold
from cost_top.model.wire_codec import decode, decode_list
from cost_top.sources.cost_top.rows import written_amount

_NOTES = 20


def ledger_parameters(query: LedgerQuery) -> dict[str, str]:
    """The parameters of `GET /v1/ledger` for a query."""
    asked = {"limit": str(max(1, query.newest))}
    for name, moment in (("since", query.start), ("until", query.end)):
        if moment is not None:
            asked[name] = moment.astimezone(UTC).isoformat(timespec="microseconds")
    return {**asked, "where": str(query.where)} if query.where else asked


def read_ledger(value: Mapping[str, Any]) -> LedgerTold:
    """The answer to it; `ValueError` says what is malformed."""
    held = value.get("reconciliation")
    return LedgerTold(
        written_amount(value.get("balance_usd"), "balance_usd"),
        tuple(map(_sum, decode_list(value.get("sums")))),
        tuple(map(_entry, decode_list(value.get("entries")))),
        _moment(value, "used_up_at"),
        _moment(value, "used_up_at_present_pace"),
        _text(held, "line") if isinstance(held, dict) else None,
        tuple(decode(str, note, "notes") for note in decode_list(value.get("notes", ()))[:_NOTES]),
    )


def _sum(one: object) -> LedgerSum:
    told = _object(one)
    return LedgerSum(_text(told, "kind"), int(decode(int, told.get("entries"), "entries")), _amount(told))


def _entry(one: object) -> LedgerEntry:
    told = _object(one)
    time: datetime = decode(datetime, told.get("time"), "time")
    balance = written_amount(told.get("balance_usd"), "balance_usd")
    return LedgerEntry(_text(told, "id"), time, _text(told, "kind"), _amount(told), balance, _known(told, "token"),
                       _known(told, "note"))  # fmt: skip


def _object(one: object) -> dict[str, Any]:
    if not isinstance(one, dict):
        raise ValueError("an entry is no object")
    return one


def _text(one: Mapping[str, Any], name: str) -> str:
    return str(decode(str, one.get(name), name))


def _known(one: Mapping[str, Any], name: str) -> str | None:
    return None if one.get(name) is None else _text(one, name)


def _moment(one: Mapping[str, Any], name: str) -> datetime | None:
    found: datetime | None = decode(datetime, one[name], name) if one.get(name) is not None else None
    return found


def _amount(one: Mapping[str, Any]) -> int:
    amount = written_amount(one.get("amount_usd"), "amount_usd")
    if amount is None:
        raise ValueError("amount_usd is missing")
    return amount
