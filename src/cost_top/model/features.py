"""What the rules of `insight` look at: spend by five minutes and names, and traits of single requests."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple, Protocol

BUCKET_SECONDS = 300
# Every cell carries these; `dimensions` of a question may add others.
BASE_DIMENSIONS = ("token", "endpoint", "model", "user", "provider")
WATCHABLE = ("token", "endpoint", "model", "user", "provider", "team", "tag")


class Cell(NamedTuple):
    """Requests of five minutes that share all their names. Money in pico-dollars, also under the squares.

    `paid` are the requests with a cost and with tokens; `paid_cost`, `tokens` (input and output), `input` and `cached`
    (tokens; what is not known is 0) are over these. `again` are those of them whose input is as long as that of another
    before. `errors` have a status of 429 or of 500 and above.
    """

    bucket: int
    names: tuple[str | None, ...]  # in the order of `Features.dimensions`
    tags: tuple[str, ...]
    requests: int
    cost: int
    largest: int
    squares: float  # of every cost
    errors: int
    paid: int
    paid_cost: int
    tokens: int
    input: int = 0
    cached: int = 0
    again: int = 0


class LoopStep(NamedTuple):
    """A request that continues an even row of calls: one key, endpoint and user, equal input, equal gaps.

    `spent` is what the row of calls cost in the hour up to this request, `started` the time of its first (Unix s).
    """

    bucket: int
    token: str
    spent: int
    started: int


class Doubled(NamedTuple):
    """Requests of five minutes, and how many of them equal one at most two seconds before in every figure."""

    bucket: int
    requests: int
    doubled: int
    doubled_cost: int


# A place among a cell's names, and the value that stands there.
Holding = tuple[int, str | None]


class ManyCells(Protocol):
    """More cells than are held as objects; `model.cells.PackedCells` is one."""

    def __iter__(self) -> Iterator[Cell]: ...

    def between(self, start: int, end: int, holding: Holding | None = None) -> Iterable[Cell]:
        """The cells of buckets in `[start, end)`; others than those holding a value may be left out."""


@dataclass(frozen=True, slots=True)
class Features:
    """A stretch of a log for the rules. Buckets count from `origin` (Unix seconds) and hold five minutes each.

    Cells, loop steps and doubled counts are in order of their buckets; cells of one bucket may share their names.
    `first` is the bucket of the oldest request, None for an empty stretch; `token_names` are the display names of keys.
    `readings` tell of days that are over, by their beginning (Unix seconds), of which reading of the log the cells are.
    """

    origin: int
    count: int
    first: int | None
    dimensions: tuple[str, ...]
    cells: Sequence[Cell] | ManyCells
    loops: tuple[LoopStep, ...] = ()
    doubled: tuple[Doubled, ...] = ()
    token_names: Mapping[str, str] = field(default_factory=dict)
    readings: Mapping[int, str] = field(default_factory=dict)

    def between(self, start: int, end: int, holding: Holding | None = None) -> Iterable[Cell]:
        """The cells of buckets in `[start, end)`; others than those holding a value may be left out."""
        if not isinstance(self.cells, Sequence):
            return self.cells.between(start, end, holding)
        low, high = (bisect_left(self.cells, place, key=lambda cell: cell.bucket) for place in (start, end))
        return self.cells[low:high]

    def time(self, bucket: int) -> datetime:
        """The instant (UTC) at which a bucket begins."""
        return datetime.fromtimestamp(self.origin + bucket * BUCKET_SECONDS, UTC)
