"""The overrides file: what it does, and how it complains."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from cost_top.model.errors import UserError
from cost_top.pricing.amount import Request
from cost_top.pricing.book import RateBook
from cost_top.pricing.cost import price
from cost_top.pricing.unpriced import toml_lines

EXAMPLE = Path(__file__).parents[2] / "pricing" / "overrides.example.toml"


def book(folder: Path, text: str) -> RateBook:
    path = folder / "own.toml"
    path.write_text(text)
    return RateBook.load(path)


def cost(rates: RateBook, provider: str, model: str, day: str = "2026-06-01", **more: object) -> int | None:
    moment = datetime.fromisoformat(day).replace(tzinfo=UTC)
    return price(rates, Request(provider, model, moment, 1000, 0, 0, 0, 1000, **more)).cost  # type: ignore[arg-type]


def test_the_example_is_valid() -> None:
    rates = RateBook.load(EXAMPLE)
    assert cost(rates, "azure", "my-gpt4o-prod") == 12_500 * 10**6
    assert cost(rates, "acme-llm", "acme-1") == 1_500 * 10**6
    assert cost(rates, "anthropic", "claude-sonnet-4-5") == 15_300 * 10**6
    assert price(rates, Request("our-gpu-cluster", "qwen3", datetime(2026, 1, 1, tzinfo=UTC), 5)).status == "free"


def test_a_price_holds_from_its_date_over_the_released_one(tmp_path: Path) -> None:
    rates = book(tmp_path, '[[price]]\nprovider="openai"\nmodel="gpt-4o"\nfrom=2026-01-01\nto=2026-02-01\ninput="1"\n')
    assert cost(rates, "openai", "gpt-4o", "2025-12-31T23:59:59") == 12_500 * 10**6
    assert cost(rates, "openai", "gpt-4o", "2026-01-01") == 1_000 * 10**6
    assert cost(rates, "openai", "gpt-4o", "2026-01-15", mode="batch") == 1_000 * 10**6
    assert cost(rates, "openai", "gpt-4o", "2026-02-01") == 12_500 * 10**6
    assert cost(rates, "openai", "gpt-4o-mini") == 750 * 10**6


def test_of_two_prices_the_later_one_holds(tmp_path: Path) -> None:
    text = '[[price]]\nmodel="m"\nfrom=2026-03-01\ninput="3"\n[[price]]\nmodel="m"\ninput="1"\n'
    rates = book(tmp_path, text)
    assert cost(rates, "x", "m", "2026-02-01") == 1_000 * 10**6
    assert cost(rates, "x", "m", "2026-04-01") == 3_000 * 10**6


def test_a_paid_factor_is_rounded_once_half_even(tmp_path: Path) -> None:
    rates = book(tmp_path, '[[price]]\nmodel="m"\ninput="0.000001"\n[[paid]]\nprovider="x"\nfactor="0.5"\n')
    halves = [
        price(rates, Request("x", "m", datetime(2026, 1, 1, tzinfo=UTC), count)).cost for count in (1, 2, 3, 4, 5)
    ]
    assert halves == [0, 1, 2, 2, 2]


def test_a_paid_factor_has_a_span_and_leaves_others_alone(tmp_path: Path) -> None:
    rates = book(tmp_path, '[[paid]]\nprovider="anthropic"\nmodel="claude-sonnet*"\nfactor=0.5\nfrom=2026-01-01\n')
    assert cost(rates, "anthropic", "claude-sonnet-4-5", "2025-12-01") == 18_000 * 10**6
    assert cost(rates, "anthropic", "claude-sonnet-4-5", "2026-01-01") == 9_000 * 10**6
    assert cost(rates, "vercel", "anthropic/claude-sonnet-4.5", "2026-01-01") == 9_000 * 10**6
    assert cost(rates, "anthropic", "claude-opus-4-5", "2026-01-01") == 30_000 * 10**6


def test_an_alias_may_lead_to_an_own_price_and_without_a_provider(tmp_path: Path) -> None:
    rates = book(
        tmp_path,
        '[alias]\n"prod" = "acme/one"\n"prod-2" = "gpt-4o"\n[[price]]\nprovider="acme"\nmodel="one"\ninput="1"\n',
    )
    assert cost(rates, "whoever", "PROD ") == 1_000 * 10**6
    assert cost(rates, "whoever", "prod-2") == 12_500 * 10**6


def test_overrides_change_the_version(tmp_path: Path) -> None:
    assert book(tmp_path, "").version == RateBook.load().version
    assert book(tmp_path, '[[free]]\nprovider="x"\n').version != RateBook.load().version


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        ("[[price]]\nmodel = 5\ninput='1'", "own.toml:2: price.model: ", "must be a name in quotes"),
        ("\n[[price]]\nprovider='x'\ninput='1'", "own.toml:2: price.model: ", "is missing: give a name in quotes"),
        ("[[price]]\nmodel='m'", "own.toml:1: price: ", "needs input, output or request"),
        (
            "[[price]]\nmodel='m'\ninput='cheap'",
            "own.toml:3: price.input: ",
            "must be a number from 0",
        ),
        ("[[price]]\nmodel='m'\ninput='?'", "own.toml:3: price.input: ", "must be a number from 0"),
        ("[[price]]\nmodel='m'\ninput='-1'", "own.toml:3: price.input: ", "must be a number from 0"),
        ("[[price]]\nmodel='m'\ninput='nan'", "own.toml:3: price.input: ", "must be a number from 0"),
        ("[[price]]\nmodel='m'\ninput='0.0000001'", "own.toml:3: price.input: ", "more decimals"),
        ("[[price]]\nmodel='m'\ninputs='1'", "own.toml:3: price.inputs: ", "unknown key"),
        (
            "[[price]]\nmodel='m'\ninput='1'\n[[price]]\nmodel='n'\ninput=true",
            "own.toml:6: price.input: ",
            "must be a number from 0",
        ),
        ("[[price]]\nmodel='m'\ninput='1'\nfrom='soon'", "own.toml:4: price.from: ", "is not a date"),
        ("[[price]]\nmodel='m'\ninput='1'\nfrom=2026-02-01\nto=2026-01-01", "own.toml:5: price.to: ", "after from"),
        ("[[paid]]\nprovider='x'", "own.toml:1: paid.factor: ", "is missing: give a number in quotes"),
        ("[[paid]]\nprovider='x'\nfactor='1e-12'", "own.toml:3: paid.factor: ", "at most 1000 with 9 decimals"),
        ("[[free]]\nprovider='x'\nmodels=[1]", "own.toml:3: free.models: ", "must be a text in quotes"),
        ("[price]\nmodel='m'", "own.toml:1: price: ", "must be written [[price]]"),
        ("[alias]\n'a/b' = 3", "own.toml:2: alias.a/b: ", "must be a model in quotes"),
        ("[alias]\n'a/b' = 'no/such'", "alias.a/b", "is no model with a price"),
        ("[prices]\n", "own.toml:1: prices: ", "unknown key"),
        ("[[price]]\nmodel = \ninput='1'", "is not TOML", "line 2"),
    ],
)
def test_errors_name_file_line_and_key(tmp_path: Path, text: str, where: str, what: str) -> None:
    with pytest.raises(UserError) as caught:
        book(tmp_path, text)
    message = str(caught.value)
    assert "own.toml" in message
    assert where in message
    assert what in message
    assert "\n" not in message


def test_a_missing_file_is_a_user_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.toml: No such file"):
        RateBook.load(tmp_path / "none.toml")


def test_the_lines_that_price_an_unpriced_model(tmp_path: Path) -> None:
    plain = RateBook.load()
    lines = toml_lines(plain, "acme", 'mo"del\x1b[1m')
    assert lines[:3] == ("[[price]]", 'provider = "acme"', 'model = "mo\\"del[1m"')
    with pytest.raises(UserError, match="must be a number from 0"):
        book(tmp_path, "\n".join(lines))
    filled = "\n".join(lines).replace("?", "1.5")
    assert cost(book(tmp_path, filled), "acme", 'mo"del[1m') == 3_000 * 10**6
    by_the_hour = "\n".join(toml_lines(plain, "openai", "whisper-1")).replace("?", "1.5")
    assert cost(book(tmp_path, by_the_hour), "openai", "whisper-1") == 3_000 * 10**6
    known = toml_lines(plain, "azure", "gpt-4o")
    assert known == ("[alias]", '"azure/gpt-4o" = "openai/gpt-4o"')
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    zero = Request("azure", "gpt-4o", moment, 1000, output_tokens=1, reported_cost=0)
    assert price(plain, zero).status == "unpriced"
    assert price(book(tmp_path, "\n".join(known)), zero).status == "priced"
