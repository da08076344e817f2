"""What is known of a log in ClickHouse piece by piece: it stays while it is asked for again, and does not pile up."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from types import SimpleNamespace

import pytest

from cost_top.mirror.measures import ADDITIVE_NAMES, TRUST
from cost_top.model.engine import Need
from cost_top.model.errors import SourceError
from cost_top.model.filter import Filter
from cost_top.model.query import Measures, Report, ReportQuery
from cost_top.monitor.cluster import engine, rated, sums
from cost_top.monitor.cluster.engine import ClusterEngine
from cost_top.monitor.cluster.pieces import Piece
from cost_top.monitor.cluster.statements import micros_of
from cost_top.monitor.cluster.sums import Sums

NOW = datetime(2026, 11, 20, 12, 7, tzinfo=UTC)
HOUR = timedelta(hours=1)
EVERY = Filter()
NOTHING_HERE = SimpleNamespace(tick=lambda *_: None, cover=lambda _: False)


class OneOfEach:
    """A cluster whose every piece and lens has one group, of ones."""

    is_small = False

    def __init__(self):
        self.asked = []
        self.figure, self.fails = 1, False
        self.texts = SimpleNamespace(shown=lambda _field, raw: raw, version=0, tags=dict.fromkeys)
        self.statements = SimpleNamespace(
            lenses=lambda _source, _where, edges, lenses, _trust: (edges, lenses),
            spelled=SimpleNamespace(plain=None, days_at_once=1000),
        )

    def source(self, *_, **__):
        return "", "", {}

    def refuse(self, _where):
        pass

    def ask(self, sql, _parameters):
        edges, lenses = sql
        self.asked += edges
        if self.fails:
            raise SourceError("too slow")
        ones = [self.figure] * (len(ADDITIVE_NAMES) + len(TRUST) - 1)
        return [(number, "a", 0, edge, edge, 0, None, *ones) for number in range(len(lenses)) for edge in edges]


@pytest.fixture
def clock(monkeypatch):
    clock = [1000.0]
    for module in (sums, engine, rated):
        monkeypatch.setattr(module.time, "monotonic", lambda: clock[0])
    return clock


def look(known, start, until=None):
    pieces = known.pieces(start, until)
    known.refresh(EVERY, ("provider",), pieces)
    shown = known.missing(EVERY, ("provider",), pieces)
    known.build(EVERY, dict.fromkeys(pieces, ("provider", "model")), float("inf"))
    return pieces, shown


def test_a_stretch_that_is_asked_for_again_counts_meanwhile(clock):
    cluster = OneOfEach()
    known = Sums(cluster, timedelta(minutes=10), NOTHING_HERE)
    known.tick(NOW)
    pieces, _ = look(known, NOW - timedelta(days=10))
    days = max(pieces[:-1], key=lambda piece: piece.end - piece.start)
    for _ in range(100):
        clock[0] += 40
        known.tick(NOW)
        _, missing = look(known, NOW - timedelta(days=10))
        assert missing == [("provider", pieces[-1])]
        assert known.totals(EVERY, pieces).request_count == len(pieces)
    assert cluster.asked.count(days.start) == 2, "again after an hour"
    assert cluster.asked.count(pieces[-2].start) > 10, "again after five minutes"


def test_a_look_adds_the_hot_end_to_what_is_closed_and_adds_that_up_once(clock, monkeypatch):
    cluster = OneOfEach()
    known = Sums(cluster, timedelta(minutes=10), NOTHING_HERE)
    added = []
    monkeypatch.setattr(
        sums.Group, "plus", lambda one, other, plus=sums.Group.plus: added.append(one) or plus(one, other)
    )
    edges = tuple(micros_of(NOW - timedelta(days=10 - day)) for day in range(12))
    for tick, figure in enumerate((1, 3)):
        cluster.figure = figure
        known.tick(NOW + timedelta(seconds=2 * tick))
        pieces = known.pieces(NOW - timedelta(days=10), None)
        known.build(EVERY, dict.fromkeys(pieces, ("provider", "model", sums.BARS)), float("inf"))
        added.clear()
        for _ in range(3):
            assert known.totals(EVERY, pieces).request_count == len(pieces) - 1 + figure
            assert known.rows(EVERY, "model", pieces, "total_cost", True, 1)[0][0].measures.request_count == (
                len(pieces) - 1 + figure
            )
            # The group's quarter is of 1970, before the first edge.
            bars = known.bars(EVERY, pieces, (*edges[:-1], edges[-1] + tick), True)
            assert {key: group.sums[0] for key, group in bars.items()} == {("a", "0"): len(pieces) - 1 + figure}
        assert tick == 0 or len(added) == 3, "one for each of the two lenses and the bars"


def test_the_edge_of_a_window_leaves_nothing_behind(clock):
    known = Sums(OneOfEach(), timedelta(minutes=10), NOTHING_HERE)
    for minute in range(60):
        clock[0] += 60
        now = NOW + timedelta(minutes=minute)
        known.tick(now)
        look(known, now - timedelta(hours=24))
    kept = known._kept[EVERY]
    assert len(kept.groups) < 60
    assert {piece for _, piece in kept.groups} == set(kept.used)


def test_rows_that_are_imported_before_the_oldest_show(clock):
    oldest = [NOW]
    texts, log = SimpleNamespace(version=0), SimpleNamespace(overlap=timedelta(0))
    known = ClusterEngine(SimpleNamespace(log=log, texts=texts, oldest=lambda: oldest[0]))
    known.tick(NOW)
    oldest[0] = NOW - timedelta(days=9)
    clock[0] += 301
    known.tick(NOW)
    assert known._oldest == oldest[0]


def test_rows_by_tokens_are_in_the_order_of_their_tokens(clock):
    known = Sums(TwoModels(), timedelta(minutes=10), NOTHING_HERE)
    pieces, _ = look(known, NOW - timedelta(days=1))
    for sort, wanted in (("tokens", ["chatty", "dear"]), ("total_cost", ["dear", "chatty"])):
        rows, count = known.rows(EVERY, "model", pieces, sort, True, None)
        assert [row.key[0] for row in rows] == wanted
        assert known.rows(EVERY, "model", pieces, sort, True, 1) == (rows[:1], count)


class TwoModels(OneOfEach):
    """One that costs more, and one of more output."""

    def ask(self, sql, parameters):
        more = {"dear": "total_cost", "chatty": "output_tokens"}
        figures = {model: [9 if name == most else 1 for name in ADDITIVE_NAMES] for model, most in more.items()}
        return [(*row[:1], model, *row[2:7], *figures[model]) for row in super().ask(sql, parameters) for model in more]


def test_models_of_rows_that_are_imported_late_are_looked_for_again(clock):
    asked = []
    statements = SimpleNamespace(models=lambda wanted, _: list(wanted), has_costly_modes=False, join=None)
    known = rated.Rated(lambda of: asked.append(of) or [], statements, SimpleNamespace(version=0), timedelta(0))
    month = (datetime.now(UTC) - timedelta(days=30), None)
    for seconds, whole in ((0, True), (2, False), (601, True)):
        clock[0] += seconds
        known.rates([month])
        assert (asked[-1] == [month]) == whole


def test_the_month_so_far_is_a_piece_of_a_longer_window():
    known = Sums(OneOfEach(), timedelta(minutes=10), NOTHING_HERE)
    known.tick(NOW)
    window = known.pieces(NOW - timedelta(days=80), None)
    assert set(known.pieces(NOW.replace(day=1, hour=0, minute=0), None)) < set(window)
    assert all(one.end == other.start for one, other in pairwise(window))
    assert len(window) <= 10


def test_a_period_that_begins_within_the_hot_end_counts_nothing_from_before_it(clock):
    known = Sums(OneOfEach(), timedelta(minutes=15), NOTHING_HERE)
    midnight = NOW.replace(hour=0, minute=0)
    known.tick(midnight + timedelta(minutes=10))
    assert known.pieces(midnight, None) == (Piece(micros_of(midnight)),)
    mark = midnight + timedelta(minutes=8)
    assert known.pieces(mark, mark + timedelta(minutes=1)) == (
        Piece(micros_of(mark), micros_of(mark + timedelta(minutes=1))),
    )


def test_the_trust_line_of_a_statement_that_failed_is_asked_for_again(clock):
    cluster = OneOfEach()
    known = Sums(cluster, timedelta(minutes=10), NOTHING_HERE)
    pieces = known.pieces(NOW - timedelta(days=3), NOW - timedelta(days=2))
    wanted = dict.fromkeys(pieces, ("provider", "tag", sums.TRUSTED))
    cluster.fails = True
    with pytest.raises(SourceError):
        known.build(EVERY, wanted, float("inf"))
    cluster.fails = False
    known.build(EVERY, wanted, float("inf"))
    assert known.trust(EVERY, pieces)["reported_cost"] == len(pieces)


def test_what_was_forgotten_is_told_as_it_is_when_it_is_asked_for_again(clock):
    cluster = OneOfEach()
    known = Sums(cluster, timedelta(minutes=10), NOTHING_HERE)
    pieces, _ = look(known, NOW - timedelta(days=3), NOW - timedelta(days=2))
    assert known.totals(EVERY, pieces).request_count == len(pieces)
    clock[0] += 700
    known.tick(NOW)
    cluster.figure = 9
    look(known, NOW - timedelta(days=3), NOW - timedelta(days=2))
    assert known.totals(EVERY, pieces).request_count == 9 * len(pieces)


def test_names_that_change_are_summed_anew(clock):
    cluster = OneOfEach()
    known = Sums(cluster, timedelta(minutes=10), NOTHING_HERE)
    look(known, NOW - timedelta(days=3), NOW - timedelta(days=2))
    cluster.texts.version += 1
    known.tick(NOW)
    _, missing = look(known, NOW - timedelta(days=3), NOW - timedelta(days=2))
    assert missing


def test_what_is_read_from_requests_stays_while_the_log_does_not_answer(clock, monkeypatch):
    told = Report(("session",), (), Measures(), 0, NOW)
    monkeypatch.setattr(engine, "asked_report", lambda *_: told)
    cluster = OneOfEach()
    cluster.log, cluster.shape = SimpleNamespace(overlap=timedelta(0)), SimpleNamespace(untold=())
    cluster.oldest = lambda: NOW - timedelta(days=90)
    known = ClusterEngine(cluster)
    known.tick(NOW)
    query = ReportQuery(NOW - timedelta(days=1), NOW, ("session",))
    need = Need("panel:session", query, open_end=True, timed=True)
    assert known.answers([need], 0.0)[need.name].report is None
    assert known.answers([need], 1.0)[need.name].report == told
    clock[0] += 600
    later = replace(need, query=replace(query, start=query.start + HOUR, end=query.end + HOUR))
    assert known.answers([later], 0.0)[need.name].report == told
