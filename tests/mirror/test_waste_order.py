"""Whatever the order in which rows were read, what was wasted is the same."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

from cost_top.mirror.waste import waste
from cost_top.model.query import ReportQuery
from cost_top.pricing.book import RateBook
from support.scratch import scratch

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
USUAL: dict[str, Any] = {
    "id": "one", "provider": "openai", "model": "gpt-4o", "endpoint": "/chat", "token": "k", "user": None, "mode": None,
    "region": None, "input_tokens": 70_000, "cached_input_tokens": None, "output_tokens": 5, "cost": 10**10,
    "counted": True, "streamed": False, "cache_hit": None, "status": 200, "price_status": "reported",
}  # fmt: skip


def found(book: RateBook, rows: tuple[dict[str, Any], ...]) -> Any:
    with scratch() as duck:
        columns = ", ".join(f'${name} AS "{name}"' for name in USUAL)
        duck.execute(f"CREATE TABLE log AS SELECT TIMESTAMP '2026-11-20 12:00:00' AS time, {columns}", USUAL)
        duck.execute("DELETE FROM log")
        for row in rows:
            duck.execute(f"INSERT INTO log SELECT TIMESTAMP '2026-11-20 12:00:00', {columns}", {**USUAL, **row})
        return waste(duck, "log", ReportQuery(NOON, NOON + timedelta(hours=1)), book)


def test_rows_of_one_id_and_instant_stand_in_the_same_lines_in_whatever_order_they_came(book: RateBook) -> None:
    """One failed, one was paid, and which of the paid ones came next decides what its retry cost."""
    rows: list[dict[str, Any]] = [{"status": 500, "cost": None}, {"cost": 3 * 10**10}, {"output_tokens": 9}]
    assert len({found(book, order) for order in permutations(rows)}) == 1
