"""Sums of closed days that were kept: the same integers after a restart."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cost_top.mirror.kept_sums import sums_path
from cost_top.model.snapshot import Snapshot
from cost_top.model.view import View
from cost_top.model.windows import Period
from cost_top.model.wire import snapshot_from_json, snapshot_to_json
from cost_top.monitor.compose import Composer
from cost_top.monitor.once import read_period
from cost_top.pricing.book import RateBook
from cost_top.sources.sql_log import open_log

# No double holds it, nor its multiples.
ODD = 12_345_678_901_234_567


def composed(path: Path, cache: Path, now: datetime, warm: bool) -> Snapshot:
    mirror = read_period(open_log(str(path)), RateBook.load(), cache, Period(now - timedelta(days=40), now))
    try:
        if warm:
            kept = [path for day in mirror.closed.values() if (path := sums_path(day)) is not None and path.exists()]
            assert len(kept) > 20
            mirror.take_over_sums()
        composer, view = Composer(mirror, UTC), View(lenses=("provider", "model", "token", "tag"))
        composer.plan.build(view, now, float("inf"))
        while mirror.keep_sums():
            pass
        return composer.compose(view, now, "log", now.replace(tzinfo=None) - timedelta(days=40))
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
