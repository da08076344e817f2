"""What single rows add to sums that are made already: the measures of `measures` for one row, exact and reversible."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from cost_top.mirror.groups import dated, later
from cost_top.mirror.measures import ADDITIVE_NAMES, TRUST
from cost_top.mirror.schema import quoted
from cost_top.model.dimensions import EVERY_DIMENSION
from cost_top.model.doubts import OF_A_KNOWN_COST

# The dimensions that sums are kept by.
SUMMED = tuple(each for each in EVERY_DIMENSION if each.summed and each.kind != "time")
COLUMNS: tuple[str, ...] = tuple(
    dict.fromkeys(
        (
            "time", "quarter", *(each.field for each in SUMMED), "token_name", "cost", "market_cost", "saved_by_cache",
            "prompt_cache_savings", "input_tokens", "output_tokens", "cached_input_tokens",
            "cache_creation_input_tokens", "reasoning_tokens", "cache_hit", "counted", "status", "price_status",
            "reported_cost", "credential_type", "doubt", "latency_ms",
            # What filters ask for as well.
            "session", "prompt", "mode", "region", "streamed",
        )
    )
)  # fmt: skip
COLUMNS_SQL = quoted(COLUMNS)


class SummedRow(namedtuple("SummedRow", COLUMNS)):  # type: ignore[misc]
    """A row of the mirror as far as sums follow it: the columns of `COLUMNS_SQL`, in their order."""

    __slots__ = ()

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...


Group = list[Any]  # second, newest, *additive measures: as the rows of a lens's table after their key


def rows_of(values: Iterable[Sequence[Any]]) -> list[SummedRow]:
    """Rows of a statement that selects `COLUMNS_SQL`."""
    return [SummedRow(*each) for each in values]


def is_unpriced(row: SummedRow) -> bool:
    """Whether a request was sent and has no price."""
    return not row.cache_hit and row.price_status == "unpriced"


def additive(row: SummedRow) -> tuple[int, ...]:
    """What a row adds to each of `ADDITIVE_NAMES`."""
    counted = row.counted is not False
    sent = not row.cache_hit
    return (
        row.cost or 0,
        (sent and row.market_cost) or 0,
        row.saved_by_cache or 0,
        row.prompt_cache_savings or 0,
        (sent and row.input_tokens) or 0,
        (sent and row.output_tokens) or 0,
        (sent and row.cached_input_tokens) or 0,
        (sent and row.cache_creation_input_tokens) or 0,
        (sent and row.reasoning_tokens) or 0,
        int(counted),
        int(counted and bool(row.cache_hit)),
        int(counted and (row.status or 0) >= 400),
        int(is_unpriced(row)),
    )


def trust(row: SummedRow) -> tuple[int, ...]:
    """What a row adds to each of `TRUST`."""
    cost, sent = row.cost or 0, not row.cache_hit
    unpriced = is_unpriced(row)
    as_told = row.price_status in ("reported", "cache_hit")
    listed = row.market_cost or 0
    byok = row.credential_type == "byok"
    below = (
        sent and not byok and row.doubt is None and row.price_status in ("reported", "priced")
        and row.cost is not None and row.market_cost is not None
    )  # fmt: skip
    return (
        cost if as_told else 0,
        0 if as_told else cost,
        int(unpriced and row.reported_cost == 0),
        int(row.price_status == "no_usage"),
        cost if row.user is not None else 0,
        cost if row.tags else 0,
        cost if row.token is not None else 0,
        listed - cost if below else 0,
        int(unpriced and row.doubt is not None and row.doubt not in ("model", "zero")),
        int(row.doubt in OF_A_KNOWN_COST),
        int(cost < 0),
        -cost if cost < 0 else 0,
        listed if sent and byok and row.cost == 0 else 0,
    )


def place(row: SummedRow) -> tuple[Any, ...]:
    """What says into which sums a row goes: rows of one place differ in their figures alone."""
    return (row.time, row.token_name, *(tuple(value) if isinstance(value, list) else value for value in (
        getattr(row, each.field) for each in SUMMED)))  # fmt: skip


def keys(row: SummedRow, lens: str) -> Iterable[tuple[str | None, Any]]:
    """The groups of a lens that a row is of: key, and what stands beside it (a quarter, a name)."""
    if lens == "tag":
        return [(tag, None) for tag in row.tags] if row.tags else [(None, None)]
    if lens == "provider":
        return [(row.provider, row.quarter)]
    value = getattr(row, lens)
    return [(value if value is None else str(value), dated(row.time, row.token_name) if lens == "token" else None)]


class Added:
    """What was added to the sums of one slice since they were made, by lens and group."""

    def __init__(self) -> None:
        self.groups: dict[str, dict[Any, Group]] = {}
        self.version = 0

    def put(self, lens: str, key: str | None, second: Any, newest: datetime, sums: Sequence[int]) -> None:
        """Put a group as a statement summed it."""
        self.groups.setdefault(lens, {})[(key, second) if lens == "provider" else key] = [second, newest, *sums]

    def add(self, row: SummedRow, lens: str, values: Sequence[int]) -> None:
        """Add to the groups of a lens."""
        groups = self.groups.setdefault(lens, {})
        for key, second in keys(row, lens):
            known = groups.get(name := (key, second) if lens == "provider" else key)
            if known is None:
                groups[name] = [second, row.time, *values]
                continue
            known[:2] = later(known[0], second), max(known[1], row.time)
            for position, value in enumerate(values, 2):
                if value:
                    known[position] += value

    def of(self, lens: str) -> Iterable[tuple[str | None, Any, datetime, tuple[int, ...]]]:
        """`(key, second, newest, sums)` of a lens's groups."""
        for name, (second, newest, *sums) in self.groups.get(lens, {}).items():
            yield name[0] if lens == "provider" else name, second, newest, tuple(sums)


assert len(ADDITIVE_NAMES) == len(TRUST) == 13
