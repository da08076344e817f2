"""Vercel AI Gateway's custom reporting: totals by day or hour, or one dimension over whole days; questions are billed.

Parameters, fields, errors and prices are those of Vercel's "Custom Reporting" page and of the gateway package of its
AI SDK. Any key of a team tells what the whole team spends. `total_cost` is what is charged, 0 for requests with the
team's own provider keys (BYOK); `market_cost` is the list price of all requests.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta

from cost_top.model.budgets import KeptBudgets
from cost_top.model.credits import Credits
from cost_top.model.errors import CannotAnswer, SourceError
from cost_top.model.filter import Filter, Term, pattern
from cost_top.sources.apis.admin_wire import Wire
from cost_top.sources.apis.vercel_budgets import budgets_url, vercel_budgets
from cost_top.sources.apis.vercel_rows import MEASURES, CreditsAnswer, ReportRows
from cost_top.sources.http.client import ApiClient
from cost_top.sources.report_api import Answer, ApiQuery, Capabilities, Grain

BASE_URL = "https://ai-gateway.vercel.sh"
REPORT, CREDITS = "/v1/report", "/v1/credits"
_PRICE = 5 * 10**9  # pico-dollars: $5 per 1,000 questions

# Dimension: the value of `group_by`, which is also the field of the rows.
_GROUPS = {
    "provider": "provider",
    "model": "model",
    "user": "user",
    "tag": "tag",
    "credential_type": "credential_type",
    "token": "api_key_name",
}
# Filter field: the parameter. Each takes one exact value, `tags` several.
_FILTERS = {
    "user": "user_id",
    "model": "model",
    "provider": "provider",
    "credential_type": "credential_type",
    "tag": "tags",
}
_CREDENTIAL_TYPES = ("byok", "system")
_MIDNIGHT = time(0)
_OVERLAP = "tags overlap: a request counts under each of its tags, so their sum is more than the total"
_OWN_KEYS = "requests with the team's own provider keys (BYOK) are charged 0 here; market cost holds their list price"

_CAPABILITIES = Capabilities(
    totals="hour",
    dimensions=dict.fromkeys(_GROUPS, "day"),
    joint=False,
    filters=frozenset(_FILTERS),
    measures=frozenset(MEASURES),
    lag=timedelta(minutes=3),  # "a few minutes", without a number
    interval=0,
    shortest_interval=60,
    settles=timedelta(hours=2),  # not documented
    price=_PRICE,
    limits={
        "endpoint": "Vercel does not report endpoints",
        "team": "one Vercel team: no teams in its report",
        "owner": "Vercel does not report owners",
        "status": "Vercel does not report statuses",
        "requests": "Vercel reports sums, no single requests",
        "saved": "Vercel does not report cache savings",
        "burn": "hours at the finest, some minutes late",
    },
)


class VercelApi:
    """`sources.report_api.ReportApi` for one team of the Vercel AI Gateway."""

    def __init__(self, base_url: str, key: str, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        """`UserError` for an address or a key that cannot be used. Asks nothing.

        `base_url` may be that of a model client (`…/v1`, `…/v4/ai`): reports are always below `/v1`.
        """
        base = re.sub(r"/v\d+(?:/ai)?/*$", "", base_url.rstrip("/"))
        self._client = ApiClient(base, name="vercel", headers={"Authorization": f"Bearer {key}"}, secrets=(key,))
        self._identity = hashlib.sha256(f"vercel\0{base}\0{_account(key)}".encode()).hexdigest()
        self._budgets_url = budgets_url(base, BASE_URL)
        self._wire = Wire("vercel")
        self._clock = clock
        self.statistics = self._client.statistics

    @property
    def label(self) -> str:
        """`vercel`."""
        return "vercel"

    @property
    def identity(self) -> str:
        """Stable hash of the address and the key; of an OIDC token, which is another every few hours, of its team."""
        return self._identity

    @property
    def capabilities(self) -> Capabilities:
        """The same for every key; whether the team's plan has reports shows with the first question."""
        return _CAPABILITIES

    def open(self) -> None:
        """Find out whether the key is right, by asking for the balance, which is free."""
        self.credits()

    def refuses(self, question: ApiQuery) -> str | None:
        """Why the report cannot answer; None when it can."""
        dimension, grain = question.dimension, question.grain
        if grain == "minute":
            return "Vercel reports hours at the finest"
        if dimension is not None:
            if dimension not in _GROUPS:
                return _CAPABILITIES.limits.get(dimension, f"Vercel does not report by {dimension}")
            if grain is not None:
                return f"Vercel reports by {dimension} or by {grain}, not by both at once"
            if self._part(question) == "hour":
                return f"Vercel reports {dimension} for whole days (UTC) only"
        if not (_is_hour(question.start) and (_is_hour(question.end) or question.end > self._clock())):
            return "Vercel reports whole hours (UTC) only"
        return _refused_filter(question.where)

    def ask(self, question: ApiQuery) -> Answer:
        """One billed question, or none where the period has not begun."""
        reason = self.refuses(question)
        if reason is not None:
            raise CannotAnswer(reason)
        now = self._clock()
        first, last = question.start.date(), min(_last_day(question.end), now.date())
        if question.start >= min(question.end, now) or first > last:
            return Answer((), now)
        group = _GROUPS[question.dimension] if question.dimension else "day"
        parameters = {"start_date": f"{first}", "end_date": f"{last}", "group_by": group}
        part = self._part(question)
        if question.dimension is None:
            parameters["date_part"] = part
        parameters |= _filter_parameters(question.where)
        rows = ReportRows(self._wire, self._client.get(REPORT, parameters).value)
        self.statistics.rows_read += len(rows.rows)
        if question.dimension is None:
            buckets = rows.by_time(part, question)
        else:
            buckets = rows.by_value(question.dimension, group)
        notes = (_OVERLAP,) * (question.dimension == "tag") + (_OWN_KEYS,) * rows.own_keys
        return Answer(buckets, now, notes)

    def credits(self) -> Credits | None:
        """The team's balance and what it ever used; None where the gateway tells neither (403, 404)."""
        try:
            value = self._client.get(CREDITS).value
        except SourceError:
            if self._client.status in (403, 404):
                return None
            raise
        if not isinstance(value, dict):
            self._wire.differs(CREDITS, "no object")
            return None
        told = self._wire.read(CREDITS, CreditsAnswer, value)
        balance, used = self._amount(told.balance, "balance"), self._amount(told.total_used, "total_used")
        return None if balance is None and used is None else Credits(balance, used, self._clock())

    def kept_budgets(self) -> KeptBudgets:
        """Those that Vercel keeps, where a token for them is set."""
        return vercel_budgets(self._budgets_url, self._wire, self._clock())

    def drift(self) -> tuple[str, ...]:
        """What was answered otherwise than documented."""
        return self._wire.drift()

    def cancel(self) -> None:
        """Break off the request under way, from any thread."""
        self._client.cancel()

    def close(self) -> None:
        """Release the connection."""
        self._client.close()

    def _part(self, question: ApiQuery) -> Grain:
        """What to ask for: days where the period is of whole days, as far as it is not in the future."""
        end = question.end
        whole = question.start.time() == _MIDNIGHT and (end.time() == _MIDNIGHT or end > self._clock())
        return "day" if whole and question.grain != "hour" else "hour"

    def _amount(self, value: object, name: str) -> int | None:
        if value is None:
            self._wire.differs(CREDITS, f"no {name}")
            return None
        return self._wire.money(f"{CREDITS} {name}", value, "usd")


