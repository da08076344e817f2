"""The last minutes follow the log row by row as they would be read anew."""

from __future__ import annotations

from datetime import datetime, timedelta

from cost_top.mirror.added import COLUMNS, SummedRow
from cost_top.mirror.minutes import Minutes
from cost_top.model.filter import Filter, parse_filter

START = datetime(2026, 11, 25, 14)


def test_rows_that_come_change_and_go_are_counted_with_those_without_a_price() -> None:
    unpriced = SummedRow(
        **{**dict.fromkeys(COLUMNS), "time": START + timedelta(seconds=70), "price_status": "unpriced"}
    )
    priced = unpriced._replace(price_status="priced", cost=5)
    failed = priced._replace(status=500, cost=2)
    hit = unpriced._replace(cache_hit=True)
    minutes = Minutes(lambda *_: [], lambda _: None)
    end = START + timedelta(hours=1)
    assert minutes.of(Filter(), START, end) == ([], None)
    minutes.change([], [unpriced, unpriced, failed, hit])
    assert minutes.of(Filter(), START, end)[0] == [(1, 2, 4, 1, 2)]
    minutes.change([unpriced], [priced])
    assert minutes.of(Filter(), START, end)[0] == [(1, 7, 4, 1, 1)]
    minutes.change([priced, unpriced, failed, hit], [])
    assert minutes.of(Filter(), START, end)[0] == []


def test_as_time_goes_on_nothing_is_read_again() -> None:
    row = SummedRow(**{**dict.fromkeys(COLUMNS), "price_status": "priced", "cost": 1, "provider": "openai"})
    held = [
        row._replace(time=START + timedelta(seconds=37 * number), latency_ms=number * 7 % 100) for number in range(100)
    ]
    reads = []

    def read(where: Filter, start: datetime, end: datetime) -> list[tuple[object, ...]]:
        reads.append((where, start))
        inside = [row for row in held if start <= row.time < end and (not where or row.provider == "openai")]
        by_minute: dict[int, list[SummedRow]] = {}
        for row in inside:
            by_minute.setdefault((row.time - start) // timedelta(minutes=1), []).append(row)
        return [
            (minute, len(rows), len(rows), 0, 0, len(rows), [row.latency_ms for row in rows])
            for minute, rows in by_minute.items()
        ]

    followed, openai = Minutes(read, lambda _: lambda row: row.provider == "openai"), parse_filter("provider:openai")
    for minute in range(8):
        start = START + timedelta(minutes=minute)
        end = start + timedelta(minutes=20)
        for where in (Filter(), openai):
            fresh = Minutes(read, lambda _: None)
            assert followed.of(where, start, end) == fresh.of(where, start, end)
        came = [row._replace(time=end + timedelta(seconds=5 * number), provider=provider, latency_ms=50 + number)
                for number, provider in enumerate(("openai", "other", "openai"))]  # fmt: skip
        held += came
        followed.change([], came)
        gone, held = held[-3:-1], [*held[:-3], held[-1]]
        followed.change(gone, [])
    assert sum(start == START for _, start in reads) == 4
    assert len(reads) == 2 + 8 * 2
    past = START - timedelta(minutes=5)
    assert followed.of(openai, past, past + timedelta(minutes=20)) == Minutes(read, lambda _: None).of(
        openai, past, past + timedelta(minutes=20)
    )


def test_a_filter_that_rows_do_not_tell_is_read_anew() -> None:
    reads = []
    minutes = Minutes(lambda where, *_: reads.append(where) or [], lambda _: None)
    end = START + timedelta(hours=1)
    for _ in range(2):
        for text in ("", "id:one"):
            minutes.of(parse_filter(text), START, end)
        minutes.change([], [])
    assert [str(where) for where in reads] == ["", "id:one", "id:one"]
