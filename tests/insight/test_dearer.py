"""An endpoint that is dearer: by the token, for want of its cache, by the request. And what looks like it."""

from __future__ import annotations

from datetime import UTC

from tests.insight.traffic import CENT, DAY, cell, features

from cost_top.insight.engine import run
from cost_top.insight.incidents import Incident
from cost_top.insight.levels import Rules
from cost_top.insight.replay import incidents_json
from cost_top.model.features import Cell, Features

PRICE = Rules(off=frozenset({"spike", "silence"}))
BREAK = 12 * DAY + 120


def users(days: int, cost: int, tokens: int, cached: float = 0.0, start: int = 0) -> list[Cell]:
    """A request every five minutes of one user after another."""
    return [
        cell(bucket, cost, requests=2, tokens=tokens, user=f"u{bucket % 7}", cached=cached)
        for bucket in range(start, days * DAY)
    ]


def changed(cost: int, tokens: int, cached: float, before: float = 0.8) -> list[Cell]:
    ordinary = [one for one in users(14, 10 * CENT, 100_000, before) if one.bucket < BREAK]
    return [*ordinary, *users(14, cost, tokens, cached, BREAK)]


def opened(given: Features) -> list[Incident]:
    return run(given, PRICE, UTC, 0).incidents.all


def test_a_cache_that_is_no_longer_met_is_told_before_the_price_alone_would_say_it() -> None:
    given = features(changed(14 * CENT, 100_000, 0.02), 14)
    found = opened(given)
    assert [(one.first.kind, one.part, one.first.per) for one in found] == [("price", ("endpoint", "/a"), "token")]
    assert found[0].opened - BREAK <= 24
    sentence = incidents_json(run(given, PRICE, UTC, 0), given)[0]["sentence"]
    assert "× as much per token (cached input 80 % → " in sentence


def test_the_same_price_with_the_cache_as_it_was_is_no_incident() -> None:
    assert opened(features(changed(14 * CENT, 100_000, 0.8), 14)) == []


def test_an_endpoint_that_never_had_a_cache_has_none_to_lose() -> None:
    assert opened(features(changed(14 * CENT, 100_000, 0.0, before=0.1), 14)) == []


def test_requests_of_many_that_have_grown_are_told_by_the_request() -> None:
    given = features(changed(22 * CENT, 220_000, 0.8), 14)
    found = incidents_json(run(given, PRICE, UTC, 0), given)
    assert [(one["kind"], one["value"]) for one in found] == [("price", "/a")]
    assert "pays 1.8× as much per request, $" in found[0]["sentence"]


def test_one_long_session_has_not_made_the_requests_of_an_endpoint_grow() -> None:
    cells = users(14, 10 * CENT, 100_000)
    long = [cell(BREAK + bucket, 300 * CENT, requests=4, tokens=3_000_000, user="agent") for bucket in range(8)]
    assert opened(features([*cells, *long], 14)) == []


def test_requests_that_name_no_user_have_grown_where_nearly_all_of_them_have() -> None:
    def of_nobody(start: int, end: int, every: int, cost: int) -> list[Cell]:
        return [
            cell(bucket, cost * CENT, requests=2, tokens=cost * 10_000, user=None)
            for bucket in range(start, end, every)
        ]

    ordinary = of_nobody(0, BREAK, 1, 10)
    grown = opened(features([*ordinary, *of_nobody(BREAK, 14 * DAY, 1, 22)], 14))
    assert [(one.part, one.first.per) for one in grown] == [(("endpoint", "/a"), "request")]
    few = [*of_nobody(BREAK, 14 * DAY, 1, 10), *of_nobody(BREAK + 20, BREAK + 60, 8, 600)]
    assert opened(features([*ordinary, *few], 14)) == []


def test_what_is_over_is_not_told_while_a_longer_window_still_holds_it() -> None:
    cells = [one for one in changed(30 * CENT, 100_000, 0.8) if one.bucket < BREAK + 30]
    found = opened(features([*cells, *users(14, 10 * CENT, 100_000, 0.8, BREAK + 30)], 14))
    assert [one.closed is not None and one.last_fire <= BREAK + 42 for one in found] == [True]


def test_a_night_without_requests_does_not_close_an_endpoint_that_is_still_dearer() -> None:
    cells = [one for one in changed(30 * CENT, 100_000, 0.8) if not BREAK + 60 <= one.bucket < BREAK + 180]
    assert [(one.opened < BREAK + 60, one.closed) for one in opened(features(cells, 14))] == [(True, None)]


def test_what_cheaper_requests_have_made_up_for_is_not_told_as_no_money() -> None:
    dear = [one for one in changed(40 * CENT, 100_000, 0.8) if one.bucket < BREAK + 24]
    cheap = [cell(BREAK + 24 + at, 50 * CENT, requests=2, tokens=1_000_000, user=f"v{at % 7}") for at in range(24)]
    given = features([*dear, *cheap], 14)
    one = incidents_json(run(given, PRICE, UTC, 0), given)[0]
    assert one["excess_usd"] == "0"
    assert one["sentence"] == (
        "endpoint /a paid 2.0× as much per token for 1 h; cheaper ones since have made up for it."
    )
