"""FOCUS charges: exact products, nothing lost, nothing twice."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from cost_top.insight.focus import Charges, columns_of, split
from cost_top.model.request_row import PricePart, RequestRow
from cost_top.pricing.book import RateBook
from cost_top.pricing.explain import parts_of

NOON = datetime(2026, 11, 20, 12, 30, tzinfo=UTC)
BOOK = RateBook.load(None)
MANDATORY = {
    "BilledCost", "BillingAccountId", "BillingAccountName", "BillingCurrency", "BillingPeriodEnd", "BillingPeriodStart",
    "ChargeCategory", "ChargeClass", "ChargeDescription", "ChargePeriodEnd", "ChargePeriodStart", "ContractedCost",
    "EffectiveCost", "InvoiceIssuerName", "ListCost", "PricingQuantity", "PricingUnit", "ProviderName", "PublisherName",
    "ServiceCategory", "ServiceName",
}  # fmt: skip
KINDS = ("output", "input", "cached input", "cache creation", "reasoning")


def row(identity: str = "a", **known: object) -> RequestRow:
    empty = dict.fromkeys(RequestRow.__dataclass_fields__)
    base = {"time": NOON, "tags": (), "price_status": "reported", "price_parts": ()}
    return RequestRow(**{**empty, **base, "provider": "openai", "model": "gpt-4o-mini", "id": identity, **known})  # type: ignore[arg-type]


def charges(*rows: RequestRow, version: str = "1.2") -> list[dict[str, str]]:
    adder = Charges("prod", version, lambda each: parts_of(BOOK, each))
    told = [charge for each in rows for charge in adder.add(each)] + list(adder.rest())
    return [dict(zip(columns_of(version), charge, strict=True)) for charge in told]


def test_a_charge_for_each_kind_of_token_whose_list_cost_is_price_times_quantity():
    found = charges(row(input_tokens=1000, cached_input_tokens=400, output_tokens=10, cost=3 * 10**8))
    assert [(each["SkuMeter"], each["PricingQuantity"]) for each in found] == [
        ("Input", "600"), ("Input Cache Read", "400"), ("Output", "10"),
    ]  # fmt: skip
    for each in found:
        assert Decimal(each["ListCost"]) == Decimal(each["ListUnitPrice"]) * Decimal(each["PricingQuantity"])
    assert sum(Decimal(each["BilledCost"]) for each in found) == Decimal("0.0003")
    assert [each["x_CostTopRequests"] for each in found] == ["0", "0", "1"]


@given(
    st.integers(-(10**15), 10**15),
    st.lists(st.tuples(st.integers(1, 10**6), st.integers(0, 10**9)), min_size=1, max_size=5),
)
def test_what_was_paid_is_split_without_a_remainder(paid: int, kinds: list[tuple[int, int]]):
    named = zip(KINDS, kinds, strict=False)
    parts = tuple(PricePart(name, count, rate, count * rate) for name, (count, rate) in named)
    shares = list(split(row(cost=paid), parts))
    assert sum(share for *_, share in shares) == paid
    assert {kind for kind, *_ in shares} == {part.name for part in parts}
    whole = sum(part.amount for part in parts)
    for kind, _, _, listed, share in shares:
        if whole and kind != "output":
            assert abs(Fraction(share) - Fraction(paid * listed, whole)) < 1


def test_an_hour_and_a_tag_set_are_charges_of_their_own():
    found = charges(
        row("a", input_tokens=10, cost=1),
        row("b", input_tokens=10, cost=1),
        row("c", input_tokens=10, cost=1, tags=("prod", "plan:pro")),
        row("d", input_tokens=10, cost=1, time=NOON - timedelta(hours=1), user="u-1"),
    )
    assert [(each["x_CostTopRequests"], each["ChargePeriodStart"], json.loads(each["Tags"])) for each in found] == [
        ("2", "2026-11-20T12:00:00Z", {}),
        ("1", "2026-11-20T12:00:00Z", {"prod": "true", "plan": "pro"}),
        ("1", "2026-11-20T11:00:00Z", {"user": "u-1"}),
    ]
    months = {(each["BillingPeriodStart"], each["BillingPeriodEnd"]) for each in found}
    assert months == {("2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z")}


def test_unpriced_requests_have_no_quantity_and_own_keys_cost_nothing():
    unpriced = row("a", model="nobody-knows", price_status="unpriced", input_tokens=7, output_tokens=3)
    own = row("b", credential_type="byok", input_tokens=1000, output_tokens=0, cost=0)
    first, second = charges(unpriced, own)
    assert (first["PricingQuantity"], first["ListUnitPrice"], first["x_ConsumedTokens"]) == ("", "", "10")
    assert (first["ConsumedQuantity"], first["ConsumedUnit"]) == ("1", "Requests")  # the specification wants one
    assert (second["ConsumedQuantity"], second["ConsumedUnit"]) == ("1000", "Tokens")
    assert (first["x_CostSource"], first["PricingCategory"]) == ("unpriced", "Other")
    assert (second["BilledCost"], second["ListCost"]) == ("0", "0.00015")


def test_a_price_has_one_id_and_only_the_specifications_details_go_without_a_prefix():
    def told(**known: object) -> tuple[str, str, str]:
        (charge,) = charges(row(input_tokens=10, cost=1, **known))
        return charge["SkuPriceId"], charge["SkuPriceDetails"], charge["x_CostSource"]

    plain = ("openai/gpt-4o-mini/input", '{"x_TokenDirection": "Input"}', "reported")
    assert told() == told(mode="standard") == plain
    details = '{"x_TokenDirection": "Input", "x_ProcessingMode": "batch"}'
    assert told(mode="batch") == ("openai/gpt-4o-mini/input/batch", details, "reported")
    two = charges(row("a", input_tokens=10, cost=1, region=None), row("b", input_tokens=10, cost=1, region="us"))
    assert [each["SkuPriceId"] for each in two] == ["openai/gpt-4o-mini/input", "openai/gpt-4o-mini/us"]
    assert charges(row(model="nobody-knows", cost=1))[0]["SkuPriceDetails"] == ""


def test_a_cache_answer_lists_nothing_and_a_refund_is_a_correction():
    answered = row("a", cache_hit=True, cost=0, input_tokens=10, price_status="cache_hit")
    hit, refund = charges(answered, row("b", cost=-(10**12), model="x"))
    assert (hit["BilledCost"], hit["ListCost"], hit["SkuMeter"]) == ("0", "0", "Response cache")
    assert (refund["BilledCost"], refund["ChargeClass"]) == ("-1", "Correction")


def test_every_mandatory_column_is_there_and_the_next_version_leaves_the_deprecated_out():
    assert set(columns_of("1.2")) >= MANDATORY | {"HostProviderName", "ServiceProviderName"}
    assert set(columns_of("1.2")) - set(columns_of("1.3")) == {"ProviderName", "PublisherName"}
    assert set(charges(replace(row(), input_tokens=1), version="1.3")[0]) == set(columns_of("1.3"))


def test_of_a_failed_call_whose_output_is_not_known_the_list_cost_is_that_of_reports():
    failed = row("a", model="gpt-4o-mini", cost=0, market_cost=0, input_tokens=30_000, status=500)
    (charge,) = charges(failed)
    assert (charge["ListCost"], charge["BilledCost"], charge["ListUnitPrice"]) == ("0", "0", "")
    assert (charge["PricingQuantity"], charge["x_ConsumedTokens"], charge["x_CostTopRequests"]) == ("", "30000", "1")
