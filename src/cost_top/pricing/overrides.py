"""The user's own say about prices: `[alias]`, `[[price]]`, `[[paid]]` and `[[free]]` in a TOML file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, cast

from cost_top.model.declared import SETTINGS, Rule, Wrong, not_blank, within
from cost_top.model.errors import UserError, one_line
from cost_top.model.toml_file import TomlFile, read_toml

PRICES = {
    "input": "in",
    "cached": "cr",
    "cache_creation": "cw",
    "cache_creation_1h": "cw1h",
    "output": "out",
    "reasoning": "reasoning",
    "request": "request",
}
_FACTOR_PLACES = 9


@dataclass(frozen=True, slots=True)
class Selector:
    """Which provider and models an entry is about; patterns as in a shell, lower case."""

    provider: str
    models: tuple[str, ...] = ("*",)

    def chooses(self, providers: tuple[str, ...], models: tuple[str, ...]) -> bool:
        """Whether one of the spellings of the provider and one of the model fit."""
        return any(fnmatchcase(name, self.provider) for name in providers) and any(
            fnmatchcase(name, pattern) for name in models for pattern in self.models
        )


@dataclass(frozen=True, slots=True)
class OwnPrice:
    """A price of the user's: values as in `rates.json`, valid in `[start, end)` (epoch seconds)."""

    selector: Selector
    prices: Mapping[str, int]
    start: int | None
    end: int | None


@dataclass(frozen=True, slots=True)
class Paid:
    """What the user pays, as a fraction of market, in `[start, end)`."""

    selector: Selector
    factor: tuple[int, int]
    start: int | None
    end: int | None


@dataclass(frozen=True, slots=True)
class Overrides:
    """The whole file. `name` is its file name, for display; `file` what its errors name."""

    name: str = ""
    file: TomlFile | None = None
    aliases: Mapping[str, str] | None = None
    prices: tuple[OwnPrice, ...] = ()
    paid: tuple[Paid, ...] = ()
    free: tuple[Selector, ...] = ()

    @property
    def text(self) -> str:
        """The content of the file."""
        return "" if self.file is None else self.file.text

    def wrong_alias(self, key: str, target: str) -> UserError:
        """The error for an alias of nothing that has a price."""
        problem = f"{one_line(target, 60)!r} is no model with a price; see price --models"
        keys = (
            [] if self.file is None else [name for name in self.file.document["alias"] if name.strip().lower() == key]
        )
        return UserError(problem) if self.file is None else self.file.wrong(("alias", *keys[:1]), problem)


def _instant(value: str | date) -> int:
    """A date or a time, in UTC where it names no zone, as seconds since 1970."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise Wrong(f"is not a date or time: {one_line(value, 40)!r}") from None
    if not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    return int((value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp())


def _pattern(value: str) -> str:
    return not_blank(value).strip().lower()


def _patterns(value: str | tuple[str, ...]) -> tuple[str, ...]:
    if not value:
        raise Wrong('must be patterns, as in ["llama-*"]')
    return tuple(_pattern(each) for each in ((value,) if isinstance(value, str) else value))


# A price above it is a slip of the keyboard ($1000 per token), and its products would not fit the join.
Amount = Annotated[Decimal, within(0, 10**9)]
Pattern = Annotated[str, Rule('a name in quotes, as in "gpt-4o*"', _pattern)]
Patterns = Annotated[str | tuple[str, ...], Rule('patterns, as in ["llama-*"]', _patterns)]
Moment = Annotated[str | date | datetime, Rule("a date or time", _instant)]


@dataclass(frozen=True, slots=True)
class _Span:
    __pydantic_config__ = SETTINGS
    provider: Pattern = "*"
    from_: Moment | None = None
    to: Moment | None = None

    @property
    def span(self) -> tuple[int | None, int | None]:
        """Start and end in seconds since 1970; the rules have made them so."""
        return cast("tuple[int | None, int | None]", (self.from_, self.to))

    def __post_init__(self) -> None:
        start, end = self.span
        if start is not None and end is not None and start >= end:
            raise Wrong("must be after from", "to")


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceEntry(_Span):
    """`[[price]]`: USD for a million tokens, or for a request."""

    __pydantic_config__ = SETTINGS
    model: Pattern
    input: Amount | None = None
    cached: Amount | None = None
    cache_creation: Amount | None = None
    cache_creation_1h: Amount | None = None
    output: Amount | None = None
    reasoning: Amount | None = None
    request: Amount | None = None

    def __post_init__(self) -> None:
        _Span.__post_init__(self)
        if self.input is None and self.output is None and self.request is None:
            raise Wrong("needs input, output or request")
        for name in PRICES:
            amount = self._scaled(name)
            if amount is not None and amount != int(amount):
                raise Wrong("has more decimals than a pico-dollar per token", name)

    def _scaled(self, name: str) -> Decimal | None:
        # $ per million tokens is micro-USD per token; a request is priced in dollars.
        amount = cast("Decimal | None", getattr(self, name))
        return None if amount is None else amount * (10**12 if name == "request" else 10**6)

    def own_price(self) -> OwnPrice:
        """The same as a value."""
        scaled = {key: self._scaled(name) for name, key in PRICES.items()}
        prices = {key: int(amount) for key, amount in scaled.items() if amount is not None}
        return OwnPrice(Selector(self.provider, (self.model,)), prices, *self.span)


@dataclass(frozen=True, slots=True, kw_only=True)
class PaidEntry(_Span):
    """`[[paid]]`: what share of the list price is paid."""

    __pydantic_config__ = SETTINGS
    model: Pattern = "*"
    factor: Annotated[Decimal, Rule('a number in quotes, as in "0.85"', within(0, 1000).read)]

    def __post_init__(self) -> None:
        _Span.__post_init__(self)
        if self.factor * 10**_FACTOR_PLACES != int(self.factor * 10**_FACTOR_PLACES):
            raise Wrong(f"must be at most 1000 with {_FACTOR_PLACES} decimals", "factor")

    def paid(self) -> Paid:
        """The same as a value."""
        return Paid(Selector(self.provider, (self.model,)), self.factor.as_integer_ratio(), *self.span)


@dataclass(frozen=True, slots=True)
class FreeEntry:
    """`[[free]]`."""

    __pydantic_config__ = SETTINGS
    provider: Pattern = "*"
    model: Pattern | None = None
    models: Patterns | None = None

    def selector(self) -> Selector:
        """Which models cost nothing."""
        models = self.models or (self.model or "*",)
        return Selector(self.provider, cast("tuple[str, ...]", models))


@dataclass(frozen=True, slots=True)
class OverridesFile:
    """What the file may say."""

    __pydantic_config__ = SETTINGS
    alias: Mapping[str, Annotated[str, Rule('a model in quotes, as in "azure/gpt-4o"', _pattern)]] = field(
        default_factory=dict
    )
    price: tuple[PriceEntry, ...] = ()
    paid: tuple[PaidEntry, ...] = ()
    free: tuple[FreeEntry, ...] = ()


def read_overrides(path: Path) -> Overrides:
    """The overrides in a file; `UserError` names the file, the line and the key."""
    file = read_toml(path, "overrides")
    said = file.read_as(OverridesFile)
    return Overrides(
        path.name,
        file,
        {key.strip().lower(): model for key, model in said.alias.items()},
        tuple(entry.own_price() for entry in said.price),
        tuple(entry.paid() for entry in said.paid),
        tuple(entry.selector() for entry in said.free),
    )
