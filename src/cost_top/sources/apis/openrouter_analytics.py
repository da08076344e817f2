"""OpenRouter's analytics (`POST /analytics/query`, beta): what can be asked, the question, and its rows.

Dimensions: `user` is the caller's own id for its user (`external_user`), `owner` the member who made the key (`user`),
`endpoint` the calling app, `team` the workspace. A token is known by the key's name where several keys share one.
Answers name keys, members, apps and workspaces while filters want ids: keys are looked up, the others are refused.
Bounds are sent as `[start, end)`; whether the API counts the instant `end` itself is not documented.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

from cost_top.model.errors import SourceError
from cost_top.model.filter import Term
from cost_top.model.text import clean
from cost_top.sources.apis.admin_wire import Wire
from cost_top.sources.apis.openrouter_figures import (
    COUNT_METRICS,
    MONEY_METRICS,
    analytics_measures,
    cached_at,
    instant,
    merged,
    name,
    object_of,
    rows_of,
)
from cost_top.sources.apis.openrouter_shapes import Meta, Query, QueryMetadata, QueryRow
from cost_top.sources.apis.openrouter_totals import (
    LAG,
    NEVER,
    SETTLES,
    ListedKeys,
    list_keys,
    midnight,
    plain_values,
    refused_term,
)
from cost_top.sources.http.client import ApiClient
from cost_top.sources.report_api import GRAINS, Answer, ApiQuery, Bucket, Capabilities

DIMENSIONS: Mapping[str, str] = {
    "model": "model", "provider": "provider", "token": "api_key_id", "user": "external_user", "owner": "user",
    "endpoint": "app", "team": "workspace",
}  # fmt: skip
_FILTERS: Mapping[str, str] = {
    "model": "model", "provider": "provider", "user": "external_user", "token": "api_key_id",
    "token_name": "api_key_id",
}  # fmt: skip
_BY_ID = {"owner": "members", "endpoint": "apps", "team": "workspaces"}
# Fields that are kept for single requests only, and for how long; everything else is kept as sums of days.
_SHORT_LIVED = frozenset(("provider", "user"))
_SHORT, _LONG = timedelta(days=31), timedelta(days=365)
_MINUTES = timedelta(hours=3)  # the longest period in minutes
_QUERY = "/analytics/query"
_MOST_ROWS = 10_000
_MOST_FILTERS = 20
_HALVINGS = 3


class Keys:
    """The account's keys by what answers call them, for filters, which want a hash."""

    def __init__(self, keys: ListedKeys | None) -> None:
        """None where the keys cannot be listed."""
        self.listed = keys is not None
        self.cut = keys.cut if keys is not None else ""
        self._hashes: dict[str, tuple[str, ...]] = {}
        for key in keys.keys if keys is not None else ():
            found = key.hash
            if found:
                for label in dict.fromkeys((key.name, key.label)):
                    if label is not None and found not in self._hashes.get(label, ()):
                        self._hashes[label] = (*self._hashes.get(label, ()), found)
                self._hashes.setdefault(found, (found,))

    def key(self, label: str | None) -> tuple[str | None, str | None]:
        """(id, name) of a key as an answer names it; a name that several keys share, or none is known by, is its id."""
        hashes = self._hashes.get(label or "", ())
        return (hashes[0] if len(hashes) == 1 else label), label

    def shared(self, label: str | None) -> bool:
        """Whether several keys go by a name."""
        return len(self._hashes.get(label or "", ())) > 1

    def hashes(self, values: Iterable[str]) -> list[str] | None:
        """The hashes behind names or hashes; None where one is not known."""
        found: list[str] = []
        for value in values:
            if value not in self._hashes:
                return None
            found += self._hashes[value]
        return list(dict.fromkeys(found))


def read_keys(client: ApiClient, wire: Wire) -> Keys:
    """The keys as the account lists them now."""
    return Keys(list_keys(client, wire))


