"""The rules look by look: the same incidents whatever the steps, with rows that come late, in bounded memory."""

from __future__ import annotations

import pickle
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from tests.insight.test_engine import leak, shop
from tests.insight.traffic import CENT, DAY, cell, features

from cost_top.insight.engine import run
from cost_top.insight.levels import Rules
from cost_top.insight.live import SETTLES, LiveRules
from cost_top.insight.replay import incidents_json
from cost_top.model.features import BUCKET_SECONDS, Cell, Doubled, Features, LoopStep

HOUR = 12
BUCKET = timedelta(seconds=BUCKET_SECONDS)
WHOLE = features(
    [*shop(24), *leak(20 * DAY + 5, 4), *leak(22 * DAY + 100, 3, cost=300 * CENT, token="key-3")], 24,
    loops=[LoopStep(22 * DAY + place, "key-1", 900 * CENT, 1_790_121_600) for place in range(30, 34)],
    doubled=[Doubled(23 * DAY + place, 20, 9, 90 * CENT) for place in range(3)], names={"key-3": "Third"},
)  # fmt: skip


def part(whole: Features, start: datetime, end: datetime, hidden: int = 0) -> Features:
    """What a log would tell of `[start, end)` while its last rows, every third of `hidden` buckets, are not there."""
    first = max(0, (int(start.timestamp()) - whole.origin) // BUCKET_SECONDS)
    last = (int(end.timestamp()) - whole.origin) // BUCKET_SECONDS

    def told(one: Cell | LoopStep | Doubled) -> bool:
        return first <= one.bucket < last and not (one.bucket >= last - hidden and one.bucket % 3 == 0)

    cells, loops, doubled = (
        tuple(one._replace(bucket=one.bucket - first) for one in ones if told(one))
        for ones in (whole.cells, whole.loops, whole.doubled)
    )
    return replace(
        whole, origin=whole.origin + first * BUCKET_SECONDS, count=last - first,
        first=cells[0].bucket if cells else None, cells=cells, loops=loops, doubled=doubled,
    )  # fmt: skip


def look(live: LiveRules, whole: Features, bucket: int, hidden: int = 0) -> list[dict[str, object]]:
    now = datetime.fromtimestamp(whole.origin + bucket * BUCKET_SECONDS, UTC)
    return live.take(part(whole, live.wanted_from(now), now, hidden))


def settled_ends(seed: int) -> list[int]:
    draw, found = random.Random(seed), [21 * DAY]
    while found[-1] < 24 * DAY:
        found.append(min(24 * DAY, found[-1] + draw.choice((1, 2, 40, 150, 150))))
    return found


def test_incidents_do_not_depend_on_the_steps_nor_on_rows_that_come_late() -> None:
    live = LiveRules(Rules(), UTC)
    ends = settled_ends(1)
    for end in ends[:-1]:
        look(live, WHOLE, end, hidden=SETTLES)
    found = look(live, WHOLE, ends[-1])
    engine = run(WHOLE, Rules(), UTC, ends[0] - 3 * DAY)
    lately = ends[-1] - 3 * DAY
    kept = [one.closed is None or one.closed >= lately for one in engine.incidents.all]
    expected = [told for told, is_kept in zip(incidents_json(engine, WHOLE), kept, strict=True) if is_kept]
    lately = [one.pop("last_hour_usd") for one in found]
    assert found == expected
    assert lately == ["1.2", "0", "2.4"]
    assert {one["kind"] for one in found} >= {"spike", "loop"}
    assert len(engine.incidents.all) > len(found)  # the first leak was over long before


@pytest.mark.parametrize("zone", ["UTC", "America/Los_Angeles", "Asia/Kathmandu"])
def test_what_was_over_on_friday_is_told_until_midnight_of_monday(zone: str) -> None:
    local = ZoneInfo(zone)
    friday = datetime(2026, 9, 18, 9, tzinfo=local)
    begins = int(friday.timestamp() - WHOLE.origin) // BUCKET_SECONDS
    whole = features([*shop(23), *leak(begins, 4)], 23)
    midnight = datetime(2026, 9, 22, tzinfo=local)
    for before, told in ((BUCKET, ["spike"]), (timedelta(0), [])):
        end = int((midnight - before).timestamp() - whole.origin) // BUCKET_SECONDS
        assert [one["kind"] for one in look(LiveRules(Rules(), local), whole, end)] == told


def test_what_comes_within_two_hours_counts_as_if_it_had_come_in_time() -> None:
    prompt, late = LiveRules(Rules(), UTC), LiveRules(Rules(), UTC)
    for end in range(22 * DAY, 22 * DAY + 130, 30):
        look(prompt, WHOLE, end)
        look(late, WHOLE, end, hidden=SETTLES)
    assert look(late, WHOLE, 22 * DAY + 130) == look(prompt, WHOLE, 22 * DAY + 130)


def test_only_the_last_hours_are_asked_for_again_unless_the_clock_was_set_back() -> None:
    live = LiveRules(Rules(), UTC)
    now = datetime.fromtimestamp(WHOLE.origin + 21 * DAY * BUCKET_SECONDS, UTC)
    assert now - live.wanted_from(now) > timedelta(days=38)
    look(live, WHOLE, 21 * DAY)
    assert live.wanted_from(now + 5 * BUCKET) == now - timedelta(days=1)  # of a day that is over, all
    look(live, WHOLE, 21 * DAY + 100)
    assert live.wanted_from(now + 105 * BUCKET) == now + 100 * BUCKET - timedelta(hours=8)
    assert now - live.wanted_from(now - timedelta(hours=3)) > timedelta(days=38)


def test_memory_is_bounded_however_long_it_goes_on() -> None:
    live, sizes = LiveRules(Rules(), UTC), []
    cells = [cell(bucket, 10 * CENT, token=f"key-{bucket // (8 * DAY)}") for bucket in range(0, 130 * DAY, 12)]
    whole = features(cells, 130)
    for day in range(20, 131, 10):
        look(live, whole, day * DAY)
        assert live._engine is not None
        sizes.append(len(pickle.dumps(live._engine)))
    assert max(sizes[6:]) <= 1.1 * sizes[5]


def test_a_loop_of_weeks_ago_is_no_news_at_the_first_look() -> None:
    old = [LoopStep(4 * DAY + place, "key-1", 900 * CENT, 1_788_600_000) for place in range(9)]
    twice = [Doubled(5 * DAY + place, 20, 20, 90 * CENT) for place in range(9)]
    whole = features(shop(24), 24, loops=old, doubled=twice)
    assert look(LiveRules(Rules(), UTC), whole, 24 * DAY) == []
    assert [one.first.kind for one in run(whole, Rules(), UTC, 20 * DAY).incidents.all] == []
