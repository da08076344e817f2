"""What the screen shows: frozen values the monitor publishes. Money in pico-dollars, instants aware and in UTC."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from cost_top.model.credits import Credits
from cost_top.model.query import Measures, Report
from cost_top.model.view import View
from cost_top.model.windows import Period


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


@dataclass(frozen=True, slots=True)
class Burn:
    """The last hour before the window's end. `minutes` are 60 costs, oldest first.

    A source that tells nothing finer than hours has no minutes, but `hours`: the costs of the last 24 hours of the
    clock, the last one under way; `cost_per_hour` is then the last whole one's.
    """

    minutes: tuple[int, ...] = ()
    cost_per_hour: int | None = 0  # of the last 60 minutes
    usual_per_hour: int | None = None  # median of the same weekday and hour in the weeks before
    requests_per_minute: float | None = 0.0  # over the last 5 minutes
    error_count: int | None = 0
    request_count: int | None = 0
    latency_p95: int | None = None  # ms
    hours: tuple[int, ...] = ()
    until: datetime | None = None  # where the figures end, if before the window


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


@dataclass(frozen=True, slots=True)
class Lens:
    """One panel's table: a report by one dimension over a period, with each row's trend and mark."""

    dimension: str
    period: Period = field(compare=False)
    report: Report
    trends: tuple[tuple[int, ...], ...] = ()  # for the provider lens: cost per bar of the chart, row by row
    previous: tuple[int | None, ...] = ()  # cost in the equal period before, row by row
    since_mark: tuple[int, ...] = ()  # cost since the mark, row by row; empty without a mark


@dataclass(frozen=True, slots=True)
class Trust:
    """How far the figures of the window can be trusted. Shares of money are of `total_cost`."""

    reported_cost: int = 0
    priced_cost: int = 0  # priced by us from the rates
    unpriced_count: int = 0
    unpriced_models: int = 0
    zero_cost_count: int = 0  # tokens, no cost, no reason
    no_usage_count: int = 0
    late_count: int = 0  # rows that came after newer ones, since the start
    repeated_count: int = 0  # rows seen again with other figures, since the start
    with_user: int = 0  # cost that carries a user
    with_tag: int = 0
    with_token: int = 0
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


@dataclass(frozen=True, slots=True)
class Filling:
    """History still being read. `done` and `total` are days; `oldest` is how far back the mirror reaches."""

    done: int
    total: int
    oldest: datetime | None
    details_done: int = 0  # days whose costly columns are read as well
    details_total: int = 0
    error: str = ""  # why the last piece of history could not be read; it is tried again


@dataclass(frozen=True, slots=True)
class Polling:
    """A source that is asked for sums: how fresh they are, what asking costs, and what it cannot answer.

    Money in pico-dollars. `limits` are (panel, why it stays empty); panels are dimensions, "chart", "burn", "saved",
    "requests".
    """

    lag: timedelta  # how far its figures are behind
    interval: float  # seconds between rounds of questions
    questions: int = 0  # asked since the start
    cost: int = 0  # of the billed ones among them
    cost_per_month: int = 0  # at this interval; 0 where asking is free
    credits: Credits | None = None
    runway: timedelta | None = None  # how long the balance lasts at the burn of the last days
    metered: int | None = None  # spent while this screen was open, by the source's own meter
    metered_span: timedelta = timedelta(0)  # the stretch of time, up to an hour, that `metered` is of
    limits: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()

    def limit(self, panel: str) -> str | None:
        """Why a panel stays empty."""
        return dict(self.limits).get(panel)


@dataclass(frozen=True, slots=True)
class Watching:
    """What watching costs the source and the terminal since the start."""

    queries: int = 0
    database_ms: float = 0.0
    bytes_read: int = 0
    rows_read: int = 0


@dataclass(frozen=True, slots=True)
class RequestRow:
    """One request as listed. Money in pico-dollars; None is unknown."""

    id: str
    time: datetime
    provider: str | None
    model: str | None
    endpoint: str | None
    token: str | None
    token_name: str | None
    user: str | None
    owner: str | None
    team: str | None
    tags: tuple[str, ...]
    credential_type: str | None
    input_tokens: int | None
    cached_input_tokens: int | None
    cache_creation_input_tokens: int | None
    output_tokens: int | None
    reasoning_tokens: int | None
    cost: int | None
    market_cost: int | None
    saved_by_cache: int | None
    prompt_cache_savings: int | None
    price_status: str
    cache_hit: bool | None
    latency_ms: int | None
    status: int | None
    streamed: bool | None
    client_ip: str | None
    user_agent: str | None
    matched_model: str | None = None  # rate that priced it, and how its name matched


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One consistent answer for one view. Equal figures compare equal, so an idle source repaints nothing."""

    view: View
    source: str
    period: Period = field(compare=False)
    spend: Spend
    burn: Burn
    chart: tuple[TimeBar, ...] = ()
    lenses: tuple[Lens, ...] = ()
    trust: Trust = field(default_factory=Trust)
    state: Live | Stale | None = None  # None before the first answer
    filling: Filling | None = None  # None when history is complete
    newest: datetime | None = None  # time of the newest row
    lateness: timedelta | None = None  # how late rows arrive: 95th percentile of (first seen - time)
    log_rows: int = 0  # rows in the mirror, whatever the filter
    rates_date: date | None = None
    requests: tuple[RequestRow, ...] = ()
    polling: Polling | None = None  # of a source that is asked for sums
    watching: Watching = field(default_factory=Watching, compare=False)

    def lens(self, dimension: str) -> Lens | None:
        """The panel of that dimension, if it was asked for."""
        return next((lens for lens in self.lenses if lens.dimension == dimension), None)
