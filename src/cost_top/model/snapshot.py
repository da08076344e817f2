"""What the screen shows: frozen values the monitor publishes. Money in pico-dollars, instants aware and in UTC."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from cost_top.model.credits import Credits
from cost_top.model.month_days import Days
from cost_top.model.query import Measures, Report
from cost_top.model.view import View
from cost_top.model.watched import IncidentRow
from cost_top.model.windows import Period

# A log whose newest row is older than this may be written to no more.
QUIET = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Spend:
    """Total of the window and what it is compared with. None where the history does not reach."""

    measures: Measures
    previous_cost: int | None = None  # of the equal period before
    today: int | None = 0
    month: int | None = 0
    since_mark: Measures | None = None
    below_market: int | None = 0  # list price less what was paid, over requests paid by us (BYOK is not a saving)
    byok_market_cost: int | None = 0  # list price of requests on customers' own keys; not in total_cost
    today_unpriced: int = 0  # requests without a price: today's figure is a lower bound then, the month's likewise
    month_unpriced: int = 0


@dataclass(frozen=True, slots=True)
class BurnRate:
    """What is usual of the last so many minutes, by the expectation of the alarms, and what was spent where known."""

    minutes: int
    spent: int | None
    usual: int


@dataclass(frozen=True, slots=True)
class Burn:
    """The last hour before the window's end. `minutes` are 60 costs, oldest first.

    A source that tells nothing finer than hours has no minutes, but `hours`: the costs of the last 24 hours of the
    clock, the last one under way; `cost_per_hour` is then the last whole one's.
    """

    minutes: tuple[int, ...] = ()
    cost_per_hour: int | None = 0  # of the last 60 minutes
    usual_per_hour: int | None = None
    requests_per_minute: float | None = 0.0  # over the last 5 minutes
    error_count: int | None = 0
    request_count: int | None = 0
    latency_p95: int | None = None  # ms
    hours: tuple[int, ...] = ()
    until: datetime | None = None  # where the figures end, if before the window
    rates: tuple[BurnRate, ...] = ()  # of 5 minutes, an hour and a day, of a view of everything
    expected: str = ""  # what raises the usual now, by its name in the config
    expected_until: datetime | None = None
    unpriced: int = 0  # requests without a price: `cost_per_hour` is a lower bound then


@dataclass(frozen=True, slots=True)
class TimeBar:
    """One bar of the spend chart, `[start, end)`; `partial` where the window or now cuts it."""

    start: datetime
    end: datetime
    label: str
    cost: int
    request_count: int | None
    saved_by_cache: int | None
    unpriced_count: int = 0
    partial: bool = False
    value: int | None = None  # of the view's measure, where that is not cost


@dataclass(frozen=True, slots=True)
class Lens:
    """One panel's table: a report by one dimension over a period, with each row's trend and mark."""

    dimension: str
    period: Period = field(compare=False)
    report: Report
    trends: tuple[tuple[int, ...], ...] = ()  # of providers: the view's measure per bar of the chart, row by row
    previous: tuple[int | None, ...] = ()  # cost in the equal period before, row by row
    since_mark: tuple[int, ...] = ()  # cost since the mark, row by row; empty without a mark
    remark: str = ""  # what its figures are, where that is not what the window's total is


@dataclass(frozen=True, slots=True)
class Trust:
    """How far the figures of the window can be trusted. Shares of money are of `total_cost`."""

    reported_cost: int = 0
    priced_cost: int = 0  # priced by us from the rates
    unpriced_count: int = 0
    unpriced_models: int = 0
    zero_cost_count: int = 0  # tokens, no cost, no reason
    no_usage_count: int = 0
    unrated_count: int = 0  # of the unpriced: a mode, a region, a kind of usage or a name's tail without a rate
    doubtful_count: int = 0  # a reported cost beyond belief, a timeout at zero, a list price without a part
    refund_count: int = 0
    refunded_cost: int = 0
    late_count: int = 0  # rows that came after newer ones, since the start
    repeated_count: int = 0  # rows seen again with other figures, since the start
    drift: int = 0  # by how much the gateway's own sums of whole days exceed the log's, in pico-dollars
    drift_days: int = 0  # days on which they differ
    untimed_count: int = 0  # rows of the whole log without a usable time: in no period; see `model.notes`
    with_user: int = 0  # cost that carries a user
    with_tag: int = 0
    with_token: int = 0
    rows_unique: bool = True  # False where nothing tells a request from its copy
    indexed: bool = True  # False where every look reads the whole log, so that it is looked at less often
    cached_share_known: bool = True  # False while the costly columns of history are still being read


@dataclass(frozen=True, slots=True)
class Live:
    """The source answered; `polled_at` is when."""

    polled_at: datetime = field(compare=False)


@dataclass(frozen=True, slots=True)
class Stale:
    """The source does not answer: since when, why, and when it is tried next. The last figures stay."""

    since: datetime
    error: str
    retry_at: datetime
    denied: bool = False  # no permission: retrying alone will not help
    remedy: str = "mend the key"  # what helps then


@dataclass(frozen=True, slots=True)
class Filling:
    """What is still being read or asked: `done` of `total` days or answers. `oldest` is how far back days reach."""

    done: int
    total: int
    oldest: datetime | None
    details_done: int = 0  # days whose costly columns are read as well
    details_total: int = 0
    error: str = ""  # why the last piece of history could not be read; it is tried again
    unit: str = "days"


@dataclass(frozen=True, slots=True)
class Asking:
    """What it costs to ask a source that answers one question at a time. Money in pico-dollars."""

    interval: float  # seconds between rounds of questions
    questions: int = 0  # asked since the start
    cost: int = 0  # of the billed ones among them
    cost_per_month: int = 0  # at this interval; 0 where asking is free


@dataclass(frozen=True, slots=True)
class Balance:
    """Money paid in advance, how long it lasts, and what the source's own meter says."""

    credits: Credits | None = None
    runway: timedelta | None = None  # at the burn of the last days
    metered: int | None = None  # spent while this screen was open
    metered_span: timedelta = timedelta(0)  # the stretch of time, up to an hour, that `metered` is of
    runway_now: timedelta | None = None  # at that of the last hour, or of today where no hour is told


