"""Measured in a process of its own: the monitor without a screen, and the plain driver beside it.

`python -m tests.benchmarks.headless MODE ARGUMENTS` prints one line of JSON.
"""

from __future__ import annotations

import json
import shutil
import statistics
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.benchmarks.process import Calm, Comparing, memory_mb
from tests.benchmarks.writer import writing

from cost_top.model.filter import Term, parse_filter
from cost_top.model.snapshot import Live, Snapshot
from cost_top.model.view import Crumb, View
from cost_top.monitor.feed import Monitor
from cost_top.monitor.log.hub import LogHub

INTERVAL = 2.0
_WINDOW = timedelta(days=30)


class Watch:
    """A running monitor and every snapshot it published, with the instant of each."""

    def __init__(self, source: str, cache: Path) -> None:
        from cost_top.pricing.book import RateBook
        from cost_top.sources.sql.log import open_log

        self.calm = ""  # whether it is
        self.compared = ""  # what comparing kept days took, once it is settled
        self._cache, self._at = cache, datetime.now(UTC)
        self.seen: list[tuple[float, Snapshot]] = []
        self._news = threading.Condition()
        self.view = View()
        self.hub = LogHub(lambda: open_log(source), RateBook.load, interval=INTERVAL, cache=cache)
        self.monitor = Monitor(self.hub, UTC)
        self.monitor.on_failure = lambda error: print(error, file=sys.stderr)
        self.started = time.perf_counter()
        self.monitor.start(self._take, self.view)

    def _take(self, snapshot: Snapshot) -> None:
        with self._news:
            self.seen.append((time.perf_counter(), snapshot))
            self._news.notify_all()

    def until(self, holds: Callable[[Snapshot], bool], after: float = 0.0, seconds: float = 1200) -> float:
        """The instant of the first snapshot since `after` of which this holds."""
        found: list[float] = []

        def look() -> bool:
            found[:] = [when for when, snapshot in self.seen if when >= after and holds(snapshot)][:1]
            return bool(found)

        with self._news:
            if not self._news.wait_for(look, seconds):
                raise TimeoutError("the monitor never showed that")
        return found[0]

    def settle(self) -> None:
        """Until nothing is left to do but to poll."""
        self.until(complete)
        backfill = self.hub.history.backfill
        while backfill.pending:
            time.sleep(0.2)
        comparing = Comparing(time.process_time(), self._cache, self._at)
        while comparing.goes_on():
            time.sleep(INTERVAL)
        self.compared = comparing.told(time.process_time())
        calm, before = Calm(), time.process_time()
        time.sleep(INTERVAL)
        while not calm.after(time.process_time() - before):
            before = time.process_time()
            time.sleep(INTERVAL)
        self.calm = calm.told

    def look(self, view: View) -> tuple[float, float]:
        """Milliseconds until the first answer to a view, and until all of it."""
        self.view = view
        began = time.perf_counter()
        self.monitor.look(view)
        first = self.until(lambda snapshot: snapshot.view == view, began)
        whole = self.until(lambda snapshot: snapshot.view == view and complete(snapshot), began)
        return (first - began) * 1000, (whole - began) * 1000

    @property
    def last(self) -> Snapshot:
        """The newest snapshot."""
        return self.seen[-1][1]


def complete(snapshot: Snapshot) -> bool:
    """Whether all of the window is on the screen, and nothing more is being read."""
    return snapshot.filling is None and settled(snapshot)


def settled(snapshot: Snapshot) -> bool:
    """Whether all of the window is on the screen."""
    panels = (f"panel:{lens.dimension}" for lens in snapshot.lenses)
    return isinstance(snapshot.state, Live) and snapshot.is_settled("total", *panels)


def cold(source: str, cache: Path) -> dict[str, Any]:
    """From an empty cache until the mirror holds 30 days, and until their figures are shown."""
    shutil.rmtree(cache, ignore_errors=True)
    watch = Watch(source, cache)
    burning = watch.until(lambda snapshot: snapshot.burn.cost_per_hour > 0)

    def held(snapshot: Snapshot) -> bool:
        now = datetime.now(UTC)
        return snapshot.filling is None or (snapshot.filling.oldest or now) <= now - _WINDOW

    holding = watch.until(held)
    rows = watch.last.log_rows
    oldest = watch.hub.history.mirror.complete_from()
    shown = watch.until(complete)
    return {
        "last_hour": burning - watch.started, "held": holding - watch.started, "shown": shown - watch.started,
        "rows": rows, "from": oldest.replace(tzinfo=UTC).timestamp(), "memory": memory_mb(),
    }  # fmt: skip


