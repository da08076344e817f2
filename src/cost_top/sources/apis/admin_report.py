"""What the admin APIs of model providers have in common: a bill by UTC day, and usage in tokens by the minute.

A question that the bill can answer (whole days, dimensions it knows) takes its dollars from it and its tokens from
usage; any other is answered with usage at our rates, and says so.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, ClassVar

from cost_top.model.credits import Credits
from cost_top.model.errors import SourceDenied, SourceError
from cost_top.model.windows import ceiling, floor, utc_now
from cost_top.pricing.book import RateBook
from cost_top.sources.apis.admin_names import Names
from cost_top.sources.apis.admin_question import (
    DAY,
    DIMENSION_OF,
    Endpoint,
    dimensions_of,
    holds,
    narrow,
    stretches,
)
from cost_top.sources.apis.admin_tally import Key, Tally
from cost_top.sources.apis.admin_wire import Wire, mappings
from cost_top.sources.apis.shapes import text
from cost_top.sources.apis.usage_priced import Usage
from cost_top.sources.http.client import ApiClient, Parameters
from cost_top.sources.report_api import GRAINS, Answer, ApiQuery, Capabilities, Grain

MOST_PAGES = 50
# A period that ends this shortly before now is meant to end now.
_NOW = timedelta(minutes=2)
WIDTHS: Mapping[Grain, str] = {"day": "1d", "hour": "1h", "minute": "1m"}


class AdminReport:
    """`ReportApi` over a bill and a usage report; what differs between providers is told by the members below."""

    name: ClassVar[str]  # the provider, as the rates spell it
    title: ClassVar[str]
    key_help: ClassVar[str]  # which key it takes, for people
    bill: ClassVar[Endpoint]
    usage: ClassVar[Endpoint]
    offered: ClassVar[Capabilities]
    off_bill: ClassVar[frozenset[str]] = frozenset()
    absent: ClassVar[Mapping[str, str]] = {}  # what rows without a value are, by dimension

    def __init__(
        self, base_url: str, key: str, load_book: Callable[[], RateBook], clock: Callable[[], datetime] = utc_now
    ) -> None:
        """`UserError` for a URL that keys must not be sent to."""
        self._client = ApiClient(base_url, name=self.name, headers=self._headers(key), secrets=(key,))
        self.statistics = self._client.statistics
        self._identity = hashlib.sha256(f"{self.name}|{base_url}|{key}".encode("utf-8", "surrogateescape")).hexdigest()
        self._load_book = load_book
        self._clock = clock
        self._names = {dimension: Names(read) for dimension, read in self._name_lists().items()}
        self.wire = Wire(self.name)
        self._stopped = threading.Event()

    def _headers(self, key: str) -> Mapping[str, str]:
        raise NotImplementedError

    def _name_lists(self) -> Mapping[str, Callable[[], Mapping[str, str]]]:
        """How names by id are read, by dimension."""
        return {}

    def _bounds(self, start: datetime, end: datetime) -> list[tuple[str, str]]:
        """A half-open period as parameters."""
        raise NotImplementedError

    def _start_of(self, bucket: Mapping[str, Any]) -> datetime:
        """When a bucket begins; `ValueError` when it does not say."""
        raise NotImplementedError

    def _amount(self, row: Any) -> int | None:
        """Pico-dollars of a line of the bill; None for another currency or no amount."""
        raise NotImplementedError

    def _usage(self, row: Any, start: datetime) -> Usage:
        raise NotImplementedError

    def _bill_extra(self, question: ApiQuery) -> tuple[str, ...]:  # noqa: ARG002
        """What a bill is grouped by beyond the question."""
        return ()

    def _bill_row(self, row: Any, amount: int | None, tally: Tally) -> None:
        """See each line of a bill on its way."""

    def _remark(self, tally: Tally) -> None:
        """Add notes of one's own."""

    @property
    def label(self) -> str:
        """See `ReportApi`."""
        return self.name

    @property
    def identity(self) -> str:
        """See `ReportApi`; with the rates, for answers in dollars by them are others with other rates."""
        return hashlib.sha256(f"{self._identity} {self._load_book().version}".encode()).hexdigest()[:24]

    @property
    def capabilities(self) -> Capabilities:
        """See `ReportApi`."""
        return self.offered

    def open(self) -> None:
        """Ask for today's bill, one bucket: proof that the key may ask. `SourceDenied` says which key it takes."""
        self._stopped.clear()
        today = floor(self._clock(), DAY)
        self._get(self.bill.path, [*self._bounds(today, today + DAY), ("bucket_width", "1d"), ("limit", "1")])

    def credits(self) -> Credits | None:
        """None: neither API tells a balance."""
        return None

    def drift(self) -> tuple[str, ...]:
        """See `ReportApi`."""
        return self.wire.drift()

    def cancel(self) -> None:
        """See `ReportApi`."""
        self._stopped.set()
        self._client.cancel()

    def close(self) -> None:
        """See `ReportApi`."""
        self._client.close()

    def refuses(self, question: ApiQuery) -> str | None:
        """See `ReportApi`."""
        offered = self.offered
        if question.dimension is not None and question.dimension not in offered.dimensions:
            return offered.limits.get(question.dimension, f"{self.title} does not report by {question.dimension}")
        fields = ", ".join(sorted(offered.filters))
        for term in question.where.terms:
            if term.field is None:
                return f"{self.title} has no search for a word; write FIELD:VALUE with one of {fields}"
            if term.field not in offered.filters:
                return f"{self.title} cannot filter by {term.field}; it can by {fields}"
        return None

    def ask(self, question: ApiQuery) -> Answer:
        """See `ReportApi`."""
        self._stopped.clear()
        now = self._clock()
        start, end, on_bill = self._plan(question, now)
        elsewhere = any(term.field == "provider" and not holds(term, (self.name,)) for term in question.where.terms)
        if start >= end or elsewhere:
            return Answer((), now)
        wanted = dimensions_of(question.dimension, question.where)
        for dimension in wanted & self._names.keys():
            self._names[dimension].refresh(now)
        tally = Tally(self.title, self.name, self._load_book(), on_bill, self.off_bill)
        if on_bill:
            for bucket, values, row in self._rows(self.bill, "day", start, end, question, tally):
                amount = self._amount(row)
                self._bill_row(row, amount, tally)
                tally.add_bill(bucket, _cut(bucket, question.grain), self._key(question.dimension, values), amount)
        for grain, first, last in stretches(start, end, question.grain or "day"):
            for bucket, values, row in self._rows(self.usage, grain, first, last, question, tally):
                key = self._key(question.dimension, values)
                tally.add_usage(floor(bucket, DAY), _cut(bucket, question.grain), key, self._usage(row, bucket))
        self._remark(tally)
        buckets = tally.buckets()
        notes = list(tally.notes())
        meaning = self.absent.get(question.dimension or "")
        if meaning and any(bucket.key[0] is None for bucket in buckets):
            notes.append(meaning)
        return Answer(buckets, now, tuple(notes))

    def _plan(self, question: ApiQuery, now: datetime) -> tuple[datetime, datetime, bool]:
        """The period in whole minutes as far as it holds anything yet, and whether the bill can answer for it."""
        start, end = floor(question.start, GRAINS["minute"]), ceiling(question.end, GRAINS["minute"])
        if end + _NOW >= now:
            # Nothing is known after now: the bucket that is under way may be asked for whole.
            end = ceiling(min(end, now), GRAINS[question.grain or "day"])
        known = self.bill.knows(dimensions_of(question.dimension, question.where))
        whole = question.grain in (None, "day") and all(floor(moment, DAY) == moment for moment in (start, end))
        return start, end, known and whole

    def _rows(
        self, endpoint: Endpoint, grain: Grain, start: datetime, end: datetime, question: ApiQuery, tally: Tally
    ) -> Iterator[tuple[datetime, Mapping[str, str | None], Any]]:
        """The rows of a report that the question's filter selects, with their bucket and what they are grouped by."""
        ids = {(field, name): found for field, names in self._names.items() for name, found in names.ids().items()}
        narrowed = narrow(question.where, endpoint, ids)
        wanted = endpoint.groups.get(question.dimension or "")
        extra = self._bill_extra(question) if endpoint is self.bill else ()
        groups = dict.fromkeys((*((wanted,) if wanted else ()), *narrowed.groups, *endpoint.always, *extra))
        asked = [
            *self._bounds(start, end),
            ("bucket_width", WIDTHS[grain]),
            ("limit", str(min((end - start) // GRAINS[grain], endpoint.buckets[grain]))),
            *narrowed.parameters,
            *(("group_by[]", group) for group in groups),
        ]
        for bucket in self._pages(endpoint.path, asked, tally):
            begins = self._begins(endpoint, bucket, start, end)
            if begins is None:
                continue
            for result in mappings(bucket.get("results")):
                self.statistics.rows_read += 1
                row = self.wire.read(endpoint.path, endpoint.shape, result)
                values = {dimension: getattr(row, field) for dimension, field in endpoint.fields.items()}
                if all(holds(term, self._called(term.field or "", values)) for term in narrowed.tests):
                    yield begins, values, row

    def _pages(self, path: str, asked: list[tuple[str, str]], tally: Tally) -> Iterator[Mapping[str, Any]]:
        page: str | None = None
        seen: set[str] = set()
        for _ in range(MOST_PAGES):
            answer = self._get(path, asked if page is None else [*asked, ("page", page)])
            if not isinstance(answer.get("data"), list):
                raise SourceError(f"{self.name}: {path} answered something that is no report")
            yield from mappings(answer["data"])
            if not answer.get("has_more"):
                return
            page = answer.get("next_page")
            if not isinstance(page, str) or page in seen:
                break
            seen.add(page)
        tally.remarks[f"{self.title} has more pages than were read: these figures are incomplete"] = None

    def _begins(self, endpoint: Endpoint, bucket: Mapping[str, Any], start: datetime, end: datetime) -> datetime | None:
        try:
            begins = self._start_of(bucket)
        except (ValueError, OverflowError, OSError):
            self.wire.differs(endpoint.path, "a bucket without a usable start")
            return None
        if not start <= begins < end:
            self.wire.differs(endpoint.path, "a bucket outside the period that was asked for")
            return None
        return begins

    def _called(self, field: str, values: Mapping[str, str | None]) -> tuple[str | None, ...]:
        """What a row's value goes by: its id and its name, a key's name alone where that is asked for."""
        dimension = DIMENSION_OF.get(field, field)
        found = values[dimension]
        name = self._names[dimension].name(found) if dimension in self._names else None
        return (name,) if field == "token_name" else (found,) if field == "token" else (found, name)

    def _key(self, dimension: str | None, values: Mapping[str, str | None]) -> Key:
        if dimension is None:
            return ()
        if dimension == "provider":
            return (self.name,)
        found = values[dimension]
        name = self._names[dimension].name(found) if dimension in self._names else None
        return (found, name) if dimension == "token" else (name or found,)

    def _get(self, path: str, parameters: Parameters) -> Mapping[str, Any]:
        if self._stopped.is_set():
            raise SourceError(f"{self.name}: asking was broken off")
        try:
            value = self._client.get(path, parameters).value
        except SourceDenied as error:
            raise SourceDenied(f"{error}; {self.key_help}", final=True) from None
        if not isinstance(value, dict):
            raise SourceError(f"{self.name}: {path} answered something that is no report")
        return value

    def _listed(self, path: str, parameters: list[tuple[str, str]], cursor: str, field: str) -> dict[str, str]:
        """Names by id from a list whose pages follow the last id in `cursor`."""
        names: dict[str, str] = {}
        last: str | None = None
        for _ in range(MOST_PAGES):
            answer = self._get(path, parameters if last is None else [*parameters, (cursor, last)])
            for item in mappings(answer.get("data")):
                found, name = text(item.get("id")), text(item.get(field)) or text(item.get("name"))
                if found and name:
                    names[found] = name
            following = answer.get("last_id")
            if not answer.get("has_more") or not isinstance(following, str) or following == last:
                break
            last = following
        return names


def _cut(bucket: datetime, grain: Grain | None) -> datetime | None:
    return None if grain is None else floor(bucket, GRAINS[grain])
