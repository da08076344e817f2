"""Budgets: what may be spent in a period, and how much of it is. Money in pico-dollars, instants aware and in UTC."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from hashlib import sha256
from typing import Literal

from cost_top.model.dimensions import none_text
from cost_top.model.errors import UserError, one_line
from cost_top.model.filter import Filter

CALENDAR = ("hour", "day", "week", "month")
NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
# A fast burn: tenths of limit/period, over a long and a short window that must both be above it.
BURN_PAIRS = (
    (144, timedelta(hours=1), timedelta(minutes=5)),
    (60, timedelta(hours=6), timedelta(minutes=30)),
)
_ROLLING = re.compile(r"rolling\s+(\d{1,5})\s*([hdw])")
_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
_LONGEST = timedelta(days=400)


@dataclass(frozen=True, slots=True)
class BudgetPeriod:
    """A calendar period that ends in the budget's zone, or a rolling span, which has no end."""

    kind: Literal["hour", "day", "week", "month", "rolling"]
    day_of_month: int = 1
    span: timedelta = timedelta(0)  # of a rolling one

    def __str__(self) -> str:
        if self.kind != "rolling":
            return self.kind if self.day_of_month == 1 else f"month from day {self.day_of_month}"
        hours = self.span // timedelta(hours=1)
        return f"rolling {hours // 24}d" if hours % 24 == 0 else f"rolling {hours}h"


def parse_period(text: str, day_of_month: int = 1) -> BudgetPeriod:
    """`hour`, `day`, `week`, `month` or `rolling 30d`; `UserError` for anything else.

    >>> str(parse_period("rolling 48h")), str(parse_period("month", 15))
    ('rolling 2d', 'month from day 15')
    """
    word = text.strip()
    if day_of_month != 1 and word != "month":
        raise UserError('day_of_month goes with period = "month"')
    rolling = _ROLLING.fullmatch(word)
    if rolling:
        span = int(rolling[1]) * _UNITS[rolling[2]]
        if timedelta(0) < span <= _LONGEST:
            return BudgetPeriod("rolling", span=span)
    for kind in CALENDAR:
        if word == kind:
            return BudgetPeriod(kind, day_of_month)  # type: ignore[arg-type]
    raise UserError(f'{one_line(word, 40)!r} is no period; write hour, day, week, month or "rolling 30d" (1h to 400d)')


@dataclass(frozen=True, slots=True)
class Budget:
    """What may be spent. `each` names a dimension: one budget of this size for each of its values.

    `at` and `forecast_at` are whole per cents of the limit. `market` counts list prices, requests on customers' own
    keys included; `total` what the gateway's owner pays.
    """

    name: str
    limit: int
    period: BudgetPeriod
    zone: tzinfo = UTC
    where: Filter = field(default_factory=Filter)
    each: str | None = None
    at: tuple[int, ...] = (80, 100)
    forecast_at: tuple[int, ...] = ()
    burn: bool = False
    mode: Literal["soft", "hard"] = "soft"
    cost: Literal["total", "market"] = "total"
    when_unknown: Literal["allow", "refuse"] = "allow"
    unpriced: Literal["ignore", "refuse"] = "ignore"
    notify: tuple[str, ...] = ()

    @property
    def is_hard(self) -> bool:
        """Whether the guard refuses what is over it."""
        return self.mode == "hard"

    @property
    def id(self) -> str:
        """The name and a hash of what makes it another budget: filter, dimension, period, zone and kind of cost."""
        told = "\n".join((str(self.where), self.each or "", str(self.period), str(self.zone), self.cost))
        return f"{self.name}-{sha256(told.encode('utf-8', 'replace')).hexdigest()[:8]}"


@dataclass(frozen=True, slots=True)
class Standing:
    """How one budget (one value of its `each`) stands. `spent` None: the source cannot tell, `error` says why.

    `spent` is a lower bound while `unpriced_count` is not 0. `forecast` is what the period will cost at the usual
    pace, `used_up_at` when that pace, and `used_up_now_at` when the pace of the last hour, use the budget up; None
    where it is not known or does not happen before the period ends.
    """

    budget: Budget
    start: datetime
    resets_at: datetime | None  # None: rolling
    as_of: datetime = field(compare=False)
    spent: int | None
    unpriced_count: int = 0
    request_count: int | None = None
    value: str | None = None  # of `each`; None there: requests without one
    value_name: str | None = None
    forecast: int | None = None
    used_up_at: datetime | None = None
    used_up_now_at: datetime | None = None
    falls_out: tuple[int, datetime] | None = None  # of a rolling one: what leaves its window, and by when
    burning: str = ""  # why it burns too fast, for people; "" when it does not
    error: str = ""

    @property
    def left(self) -> int | None:
        """What is left; negative when more was spent."""
        return None if self.spent is None else self.budget.limit - self.spent

    @property
    def key(self) -> tuple[str, str | None]:
        """The budget's id and the value."""
        return (self.budget.id, self.value)

    @property
    def title(self) -> str:
        """The budget's name, and the value where there is one for each."""
        if self.budget.each is None:
            return self.budget.name
        shown = self.value_name or self.value
        return f"{self.budget.name} · {shown if shown is not None else none_text(self.budget.each)}"

    def reaches(self, per_cent: int) -> bool:
        """Whether at least so many per cent of the limit are spent; exact.

        A limit of 0 is reached by anything that costs.
        """
        return self.spent is not None and self.spent > 0 and self.spent * 100 >= self.budget.limit * per_cent


@dataclass(frozen=True, slots=True)
class KeptBudget:
    """A budget that the gateway itself keeps and enforces; it is only shown. Money in pico-dollars.

    `of` is the dimension it limits, `organization` or `team member`; a member's is `within` a team. `period` is in the
    gateway's own words, `spent` what the gateway counted.
    """

    of: str
    value: str
    name: str | None
    limit: int
    spent: int | None
    period: str | None = None
    resets_at: datetime | None = None
    within: str | None = None
    within_name: str | None = None
    raised: int = 0  # of the limit so much is there only until `raised_until`
    raised_until: datetime | None = None
    is_soft: bool = False  # the gateway tells of what is over it, and refuses nothing

    @property
    def title(self) -> str:
        """Whose it is: `team member ann of Search`."""
        team = self.within_name or self.within
        return f"{self.of} {self.name or self.value}" + (f" of {team}" if team else "")


@dataclass(frozen=True, slots=True)
class KeptBudgets:
    """Those that could be read; `missing` says of the others, in a line each, why they could not."""

    found: tuple[KeptBudget, ...] = ()
    missing: tuple[str, ...] = ()
