"""OpenRouter without its analytics: completed days by model and provider, or the totals of one key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import reduce
from typing import Protocol

from cost_top.model.errors import SourceDenied, SourceError, SourceRefused
from cost_top.model.filter import Term, pattern
from cost_top.model.query import Measures, add_measures, known_measures
from cost_top.sources.apis.admin_wire import Wire
from cost_top.sources.apis.openrouter_figures import (
    ACTIVITY_COUNTS,
    activity_measures,
    instant,
    key_measures,
    merged,
    object_of,
    rows_of,
)
from cost_top.sources.apis.openrouter_shapes import ActivityRow, Key
from cost_top.sources.http.client import ApiClient
from cost_top.sources.report_api import Answer, ApiQuery, Bucket, Capabilities

DAY = timedelta(days=1)
LAG = timedelta(minutes=1)  # of counters and analytics; OpenRouter does not state it
SETTLES = timedelta(hours=24)
_MANAGEMENT_KEY = "a management key (OPENROUTER_MANAGEMENT_KEY)"
_NEEDS_KEY = f"needs {_MANAGEMENT_KEY}"
_NEEDS_ANALYTICS = "needs OpenRouter's analytics, which this key may not ask"
NEVER: Mapping[str, str] = {
    "tag": "OpenRouter knows no tags",
    "credential_type": "OpenRouter does not group by credential; own keys are in the market cost only",
    "status": "OpenRouter's reports tell no status",
    "saved": "OpenRouter does not tell what a cache saved",
    "requests": "OpenRouter's reports hold no single requests",
}
_COMPLETED_DAYS = 30
_ACTIVITY_FIELDS: Mapping[str, str] = {"model": "model", "provider": "provider_name"}
_MOST_PAGES = 50
_TURNED = "openrouter: the day has just turned; ask again"


class Way(Protocol):
    """One way to ask OpenRouter; `now` is aware, in UTC."""

    @property
    def capabilities(self) -> Capabilities:
        """What can be asked this way."""

    def refuses(self, question: ApiQuery, now: datetime) -> str | None:
        """Why a question cannot be answered; None when it can."""

    def ask(self, question: ApiQuery, now: datetime) -> Answer:
        """The answer to a question that is not refused."""


class KeyTotals:
    """What one key has used today, this week and this month, in UTC."""

    capabilities = Capabilities(
        totals="day", dimensions={}, joint=False, filters=frozenset(),
        measures=frozenset(("total_cost", "market_cost")), lag=LAG, interval=30, shortest_interval=15,
        settles=SETTLES, reach=timedelta(days=31), running=True,
        limits={
            **NEVER,
            **dict.fromkeys(("provider", "model", "endpoint", "token", "user", "owner", "team", "chart", "burn"),
                            _NEEDS_KEY),
        },
    )  # fmt: skip

    def __init__(self, client: ApiClient, wire: Wire) -> None:
        self._client, self._wire = client, wire

    def refuses(self, question: ApiQuery, now: datetime) -> str | None:
        """Everything but the totals of today, this week and this month."""
        if question.dimension is not None or question.where:
            return f"an ordinary OpenRouter key tells its own totals only; more {_NEEDS_KEY}"
        suffix = _period(question, now)
        if suffix is None or (question.grain is not None and (question.grain, suffix) != ("day", "_daily")):
            return (
                "an ordinary OpenRouter key tells today, this week and this month (UTC) so far; "
                f"other periods need {_MANAGEMENT_KEY}"
            )
        return None

    def ask(self, question: ApiQuery, now: datetime) -> Answer:
        """The total from `GET /key`."""
        suffix = _period(question, now)
        if suffix is None:
            raise SourceError(_TURNED)
        key = read_key(self._client, self._wire)
        _same_day(now)
        start = question.start if question.grain else None
        notes = (f"totals of this key alone; those of the account need {_MANAGEMENT_KEY}",)
        return Answer((Bucket(start, (), key_measures(key, suffix)),), now, notes)


class Activity:
    """The last 30 completed UTC days by model and provider, and the keys' counters as the total of today."""

    capabilities = Capabilities(
        totals="day", dimensions={"model": "day", "provider": "day"}, joint=True,
        filters=frozenset(_ACTIVITY_FIELDS), measures=frozenset(("total_cost", "market_cost", *ACTIVITY_COUNTS)),
        lag=LAG, interval=300, shortest_interval=60, settles=SETTLES, reach=timedelta(days=_COMPLETED_DAYS),
        limits={
            **NEVER,
            **dict.fromkeys(("endpoint", "token", "user", "owner", "team"), _NEEDS_ANALYTICS),
            "burn": "OpenRouter tells whole days here; less " + _NEEDS_ANALYTICS,
        },
    )  # fmt: skip

    def __init__(self, client: ApiClient, wire: Wire) -> None:
        """`wire` takes what is otherwise than documented."""
        self._client, self._wire = client, wire

    def refuses(self, question: ApiQuery, now: datetime) -> str | None:
        """Other dimensions, parts of days, and what is older than 30 days."""
        today = midnight(now)
        if question.dimension is not None and question.dimension not in _ACTIVITY_FIELDS:
            return f"OpenRouter's activity groups by model and provider; {question.dimension} {_NEEDS_ANALYTICS}"
        for term in question.where.terms:
            reason = refused_term(term, frozenset(_ACTIVITY_FIELDS))
            if reason:
                return reason
        runs_on = question.end > now - LAG
        whole = question.start == midnight(question.start) and (runs_on or question.end == midnight(question.end))
        if question.grain not in (None, "day") or not whole:
            return f"OpenRouter's activity tells whole UTC days; less {_NEEDS_ANALYTICS}"
        if question.start < today - _COMPLETED_DAYS * DAY:
            return f"OpenRouter's activity goes back {_COMPLETED_DAYS} days; more {_NEEDS_ANALYTICS}"
        if question.start >= today and (question.dimension is not None or question.where):
            return "OpenRouter's activity tells completed days only; today is known as a total"
        return None

    def ask(self, question: ApiQuery, now: datetime) -> Answer:
        """Rows of `GET /activity`, added up; today from the keys."""
        today, field = midnight(now), _ACTIVITY_FIELDS.get(question.dimension or "")
        buckets, notes = [], ["OpenRouter's analytics are closed to this key: completed UTC days from its activity"]
        if question.start < today:
            found = object_of(self._client.get("/activity").value, "/activity").get("data")
            for given in rows_of(found, "/activity"):
                row = self._wire.read("/activity", ActivityRow, given)
                day = self._day(row.date)
                if day is None or not question.start <= day < min(question.end, today) or not _matches(row, question):
                    continue
                key = (getattr(row, field),) if field else ()
                buckets.append(Bucket(day if question.grain else None, key, activity_measures(row)))
        if question.end > today:
            if field or question.where:
                notes.append("today is missing: it is known as a total only")
            else:
                used, note = self._today()
                _same_day(now)
                buckets.append(Bucket(today if question.grain else None, (), used))
                notes.append(note)
        return Answer(merged(buckets), now, tuple(notes))

    def _day(self, value: object) -> datetime | None:
        """A date may carry a time."""
        day = instant(value[:10]) if isinstance(value, str) else None
        if day is None:
            self._wire.differs("/activity", "rows without a date")
        return day

    def _today(self) -> tuple[Measures, str]:
        """A management key calls no models itself: what counts is what all keys have used today."""
        listed = list_keys(self._client, self._wire)
        if listed is not None:
            used = (key_measures(key, "_daily") for key in listed.keys)
            nothing = known_measures(0, market_cost=0)
            cut = f"; {listed.cut}: today is incomplete" if listed.cut else ""
            return reduce(add_measures, used, nothing), f"today is the sum of the keys' counters{cut}"
        key = read_key(self._client, self._wire)
        return key_measures(key, "_daily"), "today is the counter of this key alone"


