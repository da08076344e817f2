"""The rules over hand-made traffic: what fires, what does not, and how incidents live."""

from __future__ import annotations

import pickle
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from tests.insight.traffic import CENT, DAY, ORIGIN, cell, even, features

from cost_top.insight.engine import Engine, InOrder, buckets, pass_over, run
from cost_top.insight.incidents import Incident
from cost_top.insight.levels import Rules
from cost_top.insight.replay import incidents_json
from cost_top.model.expected import Expected
from cost_top.model.features import Cell, Doubled, Features, LoopStep

HOUR = 12
LOOKED = 4 * DAY  # a look after each bucket is what takes time


def shop(days: int = 21) -> list[Cell]:
    return [*even(days), *even(days, token="key-2", endpoint="/b", user="v")]


def leak(start: int, hours: int, cost: int = 400 * CENT, token: str = "key-2") -> list[Cell]:
    return [
        cell(bucket, cost, token=token, endpoint="/b", user="stranger", model="dear")
        for bucket in range(start, start + hours * HOUR)
    ]


def opened(given: Features, rules: Rules | None = None, start: int | None = None, step: int = 1) -> list[Incident]:
    """What is opened in the last days: those before are only learned, unless a test tells from where to look."""
    start = max(0, given.count - LOOKED) if start is None else start
    return run(given, rules or Rules(), UTC, start, step).incidents.all


def test_an_even_log_has_no_incident() -> None:
    assert opened(features(shop(), 21), start=0) == []


def test_a_leaked_key_opens_within_the_hour_on_the_slice_that_carries_it_and_closes_after_six_quiet_hours() -> None:
    start = 18 * DAY + 100
    found = opened(features([*shop(), *leak(start, 5)], 21))
    assert len(found) == 1
    incident = found[0]
    assert incident.first.kind == "spike"
    assert start < incident.opened <= start + HOUR
    assert incident.part in (("user", "stranger"), ("model", "dear"), ("token", "key-2"))
    assert incident.closed is not None
    assert incident.closed == incident.last_fire + 6 * HOUR


def test_every_other_slice_that_the_same_requests_raise_stands_in_also_only() -> None:
    found = opened(features([*shop(), *leak(18 * DAY, 5)], 21))
    assert len(found) == 1
    assert found[0].also
    assert found[0].part not in found[0].also


def test_nothing_is_said_of_a_log_in_its_first_three_days() -> None:
    early = [*even(4), *leak(2 * DAY, 5)]
    assert [one for one in opened(features(early, 4), start=0) if one.opened < 3 * DAY] == []


def test_a_log_that_begins_in_the_middle_learns_from_its_own_first_request_on() -> None:
    late = [one._replace(bucket=one.bucket + 5 * DAY) for one in [*even(4), *leak(2 * DAY, 5)]]
    assert opened(features(late, 9), start=0) == []


def test_the_first_days_of_work_of_a_log_that_began_on_a_friday_are_no_news_and_a_leak_after_them_is() -> None:
    def office(bucket: int) -> int:
        day, hour = divmod(bucket, DAY)
        at_work = (day + 1) % 7 < 5 and 8 * HOUR <= hour < 20 * HOUR  # the first day is a Tuesday
        return 40 * CENT if at_work else CENT

    shop = [cell(bucket, office(bucket), endpoint=name) for bucket in range(3 * DAY, 12 * DAY) for name in "ab"]
    assert opened(features(shop, 12)) == []
    found = opened(features([*shop, *leak(10 * DAY, 5)], 12))
    assert [10 * DAY <= one.opened <= 10 * DAY + 2 * HOUR for one in found] == [True]


def test_what_costs_less_than_the_least_excess_is_not_said() -> None:
    given = features([*shop(), *leak(18 * DAY, 5)], 21)
    assert opened(given, Rules(min_excess=10**15)) == []


def test_one_large_request_is_no_incident() -> None:
    one = cell(18 * DAY, 3000 * CENT, user="w", requests=1)
    assert opened(features([*shop(), one], 21)) == []


def test_a_short_session_of_an_agent_is_no_incident_and_one_that_goes_on_is() -> None:
    def session(length: int) -> list[Cell]:
        return [cell(18 * DAY + 60 + at, 600 * CENT, user="agent", requests=8) for at in range(length)]

    assert opened(features([*shop(), *session(4)], 21)) == []
    assert opened(features([*shop(), *session(9)], 21))


