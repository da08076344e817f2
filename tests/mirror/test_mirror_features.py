"""The features the rules look at, against the same worked out row by row."""

from __future__ import annotations

import random
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.support.native_log import START, START_MS, NativeLog

from cost_top.mirror.store import Mirror
from cost_top.model.features import Features
from cost_top.model.filter import parse_filter
from cost_top.model.query import ReportQuery
from cost_top.model.windows import Period
from cost_top.monitor.log.features import read_features
from cost_top.monitor.log.once import read_period
from cost_top.pricing.book import RateBook
from cost_top.sources.sql.log import open_log

END = START + timedelta(hours=8)
PICO = 10**12


def read(log: NativeLog, book: RateBook, where: str = "", dimensions: tuple[str, ...] = ()) -> Features:
    mirror: Mirror = read_period(open_log(str(log.path), None), book, None, Period(START, END))
    try:
        return mirror.features(ReportQuery(START, END, where=parse_filter(where)), dimensions)
    finally:
        mirror.close()


def row(log: NativeLog, seconds: float, **given: Any) -> None:
    columns: dict[str, Any] = {
        "provider": "openai", "model": "gpt-5", "endpoint": "/a", "token": "k", "user_id": "u", "input_tokens": 1000,
        "output_tokens": 10, "cost_pico_usd": PICO, "status": 200,
    }  # fmt: skip
    log.add(time_ms=START_MS + int(seconds * 1000), **{**columns, **given})


def test_cells_add_up_to_the_rows_in_money_requests_and_errors(log: NativeLog, book: RateBook) -> None:
    draw = random.Random(7)
    expected: dict[tuple[int, Any, Any], list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for _ in range(300):
        seconds, token, user = draw.uniform(0, 8 * 3600 - 1), draw.choice(["k", "l", None]), draw.choice(["u", None])
        cost, status = draw.randint(0, 3 * PICO), draw.choice([200, 200, 400, 429, 503])
        row(log, seconds, token=token, user_id=user, cost_pico_usd=cost, status=status)
        sums = expected[int(seconds * 1000) // 300_000, token, user]
        for place, value in enumerate((1, cost, status in (429, 503))):
            sums[place] += value
        sums[3] = max(sums[3], cost)
    found = read(log, book)
    places = [found.dimensions.index(name) for name in ("token", "user")]
    assert {
        (cell.bucket, *(cell.names[place] for place in places)): [cell.requests, cell.cost, cell.errors, cell.largest]
        for cell in found.cells
    } == expected
    assert [cell.bucket for cell in found.cells] == sorted(cell.bucket for cell in found.cells)
    assert found.first == next(iter(found.cells)).bucket
    assert found.count == 8 * 12


def test_tokens_are_of_paid_requests_and_what_was_cached_is_part_of_the_input(log: NativeLog, book: RateBook) -> None:
    row(log, 0, cached_input_tokens=600)
    row(log, 1)
    row(log, 2, cached_input_tokens=500, cost_pico_usd=0)
    (cell,) = read(log, book).cells
    assert (cell.requests, cell.paid, cell.tokens, cell.input, cell.cached) == (3, 2, 2020, 2000, 600)


def test_what_is_paid_again_has_the_input_of_a_request_before_in_the_same_five_minutes(
    log: NativeLog, book: RateBook
) -> None:
    for seconds, put, cost in ((0, 700, PICO), (9, 700, PICO), (20, 700, 0), (31, 701, PICO), (299, 700, PICO)):
        row(log, seconds, input_tokens=put, cost_pico_usd=cost)
    row(log, 301, input_tokens=700)
    row(log, 302, input_tokens=700, user_id="another")
    assert [(cell.paid, cell.again) for cell in read(log, book).cells] == [(4, 2), (1, 0), (1, 0)]


def test_a_filter_leaves_out_what_does_not_match(log: NativeLog, book: RateBook) -> None:
    row(log, 0, endpoint="/a")
    row(log, 1, endpoint="/b")
    assert [cell.names[1] for cell in read(log, book, "endpoint:/b").cells] == ["/b"]


def test_tags_stand_in_the_cells_only_where_they_are_watched(log: NativeLog, book: RateBook) -> None:
    row(log, 0, tags='["prod", "plan:pro"]')
    assert [cell.tags for cell in read(log, book).cells] == [()]
    assert [set(cell.tags) for cell in read(log, book, dimensions=("tag",)).cells] == [{"prod", "plan:pro"}]


def test_the_twelfth_even_call_of_a_key_route_and_user_is_a_step_of_a_loop(log: NativeLog, book: RateBook) -> None:
    for place in range(14):
        row(log, 60 * place, input_tokens=1000 + place % 3)
    steps = read(log, book).loops
    assert [(step.bucket, step.token, step.spent) for step in steps] == [
        (11 * 60 // 300, "k", 12 * PICO), (12 * 60 // 300, "k", 13 * PICO), (13 * 60 // 300, "k", 14 * PICO),
    ]  # fmt: skip
    assert {step.started for step in steps} == {int(START.timestamp())}


@pytest.mark.parametrize(
    "change",
    [
        lambda place: {"input_tokens": 1000 + 200 * place},  # the context grows
        lambda place: {"user_id": f"u{place % 2}"},  # two users
        lambda place: {"endpoint": f"/{place}"},
    ],
)
def test_calls_that_differ_are_no_loop(log: NativeLog, book: RateBook, change: Any) -> None:
    for place in range(20):
        row(log, 60 * place, **change(place))
    assert read(log, book).loops == ()


def test_uneven_gaps_are_no_loop(log: NativeLog, book: RateBook) -> None:
    for place in range(30):
        row(log, 30 * place + (25 if place % 3 else 0) * (place % 5))
    assert read(log, book).loops == ()


def test_a_row_equal_to_one_within_two_seconds_before_is_counted_as_logged_twice(
    log: NativeLog, book: RateBook
) -> None:
    row(log, 0)
    row(log, 1.5)
    row(log, 10)
    row(log, 11, output_tokens=11)
    row(log, 20, cost_pico_usd=0)
    row(log, 20, cost_pico_usd=0)
    found = read(log, book)
    assert [(one.bucket, one.requests, one.doubled, one.doubled_cost) for one in found.doubled] == [(0, 6, 1, PICO)]


def test_keys_have_their_display_names(log: NativeLog, book: RateBook) -> None:
    row(log, 0, token_name="billing")
    assert read(log, book).token_names == {"k": "billing"}


def test_a_period_starts_with_a_bucket_and_has_its_history_before_it(log: NativeLog, book: RateBook) -> None:
    row(log, 0)
    row(log, 4000)
    start = START + timedelta(minutes=63, seconds=7)
    found, begin = read_features(open_log(str(log.path), None), book, None, Period(start, END), parse_filter(""), ())
    assert found.time(begin) == start
    assert [
        found.time(cell.bucket) <= datetime.fromtimestamp(START.timestamp() + at, UTC)
        for cell, at in zip(found.cells, (0, 4000), strict=True)
    ] == [True, True]


def test_an_empty_log_has_no_features(log: NativeLog, book: RateBook) -> None:
    found = read(log, book)
    assert (list(found.cells), found.first, found.loops, found.doubled) == ([], None, (), ())
