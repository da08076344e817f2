"""Who has the figures: an engine answers sets of named queries at once. Pure values; no source is named here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal, Protocol

from cost_top.model.expected import Expected
from cost_top.model.features import Features
from cost_top.model.query import MEASURES, Report, ReportQuery
from cost_top.model.request_row import RequestRow

# The finest stretch of time a figure may be of; "instant": a period may begin and end anywhere.
Grain = Literal["instant", "minute", "hour", "day"]
STRETCH = "stretch"  # the column of a report that is cut at the edges of its need


@dataclass(frozen=True, slots=True)
class Knows:
    """What an engine can tell, as data. The default is what a log's rows tell."""

    totals: Grain = "instant"  # the finest grain of a total
    dimensions: Mapping[str, Grain] | None = None  # ... of each dimension it groups by; None: every one
    measures: frozenset[str] = frozenset(MEASURES)
    filters: frozenset[str] | None = None  # fields of filter terms it applies; None: every one
    utc_days: bool = False  # days are cut in UTC, whatever the zone of a query
    lag: timedelta = timedelta(0)  # how far its figures are behind
    settles: timedelta = timedelta(0)  # how long after its end a day's figures may still change
    reach: timedelta | None = None  # how far back it answers; None: as far as its source goes
    price: int = 0  # pico-dollars for one question
    requests: bool = True  # tells single requests
    trust: bool = True  # tells how each request's cost is known
    running: bool = False  # tells nothing but the running UTC day, week (from Monday) and month
    expected: tuple[Expected, ...] = ()  # when more than usual is spent and nobody is to be alarmed
    limits: Mapping[str, str] = field(default_factory=dict)  # why a part of the screen stays empty, by its name

    def groups_by(self, dimension: str) -> bool:
        """Whether a report may be grouped by a dimension."""
        return self.dimensions is None or dimension in self.dimensions


@dataclass(frozen=True, slots=True)
class Need:
    """A query under the name by which a view knows its answer.

    `edges` cut the period: the report's last column, `stretch`, is the number of the part `[edges[n], edges[n+1])`.
    `beside` names an earlier need of the set: only the keys of its rows are wanted, with their cost alone.
    `unpriced_in` names one without whose unpriced requests the answer is of no use.
    """

    name: str
    query: ReportQuery
    open_end: bool = False  # the period ends now: what is stamped later counts as well
    comparison: bool = False  # wanted after all that is not; of no use in part
    edges: tuple[datetime, ...] = ()
    beside: str = ""
    unpriced_in: str = ""
    trust: bool = False  # with `Report.trust`
    timed: bool = False  # from requests, as latencies are; the answer may be of a moment ago, as its `as_of` says


@dataclass(frozen=True, slots=True)
class Missing:
    """How much of an answer is there: `done` of `total` pieces; `unread` ones have to come from the source first."""

    done: int
    total: int
    unread: int = 0

    @property
    def is_at_hand(self) -> bool:
        """Whether the engine can go on by itself."""
        return self.total - self.done > self.unread


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back for a need: a report, whole unless something is `missing`; or why there is none.

    A report with something missing is of what is known so far.
    """

    report: Report | None = None
    missing: Missing | None = None
    reason: str | None = None  # it will not be answered

    @property
    def is_whole(self) -> bool:
        """Whether the figures will stay."""
        return self.report is not None and self.missing is None


Replies = Mapping[str, Reply]


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a list of requests, newest or dearest first; `cost` counts where the dearest come first.

    What comes after it is older, or cheaper; of equal ones the older, then those with a greater id. Where nothing in a
    log is unique several rows may be equal in all of these: `told` is how many of them come before.
    """

    time: datetime
    id: str
    cost: int | None = None
    told: int = 1


@dataclass(frozen=True, slots=True)
class RequestPage:
    """Single requests in their order. `following` is where the next page begins, None at the end."""

    rows: tuple[RequestRow, ...]
    following: Position | None = None


def page_of(
    rows: Sequence[RequestRow], limit: int, *, dearest: bool = False, after: Position | None = None
) -> RequestPage:  # fmt: skip
    """A page of `limit` from rows, newest or `dearest` first, of which there is one more where another page follows.

    `after` is where the page begins.
    """
    shown = tuple(rows[:limit])
    return RequestPage(shown, following(shown, dearest=dearest, after=after) if len(rows) > limit else None)


def following(rows: Sequence[RequestRow], *, dearest: bool = False, after: Position | None = None) -> Position:
    """The place behind the last of some rows, which themselves came after a place."""
    last, told = rows[-1], 0
    for row in reversed(rows):
        if (row.time, row.id) != (last.time, last.id) or (dearest and row.cost != last.cost):
            break
        told += 1
    place = Position(last.time, last.id, last.cost if dearest else None, told)
    if after is not None and told == len(rows) and replace(after, told=told) == place:
        return replace(place, told=told + after.told)
    return place


class Engine(Protocol):
    """Answers sets of needs. Used by one thread."""

    @property
    def knows(self) -> Knows:
        """What it can tell."""

    def answers(self, needs: Sequence[Need], until: float) -> Replies:
        """A reply for each need, by name. Works on what is missing until the monotonic clock passes `until`."""

    def requests(self, query: ReportQuery, after: Position | None = None) -> RequestPage:
        """At most `query.limit` single requests from `after` on, newest first or, with `sort` "cost", dearest first.

        `CannotAnswer` where `knows.requests` is false.
        """

    def features(self, query: ReportQuery, dimensions: Sequence[str] = ()) -> Features:
        """Five-minute sums and what the rules of `insight` look at in requests; `CannotAnswer` as for `requests`.

        `dimensions` are watched beside the usual ones. Cells are a tuple where they are few, else
        `model.cells.PackedCells` of what `model.cells.pack` makes of them as they come, in order of their buckets.
        """
