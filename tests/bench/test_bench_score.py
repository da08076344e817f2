"""The benchmark: logs that are always the same, labels whose excess is exact, and a score that cannot be talked up."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from cost_top.bench.incidents import HOUR, Label
from cost_top.bench.log import Log, make_log
from cost_top.bench.score import Alarm, score
from cost_top.bench.shops import DAYS, KINDS
from cost_top.bench.traffic import Row
from cost_top.cli import bench

KIOSK = KINDS[0]


@pytest.fixture(scope="module")
def log() -> Log:
    return make_log(KIOSK, 7)


def test_a_seed_gives_the_same_log_every_time_and_another_seed_another(log: Log) -> None:
    again = make_log(KIOSK, 7)
    assert again.rows == log.rows
    assert [(one.name, one.start, one.excess) for one in again.labels] == [
        (one.name, one.start, one.excess) for one in log.labels
    ]
    assert make_log(KIOSK, 8).rows != log.rows


def test_a_log_has_56_days_twelve_incidents_and_a_young_one(log: Log) -> None:
    assert len(log.labels) == 12
    assert sum(one.young for one in log.labels) == 1
    assert all(log.start <= row.time_ms < log.end for row in log.rows)
    assert (log.end - log.start) / (24 * HOUR) == pytest.approx(DAYS, abs=0.1)


def test_a_route_gets_a_new_name_outside_of_incidents(log: Log) -> None:
    renamed = [row for row in log.rows if row.endpoint.startswith("/v2/")]
    assert renamed
    since = min(row.time_ms for row in renamed)
    assert not any(label.start <= since < label.end for label in log.labels)
    assert not [row for row in log.rows if f"/v2{row.endpoint}" == renamed[0].endpoint and row.time_ms >= since]


def test_what_a_label_says_is_in_its_curve_and_on_its_slices(log: Log) -> None:
    for label in log.labels:
        assert sum(label.curve.values()) == label.excess
        if label.excess:
            assert sum(cost for (kind, _), cost in label.slices.items() if kind == "token") == label.excess
            assert label.gone(label.start) <= label.gone(label.end + 24 * HOUR) == label.excess


def made(*labels: Label) -> Log:
    row = Row(0, "m", "/a", "k", "n", None, 1, 0, 1, 0)
    return Log(None, [row], list(labels), 1.0, 0, 59 * 24 * HOUR, (0, 0))  # type: ignore[arg-type]


def leak(start: int = 100 * HOUR) -> Label:
    label = Label("leaked key", start, start + 4 * HOUR, False)
    for hour in range(4):
        for token, cost in (("bad", 9), ("good", 1)):
            label.note(Row(start + hour * HOUR, "m", "/a", token, "n", None, 1, 0, 1, 0), cost)
    return label


def test_an_alarm_on_the_slice_finds_it_and_what_was_gone_by_then_is_burnt() -> None:
    found = score(made(leak()), [Alarm(102 * HOUR, "spike", "token", "bad")])
    assert (found.found, found.false, found.side) == (1, 0, 0)
    assert found.burnt / found.excess == 0.5


def test_an_alarm_too_early_too_late_or_elsewhere_is_false_and_a_small_part_is_a_side_notice() -> None:
    alarms = [
        Alarm(99 * HOUR, "spike", "token", "bad"), Alarm(111 * HOUR, "spike", "token", "bad"),
        Alarm(101 * HOUR, "spike", "token", "other"), Alarm(101 * HOUR, "spike", "token", "good"),
        Alarm(101 * HOUR, "silence", "total", None),
    ]  # fmt: skip
    found = score(made(leak()), alarms)
    assert (found.found, found.false, found.side) == (0, 4, 1)
    assert found.burnt == found.excess


def test_only_silence_finds_a_silence() -> None:
    label = Label("silence", 100 * HOUR, 104 * HOUR, False)
    label.slices["token", "k"] = 0
    assert score(made(label), [Alarm(101 * HOUR, "spike", "total", None)]).found == 0
    assert score(made(label), [Alarm(101 * HOUR, "silence", "token", "k")]).found == 1


def test_an_alarm_within_the_first_three_days_is_false_whatever_it_meets() -> None:
    found = score(made(leak(50 * HOUR)), [Alarm(51 * HOUR, "spike", "token", "good")])
    assert (found.false, found.side) == (1, 0)


def test_the_command_prints_every_rule_and_class(monkeypatch: pytest.MonkeyPatch) -> None:
    def measured(seeds: range) -> dict[str, object]:
        one = score(made(leak()), [Alarm(101 * HOUR, "spike", "token", "bad")])
        return {"low": one, "normal": one, "high": one, "static threshold": one}

    monkeypatch.setattr(bench, "measured", measured)
    document = json.loads(CliRunner().invoke(bench.command, ["anomaly", "--format", "json"]).output)
    assert [row["rule"] for row in document["rules"]] == ["low", "normal", "high", "static threshold"]
    assert document["classes"] == {"leaked key": {"incidents": 1, "found": 1, "burnt": 0.25}}
    table = CliRunner().invoke(bench.command, ["anomaly"]).output
    assert "static threshold" in table
    assert "25.0 %" in table
