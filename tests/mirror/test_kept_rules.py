"""Incidents of a start that goes on from what is kept, against those of one that reads all of five weeks."""

from __future__ import annotations

import pickle
import random
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta, tzinfo
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from tests.support.native_log import NativeLog

from cost_top.insight.levels import Rules
from cost_top.insight.live import LiveRules
from cost_top.mirror.kept import LEARNED, KeptFiles, damaged, stamp
from cost_top.mirror.kept_rules import KeptRules
from cost_top.model import native
from cost_top.model.expected import Expected
from cost_top.model.features import Features
from cost_top.model.hashed_file import put
from cost_top.model.query import ReportQuery
from cost_top.model.windows import Period
from cost_top.monitor.log.once import read_period
from cost_top.pricing.book import RateBook
from cost_top.sources.sql.log import open_log

DAYS = 46
NOW = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=5)
BEGIN = NOW.replace(hour=0) - timedelta(days=DAYS)
ZONE = ZoneInfo("America/New_York")
CENT = 10**10


def fill(log: NativeLog, seed: int) -> None:
    """A shop of a few keys, with outbreaks of one of them now and then, and all the while in the last days."""
    draw, rows = random.Random(seed), list[tuple[Any, ...]]()

    def add(day: float, cost: int, token: str, endpoint: str) -> None:
        time = int((BEGIN + timedelta(days=day)).timestamp() * 1000)
        if time < NOW.timestamp() * 1000:
            rows.append((time, token, endpoint, f"u{draw.randrange(4)}", draw.choice(("m1", "m2")), cost * CENT))

    # Of the older days one in four: a day without a row takes nothing to read.
    for day in (*range(0, DAYS - 9, 4), *range(DAYS - 9, DAYS + 1)):
        for _ in range(40):
            add(
                day + draw.random(), draw.choice((1, 2, 30)), draw.choice(("k1", "k2", "k3")), draw.choice(("/a", "/b"))
            )
        if draw.random() < (0.9 if day > DAYS - 6 else 0.1):
            start, token = day + draw.random(), draw.choice(("k1", "k4"))
            for place in range(draw.choice((15, 40))):
                add(start + place * draw.choice((0.0005, 0.002)), draw.choice((90, 400)), token, "/b")
    log.connection.executemany(
        f"INSERT INTO {native.TABLE} (id, time_ms, token, endpoint, user_id, model, cost_pico_usd, input_tokens, "
        f"output_tokens) VALUES ('{seed}-' || ?, ?, ?, ?, ?, ?, ?, 1000, 10)",
        [(number, *row) for number, row in enumerate(rows)],
    )
    log.connection.commit()


@dataclass
class Starts:
    """Each time as a process that was just started."""

    log: NativeLog
    cache: Path
    book: RateBook

    def features(self, now: datetime, rules: Rules) -> tuple[Features, KeptRules]:
        period = Period(LiveRules(rules, ZONE).wanted_from(now), now)
        start = period.start
        with closing(read_period(open_log(str(self.log.path), None), self.book, self.cache, period)) as mirror:
            return mirror.features(ReportQuery(start, now), rules.dimensions), KeptRules(mirror.days)

    def check(self, now: datetime, rules: Rules = Rules("high")) -> list[dict[str, Any]]:  # noqa: B008 - frozen
        found, shelf = self.features(now, rules)
        expected = LiveRules(rules, ZONE).take(found)
        assert LiveRules(rules, ZONE, shelf).take(found) == expected
        return expected

    def kept(self) -> list[Path]:
        return list(self.cache.glob(f"*/*{LEARNED}"))


@pytest.fixture
def starts(log: NativeLog, tmp_path: Path, book: RateBook) -> Starts:
    return Starts(log, tmp_path / "cache", book)


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory, book: RateBook) -> Iterator[Starts]:
    """Of a log of which all is learned."""
    folder = tmp_path_factory.mktemp("learned")
    with closing(NativeLog(folder / "gateway.db")) as log:
        fill(log, 7)
        found = Starts(log, folder / "cache", book)
        found.check(NOW)
        yield found


