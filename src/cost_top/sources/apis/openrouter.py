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
from dataclasses import replace
from datetime import UTC, datetime

from cost_top.model.budgets import KeptBudgets
from cost_top.model.credits import Credits
from cost_top.model.errors import SourceDenied, SourceRefused
from cost_top.sources.apis import openrouter_shapes as shapes
from cost_top.sources.apis.admin_wire import Wire
from cost_top.sources.apis.openrouter_analytics import Analytics, read_keys
from cost_top.sources.apis.openrouter_figures import object_of
from cost_top.sources.apis.openrouter_limits import limits_of
from cost_top.sources.apis.openrouter_totals import Activity, KeyTotals, ListedKeys, Way, list_keys, read_key
from cost_top.sources.http.client import ApiClient
from cost_top.sources.report_api import Answer, ApiQuery, Capabilities

BASE_URL = "https://openrouter.ai/api/v1"


class OpenRouterApi:
    """`sources.report_api.ReportApi` for OpenRouter and one key."""

    def __init__(self, base_url: str, key: str) -> None:
        """`UserError` for an address or a key that cannot be used. Asks nothing."""
        self._client = ApiClient(
            base_url, name="openrouter", headers={"Authorization": f"Bearer {key}"}, secrets=(key,)
        )
        self._identity = hashlib.sha256(f"openrouter\0{base_url.rstrip('/')}\0{key}".encode()).hexdigest()
        self.statistics = self._client.statistics
        self._wire = Wire("openrouter")
        self._management = False
        self._way: Way = KeyTotals(self._client, self._wire)

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
        # Either name: provisioning is what management was called before.
        self._management = key.is_management_key is True or key.is_provisioning_key is True
        if not self._management:
            self._way = KeyTotals(self._client, self._wire)
            return
        meta = self._meta()
        if meta is None:
            self._way = Activity(self._client, self._wire)
        else:
            self._way = Analytics(self._client, meta, read_keys(self._client, self._wire), self._wire)

    def refuses(self, question: ApiQuery) -> str | None:
        """Why the question has no answer here; None when it has."""
        return self._way.refuses(question, datetime.now(UTC))

    def ask(self, question: ApiQuery) -> Answer:
        """The answer; where analytics turn out to be closed, that of the completed days."""
        now = datetime.now(UTC)
        try:
            return self._way.ask(question, now)
        except (SourceDenied, SourceRefused):
            # 404 and 400 are both refusals; only a closed analytics API says no to what it offers as well.
            if not isinstance(self._way, Analytics) or self._meta() is not None:
                raise
            self._way = Activity(self._client, self._wire)
            if self._way.refuses(question, now) is not None:
                raise
            return self._way.ask(question, now)

    def credits(self) -> Credits | None:
        """The account's balance with a management key; else what is left of the key's own limit, if it has one."""
        if self._management:
            data = object_of(object_of(self._client.get("/credits").value, "/credits").get("data"), "/credits")
            told = self._wire.read("/credits", shapes.Credits, data)
            bought, used = told.total_credits, told.total_usage
            balance = None if bought is None or used is None else bought - used
        else:
            found = self._key()
            balance = None if found.limit is None else found.limit_remaining
            used = found.usage
        if balance is None and used is None:
            return None
        return Credits(balance, used, datetime.now(UTC))

    def kept_budgets(self) -> KeptBudgets:
        """The limits of all keys with a management key, else that of the key itself."""
        listed = list_keys(self._client, self._wire) if self._management else ListedKeys([self._key()])
        if listed is None:
            return KeptBudgets(missing=("openrouter: limits of keys are not known: this key may not list keys",))
        found = limits_of(listed.keys, datetime.now(UTC))
        return replace(found, missing=(*found.missing, listed.cut)) if listed.cut else found

    def drift(self) -> tuple[str, ...]:
        """What was answered otherwise than documented."""
        return self._wire.drift()

    def cancel(self) -> None:
        """Break off the request under way, from any thread."""
        self._client.cancel()

    def close(self) -> None:
        """Release the connection."""
        self._client.close()

    def _key(self) -> shapes.Key:
        return read_key(self._client, self._wire)

    def _meta(self) -> shapes.Meta | None:
        """What analytics offer; None where they are closed to this key or not there."""
        try:
            data = object_of(object_of(self._client.get("/analytics/meta").value, "meta").get("data"), "meta")
            return self._wire.read("/analytics/meta", shapes.Meta, data)
        except (SourceDenied, SourceRefused):
            return None
