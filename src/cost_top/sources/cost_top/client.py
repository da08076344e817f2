"""Another cost-top's `serve` as a source: the same questions, answered over HTTP.

`GET /v1/report` and `/v1/requests` carry money as exact decimal numbers in USD and leave out what is unknown; live
snapshots come as server-sent events that hold the fields that changed.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, cast

from cost_top.model.credits import Credits
from cost_top.model.engine import Position, RequestPage, following
from cost_top.model.errors import CannotAnswer, SourceDenied, SourceError, SourceRefused, SourceThrottled
from cost_top.model.feed import Found, UnpricedModel, unpriced_model
from cost_top.model.ledger import LedgerQuery, LedgerTold
from cost_top.model.one_source import OfOneSource
from cost_top.model.query import Report, ReportQuery, unpriced_query
from cost_top.model.request_row import RequestRow
from cost_top.model.view import View
from cost_top.model.waste import Waste
from cost_top.model.watched import BudgetRow, IncidentRow, budget_rows, incident_rows
from cost_top.model.wire import found_from_json, unpriced_from_json, view_to_json
from cost_top.model.wire_codec import decode, decode_list
from cost_top.sources.cost_top.ledger import ledger_parameters, read_ledger
from cost_top.sources.cost_top.rows import (
    MOST_ROWS,
    Told,
    cut,
    in_server_order,
    period_parameters,
    read_report,
    read_waste,
    report_parameters,
    request_row,
    written_amount,
    zone_text,
)
from cost_top.sources.http.address import check_address
from cost_top.sources.http.client import ApiClient
from cost_top.sources.http.failures import Redactor
from cost_top.sources.http.numbers import parse_json

_MOST_REQUESTS = 1000
_PAGE = 200
_UNPRICED = 100
_CURSORS = 1000  # pages whose place the server has told
_MICROSECOND = timedelta(microseconds=1)
_ERRORS: Mapping[str, type[SourceError]] = {
    "authentication_error": SourceDenied, "forbidden": SourceDenied, "rate_limit_exceeded": SourceThrottled,
    "invalid_request_error": SourceRefused, "not_found": SourceRefused,
}  # fmt: skip


class CostTopClient(OfOneSource):
    """`model.answers.Answers` over a cost-top server, and the live view of it. One question at a time.

    Every question raises `SourceError` (or its kinds: denied, throttled), one clean line without the key; what the
    server refuses is a `CannotAnswer` for reports and requests, else `SourceRefused`.
    """

    def __init__(self, base_url: str, key: str) -> None:
        """`key` is the server's bearer token, "" without one. `UserError` for an address that may not be asked."""
        self.place = check_address(base_url, "cost-top").place
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        secrets = (key,) if key else ()
        self._api = ApiClient(base_url, name="cost-top", headers=headers, secrets=secrets)
        self._redact = Redactor(secrets, headers)
        self._source = ""
        self._cursors: OrderedDict[Position, str] = OrderedDict()

    @property
    def label(self) -> str:
        """The server's host, and the source behind it once an answer has named it."""
        return self.labelled(self._source) if self._source else f"cost-top@{self.place}"

    @property
    def source_name(self) -> str | None:
        """What it is called here; without, the server calls it by the name it has there."""
        return self.own_name

    def labelled(self, source: str) -> str:
        """A source of the server as it is called here."""
        return f"{source} @ {self.place}"

    def report(self, query: ReportQuery) -> Report:
        """The exact answer. A server gives at most 10,000 rows; its note says when there are more."""
        value = self._object(self._get("/v1/report", report_parameters(query)), "report")
        try:
            report = read_report(value, query)
            self._source = decode(str, value.get("source", ""), "source")
        except ValueError as error:
            raise self._malformed("report", error) from None
        if in_server_order(query):
            return report
        if len(report.rows) < report.row_count:
            raise CannotAnswer(f"{self.place}: more than {MOST_ROWS} groups come only largest first")
        return cut(report, query.limit)

    def requests(self, query: ReportQuery, after: Position | None = None) -> RequestPage:
        """A page of single requests, newest or dearest first."""
        return self._page(query, after)

    def waste(self, query: ReportQuery) -> Waste:
        """What a period's spend was wasted on."""
        value = self._object(self._get("/v1/waste", period_parameters(query)), "waste")
        try:
            return read_waste(value)
        except ValueError as error:
            raise self._malformed("waste", error) from None

    def waste_requests(self, query: ReportQuery, lines: Collection[str], after: Position | None = None) -> RequestPage:
        """A page of the requests behind one line of `waste`, or behind all that are in its total."""
        return self._page(query, after, next(iter(lines)) if len(lines) == 1 else "total")

    def _page(self, query: ReportQuery, after: Position | None, waste: str | None = None) -> RequestPage:
        wanted = query.limit or _PAGE
        rows: list[RequestRow] = []
        cursor = self._cursors.get(after) if after is not None else None
        dearest = query.sort == "cost"
        told: Told | None = None
        if after is not None and cursor is None and not dearest and waste is None:
            # A place that the server has not told is found again by its time.
            query, told = replace(query, end=min(query.end, after.time + _MICROSECOND)), Told(after)
        elif after is not None and cursor is None:
            raise CannotAnswer(f"{self.place}: the list of these requests has gone; begin at its first page")
        while True:
            asked = {**period_parameters(query), "limit": str(min(wanted - len(rows), _MOST_REQUESTS))}
            asked |= {"sort": "cost"} if dearest else {}
            asked |= {"waste": waste} if waste is not None else {}
            if cursor:
                asked["cursor"] = cursor
            value = self._object(self._get("/v1/requests", asked), "list of requests")
            rows += (row for row in self._request_rows(value) if told is None or told.follows(row))
            previous, cursor = cursor, self._cursor(value)
            if not cursor or len(rows) >= wanted:
                break
            if cursor == previous:
                raise self._malformed("list of requests", "a page leads to itself")
        if not cursor or not rows:
            return RequestPage(tuple(rows))
        behind = following(rows, dearest=dearest, after=after)
        self._cursors[behind] = cursor
        while len(self._cursors) > _CURSORS:
            self._cursors.popitem(last=False)
        return RequestPage(tuple(rows), behind)

    def unpriced(self, query: ReportQuery) -> tuple[UnpricedModel, ...]:
        """The models behind the query's unpriced requests, most tokens first, with lines for the released rates."""
        from cost_top.pricing.book import RateBook
        from cost_top.pricing.unpriced import toml_lines

        rows, book = self.report(unpriced_query(query, _UNPRICED)).rows, RateBook.load(None)
        return tuple(
            unpriced_model(row.key[0], row.key[1], row.measures, "\n".join(toml_lines(book, *row.key))) for row in rows
        )

    def ledger_told(self, query: LedgerQuery) -> LedgerTold:
        """The server's ledger, held against its log. `CannotAnswer` where its source keeps none."""
        value = self._object(self._get("/v1/ledger", ledger_parameters(query)), "ledger")
        try:
            return read_ledger(value)
        except ValueError as error:
            raise self._malformed("ledger", error) from None

    def credits(self) -> Credits | None:
        """The balance; None where the source behind the server knows none."""
        try:
            value = self._object(self._api.get("/v1/credits").value, "balance")
        except SourceRefused:
            return None
        try:
            balance, used = (written_amount(value.get(name), name) for name in ("balance", "total_used"))
        except ValueError as error:
            raise self._malformed("balance", error) from None
        return Credits(balance, used, datetime.now(UTC))

    def live(self, view: View, zone: tzinfo) -> Iterator[Mapping[str, object]]:
        """The fields of the view's snapshot that changed, all of them first; nothing at all as a sign of life.

        Ends when the server ends it. Close the iterator to end it; `cancel` does so from another thread.
        """
        body = {"view": view_to_json(view), "tz": zone_text(zone)}
        with closing(cast("Generator[tuple[str, str]]", self._api.events("/v1/live", body))) as events:
            for name, data in events:
                if name == "snapshot":
                    yield self._object(self._parsed(data), "event")
                elif name == "error":
                    raise self._told(self._parsed(data))
                elif not name:
                    yield {}

    def find(self, view: View, zone: tzinfo, dimension: str, text: str) -> tuple[Found, ...]:
        """Values of a dimension whose value or name contains `text`, dearest first, in the view's window."""
        body = {"view": view_to_json(view), "tz": zone_text(zone), "dimension": dimension, "text": text}
        return found_from_json(self._object(self._api.post("/v1/find", body).value, "answer").get("results"))

    def find_unpriced(self, view: View, zone: tzinfo) -> tuple[UnpricedModel, ...]:
        """The models behind what is unpriced in a view, with lines for the server's rates."""
        body = {"view": view_to_json(view), "tz": zone_text(zone)}
        return unpriced_from_json(self._object(self._api.post("/v1/unpriced", body).value, "answer").get("results"))

    def incidents(self) -> tuple[IncidentRow, ...]:
        """What is unusual by the server's rules."""
        return incident_rows(self._listed("incidents"))

    def budgets(self) -> tuple[BudgetRow, ...]:
        """How the server's budgets stand."""
        told = self._object(self._get("/v1/budgets", {}), "budgets")
        missing = self._list({"notes": [], **told}, "notes")
        asked = told.get("guard_asked")  # an older server does not tell
        return budget_rows(self._list(told, "budgets"), missing, asked if isinstance(asked, bool) else None)

    def _listed(self, name: str) -> list[Any]:
        return self._list(self._object(self._get(f"/v1/{name}", {}), name), name)

    def _list(self, told: Mapping[str, Any], name: str) -> list[Any]:
        found = told.get(name)
        if not isinstance(found, list):
            raise self._malformed(name, "no list")
        return found

    def refresh(self) -> None:
        """Have the server ask its source now."""
        self._api.post("/v1/refresh", {})

    def is_cost_top(self) -> bool:
        """Whether a cost-top server listens there, as far as that can be told; asks for no figures."""
        try:
            value = self._api.get("/healthz").value
        except SourceRefused:
            return False
        except SourceError:
            return True
        return isinstance(value, dict) and "ready" in value

    def cancel(self) -> None:
        """Break off the question or the live view under way, from any thread."""
        self._api.cancel()

    def close(self) -> None:
        """Release the connection."""
        self._api.close()

    def _get(self, path: str, asked: Mapping[str, str]) -> Any:
        try:
            return self._api.get(path, asked).value
        except SourceRefused as error:
            raise CannotAnswer(str(error)) from None

    def _request_rows(self, value: Mapping[str, Any]) -> tuple[RequestRow, ...]:
        try:
            return tuple(request_row(row) for row in decode_list(value.get("data")))
        except ValueError as error:
            raise self._malformed("list of requests", error) from None

    def _cursor(self, value: Mapping[str, Any]) -> str:
        cursor = value.get("next_cursor")
        if cursor is not None and not isinstance(cursor, str):
            raise self._malformed("list of requests", "next_cursor is no text")
        return cursor or ""

    def _parsed(self, data: str) -> Any:
        try:
            return parse_json(data.encode())
        except ValueError as error:
            raise SourceError(f"{self.place}: {error}") from None

    def _object(self, value: Any, name: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise self._malformed(name, "not an object")
        return value

    def _malformed(self, name: str, why: object) -> SourceError:
        return SourceError(f"{self.place}: malformed {name}: {why}")

    def _told(self, value: Any) -> SourceError:
        """The error with which a server ends a live view."""
        error = value.get("error", value) if isinstance(value, dict) else {}
        said, kind = (error.get("message"), error.get("type")) if isinstance(error, dict) else (None, None)
        text = self._redact(said) if isinstance(said, str) and said.strip() else "the server ended the live view"
        known = _ERRORS.get(kind, SourceError) if isinstance(kind, str) else SourceError
        return known(f"{self.place}: {text}")
