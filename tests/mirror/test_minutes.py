"""The last minutes follow the log row by row as they would be read anew."""

from __future__ import annotations

from datetime import datetime, timedelta

from cost_top.mirror.added import COLUMNS, SummedRow
from cost_top.mirror.minutes import Minutes
from cost_top.model.filter import Filter

START = datetime(2026, 11, 25, 14)


def test_rows_that_come_change_and_go_are_counted_with_those_without_a_price() -> None:
    unpriced = SummedRow(
        **{**dict.fromkeys(COLUMNS), "time": START + timedelta(seconds=70), "price_status": "unpriced"}
    )
    priced = unpriced._replace(price_status="priced", cost=5)
    failed = priced._replace(status=500, cost=2)
    hit = unpriced._replace(cache_hit=True)
    minutes = Minutes(lambda *_: [])
    end = START + timedelta(hours=1)
    assert minutes.of(Filter(), START, end) == ([], None)
    minutes.change([], [unpriced, unpriced, failed, hit])
    assert minutes.of(Filter(), START, end)[0] == [(1, 2, 4, 1, 2)]
    minutes.change([unpriced], [priced])
    assert minutes.of(Filter(), START, end)[0] == [(1, 7, 4, 1, 1)]
    minutes.change([priced, unpriced, failed, hit], [])
    assert minutes.of(Filter(), START, end)[0] == []
