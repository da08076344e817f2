"""The generated history: deterministic, well-formed and believable."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from datetime import UTC, datetime
from itertools import chain, pairwise
from typing import Any

import pytest

from cost_top.demo.pools import homes_of_users
from cost_top.demo.rhythm import DAY_MS, HOUR_MS
from cost_top.demo.traffic import Row, Traffic, loop_start
from cost_top.demo.world import load_world
from cost_top.model.native import COLUMNS
from cost_top.pricing.book import RateBook

# Thursday 2026-11-19 14:00 UTC: the loop has run for 18 hours.
END_MS = 1_795_096_800_000
DAYS = 30
Request = dict[str, Any]


@pytest.fixture(scope="module")
def requests() -> list[Request]:
    return [dict(zip(COLUMNS, row, strict=False)) for row in Traffic(7).history(END_MS, DAYS)]


@pytest.fixture(scope="module")
def month(requests: list[Request]) -> list[Request]:
    return [request for request in requests if request["time_ms"] >= END_MS - DAYS * DAY_MS]


def spend(requests: list[Request], column: str) -> Counter[Any]:
    sums: Counter[Any] = Counter()
    for request in requests:
        sums[request[column]] += request["cost_pico_usd"] or 0
    return sums


def is_loop(request: Request) -> bool:
    return (request["user_id"] or "").startswith(load_world().loop.user)


def history(seed: int) -> list[Row]:
    return list(Traffic(seed).history(END_MS, 2))


def test_same_seed_and_end_give_the_same_requests() -> None:
    assert history(3) == history(3)
    assert history(3) != history(4)


def test_traffic_is_relative_to_the_end() -> None:
    # A week later the rhythm of the week is the same, and so is everything but the instants themselves. Sizes and
    # flags are salted with the instant, hence the comparison of who asked what, and how it ended.
    def shape(end_ms: int) -> list[tuple[object, ...]]:
        keep = [COLUMNS.index(name) for name in ("model", "endpoint", "token", "user_id", "tags", "status")]
        return [(row[1] - end_ms, *(row[i] for i in keep)) for row in Traffic(3).history(end_ms, 3)]

    assert shape(END_MS) == shape(END_MS + 7 * DAY_MS)


def test_volume_and_time(requests: list[Request], month: list[Request]) -> None:
    times = [request["time_ms"] for request in requests]
    assert times == sorted(times)
    assert END_MS - (2 * DAYS + 1) * DAY_MS <= times[0] < END_MS - 2 * DAYS * DAY_MS
    assert all(request["time_ms"] + request["latency_ms"] <= END_MS for request in requests)
    assert 55_000 < len(month) < 65_000
    before = len(requests) - len(month)
    assert 0.8 < before / len(month) < 0.95
    assert len({request["id"] for request in requests}) == len(requests)


def test_working_hours_are_busy_and_weekends_quiet(month: list[Request]) -> None:
    per_hour: Counter[int] = Counter()
    per_weekday: Counter[int] = Counter()
    for request in month:
        per_hour[request["time_ms"] % DAY_MS // HOUR_MS] += not is_loop(request)
        per_weekday[(request["time_ms"] // DAY_MS + 3) % 7] += not is_loop(request)
    assert per_hour[15] > 4 * per_hour[22]
    assert max(per_weekday[5], per_weekday[6]) < 0.5 * min(per_weekday[day] for day in range(5))


def test_the_cast(month: list[Request]) -> None:
    world = load_world()
    assert set(spend(month, "provider")) == {
        "anthropic", "openai", "google", "cohere", "mistral", "groq", "together", "ollama",
    }  # fmt: skip
    assert len(spend(month, "endpoint")) == 12
    assert len(spend(month, "token")) == 15
    assert len(spend(month, "team")) == 5
    assert len(world.users) == len(set(world.users)) == 300
    users = {request["user_id"] for request in month} - {None}
    assert 270 < len(users) <= 301
    homes = homes_of_users(world)
    assert sorted(rank for ranks in homes.values() for rank in ranks) == list(range(300))


def test_two_endpoints_carry_most_of_the_money(month: list[Request]) -> None:
    costs = spend(month, "endpoint")
    (first, _), (second, _), (_, third) = costs.most_common(3)
    assert {first, second} == {"/summarise-ticket", "/agent-proxy-claude"}
    assert costs[first] + costs[second] > 0.6 * costs.total()
    assert third < 0.15 * costs.total()


def test_money_is_believable(requests: list[Request], month: list[Request]) -> None:
    costs = spend(month, "provider")
    assert 1_400 < costs.total() / 10**12 < 2_500
    assert 0.65 < costs["anthropic"] / costs.total() < 0.83
    assert 0.14 < costs["openai"] / costs.total() < 0.24
    before = spend(requests, "provider").total() - costs.total()
    assert 0.75 < before / costs.total() < 0.97


def test_shares(month: list[Request]) -> None:
    def share(matches: list[bool]) -> float:
        return sum(matches) / len(month)

    assert 0.04 < share([request["user_id"] is None for request in month]) < 0.15
    assert 0.04 < share([request["tags"] is None for request in month]) < 0.15
    assert 0.03 < share([request["credential_type"] == "byok" for request in month]) < 0.15
    assert 0.05 < share([bool(request["cache_hit"]) for request in month]) < 0.12
    assert 0.004 < share([request["status"] != 200 for request in month]) < 0.02
    assert 0.2 < share([bool(request["streamed"]) for request in month]) < 0.6
    claude = [r for r in month if r["model"] == "claude-opus-5-5" and r["output_tokens"] and not r["cache_hit"]]
    total = sum(request["input_tokens"] for request in claude)
    assert 0.5 < sum(request["cached_input_tokens"] for request in claude) / total < 0.8
    assert 0.05 < sum(request["cache_creation_input_tokens"] for request in claude) / total < 0.25


def test_parts_are_inside_their_wholes(requests: list[Request]) -> None:
    for request in requests:
        if request["output_tokens"] is None:
            continue
        cached, created = request["cached_input_tokens"] or 0, request["cache_creation_input_tokens"] or 0
        assert 0 <= cached + created <= request["input_tokens"]
        assert 0 <= (request["cache_creation_1h_tokens"] or 0) <= created
        assert 0 <= (request["reasoning_tokens"] or 0) <= request["output_tokens"]


def test_what_costs_nothing(requests: list[Request]) -> None:
    kinds: Counter[str] = Counter()
    for request in requests:
        cost, tokens = request["cost_pico_usd"], request["input_tokens"]
        if request["status"] != 200 and request["output_tokens"] is None:
            kinds["failed"] += 1
            assert cost == 0
            assert (tokens is None) == (request["status"] == 429)
        elif request["cache_hit"]:
            kinds["hit"] += 1
            assert cost == 0
            assert tokens > 0
            assert request["latency_ms"] < 50
        elif request["credential_type"] == "byok":
            kinds["byok"] += 1
            assert cost == 0
            assert tokens > 0
        elif request["provider"] in load_world().unreported_providers:
            kinds["unreported"] += 1
            assert cost is None
        else:
            kinds["charged"] += 1
            assert cost > 0
            kinds["failed but paid"] += request["status"] != 200
            kinds["cut off"] += request["streamed"] and request["output_tokens"] == 0
    assert min(kinds.pop("failed but paid"), kinds.pop("cut off")) > 50
    assert min(kinds.values()) > 500


def test_exactly_one_model_has_no_price(requests: list[Request]) -> None:
    book = RateBook.load()
    pairs = {(request["provider"], request["model"]) for request in requests}
    assert len(pairs) > 20
    assert [pair for pair in pairs if book.match(*pair) is None] == [("google", "gemini-4-neon-preview-1118")]
    unpriced = [request for request in requests if request["model"] == "gemini-4-neon-preview-1118"]
    assert 200 < len(unpriced) < 500
    assert all(not request["cost_pico_usd"] for request in unpriced)


def test_a_reported_cost_is_that_of_the_rates_at_that_instant(month: list[Request]) -> None:
    book = RateBook.load()
    checked: Counter[str] = Counter()
    for request in month[::20]:
        if not request["cost_pico_usd"]:
            continue
        entry = book.entry(request["provider"], request["model"])
        assert entry is not None
        at = datetime.fromtimestamp(request["time_ms"] / 1000, UTC)
        quote = entry.timeline.at(at, request["mode"] or "standard")
        assert quote is not None
        rates = quote.rates(request["input_tokens"])
        cached, created = request["cached_input_tokens"] or 0, request["cache_creation_input_tokens"] or 0
        hour, reasoning = request["cache_creation_1h_tokens"] or 0, request["reasoning_tokens"] or 0
        assert request["cost_pico_usd"] == sum(
            (
                (request["input_tokens"] - cached - created) * rates.input,
                cached * rates.cached,
                (created - hour) * rates.write,
                hour * rates.write_1h,
                (request["output_tokens"] - reasoning) * rates.output,
                reasoning * rates.reasoning,
            )
        )
        checked[request["mode"] or request["provider"]] += 1
    assert {"anthropic", "openai", "batch", "groq", "together", "cohere"} <= set(checked)


def test_tags_are_json_arrays_of_plans_and_features(month: list[Request]) -> None:
    tags = {tag for text in {request["tags"] for request in month} if text for tag in json.loads(text)}
    assert {"env:prod", "env:staging", "plan:pro", "plan:free", "feature:search"} <= tags


def test_one_agent_loops_since_yesterday_evening(requests: list[Request]) -> None:
    calls = [request for request in requests if is_loop(request)]
    start = loop_start(load_world(), END_MS)
    assert DAY_MS // 6 < END_MS - start < 30 * HOUR_MS
    assert calls[0]["time_ms"] - start < 60_000
    for column in ("token", "user_id", "endpoint", "model"):
        assert len({call[column] for call in calls}) == 1
    gaps = [b["time_ms"] - a["time_ms"] for a, b in pairwise(calls)]
    assert 10_000 < min(gaps) <= max(gaps) < 30_000
    per_hour: defaultdict[int, int] = defaultdict(int)
    for call in calls:
        per_hour[(call["time_ms"] - start) // HOUR_MS] += call["cost_pico_usd"]
    whole_hours = [per_hour[hour] for hour in range(18)]
    assert whole_hours[17] > 1.8 * whole_hours[0]
    # Its key spends far more than on any day before: the anomaly to be found.
    token = [request for request in requests if request["token"] == calls[0]["token"]]
    per_day: Counter[int] = Counter()
    for request in token:
        per_day[(END_MS - request["time_ms"]) // DAY_MS] += request["cost_pico_usd"]
    assert per_day[0] > 10 * max(per_day[day] for day in range(2, 30))


def test_a_short_history_has_its_share() -> None:
    rows = list(Traffic(7).history(END_MS, 1))
    assert 2_000 < sum(row[1] >= END_MS - DAY_MS for row in rows) < 7_000


def test_agents_work_in_sessions_of_one_user_and_the_loop_is_one_of_them(requests: list[Request]) -> None:
    sessions = defaultdict[str, list[Request]](list)
    for request in requests:
        if request["session"] is not None:
            sessions[request["session"]].append(request)
    assert {each["endpoint"] for each in chain(*sessions.values())} == {"/agent-proxy-claude", "/code-review"}
    assert all(len({(each["token"], each["user_id"]) for each in told}) == 1 for told in sessions.values())
    assert sum(len(told) > 1 for told in sessions.values()) > 1000
    longest = max(sessions.values(), key=len)
    assert {each["token_name"] for each in longest} == {"triage-agent"}
    assert len(longest) > 1000
