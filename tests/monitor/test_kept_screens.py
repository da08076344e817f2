"""What is shown again without asking is what would be answered anew, whatever happened to the log meanwhile."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from cost_top.mirror.need_reports import NeedReports
from cost_top.model.engine import Knows
from cost_top.model.filter import Filter, parse_filter
from cost_top.model.native import TABLE
from cost_top.model.snapshot import Live, Snapshot
from cost_top.model.view import View
from cost_top.monitor.log import screens as screens_module
from cost_top.monitor.log.engine import LogEngine
from cost_top.monitor.log.screens import LogScreens
from cost_top.monitor.thread import HubSubscription
from cost_top.overview.needs import needs_of
from cost_top.sources.sql.log import open_log
from support.followed import Followed
from support.native_log import NativeLog

FILTERS = ("", "provider:openai", "tag:prod -user:u1", "unpriced:yes", "id:r3", "model:never", "fir*st")


class Counting(LogEngine):
    asked = 0

    def answers(self, *given: Any) -> Any:
        self.asked += 1
        return super().answers(*given)


@pytest.fixture
def followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Followed, NativeLog]]:
    log, draw = NativeLog(tmp_path / "gateway.db", True), random.Random(2)
    # Noon, as the day before closes in the first hours of a day, and all is asked again.
    start = (datetime.now(UTC) - timedelta(hours=12)).replace(hour=12, minute=0, second=7, microsecond=0)
    for number in range(60):
        log.add(id=f"r{number}", **row(draw, start - timedelta(minutes=1 + draw.randrange(3 * 1440))))
    watched = Followed(open_log(str(log.path)), now=start)
    watched.run(2)
    monkeypatch.setattr(screens_module, "utc_now", lambda: watched.now)
    monkeypatch.setattr(screens_module, "_PATIENCE", float("inf"))
    yield watched, log
    watched.close()
    log.close()


def row(draw: random.Random, time: datetime, **fields: Any) -> dict[str, Any]:
    return {
        "time_ms": int(time.timestamp() * 1000), "provider": draw.choice(["openai", "anthropic", None]),
        "model": draw.choice(["gpt-4o", "unheard-of"]), "endpoint": "/chat", "token": draw.choice(["k1", "k2"]),
        "token_name": draw.choice(["first", "second"]), "user_id": draw.choice(["u1", "u2", None]),
        "tags": draw.choice([None, '["prod"]']), "input_tokens": draw.randrange(900), "output_tokens": 5,
        "cost_pico_usd": draw.choice([None, draw.randrange(10**12)]), "latency_ms": 900, "status": 200,
    } | fields  # fmt: skip


def shown(screens: LogScreens, view: View, now: datetime) -> Snapshot:
    watch = HubSubscription(None, view, UTC, lambda _: None, None)  # type: ignore[arg-type]
    return screens.compose(watch, "log", Live(now), len(FILTERS))[0]


def test_what_is_kept_is_what_would_be_answered(followed: tuple[Followed, NativeLog]) -> None:
    (watched, log), draw = followed, random.Random(4)
    engine = Counting(watched.history.mirror)
    kept = LogScreens(watched.history, engine)
    views = [replace(View(), filter=parse_filter(text)) for text in FILTERS]
    views.append(replace(views[1], end=watched.now - timedelta(hours=1)))
    views.append(replace(views[2], window="1h", mark=watched.now - timedelta(minutes=9)))
    number = 60
    for step in range(12):
        if step % 3 == 0:
            log.add(id=f"r{number}", **row(draw, watched.now - timedelta(seconds=1)))
            number += 1
        elif step in (4, 7):
            log.run(f"UPDATE {TABLE} SET cost_pico_usd = cost_pico_usd + 5, user_id = 'u2' WHERE id = 'r{number - 1}'")
        elif step == 8:
            log.run(f"DELETE FROM {TABLE} WHERE id = 'r{number - 1}'")
        watched.run(8.0, every=2.0)
        engine.as_of = watched.now
        anew = LogScreens(watched.history, engine)
        for view in views:
            assert shown(kept, view, watched.now) == shown(anew, view, watched.now), (step, str(view.where))
    kept.forget_all_but([(views[1], UTC)])
    assert shown(kept, views[2], watched.now) == shown(anew, views[2], watched.now)


def test_in_a_minute_only_what_rows_came_to_is_summed_again(
    followed: tuple[Followed, NativeLog], monkeypatch: pytest.MonkeyPatch
) -> None:
    (watched, log), draw = followed, random.Random(6)
    engine = LogEngine(watched.history.mirror)
    kept, anew = LogScreens(watched.history, engine), LogScreens(watched.history, engine)
    view, again = View(window="24h", filter=parse_filter("provider:openai")), NeedReports.of
    summed: list[str] = []
    monkeypatch.setattr(
        NeedReports, "of", lambda self, need, *given: summed.append(need.name) or again(self, need, *given)
    )
    for number in range(2):  # the first is of another hour than those before it
        log.add(id=f"new{number}", **row(draw, watched.now, provider="openai", cost_pico_usd=7))
        watched.run(2)
        summed.clear()
        told = shown(kept, view, watched.now)
    assert {"total", "chart", "today", "panel:token"} <= {*summed}
    assert "before" not in summed
    assert told == shown(anew, view, watched.now)
    assert "before" in summed


@pytest.mark.parametrize("window", ["1h", "24h", "30d", "mtd"])
def test_what_is_asked_in_a_minute_differs_in_nothing_but_when_open_periods_end(window: str) -> None:
    start, zone = datetime(2026, 11, 30, 14, 7, tzinfo=UTC), ZoneInfo("Asia/Kathmandu")
    for text in ("", "token:a"):
        view = View(window=window, filter=parse_filter(text) if text else Filter(), mark=start - timedelta(hours=3))
        needs = (needs_of(view, start + timedelta(seconds=seconds), zone, Knows()).all for seconds in (0.5, 59.9))
        for one, other in zip(*needs, strict=True):
            end = other.query.end if other.open_end else one.query.end
            assert replace(one, query=replace(one.query, end=end)) == other


def test_only_what_rows_came_for_is_asked_again(followed: tuple[Followed, NativeLog]) -> None:
    (watched, log), draw = followed, random.Random(5)
    engine = Counting(watched.history.mirror)
    kept = LogScreens(watched.history, engine)
    views = [replace(View(), filter=parse_filter(text)) for text in FILTERS]
    for view in views:
        shown(kept, view, watched.now)

    def asked() -> list[str]:
        found = []
        for view in views:
            before = engine.asked
            shown(kept, view, watched.now)
            found += [str(view.where)] * (engine.asked - before)
        return found

    assert asked() == []
    one = {"provider": "openai", "user_id": "u1", "token_name": "second", "cost_pico_usd": 7}
    log.add(id="new", **row(draw, watched.now, **one))
    watched.run(2)
    assert asked() == ["", "provider:openai", "id:r3"]
    assert asked() == []
    watched.now += timedelta(minutes=1)
    assert asked() == list(FILTERS)