def _is_hour(instant: datetime) -> bool:
    return not (instant.minute or instant.second or instant.microsecond)


def _last_day(end: datetime) -> date:
    """The last day of a period: the report's `end_date` is inclusive, `end` is not."""
    return (end - timedelta(microseconds=1)).date()


def _refused_filter(where: Filter) -> str | None:
    for term in where.terms:
        reason = _refused_term(term)
        if reason is not None:
            return f"{term}: {reason}"
    for name in _FILTERS:
        terms = [term for term in where.terms if term.field == name]
        spelled = " ".join(map(str, terms))
        values = {frozenset(term.values) for term in terms}
        if name == "tag":
            if len(values) > 1 and any(len(some) > 1 for some in values):
                return f"{spelled}: Vercel filters by any of several tags or by all of them, not by a mix"
        elif len(frozenset().union(*values)) > 1:
            return f"{spelled}: Vercel filters by one {name} at a time"
    return None


def _refused_term(term: Term) -> str | None:
    if term.field is None:
        return "Vercel does not search names; write FIELD:VALUE"
    if term.field not in _FILTERS:
        return f"Vercel does not filter by {term.field}; it does by {', '.join(_FILTERS)}"
    values = [pattern(value) for value in term.values]
    reasons = {
        "Vercel cannot leave out values": term.negated,
        "Vercel filters by exact values, without *": any(is_pattern for _, is_pattern in values),
        "Vercel cannot filter by a tag with a comma": term.field == "tag" and any("," in value for value, _ in values),
        f"Vercel knows only {' and '.join(_CREDENTIAL_TYPES)}": term.field == "credential_type"
        and any(value not in _CREDENTIAL_TYPES for value, _ in values),
    }
    return next((reason for reason, holds in reasons.items() if holds), None)


def _filter_parameters(where: Filter) -> dict[str, str]:
    parameters: dict[str, str] = {}
    tags: list[tuple[str, ...]] = []
    for term in where.terms:
        values = tuple(pattern(value)[0] for value in term.values)
        if term.field == "tag":
            tags.append(values)
        elif term.field is not None:
            parameters[_FILTERS[term.field]] = values[0]
    if tags:
        wanted = dict.fromkeys(tag for values in tags for tag in values)
        parameters["tags"] = ",".join(wanted)
        if len(wanted) > 1:
            parameters["tags_match"] = "any" if any(len(set(values)) > 1 for values in tags) else "all"
    return parameters


def _account(key: str) -> str:
    """What stays the same of a key: a token's issuer and owner where it is an OIDC token (unverified: a name only)."""
    parts = key.split(".")
    if len(parts) == 3:
        try:
            claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
            return f"{claims['iss']} {claims['owner_id']}"
        except (ValueError, KeyError, TypeError):
            pass
    return key
