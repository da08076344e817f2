"""Why: parts that add up, drivers that explain, and sentences a person understands."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cost_top.insight.spans import compared
from cost_top.insight.why import Ask, Why, why
from cost_top.insight.why_asked import parse_against
from cost_top.insight.why_text import printed, sentence, why_json
from cost_top.model.errors import UserError
from cost_top.model.filter import parse_filter
from cost_top.model.query import Measures, Report, ReportRow
from cost_top.model.windows import Period

COLUMNS = ("token", "token_name", "endpoint", "model", "user")
NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
DOLLAR = 10**12
PERIODS = ((NOW - timedelta(hours=8), NOW - timedelta(hours=4)), (NOW - timedelta(hours=4), NOW))

Row = tuple[str | None, str | None, str, str | None, int, int, int]


def row(
    cost: float, requests: int, tokens: int, token: str | None = "agent-1", endpoint: str | None = "/a",
    model: str = "small", user: str | None = None, cached: int = 0, hits: int = 0,
) -> ReportRow:  # fmt: skip
    measures = Measures(total_cost=round(cost * DOLLAR), request_count=requests + hits, cache_hit_count=hits,
                        input_tokens=tokens, output_tokens=0, cached_input_tokens=cached)  # fmt: skip
    return ReportRow((token, f"name of {token}", endpoint, model, user), measures)


def ask(before: list[ReportRow], after: list[ReportRow]) -> Ask:
    sides = [Report(COLUMNS, tuple(rows), Measures(), len(rows), NOW) for rows in (before, after)]
    return Ask(sides[0], sides[1], PERIODS)


def told(answer: Why, where: str = "endpoint:/a") -> str:
    return sentence(answer, parse_filter(where), UTC, until_now=True)


ROWS = st.lists(
    st.builds(
        row, st.integers(0, 100).map(lambda cents: cents / 100), st.integers(0, 50), st.integers(0, 9999),
        st.sampled_from(["k", "l", None]), st.sampled_from(["/a", "/b", None]), st.sampled_from(["m", "n"]),
        st.sampled_from(["u", None]), hits=st.integers(0, 3),
    ),
    max_size=6,
)  # fmt: skip


@given(ROWS, ROWS)
def test_factors_add_up_to_the_change_of_the_whole_and_of_every_driver(
    before: list[ReportRow], after: list[ReportRow]
) -> None:
    answer = why(ask(before, after))
    assert sum(answer.factors.values()) == answer.change
    for driver in answer.drivers:
        assert sum(driver.factors.values()) == driver.change
        assert driver.share * answer.change == driver.change


def test_the_key_behind_it_is_named_with_its_own_requests_effect() -> None:
    before = [row(10, 100, 10_000), row(2, 20, 2_000, token="agent-2")]
    after = [row(10, 100, 10_000), row(18, 180, 18_000, token="agent-2")]
    text = told(why(ask(before, after)))
    assert text == (
        "/a is up $16.00 (2.3×) since Mon 08:00: key name of agent-2 100 % of it, 9.0× the requests; "
        "size and price per token unchanged."
    )


def test_a_swap_names_both_models_and_the_endpoint() -> None:
    before = [row(1, 100, 10_000, model="gpt-5-mini")]
    after = [row(8, 100, 10_000, model="gpt-5")]
    text = told(why(ask(before, after)))
    assert "gpt-5-mini → gpt-5 on /a" in text
    assert "requests;" not in text


def test_a_model_that_came_beside_another_has_not_replaced_it() -> None:
    usual = row(4, 100, 10_000, model="opus")
    text = told(why(ask([usual, row(1, 90, 9_000, model="sonnet")], [usual, row(4, 360, 36_000, model="sonnet")])))
    assert "→" not in text
    assert "4.0× the requests" in text
    fewer = row(2, 50, 5_000, model="opus")
    moved = [fewer, row(4, 160, 16_000, model="sonnet")]
    assert "opus → sonnet on /a" in told(why(ask([usual, row(0.5, 60, 6_000, model="sonnet")], moved), ("model",)))


def test_two_models_used_alike_that_change_places_are_no_swap() -> None:
    before = [row(305, 305, 305_000, model="opus"), row(28, 281, 281_000, model="sonnet")]
    after = [row(279, 279, 279_000, model="opus"), row(32, 316, 316_000, model="sonnet")]
    assert "→" not in told(why(ask(before, after), ("token",)))


def test_a_cache_break_is_price_and_gives_the_reason() -> None:
    before = [row(1, 100, 10_000, cached=7_200)]
    after = [row(3, 100, 10_000, cached=300)]
    text = told(why(ask(before, after)))
    assert "3.0× the price per token (cached input 72 % → 3 %)" in text
    assert "size unchanged" in text


def test_larger_requests_are_size() -> None:
    text = told(why(ask([row(1, 100, 10_000)], [row(4, 100, 40_000)])))
    assert "requests 4.0× the size; price per token unchanged" in text


def test_a_factor_that_rounds_to_once_is_told_in_per_cent_or_not_at_all() -> None:
    larger = told(why(ask([row(100, 100, 10_000)], [row(103, 100, 10_300)])))
    assert larger.endswith(" 100 % of it, requests 3 % larger; price per token unchanged.")
    fewer = told(why(ask([row(100, 100, 10_000)], [row(96, 96, 9_600)])))
    assert fewer.endswith(" 100 % of it, 4 % fewer requests; size and price per token unchanged.")
    cheaper = told(why(ask([row(100, 100, 10_000)], [row(97, 100, 10_000)])))
    assert cheaper.endswith(" 100 % of it, tokens 3 % cheaper; size unchanged.")
    # The dear model's requests grew as much as the cheap one's shrank: on the whole their size is what it was.
    before = [row(10, 100, 10_000, model="dear"), row(2, 100, 20_000, model="cheap")]
    after = [row(20, 100, 20_000, model="dear"), row(1, 100, 10_000, model="cheap")]
    text = told(why(ask(before, after), ("token",)))
    assert text.endswith(" 100 % of it; price per token unchanged.")


def test_a_key_is_called_by_its_name_as_everywhere() -> None:
    before, after = [row(1, 100, 10_000)], [row(4, 100, 40_000)]
    assert told(why(ask(before, after)), "token:agent-1").startswith("key name of agent-1 is up $3.00")
    assert told(why(ask(before, after)), "token:agent-*").startswith("key agent-* is up")
    both = [*after, row(1, 1, 1, token="agent-2")]
    assert told(why(ask(before, both)), "token:agent-1").startswith("key agent-1 is up")


def test_what_moved_by_a_little_is_not_unchanged() -> None:
    text = told(why(ask([row(10, 100, 10_000)], [row(97, 1_000, 100_000)])))
    assert text.endswith(" 100 % of it, 10.0× the requests; size and price per token hardly changed.")


def test_down_is_told_like_up() -> None:
    text = told(why(ask([row(10, 100, 10_000)], [row(4, 40, 4_000)])))
    assert text.startswith(
        "/a is down $6.00 (-60 %) since Mon 08:00: key name of agent-1 100 % of it, 0.4× the requests"
    )


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (row(5, 10, 100), row(-3, 10, 100), "down $8.00 (from $5.00) since Mon 08:00: {}, refunds or corrections;"),
        (row(-3, 10, 100), row(5, 10, 100), "up $8.00 (from -$3.00) since Mon 08:00: {}, refunds or corrections;"),
        (row(5, 10, 100), row(0, 10, 100), "down $5.00 (-100 %) since Mon 08:00: {}, nothing paid for it any more;"),
        (row(5, 10, 100), row(0, 0, 0, hits=10), "down $5.00 (-100 %) since Mon 08:00: {}, requests without"),
        (row(5, 1000, 10_000), row(0.01, 2, 20), "down $4.99 (-100 %) since Mon 08:00: {}, 99 % fewer requests;"),
    ],
)  # fmt: skip
def test_no_part_is_told_of_what_is_below_nothing_and_no_ratio_of_nothing(
    before: ReportRow, after: ReportRow, said: str
) -> None:
    assert said.format("key name of agent-1 100 % of it") in told(why(ask([before], [after])))


def test_what_is_gone_makes_no_requests_any_more() -> None:
    text = told(why(ask([row(5, 10, 100)], [row(1, 10, 100, token="other")])))
    assert "key name of agent-1 125 % of it, no requests any more" in text


def test_what_was_not_there_is_new_and_what_is_the_same_is_unchanged() -> None:
    assert "(new)" in told(why(ask([], [row(4, 40, 4_000)])))
    same = [row(4, 40, 4_000)]
    assert told(why(ask(same, same))) == "/a is unchanged since Mon 08:00, at $4.00."


def test_without_requests_nothing_is_unchanged() -> None:
    assert told(why(ask([], []))) == "/a: no requests since Mon 08:00, nor in the time before."
    unpriced = replace(ask([], []), unpriced=(0, 3))
    assert "no request" in told(why(unpriced))
    assert "has a price" in told(why(unpriced))


def test_drivers_of_one_name_are_told_apart() -> None:
    after = [
        replace(row(4, 40, 4_000, token=key), key=(key, "ci", "/a", "small", None)) for key in ("k-1111", "k-2222")
    ]
    text = told(why(ask([], after), ("token",)))
    assert "key ci …1111 50 % of it" in text
    assert "key ci …2222 50 %" in text


def test_one_level_down_stands_inside_the_first_driver() -> None:
    before = [row(1, 10, 1000, token="k", user="u"), row(1, 10, 1000, token="l")]
    before.append(row(1, 10, 1000, token="k", user="w"))
    after = [row(9, 90, 9000, token="k", user="u"), row(1, 10, 1000, token="k", user="w"), row(1, 10, 1000, token="l")]
    answer = why(ask(before, after), ("token", "user"))
    assert (answer.drivers[0].dimension, answer.drivers[0].value) == ("token", "k")
    assert [(one.dimension, one.value) for one in answer.drivers[0].inside] == [("user", "u")]


def test_answers_of_the_response_cache_are_cells_of_their_own() -> None:
    before = [row(1, 10, 1000, hits=0)]
    after = [row(1, 10, 1000, hits=10)]
    answer = why(ask(before, after))
    assert answer.change == 0
    assert answer.factors["price"] == answer.factors["size"] == 0


def test_hostile_names_leave_no_control_character_in_the_sentence() -> None:
    name = "evil\x1b[31m\n" + "x" * 300
    text = told(why(ask([], [row(4, 40, 4_000, token=name)])), "")
    assert text.isprintable()
    assert len(text) < 400


def test_the_json_has_money_as_strings_and_shares_as_numbers() -> None:
    answer = why(ask([row(1, 10, 1000)], [row(2, 20, 2000)]))
    document = why_json(answer, "s")
    assert document["change_usd"] == "1"
    assert document["factors"] == {"requests": "1", "mix": "0", "size": "0", "price": "0"}
    assert document["drivers"][0]["share"] == 1.0
    assert document["before"] == {
        "since": "2026-11-02T04:00:00Z", "until": "2026-11-02T08:00:00Z", "cost_usd": "1", "requests": 10,
        "unpriced": 0,
    }  # fmt: skip


@given(st.dictionaries(st.sampled_from("abcd"), st.integers(-(10**16), 10**16), min_size=1))
def test_parts_add_up_as_they_are_printed(parts: dict[str, int]) -> None:
    cents = [int(text.replace("$", "").replace(".", "").replace(",", "")) for text in printed(parts).values()]
    assert sum(cents) == (2 * sum(parts.values()) + 10**10) // (2 * 10**10)


def test_the_day_so_far_is_compared_with_the_day_before_to_the_same_minute() -> None:
    zone = ZoneInfo("Europe/Berlin")
    today = Period(datetime(2026, 11, 5, tzinfo=zone), datetime(2026, 11, 5, 9, 30, tzinfo=zone))
    other, note = compared(today, "previous", zone)
    assert (other.start, other.end) == (datetime(2026, 11, 4, tzinfo=zone), datetime(2026, 11, 4, 9, 30, tzinfo=zone))
    assert note is None


def test_a_day_of_25_hours_is_said() -> None:
    zone = ZoneInfo("Europe/Berlin")
    long = Period(
        datetime(2026, 10, 25, tzinfo=zone).astimezone(UTC), datetime(2026, 10, 26, tzinfo=zone).astimezone(UTC)
    )
    assert long.length == timedelta(hours=25)
    other, note = compared(long, "previous", zone)
    assert other.length == timedelta(hours=24)
    assert note == "the clocks changed: 1 h more than what it is compared with"


def test_otherwise_the_same_length_before_the_same_hours_of_last_week_or_from_an_instant_on() -> None:
    period = Period(NOW - timedelta(hours=3), NOW)
    assert compared(period, "previous", UTC)[0] == Period(NOW - timedelta(hours=6), NOW - timedelta(hours=3))
    assert compared(period, "last-week", UTC)[0] == Period(NOW - timedelta(days=7, hours=3), NOW - timedelta(days=7))
    start = NOW - timedelta(days=30)
    assert compared(period, start, UTC)[0] == Period(start, start + timedelta(hours=3))


def test_a_comparison_a_refusal_and_all_that_carry_something_are_told_as_filtered() -> None:
    answer = why(ask([row(4, 40, 4_000)], [row(10, 100, 10_000)]))
    for where, subject in (
        ("status:>=400", "spend of status:>=400"),
        ("status:400", "status 400"),
        ("user:*", "spend of user:*"),
        ("-user:*", "spend with no user"),
        ("-token:*", "spend with no key"),
        ("-user:acme", "spend of -user:acme"),
    ):
        assert told(answer, where).startswith(f"{subject} is up $6.00"), where


def test_a_period_that_has_not_begun_is_nothing_to_compare_with() -> None:
    period = Period(NOW - timedelta(hours=3), NOW)
    with pytest.raises(UserError, match=r"^--against 2031-01-01: has not begun"):
        parse_against("2031-01-01", period, NOW, UTC, "--against")
