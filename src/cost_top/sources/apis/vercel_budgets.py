"""Budgets that Vercel keeps for the team, projects, users and keys of its AI Gateway.

They are told by Vercel's own API (not the gateway's) to an access token that may do far more than a gateway key, so
only a token that is given for this purpose is used: `COST_TOP_VERCEL_TOKEN`, with `COST_TOP_VERCEL_TEAM` where the
token's own account is not the one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from cost_top.model.budgets import KeptBudget, KeptBudgets
from cost_top.model.errors import SourceError, one_line
from cost_top.sources.apis.admin_wire import Wire
from cost_top.sources.apis.openrouter_limits import next_reset
from cost_top.sources.apis.openrouter_shapes import NeededUsd, Usd
from cost_top.sources.apis.shapes import Shape, Text, Unread
from cost_top.sources.http.address import check_address
from cost_top.sources.http.client import ApiClient

API = "https://api.vercel.com"
TOKEN, TEAM = "COST_TOP_VERCEL_TOKEN", "COST_TOP_VERCEL_TEAM"
_PATH = "/ai-gateway/budgets/list"
_SCOPES = {"team": "team", "project": "project", "user": "user", "api-key": "token"}


class VercelBudget(Shape):
    """One of `/ai-gateway/budgets/list`."""

    scopeId: Text = None  # noqa: N815 - as it is spelled
    quotaEntityId: Text = None  # noqa: N815
    name: Text = None
    limitAmount: NeededUsd = None  # noqa: N815
    currentSpend: NeededUsd = None  # noqa: N815
    currentByokSpend: Usd = None  # noqa: N815
    includeByokInQuota: Unread = None  # noqa: N815
    refreshPeriod: Text = None  # noqa: N815
    active: Unread = None
    archived: Unread = None
    scopeType: Unread = None  # noqa: N815
    source: Unread = None
    createdAt: Unread = None  # noqa: N815
    updatedAt: Unread = None  # noqa: N815


def budgets_url(gateway: str, own: str) -> str | None:
    """Where budgets are asked for: Vercel's API for its `own` gateway, a server on this machine itself, no other."""
    if gateway == own:
        return API
    return gateway if check_address(gateway, "vercel").loopback else None


def vercel_budgets(base_url: str | None, wire: Wire, now: datetime) -> KeptBudgets:
    """The budgets in force, none without a token for them; a kind that is refused is told and the rest shown."""
    token = os.environ.get(TOKEN, "").strip()
    if not token:
        return KeptBudgets()
    if base_url is None:
        return KeptBudgets(missing=(f"vercel: {TOKEN} goes to api.vercel.com alone: budgets are not known",))
    client = ApiClient(base_url, name="vercel", headers={"Authorization": f"Bearer {token}"}, secrets=(token,))
    found: list[KeptBudget] = []
    missing = []
    try:
        for scope, word in _SCOPES.items():
            try:
                found += _scope(client, wire, scope, word, now)
            except SourceError as error:
                missing.append(f"budgets of {word}s are not known: {one_line(error)}")
    finally:
        client.close()
    return KeptBudgets(tuple(found), tuple(missing))


def _scope(client: ApiClient, wire: Wire, scope: str, word: str, now: datetime) -> Iterator[KeptBudget]:
    team = os.environ.get(TEAM, "").strip()
    value = client.get(_PATH, {"scopeType": scope, **({"teamId": team} if team else {})}).value
    rows = value.get("budgets") if isinstance(value, dict) else None
    if not isinstance(rows, list):
        raise SourceError(f"vercel: {_PATH} has no list of budgets")
    for row in rows:
        told = wire.read(_PATH, VercelBudget, _object(row))
        if told.limitAmount is None or told.archived is True or told.active is False:
            continue
        spent = told.currentSpend
        if spent is not None and told.includeByokInQuota is True:
            spent += told.currentByokSpend or 0
        period = None if told.refreshPeriod == "none" else told.refreshPeriod
        identity = told.scopeId or told.quotaEntityId or "all"
        yield KeptBudget(word, identity, told.name, told.limitAmount, spent, period, next_reset(period, now))


def _object(row: Any) -> Mapping[str, Any]:
    return row if isinstance(row, dict) else {}
