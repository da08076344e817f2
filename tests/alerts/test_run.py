"""The loop around a look, with a hub of the test's own: what fails in between loses nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from cost_top.alerts.run import Setup, Watch
from cost_top.model.answers import Health
from cost_top.model.budgets import Budget, parse_period
from cost_top.model.errors import SourceError
from cost_top.model.query import Measures, Report, key_columns
from cost_top.model.snapshot import Live, Stale
from cost_top.rule_tables import WatchTable
from cost_top.rules import Rules
from cost_top.state.state_file import StateFile

USD = 10**12
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


class Hub:
    """Spends `spent`; fails where the question is in `failing`."""

    label = "gateway.db"

    def __init__(self) -> None:
        self.spent, self.failing = 60 * USD, lambda query: False
        self.state = Live(NOW)

    def health(self) -> Health:
        return Health(True, self.state, NOW, None)

    def report(self, query) -> Report:
        if self.failing(query):
            raise SourceError("is locked")
        totals = Measures(total_cost=self.spent, request_count=1)
        return Report(key_columns(query.group_by), (), totals, 0, NOW)


class Bench:
    def __init__(self, tmp_path, rules: Rules | None = None) -> None:
        self.hub, self.told, self.said = Hub(), [], []
        self.at = NOW
        self.path = tmp_path / "watch.json"
        self.rules = rules or Rules()

    def open(self) -> Watch:
        budget = Budget("acme", 100 * USD, parse_period("month"), at=(50, 80))
        state = StateFile(self.path)
        setup = Setup(self.hub, self.rules, (budget,), (), UTC, state, self.told.append, self.said.append,
                      now=lambda: self.at)  # fmt: skip
        return Watch(setup)


def test_a_look_that_fails_tells_nothing_and_the_next_one_everything(tmp_path):
    bench = Bench(tmp_path)
    watch = bench.open()
    bench.hub.failing = lambda query: True
    with pytest.raises(SourceError):
        watch.look()
    bench.hub.failing = lambda query: False
    assert [event.kind for event in watch.look()] == ["budget.threshold"]
    watch.close()
    again = bench.open()
    assert again.look() == []
    again.close()


def test_a_digest_that_fails_loses_no_alarm_and_is_tried_again(tmp_path):
    bench = Bench(tmp_path, Rules(watch=WatchTable(digest="11:00")))
    watch = bench.open()
    bench.hub.failing = lambda query: query.end <= NOW.replace(hour=0)
    assert [event.kind for event in watch.look()] == ["budget.threshold"]
    assert bench.said == ["is locked"]
    bench.hub.failing = lambda query: False
    bench.at += timedelta(minutes=1)
    assert [event.kind for event in watch.look()] == ["digest.daily"]
    assert watch.look() == []
    watch.close()


def test_a_source_that_stays_away_is_one_event_over_a_restart(tmp_path):
    bench = Bench(tmp_path)
    watch = bench.open()
    bench.hub.state = Stale(NOW, "is locked", NOW)
    bench.at += timedelta(minutes=6)
    assert [event.kind for event in watch.look()] == ["source.stale"]
    watch.close()
    watch = bench.open()
    assert watch.look() == []
    bench.hub.state = Live(bench.at)
    assert "source.recovered" in [event.kind for event in watch.look()]
    watch.close()


def test_a_state_file_of_another_shape_is_begun_anew(tmp_path):
    bench = Bench(tmp_path)
    bench.path.write_text('{"said": 3, "incidents": [], "outbox": {}, "done": null, "disabled": []}')
    watch = bench.open()
    assert [event.kind for event in watch.look()] == ["budget.threshold"]
    watch.close()
