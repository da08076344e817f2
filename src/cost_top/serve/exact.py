"""Exact JSON: money as decimal numbers in USD, never by way of a float; what is unknown is null or left out."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

import simplejson  # type: ignore[import-untyped]
from starlette.responses import Response

from cost_top.model.money import usd_text
from cost_top.model.query import MEASURES, MONEY_MEASURES, Measures


def usd(amount: int | None) -> Any:
    """Pico-dollars as a JSON number in USD, all digits and no exponent; None stays None."""
    return None if amount is None else simplejson.RawJSON(usd_text(amount))


def moment(instant: datetime | None) -> str | None:
    """An instant in ISO 8601 with its offset."""
    return None if instant is None else instant.isoformat()


def dumps(value: object) -> bytes:
    """A value of dicts, lists, texts, integers and `usd` amounts as UTF-8 JSON."""
    text: str = simplejson.dumps(
        value, use_decimal=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False, ignore_nan=False
    )
    return text.encode("utf-8", "replace")


def measure_fields(measures: Measures, names: Collection[str] = MEASURES) -> dict[str, object]:
    """Those of the measures `names` that are known, by name, in the documented order.

    >>> from cost_top.model.query import known_measures
    >>> dumps(measure_fields(known_measures(52_590_000_000, request_count=2)))
    b'{"total_cost":0.05259,"request_count":2,"unpriced_count":0}'
    """
    fields: dict[str, object] = {}
    for name in MEASURES:
        value = getattr(measures, name)
        if value is not None and name in names:
            fields[name] = usd(value) if name in MONEY_MEASURES else value
    return fields


class ExactResponse(Response):
    """A JSON answer whose money is exact."""

    media_type = "application/json"

    def render(self, content: object) -> bytes:
        """The body."""
        return dumps(content)
