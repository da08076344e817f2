"""What the rules look at of kept days against the same from the rows of the whole period at once."""

from __future__ import annotations

import random
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from tests.support.native_log import NativeLog

from cost_top.insight.engine import run
from cost_top.insight.levels import Rules
from cost_top.insight.live import LiveRules
from cost_top.insight.replay import incidents_json
from cost_top.mirror import features
from cost_top.mirror.feature_parts import Part, read_part
from cost_top.mirror.features import joined
from cost_top.mirror.kept import FEATURES, damaged
from cost_top.mirror.kept_features import keep_part, kept_part
from cost_top.mirror.report import naive
from cost_top.mirror.store import Mirror
from cost_top.mirror.where import condition
from cost_top.model import native
from cost_top.model.features import Features
from cost_top.model.filter import parse_filter
from cost_top.model.query import ReportQuery
from cost_top.model.windows import Period
from cost_top.monitor.log.once import read_period
from cost_top.pricing.book import RateBook
from cost_top.sources.sql.log import open_log

DAYS = 5
MIDNIGHT = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=DAYS + 2)
PERIOD = Period(MIDNIGHT + timedelta(hours=9, minutes=25), MIDNIGHT + timedelta(days=DAYS, hours=14, minutes=35))
ALL = ("team", "tag")
CENT = 10**10


def fill(log: NativeLog, seed: int, count: int = 160) -> None:
    """Requests that come in bursts, and around midnight above all: loops, copies, and what shares its names."""
    draw, rows = random.Random(seed), list[dict[str, Any]]()
    for _ in range(count):
        day, token = draw.randrange(DAYS + 1), draw.choice(("k1", "k2", "k3", None))
        near = draw.choice((draw.uniform(0, 86_400), draw.uniform(-3, 3), draw.uniform(-900, 900)))
        row = {
            "provider": draw.choice(("openai", "acme")), "model": draw.choice(("gpt-5", "m")), "token": token,
            "endpoint": draw.choice(("/a", "/b", None)), "user_id": draw.choice(("u1", "u2", None)),
            "team": draw.choice(("t1", None)), "tags": draw.choice((None, '["prod"]', '["prod","free"]')),
            "token_name": draw.choice((None, f"{token} {day}")), "input_tokens": draw.choice((1000, 1010, 0, None)),
            "output_tokens": draw.choice((10, 20)), "cached_input_tokens": draw.choice((None, 500)),
            "cost_pico_usd": draw.choice((None, 0, CENT, 3 * CENT)), "status": draw.choice((200, 200, 429, 503)),
        }  # fmt: skip
        at = (MIDNIGHT + timedelta(days=day, seconds=near)).timestamp()
        times = [at + place * 60 + draw.uniform(0, 9) for place in range(draw.choice((1, 1, 1, 14, 60)))]
        if draw.random() < 0.3:
            times += [times[0] + draw.choice((0, 0.4, 1.999, 2.0, 2.001))]
        rows += [{**row, "time_ms": int(time * 1000)} for time in times]
    # One that goes on for days at an even pace, and one whose context grows all the while.
    for place in range(2 * 24 * 12):
        at = (MIDNIGHT + timedelta(hours=20, minutes=5 * place)).timestamp()
        rows.append({"model": "m", "token": "even", "input_tokens": 500, "cost_pico_usd": CENT,
                     "time_ms": int(at * 1000)})  # fmt: skip
        rows.append({"model": "m", "token": "grows", "input_tokens": 100 + place, "cost_pico_usd": CENT,
                     "time_ms": int(at * 1000) + 7})  # fmt: skip
    columns = sorted({name for row in rows for name in row})
    log.connection.executemany(
        f"INSERT INTO {native.TABLE} (id, {', '.join(columns)}) VALUES (?{', ?' * len(columns)})",
        [(f"{seed}-{number}", *(row.get(name) for name in columns)) for number, row in enumerate(rows)],
    )
    log.connection.commit()


def mirror_of(log: NativeLog, cache: Path | None, book: RateBook) -> Mirror:
    return read_period(open_log(str(log.path), None), book, cache, PERIOD)


def at_once(mirror: Mirror, query: ReportQuery, dimensions: tuple[str, ...]) -> Features:
    """The reference: all rows in one statement."""
    since, until = naive(query.start), naive(query.end)
    origin = int(query.start.timestamp())
    part = read_part(
        mirror.database.connection, mirror.relation(since, until), origin, since, until, condition(query.where)
    )
    return joined([(origin, part)], query, dimensions, mirror.database.names)


