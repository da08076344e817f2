"""What was paid, what the list price was, and three savings that are never added up; each share with its whole."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cost_top.insight.view_table import Figures, ViewTable, known_usd
from cost_top.model.filter import Filter, parse_filter
from cost_top.model.money import usd_text
from cost_top.model.query import Measures, Report, ReportQuery

if TYPE_CHECKING:
    from cost_top.model.answers import Answers

# The discount is over requests that were paid for and whose list price is known: both sums are of the same rows.
COMPARABLE = parse_filter("-credential_type:byok price_status:reported,priced -cache_hit:yes market_cost:>=0")


@dataclass(frozen=True, slots=True)
class Savings:
    """One group. Money in pico-dollars, None where the source does not tell it.

    `list_price` and `discount` are of the requests that can be compared; `paid` is of all.
    """

    paid: int
    requests: int | None
    unpriced: int
    list_price: int | None
    discount: int | None
    prompt_cache: int | None
    response_cache: int | None

    @property
    def without_prompt_cache(self) -> int | None:
        """What would have been paid without the providers' cache discount: the whole of `prompt_cache`'s share."""
        return None if self.prompt_cache is None else self.paid + self.prompt_cache

    @property
    def without_response_cache(self) -> int | None:
        """What would have been paid without the gateway's response cache: the whole of `response_cache`'s share."""
        return None if self.response_cache is None else self.paid + self.response_cache


def comparable(where: Filter) -> Filter:
    """A filter narrowed to the requests whose list price can be held against what was paid."""
    return where.both(COMPARABLE)


def savings_of(every: Measures, compared: Measures | None) -> Savings:
    """The savings of a group; `compared` are its measures under `comparable`, None where it has no such request."""
    listed = compared.market_cost if compared is not None else 0
    discount = None if listed is None else listed - (compared.total_cost if compared is not None else 0)
    return Savings(
        every.total_cost, every.request_count, every.unpriced_count, listed, discount,
        every.prompt_cache_savings, every.saved_by_cache,
    )  # fmt: skip


def savings_rows(every: Report, compared: Report) -> list[tuple[tuple[str | None, ...], Savings]]:
    """Each group of `every` with its savings, in its order; the reports have the same columns."""
    known = {row.key: row.measures for row in compared.rows}
    return [(row.key, savings_of(row.measures, known.get(row.key))) for row in every.rows]


def share_text(part: int | None, whole: int | None) -> str | None:
    """A part in per cent of a whole as text with two places; None where either is unknown or the whole is not > 0.

    >>> share_text(1, 3), share_text(-5, 10), share_text(1, 0)
    ('33.33', '-50.00', None)
    """
    if part is None or whole is None or whole <= 0:
        return None
    hundredths = (20_000 * abs(part) + whole) // (2 * whole)
    return f"{'-' if part < 0 else ''}{hundredths // 100}.{hundredths % 100:02}"


def savings_view(answers: Answers, query: ReportQuery) -> ViewTable:
    """What was paid, the list price, and what discount, prompt cache and response cache saved of it."""
    every = answers.report(query)
    compared = answers.report(replace(query, where=comparable(query.where), limit=None))
    rows = tuple((key, _figures(savings)) for key, savings in savings_rows(every, compared))
    notes = (*every.notes, "the three savings have wholes of their own and are never added up")
    totals = _figures(savings_of(every.totals, compared.totals))
    return ViewTable(every.columns, rows, totals, every.as_of.isoformat(timespec="seconds"), notes, every.row_count)


def _figures(savings: Savings) -> Figures:
    return {
        "paid": usd_text(savings.paid),
        "list_price": known_usd(savings.list_price),
        "discount": known_usd(savings.discount),
        "discount_percent_of_list_price": share_text(savings.discount, savings.list_price),
        "prompt_cache_savings": known_usd(savings.prompt_cache),
        "prompt_cache_percent_of_cost_without_it": share_text(savings.prompt_cache, savings.without_prompt_cache),
        "saved_by_cache": known_usd(savings.response_cache),
        "saved_by_cache_percent_of_cost_without_it": share_text(savings.response_cache, savings.without_response_cache),
        "request_count": savings.requests,
        "unpriced_count": savings.unpriced,
    }
