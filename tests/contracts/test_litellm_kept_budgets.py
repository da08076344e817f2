"""Budgets that LiteLLM keeps: its own proxy tells an admin what its tables hold, and each key what is its own."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace

import psycopg
import pytest

from cost_top.model.budgets import KeptBudget, KeptBudgets
from cost_top.sources.base import KeepsBudgets, LogSource
from cost_top.sources.litellm.log import open_litellm_api
from cost_top.sources.sql.log import open_log
from support.litellm_log import spend_row, write_spend
from support.litellm_proxy import LiteLLMProxy

KEY = "sk-anns-own-Ab3dEf6hIj9k"
DIGEST = hashlib.sha256(KEY.encode()).hexdigest()
PICO = 10**12


def kept(source: LogSource) -> KeptBudgets:
    with source.connect() as reader:
        assert isinstance(reader, KeepsBudgets)
        return reader.kept_budgets()


@pytest.fixture(scope="module")
def url(litellm_url: str) -> str:
    write_spend(litellm_url, spend_row("a"))
    with psycopg.connect(litellm_url, autocommit=True) as connection:
        for sql in (
            'INSERT INTO "LiteLLM_BudgetTable" (budget_id, max_budget, budget_duration, budget_reset_at, created_by,'
            " updated_by, temp_budget_increase, temp_budget_expiry, soft_budget)"
            " VALUES ('gold', 20, '7d', '2026-12-01 00:00:00', 'x', 'x', 7, '2099-01-01 00:00:00', 15)",
            'INSERT INTO "LiteLLM_EndUserTable" (user_id, alias, spend, budget_id, blocked)'
            " VALUES ('acme', 'Acme', 19, 'gold', false), ('free', NULL, 3, NULL, false)",
            'INSERT INTO "LiteLLM_TeamTable" (team_id, team_alias, spend, max_budget, budget_duration,'
            " soft_budget, members_with_roles)"
            """ VALUES ('t1', 'Search', 3, 2, '30d', 1, '[{"user_id": "ann", "role": "user"}]')""",
            'INSERT INTO "LiteLLM_UserTable" (user_id, user_role, user_email, models, teams, spend, max_budget)'
            " VALUES ('ann', 'internal_user', 'ann@example.com', '{}', '{t1}', 4.25, 50)",
            'INSERT INTO "LiteLLM_VerificationToken" (token, key_alias, user_id, team_id, models, spend, max_budget,'
            " budget_duration, budget_reset_at, metadata)"
            f" VALUES ('{DIGEST}', 'anns', 'ann', 't1', '{{}}', 1.5, 10, '1d',"
            " '2026-12-02 00:00:00',"
            """ '{"temp_budget_increase": 2.5, "temp_budget_expiry": "2099-01-01T00:00:00Z"}')""",
            'INSERT INTO "LiteLLM_VerificationToken" (token, key_alias, models, spend, budget_id)'
            f" VALUES ('{'b' * 64}', 'shared', '{{}}', 2, 'gold')",
            'INSERT INTO "LiteLLM_OrganizationTable" (organization_id, organization_alias, budget_id, models, spend,'
            " created_by, updated_by) VALUES ('o1', 'Works', 'gold', '{}', 6, 'x', 'x')",
            "INSERT INTO \"LiteLLM_OrganizationMembership\" (user_id, organization_id, spend) VALUES ('ann', 'o1', 0)",
            'INSERT INTO "LiteLLM_TeamMembership" (user_id, team_id, spend, budget_id)'
            " VALUES ('ann', 't1', 5, 'gold')",
        ):
            connection.execute(sql)
    return litellm_url


@pytest.fixture(scope="module")
def proxy(url: str, litellm_proxy: LiteLLMProxy) -> Iterator[LiteLLMProxy]:
    litellm_proxy.use(url)
    yield litellm_proxy
    litellm_proxy.use(None)


def test_an_admins_key_tells_what_the_tables_hold(url: str, proxy: LiteLLMProxy) -> None:
    expected = kept(open_log(url))
    proxy.license(False)
    unlicensed = kept(open_litellm_api(proxy.url, proxy.key))
    assert unlicensed.missing == ()  # such a proxy has no organizations
    assert len(unlicensed.found) == 8
    proxy.license()
    told = kept(open_litellm_api(proxy.url, proxy.key))
    assert expected.missing == told.missing == ()
    assert len(expected.found) == 9
    titles = {one.title for one in expected.found}
    assert {"organization Works", "team member ann@example.com of Search"} <= titles

    assert [one.title for one in expected.found if one.is_soft] == ["team Search", "token shared"]

    def by_value(one: KeptBudget) -> tuple[str, str, bool]:
        return one.of, one.value, one.is_soft

    # The proxy does not say when an organization's budget begins anew.
    known = [replace(one, resets_at=None) if one.of == "organization" else one for one in expected.found]
    assert sorted(told.found, key=by_value) == sorted(known, key=by_value)


def test_an_ordinary_key_tells_its_own_its_teams_its_users_and_its_organizations(proxy: LiteLLMProxy) -> None:
    proxy.license()
    told = kept(open_litellm_api(proxy.url, KEY))
    assert told.missing == ()
    assert [(one.of, one.value, one.name, one.spent, one.limit) for one in told.found] == [
        ("token", DIGEST, "anns", 15 * PICO // 10, 125 * PICO // 10), ("team", "t1", "Search", 3 * PICO, 2 * PICO),
        ("team", "t1", "Search", 3 * PICO, PICO),
        ("owner", "ann", "ann@example.com", 425 * PICO // 100, 50 * PICO),
        ("team member", "ann", "ann@example.com", 5 * PICO, 27 * PICO),
        ("organization", "o1", "Works", 6 * PICO, 20 * PICO),
    ]  # fmt: skip
    assert str(told.found[0].resets_at) == "2026-12-02 00:00:00+00:00"
    assert KEY not in str(told)
