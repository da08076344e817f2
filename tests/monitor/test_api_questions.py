"""Which questions a view asks of a report API, and at what pace: nothing is asked here."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cost_top.model.filter import parse_filter
from cost_top.model.view import View
from cost_top.model.windows import WINDOW_NAMES
from cost_top.monitor.api.kept import KeptAnswers
from cost_top.monitor.api.meter import Meter
from cost_top.monitor.api.pace import Pace
from cost_top.monitor.api.questions import Sheet, knows_of
from cost_top.monitor.api.questions import sheet_of as sheet_of_needs
from cost_top.overview.needs import needs_of
from cost_top.sources.apis.openai import OpenAiApi
from cost_top.sources.apis.vercel import VercelApi
from cost_top.sources.report_api import GRAINS, Capabilities
from cost_top.tui.layout import EVERY_LENS

DAY = timedelta(days=1)
NOW = datetime(2026, 11, 25, 14, 3, 22, tzinfo=UTC)


def sheet_of(view: View, now: datetime, capabilities: Capabilities) -> Sheet:
    return sheet_of_needs(needs_of(view, now, UTC, knows_of(capabilities)).all, now, capabilities)


def vercel() -> Capabilities:
    return VercelApi("https://ai-gateway.vercel.sh", "vck_" + "0" * 20).capabilities


def openai() -> Capabilities:
    return OpenAiApi("https://api.openai.com/v1", "sk-admin-" + "0" * 20, lambda: None).capabilities  # type: ignore[arg-type]


@pytest.mark.parametrize("capabilities", [vercel(), openai()])
@given(
    window=st.sampled_from(WINDOW_NAMES),
    now=st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC)),
    back=st.none() | st.timedeltas(timedelta(0), timedelta(days=40)),
)
def test_questions_are_whole_in_the_grain_and_cover_the_window(capabilities, window, now, back):
    view = View(window=window, end=None if back is None else now - back, lenses=EVERY_LENS)
    sheet = sheet_of(view, now, capabilities)
    for one in sheet.wanted():
        question = one.question
        finest = capabilities.totals if question.dimension is None else capabilities.dimensions[question.dimension]
        step = GRAINS[question.grain or finest]
        epoch = datetime(1970, 1, 1, tzinfo=UTC)
        assert (question.start - epoch) % step == timedelta(0)
        assert (question.end - epoch) % step == timedelta(0)
        assert question.start < question.end
        # What may still change is never kept for good.
        assert not one.closed or question.end <= now - capabilities.settles
    for lens in sheet.lenses:
        spans = sorted((part.question.start, part.question.end) for part in lens.parts)
        assert spans[0][0] == lens.period.start
        assert spans[-1][1] >= lens.period.end
        assert all(before[1] == after[0] for before, after in itertools.pairwise(spans))
    if sheet.fine is None:
        covered = sorted(
            (part.question.start, part.question.end) for part in (sheet.days, sheet.recent) if part is not None
        )
        assert covered[0][0] <= sheet.period.start
        assert covered[-1][1] >= sheet.period.end


def test_only_panels_on_the_screen_ask():
    narrow = sheet_of(View(lenses=("provider", "model")), NOW, vercel())
    asked = {one.question.dimension for one in narrow.wanted()}
    assert asked == {None, "provider", "model"}
    # A panel that the API cannot answer asks nothing.
    wide = sheet_of(View(lenses=("provider", "endpoint", "team")), NOW, vercel())
    assert {one.question.dimension for one in wide.wanted()} == {None, "provider"}


def test_open_questions_keep_their_key_while_time_goes_on():
    view = View(lenses=("provider", "model"))
    first = {one.key for one in sheet_of(view, NOW, vercel()).wanted()}
    later = {one.key for one in sheet_of(view, NOW + timedelta(hours=5), vercel()).wanted()}
    assert first == later
    # At midnight, and when yesterday has settled, they are others.
    assert {one.key for one in sheet_of(view, NOW + timedelta(hours=13), vercel()).wanted()} != first


def test_a_filter_goes_into_every_question():
    where = parse_filter("user:acme")
    sheet = sheet_of(View(filter=where, lenses=("provider",)), NOW, vercel())
    assert all(one.question.where == where for one in sheet.wanted())


@pytest.mark.parametrize("lenses", [("provider", "model"), ("provider", "endpoint", "token", "model"), EVERY_LENS])
def test_the_usual_pace_stays_under_fifteen_dollars_a_month(lenses):
    api = VercelApi("https://ai-gateway.vercel.sh", "vck_" + "0" * 20)
    pace = Pace(api, KeptAnswers(None, "x"), Meter())
    # A month of it, question by question: what is open in turn, what is closed whenever it is another one.
    asked, closed, wanted = 0, set[str](), []
    for quarter in range(30 * 96):
        wanted = list(sheet_of(View(lenses=lenses), NOW + quarter * timedelta(minutes=15), api.capabilities).wanted())
        closed |= {one.key for one in wanted if one.closed}
        asked += sum(not one.closed for one in wanted) * 900 / pace.round_interval(wanted)
    spent = (asked + len(closed)) * api.capabilities.price
    assert spent < 15 * 10**12
    assert abs(spent - pace.monthly_cost(wanted)) < 10**12


def test_days_are_asked_for_one_by_one_and_windows_are_whole_days():
    sheet = sheet_of(View(window="7d"), NOW, vercel())
    assert sheet.period.start == datetime(2026, 11, 19, tzinfo=UTC)
    assert sheet.days is not None
    assert sheet.days.question.start == datetime(2026, 11, 1, tzinfo=UTC)  # the month so far
    assert sheet.recent is not None
    assert sheet.recent.question.grain == "hour"
    bill = sheet_of(View(window="7d"), NOW, openai())
    assert bill.recent is not None
    assert bill.recent.question.grain == "day"
    assert bill.minutes is not None


@pytest.mark.parametrize("capabilities", [vercel(), openai()])
def test_no_two_questions_share_a_key(capabilities):
    known: dict[str, tuple[object, ...]] = {}
    ends = [None, *(NOW - timedelta(minutes=minutes) for minutes in (45, 6 * 60, 24 * 60, 9 * 24 * 60))]
    for window in WINDOW_NAMES:
        for end in ends:
            view = View(window=window, end=end, lenses=EVERY_LENS)
            for one in sheet_of(view, NOW, capabilities).wanted():
                question = one.question
                told = (question.start, question.end, question.dimension, question.grain, question.where)
                assert known.setdefault(one.key, told) == told, (one.key, window, end)


def test_the_last_hour_is_asked_for_in_every_live_window():
    for window in WINDOW_NAMES:
        sheet = sheet_of(View(window=window), NOW, openai())
        assert sheet.minutes is not None
        assert sheet.minutes.question.grain == "minute"
        keys = [one.key for one in sheet.wanted()]
        assert len(keys) == len(set(keys))


def test_what_lies_beyond_the_reach_is_not_given_in_part():
    capabilities = replace(openai(), reach=timedelta(days=30))
    assert sheet_of(View(window="30d"), NOW, capabilities).is_whole
    past = sheet_of(View(window="30d", end=NOW - timedelta(days=8)), NOW, capabilities)
    assert not past.is_whole
    assert not list(past.wanted())
