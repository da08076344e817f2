"""Incidents and budgets read from JSON, as here and as a server tells them."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from cost_top.model.budget_json import kept_fields, standing_fields
from cost_top.model.budgets import Budget, KeptBudget, Standing, parse_period
from cost_top.model.errors import SourceError
from cost_top.model.watched import budget_rows, incident_rows

NOW = datetime(2026, 11, 21, 14, 0, tzinfo=UTC)
INCIDENT = {
    "id": "x", "kind": "spike", "dimension": "token", "value": "k", "name": "web", "started": "2026-11-20T10:00:00Z",
    "opened": "2026-11-20T11:00:00Z", "closed": None, "excess_usd": "1.25", "peak_usd_per_hour": "0.5", "sentence": "s",
}  # fmt: skip


def test_open_incidents_come_first_the_dearest_before_the_others_then_the_newest():
    closed = {**INCIDENT, "closed": "2026-11-20T12:00:00Z"}
    later = {**closed, "id": "later", "opened": "2026-11-20T13:00:00Z"}
    dearer = {**INCIDENT, "id": "dearer", "opened": "2026-11-20T10:30:00Z", "excess_usd": "2"}
    rows = incident_rows([closed, later, {**INCIDENT, "id": "open"}, dearer])
    assert [row.id for row in rows] == ["dearer", "open", "later", "x"]
    rows = rows[1:]
    assert (rows[0].excess, rows[0].started) == (125 * 10**10, datetime(2026, 11, 20, 10, tzinfo=UTC))


def test_of_one_leak_under_several_names_the_key_comes_first():
    user = {**INCIDENT, "id": "user", "dimension": "user", "excess_usd": "100"}
    key, other = {**INCIDENT, "id": "key", "excess_usd": "99"}, {**INCIDENT, "id": "other", "excess_usd": "50"}
    assert [row.id for row in incident_rows([other, user, key])] == ["key", "user", "other"]
    assert [row.id for row in incident_rows([other, user])] == ["user", "other"]


@pytest.mark.parametrize(
    "told",
    [{}, 7, None, {**INCIDENT, "excess_usd": "much"}, {**INCIDENT, "started": "soon"}, {**INCIDENT, "sentence": None},
     {**INCIDENT, "started": "2026-11-20T10:00:00"}],
)  # fmt: skip
def test_what_is_no_incident_is_refused_in_one_line(told):
    with pytest.raises(SourceError, match="not understood"):
        incident_rows([told])


def test_budgets_keep_every_figure_and_those_nearest_their_end_come_first():
    budget = Budget("keys", 200, parse_period("month"), each="token", mode="hard")
    near = Standing(budget, NOW, NOW, NOW, 190, 2, value="k", value_name="web", used_up_at=NOW)
    unknown = Standing(Budget("lists", 5, parse_period("day")), NOW, NOW, NOW, None, error="no list prices")
    kept = KeptBudget("team", "t1", "red", 100, 50, "30d")
    older = {name: value for name, value in kept_fields(kept).items() if name != "mode"}
    assert [row.is_hard for row in budget_rows([older, kept_fields(replace(kept, is_soft=True))])] == [True, False]
    rows = budget_rows([kept_fields(kept), *map(standing_fields, (unknown, near))], ["teams: no answer"])
    assert [row.title for row in rows] == ["keys · web", "team red", "lists", "the gateway's own"]
    assert (rows[3].is_kept, rows[3].spent, rows[3].error) == (True, None, "teams: no answer")
    assert (rows[0].spent, rows[0].left, rows[0].unpriced, rows[0].used_up_at) == (190, 10, 2, NOW)
    assert (rows[0].is_hard, rows[1].is_kept, rows[1].period, rows[2].spent, rows[2].error) == (
        True, True, "30d", None, "no list prices",
    )  # fmt: skip
