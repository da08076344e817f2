"""Reports and single requests of a log answered where it lives, exact and as it is now. Nothing of it is kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from cost_top.mirror.measures import measures_of
from cost_top.model.doubts import TOLD
from cost_top.model.engine import Position
from cost_top.model.query import (
    TIME_DIMENSIONS,
    Measures,
    Report,
    ReportQuery,
    ReportRow,
    key_columns,
    order_rows,
)
from cost_top.model.record import FIELD_NAMES
from cost_top.model.request_fields import REQUEST_FIELDS, TEXT_FIELDS
from cost_top.model.request_row import RequestRow
from cost_top.monitor.cluster.cluster import Cluster
from cost_top.monitor.cluster.spelling import Spelling
from cost_top.monitor.cluster.statements import instant_of, micros_of

# The newest requests are looked for in stretches that grow before the whole rest is read.
_STRETCHES = (timedelta(minutes=15), timedelta(hours=2), timedelta(days=1), timedelta(days=7))
_FEW = 20_000  # to take one more statement apart takes longer than to read so many
_REQUEST = tuple(name for name in REQUEST_FIELDS if name != "matched_model")
_COLUMNS = {"time": "us", "tags": "tags_text"}


def asked_report(cluster: Cluster, query: ReportQuery, as_of: datetime) -> Report:
    """The exact answer."""
    source, where, parameters = cluster.source([(query.start, query.end)], query.where)
    totals = _totals(cluster, source, where, parameters, query.latency)
    columns = key_columns(query.group_by)
    if not query.group_by:
        return Report((), (ReportRow((), totals),), totals, 1, as_of)
    fields = [name for name in columns if name not in (*TIME_DIMENSIONS, "tag")]
    wanted = {*fields, *(["tags"] if "tag" in columns else [])}
    source, where, parameters = cluster.source([(query.start, query.end)], query.where, wanted, wanted)
    starts = {name: _starts(name, query) for name in columns if name in TIME_DIMENSIONS}
    told = [name for name in columns if name not in query.group_by]
    keys = [_key(cluster.statements.spelled, name, starts) for name in query.group_by]
    sql = cluster.statements.grouped(source, where, keys, told, latency=query.latency)
    names, rows = (*query.group_by, *told), []
    for found in cluster.ask(sql, parameters):
        shown = {name: _shown_key(name, value, query.zone) for name, value in zip(names, found, strict=False)}
        key = tuple(shown[name] for name in columns)
        rows.append(ReportRow(key, measures_of(found[len(columns) :], query.latency)))
    ordered = order_rows(rows, columns, query.sort, query.descending)
    report = Report(columns, ordered[: query.limit], totals, len(ordered), as_of)
    return cluster.names.named(report)


def _totals(cluster: Cluster, source: str, where: str, parameters: Mapping[str, object], latency: bool) -> Measures:
    found = cluster.ask(cluster.statements.grouped(source, where, (), latency=latency), parameters)
    return measures_of(found[0], latency) if found else Measures()


def doubts(cluster: Cluster, query: ReportQuery) -> list[tuple[str, int]]:
    """Why requests of a query are doubted beyond their model being unknown, and how many are, most first."""
    source, where, parameters = cluster.source([(query.start, query.end)], query.where)
    rows = cluster.ask(
        f"SELECT {TOLD} AS told, count(*) AS n FROM {source} WHERE {where} AND doubt NOT IN ('model', 'zero') "
        "GROUP BY told ORDER BY n DESC, told",
        parameters,
    )
    return [(str(doubt), int(count)) for doubt, count in rows]


def asked_requests(
    cluster: Cluster, query: ReportQuery, dearest_first: bool, after: Position | None
) -> list[RequestRow]:
    """Single requests, newest or dearest first, from `after` on."""
    limit = query.limit or 200
    end = query.end
    if dearest_first:
        return _requests(cluster, query, limit, after, dearest=True)
    if after is not None and after.time < end:
        end = after.time + timedelta(microseconds=1)
    rows: list[RequestRow] = []
    few = _since_few(cluster, query.start, end) if cluster.statements.spelled.plans_long else end
    stretches = _newest_first(query.start, few)
    for start, until in ((few, end), *stretches) if few < end else stretches:
        part = replace(query, start=start, end=until)
        rows += _requests(cluster, part, limit - len(rows), after, dearest=False)
        if len(rows) >= limit:
            break
    return rows


def _requests(
    cluster: Cluster, query: ReportQuery, limit: int, after: Position | None, dearest: bool
) -> list[RequestRow]:
    fields = tuple(name for name in _REQUEST if name in FIELD_NAMES and name != "time")
    texts = TEXT_FIELDS & set(fields)
    source, where, parameters = cluster.source(
        [(query.start, query.end)], query.where, fields, texts - {"id", "tags"}
    )  # fmt: skip
    spelled = cluster.statements.spelled
    where += _behind(after, dearest, spelled)
    columns = [_COLUMNS.get(name) or spelled.money(f'"{name}"') for name in _REQUEST]
    # Requests of one instant stand in the same order on each page.
    order = ", ".join([*(["cost DESC NULLS LAST"] if dearest else []), "us DESC", "id", *columns])
    before = after.told if after is not None and query.start <= after.time < query.end else 0
    found = cluster.ask(
        f"SELECT {', '.join(columns)} FROM {source} WHERE {where} ORDER BY {order} LIMIT {limit + before}", parameters
    )
    rows = []
    place = _REQUEST.index("tags")
    tags = cluster.texts.tags([values[place] or "" for values in found])
    for values in found:
        named = dict(zip(_REQUEST, values, strict=True))
        named["time"], named["tags"] = instant_of(int(named["time"])), tags[named["tags"] or ""]
        rows.append(RequestRow(**named))
    if after is not None:
        # Of those that stand at the place: a row that is gone meanwhile is none to be skipped.
        told = [row for row in rows[:before] if (row.time, row.id) == (after.time, after.id)
                and (not dearest or row.cost == after.cost)]  # fmt: skip
        rows = rows[len(told) : len(told) + limit]
    return cluster.names.named_requests(rows)


def _behind(after: Position | None, dearest: bool, spelled: Spelling) -> str:
    """What comes after a position; its id is quoted, since it may hold anything."""
    if after is None:
        return ""
    us, identity = micros_of(after.time), spelled.literal(after.id)
    older = f"(us < {us} OR us = {us} AND id >= {identity})"
    if not dearest:
        return f" AND {older}"
    if after.cost is None:
        return f" AND (cost IS NULL AND {older})"
    return f" AND (cost < {after.cost} OR cost IS NULL OR cost = {after.cost} AND {older})"


def _since_few(cluster: Cluster, start: datetime, end: datetime) -> datetime:
    """How far back from the end of a period rows are few; the end itself where they are many at once."""
    few = end
    for stretch in (*_STRETCHES, end - start):
        since = max(start, end - stretch)
        if few == start or cluster.ask(cluster.log.statements.count([(since, end)]))[0][0] > _FEW:
            break
        few = since
    return few


def _newest_first(start: datetime, end: datetime) -> Iterable[tuple[datetime, datetime]]:
    """`[start, end)` in pieces that grow."""
    now = datetime.now(UTC)
    if end > now:
        # What is stamped in the future is looked at with the first piece.
        first = max(start, now - _STRETCHES[0])
        yield first, end
        end = first
    for stretch in _STRETCHES:
        if start >= end:
            return
        cut = max(start, end - stretch)
        yield cut, end
        end = cut
    if start < end:
        yield start, end


def _key(spelled: Spelling, name: str, starts: Mapping[str, Sequence[int]]) -> str:
    """A key of a report in SQL."""
    if name == "minute":
        return spelled.minute
    if name in starts:
        return spelled.piece(starts[name])
    if name == "tag":
        return spelled.tag
    return spelled.text('"status"') if name == "status" else f'"{name}"'


def _starts(name: str, query: ReportQuery) -> list[int]:
    """The beginnings of the local days or hours of a period, in microseconds."""
    if name == "minute":
        return []
    found = []
    instant = query.start.astimezone(UTC)
    last = query.end.astimezone(UTC)
    local = instant.astimezone(query.zone)
    begin = local.replace(hour=0 if name == "day" else local.hour, minute=0, second=0, microsecond=0)
    moment = begin.astimezone(UTC)
    quarter = timedelta(minutes=15)
    label = None
    while moment < last:
        local = moment.astimezone(query.zone)
        now_label = str(local.date()) if name == "day" else local.replace(minute=0).isoformat()
        if now_label != label:
            found.append(micros_of(moment))
            label = now_label
        moment += quarter
    return found or [micros_of(instant)]


def _shown_key(name: str, value: Any, zone: tzinfo) -> str | None:
    if value is None:
        return None
    if name in TIME_DIMENSIONS:
        local = instant_of(int(value)).astimezone(zone)
        if name == "day":
            return str(local.date())
        return local.replace(minute=local.minute if name == "minute" else 0, second=0, microsecond=0).isoformat()
    return str(value) or None
