"""Every row of the truth table, exact to the pico-dollar; a failure names the usual bug that gives its answer."""

from __future__ import annotations

import csv
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest

from cost_top.pricing.amount import Request
from cost_top.pricing.book import RateBook
from cost_top.pricing.cost import Priced, price

ROWS = list(csv.DictReader(Path(__file__).with_name("pricing-truth.csv").read_text("utf-8").splitlines()))
TRAPS = ("trap_ignore_cache_usd", "trap_add_cache_on_top_usd", "trap_add_reasoning_on_top_usd")
OVERRIDES = """
[alias]
"azure/my-gpt4o-prod" = "azure/gpt-4o"
[[paid]]
provider = "anthropic"
factor = "0.85"
[[price]]
provider = "acme-llm"
model = "acme-1"
input = "0.5"
output = "1.0"
"""


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> dict[bool, RateBook]:
    path = tmp_path_factory.mktemp("overrides") / "own.toml"
    path.write_text(OVERRIDES)
    return {False: RateBook.load(), True: RateBook.load(path)}


def count(text: str) -> int | None:
    return int(text) if text else None


def answer(books: dict[bool, RateBook], row: dict[str, str]) -> Priced:
    request = Request(
        row["provider"],
        row["model"],
        datetime.fromisoformat(row["ts_utc"]),
        count(row["input_tokens"]),
        count(row["cached_input_tokens"]),
        count(row["cache_creation_input_tokens"]),
        count(row["cache_creation_1h_tokens"]),
        count(row["output_tokens"]),
        count(row["reasoning_tokens"]),
        mode=row["mode"],
        cache_hit=row["gateway_cache_hit"] == "1",
    )
    return price(books[bool(row["needs_override"])], request)


def trapped(row: dict[str, str], cost: int | None) -> str:
    names = [name for name in TRAPS if row[name] and cost is not None and Decimal(row[name]) * 10**12 == Decimal(cost)]
    return f"; this is {names[0]}" if names else ""


@pytest.mark.parametrize("row", ROWS, ids=[row["case_id"] for row in ROWS])
def test_truth(books: dict[bool, RateBook], row: dict[str, str]) -> None:
    priced = answer(books, row)
    assert priced.status == row["expected_status"], priced
    if row["expected_pico_usd"]:
        assert priced.cost == int(row["expected_pico_usd"]), f"{row['hand_formula']}{trapped(row, priced.cost)}"
    assert priced.market_cost == count(row["would_cost_pico_usd"])
    for text, amount in (
        (row["expected_saved_by_gateway_cache_usd"], priced.saved_by_cache),
        (row["expected_prompt_cache_saving_usd"], priced.prompt_cache_savings),
    ):
        # The table rounds these to ten decimals.
        assert (None if amount is None else round(Decimal(amount).scaleb(-12), 10)) == (Decimal(text) if text else None)


def test_a_trap_is_named() -> None:
    row = next(row for row in ROWS if row["case_id"] == "T005")
    assert trapped(row, 8_015_000_000) == "; this is trap_ignore_cache_usd"
    assert trapped(row, 5_615_000_000) == ""
