"""The price of one request as a document for programs: what `cost-top price --format json` prints."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from cost_top.model.doubts import words
from cost_top.pricing.amount import Request
from cost_top.pricing.batch import usd
from cost_top.pricing.book import RateBook
from cost_top.pricing.cost import Priced


def price_document(book: RateBook, request: Request, priced: Priced) -> dict[str, Any]:
    """Amounts as exact text in USD and as integer pico-dollars; None is unknown."""
    amounts = {
        "cost": priced.cost,
        "market_cost": priced.market_cost,
        "saved_by_cache": priced.saved_by_cache,
        "prompt_cache_savings": priced.prompt_cache_savings,
    }
    match = priced.match
    return {
        "status": priced.status,
        "doubt": priced.doubt and words(priced.doubt),
        **{f"{name}_usd": None if value is None else usd(value) for name, value in amounts.items()},
        **{f"{name}_pico_usd": value for name, value in amounts.items()},
        "parts": [
            {
                "part": part.name,
                "tokens": part.tokens,
                "usd_per_million": per_million(part.rate),
                "usd": None if part.rate is None else usd(part.amount),
            }
            for part in priced.parts
        ],
        "at": request.time.isoformat() if request.time else None,
        "mode": request.mode,
        "region": request.region,
        "matched_model": match.id if match else None,
        "matched_how": match.text if match else None,
        "rate_source": priced.rate_source or None,
        "rates_date": book.date.isoformat(),
        "rates_version": book.version,
    }


def per_million(rate: int | None) -> str | None:
    """A rate as it is usually written: pico-USD per token are micro-USD per million. None is unknown.

    >>> per_million(3_000_000), per_million(25_000)
    ('3', '0.025')
    """
    if rate is None:
        return None
    text = f"{Decimal(rate).scaleb(-6):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
