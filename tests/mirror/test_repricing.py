"""New rates price kept history anew without asking the log for it again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cost_top.mirror.rollup_tables import LENSES
from cost_top.mirror.slices import Slice
from cost_top.mirror.store import Mirror
from cost_top.model.filter import Filter
from cost_top.model.query import ReportQuery
from cost_top.model.windows import Period
from cost_top.monitor.log.once import read_period
from cost_top.pricing.book import RateBook
from cost_top.sources.sql.log import open_log

OVERRIDES = """
[[price]]
provider = "acme"
model = "acme-1"
input = "2"
output = "4"
"""


def milliseconds(instant: datetime) -> int:
    return int(instant.timestamp() * 1000)


def test_kept_days_are_priced_again_from_themselves(sqlite_log, tmp_path: Path) -> None:
    log = sqlite_log()
    now = datetime.now(UTC)
    for day in range(3, 9):
        log.add(
            time_ms=milliseconds(now - timedelta(days=day)), provider="acme", model="acme-1", input_tokens=1_000_000,
            output_tokens=500_000,
        )  # fmt: skip
    period = Period(now - timedelta(days=20), now - timedelta(days=2))
    query = ReportQuery(period.start, period.end)
    source = open_log(str(log.path))
    first = read_period(source, RateBook.load(None), tmp_path / "cache", period)
    totals = first.report(query, now).totals
    assert (totals.total_cost, totals.unpriced_count) == (0, 6)
    days = sorted(first.closed)
    first.close()

    overrides = tmp_path / "overrides.toml"
    overrides.write_text(OVERRIDES)
    again = Mirror(source, RateBook.load(overrides), tmp_path / "cache")
    kept = again.days.known(again.database.connection, days)
    assert [day.day for day in kept] == days, "no day has to be read from the log"
    for day in kept:
        again.adopt(day)
    again.hot_start = datetime(now.year, now.month, now.day)
    totals = again.report(query, now).totals
    assert (totals.total_cost, totals.unpriced_count) == (6 * 4 * 10**12, 0)
    again.close()


def test_a_damaged_file_is_read_again(sqlite_log, tmp_path: Path) -> None:
    log = sqlite_log()
    now = datetime.now(UTC)
    log.add(time_ms=milliseconds(now - timedelta(days=4)), cost_pico_usd=7)
    period = Period(now - timedelta(days=9), now - timedelta(days=2))
    source = open_log(str(log.path))
    for damage in (b"", b"PAR1 nonsense", None):
        mirror = read_period(source, RateBook.load(None), tmp_path / "cache", period)
        assert mirror.report(ReportQuery(period.start, period.end), now).totals.total_cost == 7
        mirror.close()
        for path in (tmp_path / "cache").rglob("*.parquet"):
            path.unlink() if damage is None else path.write_bytes(damage)


def test_the_cache_is_private(sqlite_log, tmp_path: Path) -> None:
    log = sqlite_log()
    now = datetime.now(UTC)
    log.add(time_ms=milliseconds(now - timedelta(days=4)), cost_pico_usd=7)
    read_period(
        open_log(str(log.path)), RateBook.load(None), tmp_path / "cache", Period(now - timedelta(days=9), now)
    ).close()
    kept = [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    assert kept
    assert all(path.stat().st_mode & 0o077 == 0 for path in kept)
    assert all(path.parent.stat().st_mode & 0o077 == 0 for path in kept)


def test_kept_sums_equal_those_of_the_rows(sqlite_log, tmp_path: Path) -> None:
    log = sqlite_log()
    now = datetime.now(UTC)
    for number in range(300):
        log.add(
            time_ms=milliseconds(now - timedelta(days=3 + number % 5, minutes=number)), provider=f"p{number % 3}",
            model="gpt-4o", token=f"k{number % 4}", token_name=f"name {number % 4}", user_id=f"u{number % 7}",
            tags='["prod"]', input_tokens=10 * number, output_tokens=number, cost_pico_usd=number * 10**9,
        )  # fmt: skip
    period = Period(now - timedelta(days=20), now - timedelta(days=2))
    source = open_log(str(log.path))
    lenses = [lens for lens in LENSES if lens not in ("tag", "owner")]
    answers = []
    for _ in range(2):
        mirror = read_period(source, RateBook.load(None), tmp_path / "cache", period)
        mirror.take_over_sums()
        days = [Slice(day.start, day.start + timedelta(days=1)) for day in mirror.closed.values()]
        missing = mirror.rollups.missing(Filter(), lenses, days)
        assert len(missing) == (0 if answers else len(days)), "the second time, all sums are there"
        mirror.rollups.build(Filter(), lenses, missing)
        while mirror.keep_sums():
            pass
        sums = mirror.rollups
        answers.append(
            [
                sorted(map(repr, sums.tables.groups(lens, sums.numbers(Filter(), lens, days), 1000)))
                for lens in lenses
                if lens != "trust"
            ]
            + [sums.totals(Filter(), days), sums.trust(Filter(), days)]
        )
        mirror.close()
    assert answers[0] == answers[1]
    assert answers[0][-2][0] == sum(range(300)) * 10**9
    log.run("UPDATE cost_top_requests SET cost_pico_usd = 7 WHERE id = 'r5'")
    mirror = read_period(source, RateBook.load(None), tmp_path / "cache", period)
    mirror.take_over_sums()
    days = [Slice(day.start, day.start + timedelta(days=1)) for day in mirror.closed.values()]
    assert len(mirror.rollups.missing(Filter(), lenses, days)) == 1, "the day that changed is summed anew"
    mirror.close()
