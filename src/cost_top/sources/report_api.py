"""What a gateway's report API offers its reader: one kind of question, and what it can and cannot answer.

An adapter is a class with the members of `ReportApi`. It asks, converts and says what it cannot; it keeps no
answers, sleeps nowhere and retries nothing: the monitor does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, Protocol

from cost_top.model.credits import Credits
from cost_top.model.filter import Filter
from cost_top.model.query import Measures
from cost_top.sources.base import Statistics

Grain = Literal["day", "hour", "minute"]
GRAINS: Mapping[Grain, timedelta] = {
    "day": timedelta(days=1),
    "hour": timedelta(hours=1),
    "minute": timedelta(minutes=1),
}


@dataclass(frozen=True, slots=True)
class ApiQuery:
    """Spend in `[start, end)` of what matches `where`, by one dimension, cut into buckets.

    `start` and `end` are aware, in UTC and whole in the finest grain that `Capabilities` names for the dimension;
    `end` may lie in the future. `grain` None wants one bucket for the whole period.
    """

    start: datetime
    end: datetime
    dimension: str | None = None
    grain: Grain | None = None
    where: Filter = field(default_factory=Filter)


@dataclass(frozen=True, slots=True)
class Bucket:
    """One group of one stretch of time. `start` is None without a grain; `key` is () without a dimension.

    The key of a token is `(id, name)`, of another dimension `(value,)`; a part is None where it is not attributed.
    Texts are clean (`model.text.clean`). Measures that the API does not tell are None, never 0.
    """

    start: datetime | None
    key: tuple[str | None, ...]
    measures: Measures


@dataclass(frozen=True, slots=True)
class Answer:
    """Buckets in no order; each (start, key) once. `notes` are what a reader should know, one clean line each."""

    buckets: tuple[Bucket, ...]
    as_of: datetime
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an API can answer, how fresh, and at what price."""

    totals: Grain  # the finest grain of the total
    dimensions: Mapping[str, Grain]  # what it can group by, and the finest grain of the period of such a question
    joint: bool  # whether a dimension and a grain may be asked in one question
    filters: frozenset[str]  # fields of filter terms it can apply; the details are `ReportApi.refuses`'
    measures: frozenset[str]  # those it tells
    lag: timedelta  # how far its figures are behind
    interval: float  # seconds between rounds of questions unless the user says otherwise; 0: by the budget
    shortest_interval: float  # what the user may go down to in the app
    settles: timedelta  # how long after its end a day's figures may still change
    reach: timedelta | None = None  # how far back it answers
    price: int = 0  # pico-dollars for one question
    running: bool = False  # tells nothing but the totals of the running UTC day, week (from Monday) and month
    # Why a panel stays empty, in a few words: keys are dimensions, and "chart", "burn", "saved", "requests".
    limits: Mapping[str, str] = field(default_factory=dict)


class ReportApi(Protocol):
    """One API with one key. Used by one thread; `cancel` is for any.

    Asking raises `SourceThrottled`, `SourceDenied` (401, 403), `SourceRefused` (400, 404, 422) or another
    `SourceError` (5xx, timeouts, no connection), each one clean line without the key.
    """

    statistics: Statistics

    @property
    def label(self) -> str:
        """For the header: `vercel`, `openai`; no secrets."""

    @property
    def identity(self) -> str:
        """Stable hash of where the API is and of the key: the name under which answers are kept. Not the key."""

    @property
    def capabilities(self) -> Capabilities:
        """What it can answer; after `open` as far as the key allows."""

    def open(self) -> None:
        """Find out what the key may ask. Asks nothing that is billed."""

    def refuses(self, question: ApiQuery) -> str | None:
        """Why the API cannot answer a question, in one line for people; None when it can. Asks nothing."""

    def ask(self, question: ApiQuery) -> Answer:
        """The answer to a question that is not refused. Follows pages to the end or says in a note that it did not."""

    def credits(self) -> Credits | None:
        """The balance, asked for free; None where the API knows none."""

    def drift(self) -> tuple[str, ...]:
        """What the API answered otherwise than documented (unknown or missing fields), for `cost-top doctor`."""

    def cancel(self) -> None:
        """Break off the request under way, from any thread."""

    def close(self) -> None:
        """Release the connection."""