def warm(source: str, cache: Path) -> dict[str, Any]:
    """From a full cache until 30 days are shown."""
    watch = Watch(source, cache)
    shown = watch.until(complete)
    return {"shown": shown - watch.started, "memory": memory_mb()}


def plain(source: str, start: str) -> dict[str, Any]:
    """Iterate the rows since an instant with the plain driver."""
    from cost_top.model.native import COLUMNS, TABLE

    since = int(float(start) * 1000)
    select = f"SELECT {', '.join(COLUMNS)} FROM {TABLE} WHERE time_ms >= {since}"
    rows = 0
    began = time.perf_counter()
    if "://" in source:
        import psycopg

        with psycopg.connect(source) as connection, connection.cursor("iterate") as cursor:
            cursor.itersize = 10_000
            for _ in cursor.execute(select):
                rows += 1
    else:
        import sqlite3

        for _ in sqlite3.connect(f"file:{source}?mode=ro", uri=True).execute(select):
            rows += 1
    return {"seconds": time.perf_counter() - began, "cpu": time.process_time(), "rows": rows}


def session(source: str, cache: Path, seconds: str = "40") -> dict[str, Any]:
    """A settled monitor: idle, with 100 new rows a tick, and asked for other views."""
    span = float(seconds)
    watch = Watch(source, cache)
    watch.settle()
    found: dict[str, Any] = {
        "memory": memory_mb(),
        "window_rows": watch.last.spend.measures.request_count,
        "compared": watch.compared,
        "calm": watch.calm,
    }
    found["idle"] = _span(watch, span)
    with writing(source, INTERVAL):
        time.sleep(2 * INTERVAL)
        found["busy"] = _span(watch, span)
    time.sleep(2 * INTERVAL)
    found["looks"] = _looks(watch)
    found["memory_after"] = memory_mb()
    return found


def _span(watch: Watch, seconds: float) -> dict[str, Any]:
    history = watch.hub.history
    before, queries, spent = time.process_time(), *_watched(history)
    published = len(watch.seen)
    time.sleep(seconds)
    cpu, after = time.process_time() - before, _watched(history)
    ticks = seconds / INTERVAL
    return {
        "cpu_ms_per_tick": cpu * 1000 / ticks, "cpu_share": cpu / seconds, "queries": (after[0] - queries) / ticks,
        "database_ms": (after[1] - spent) / ticks, "snapshots": len(watch.seen) - published, "ticks": ticks,
    }  # fmt: skip


def _watched(history: Any) -> tuple[int, float]:
    watching = history.load()
    return watching.queries, watching.database_ms


def _looks(watch: Watch) -> dict[str, Any]:
    """Keystrokes and drills: (median ms to the first answer, to the whole), each filter new to the mirror."""
    narrow = [f"token:key_{number:012d}" for number in (150, 151, 160, 170, 180)]
    broad = [f"-model:{name}" for name in ("gpt-4o-mini", "command-a", "deepseek-chat", "gpt-5", "embed-v4.0")]
    typed = ["fea", "feat", "featu", "featur", "feature"]  # a bare word, letter by letter
    found = {}
    for name, filters in (("narrow", narrow), ("broad", broad), ("word", typed)):
        times = [watch.look(replace(View(), filter=parse_filter(text))) for text in filters]
        found[name] = [statistics.median(each) for each in zip(*times, strict=True)]
    drills = [Crumb("provider", name, Term("provider", (name,))) for name in ("anthropic", "openai", "google")]
    times = [watch.look(replace(View(), crumbs=(crumb,))) for crumb in drills]
    found["drill"] = [statistics.median(each) for each in zip(*times, strict=True)]
    times = [watch.look(replace(View(), crumbs=(crumb,))) for crumb in drills]
    found["again"] = [statistics.median(each) for each in zip(*times, strict=True)]
    return found


if __name__ == "__main__":
    from tests.benchmarks.behind_screen import price_rows
    from tests.benchmarks.postgres import poll_plans, refresh

    modes: dict[str, Callable[..., dict[str, Any]]] = {
        "cold": cold, "warm": warm, "plain": plain, "session": session, "pricing": price_rows,
        "refresh": refresh, "plans": poll_plans,
    }  # fmt: skip
    chosen = modes[sys.argv[1]]
    given: list[Any] = sys.argv[2:]
    if chosen is not plain:
        given[1] = Path(given[1])
    print(json.dumps(chosen(*given)), flush=True)
    import os

    os._exit(0)  # the monitor's threads need no farewell
