"""The requests behind lines of waste, page by page: a period is looked through once while its rows stay."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cost_top.mirror import waste, wasted
from cost_top.model.engine import Position
from cost_top.model.filter import parse_filter
from cost_top.model.query import ReportQuery
from cost_top.sources.base import Lookup
from cost_top.sources.sql.log import open_log
from support.followed import Followed

HOUR = timedelta(hours=1)
NOW = datetime(2026, 11, 20, 12, 30, tzinfo=UTC)  # no day closes between two rows
END = NOW - timedelta(minutes=1)
# Of the last five days, every other request failed, the others were cut off but for those that tell their tokens. Of
# each three requests two are of one instant, and of each four two cost the same.
ROWS = {
    f"r{number:02}": {
        "time_ms": int((END - (number - number % 3 // 2 + 1) * 2 * HOUR).timestamp() * 1000),
        "status": 500 if number % 2 else 200, "cost_pico_usd": 1 + number // 2 % 20, "streamed": 1,
        "output_tokens": 7 if number % 10 == 8 else 0, "provider": "openai", "model": "gpt-4o", "user_id": "u1",
    }
    for number in range(60)
}  # fmt: skip


@pytest.fixture
def log(sqlite_log) -> Any:
    log = sqlite_log()
    for name, row in ROWS.items():
        log.add(id=name, **row)
    return log


@pytest.fixture
def followed(log) -> Iterator[Followed]:
    followed = Followed(open_log(str(log.path)), now=NOW)
    yield followed
    followed.close()


@pytest.fixture
def looked(monkeypatch) -> list[None]:
    """Grows each time that the requests of a period are put into lines."""
    times: list[None] = []
    classify: Callable[..., None] = waste._classify

    def counted(*given: Any) -> None:
        times.append(None)
        classify(*given)

    monkeypatch.setattr(waste, "_classify", counted)
    return times


QUERY = ReportQuery(END - timedelta(days=5), END, limit=7)


def pages(followed: Followed, query: ReportQuery, *lines: str) -> list[str]:
    """The ids of all pages."""
    found: list[str] = []
    after: Position | None = None
    while True:
        page = followed.history.mirror.waste_requests(query, lines, after)
        found += [row.id for row in page.rows]
        if (after := page.following) is None:
            return found
        assert len(page.rows) == query.limit


def expected(rows: dict[str, dict[str, Any]], status: int, dearest: bool = False) -> list[str]:
    start = QUERY.start.timestamp() * 1000
    within = {
        name: row for name, row in rows.items()
        if row["status"] == status and row["time_ms"] >= start and (status == 500 or not row["output_tokens"])
    }  # fmt: skip
    return sorted(
        within, key=lambda name: (-within[name]["cost_pico_usd"] * dearest, -within[name]["time_ms"], name)
    )  # fmt: skip


def test_further_pages_and_other_lines_look_at_the_period_no_more(followed, looked):
    told = followed.history.mirror.waste(QUERY)
    failed = pages(followed, QUERY, "failed_but_paid")
    assert failed == expected(ROWS, 500)
    assert len(failed) > 3 * 7
    assert pages(followed, QUERY, "cut_off") == expected(ROWS, 200)
    dearest = replace(QUERY, sort="cost")
    assert pages(followed, dearest, "failed_but_paid") == expected(ROWS, 500, dearest=True)
    both = pages(followed, replace(QUERY, limit=1), "failed_but_paid", "cut_off")
    assert sorted(both) == sorted((*failed, *expected(ROWS, 200)))
    assert pages(followed, QUERY, "repeated") == []
    assert {line.name: line.requests for line in told.lines if line.requests} == {
        "failed_but_paid": len(failed), "cut_off": len(both) - len(failed),
    }  # fmt: skip
    assert len(looked) == 1
    pages(followed, replace(QUERY, where=parse_filter("-user:nobody")), "cut_off")
    pages(followed, replace(QUERY, end=END - HOUR), "cut_off")
    assert len(looked) == 3, "one period is held, as it was asked about"


def test_what_comes_after_the_period_leaves_it_and_what_changes_in_it_does_not(followed, log, looked):
    rows = {name: dict(row) for name, row in ROWS.items()}
    mirror = followed.history.mirror
    first = mirror.waste_requests(QUERY, ["failed_but_paid"])
    log.add(**{**ROWS["r01"], "id": "later", "time_ms": int(NOW.timestamp() * 1000)})
    followed.run(10)
    assert followed.differences() == []
    assert pages(followed, QUERY, "failed_but_paid") == expected(rows, 500)
    assert len(looked) == 1

    log.add(**{**ROWS["r01"], "id": "late"})
    rows["late"] = ROWS["r01"]
    followed.until_right(3600)
    rest = mirror.waste_requests(replace(QUERY, limit=100), ["failed_but_paid"], first.following)
    assert [row.id for row in (*first.rows, *rest.rows)] == expected(ROWS, 500)
    assert pages(followed, QUERY, "failed_but_paid") == expected(rows, 500)
    assert len(looked) == 2

    for name in ("late", "r51"):  # of today, and of a closed day
        log.run("UPDATE cost_top_requests SET status = 200, output_tokens = 0 WHERE id = ?", [name])
        rows[name] = {**rows[name], "status": 200}
        followed.until_right(100_000)
        assert pages(followed, QUERY, "failed_but_paid") == expected(rows, 500)
        assert pages(followed, QUERY, "cut_off") == expected(rows, 200)
    log.run("DELETE FROM cost_top_requests WHERE id = 'r53'")
    del rows["r53"]
    followed.until_right(100_000)
    assert pages(followed, QUERY, "failed_but_paid") == expected(rows, 500)


def test_another_name_is_another_filter(followed, looked):
    mirror, query = followed.history.mirror, replace(QUERY, where=parse_filter("user:Ann"))
    assert pages(followed, query, "cut_off") == []
    mirror.database.set_lookups((Lookup("user", "user", {"u1": "Ann"}),))
    assert pages(followed, query, "cut_off") == expected(ROWS, 200)
    assert len(looked) == 2


def test_more_than_is_held_is_looked_for_each_time(followed, looked, monkeypatch):
    monkeypatch.setattr(wasted, "_MOST_HELD", 3)
    assert pages(followed, replace(QUERY, limit=20), "failed_but_paid") == expected(ROWS, 500)
    assert len(looked) == 2


def test_a_place_that_no_page_told_is_one(followed):
    place = Position(END, "", None, 2**62 - 1)
    assert followed.history.mirror.waste_requests(QUERY, ["cut_off"], place).rows != ()