def same(found: Features, expected: Features) -> None:
    assert [cell[:6] + cell[7:] for cell in found.cells] == [cell[:6] + cell[7:] for cell in expected.cells]
    assert [cell.squares for cell in found.cells] == pytest.approx([cell.squares for cell in expected.cells])
    assert set(found.loops) ^ set(expected.loops) == set()
    assert found.loops == expected.loops
    assert found.doubled == expected.doubled
    for name in ("origin", "count", "first", "dimensions", "token_names"):
        assert getattr(found, name) == getattr(expected, name), name


def check(mirror: Mirror, where: str = "", start: datetime = PERIOD.start, dimensions: tuple[str, ...] = ALL) -> None:
    query = ReportQuery(start, PERIOD.end, where=parse_filter(where))
    expected = at_once(mirror, query, dimensions)
    assert expected.loops
    assert any(one.doubled for one in expected.doubled)
    same(mirror.features(query, dimensions), expected)
    if mirror.days.files is not None and not where and start == PERIOD.start:
        same(mirror.features(query, dimensions), expected)  # now they are kept


@pytest.mark.parametrize("seed", range(2))
def test_days_put_together_are_what_all_rows_tell_at_once(
    log: NativeLog, tmp_path: Path, book: RateBook, seed: int
) -> None:
    fill(log, seed)
    with closing(mirror_of(log, tmp_path / "cache" if seed % 2 else None, book)) as mirror:
        check(mirror)
        check(mirror, dimensions=())
        check(mirror, "token:k1,even")
        check(mirror, start=PERIOD.start + timedelta(minutes=3, seconds=7))


def test_incidents_from_kept_days_are_those_from_rows_in_any_zone(
    log: NativeLog, tmp_path: Path, book: RateBook
) -> None:
    fill(log, 11)
    query = ReportQuery(PERIOD.start, PERIOD.end)
    with closing(mirror_of(log, tmp_path / "cache", book)) as mirror:
        mirror.features(query)
        expected, found = at_once(mirror, query, ()), mirror.features(query)
        for zone in (UTC, ZoneInfo("Asia/Kathmandu"), ZoneInfo("America/New_York")):
            rules = Rules("high", errors=True)
            first, second = (run(one, rules, zone, 0) for one in (expected, found))
            assert incidents_json(second, found) == incidents_json(first, expected) != []
            assert LiveRules(rules, zone).take(found) == LiveRules(rules, zone).take(expected)


def test_what_is_kept_follows_the_log(log: NativeLog, tmp_path: Path, book: RateBook) -> None:
    fill(log, 21)
    changes = (
        f"UPDATE {native.TABLE} SET cost_pico_usd = 7 WHERE id LIKE '21-1%'",
        f"INSERT INTO {native.TABLE} (id, time_ms, model, token, cost_pico_usd) "
        f"VALUES ('late', {int((MIDNIGHT + timedelta(days=2)).timestamp() * 1000)}, 'm', 'k9', 5)",
        f"DELETE FROM {native.TABLE} WHERE id LIKE '21-2%'",
        f"UPDATE {native.TABLE} SET user_id = 'anonymous' WHERE user_id = 'u1'",
    )
    for made in ((), changes[:2], changes[2:]):
        for change in made:
            log.run(change)
        with closing(mirror_of(log, tmp_path / "cache", book)) as mirror:
            check(mirror)
    # What the log no longer says is on no disk of ours.
    assert len(list(tmp_path.glob(f"cache/*/*{FEATURES}"))) == DAYS - 1


def test_nothing_is_kept_of_a_reading_that_is_no_longer_the_days(
    log: NativeLog, tmp_path: Path, book: RateBook
) -> None:
    fill(log, 21)
    query = ReportQuery(PERIOD.start, PERIOD.end)
    with closing(mirror_of(log, tmp_path / "cache", book)) as before:
        log.run(f"UPDATE {native.TABLE} SET user_id = 'anonymous' WHERE user_id = 'u1'")
        log.connection.commit()
        with closing(mirror_of(log, tmp_path / "cache", book)) as after:
            for read in before.days_to_hold(query):
                read()
            readings = {day.reading for day in after.closed.values()}
            assert {day.reading for day in before.closed.values()} != readings
            kept = [path.name.split(".")[3] for path in tmp_path.glob(f"cache/*/*{FEATURES}")]
            assert set(kept) <= readings, "an erased user is on no disk of ours"


