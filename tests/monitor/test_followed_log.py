"""A log that is followed: rows and names that come in odd ways show. Waits for snapshots, sleeps nowhere."""

from __future__ import annotations

import sqlite3
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest

from cost_top.model.view import View
from cost_top.monitor.feed import Monitor
from cost_top.monitor.log import hub as log_hub
from cost_top.monitor.log.hub import LogHub
from cost_top.pricing.book import RateBook
from cost_top.sources.sql.log import open_log

PATIENCE = 120.0
DOLLAR = 10**12
VIEW = View(lenses=("provider", "token"))


class Face:
    """Keeps the newest snapshot, and wakes who waits for another."""

    def __init__(self, source, mapping=None):
        self.news = threading.Condition()
        self.snapshot = None
        self.monitor = Monitor(LogHub(lambda: open_log(source, mapping), lambda: RateBook.load(None), interval=0.05,
                                      cache=None), UTC)  # fmt: skip
        self.monitor.start(self.show, VIEW)

    def show(self, snapshot):
        with self.news:
            self.snapshot = snapshot
            self.news.notify_all()

    def until(self, is_right):
        with self.news:
            assert self.news.wait_for(lambda: self.snapshot is not None and is_right(self.snapshot), PATIENCE), (
                self.snapshot
            )
            return self.snapshot


@pytest.fixture
def face():
    faces = []

    def open_face(*arguments):
        faces.append(Face(*arguments))
        return faces[-1]

    yield open_face
    for each in faces:
        each.monitor.stop()


def milliseconds(instant):
    return int(instant.timestamp() * 1000)


def costs(amount):
    return lambda snapshot: snapshot.spend.measures.total_cost == amount and snapshot.filling is None


def test_a_row_stamped_in_the_future_does_not_hide_what_comes_before_it(sqlite_log, face):
    log, now = sqlite_log(), datetime.now(UTC)
    log.add(time_ms=milliseconds(now - timedelta(hours=3)), provider="openai", cost_pico_usd=DOLLAR)
    log.add(time_ms=milliseconds(now + timedelta(hours=2)), provider="openai", cost_pico_usd=50 * DOLLAR)
    shown = face(str(log.path))
    shown.until(
        lambda snapshot: snapshot.filling is None and snapshot.spend.measures.total_cost % (50 * DOLLAR) == DOLLAR
    )
    for number in range(1, 4):
        log.add(time_ms=milliseconds(datetime.now(UTC)), provider="openai", cost_pico_usd=DOLLAR)
        shown.until(
            lambda snapshot, paid=number: snapshot.spend.measures.total_cost % (50 * DOLLAR) == (1 + paid) * DOLLAR
        )


def names(snapshot):
    lens = snapshot.lens("token")
    return lens is not None and [row.key for row in lens.report.rows]


def test_a_renamed_key_shows_under_its_newest_name_at_once(sqlite_log, face):
    log, now = sqlite_log(), datetime.now(UTC)
    for hours, name in ((1, "newer"), (30, "old"), (2, "older")):
        log.add(time_ms=milliseconds(now - timedelta(hours=hours)), token="k1", token_name=name, cost_pico_usd=DOLLAR)
    shown = face(str(log.path))
    shown.until(lambda snapshot: costs(3 * DOLLAR)(snapshot) and names(snapshot) == [("k1", "newer")])
    log.add(time_ms=milliseconds(datetime.now(UTC)), token="k1", token_name="newest", cost_pico_usd=DOLLAR)
    shown.until(lambda snapshot: costs(4 * DOLLAR)(snapshot) and names(snapshot) == [("k1", "newest")])


MAPPING = """
name = "mine"
table = "calls"
id = "id"
time = {column = "at", unit = "epoch_s"}
cost = {unit = "usd"}
[fields]
token = "key_id"
reported_cost = "cost"
[[lookups]]
field = "token_name"
by = "token"
table = "keys"
id = "id"
name = "name"
"""


@pytest.mark.parametrize("name_comes", ["first", "last"])
def test_names_that_stand_beside_the_log_are_looked_up_again(tmp_path, face, monkeypatch, name_comes):
    ahead = [0.0]
    monkeypatch.setattr(log_hub, "clock", lambda: time.monotonic() + ahead[0])
    path = tmp_path / "calls.db"
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("CREATE TABLE calls (id TEXT, at INTEGER, key_id TEXT, cost REAL)")
    database.execute("CREATE TABLE keys (id TEXT, name TEXT)")
    database.execute("INSERT INTO keys VALUES ('k1', 'first')")
    database.execute("INSERT INTO calls VALUES ('a', ?, 'k1', 1.0)", (int(time.time()) - 60,))
    (tmp_path / "mine.toml").write_text(MAPPING)
    shown = face(str(path), str(tmp_path / "mine.toml"))
    shown.until(lambda snapshot: names(snapshot) == [("k1", "first")])
    row = "INSERT INTO calls VALUES ('b', ?, 'k2', 2.0)", (int(time.time()),)
    if name_comes == "last":
        database.execute(*row)
        shown.until(lambda snapshot: names(snapshot) == [("k2", None), ("k1", "first")])
    database.execute("INSERT INTO keys VALUES ('k2', 'second')")
    ahead[0] = 301.0
    if name_comes == "first":
        database.execute(*row)
    shown.until(lambda snapshot: names(snapshot) == [("k2", "second"), ("k1", "first")])
    database.close()