def test_a_key_that_replaces_another_is_no_news_and_one_that_comes_beside_it_is() -> None:
    moved = [
        one._replace(names=("key-3", *one.names[1:])) if one.bucket >= 18 * DAY and one.names[0] == "key-2" else one
        for one in [*even(21, cost=CENT), *even(21, token="key-2", cost=20 * CENT, endpoint="/b", user="v")]
    ]
    assert opened(features(moved, 21)) == []
    beside = even(21, token="key-3", cost=20 * CENT, endpoint="/b", user="v")[18 * DAY :]
    kept = [*even(21, cost=CENT), *even(21, token="key-2", cost=20 * CENT, endpoint="/b", user="v"), *beside]
    assert [one.part for one in opened(features(kept, 21))] == [("token", "key-3")]


def test_one_key_for_three_is_news_only_where_their_route_costs_more() -> None:
    rules = Rules(dimensions=("token", "endpoint"))
    before = [one for number in range(3) for one in even(8, token=f"old-{number}")]
    rest = even(10, token="key-2", endpoint="/b", user="v")
    for cost, parts in ((30, []), (120, [("token", "new")])):
        after = [cell(bucket, cost * CENT, token="new") for bucket in range(8 * DAY, 10 * DAY)]
        assert [one.part for one in opened(features([*before, *after, *rest], 10), rules, start=8 * DAY)] == parts


