"""OpenRouter: its analytics with a management key, completed days where those are closed, else one key's totals.

What was asked for depends on the key (`GET /key` tells which kind it is):

- management key: `POST /analytics/query` (beta), live, by minute, hour or day and every dimension it has;
- management key without analytics (403, 404): `GET /activity`, the last 30 completed days by model and provider, and
  the keys' `usage_daily` as the total of today;
- ordinary key: what this key has used today, this week and this month (UTC), and nothing else.

`openrouter_figures` says which figure is which.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from cost_top.model.credits import Credits
from cost_top.sources.apis.openrouter_analytics import Analytics, read_keys
from cost_top.sources.apis.openrouter_figures import amount, object_of
from cost_top.sources.apis.openrouter_totals import Activity, KeyTotals, Way
from cost_top.sources.base import SourceDenied, SourceRefused
from cost_top.sources.http import ApiClient
from cost_top.sources.report_api import Answer, Capabilities, Question

BASE_URL = "https://openrouter.ai/api/v1"
_KEY_FIELDS = ("usage", "usage_daily", "usage_weekly", "usage_monthly", "limit", "limit_remaining")


class OpenRouterApi:
    """`sources.report_api.ReportApi` for OpenRouter and one key."""

    def __init__(self, base_url: str, key: str) -> None:
        """`UserError` for an address or a key that cannot be used. Asks nothing."""
        self._client = ApiClient(
            base_url, name="openrouter", headers={"Authorization": f"Bearer {key}"}, secrets=(key,)
        )
        self._identity = hashlib.sha256(f"openrouter\0{base_url.rstrip('/')}\0{key}".encode()).hexdigest()
        self.statistics = self._client.statistics
        self._drift: dict[str, None] = {}
        self._management = False
        self._way: Way = KeyTotals(self._client)

    @property
    def label(self) -> str:
        """`openrouter`."""
        return "openrouter"

    @property
    def identity(self) -> str:
        """Stable hash of the address and the key."""
        return self._identity

    @property
    def capabilities(self) -> Capabilities:
        """What this key may ask, known after `open`."""
        return self._way.capabilities

    def open(self) -> None:
        """Find out what kind of key this is and whether analytics answer it."""
        key = self._key()
        self._drift.update((f"GET /key has no {name}", None) for name in _KEY_FIELDS if name not in key)
        # Either name: provisioning is what management was called before.
        self._management = key.get("is_management_key") is True or key.get("is_provisioning_key") is True
        if not self._management:
            self._way = KeyTotals(self._client)
            return
        meta = self._meta()
        if meta is None:
            self._way = Activity(self._client, self._drift)
        else:
            self._way = Analytics(self._client, meta, read_keys(self._client), self._drift)

    def refuses(self, question: Question) -> str | None:
        """Why the question has no answer here; None when it has."""
        return self._way.refuses(question, datetime.now(UTC))

    def ask(self, question: Question) -> Answer:
        """The answer; where analytics turn out to be closed, that of the completed days."""
        now = datetime.now(UTC)
        try:
            return self._way.ask(question, now)
        except (SourceDenied, SourceRefused):
            # 404 and 400 are both refusals; only a closed analytics API says no to what it offers as well.
            if not isinstance(self._way, Analytics) or self._meta() is not None:
                raise
            self._way = Activity(self._client, self._drift)
            if self._way.refuses(question, now) is not None:
                raise
            return self._way.ask(question, now)

    def credits(self) -> Credits | None:
        """The account's balance with a management key; else what is left of the key's own limit, if it has one."""
        if self._management:
            found = object_of(object_of(self._client.get("/credits").value, "/credits").get("data"), "/credits")
            bought, used = amount(found.get("total_credits")), amount(found.get("total_usage"))
            balance = None if bought is None or used is None else bought - used
        else:
            found = self._key()
            balance = None if found.get("limit") is None else amount(found.get("limit_remaining"))
            used = amount(found.get("usage"))
        if balance is None and used is None:
            return None
        return Credits(balance, used, datetime.now(UTC))

    def drift(self) -> tuple[str, ...]:
        """What was answered otherwise than documented."""
        return tuple(self._drift)

    def cancel(self) -> None:
        """Break off the request under way, from any thread."""
        self._client.cancel()

    def close(self) -> None:
        """Release the connection."""
        self._client.close()

    def _key(self) -> Mapping[str, Any]:
        return object_of(object_of(self._client.get("/key").value, "/key").get("data"), "/key")

    def _meta(self) -> Mapping[str, Any] | None:
        """What analytics offer; None where they are closed to this key or not there."""
        try:
            return object_of(object_of(self._client.get("/analytics/meta").value, "meta").get("data"), "meta")
        except (SourceDenied, SourceRefused):
            return None
