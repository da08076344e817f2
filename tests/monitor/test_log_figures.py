"""What a log's figures say in cases that are easily got wrong: read whole, as `cost-top report` does."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import pytest

from cost_top.model.filter import Filter, parse_filter
from cost_top.model.query import ReportQuery
from cost_top.monitor.log.answers import LogAnswers
from cost_top.pricing.book import RateBook
from cost_top.sources.sql.log import open_log

DAY = datetime(2026, 11, 10, tzinfo=UTC)


@pytest.fixture
def reported(sqlite_log):
    """Writes rows of the native log and reports the day they are of."""
    numbers = itertools.count()

    def report(*rows, group_by=(), where=""):
        log = sqlite_log(f"{next(numbers)}.db")
        for row in rows:
            log.add(**row)
        answers = LogAnswers(lambda: open_log(str(log.path), None), lambda: RateBook.load(None), None)
        try:
            where = parse_filter(where) if where else Filter()
            return answers.report(ReportQuery(DAY, DAY + timedelta(days=1), group_by, where))
        finally:
            answers.close()

    return report


def test_a_prompt_that_came_wholly_from_the_cache_is_counted_once(reported):
    row = {
        "provider": "openai",
        "model": "gpt-4o",
        "input_tokens": 1000,
        "cached_input_tokens": 1000,
        "output_tokens": 0,
    }
    totals = reported(row).totals
    assert (totals.input_tokens, totals.cached_input_tokens) == (1000, 1000)
    assert totals.total_cost == 1000 * 1_250_000, "at the price of cached input alone"


def test_a_prompt_that_was_written_to_the_cache_and_read_from_it_is_counted_once(reported):
    row = {"provider": "anthropic", "model": "claude-sonnet-4-5", "input_tokens": 1000, "cached_input_tokens": 400,
           "cache_creation_input_tokens": 600}  # fmt: skip
    assert reported(row).totals.input_tokens == 1000


def test_parts_that_exceed_the_whole_were_left_out_of_it(reported):
    row = {"provider": "anthropic", "model": "claude-sonnet-4-5", "input_tokens": 100, "cached_input_tokens": 101}
    assert reported(row).totals.input_tokens == 201


@pytest.mark.parametrize(
    ("word", "found"),
    [("100%_x", ["100%_x"]), ("100%", ["100%_x"]), ("%", ["100%_x"]), ("_x", ["100%_x"]), ("0*x", ["100%_x", "100abx"]),
     ("\\", ["a\\b"]), ("00", ["100%_x", "100abx"])],
)  # fmt: skip
def test_a_bare_word_finds_what_it_spells(reported, word, found):
    rows = [{"endpoint": name, "cost_pico_usd": 1} for name in ("100%_x", "100abx", "plain", "a\\b")]
    report = reported(*rows, group_by=("endpoint",), where=word)
    assert sorted(row.key[0] for row in report.rows) == sorted(found)


def test_what_the_response_cache_avoided_is_told_and_not_counted(reported):
    sent = {"provider": "openai", "model": "gpt-4o", "input_tokens": 10, "output_tokens": 5, "cost_pico_usd": 1}
    hit = {**sent, "input_tokens": 700, "output_tokens": 80, "cache_hit": True, "cost_pico_usd": 0}
    report = reported(sent, hit)
    assert (report.totals.input_tokens, report.totals.output_tokens) == (10, 5)
    assert [note for note in report.notes if "avoided" in note] == [
        "response cache avoided 700 input and 80 output tokens, not in the token counts"
    ]
    assert not [note for note in reported(sent).notes if "avoided" in note]


def test_a_renamed_key_is_called_by_its_newest_name(reported):
    ms = int(DAY.timestamp() * 1000)
    renamed = [{"token": "k1", "token_name": name, "cost_pico_usd": 1, "time_ms": ms + hour * 3_600_000}
               for hour, name in ((23, "newest"), (0, "oldest"), (12, "middle"))]  # fmt: skip
    (row,) = reported(*renamed, group_by=("token",)).rows
    assert row.key == ("k1", "newest")


@pytest.mark.parametrize(("where", "found"), [
    ("provider:OpenAI", 2), ("provider:OPEN*", 2), ("-provider:openAI", 1), ("credential_type:System", 1),
])  # fmt: skip
def test_a_provider_is_found_however_it_is_spelled(reported, where, found):
    rows = [{"provider": provider, "model": "gpt-4o", "credential_type": kind, "input_tokens": 1}
            for provider, kind in (("OpenAI", "SYSTEM"), ("openai", None), ("Anthropic", None))]  # fmt: skip
    assert reported(*rows, where=where).totals.request_count == found
