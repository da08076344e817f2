"""The parameters of a question, as documented and as a `ReportQuery`.

Names, values and their meaning are those of the AI Gateway reporting API where it has them; the rest is ours.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from difflib import get_close_matches
from typing import Annotated, Literal

from fastapi import Request
from pydantic import BaseModel, Field

from cost_top.config import parse_zone
from cost_top.model.errors import UserError, one_line
from cost_top.model.filter import Filter, Term, parse_filter, value_term
from cost_top.model.nearest import choices
from cost_top.model.query import (
    AMOUNTS,
    GROUPINGS,
    LATENCY_MEASURES,
    MEASURES,
    SUMMED_MEASURES,
    SYNONYMS,
    TIME_DIMENSIONS,
    ReportQuery,
    key_columns,
)
from cost_top.model.windows import Period, local_midnight, parse_instant
from cost_top.serve.errors import Problem

MOST_DIMENSIONS = 4
MOST_ROWS = 10_000
MOST_REQUESTS = 1_000
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
# No log is older, and none is younger by more than clocks err; calendars beyond overflow in some zone.
_EARLIEST, _LATEST = datetime(1970, 1, 2, tzinfo=UTC), datetime(9999, 12, 29, tzinfo=UTC)

Text = Annotated[str, Field(min_length=1, max_length=2000)]


def described(description: str, example: str | None = None) -> object:
    """A parameter that may be left out, for OpenAPI."""
    return Field(default=None, description=description, examples=None if example is None else [example])


class PeriodParameters(BaseModel):
    """Which time a question is about: `start_date` and `end_date`, or `since` and `until`."""

    start_date: Annotated[Text | None, described("First day, YYYY-MM-DD.", "2026-11-01")] = None
    end_date: Annotated[Text | None, described("Last day, included, YYYY-MM-DD.", "2026-11-30")] = None
    since: Annotated[
        Text | None,
        described("Instead of the dates: the start, included. 7d, 12h, 90m, today, a day or an ISO 8601 time.", "7d"),
    ] = None
    until: Annotated[Text | None, described("With since: the end, not included. Default: now.", "now")] = None
    tz: Annotated[
        Text | None,
        described("IANA zone that days are cut in and that times without an offset are in. Default: UTC.", "UTC"),
    ] = None


class FilterParameters(BaseModel):
    """Which requests a question is about: those that match every parameter given."""

    user_id: Annotated[Text | None, described("Exactly this user.", "acme")] = None
    model: Annotated[Text | None, described("Exactly this model.", "gpt-5-mini")] = None
    provider: Annotated[Text | None, described("Exactly this provider.", "openai")] = None
    credential_type: Annotated[
        Literal["byok", "system"] | None, described("Own keys (byok) or the gateway's (system).", "system")
    ] = None
    tags: Annotated[Text | None, described("One or several tags, separated by commas.", "prod,batch")] = None
    tags_match: Annotated[
        Literal["any", "all"], Field(description="Whether one of the tags is enough or all are needed.")
    ] = "any"
    api_key_name: Annotated[Text | None, described("Exactly this display name of a key.", "backend")] = None
    endpoint: Annotated[Text | None, described("Exactly this endpoint.", "/v1/chat/completions")] = None
    token: Annotated[Text | None, described("Exactly this key, by its id in the log.", "key-1")] = None
    where: Annotated[
        Text | None,
        described("A filter in cost-top's language, as for cost-top report --where.", "tag:prod -model:gpt-4o*"),
    ] = None
    zero_data_retention: Annotated[
        Text | None, described("Known from the AI Gateway reporting API; logs do not record it, so this is refused.")
    ] = None


class ReportParameters(FilterParameters, PeriodParameters):
    """A grouped question."""

    group_by: Annotated[
        Text,
        Field(
            description=f"One to {MOST_DIMENSIONS} of {', '.join(GROUPINGS)}, separated by commas.",
            examples=["day", "provider,model"],
        ),
    ] = "day"
    date_part: Annotated[
        Literal["day", "hour"],
        Field(description="With a grouping by day: cut by day or by hour. Ignored for other groupings."),
    ] = "day"
    sort: Annotated[
        Text | None,
        described("A measure (largest first), tokens (input and output) or a dimension. Default: time where it is "
            "grouped by, else total_cost.",
            "request_count"),
    ] = None  # fmt: skip
    limit: Annotated[int, Field(ge=1, le=MOST_ROWS, description="At most so many rows; totals are of all.")] = MOST_ROWS
    measures: Annotated[
        Text | None,
        described(
            "Only these measures, separated by commas, beside total_cost and unpriced_count. Default: all but the "
            f"quantiles, {' and '.join(LATENCY_MEASURES)}, which cost a reading of the requests themselves.",
            "request_count,latency_p95",
        ),
    ] = None


class RequestsParameters(FilterParameters, PeriodParameters):
    """A page of single requests."""

    limit: Annotated[int, Field(ge=1, le=MOST_REQUESTS, description="At most so many requests.")] = 100
    cursor: Annotated[Text | None, described("`next_cursor` of the page before.")] = None
    sort: Annotated[Literal["time", "cost"], Field(description="Newest first, or dearest first.")] = "time"
    waste: Annotated[
        Literal["failed_but_paid", "cut_off", "retried", "repeated", "logged_twice", "cacheable", "total"] | None,
        described("Only those behind a line of `/v1/waste`, or behind its total.", "retried"),
    ] = None


@dataclass(frozen=True, slots=True)
class SpelledQuery:
    """A checked question and how its answer is spelled."""

    query: ReportQuery
    spelled: tuple[str, ...] = ()  # dimensions as the client named them


def only(*models: type[BaseModel], also: Iterable[str] = ()) -> Callable[[Request], None]:
    """A dependency that refuses a parameter that is unknown or given twice: a misspelt filter must not go unseen."""
    known = [*also, *(name for model in models for name in model.model_fields)]

    def check(request: Request) -> None:
        seen: set[str] = set()
        for name in (name for name, _ in request.query_params.multi_items()):
            shown = one_line(name, 40)
            if name not in known:
                near = get_close_matches(name, known, 1)
                advice = f"did you mean {near[0]}?" if near else f"known are {', '.join(known) or 'none'}"
                raise Problem(400, f"unknown parameter {shown!r}: {advice}", param=shown)
            if name in seen:
                raise Problem(400, f"{shown}: given more than once", param=shown)
            seen.add(name)

    return check


def report_question(asked: ReportParameters, scope: Filter, now: datetime) -> SpelledQuery:
    """The question with the scope of the token on top; `Problem` names the parameter that is wrong."""
    period, zone = period_of(asked, now)
    spelled = _groupings(asked.group_by)
    if asked.date_part == "hour":
        spelled = tuple(dict.fromkeys("hour" if name == "day" else name for name in spelled))
    dimensions = tuple(SYNONYMS.get(name, name) for name in spelled)
    sort = _sort(asked.sort, dimensions)
    query = ReportQuery(
        period.start, period.end, dimensions, filter_of(asked).both(scope), zone, sort, sort in AMOUNTS, asked.limit,
        _measures(asked.measures),
    )  # fmt: skip
    return SpelledQuery(query, spelled)


def requests_question(asked: RequestsParameters, scope: Filter, now: datetime) -> ReportQuery:
    """The single requests that are asked for."""
    period, zone = period_of(asked, now)
    return ReportQuery(period.start, period.end, (), filter_of(asked).both(scope), zone, asked.sort, limit=asked.limit)


def zone_of(name: str | None, usual: tzinfo = UTC) -> tzinfo:
    """The zone of a `tz` parameter, the `usual` one without it."""
    if name is None:
        return usual
    if name.lower() == "local":
        raise Problem(400, "tz: local would be the server's zone; write an IANA name such as Europe/Berlin", param="tz")
    try:
        return parse_zone(name)
    except UserError:
        told = f"tz: unknown time zone {one_line(name, 60)!r}; write an IANA name such as Europe/Berlin"
        raise Problem(400, told, param="tz") from None


def period_of(asked: PeriodParameters, now: datetime, default_days: int | None = None) -> tuple[Period, tzinfo]:
    """The half-open period and its zone. Without any bound the last `default_days` days, today included, if given.

    Instants without `tz` are in the zone of `now`, the server's; dates are UTC days, as in the API this one follows.
    """
    zone = zone_of(asked.tz, (now.tzinfo or UTC) if asked.since is not None else UTC)
    dates = {"start_date": asked.start_date, "end_date": asked.end_date}
    instants = {"since": asked.since, "until": asked.until}
    given = [name for name, value in {**dates, **instants}.items() if value is not None]
    if not given and default_days is not None:
        today = now.astimezone(zone).date()
        return Period(
            local_midnight(today - timedelta(days=default_days - 1), zone), _midnight_after(today, zone)
        ), zone
    if any(name in dates for name in given) and any(name in instants for name in given):
        raise Problem(400, f"{given[-1]}: give start_date and end_date, or since and until", param=given[-1])
    if "since" in given or "until" in given:
        if asked.since is None:
            raise Problem(400, "since: is missing; until alone is no period", param="since")
        return _instants(asked.since, asked.until or "now", now, zone), zone
    days = {name: _day(name, value) for name, value in dates.items()}
    if days["start_date"] > days["end_date"]:
        raise Problem(400, "start_date: is after end_date", param="start_date")
    start = max(_EARLIEST, local_midnight(max(days["start_date"], _EARLIEST.date()), zone))
    return Period(start, max(start, _midnight_after(days["end_date"], zone))), zone


def _midnight_after(day: date, zone: tzinfo) -> datetime:
    return local_midnight(min(max(day, _EARLIEST.date()), _LATEST.date()) + timedelta(days=1), zone)


def _day(name: str, value: str | None) -> date:
    if value is None:
        raise Problem(400, f"{name}: is missing; give start_date and end_date as YYYY-MM-DD, or since", param=name)
    try:
        if _DATE.fullmatch(value):
            return date.fromisoformat(value)
    except ValueError:
        pass
    raise Problem(400, f"{name}: {one_line(value, 40)!r} is no day; write YYYY-MM-DD", param=name)


def _instants(since: str, until: str, now: datetime, zone: tzinfo) -> Period:
    found = []
    for name, value in (("since", since), ("until", until)):
        try:
            found.append(min(max(parse_instant(value, now, zone, name), _EARLIEST), _LATEST))
        except UserError as error:
            hint = "; in a URL the + of an offset is written %2B" if re.search(r":\d\d \d\d:", value) else ""
            raise Problem(400, f"{error}{hint}", param=name) from None
    if found[0] >= found[1]:
        raise Problem(400, f"since: {one_line(since, 40)} is not before until", param="since")
    return Period(*found)


def _groupings(text: str) -> tuple[str, ...]:
    names = text.split(",")
    for name in names:
        if name == "zero_data_retention":
            raise Problem(400, "group_by: zero_data_retention is not recorded in logs", param="group_by")
        if name not in GROUPINGS:
            near = get_close_matches(name.strip(), GROUPINGS, 1)
            advice = f"did you mean {near[0]}?" if near else f"choose from {', '.join(GROUPINGS)}"
            raise Problem(400, f"group_by: unknown dimension {one_line(name, 40)!r}: {advice}", param="group_by")
    if len({SYNONYMS.get(name, name) for name in names}) < len(names):
        raise Problem(400, "group_by: names a dimension twice", param="group_by")
    if len(names) > MOST_DIMENSIONS:
        raise Problem(400, f"group_by: at most {MOST_DIMENSIONS} dimensions", param="group_by")
    return tuple(names)


def _measures(text: str | None) -> tuple[str, ...]:
    if text is None:
        return SUMMED_MEASURES
    names = text.split(",")
    for name in names:
        if name not in MEASURES:
            raise Problem(
                400, f"measures: unknown measure {one_line(name, 40)!r}: {choices(name, MEASURES)}", param="measures"
            )
    return tuple(dict.fromkeys(("total_cost", "unpriced_count", *names)))


def _sort(asked: str | None, dimensions: tuple[str, ...]) -> str:
    if asked is None:
        return next((name for name in dimensions if name in TIME_DIMENSIONS), "total_cost")
    name = SYNONYMS.get(asked, asked)
    columns = key_columns(dimensions)
    if name not in AMOUNTS and name not in columns:
        known = ", ".join((*dimensions, *AMOUNTS))
        raise Problem(400, f"sort: {one_line(asked, 40)!r} is none of {known}", param="sort")
    return name


def filter_of(asked: FilterParameters) -> Filter:
    """The conjunction of the filter parameters; their values are names, not patterns."""
    if asked.zero_data_retention is not None:
        raise Problem(400, "zero_data_retention: is not recorded in logs", param="zero_data_retention")
    exact = {
        "user": asked.user_id, "model": asked.model, "provider": asked.provider, "token": asked.token,
        "credential_type": asked.credential_type, "token_name": asked.api_key_name, "endpoint": asked.endpoint,
    }  # fmt: skip
    terms = [value_term(field, value) for field, value in exact.items() if value is not None]
    if asked.tags is not None:
        tags = [tag.strip() for tag in asked.tags.split(",")]
        if not all(tags):
            raise Problem(400, "tags: has an empty tag", param="tags")
        each = [value_term("tag", tag) for tag in tags]
        terms += each if asked.tags_match == "all" else [Term("tag", tuple(term.values[0] for term in each))]
    where = written_filter(asked.where, "where")
    return Filter(tuple(dict.fromkeys(terms))).both(where)


def written_filter(text: str | None, name: str) -> Filter:
    """A filter that a client wrote."""
    try:
        return parse_filter(text or "")
    except UserError as error:
        raise Problem(400, f"{name}: {error}", param=name) from None