def test_days_are_kept_one_by_one_and_read_once(
    log: NativeLog, tmp_path: Path, book: RateBook, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(log, 61)
    query = ReportQuery(PERIOD.start, PERIOD.end)
    with closing(mirror_of(log, tmp_path / "cache", book)) as mirror:
        found = []
        for kept, read in enumerate(mirror.days_to_hold(query), 1):
            found.append(read())
            assert len(list(tmp_path.glob(f"cache/*/*{FEATURES}"))) == kept
        assert kept == DAYS - 1
        held = dict(part for read in mirror.days_to_hold(query) if (part := read()) is not None)
        assert [*held] == [part[0] for part in found if part is not None]
        assert mirror.days_to_hold(ReportQuery(PERIOD.start, PERIOD.end, where=parse_filter("token:k1"))) == []
        check(mirror)
        expected = mirror.features(query)
        with monkeypatch.context() as patched:
            patched.setattr(features, "kept_part", lambda *_: pytest.fail("it is held"))
            same(mirror.features(query, (), held), expected)
    with closing(mirror_of(log, None, book)) as mirror:
        assert mirror.days_to_hold(query) == []


def test_a_day_whose_mirror_is_closed_meanwhile_is_not_held(log: NativeLog, tmp_path: Path, book: RateBook) -> None:
    fill(log, 61)
    with closing(mirror_of(log, tmp_path / "cache", book)) as mirror:
        days = mirror.days_to_hold(ReportQuery(PERIOD.start, PERIOD.end))
    assert [read() for read in days] == [None] * (DAYS - 1)
    assert not list(tmp_path.glob(f"cache/*/*{FEATURES}"))


def test_new_rates_price_what_is_kept_anew(log: NativeLog, tmp_path: Path, book: RateBook) -> None:
    fill(log, 31)
    overrides = tmp_path / "overrides.toml"
    overrides.write_text('[[price]]\nprovider = "acme"\nmodel = "m"\ninput = "2000"\noutput = "4000"\n')
    spent = []
    for rates in (book, RateBook.load(overrides), book):
        with closing(mirror_of(log, tmp_path / "cache", rates)) as mirror:
            check(mirror)
            found = mirror.features(ReportQuery(PERIOD.start, PERIOD.end))
            spent.append(sum(cell.cost for cell in found.cells))
    assert spent[0] == spent[2] < spent[1]


def test_a_kept_file_is_whole_or_not_used(log: NativeLog, tmp_path: Path, book: RateBook) -> None:
    fill(log, 41)
    with closing(mirror_of(log, tmp_path / "cache", book)) as mirror:
        check(mirror)
        days = [day for day in mirror.closed.values() if kept_part(mirror.days, day) is not None]
        assert len(days) == DAYS - 1
        (path, *others) = sorted(tmp_path.glob(f"cache/*/*{FEATURES}"))
        assert {one.stat().st_mode & 0o777 for one in (path, *others)} == {0o600}
        path.write_bytes(path.read_bytes()[:-3])
        assert damaged(tmp_path / "cache") == [path]
        check(mirror)
        # Whole, and of no form that is known: it is read from the rows as well.
        assert mirror.days.files is not None
        mirror.days.files.write_bytes(b"\0" * 40, path.name.rsplit(".", 2)[0], FEATURES)
        path.unlink()
        check(mirror)


def test_more_money_than_eight_bytes_hold_is_kept_exactly(log: NativeLog, tmp_path: Path, book: RateBook) -> None:
    at = int((MIDNIGHT + timedelta(days=2)).timestamp() * 1000)
    for number in range(4):
        log.add(time_ms=at + number * 5000, model="m", token="k", cost_pico_usd=9 * 10**18 + number)
    with closing(mirror_of(log, tmp_path / "cache", book)) as mirror:
        for _ in range(2):
            found = mirror.features(ReportQuery(PERIOD.start, PERIOD.end))
            assert [cell.cost for cell in found.cells] == [36 * 10**18 + 6]
            assert [cell.largest for cell in found.cells] == [9 * 10**18 + 3]


def test_a_full_disk_costs_time_and_no_figure(
    log: NativeLog, tmp_path: Path, book: RateBook, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(log, 51)
    with closing(mirror_of(log, tmp_path / "cache", book)) as mirror:

        def full(*_: object) -> None:
            raise OSError("no space")

        monkeypatch.setattr(mirror.days.files, "write_bytes", full)
        for read in mirror.days_to_hold(ReportQuery(PERIOD.start, PERIOD.end)):
            assert read() is not None
        check(mirror)
        day = next(iter(mirror.closed.values()))
        keep_part(mirror.days, day, Part([]))
        assert kept_part(mirror.days, day) is None
