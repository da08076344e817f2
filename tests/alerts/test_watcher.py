"""Looks become events: each once, whatever happens in between."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from cost_top.alerts.digest import digest, due_digests
from cost_top.alerts.memory import Remembered, remembered
from cost_top.alerts.watcher import STALE_AFTER, IncidentFacts, Watcher
from cost_top.insight.budgets import period_of
from cost_top.model.budgets import Budget, Standing, parse_period
from cost_top.model.query import Measures, Report, ReportQuery, ReportRow, key_columns
from cost_top.model.snapshot import Live, Stale
from cost_top.model.waste import LINES, Waste, WasteLine

USD = 10**12
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
BUDGET = Budget("acme", 100 * USD, parse_period("month"), at=(50, 100), notify=("ops",))


def standing(spent: int, of: Budget = BUDGET, now: datetime = NOW, **more) -> Standing:
    start, end = period_of(of, now)
    return Standing(of, start, end, now, spent * USD, **more)


def incident(excess: int = 1, closed: datetime | None = None, opened: datetime = NOW, **more) -> IncidentFacts:
    facts = {"id": "2026-11-20T12:00Z-token-kk", "kind": "spike", "dimension": "token", "value": "kk", **more}
    return IncidentFacts(**facts, opened=opened, closed=closed, excess=excess * USD, document={"kind": facts["kind"]},
                         sentence=f"key {facts['value']}: +${excess}")  # fmt: skip


def again(watcher: Watcher) -> Watcher:
    """As after a restart: from what the file holds."""
    return Watcher(remembered(json.loads(json.dumps(watcher.memory.as_json()))), "gateway.db", ("ops",))


def kinds(events) -> list[str]:
    return [event.kind for event in events]


@pytest.fixture
def watcher() -> Watcher:
    return Watcher(Remembered(), "gateway.db", ("ops",))


def test_a_threshold_is_told_once_over_restarts_and_its_event_says_all(watcher):
    (event,) = watcher.look(NOW, [standing(60)])
    assert (event.kind, event.notify, event.data["threshold_percent"]) == ("budget.threshold", ("ops",), 50)
    assert event.data["spent_usd"] == "60"
    assert event.text.startswith("budget acme has reached 50 %: $60.00 of $100.00 used (60 %)")
    for _ in range(3):
        watcher = again(watcher)
        assert watcher.look(NOW, [standing(61)]) == []


def test_a_state_that_was_lost_finds_the_same_event_under_the_same_id(watcher):
    (first,) = watcher.look(NOW, [standing(60)])
    (second,) = Watcher(Remembered(), "gateway.db").look(NOW + timedelta(days=1), [standing(70)])
    assert first.id == second.id


def test_two_values_crossing_in_one_look_are_two_events(watcher):
    of = Budget("u", USD, parse_period("day"), each="user", mode="hard")
    found = watcher.look(NOW, [standing(1, of, value="a"), standing(1, of, value="b")])
    assert kinds(found) == ["budget.exhausted"] * 2
    assert len({event.id for event in found}) == 2


def test_an_incident_opens_grows_once_and_closes_once(watcher):
    assert kinds(watcher.look(NOW, incidents=[incident(1)])) == ["incident.opened"]
    watcher = again(watcher)
    assert watcher.look(NOW, incidents=[incident(9)]) == []
    assert kinds(watcher.look(NOW, incidents=[incident(10)])) == ["incident.grown"]
    watcher = again(watcher)
    assert watcher.look(NOW, incidents=[incident(200)]) == []
    over = NOW + timedelta(hours=8)
    assert kinds(watcher.look(over, incidents=[incident(200, over)])) == ["incident.closed"]
    assert again(watcher).look(over, incidents=[incident(200, over)]) == []


def test_what_was_over_or_old_when_it_was_first_seen_is_not_told_nor_is_its_end(watcher):
    old = NOW - timedelta(hours=7)
    assert watcher.look(NOW, incidents=[incident(opened=old)]) == []
    assert watcher.look(NOW, incidents=[incident(opened=old, closed=NOW)]) == []
    assert watcher.look(NOW, incidents=[incident(opened=NOW, closed=NOW, id="x")]) == []


def test_an_open_incident_that_is_found_under_another_id_is_the_same(watcher):
    watcher.look(NOW, incidents=[incident()])
    assert watcher.look(NOW, incidents=[incident(id="other")]) == []


def test_an_open_incident_is_told_again_only_to_those_who_want_that():
    watcher = Watcher(Remembered(), "s", ("ops", "chat"), {"ops": timedelta(hours=24)})
    watcher.look(NOW, incidents=[incident()])
    told = [
        event for hour in range(1, 73) for event in watcher.look(NOW + timedelta(hours=hour), incidents=[incident()])
    ]
    assert [event.notify for event in told] == [("ops",)] * 3
    assert len({event.id for event in told}) == 3


def test_a_log_that_is_wholly_silent_is_one_event(watcher):
    silent = [incident(kind="silence", dimension="total", value=None, id="t")]
    silent += [incident(kind="silence", value=f"k{number}", id=f"k{number}") for number in range(5)]
    assert len(watcher.look(NOW, incidents=silent)) == 1


def test_a_source_that_does_not_answer_is_news_after_a_while_once_and_so_is_its_return(watcher):
    gone = Stale(NOW, "gateway.db: is locked", NOW)
    assert watcher.look(NOW + STALE_AFTER - timedelta(seconds=1), state=gone) == []
    (event,) = watcher.look(NOW + STALE_AFTER, state=gone)
    assert event.kind == "source.stale"
    assert event.text == f"gateway.db does not answer since {NOW:%Y-%m-%d %H:%M}Z: is locked"
    watcher = again(watcher)
    assert watcher.look(NOW + timedelta(hours=1), state=gone) == []
    assert kinds(watcher.look(NOW + timedelta(hours=1), state=Live(NOW))) == ["source.recovered"]
    assert watcher.look(NOW + timedelta(hours=1), state=Live(NOW)) == []


def test_a_short_absence_is_no_news(watcher):
    watcher.look(NOW + timedelta(minutes=1), state=Stale(NOW, "x", NOW))
    assert watcher.look(NOW + timedelta(minutes=2), state=Live(NOW)) == []


def test_a_clock_set_back_tells_nothing_anew(watcher):
    watcher.look(NOW, [standing(60)], [incident()])
    back = NOW - timedelta(hours=1)
    assert watcher.look(back, [standing(60, now=back)], [incident()]) == []


def test_memory_of_old_periods_is_dropped(watcher):
    watcher.look(NOW, [standing(60)])
    watcher.look(NOW + timedelta(days=100))
    assert watcher.memory.said == {}


# Digests


class Answers:
    """Spend of $2 a day more each day."""

    label = "gateway.db"

    def report(self, query: ReportQuery) -> Report:
        if query.group_by == ("hour",):
            hours = (query.end - query.start) // timedelta(hours=1)
            each = Measures(total_cost=USD // 24)
            rows = [ReportRow(((query.start + timedelta(hours=hour)).isoformat(),), each) for hour in range(hours)]
            return Report(("hour",), tuple(rows), Measures(), hours, NOW)
        days = (query.end - query.start).days
        first = (query.start - datetime(2026, 11, 1, tzinfo=UTC)).days
        cost = sum(2 * USD * (first + day) for day in range(days))
        rows = (ReportRow(("m",) * len(key_columns(query.group_by)), Measures(total_cost=cost, request_count=days)),)
        totals = Measures(total_cost=cost, request_count=7)
        return Report(key_columns(query.group_by), rows if query.group_by else (), totals, 1, NOW)


def test_a_digest_is_due_once_a_day_after_its_time_and_weekly_on_monday():
    memory, at = Remembered(), time(8)
    monday = datetime(2026, 11, 23, 7, 59, tzinfo=UTC)
    assert due_digests(memory, at, UTC, monday) == []
    assert due_digests(memory, at, UTC, monday + timedelta(minutes=1)) == ["digest.daily", "digest.weekly"]
    assert due_digests(memory, at, UTC, monday + timedelta(minutes=2)) == []
    assert due_digests(memory, at, UTC, monday + timedelta(days=1, minutes=5)) == ["digest.daily"]
    assert due_digests(Remembered(), at, UTC, monday + timedelta(hours=7)) == []  # too late for today


def test_a_digest_says_what_was_spent_and_against_what():
    found = digest("digest.daily", Answers(), [standing(60)], UTC, NOW)
    assert (found.data["spent_usd"], found.data["previous_usd"]) == ("36", "34")
    assert found.text.startswith("yesterday $36.00, ▲ $2.00 (5.9 %); 7 requests; most by model: m $36.00; ")
    assert "; spend is up $2.00 (+6 %) " in found.text
    assert found.data["why"]["sentence"].startswith("spend is up $2.00")
    assert "month end ≈ $30.00, 4 of 5 times within 30.00–30.00" in found.text
    assert found.data["waste"] is None  # no single requests


def test_a_digest_of_a_day_of_25_hours_says_so():
    monday = datetime(2026, 10, 26, 7, tzinfo=UTC)
    found = digest("digest.daily", Answers(), [], ZoneInfo("Europe/Berlin"), monday)
    told = "the clocks changed: 1 h more than what it is compared with"
    assert (found.data["since"], found.data["until"]) == ("2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z")
    assert f"; {told}; spend is up" in found.text
    assert found.data["why"]["notes"] == [told]
    weekly = digest("digest.weekly", Answers(), [], ZoneInfo("Europe/Berlin"), monday)
    assert (weekly.data["since"], told in weekly.text) == ("2026-10-18T22:00:00Z", True)


def test_many_budgets_with_long_names_leave_room_for_what_follows():
    budgets = [standing(60, replace(BUDGET, each="user"), value="v" * 300) for _ in range(3)]
    found = digest("digest.daily", Answers(), budgets, UTC, NOW)
    assert found.text.count("vvv") > 0
    assert found.text.endswith("month end ≈ $30.00, 4 of 5 times within 30.00–30.00")


def test_a_large_amount_is_told_whole():
    class Dear(Answers):
        def report(self, query: ReportQuery) -> Report:
            cheap = super().report(query)
            rows = tuple(replace(row, measures=Measures(total_cost=1_234_567_890_000_000_000)) for row in cheap.rows)
            return replace(cheap, rows=rows)

    assert "most by model: m $1,234,567.89" in digest("digest.daily", Dear(), [], UTC, NOW).text


def test_a_digest_of_a_log_says_what_was_wasted():
    class Log(Answers):
        def waste(self, query: ReportQuery) -> Waste:
            named = {"retried": WasteLine("retried", USD, 3), "logged_twice": WasteLine("logged_twice", 9 * USD, 4)}
            return Waste(tuple(named.get(name, WasteLine(name)) for name in LINES), True)

    found = digest("digest.daily", Log(), [], UTC, NOW)
    assert found.data["waste"]["lines_usd"] == {"retried": "1", "logged_twice": "9"}
    assert found.data["waste"]["total_usd"] == "1"
    assert "; wasted $1.00;" in found.text
    assert found.data["month_end_usd"].startswith("29.99")
    assert found.id == digest("digest.daily", Answers(), [], UTC, NOW + timedelta(hours=1)).id


def test_a_flood_of_one_budgets_values_is_told_by_its_dearest_and_one_more(watcher):
    of = Budget("u", USD, parse_period("day"), each="user")
    found = watcher.look(NOW, [standing(number, of, value=f"u{number:03}") for number in range(1, 501)])
    assert len(found) == 11
    assert found[0].data["value"] == "u500"
    assert found[-1].data["count"] == 490
    assert watcher.look(NOW, [standing(number, of, value=f"u{number:03}") for number in range(1, 501)]) == []


def test_the_memory_of_ten_thousand_values_is_small_and_complete(watcher):
    of = Budget("u", USD, parse_period("month"), each="user", at=(50, 80, 100))
    everybody = [standing(2, of, value=f"user-{number:05}") for number in range(10_000)]
    assert len(watcher.look(NOW, everybody)) == 11
    document = watcher.memory.as_json()
    assert len(json.dumps(document)) < 1_000_000
    assert again(watcher).look(NOW, everybody) == []
