"""FOCUS, the FinOps exchange format: requests as charges by hour, model, key, endpoint and kind of token.

Columns are those of FOCUS 1.2 with the two that 1.3 puts in the place of the provider's; 1.3 leaves the deprecated ones
out. `ListCost = ListUnitPrice × PricingQuantity` holds exactly, for a charge has one rate. What was paid for a request
is known as a whole: it is split over its kinds of tokens in proportion to their list prices, the rest to output. One
whose rate is not known has no unit price, so no pricing quantity either; what was consumed is then requests.
Source: focus.finops.org, Cost and Usage dataset.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cost_top.model.money import usd_text
from cost_top.model.request_row import PricePart, RequestRow

VERSIONS = ("1.2", "1.3")
_DEPRECATED = ("ProviderName", "PublisherName")
_COLUMNS = (
    "BilledCost", "BillingAccountId", "BillingAccountName", "BillingCurrency", "BillingPeriodEnd", "BillingPeriodStart",
    "ChargeCategory", "ChargeClass", "ChargeDescription", "ChargeFrequency", "ChargePeriodEnd", "ChargePeriodStart",
    "ConsumedQuantity", "ConsumedUnit", "ContractedCost", "EffectiveCost", "HostProviderName", "InvoiceIssuerName",
    "ListCost", "ListUnitPrice", "PricingCategory", "PricingQuantity", "PricingUnit", "ProviderName", "PublisherName",
    "RegionId", "ResourceId", "ResourceName", "ResourceType", "ServiceCategory", "ServiceName", "ServiceProviderName",
    "ServiceSubcategory", "SkuId", "SkuMeter", "SkuPriceDetails", "SkuPriceId", "SubAccountId", "SubAccountName",
    "SubAccountType", "Tags", "x_ConsumedTokens", "x_CostSource", "x_CostTopMode", "x_CostTopOwner",
    "x_CostTopRequests", "x_CostTopTeam",
)  # fmt: skip
# Meter, direction, and what is done with the cache, by the name of a part of a price.
_METERS = {
    "input": ("Input", "Input", None),
    "cached input": ("Input Cache Read", "Input", "Read"),
    "cache creation": ("Input Cache Write", "Input", "Write"),
    "cache creation 1h": ("Input Cache Write 1h", "Input", "Write"),
    "output": ("Output", "Output", None),
    "reasoning": ("Output Reasoning", "Output", None),
    "audio input": ("Audio Input", "Input", None),
    "cached audio input": ("Audio Input Cache Read", "Input", "Read"),
    "audio output": ("Audio Output", "Output", None),
    "image output": ("Image Output", "Output", None),
    "web search": ("Web Search", None, None),
    "request": ("Request", None, None),
}
_UNITS = {"web search": "Searches", "request": "Requests"}
_HOUR = timedelta(hours=1)


def columns_of(version: str) -> tuple[str, ...]:
    """The columns of a version, in their order."""
    return _COLUMNS if version == "1.2" else tuple(name for name in _COLUMNS if name not in _DEPRECATED)


@dataclass(frozen=True, slots=True)
class _Key:
    hour: datetime
    provider: str | None
    model: str | None
    token: str | None
    token_name: str | None
    endpoint: str | None
    team: str | None
    owner: str | None
    user: str | None
    tags: tuple[str, ...]
    mode: str | None
    region: str | None
    kind: str
    rate: int | None
    source: str
    correction: bool


@dataclass(slots=True)
class _Sums:
    tokens: int = 0
    listed: int = 0
    paid: int = 0
    requests: int = 0


class Charges:
    """Adds requests, which come newest first, up to charges; an hour is told when the next one begins."""

    def __init__(self, source: str, version: str, parts_of: Callable[[RequestRow], tuple[PricePart, ...]]) -> None:
        self._source, self._columns, self._parts_of = source, columns_of(version), parts_of
        self._hour: datetime | None = None
        self._sums: dict[_Key, _Sums] = {}

    def add(self, row: RequestRow) -> Iterator[tuple[str, ...]]:
        """Take a request; the charges of the hour before it, when it begins another."""
        hour = row.time.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        if hour != self._hour:
            yield from self.rest()
            self._hour = hour
        kinds = list(split(row, self._parts_of(row)))
        for number, (kind, rate, tokens, listed, paid) in enumerate(kinds, 1):
            key = _Key(
                hour, row.provider, row.model, row.token, row.token_name, row.endpoint, row.team, row.owner, row.user,
                row.tags, row.mode, row.region, kind, rate, _cost_source(row, len(kinds)), (row.cost or 0) < 0,
            )  # fmt: skip
            sums = self._sums.setdefault(key, _Sums())
            sums.tokens += tokens
            sums.listed += listed
            sums.paid += paid
            sums.requests += number == len(kinds)  # in one of its charges, so that they add up to the requests

    def rest(self) -> Iterator[tuple[str, ...]]:
        """The charges of the last hour."""
        found, self._sums = self._sums, {}
        for key, sums in found.items():
            named = self._charge(key, sums)
            yield tuple(named[name] for name in self._columns)

    def _charge(self, key: _Key, sums: _Sums) -> dict[str, str]:
        month = key.hour.replace(day=1, hour=0)
        following = (month + timedelta(days=32)).replace(day=1)
        provider, model = key.provider or "unknown", key.model or "unknown"
        meter, direction, action = _METERS.get(key.kind, (key.kind.capitalize() or "Request", None, None))
        priced, paid = key.rate is not None, usd_text(sums.paid)
        unit = _UNITS.get(key.kind, "Tokens")
        mode = None if key.mode == "standard" else key.mode
        named = {"x_TokenDirection": direction, "x_TokenCacheAction": action, "x_ProcessingMode": mode}
        details = {name: word for name, word in named.items() if word}
        return {
            "BilledCost": paid, "ContractedCost": paid, "EffectiveCost": paid,
            "BillingAccountId": self._source, "BillingAccountName": self._source, "BillingCurrency": "USD",
            "BillingPeriodStart": _moment(month), "BillingPeriodEnd": _moment(following),
            "ChargeCategory": "Usage", "ChargeClass": "Correction" if key.correction else "",
            "ChargeDescription": f"{meter} of {model}{f' at {key.endpoint}' if key.endpoint else ''}",
            "ChargeFrequency": "Usage-Based",
            "ChargePeriodStart": _moment(key.hour), "ChargePeriodEnd": _moment(key.hour + _HOUR),
            "ConsumedQuantity": str(sums.tokens if priced else sums.requests),
            "ConsumedUnit": unit if priced else "Requests",
            "HostProviderName": provider, "InvoiceIssuerName": provider, "ProviderName": provider,
            "PublisherName": provider, "ServiceProviderName": provider,
            "ListCost": usd_text(sums.listed), "ListUnitPrice": usd_text(key.rate) if key.rate is not None else "",
            "PricingCategory": "Standard" if priced else "Other",
            "PricingQuantity": str(sums.tokens) if priced else "", "PricingUnit": unit if priced else "",
            "RegionId": key.region or "",
            "ResourceId": key.endpoint or "", "ResourceName": key.endpoint or "",
            "ResourceType": "Endpoint" if key.endpoint else "",
            "ServiceCategory": "AI and Machine Learning", "ServiceName": f"{provider} API",
            "ServiceSubcategory": "Generative AI",
            "SkuId": model, "SkuMeter": meter,
            "SkuPriceId": "/".join(part for part in (provider, model, key.kind, mode, key.region) if part),
            "SkuPriceDetails": json.dumps(details) if details else "",
            "SubAccountId": key.token or key.team or "", "SubAccountName": key.token_name or "",
            "SubAccountType": "API key" if key.token else "Team" if key.team else "",
            "Tags": json.dumps(_tags(key), ensure_ascii=False),
            "x_ConsumedTokens": str(sums.tokens) if unit == "Tokens" else "", "x_CostSource": key.source,
            "x_CostTopMode": key.mode or "",
            "x_CostTopOwner": key.owner or "", "x_CostTopRequests": str(sums.requests), "x_CostTopTeam": key.team or "",
        }  # fmt: skip


def split(row: RequestRow, parts: tuple[PricePart, ...]) -> Iterator[tuple[str, int | None, int, int, int]]:
    """`(kind, rate, tokens, list price, paid)` of each kind of token; one without a kind where rates do not tell it.

    Of a failed call whose answer is not known nothing is charged, whatever its input would cost.
    """
    paid = row.cost or 0
    used = sorted(
        (part for part in parts if part.count and part.rate is not None), key=lambda part: part.name == "output"
    )
    whole, left = sum(part.amount for part in used), paid
    if row.cache_hit:
        yield "response cache", None, 0, 0, paid
        return
    if not used or row.market_cost not in (None, whole):
        tokens = (row.input_tokens or 0) + (row.output_tokens or 0)
        yield "", None, tokens, paid if row.market_cost is None else row.market_cost, paid
        return
    for number, part in enumerate(used):
        last = number == len(used) - 1
        share = left if last else paid * part.amount // whole if whole else 0
        left -= share
        yield part.name, part.rate, part.count, part.amount, share


def _cost_source(row: RequestRow, kinds: int) -> str:
    """How the paid cost is known; a reported one is split over kinds in proportion to the rates."""
    if row.price_status == "reported" and kinds > 1:
        return "reported, split by rates"
    return row.price_status.replace("_", " ")


def _tags(key: _Key) -> dict[str, str]:
    tags = {"user": key.user} if key.user is not None else {}
    for tag in key.tags:
        name, colon, value = tag.partition(":")
        tags[name] = value if colon else "true"
    return tags


def _moment(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%dT%H:%M:%SZ")