def test_a_start_tells_what_one_tells_that_reads_it_all(starts: Starts) -> None:
    fill(starts.log, 1)
    old = int((NOW - timedelta(days=20)).timestamp() * 1000)
    # As days go by, also by several at once, and with the clock set back.
    for back, change in (
        (5, f"UPDATE {native.TABLE} SET cost_pico_usd = 3 * cost_pico_usd WHERE token = 'k2' AND time_ms < {old}"),
        (3, f"DELETE FROM {native.TABLE} WHERE token = 'k4' AND time_ms < {old}"),
        (
            4,
            f"INSERT INTO {native.TABLE} (id, time_ms, token, endpoint, model, cost_pico_usd, input_tokens) "
            f"VALUES ('late', {old}, 'k1', '/b', 'm1', {900 * CENT}, 5)",
        ),
    ):
        assert starts.check(NOW - timedelta(days=back))
        assert len(starts.kept()) == 1
        starts.log.run(change)
    expected = Expected("launch", NOW - timedelta(days=2), NOW, 3.0, (("token", "k4"),))
    starts.check(NOW, Rules("low", expected=(expected,)))
    starts.check(NOW, Rules("normal", ("token", "endpoint", "user"), errors=True))
    assert len(starts.kept()) == 2


def test_what_was_learned_is_not_learned_again(learned: Starts) -> None:
    expected = learned.check(NOW)
    before = list(map(stamp, learned.kept()))
    found, shelf = learned.features(NOW, Rules("high"))
    four_days = found.count - 4 * 288
    lately = replace(found, cells=tuple(found.between(four_days, found.count)))
    assert LiveRules(Rules("high"), ZONE, shelf).take(lately) == expected
    assert list(map(stamp, learned.kept())) == before


def test_what_cannot_be_trusted_is_learned_again(learned: Starts) -> None:
    expected = learned.check(NOW)
    found, shelf = learned.features(NOW, Rules("high"))
    (path,) = learned.kept()
    whole, name = path.read_bytes(), path.stem.rpartition(".")[0]
    for text in (whole[:-9], whole[:2000] + b"x" + whole[2001:]):
        path.write_bytes(text)
        assert path in damaged(learned.cache)
        assert LiveRules(Rules("high"), ZONE, shelf).take(found) == expected
        assert learned.kept() == [path]
    # Whole, and by somebody else: what it names is not called.
    for foreign in (pickle.dumps(open), pickle.dumps("nothing")):
        for one in learned.kept():
            one.unlink()
        put(path.parent, lambda made, foreign=foreign: made.write_bytes(foreign), name, LEARNED)  # type: ignore[misc]
        assert LiveRules(Rules("high"), ZONE, shelf).take(found) == expected


def test_what_the_log_no_longer_says_is_on_no_disk(learned: Starts) -> None:
    learned.check(NOW)
    assert b"k4" in learned.kept()[0].read_bytes()
    learned.log.run(f"UPDATE {native.TABLE} SET token = 'k1' WHERE token = 'k4'")
    learned.features(NOW, Rules())
    assert learned.kept() == []


class Moved(tzinfo):
    """A place whose clocks, so it became known, were otherwise."""

    def __init__(self, hours: int) -> None:
        self._shift = timedelta(hours=hours)

    def utcoffset(self, when: datetime | None) -> timedelta:
        return self._shift

    def dst(self, when: datetime | None) -> timedelta:
        return timedelta()

    def __repr__(self) -> str:
        return "Moved"


def test_what_was_learned_by_clocks_that_were_otherwise_is_learned_again(starts: Starts) -> None:
    starts.log.connection.execute(
        f"INSERT INTO {native.TABLE} (id, time_ms, token, cost_pico_usd) VALUES "
        f"('a', {int((NOW - timedelta(days=9)).timestamp() * 1000)}, 'k1', {CENT})"
    )
    starts.log.connection.commit()
    found, shelf = starts.features(NOW, Rules())
    kept = []
    for hours in (1, 1, 2):
        LiveRules(Rules(), Moved(hours), shelf).take(found)
        kept.append(list(map(stamp, starts.kept())))
    assert kept[0] == kept[1] != kept[2]


def test_of_each_form_the_newest_is_kept_of_two_forms_by_the_code_that_made_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    days: Any = SimpleNamespace(files=KeptFiles(tmp_path / "log-a", "log", "place", "rates"))
    shelf = KeptRules(days)

    def told(day: int, form: str) -> bytes | None:
        file = shelf.open(date(2026, 11, day), form)
        if file is None:
            return None
        with file:
            return file.read(4)

    def keep(day: int, form: str) -> None:
        shelf.keep(date(2026, 11, day), form, lambda file: file.write(f"{day} {form}".encode()))

    keep(1, "one")
    assert told(1, "one") == b"1 on"
    keep(2, "one")
    keep(1, "two")
    assert [told(1, "one"), told(2, "one"), told(1, "two")] == [None, b"2 on", b"1 tw"]
    keep(2, "three")
    assert [told(2, "one"), told(1, "two"), told(2, "three")] == [None, b"1 tw", b"2 th"]
    monkeypatch.setattr("cost_top.mirror.kept_rules.code_hash", lambda *_: "other")
    assert told(2, "three") is None