@dataclass(frozen=True, slots=True)
class Load:
    """What watching costs the source and the terminal since the start."""

    queries: int = 0
    database_ms: float = 0.0
    bytes_read: int = 0
    rows_read: int = 0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One consistent answer for one view. Equal figures compare equal, so an idle source repaints nothing."""

    view: View
    source: str
    period: Period = field(compare=False)
    spend: Spend
    burn: Burn
    chart: tuple[TimeBar, ...] = ()
    chart_remark: str = ""  # what its figures are, where they are not the log's own: "rollup"
    lenses: tuple[Lens, ...] = ()
    trust: Trust = field(default_factory=Trust)
    state: Live | Stale | None = None  # None before the first answer
    filling: Filling | None = None  # None when history is complete
    newest: datetime | None = None  # time of the newest row
    lateness: timedelta | None = None  # how late rows arrive: 95th percentile of (first seen - time)
    has_figures: bool = True  # the window's total is known, at least in part
    log_rows: int | None = 0  # rows held of the log, whatever the filter; None where there is none
    rates_date: date | None = None
    limits: tuple[tuple[str, str], ...] = ()  # a part of the screen, and why its source leaves it empty; see `limit`
    notes: tuple[str, ...] = ()  # what the source says of its figures, one line each
    lag: timedelta = timedelta(0)  # how far the source's figures are behind, by its nature
    asked_at: datetime | None = None  # when the total was told, of a source that is asked
    asking: Asking | None = None  # where each view is a question of its own to the source
    balance: Balance | None = None
    load: Load = field(default_factory=Load, compare=False)
    incomplete: tuple[str, ...] = ()  # figures that still change: "total", "today", "before", "panel:user" and the like
    days: Days | None = None  # of a live view of everything, where the source tells them
    incidents: tuple[IncidentRow, ...] = ()  # open ones, while more is spent than usual and a face has asked for them

    def is_settled(self, *figures: str) -> bool:
        """Whether figures are as whole as they will be: "total", "month", "panel:user" …; see `overview.needs`."""
        return not any(figure in self.incomplete for figure in figures)

    def limit(self, part: str) -> str | None:
        """Why the source leaves a part of the screen empty.

        Parts are dimensions, "chart", "burn", "usual", "saved", "trust", "window", "mark" and "requests".
        """
        return dict(self.limits).get(part)

    def lens(self, dimension: str) -> Lens | None:
        """The panel of that dimension, if it was asked for."""
        return next((lens for lens in self.lenses if lens.dimension == dimension), None)