def read_key(client: ApiClient, wire: Wire) -> Key:
    """The key that asks."""
    return wire.read("/key", Key, object_of(object_of(client.get("/key").value, "/key").get("data"), "/key"))


@dataclass(frozen=True, slots=True)
class ListedKeys:
    """The keys of an account, as many as were read; `cut` says that there are more, '' that there are none."""

    keys: list[Key]
    cut: str = ""


def list_keys(client: ApiClient, wire: Wire) -> ListedKeys | None:
    """The keys of the account, those switched off included; None where this key may not list them."""
    found: list[Key] = []
    for _ in range(_MOST_PAGES):
        try:
            answer = client.get("/keys", {"offset": str(len(found)), "include_disabled": "true"})
        except (SourceDenied, SourceRefused):
            return None
        page = rows_of(object_of(answer.value, "/keys").get("data"), "/keys")
        known = {key.hash for key in found}
        fresh = [key for key in (wire.read("/keys", Key, row) for row in page) if key.hash not in known]
        if not fresh:  # the end, or a server that does not know pages
            return ListedKeys(found)
        found += fresh
    return ListedKeys(found, f"OpenRouter may list more keys than the {len(found):,} that were read")


def refused_term(term: Term, fields: frozenset[str]) -> str | None:
    """Why OpenRouter cannot apply a condition: it takes names to include, spelled out."""
    if term.field is None or term.field not in fields:
        known = ", ".join(sorted(fields))
        return f"OpenRouter cannot filter by {term.field or 'a word anywhere'}; it can by {known}"
    if term.negated or any(pattern(value)[1] for value in term.values):
        return f"OpenRouter filters by whole names to include; it cannot apply {term}"
    return None


def plain_values(term: Term) -> list[str]:
    """A condition's names without their escapes."""
    return [pattern(value)[0] for value in term.values]


def _matches(row: ActivityRow, question: ApiQuery) -> bool:
    return all(getattr(row, _ACTIVITY_FIELDS[term.field or ""]) in plain_values(term) for term in question.where.terms)


def _period(question: ApiQuery, now: datetime) -> str | None:
    """Which counter of a key covers `[start, end)`: one that began at its start and still runs."""
    today = midnight(now)
    if question.end <= now - LAG:
        return None
    starts = {"_daily": today, "_weekly": today - today.weekday() * DAY, "_monthly": today.replace(day=1)}
    return next((suffix for suffix, start in starts.items() if question.start == start), None)


def midnight(moment: datetime) -> datetime:
    """The first instant of the UTC day."""
    return moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def _same_day(asked: datetime) -> None:
    """A counter read across midnight is that of another day."""
    if midnight(datetime.now(UTC)) != midnight(asked):
        raise SourceError(_TURNED)
