"""The arithmetic of a listed request's price, part by part."""

from __future__ import annotations

from cost_top.model.request_row import PricePart, RequestRow
from cost_top.pricing.amount import Request
from cost_top.pricing.book import RateBook
from cost_top.pricing.cost import price

_SHARED = tuple(name for name in Request._fields if name in RequestRow.__dataclass_fields__)


def request_of(row: RequestRow) -> Request:
    """What prices a listed request."""
    return Request(**{name: getattr(row, name) for name in _SHARED})


def parts_of(book: RateBook, row: RequestRow) -> tuple[PricePart, ...]:
    """The lines that the request's list price adds up from; none where no rate is known."""
    parts = price(book, request_of(row)).parts
    return tuple(PricePart(part.name, part.tokens, part.rate, part.amount) for part in parts)
