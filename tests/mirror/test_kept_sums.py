"""Sums of closed days that were kept: the same integers after a restart."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cost_top.mirror.kept import SUMS
from cost_top.mirror.kept_sums import sums_path
from cost_top.mirror.rollups import Rollups
from cost_top.mirror.slices import Slice
from cost_top.mirror.store import Mirror
from cost_top.model.filter import Filter
from cost_top.model.query import Report, ReportQuery
from cost_top.model.snapshot import Snapshot
from cost_top.model.view import View
from cost_top.model.windows import Period
from cost_top.model.wire import snapshot_from_json, snapshot_to_json
from cost_top.monitor.log.answers import LogAnswers
from cost_top.monitor.log.once import read_period
from cost_top.pricing.book import RateBook
from cost_top.sources.sql.log import open_log
from support.composed import composed as composed_of

# No double holds it, nor its multiples.
ODD = 12_345_678_901_234_567


def composed(path: Path, cache: Path, now: datetime, warm: bool) -> Snapshot:
    mirror = read_period(open_log(str(path)), RateBook.load(), cache, Period(now - timedelta(days=40), now))
    try:
        if warm:
            kept = [path for day in mirror.closed.values() if (path := sums_path(mirror.days, day)) is not None]
            assert len(kept) > 20
            mirror.take_over_sums()
        snapshot = composed_of(mirror, View(lenses=("provider", "model", "token", "tag")), now)
        while mirror.keep_sums():
            pass
        return snapshot
    finally:
        mirror.close()


def test_sums_are_exact_integers_after_a_restart(sqlite_log, tmp_path: Path) -> None:
    log, now = sqlite_log(), datetime.now(UTC).replace(microsecond=0)
    for number in range(60):
        log.add(
            time_ms=int((now - timedelta(hours=13 * number)).timestamp() * 1000), provider=("a", "b")[number % 2],
            model="m", token="k", tags='["prod"]', cost_pico_usd=ODD + number, input_tokens=10**15 + number,
        )  # fmt: skip
    first = composed(log.path, tmp_path / "cache", now, warm=False)
    again = composed(log.path, tmp_path / "cache", now, warm=True)
    assert again == first
    assert all(type(value) is int for value in asdict(again.spend.measures).values() if value is not None)
    assert type(again.spend.below_market) is type(again.trust.reported_cost) is int
    assert snapshot_from_json(snapshot_to_json(again)) == first
    assert first.spend.measures.total_cost == sum(
        ODD + number for number in range(60) if now - timedelta(hours=13 * number) >= first.period.start
    )


def test_a_closed_day_is_summed_once_for_reports_of_one_kind(sqlite_log, tmp_path: Path, monkeypatch) -> None:
    log, now = sqlite_log(), datetime.now(UTC).replace(microsecond=0)
    for number in range(60):
        log.add(
            time_ms=int((now - timedelta(hours=13 * number)).timestamp() * 1000), provider=("a", "b")[number % 2],
            model=("m", "n")[number % 3 % 2], cost_pico_usd=ODD + number, endpoint="/chat",
        )  # fmt: skip
    summed: list[Slice] = []
    build = Rollups.build

    def note(self: Rollups, where: Filter, lenses: Sequence[str], slices: Sequence[Slice]) -> None:
        summed.extend(part for part in slices if part.end - part.start == timedelta(days=1))
        build(self, where, lenses, slices)

    monkeypatch.setattr(Rollups, "build", note)

    def report(dimension: str) -> tuple[Report, int]:
        summed.clear()
        answers = LogAnswers(lambda: open_log(str(log.path)), RateBook.load, tmp_path / "cache")
        found = answers.report(ReportQuery(now - timedelta(days=30), now, (dimension,)))
        return replace(found, as_of=now, notes=()), len(summed)

    first, days = report("model")
    again, none = report("model")
    assert (again, days > 20, none) == (first, True, 0)
    other, _ = report("endpoint")
    assert other.totals == first.totals
    composed(log.path, tmp_path / "cache", now, warm=True)  # of all lenses: they take the place of the few
    files = list((tmp_path / "cache").rglob("*.sums"))
    assert len({path.name.split(".")[0] for path in files}) == len(files) > 20
    assert report("model") == (first, 0)


def test_where_every_sum_is_kept_none_is_looked_for(sqlite_log, tmp_path: Path, monkeypatch) -> None:
    log, now = sqlite_log(), datetime.now(UTC)
    for number in range(5):
        log.add(time_ms=int((now - timedelta(days=number)).timestamp() * 1000))
    mirror = read_period(open_log(str(log.path)), RateBook.load(), tmp_path / "cache", Period(now - timedelta(5), now))
    try:
        composed_of(mirror, View(lenses=("provider",)), now)
        assert mirror.keep_sums()
        while mirror.keep_sums():
            pass
        looked: list[Slice] = []
        monkeypatch.setattr(Rollups, "number", lambda _self, _where, _lens, part: looked.append(part))
        assert not mirror.keep_sums()
        assert not looked
    finally:
        mirror.close()


def test_nothing_is_summed_up_on_disk_of_a_reading_that_is_no_longer_the_days(sqlite_log, tmp_path: Path) -> None:
    log, now = sqlite_log(), datetime.now(UTC).replace(microsecond=0)
    for number in range(40):
        moment = now - timedelta(hours=13 * number)
        log.add(time_ms=int(moment.timestamp() * 1000), user_id="u1", cost_pico_usd=5)
    period = Period(now - timedelta(days=20), now)

    def opened() -> Mirror:
        return read_period(open_log(str(log.path)), RateBook.load(), tmp_path / "cache", period)

    with closing(opened()) as before:
        log.run("UPDATE cost_top_requests SET user_id = 'anonymous'")
        with closing(opened()) as after:
            composed_of(before, View(lenses=("user",)), now)
            while before.keep_sums():
                pass
            readings = {day.reading for day in after.closed.values()}
            assert {path.name.split(".")[3] for path in tmp_path.glob(f"cache/*/[!.]*{SUMS}")} <= readings
