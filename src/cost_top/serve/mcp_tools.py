"""The tools themselves: their arguments as an assistant is told them, and their answers as documents."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import fields
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from cost_top.model.answers import Answers
from cost_top.model.engine import Position
from cost_top.model.errors import UserError, one_line
from cost_top.model.filter import FILTER_FIELDS, parse_filter
from cost_top.model.query import (
    AMOUNTS,
    GROUPINGS,
    MEASURES,
    SYNONYMS,
    ReportQuery,
    key_columns,
    parse_group_by,
)
from cost_top.model.request_fields import PARTS, part_values, request_values
from cost_top.model.request_row import RequestRow
from cost_top.model.tables import measure_values
from cost_top.model.windows import Period, parse_instant, zone_name
from cost_top.pricing.amount import Request, without_overlap
from cost_top.pricing.batch import parse_time
from cost_top.pricing.book import RateBook
from cost_top.pricing.cost import price
from cost_top.pricing.document import price_document
from cost_top.pricing.unpriced import toml_lines

USUAL_ROWS, MOST_ROWS = 50, 500
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST = datetime(9998, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_MOST_TOLD = 2**62  # what OFFSET takes


def listed(value: object) -> object:
    """`provider,model` as well as a list."""
    return [part for part in value.split(",") if part.strip()] if isinstance(value, str) else value


GroupBy = Annotated[
    list[str],
    BeforeValidator(listed),
    WithJsonSchema({"type": "array", "items": {"type": "string", "enum": list(GROUPINGS)}, "uniqueItems": True}),
    Field(
        max_length=len(GROUPINGS),
        description="Dimensions of a row, in order; [] gives the total alone. token is the API key (token_name is "
        "added), api_key_name its display name, owner the person a key belongs to, user the end user of a request.",
    ),
]
Since = Annotated[
    str,
    Field(
        max_length=100,
        description="Start, included: a span back from now (90m, 12h, 7d, 4w), today, yesterday, a day (2026-11-01) "
        "or an ISO 8601 time.",
    ),
]
Until = Annotated[str, Field(max_length=100, description="End, not included: now, or as for since.")]
Where = Annotated[
    str,
    Field(
        max_length=2000,
        description="Only requests that match: terms FIELD:VALUE separated by spaces are all needed; a comma inside a "
        "term is either-or, - before it negates, * is any text, quotes hold spaces, numbers compare. "
        "user:* is any known user, -user:* those without one, a bare word is found in any name. Examples: "
        "tag:prod user:acme | -model:gpt-4o* | provider:openai,anthropic | status:>=400 | cost:>0.05 | unpriced:yes. "
        f"Fields: {', '.join(FILTER_FIELDS)}.",
    ),
]
Limit = Annotated[
    int, Field(ge=1, le=MOST_ROWS, description=f"At most so many, {MOST_ROWS} at the most; what is cut off is told.")
]
Sort = Annotated[
    str,
    Field(
        max_length=100,
        description=f"A measure, largest first, or a dimension that is grouped by. Measures: {', '.join(AMOUNTS)}.",
        examples=["total_cost", "request_count", "day"],
    ),
]
Tokens = Annotated[int, Field(ge=0)]


class Tools:
    """The four questions over one source; they are asked one at a time."""

    def __init__(self, answers: Answers, zone: tzinfo, load_book: Callable[[], RateBook]) -> None:
        self._answers = answers
        self._zone = zone
        self._load_book = load_book
        self._lock = threading.Lock()

    def report(
        self,
        group_by: GroupBy = ["model"],  # noqa: B006 - read, never changed; the schema shows it as the default
        since: Since = "30d",
        until: Until = "now",
        where: Where = "",
        grain: Annotated[
            Literal["day", "hour"] | None, Field(description="Also cut by day or hour, as the first column.")
        ] = None,
        sort: Sort = "total_cost",
        limit: Limit = USUAL_ROWS,
    ) -> dict[str, Any]:
        """Spend, tokens, requests, errors, cache savings and latency of a period, grouped by any dimensions.

        The tool for every "how much", "who", "which" and "when": one row for each group with all measures, `totals`
        over all of them, the period, when the source was read (`as_of`) and `notes`. Money is USD as exact decimal
        text, tokens and requests are integers, latency is in milliseconds, null is unknown.

        What a month cost by model: group_by ["model"], since "2026-11-01", until "2026-12-01".
        Which users a tag's spend comes from: group_by ["user"], where "tag:prod".
        A day by day course: group_by [], grain "day", sort "day".
        """
        query = self._query(since, until, where, limit)
        dimensions = parse_group_by(",".join(group_by)) if group_by else ()
        if grain is not None and grain not in dimensions:
            dimensions = (grain, *dimensions)
        columns = key_columns(dimensions)
        sort = SYNONYMS.get(sort, sort)
        if sort not in AMOUNTS and sort not in columns:
            known = ", ".join((*columns, *AMOUNTS))
            raise UserError(f"sort: {one_line(sort, 40)!r} is neither a measure nor grouped by: choose from {known}")
        query = ReportQuery(query.start, query.end, dimensions, query.where, self._zone, sort, sort in AMOUNTS, limit,
                            MEASURES)  # fmt: skip
        with self._lock:
            found = self._answers.report(query)
        # A source may answer with more than it was asked for; an answer stays bounded.
        shown = found.rows[:limit]
        return {
            "rows": [dict(zip(found.columns, row.key, strict=True)) | measure_values(row.measures) for row in shown],
            "row_count": found.row_count,
            "rows_left_out": max(0, found.row_count - len(shown)),
            "totals": measure_values(found.totals),
            **self._told(query),
            "as_of": found.as_of.isoformat(timespec="seconds"),
            "notes": list(found.notes),
        }

    def requests(
        self,
        since: Since = "24h",
        until: Until = "now",
        where: Where = "",
        limit: Limit = USUAL_ROWS,
        cursor: Annotated[
            str | None,
            Field(max_length=700, description="next_cursor of the page before; left out: the newest."),
        ] = None,
    ) -> dict[str, Any]:
        """Single requests of a period, newest first: time, model, key, user, tokens, cost, how it was priced, status.

        Metadata only: prompts and completions are not held. Use it to look behind a figure of `report`, with the same
        since, until and where. Money is USD as exact decimal text, null is unknown. `next_cursor` is null on the last
        page; for the next one, give it with the `since` and `until` of the answer and the same where.
        """
        query = self._query(since, until, where, limit)
        after = None if cursor is None else read_cursor(cursor)
        with self._lock:
            page = self._answers.requests(query, after)
        return {
            "requests": [request_fields(row) for row in page.rows[:limit]],
            "next_cursor": None if page.following is None else write_cursor(page.following),
            **self._told(query),
        }

    def price(
        self,
        model: Annotated[str, Field(min_length=1, max_length=500, description="As a log names it: claude-sonnet-4-5.")],
        provider: Annotated[
            str | None, Field(max_length=500, description="Who is called: anthropic, bedrock. Left out: by the model.")
        ] = None,
        input_tokens: Annotated[Tokens, Field(description="All input tokens, cached ones included.")] = 0,
        cached_input_tokens: Annotated[Tokens, Field(description="Of these, read from the prompt cache.")] = 0,
        cache_creation_input_tokens: Annotated[Tokens, Field(description="Of these, written to the cache.")] = 0,
        cache_creation_1h_tokens: Annotated[Tokens, Field(description="Of those, kept for one hour.")] = 0,
        output_tokens: Annotated[Tokens, Field(description="All output tokens, reasoning included.")] = 0,
        reasoning_tokens: Annotated[Tokens, Field(description="Of these, reasoning.")] = 0,
        mode: Annotated[
            Literal["standard", "batch", "flex", "priority", "fast"], Field(description="How it is processed.")
        ] = "standard",
        at: Annotated[
            str | None,
            Field(max_length=100, description="When, ISO 8601, in UTC without an offset. Left out: now."),
        ] = None,
    ) -> dict[str, Any]:
        """What one request costs at the rates of a time, with the rate and amount of each part. Reads no log.

        Compare models or modes by calling it for each with the same tokens. `cost_usd` is exact decimal text. A model
        without a rate has status "unpriced", null amounts, and in `override` the lines that would price it.
        """
        moment = parse_time(at, "at") if at else datetime.now(UTC)
        request = without_overlap(Request(
            provider, model, moment, mode=mode,
            input_tokens=input_tokens, cached_input_tokens=cached_input_tokens,
            cache_creation_input_tokens=cache_creation_input_tokens, cache_creation_1h_tokens=cache_creation_1h_tokens,
            output_tokens=output_tokens, reasoning_tokens=reasoning_tokens,
        ))  # fmt: skip
        book = self._load_book()
        with self._lock:
            priced = price(book, request)
            document = price_document(book, request, priced)
            if priced.cost is None:
                document["override"] = "\n".join(toml_lines(book, provider, model, priced.doubt))
        return document

    def unpriced(self, since: Since = "30d", until: Until = "now", where: Where = "") -> dict[str, Any]:
        """Models whose requests have no price, most tokens first: they are missing from every total_cost.

        For each: provider, model, requests, tokens, and in `override` the lines of cost-top's overrides file that
        would price it ("?" stands for USD per million tokens). An empty list means that every request has a price.
        """
        query = self._query(since, until, where, None)
        with self._lock:
            found = self._answers.unpriced(query)
        models = [{each.name: getattr(model, each.name) for each in fields(model)} for model in found[:MOST_ROWS]]
        return {"models": models, **self._told(query)}

    def _query(self, since: str, until: str, where: str, limit: int | None) -> ReportQuery:
        period = period_between(since, until, datetime.now(UTC), self._zone)
        return ReportQuery(period.start, period.end, (), parse_filter(where), self._zone, limit=limit)

    def _told(self, query: ReportQuery) -> dict[str, Any]:
        """What was asked, and whom."""
        return {
            "since": query.start.astimezone(self._zone).isoformat(),
            "until": query.end.astimezone(self._zone).isoformat(),
            "time_zone": zone_name(self._zone),
            "source": self._answers.label,
        }


def period_between(since: str, until: str, now: datetime, zone: tzinfo) -> Period:
    """The half-open period of `since` and `until`; `UserError` for one that holds nothing."""
    start = parse_instant(since, now, zone, "since")
    end = parse_instant(until, now, zone, "until")
    if start >= end:
        raise UserError(f"since {one_line(since, 40)} is not before until {one_line(until, 40)}")
    if start <= _EPOCH or end > _LATEST:
        raise UserError("since and until: no log holds requests before 1970 or after 9997")
    return Period(start, end)


def request_fields(row: RequestRow) -> dict[str, Any]:
    """A request as a document: money as exact text in USD, time in ISO 8601, its list price part by part."""
    return {**request_values(row, UTC), PARTS: part_values(row)}


def write_cursor(position: Position) -> str:
    """A place in the list as text.

    >>> read_cursor(write_cursor(Position(_EPOCH, "a:b", told=2))) == Position(_EPOCH, "a:b", told=2)
    True
    """
    return f"{(position.time - _EPOCH) // _MICROSECOND}:{position.told}:{position.id}"


def read_cursor(text: str) -> Position:
    """The place that a cursor names; `UserError` for one that was never given."""
    microseconds, told, identity = (*text.split(":", 2), "", "")[:3]
    try:
        if identity and 0 < int(told) < _MOST_TOLD:
            return Position(_EPOCH + int(microseconds) * _MICROSECOND, identity, told=int(told))
    except (ValueError, OverflowError):
        pass
    raise UserError(f"cursor: {one_line(text, 40)!r} is none that was given; leave it out to begin with the newest")