def test_a_new_key_is_news_only_where_what_its_routes_cost_more_would_be_news_itself() -> None:
    rules = Rules(dimensions=("token",))
    before = [one for number in range(3) for one in even(20, token=f"old-{number}", cost=6 * CENT // 10)]
    rest = even(21, token="key-2", endpoint="/b", user="v")
    for cost, parts in ((4, []), (6, [("token", "new")])):
        after = [cell(bucket, cost * CENT, token="new") for bucket in range(20 * DAY, 21 * DAY)]
        assert [one.part for one in opened(features([*before, *after, *rest], 21), replace(
            rules, dimensions=("token", "endpoint")), start=20 * DAY) if one.part[0] == "token"] == parts  # fmt: skip


def test_what_an_incident_cost_is_not_told_again_while_a_longer_window_holds_it() -> None:
    start = 18 * DAY
    after = [one._replace(names=("key-2", "/b", "m", "v", "p")) for one in leak(start + 204, 3, cost=22 * CENT)]
    again = leak(start + 204, 3)
    rules = Rules(dimensions=("token",))
    assert len(opened(features([*shop(), *leak(start, 5), *after], 21), rules)) == 1
    assert len(opened(features([*shop(), *leak(start, 5), *again], 21), rules)) == 2


def test_a_leak_does_not_hide_the_next_smaller_one() -> None:
    large = leak(10 * DAY, 10, cost=4000 * CENT)
    small = [cell(bucket, 80 * CENT, user="guest") for bucket in range(18 * DAY, 20 * DAY)]
    found = opened(features([*shop(), *large, *small], 21), Rules(dimensions=("user",)), 9 * DAY)
    assert [one.part for one in found] == [("user", "stranger"), ("user", "guest")]


@pytest.mark.parametrize(("sensitivity", "number"), [("low", 2), ("normal", 3), ("high", 3)])
def test_two_leaks_of_a_month_hide_no_third_but_with_low_sensitivity(sensitivity: str, number: int) -> None:
    leaks = [cell for day, hours in ((9, 6), (13, 6), (18, 4)) for cell in leak(day * DAY, hours)]
    rules = Rules(sensitivity, dimensions=("token",))
    found = [one for one in opened(features([*shop(), *leaks], 21), rules, 8 * DAY) if one.part == ("token", "key-2")]
    assert len(found) == number


def test_an_incident_stays_open_while_a_good_part_of_it_goes_on() -> None:
    start = 18 * DAY
    less = [one._replace(cost=one.cost // 2) for one in leak(start + 60, 10)]
    found = opened(features([*shop(), *leak(start, 5), *less], 21), Rules(dimensions=("token",)))
    assert len(found) == 1
    assert found[0].last_fire >= start + 150


def test_two_days_are_too_few_to_call_a_pause_silence() -> None:
    cells = [one for one in even(21) if not 12 * DAY + 100 <= one.bucket < 12 * DAY + 160]  # the second Sunday
    assert opened(features(cells, 21), start=11 * DAY) == []


def test_what_is_expected_raises_the_usual_while_it_lasts() -> None:
    start = 18 * DAY
    given = features([*shop(), *leak(start, 5, cost=40 * CENT)], 21)
    assert opened(given, Rules("high"))
    moment = datetime.fromtimestamp(ORIGIN, UTC) + timedelta(days=18)
    launch = Expected("launch", moment - timedelta(hours=1), moment + timedelta(days=2), 100.0, (("token", "key-2"),))
    rules = replace(Rules("high"), dimensions=("token",))
    assert opened(given, rules)
    assert opened(given, replace(rules, expected=(launch,))) == []


def test_a_dearer_token_is_named_on_its_endpoint() -> None:
    cells = even(21, tokens=100_000)
    for bucket in range(18 * DAY, 21 * DAY):
        cells[bucket] = cell(bucket, 40 * CENT, tokens=100_000)
    found = [one for one in opened(features(cells, 21)) if one.first.kind == "price"]
    assert [one.part for one in found] == [("endpoint", "/a")]


def test_a_price_that_rises_by_a_fifth_is_no_incident() -> None:
    cells = even(21, tokens=100_000)
    for bucket in range(18 * DAY, 21 * DAY):
        cells[bucket] = cell(bucket, 12 * CENT, tokens=100_000)
    assert opened(features(cells, 21)) == []


def test_rows_logged_twice_are_an_incident_of_the_total_whose_excess_is_the_copies() -> None:
    doubled = [
        Doubled(bucket, 10, 5 if bucket >= 18 * DAY else 0, 10 * CENT if bucket >= 18 * DAY else 0)
        for bucket in range(19 * DAY)
    ]
    given = features(shop(19), 19, doubled=doubled)
    engine = run(given, Rules(), UTC, 17 * DAY)
    found = [one for one in incidents_json(engine, given) if one["kind"] == "double"]
    assert [(one["dimension"], one["value"], one["name"]) for one in found] == [("total", None, None)]
    assert found[0]["excess_usd"] == "28.8"


def test_what_rows_logged_twice_cost_elsewhere_is_no_other_incident_and_what_costs_more_is() -> None:
    start = 6 * DAY + 20
    doubled = [Doubled(bucket, 20, 10, 20 * CENT) for bucket in range(start, 7 * DAY)]
    cells = [
        one._replace(cost=2 * one.cost, requests=2 * one.requests) if one.bucket >= start else one for one in shop(7)
    ]
    more = [cell(bucket, 4 * CENT, token="key-2", endpoint="/b", user="v") for bucket in range(start, 7 * DAY)]
    found = opened(features([*cells, *more], 7, doubled=doubled), start=6 * DAY)
    assert [one.first.kind for one in found] == ["double"]
    found = opened(features([*cells, *leak(start + 20, 3)], 7, doubled=doubled), start=6 * DAY)
    assert [one.first.kind for one in found] == ["double", "spike"]


def test_a_loop_is_an_incident_of_its_key() -> None:
    at = 18 * DAY + 7
    steps = [LoopStep(at, "key-1", 300 * CENT, ORIGIN + (at - 3) * 300)]
    found = opened(features(shop(), 21, loops=steps))
    assert [(one.first.kind, one.part, one.first.started) for one in found] == [("loop", ("token", "key-1"), at - 3)]


def test_a_loop_is_told_where_keys_are_not_watched() -> None:
    at = 18 * DAY + 7
    steps = [LoopStep(at, "key-1", 300 * CENT, ORIGIN + (at - 3) * 300)]
    given = features([*shop(), cell(at - 1, 300 * CENT, token="key-1")], 21, loops=steps)
    rules = Rules(dimensions=("user",), off=frozenset({"spike"}))
    (found,) = incidents_json(run(given, rules, UTC, 17 * DAY), given)
    assert (found["kind"], found["value"], found["usual_usd"]) == ("loop", "key-1", "0")
    assert float(str(found["excess_usd"])) >= 3


def test_a_loop_of_a_key_and_its_endpoint_and_what_they_cost_is_one_incident() -> None:
    at = 6 * DAY + 100
    steps = [LoopStep(at - 1, "key-1", 300 * CENT, ORIGIN + (at - 3) * 300)]
    even_calls = [cell(bucket, 100 * CENT, user="agent") for bucket in range(at - 3, at)]
    given = features([*shop(7), *even_calls, *storm(users=3, again=40)], 7, loops=steps)
    (found,) = opened(given, start=6 * DAY)
    assert (found.first.kind, found.part) == ("loop", ("token", "key-1"))
    assert {("endpoint", "/a"), ("total", None)} <= set(found.also)


def test_what_dearer_requests_cost_their_users_is_the_incident_of_their_endpoint() -> None:
    start = 6 * DAY
    cells = []
    for bucket in range(8 * DAY):
        each = 6 * CENT if bucket >= start else CENT
        cells.append(cell(bucket, 6 * each, tokens=60_000, user=None))
        cells.append(cell(bucket, 4 * each, tokens=40_000, user="always"))
    found = opened(features(cells, 8), start=start)
    assert [(one.first.kind, one.part) for one in found] == [("price", ("endpoint", "/a"))]
    assert ("user", "always") in found[0].also


def test_a_slice_inside_is_news_after_hours_only_where_it_was_not_the_cause_from_the_start() -> None:
    start, rules = 6 * DAY, Rules(dimensions=("user", "model"))
    both = [cell(bucket, 300 * CENT, model=f"m{bucket % 2}", user="stranger") for bucket in range(start, 7 * DAY)]
    (whole,) = opened(features([*shop(7), *both], 7), rules, start)
    assert {("model", "m0"), ("model", "m1")} <= {whole.part, *whole.also}
    late = [cell(bucket, 600 * CENT, model="dear", user="stranger") for bucket in range(start + 100, 7 * DAY)]
    found = opened(features([*shop(7), *both, *late], 7), rules, start)
    assert [one.part for one in found[1:]] == [("model", "dear")]


def test_a_loop_that_costs_little_is_none() -> None:
    steps = [LoopStep(18 * DAY, "key-1", CENT, ORIGIN)]
    assert opened(features(shop(), 21, loops=steps)) == []


@pytest.mark.parametrize(("days", "spent", "said"), [(5, 300, []), (5, 330, ["loop"]), (4, 300, ["loop"])])
def test_a_key_whose_endpoint_often_repeats_itself_loops_only_where_it_costs_more(
    days: int, spent: int, said: list[str]
) -> None:
    """Often is on five days: loops of a day or two before are no habit."""
    often = [cell(day * DAY + 100, 400 * CENT, user="agent", requests=5, again=4) for day in range(1, days + 1)]
    steps = [LoopStep(6 * DAY + 7, "key-1", spent * CENT, ORIGIN + 6 * DAY * 300)]
    found = opened(features([*shop(6), *often, cell(6 * DAY + 7, CENT)], 7, loops=steps), start=6 * DAY)
    assert [one.first.kind for one in found if one.first.kind == "loop"] == said


def storm(users: int, again: int, start: int = 6 * DAY + 100) -> list[Cell]:
    """An hour in which requests of a route's users are sent again, at a cost that is no spike."""
    return [
        cell(bucket, 4 * again * CENT, user=f"u{number}", requests=again + 1, again=again)
        for bucket in range(start, start + HOUR)
        for number in range(users)
    ]


def repeated(cells: list[Cell], rules: Rules | None = None) -> list[dict[str, object]]:
    given = features(cells, 8)
    return incidents_json(run(given, rules or Rules(), UTC, 6 * DAY), given)


def test_prompts_of_several_users_sent_again_and_again_are_a_loop_of_their_route() -> None:
    (found,) = repeated([*shop(8), *storm(users=3, again=4)])
    assert (found["kind"], found["dimension"], found["value"]) == ("loop", "endpoint", "/a")
    assert (found["started"], found["opened"]) == ("2026-09-07T08:20:00Z", "2026-09-07T08:40:00Z")
    assert str(found["sentence"]).startswith("endpoint /a is sent the same request over and over, $")


def test_what_is_sent_again_is_told_of_a_slice_that_is_watched() -> None:
    cells = [*shop(8), *storm(users=3, again=9)]
    for dimensions, part in ((("token", "user"), ("token", "key-1")), (("model",), ("total", None))):
        found = repeated(cells, Rules(dimensions=dimensions, off=frozenset({"spike"})))
        assert [(one["kind"], one["dimension"], one["value"]) for one in found] == [("loop", *part)]


def test_one_agent_whose_context_is_full_is_no_loop_until_it_repeats_far_more() -> None:
    rules = Rules(off=frozenset({"spike"}))
    assert repeated([*shop(8), *storm(users=1, again=6)], rules) == []
    assert [one["value"] for one in repeated([*shop(8), *storm(users=1, again=40)], rules)] == ["/a"]


def test_rows_that_are_logged_twice_are_no_loop_of_each_route() -> None:
    at = 6 * DAY + 100
    copies = [Doubled(bucket, 25, 15, 60 * CENT) for bucket in range(at, at + HOUR)]
    given = features([*shop(8), *storm(users=3, again=4)], 8, doubled=copies)
    for off, kinds in ((frozenset[str](), ["double"]), (frozenset({"double"}), [])):
        engine = run(given, Rules(off=off | {"spike"}), UTC, 6 * DAY)
        assert [one.first.kind for one in engine.incidents.all] == kinds


def test_a_route_that_always_repeats_its_prompts_or_at_this_hour_is_no_loop() -> None:
    always = [one._replace(again=4) for one in shop(8)]
    assert repeated([*always, *storm(users=3, again=4)]) == []
    daily = [one for day in range(8) for one in storm(users=3, again=4, start=day * DAY + 100)]
    assert repeated([*shop(8), *daily]) == []


def test_a_key_that_falls_silent_is_named_but_not_when_everything_is_silent() -> None:
    cells = [one for one in shop() if not (18 * DAY + 100 <= one.bucket < 18 * DAY + 160 and one.names[0] == "key-2")]
    assert [(one.first.kind, one.part) for one in opened(features(cells, 21))] == [("silence", ("token", "key-2"))]
    cells = [one for one in shop() if not 18 * DAY + 100 <= one.bucket < 18 * DAY + 160]
    assert [(one.first.kind, one.part) for one in opened(features(cells, 21))] == [("silence", ("total", None))]


def test_a_key_that_comes_back_a_little_after_all_others_was_in_the_same_outage() -> None:
    """Its own silence is told once most of it is its own."""

    def told(late: int) -> list[tuple[str, str | None]]:
        down, back = range(18 * DAY + 100, 18 * DAY + 130), range(18 * DAY + 130, 18 * DAY + 130 + late)
        cells = [one for one in shop() if one.bucket not in down
                 and not (one.bucket in back and one.names[0] == "key-2")]  # fmt: skip
        catch_up = [cell(bucket, CENT, requests=30) for bucket in range(back.start, back.start + 6)]
        return [one.part for one in opened(features([*cells, *catch_up], 21))]

    assert told(late=3) == [("total", None)]
    assert told(late=40) == [("total", None), ("token", "key-2")]


def test_a_storm_of_failures_that_are_paid_says_that_they_fail() -> None:
    start = 18 * DAY + 100
    storm = [cell(bucket, 400 * CENT, requests=40, errors=38) for bucket in range(start, start + 2 * HOUR)]
    given = features([*shop(), *storm], 21)
    (found,) = incidents_json(run(given, Rules(), UTC, 18 * DAY), given)
    assert found["kind"] == "spike"
    assert str(found["sentence"]).endswith("more requests, 70 % of them failed."), found["sentence"]


def days_of_work(token: str, days: range) -> list[Cell]:
    """Requests from eight to six."""
    return [cell(day * DAY + bucket, 10 * CENT, token=token) for day in days for bucket in range(96, 216)]


def test_a_key_that_is_retired_is_told_once_not_each_morning() -> None:
    cells = [*days_of_work("key-1", range(21)), *days_of_work("key-2", range(16))]
    found = opened(features(cells, 21), start=15 * DAY)
    assert [(one.first.kind, one.part) for one in found] == [("silence", ("token", "key-2"))]
    assert found[0].opened // DAY == 16
    back = [*cells, *days_of_work("key-2", range(17, 18))]
    assert [one.opened // DAY for one in opened(features(back, 21), start=15 * DAY)] == [16, 18]


def test_a_holiday_is_one_silence_and_of_no_key() -> None:
    holiday = [
        cell(17 * DAY + bucket, 10 * CENT, token=f"key-{1 + bucket // 40 % 3}") for bucket in range(100, 216, 40)
    ]
    work = [one for key in ("key-1", "key-2", "key-3") for one in days_of_work(key, range(21))]
    cells = [one for one in work if one.bucket // DAY != 17]
    found = opened(features([*cells, *holiday], 21))
    assert [(one.first.kind, one.part) for one in found] == [("silence", ("total", None))]
    busy = [one for one in work if one.names[0] == "key-1" or one.bucket // DAY != 17]
    named = [one.part for one in opened(features(busy, 21))]
    assert named == [("token", "key-2"), ("token", "key-3")]


def test_errors_are_said_only_where_asked() -> None:
    cells = [
        cell(one.bucket, one.cost, requests=30, errors=25 if 18 * DAY <= one.bucket < 18 * DAY + 12 else 0)
        for one in even(21)
    ]
    given = features(cells, 21)
    assert opened(given) == []
    kinds = {(one.first.kind, one.part) for one in opened(given, Rules(errors=True))}
    assert ("errors", ("total", None)) in kinds
    assert ("errors", ("provider", "p")) in kinds
    told = incidents_json(run(given, Rules(errors=True), UTC, 17 * DAY), given)  # the provider is not watched
    assert any((one["kind"], one["dimension"], one["excess_usd"]) == ("errors", "provider", "0") for one in told)


def test_a_rule_can_be_switched_off() -> None:
    cells = [one for one in shop() if not 18 * DAY + 100 <= one.bucket < 18 * DAY + 160]
    assert opened(features(cells, 21), Rules(off=frozenset({"silence"}))) == []


def test_what_opens_does_not_depend_on_what_comes_later() -> None:
    given = features([*shop(), *leak(18 * DAY, 5)], 21)
    end = 18 * DAY + 20
    cut = replace(given, count=end, cells=tuple(one for one in given.cells if one.bucket < end))
    first = [(one.opened, one.first) for one in opened(given, start=17 * DAY) if one.opened <= end]
    assert first
    assert [(one.opened, one.first) for one in opened(cut, start=17 * DAY)] == first


def test_a_coarser_step_opens_the_same_incident_at_its_next_look() -> None:
    given = features([*shop(), *leak(18 * DAY, 5)], 21)
    fine, coarse = opened(given), opened(given, step=6)
    assert len(fine) == len(coarse) == 1
    assert fine[0].first.dimension == coarse[0].first.dimension
    assert 0 <= coarse[0].opened - fine[0].opened < 6


def test_buckets_fed_one_by_one_with_a_look_after_each_are_the_same_as_a_replay() -> None:
    given = features([*shop(8), *leak(6 * DAY, 5)], 8)
    engine = Engine(Rules(), ORIGIN, UTC, given.dimensions)
    by_bucket: dict[int, list[Cell]] = {}
    for one in given.cells:
        by_bucket.setdefault(one.bucket, []).append(one)
    news = []
    for bucket in range(given.count):
        engine.feed(bucket, by_bucket.get(bucket, []))
        news += engine.tick()
    assert news
    assert [(one.opened, one.first, one.closed) for one in news] == [
        (one.opened, one.first, one.closed) for one in opened(given, start=0)
    ]


def test_the_factors_of_an_incident_add_up_to_its_excess_and_the_sentence_names_who() -> None:
    given = features([*shop(), *leak(18 * DAY, 5)], 21, names={"key-2": "billing"})
    found = incidents_json(run(given, Rules(dimensions=("token",)), UTC, 17 * DAY), given)
    assert len(found) == 1
    incident = found[0]
    assert (incident["dimension"], incident["value"], incident["name"]) == ("token", "key-2", "billing")
    from decimal import Decimal

    assert sum(Decimal(part) for part in incident["factors"].values()) == Decimal(incident["excess_usd"])
    assert set(incident["factors"]) == {"requests", "size", "mix", "price"}
    assert incident["sentence"].startswith("key billing is $")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:00Z-token-key-2-[0-9a-f]{6}", incident["id"])
    assert Decimal(incident["spent_usd"]) - Decimal(incident["usual_usd"]) == Decimal(incident["excess_usd_at_open"])


@pytest.mark.parametrize("later", [2 * HOUR, 9 * HOUR + 5])
def test_an_incident_has_one_id_wherever_a_replay_begins(later: int) -> None:
    """Begun in the middle of it, a replay opens it later, and tells it by the same id."""
    given = features([*shop(), *leak(18 * DAY, 20)], 21)
    rules = Rules(dimensions=("token",))
    (whole,) = incidents_json(run(given, rules, UTC, 17 * DAY), given)
    opened = (datetime.fromisoformat(whole["opened"]) - given.time(0)) // timedelta(minutes=5)
    (late,) = incidents_json(run(given, rules, UTC, opened + later), given)
    assert late["opened"] > whole["opened"]
    assert late["id"] == whole["id"]


def test_an_incident_that_comes_again_has_another_id() -> None:
    given = features([*shop(), *leak(16 * DAY, 5), *leak(19 * DAY, 5)], 21)
    found = incidents_json(run(given, Rules(dimensions=("token",), quiet=timedelta(hours=1)), UTC, 15 * DAY), given)
    assert len(found) >= 2
    assert len({one["id"] for one in found}) == len(found)


def test_two_incidents_that_would_share_an_id_do_not() -> None:
    steps = [LoopStep(18 * DAY, f"shared-prefix-{number}", 300 * CENT, ORIGIN + 18 * DAY * 300) for number in (1, 2)]
    cells = [cell(18 * DAY, 300 * CENT, token=f"shared-prefix-{number}") for number in (1, 2)]
    given = features([*shop(), *cells], 21, loops=steps)
    found = incidents_json(run(given, Rules(dimensions=("token",), off=frozenset({"spike"})), UTC, 17 * DAY), given)
    assert [one["kind"] for one in found] == ["loop", "loop"]
    assert len({one["id"] for one in found}) == 2


def test_one_user_of_a_dear_model_is_no_change_of_price() -> None:
    cells = [cell(bucket, 10 * CENT, tokens=100_000, user=f"u{bucket % 7}") for bucket in range(21 * DAY)]
    dear = [cell(18 * DAY + bucket, 60 * CENT, tokens=20_000, user="one", model="dear") for bucket in range(11)]
    rules = Rules(off=frozenset({"spike"}))
    assert opened(features([*cells, *dear], 21), rules) == []
    many = [
        cell(18 * DAY + bucket, 60 * CENT, tokens=20_000, user=f"u{bucket % 7}", model="dear") for bucket in range(24)
    ]
    assert [one.part for one in opened(features([*cells, *many], 21), rules)] == [("endpoint", "/a")]


def test_what_is_passed_over_without_a_look_is_known_as_if_it_had_been_fed() -> None:
    dear = cell(4 * DAY + 7, 10**19, token="key-4", user="v", requests=2)  # more than eight bytes hold
    whole = features([*shop(6), *leak(2 * DAY + 5, 9), dear, dear._replace(cost=5)], 6)
    berlin = ZoneInfo("Europe/Berlin")
    fed, passed = (Engine(Rules(), whole.origin, berlin, whole.dimensions) for _ in range(2))
    parts = dict(buckets(whole.cells))
    for bucket in range(6 * DAY):
        fed.feed(bucket, parts.get(bucket, ()))
    pass_over(passed, InOrder(whole.cells), {}, 0, 6 * DAY)
    assert passed.standing.mark() == fed.standing.mark()
    assert passed.standing.series.keys() == fed.standing.series.keys()
    for key, series in fed.standing.series.items():
        other = passed.standing.series[key]
        assert other.first == series.first
        assert other.at == series.at
        for start in range(6 * DAY):
            one = (start, start + 1)
            assert (other.spent(*one), other.count(*one)) == (series.spent(*one), series.count(*one))
            assert other.square_sum(*one) == pytest.approx(series.square_sum(*one))
        last = (5 * DAY, 6 * DAY)  # of what was before nobody asks
        assert other.largest_in(*last) == series.largest_in(*last)
        assert [other.record(place, fed.standing.day) for place in range(3)] == [
            series.record(place, fed.standing.day) for place in range(3)
        ]
    for engine in (passed, fed):
        engine.tick()
    assert pickle.dumps(passed.incidents) == pickle.dumps(fed.incidents)
