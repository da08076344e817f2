"""What `[[expected]]` raises is usual on the screen as it is for the alarms, over a real log."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cost_top.cli.options import resolve
from cost_top.insight.month_end import month_end
from cost_top.mirror.store import Mirror
from cost_top.model.expected import Expected
from cost_top.model.filter import parse_filter
from cost_top.model.query import ReportQuery
from cost_top.model.snapshot import Snapshot
from cost_top.model.view import View
from cost_top.model.windows import Period
from cost_top.monitor.log.engine import LogEngine
from cost_top.monitor.log.month_end import month_end_note
from cost_top.monitor.log.once import read_period
from cost_top.overview.compose import Facts, compose
from cost_top.overview.needs import needs_of
from cost_top.pricing.book import RateBook
from cost_top.sources.sql.log import open_log
from cost_top.tui.render.burn import burn_card
from cost_top.tui.render.over import over_usual

USD = 10**12
NOW = datetime.now(UTC).replace(minute=30, second=0, microsecond=0)
DAY = timedelta(days=1)
ALL = Expected("launch-week", NOW - DAY, NOW + 2 * DAY, 4.0)


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mirror]:
    """Thirty days of a dollar an hour, a quarter of it on /launch; ten dollars on /launch in the last hour."""
    from support.native_log import NativeLog

    log = NativeLog(tmp_path_factory.mktemp("expected") / "gateway.db")
    rows = [(NOW - timedelta(hours=hour, minutes=5), share, route)
            for hour in range(1, 30 * 24) for share, route in ((0.75, "/reply"), (0.25, "/launch"))]  # fmt: skip
    rows += [(NOW - timedelta(minutes=10), 0.75, "/reply"), (NOW - timedelta(minutes=9), 2.75, "/launch")]
    for time, cost, route in rows:
        log.add(
            time_ms=int(time.timestamp() * 1000), cost_pico_usd=int(cost * USD), endpoint=route, model="m", token="k"
        )
    mirror = read_period(open_log(str(log.path)), RateBook.load(None), None, Period(NOW - 40 * DAY, NOW))
    yield mirror
    mirror.close()
    log.close()


def shown(mirror: Mirror, *expected: Expected, where: str = "", window: str = "30d") -> Snapshot:
    engine = LogEngine(mirror, expected)
    needs = needs_of(View(window, filter=parse_filter(where)), NOW, UTC, engine.knows)
    return compose(needs, engine.answers(needs.all, float("inf")), engine.knows, Facts("log", None))


def rates(snapshot: Snapshot) -> dict[int, float]:
    return {rate.minutes: rate.usual / USD for rate in snapshot.burn.rates}


def test_what_is_expected_of_everything_does_not_shout(mirror: Mirror) -> None:
    plain = shown(mirror)
    assert plain.burn.cost_per_hour == 35 * USD // 10
    assert rates(plain)[60] == pytest.approx(1, rel=0.01)
    assert over_usual(plain) is not None
    raised = shown(mirror, ALL)
    assert {minutes: usual / 4 for minutes, usual in rates(raised).items()} == pytest.approx(rates(plain))
    assert over_usual(raised) is None
    assert "expected: launch-week until " in burn_card(raised, 70, 3, UTC).plain
    assert "expected" not in burn_card(plain, 70, 3, UTC).plain


def test_what_is_expected_of_a_route_adds_to_the_usual_as_for_the_alarms(mirror: Mirror) -> None:
    route = Expected("launch", NOW - DAY, NOW + DAY, 9.0, (("endpoint", "/launch"),))
    assert rates(shown(mirror, route))[60] == pytest.approx(0.75 + 9 * 0.25, rel=0.01)
    assert over_usual(shown(mirror, route)) is None
    both = rates(shown(mirror, route, ALL))[60]
    assert both == pytest.approx(max(0.75 + 9 * 0.25, 4), rel=0.01)


def test_what_is_over_or_not_begun_changes_nothing_but_the_windows_that_hold_it(mirror: Mirror) -> None:
    plain = rates(shown(mirror))
    assert rates(shown(mirror, Expected("next", NOW + DAY, NOW + 2 * DAY, 4.0))) == plain
    over = shown(mirror, Expected("gone", NOW - 2 * DAY, NOW - timedelta(hours=3), 4.0))
    assert rates(over)[60] == plain[60]
    assert rates(over)[1440] == pytest.approx(4 * plain[1440])
    assert over.burn.expected == ""
    assert over_usual(over) is not None


def test_under_a_filter_the_month_is_told_from_the_days_that_the_view_reads_anyway(mirror: Mirror) -> None:
    everything, drilled = shown(mirror), shown(mirror, where="endpoint:/reply")
    assert everything.limit("month end") is drilled.limit("month end") is None
    assert everything.days is not None
    assert drilled.days is not None
    assert len(drilled.days.costs) == len(everything.days.costs) >= 27
    assert drilled.days.costs[5] == 18 * USD
    note = month_end_note(mirror, ReportQuery(NOW - 40 * DAY, NOW, where=parse_filter("endpoint:/reply")), NOW)
    assert drilled.spend.month is not None
    found = month_end(drilled.days, drilled.spend.month, NOW, UTC)
    assert found is not None
    assert note == (f"month end {found.text()}",)


def test_where_a_filtered_view_reads_too_few_days_the_card_says_so(mirror: Mirror) -> None:
    where, early = parse_filter("endpoint:/reply"), datetime(2026, 11, 5, 12, tzinfo=UTC)
    engine = LogEngine(mirror)
    for view, has in ((View("24h", filter=where), False), (View("7d", filter=where), True), (View("24h"), True)):
        needs = needs_of(view, early, UTC, engine.knows)
        edges = [need.edges for need in needs.all if need.name == "days"]
        assert bool(edges) is has
        assert not view.where or not has or edges[0][0] >= early - 14 * DAY
        snapshot = compose(needs, engine.answers(needs.all, float("inf")), engine.knows, Facts("log", None))
        assert snapshot.limit("month end") == (None if has else "not of so few days: ] makes them more")


def test_the_hub_of_a_config_knows_what_is_expected(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text(
        '[[expected]]\nname = "launch"\nwhere = "endpoint:/launch"\nfrom = 2026-12-01T00:00:00Z\n'
        "until = 2026-12-08T00:00:00Z\nfactor = 3\n"
    )
    settings = resolve(str(tmp_path / "x.db"), None, None, "UTC", True, config)
    (found,) = settings.expected()
    assert (found.name, found.factor, found.slices) == ("launch", 3.0, (("endpoint", "/launch"),))
    hub: Any = settings.open_hub()
    assert hub._expected == (found,)
