"""The user's own say about prices: `[alias]`, `[[price]]`, `[[paid]]` and `[[free]]` in a TOML file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from cost_top.model.errors import UserError, one_line

PRICES = {
    "input": "in",
    "cached": "cr",
    "cache_creation": "cw",
    "cache_creation_1h": "cw1h",
    "output": "out",
    "reasoning": "reasoning",
    "request": "request",
}
_SPAN = ("from", "to")
_KEYS = {
    "price": ("provider", "model", *_SPAN, *PRICES),
    "paid": ("provider", "model", "factor", *_SPAN),
    "free": ("provider", "model", "models"),
}
# A price above this is a slip of the keyboard ($1000 per token), and its products would not fit the join.
_MOST = Decimal(10**9)
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
    """The whole file. `name` is its file name, for display; `text` its content, for the version of the book."""

    name: str = ""
    text: str = ""
    aliases: Mapping[str, str] | None = None
    prices: tuple[OwnPrice, ...] = ()
    paid: tuple[Paid, ...] = ()
    free: tuple[Selector, ...] = ()


class _Reader:
    """Reads one file and knows the line of each key, for errors."""

    def __init__(self, path: Path) -> None:
        import tomllib

        self.path = path
        try:
            self.text = path.read_text("utf-8")
            self.data: dict[str, Any] = tomllib.loads(self.text)
        except OSError as error:
            raise UserError(f"{path}: cannot be read ({error.strerror}); check --overrides") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise UserError(f"{path}: is not TOML: {one_line(error)}") from error

    def line(self, table: str, number: int, key: str | None) -> int:
        """The line of a key in the `number`-th table of a name, or of the table itself."""
        lines = self.text.splitlines()
        header = re.compile(rf"\s*\[+\s*{re.escape(table)}\s*\]+")
        starts = [index for index, line in enumerate(lines) if header.match(line)]
        start = starts[number] if number < len(starts) else 0
        if key is not None:
            wanted = re.compile(rf"\s*[\"']?{re.escape(key)}[\"']?\s*=")
            for index in range(start, len(lines)):
                if wanted.match(lines[index]):
                    return index + 1
        return start + 1

    def error(self, table: str, number: int, key: str | None, problem: str) -> UserError:
        name = table if key is None else f"{table}.{key}"
        return UserError(f"{self.path}: line {self.line(table, number, key)}: {name} {problem}")

    def tables(self, name: str) -> Iterator[tuple[int, dict[str, Any]]]:
        """The entries of `[[name]]`, their keys checked."""
        entries = self.data.get(name, [])
        if not isinstance(entries, list):
            raise self.error(name, 0, None, f"must be written [[{name}]]")
        for number, entry in enumerate(entries):
            for key in entry:
                if key not in _KEYS[name]:
                    raise self.error(name, number, key, f"is unknown; known: {', '.join(_KEYS[name])}")
            yield number, entry

    def text_of(self, table: str, number: int, entry: Mapping[str, Any], key: str, default: str | None = None) -> str:
        value = entry.get(key, default)
        if not isinstance(value, str) or not value.strip():
            raise self.error(table, number, key if key in entry else None, f'needs {key} = "..."')
        return value.strip().lower()

    def number_of(self, table: str, number: int, entry: Mapping[str, Any], key: str) -> Decimal:
        value = entry[key]
        try:
            if isinstance(value, bool) or not isinstance(value, str | int | float):
                raise InvalidOperation
            amount = Decimal(str(value))
        except InvalidOperation:
            raise self.error(table, number, key, f"is not a number: {one_line(value)!r}") from None
        if not amount.is_finite() or not 0 <= amount <= _MOST:
            raise self.error(table, number, key, f"must be between 0 and {_MOST:,}: {one_line(value)!r}")
        return amount

    def span(self, table: str, number: int, entry: Mapping[str, Any]) -> tuple[int | None, int | None]:
        start, end = (self._instant(table, number, entry, key) for key in _SPAN)
        if start is not None and end is not None and start >= end:
            raise self.error(table, number, "to", "must be after from")
        return start, end

    def _instant(self, table: str, number: int, entry: Mapping[str, Any], key: str) -> int | None:
        value = entry.get(key)
        if value is None:
            return None
        if isinstance(value, str):
            try:
                value = datetime.fromisoformat(value)
            except ValueError:
                raise self.error(table, number, key, f"is not a date or time: {one_line(value)!r}") from None
        if isinstance(value, date) and not isinstance(value, datetime):
            value = datetime(value.year, value.month, value.day, tzinfo=UTC)
        if not isinstance(value, datetime):
            raise self.error(table, number, key, f"is not a date or time: {one_line(value)!r}")
        return int((value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp())


def read_overrides(path: Path) -> Overrides:
    """The overrides in a file; `UserError` names the file, the line and the key."""
    reader = _Reader(path)
    for name in reader.data:
        if name not in ("alias", *_KEYS):
            raise reader.error(name, 0, None, "is unknown; known: [alias], [[price]], [[paid]], [[free]]")
    aliases = reader.data.get("alias", {})
    if not isinstance(aliases, dict):
        raise reader.error("alias", 0, None, "must be written [alias]")
    for key, value in aliases.items():
        if not isinstance(value, str) or not value.strip():
            raise reader.error("alias", 0, key, 'must name a model, as in "azure/gpt-4o"')
    return Overrides(
        path.name,
        reader.text,
        {key.strip().lower(): value.strip().lower() for key, value in aliases.items()},
        tuple(_own_price(reader, number, entry) for number, entry in reader.tables("price")),
        tuple(_paid(reader, number, entry) for number, entry in reader.tables("paid")),
        tuple(_free(reader, number, entry) for number, entry in reader.tables("free")),
    )


def _own_price(reader: _Reader, number: int, entry: Mapping[str, Any]) -> OwnPrice:
    provider = reader.text_of("price", number, entry, "provider", "*")
    model = reader.text_of("price", number, entry, "model")
    prices = {}
    for name, key in PRICES.items():
        if name in entry:
            # $ per million tokens is micro-USD per token; a request is priced in dollars.
            scale = 10**12 if name == "request" else 10**6
            amount = reader.number_of("price", number, entry, name) * scale
            if amount != int(amount):
                raise reader.error("price", number, name, "has more decimals than a pico-dollar per token")
            prices[key] = int(amount)
    if not any(key in prices for key in ("in", "out", "request")):
        raise reader.error("price", number, None, "needs input, output or request")
    return OwnPrice(Selector(provider, (model,)), prices, *reader.span("price", number, entry))


def _paid(reader: _Reader, number: int, entry: Mapping[str, Any]) -> Paid:
    provider = reader.text_of("paid", number, entry, "provider", "*")
    model = reader.text_of("paid", number, entry, "model", "*")
    if "factor" not in entry:
        raise reader.error("paid", number, None, 'needs factor = "0.85"')
    factor = reader.number_of("paid", number, entry, "factor")
    scaled = factor * 10**_FACTOR_PLACES
    if factor > 1000 or scaled != int(scaled):
        raise reader.error("paid", number, "factor", f"must be at most 1000 with {_FACTOR_PLACES} decimals")
    return Paid(Selector(provider, (model,)), Decimal(factor).as_integer_ratio(), *reader.span("paid", number, entry))


def _free(reader: _Reader, number: int, entry: Mapping[str, Any]) -> Selector:
    provider = reader.text_of("free", number, entry, "provider", "*")
    models = entry.get("models", entry.get("model", "*"))
    listed = [models] if isinstance(models, str) else models
    if not isinstance(listed, list) or not listed or not all(isinstance(item, str) and item for item in listed):
        raise reader.error("free", number, "models", 'must be patterns, as in ["llama-*"]')
    return Selector(provider, tuple(item.strip().lower() for item in listed))