class Analytics:
    """`POST /analytics/query` within what `GET /analytics/meta` offers."""

    def __init__(self, client: ApiClient, meta: Meta, keys: Keys, wire: Wire) -> None:
        """`wire` takes what is otherwise than documented."""
        self._client = client
        self._keys = keys
        self._wire = wire
        metrics, dimensions = _names(meta.metrics), _names(meta.dimensions)
        wanted = (*MONEY_METRICS, *COUNT_METRICS.values())
        # A meta answer without a list says nothing; then the documented names are used.
        self._metrics = [metric for metric in wanted if not metrics or metric in metrics]
        self._dimensions = {
            ours: theirs for ours, theirs in DIMENSIONS.items() if not dimensions or theirs in dimensions
        }
        missing = {*wanted, *DIMENSIONS.values()} - {*self._metrics, *self._dimensions.values()}
        for theirs in sorted(missing):
            wire.differs("/analytics/meta", f"does not offer {theirs}")
        fields = {ours for ours, theirs in _FILTERS.items() if not dimensions or theirs in dimensions}
        self._fields = frozenset(fields if keys.listed else fields - {"token", "token_name"})
        self.capabilities = self._capabilities()

    def _capabilities(self) -> Capabilities:
        told = {"total_cost", *(ours for ours, theirs in COUNT_METRICS.items() if theirs in self._metrics)}
        if "total_usage" in self._metrics or {"credits_usage", "byok_usage"} <= set(self._metrics):
            told.add("market_cost")
        return Capabilities(
            totals="minute", dimensions=dict.fromkeys(self._dimensions, "minute"), joint=True, filters=self._fields,
            measures=frozenset(told), lag=LAG, interval=30, shortest_interval=15, settles=SETTLES, reach=_LONG,
            limits={
                **NEVER,
                **{ours: f"OpenRouter's analytics do not offer {theirs}" for ours, theirs in DIMENSIONS.items()
                   if ours not in self._dimensions},
            },
        )  # fmt: skip

    def refuses(self, question: ApiQuery, now: datetime) -> str | None:
        """What is not offered, wants ids that are not known, or lies further back than is kept."""
        if question.dimension is not None and question.dimension not in self._dimensions:
            return NEVER.get(question.dimension, f"OpenRouter's analytics do not group by {question.dimension}")
        if len(question.where.terms) > _MOST_FILTERS:
            return f"OpenRouter takes {_MOST_FILTERS} conditions at most"
        for term in question.where.terms:
            reason = self._refuses_term(term)
            if reason:
                return reason
        if question.grain == "minute" and question.end - question.start > _MINUTES:
            return "OpenRouter tells minutes of at most 3 hours"
        return self._refuses_age(question, now)

    def _refuses_term(self, term: Term) -> str | None:
        if term.field in _BY_ID:
            return f"OpenRouter filters {_BY_ID[term.field]} by ids that it does not tell"
        reason = refused_term(term, self._fields)
        if reason:
            return reason
        values = plain_values(term)
        if term.field in ("token", "token_name") and self._keys.hashes(values) is None:
            return f"OpenRouter filters keys by hash, and no key is known as {term}"
        if term.field == "model" and not all("/" in value for value in values):
            return f"OpenRouter filters models by their full name, such as openai/gpt-4o; not {term}"
        return None

    def _refuses_age(self, question: ApiQuery, now: datetime) -> str | None:
        if question.start >= now - _SHORT:
            return None
        used = {question.dimension, *(term.field for term in question.where.terms)} & _SHORT_LIVED
        if used:
            return f"OpenRouter keeps {' and '.join(sorted(map(str, used)))} for 31 days"
        ends_well = question.end > now - LAG or question.end == midnight(question.end)
        if question.grain not in (None, "day") or question.start != midnight(question.start) or not ends_well:
            return "OpenRouter keeps whole UTC days only of what is older than 31 days"
        if question.start < now - _LONG:
            return "OpenRouter's analytics go back 365 days"
        return None

    def ask(self, question: ApiQuery, now: datetime) -> Answer:
        """The answer; a period whose answer is cut off is asked again in halves."""
        found = _Found(now)
        self._ask_part(question, question.start, question.end, _HALVINGS, found)
        buckets: list[Bucket] = []
        mixed = shared = False
        for row in found.rows:
            measures, own_included = analytics_measures(row)
            start = self._start(row, question)
            if measures is None or (question.grain is not None and start is None):
                continue
            key = self._key_of(row, question.dimension)
            mixed = mixed or own_included
            shared = shared or (question.dimension == "token" and self._keys.shared(key[1]))
            buckets.append(Bucket(start, key, measures))
        if mixed:
            found.notes["total_cost holds what own keys were charged elsewhere: OpenRouter did not tell it apart"] = (
                None
            )
        if shared:
            found.notes["keys of the same name are one row: OpenRouter tells a key's name only"] = None
        if question.dimension == "token" and self._keys.cut:
            found.notes[f"{self._keys.cut}: the others are told by name"] = None
        return Answer(merged(buckets), found.as_of, tuple(found.notes))

    def _ask_part(self, question: ApiQuery, start: datetime, end: datetime, halvings: int, found: _Found) -> None:
        data = object_of(self._client.post("/analytics/query", self._body(question, start, end)).value, "its answer")
        told = self._wire.read(_QUERY, Query, object_of(data.get("data"), "its answer's data"))
        rows = [self._wire.read(_QUERY, QueryRow, row) for row in rows_of(told.data, "its answer's data")]
        metadata = self._wire.read(_QUERY, QueryMetadata, object_of(told.metadata or {}, "its answer's metadata"))
        if metadata.truncated is True:
            middle = _middle(question, start, end)
            if halvings > 0 and middle is not None:
                self._ask_part(question, start, middle, halvings - 1, found)
                self._ask_part(question, middle, end, halvings - 1, found)
                return
            found.notes[f"OpenRouter cut its answer off after {len(rows):,} rows: figures are too low"] = None
        if "truncated" not in metadata.model_fields_set:
            self._wire.differs(_QUERY, "does not tell whether its answer is whole")
        warnings = told.warnings
        for warning in warnings if isinstance(warnings, list) else ():
            text = name(warning)
            if text:
                found.notes[f"OpenRouter warns: {text}"] = None
        found.rows += rows
        found.as_of = min(found.as_of, cached_at(told.cachedAt, found.now))

    def _body(self, question: ApiQuery, start: datetime, end: datetime) -> dict[str, object]:
        body: dict[str, object] = {
            "metrics": self._metrics,
            "time_range": {"start": _spelled(start), "end": _spelled(end)},
            "limit": _MOST_ROWS,
        }
        if question.dimension is not None:
            body["dimensions"] = [self._dimensions[question.dimension]]
        if question.grain is not None:
            body["granularity"] = question.grain
        if question.where:
            body["filters"] = [self._filter(term) for term in question.where.terms]
        return body

    def _filter(self, term: Term) -> dict[str, object]:
        values = plain_values(term)
        if term.field in ("token", "token_name"):
            values = self._keys.hashes(values) or values
        one = len(values) == 1
        field = _FILTERS[term.field or ""]
        return {"field": field, "operator": "eq" if one else "in", "value": values[0] if one else values}

    def _start(self, row: QueryRow, question: ApiQuery) -> datetime | None:
        """The start of a row's bucket; None without a grain, and for a bucket beside the period."""
        if question.grain is None:
            return None
        spelled = f"date__{question.grain}"
        start = instant(getattr(row, spelled) if spelled in row.model_fields_set else row.date)
        if start is None:
            raise SourceError(f"openrouter: its analytics answer without a usable date__{question.grain}")
        beside = start >= question.end or start + GRAINS[question.grain] <= question.start
        return None if beside else start

    def _key_of(self, row: QueryRow, dimension: str | None) -> tuple[str | None, ...]:
        if dimension is None:
            return ()
        field = self._dimensions[dimension]
        if field not in row.model_fields_set:
            self._wire.differs(_QUERY, f"rows without {field}")
        value: str | None = getattr(row, field)
        return self._keys.key(value) if dimension == "token" else (value,)


class _Found:
    """What the parts of an answer have brought so far."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self.as_of = now
        self.rows: list[QueryRow] = []
        self.notes: dict[str, None] = {}


def _names(listed: object) -> frozenset[str]:
    """The names in a list of `/analytics/meta`; empty where there is no such list."""
    entries = listed if isinstance(listed, list) else []
    names = (entry.get("name") if isinstance(entry, dict) else entry for entry in entries)
    return frozenset(clean(entry) for entry in names if isinstance(entry, str))


def _middle(question: ApiQuery, start: datetime, end: datetime) -> datetime | None:
    """Where to halve a period, between two of its buckets; None where it is one."""
    if question.grain is None:
        return None
    grain = GRAINS[question.grain]
    buckets = -(-(end - start) // grain)
    return start + grain * (buckets // 2) if buckets > 1 else None


def _spelled(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
