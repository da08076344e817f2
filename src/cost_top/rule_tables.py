"""The tables of the config file about budgets, receivers, incidents and the guard, as `model.declared` has them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import urlsplit

from cost_top.model.budgets import NAME, Budget, BudgetPeriod, parse_period
from cost_top.model.declared import SETTINGS, Rule, Wrong, keys_among, within
from cost_top.model.errors import UserError, one_line
from cost_top.model.features import WATCHABLE
from cost_top.model.filter import Filter, parse_filter
from cost_top.model.money import pico
from cost_top.model.query import DIMENSIONS, TIME_DIMENSIONS

KINDS_OF_EVENTS = (
    "incident.opened", "incident.grown", "incident.closed", "budget.threshold", "budget.forecast", "budget.burning",
    "budget.exhausted", "source.stale", "source.recovered", "receiver.test", "digest.daily", "digest.weekly",
)  # fmt: skip
KINDS_OF_INCIDENTS = ("spike", "price", "loop", "double", "silence", "errors")
_EACH = (*(name for name in DIMENSIONS if name not in TIME_DIMENSIONS), "token_name")
_SPAN = re.compile(r"(\d{1,6})\s*(s|m|h|d|w)")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SHORTEST_TO_BURN = timedelta(days=7)
_TIME_OF_DAY = re.compile(r"([01]\d|2[0-3]):[0-5]\d")


def _money(value: str | int) -> int:
    try:
        amount = pico(value)
    except ValueError:
        raise Wrong(f'{one_line(value, 40)!r} is no amount; write USD in quotes, such as "0.50"') from None
    if amount * Decimal("1e-12") != Decimal(value):
        raise Wrong(f"{one_line(value, 40)!r} is finer than 0.000000000001 USD")
    if amount < 0:
        raise Wrong("must not be negative")
    return amount


def _span(value: str) -> timedelta:
    found = _SPAN.fullmatch(value.strip())
    if found is None or int(found[1]) == 0:
        raise Wrong(f'{one_line(value, 40)!r} is no length of time; write "30s", "5m", "6h" or "2d"')
    return timedelta(seconds=int(found[1]) * _SECONDS[found[2]])


def _name(value: str) -> str:
    if not NAME.fullmatch(value):
        raise Wrong("must be 1 to 64 letters, digits, dots, - or _")
    return value


def _period(value: str) -> str:
    parse_period(value)
    return value


def _each(value: str) -> str:
    if value not in _EACH:
        raise Wrong(f"{one_line(value, 40)!r} is no dimension; choose from {', '.join(_EACH)}")
    return value


def _events(value: str) -> str:
    if not any(fnmatchcase(kind, value) for kind in KINDS_OF_EVENTS):
        raise Wrong(f"{one_line(value, 40)!r} is no event; there are {', '.join(KINDS_OF_EVENTS)}")
    return value


def _url(value: str) -> str:
    try:
        parts = urlsplit(value)
        whole = bool(parts.hostname) and parts.port != 0 and not re.search(r"[\s\x00-\x1f\x7f]", value)
    except ValueError:
        whole = False
    if not whole:
        raise Wrong("is no whole URL: https://, a host, perhaps a port, and a path")
    return value


def _variables(value: str | Sequence[str]) -> Any:
    for name in (value,) if isinstance(value, str) else _some(value):
        if not _VARIABLE.fullmatch(name):
            raise Wrong("must be the name of an environment variable")
    return value


def _some(values: Any) -> Any:
    if not values:
        raise Wrong("is empty: leave it out for what holds without it")
    return values


def _time_of_day(value: str) -> str:
    if not _TIME_OF_DAY.fullmatch(value):
        raise Wrong('must be a time of day, such as "08:00"')
    return value


def _reservation(value: str) -> str:
    if value not in ("p90", "none"):
        _money(value)
    return value


Named = Annotated[str, Rule("a name of 1 to 64 letters, digits, dots, - or _ in quotes", _name)]
if TYPE_CHECKING:
    Money = int
    Span = timedelta
    Where = Filter
else:  # what a file spells, and what is read of it
    Money = Annotated[str | int, Rule('USD in quotes, such as "0.50", or an integer: a float is not exact', _money)]
    Span = Annotated[str, Rule('a length of time in quotes: "30s", "5m", "6h" or "2d"', _span)]
    Where = Annotated[str, Rule('a filter in quotes, such as "tag:prod"', parse_filter)]
PerCent = Annotated[int, within(1, 10_000)]
Instant = Annotated[datetime, Rule("a date and time with its offset, such as 2026-12-01T00:00:00+01:00")]


@dataclass(frozen=True, slots=True)
class BudgetTable:
    """`[[budgets]]`."""

    __pydantic_config__ = SETTINGS
    name: Named
    limit: Money
    period: Annotated[str, Rule('a period in quotes, such as "month"', _period)]
    day_of_month: Annotated[int, within(1, 28)] = 1
    tz: str | None = None
    where: Where = field(default_factory=Filter)
    each: Annotated[str, Rule("a dimension in quotes", _each)] | None = None
    at: tuple[PerCent, ...] = (80, 100)
    forecast_at: tuple[PerCent, ...] = ()
    burn: bool = False
    mode: Literal["soft", "hard"] = "soft"
    cost: Literal["total", "market"] = "total"
    when_unknown: Literal["allow", "refuse"] = "allow"
    unpriced: Literal["ignore", "refuse"] = "ignore"
    notify: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        try:
            period = self.budget_period()
        except UserError as error:
            raise Wrong(str(error), "period") from None
        if period.kind == "rolling" and self.forecast_at:
            raise Wrong("a rolling period has no end to forecast; leave it out", "forecast_at")
        if self.burn and (period.kind == "hour" or (period.kind == "rolling" and period.span < _SHORTEST_TO_BURN)):
            raise Wrong("goes with a day, a week, a month, or a rolling period of 7 days or more", "burn")

    def budget_period(self) -> BudgetPeriod:
        """The period, with its day of the month."""
        return parse_period(self.period, self.day_of_month)

    def budget(self, zone: tzinfo) -> Budget:
        """The budget, its periods cut in `zone`."""
        return Budget(
            self.name, self.limit, self.budget_period(), zone, self.where, self.each, tuple(sorted(set(self.at))),
            tuple(sorted(set(self.forecast_at))), self.burn, self.mode, self.cost, self.when_unknown, self.unpriced,
            self.notify,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class ReceiverTable:
    """`[[receivers]]`: where events go."""

    __pydantic_config__ = SETTINGS
    name: Named
    kind: Literal["webhook", "command", "stderr"] = "webhook"
    format: Literal["standard", "cloudevents", "slack", "discord", "teams"] = "standard"
    url: Annotated[str, Rule("a URL in quotes", _url)] | None = field(default=None, repr=False)
    url_file: str | None = None
    url_variable: Annotated[str, Rule("the name of an environment variable in quotes", _variables)] | None = None
    secret_file: Annotated[str | tuple[str, ...], Rule("a path, or a list of paths, in quotes", _some)] = ()
    secret_variable: Annotated[
        str | tuple[str, ...], Rule("the name of an environment variable, or a list of them", _variables)
    ] = ()
    argv: tuple[str, ...] = ()
    events: Annotated[
        tuple[Annotated[str, Rule("a kind of event in quotes", _events)], ...], Rule("a list of kinds of events", _some)
    ] = ("*",)
    resolved: bool = True
    allow_private: bool = False
    insecure: bool = False
    repeat: Span | None = None
    max_event_age: Span = timedelta(hours=6)

    def __post_init__(self) -> None:
        addresses = [one for one in (self.url, self.url_file, self.url_variable) if one is not None]
        if self.kind == "webhook" and len(addresses) != 1:
            raise Wrong("a webhook needs one of url, url_file, url_variable")
        if self.url is not None and not self.insecure and not self.url.startswith("https://"):
            raise Wrong("must begin with https://; insecure = true also takes http to this machine", "url")
        if self.kind != "webhook" and addresses:
            raise Wrong(f"a {self.kind} receiver takes no URL")
        if (self.kind == "command") != bool(self.argv):
            raise Wrong('argv goes with kind = "command": a list of the program and its arguments')

    def wants(self, kind: str) -> bool:
        """Whether an event of this kind goes there; a test always does."""
        if kind in ("incident.closed", "source.recovered") and not self.resolved:
            return False
        return kind == "receiver.test" or any(fnmatchcase(kind, pattern) for pattern in self.events)


@dataclass(frozen=True, slots=True)
class ExpectedTable:
    """`[[expected]]`: while it lasts, `factor` times the usual is usual."""

    __pydantic_config__ = SETTINGS
    name: Named
    from_: Instant
    until: Instant
    where: Where = field(default_factory=Filter)
    factor: Annotated[int, within(1, 1000)] = 2

    def __post_init__(self) -> None:
        for key, instant in (("from", self.from_), ("until", self.until)):
            if instant.tzinfo is None:
                raise Wrong("needs an offset, such as 2026-12-01T00:00:00+01:00", key)
        if self.from_ >= self.until:
            raise Wrong("must be before until", "from")
        for term in self.where.terms:
            if term.field not in WATCHABLE or term.negated or any("*" in value for value in term.values):
                raise Wrong(f"takes names such as 'endpoint:/summary', not {one_line(term, 60)}", "where")

    @property
    def slices(self) -> tuple[tuple[str, str], ...]:
        """What `where` names: dimensions and their values."""
        return tuple((term.field, value) for term in self.where.terms if term.field for value in term.values)


@dataclass(frozen=True, slots=True)
class RevenueTable:
    """`[[revenue]]`: what users under a filter pay."""

    __pydantic_config__ = SETTINGS
    where: Where
    per_user_month: Money | None = None
    per_month: Money | None = None

    def __post_init__(self) -> None:
        if self.per_user_month is None and self.per_month is None:
            raise Wrong("says nothing of what is paid: per_user_month or per_month")


@dataclass(frozen=True, slots=True)
class WatchTable:
    """`[watch]`."""

    __pydantic_config__ = SETTINGS
    sensitivity: Literal["low", "normal", "high"] = "normal"
    dimensions: Annotated[
        tuple[Literal["token", "endpoint", "model", "user", "tag", "team", "provider"], ...],
        Rule("a list of dimensions", _some),
    ] = ("token", "endpoint", "model", "user")
    min_excess: Money = 10**11
    quiet: Span = timedelta(hours=6)
    notify: tuple[str, ...] = ()
    bell: bool = False
    errors: bool = False
    off: Annotated[Mapping[str, bool], keys_among(KINDS_OF_INCIDENTS)] = field(default_factory=dict)
    digest: Annotated[str, Rule("a time of day in quotes", _time_of_day)] | None = None


@dataclass(frozen=True, slots=True)
class GuardTable:
    """`[guard]`."""

    __pydantic_config__ = SETTINGS
    max_age: Span = timedelta(seconds=30)
    reservation: Annotated[str, Rule('"p90", "none" or USD in quotes', _reservation)] = "p90"

    def fixed(self) -> int | None:
        """The amount each request reserves, in pico-dollars; None where it is what such requests cost."""
        return 0 if self.reservation == "none" else None if self.reservation == "p90" else pico(self.reservation)


@dataclass(frozen=True, slots=True)
class UnitsTable:
    """`[units]`."""

    __pydantic_config__ = SETTINGS
    near_upgrade_percent: Annotated[int, within(1, 1000)] = 80
