"""The shapes of answers about changes and savings, for OpenAPI."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, create_model

from cost_top.model.waste import LINES
from cost_top.serve.shapes import DIMENSION_FIELDS, GroupedAnswer, Money

_EXACT = ConfigDict(extra="forbid")
_USD = "USD as exact decimal text."
_FACTORS = "USD as exact decimal text by factor (requests, mix, size, price, and others where they apply); they add up."


class WhySide(BaseModel):
    """One of the two periods."""

    model_config = _EXACT
    since: datetime
    until: datetime
    cost_usd: str = Field(description=_USD)
    requests: int
    unpriced: int = Field(description="Requests without a price: in no other figure.")


class WhyDriver(BaseModel):
    """A value that is behind the change."""

    model_config = _EXACT
    dimension: str
    value: str | None
    name: str | None
    before_usd: str = Field(description=_USD)
    after_usd: str = Field(description=_USD)
    change_usd: str = Field(description=_USD)
    share: float = Field(description="Of the whole change; 1 is all of it.")
    requests: list[int] = Field(description="Before and after.", min_length=2, max_length=2)
    factors: dict[str, str] = Field(description=_FACTORS)
    inside: list[WhyDriver] = []


class WhyAnswer(BaseModel):
    """Why spend changed: `factors` add up to `change_usd`."""

    model_config = _EXACT
    before: WhySide
    after: WhySide
    change_usd: str = Field(description=_USD)
    factors: dict[str, str] = Field(description=_FACTORS)
    drivers: list[WhyDriver]
    notes: list[str]
    sentence: str = Field(description="It all in one sentence, for people.")


_PERCENT = "Per cent, exact to two decimals."
_FIGURES: dict[str, Any] = {
    "paid": (Money, ...),
    "list_price": (Money, Field(default=None)),
    "discount": (Money, Field(default=None)),
    "discount_percent_of_list_price": (float, Field(default=None, description=_PERCENT)),
    "prompt_cache_savings": (Money, Field(default=None)),
    "prompt_cache_percent_of_cost_without_it": (float, Field(default=None, description=_PERCENT)),
    "saved_by_cache": (Money, Field(default=None)),
    "saved_by_cache_percent_of_cost_without_it": (float, Field(default=None, description=_PERCENT)),
    "request_count": (int, Field(default=None)),
    "unpriced_count": (int, ...),
}
SavingsFigures = create_model(
    "SavingsFigures", __config__=_EXACT, __doc__="What was paid and saved; what is not known is left out.", **_FIGURES
)
SavingsRow = create_model(
    "SavingsRow", __config__=_EXACT, __doc__="One group and its savings.", **DIMENSION_FIELDS, **_FIGURES
)


class SavingsAnswer(GroupedAnswer):
    """Paid, list price, and three savings with wholes of their own: they are never added up."""

    results: list[SavingsRow]  # type: ignore[valid-type]
    totals: SavingsFigures  # type: ignore[valid-type]


class WasteFigures(BaseModel):
    """What is behind a line of waste, or all of them."""

    model_config = _EXACT
    cost: Money
    cost_percent_of_total_cost: float | None = Field(default=None, description=_PERCENT)
    request_count: int
    unpriced_count: int = Field(description="Of these, those whose cost is not known.")


class WasteRow(WasteFigures):
    """A line of waste."""

    waste: str = Field(description=f"One of {', '.join(LINES)}.")
    kind: str = Field(description="spent, could be (an estimate by token counts), or apart (in no total).")
    where: str | None = Field(default=None, description="The filter that lists them; left out where none can.")


class WasteAnswer(GroupedAnswer):
    """Lines that do not overlap; the total is without those that are apart."""

    results: list[WasteRow]
    totals: WasteFigures
    cut_off_known: bool = Field(description="False where no request of the log has output tokens.")


class LedgerSumItem(BaseModel):
    """All entries of a kind."""

    model_config = _EXACT
    kind: str = Field(description="purchase, usage_debit or adjustment; others are as they stand.")
    amount_usd: str = Field(description="USD as exact decimal text; what goes out is negative.")
    entries: int


class LedgerEntryItem(BaseModel):
    """One entry."""

    model_config = _EXACT
    id: str
    time: datetime
    kind: str
    amount_usd: str = Field(description=_USD)
    balance_usd: str | None = Field(description="After it; null where it is not known.")
    token: str | None
    note: str | None


class ReconciliationItem(BaseModel):
    """Debits held against the logged cost of the same span."""

    model_config = _EXACT
    since: datetime | None = Field(description="Of the period or the first entry; null: from the log's beginning.")
    until: datetime = Field(description="Just after the last debit.")
    debits_usd: str = Field(description=_USD)
    logged_cost_usd: str = Field(description=_USD)
    difference_usd: str = Field(description="Debits less logged cost.")
    unpriced_requests: int = Field(description="Requests without a price: logged_cost_usd is a lower bound.")
    newer_requests: int | None = Field(description="Requests after the last debit, in neither figure.")
    refunds: int = Field(description="Refunds in the log in that span, taken off logged_cost_usd.")
    refunded_usd: str = Field(description="What they come to.")
    line: str = Field(description="It all in one line, for people.")


class LedgerAnswer(BaseModel):
    """The ledger: sums and debits are of the entries that were asked for, checks of all."""

    model_config = _EXACT
    balance_usd: str | None = Field(
        description="After the period's last entry; null where none has one, or under a filter."
    )
    used_up_at: str | None = Field(description="When the balance is, at the usual pace of the log's spend.")
    used_up_at_present_pace: str | None = Field(description="... at that of the last hour; null: not within a year.")
    sums: list[LedgerSumItem]
    balances_checked: int = Field(description="Entries that carry a balance.")
    balances_wrong: int = Field(description="Balances that do not follow from the entry before.")
    reconciliation: ReconciliationItem | None = Field(description="null without a debit.")
    entries: list[LedgerEntryItem]
    notes: list[str] = Field(description="What does not hold together.")
