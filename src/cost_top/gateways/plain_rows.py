"""The normal form in Python, for rows that need no cleaning: what `normalise` says of them, without a statement.

A row with anything odd in it (a control character, what may be a key where none is expected, a number that is none,
tags that are not a plain list) is none of these: its look goes through `normalise`, which knows what to make of it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from itertools import repeat
from math import isfinite
from typing import Any

from cost_top.gateways.shape import (
    COUNTS,
    INTEGER_LIMIT,
    UNKNOWN_DOUBLE,
    UNKNOWN_MONEY,
    RawShape,
    field_kind,
    pack_name,
)  # fmt: skip
from cost_top.gateways.witnesses import SEPARATOR, bare_fingerprint_select, has_one_witness, witnessed_select
from cost_top.model.record import FIELD_NAMES, LOWERED
from cost_top.model.secret import MAYBE_KEY_RE2, public_key
from cost_top.model.text import TEXT_LIMIT, UNSAFE_CLASS

_UNSAFE = re.compile(f"[{UNSAFE_CLASS}]")
# Words are made of other letters for RE2 than for Python: what one of them may take for a key is odd.
_MAYBE_KEY, _MAYBE_KEY_ASCII = re.compile(MAYBE_KEY_RE2), re.compile(MAYBE_KEY_RE2, re.ASCII)
_EPOCH = datetime(1970, 1, 1)
_CACHED = ("cached_input_tokens", "cache_creation_input_tokens")
_GREATEST = 2**63 - 1
_PICO = (10**12, 1)
_MOST_DOLLARS = Decimal(_GREATEST) / 10**12
_SMALLEST = Decimal(1).scaleb(-12)
_UNKNOWN = float(UNKNOWN_DOUBLE)
_MEMO_SIZE = 20_000
_WORD = re.compile(r"[A-Za-z0-9_-]+")
_AMOUNT = re.compile(r"-?[0-9]{1,8}(\.[0-9]{1,30})?")


class _Odd(Exception):
    """A value that is not plain."""


class PlainRows:
    """`sources.base.PlainForm` of one log."""

    def __init__(self, shape: RawShape) -> None:
        """Use `of`."""
        self._shape = shape
        self._memo: dict[Any, Any] = {}
        self._texts: dict[Any, Any] = {}
        self._public = {name: (re.compile(public), re.compile(public, re.ASCII)) for name, public in shape.keys}
        self._extra = ("input_includes_cache",) if shape.input_includes_cache is None else ()
        self._readers: dict[str, Callable[[Any], Any]] = {name: self._reader(name) for name in shape.fields}
        self._packs: list[dict[Any, tuple[Any, ...]]] = [{} for _ in shape.packs]
        packed = {name for pack in shape.packs for name in pack}
        self._alone = tuple(name for name in shape.fields if name not in packed)
        self._witnesses_alike = has_one_witness(shape)

    @classmethod
    def of(cls, shape: RawShape) -> PlainRows | None:
        """None for a log whose rows are never plain."""
        kinds = {field_kind(name) for name in shape.fields}
        money = shape.cost_kind == "integer" or shape.pico_per_unit == _PICO
        amount = "amount" not in kinds or shape.pico_per_unit == _PICO
        plain = shape.key == "id" and shape.time_kind in ("micros", "timestamp") and money and amount
        return cls(shape) if plain else None

    def select(self, relation: str) -> str:
        """The SELECT of a raw stream: id, time, fields, then fingerprint and, where it is another, content."""
        return witnessed_select(self._shape, relation, ("id", "time", *self._shape.fields, *self._extra))

    def packed_select(self, relation: str) -> str:
        """The same of a packed stream: id, time, packs, the other fields."""
        packs = map(pack_name, range(len(self._packs)))
        return witnessed_select(self._shape, relation, ("id", "time", *packs, *self._alone, *self._extra), True)

    def fingerprints(self, relation: str) -> str:
        """The SELECT of a stream of fingerprints: raw id and time, and `fingerprint`."""
        return bare_fingerprint_select(self._shape, relation)

    def packed_fingerprints(self, relation: str) -> str | None:
        """The same of a packed stream of rows; None where that holds more than fingerprints are made of."""
        return bare_fingerprint_select(self._shape, relation, True) if self._witnesses_alike else None

    def fingerprint(self, values: Sequence[Any]) -> int:
        """That of a row of `select` or `packed_select`."""
        found: int = values[-1 if self._witnesses_alike else -2]
        return found

    def time(self, raw: Any) -> datetime:
        """The time of a raw row, naive UTC."""
        return raw if self._shape.time_kind == "timestamp" else _EPOCH + timedelta(microseconds=raw)

    def key(self, raw: Any) -> str | None:
        """The key of a raw id; None of an odd one."""
        try:
            return _plain(raw)
        except _Odd:
            return None

    def read(self, rows: Sequence[Sequence[Any]], packed: bool = False) -> list[dict[str, Any]] | None:
        """Rows of `select`, or of `packed_select`, by name; None where one of them is odd."""
        try:
            return self._read([*zip(*rows, strict=True)], packed) if rows else []
        except _Odd:
            return None

    def _read(self, columns: Sequence[Sequence[Any]], packed: bool) -> list[dict[str, Any]]:
        """Column by column: most values are among those of rows before, and are looked up."""
        ids, times, *rest = columns
        told: dict[str, Iterable[Any]] = {name: repeat(None, len(ids)) for name in FIELD_NAMES}
        told["id"] = told["key"] = [*map(_plain, ids)]
        if None in told["id"]:
            raise _Odd
        told["time"] = [*map(self.time, times)]
        told["content"], told["fingerprint"] = rest[-1], rest[-1 if self._witnesses_alike else -2]
        given = iter(rest)
        if packed:
            for pack, known in zip(self._shape.packs, self._packs, strict=True):
                read = [known.get(value) or self._unpacked(pack, known, value) for value in next(given)]
                told.update(zip(pack, zip(*read, strict=True), strict=True))
        tagged: list[str | None] = []
        for name in self._alone if packed else self._shape.fields:
            reader, values = self._readers[name], next(given)
            told[name] = [None if value is None else reader(value) for value in values]
            if name == "tags" and (prefix := self._shape.user_agent_tag):
                tagged = [None if value is None else self._remembered(prefix, value, self._agent) for value in values]
        if tagged:
            agents = zip(told["user_agent"], tagged, strict=False)
            told["user_agent"] = [agent if own is None else own for own, agent in agents]
        includes = next(given) if self._extra else repeat(None)
        names = tuple(told)
        rows = [dict(zip(names, values, strict=True)) for values in zip(*told.values(), strict=False)]
        for row, inclusive in zip(rows, includes, strict=False):
            self._finish(row, inclusive)
        return rows

    def _finish(self, row: dict[str, Any], inclusive: Any) -> None:
        """What of a row's fields follows from others."""
        if (row["status"] or 0) >= 1000:
            row["status"] = None
        row["input_tokens"] = self._input(row, inclusive)
        if (row["reasoning_tokens"] or 0) > (row["output_tokens"] or 0) and row["output_tokens"] is not None:
            row["output_tokens"] += row["reasoning_tokens"]
        if row["counted"] is None:
            cost, latency = row["reported_cost"], row["latency_ms"]
            row["counted"] = not (cost is not None and cost < 0 and not latency)

    def _unpacked(self, pack: Sequence[str], known: dict[Any, tuple[Any, ...]], value: Any) -> tuple[Any, ...]:
        """The fields of a pack; odd is one that does not come apart as it was put together."""
        parts = _decoded(value).split(SEPARATOR)
        if len(parts) != len(pack):
            raise _Odd
        read = tuple(
            self._readers[name](part) if field_kind(name) == "text" else self._readers[name](_counted(part))
            for name, part in zip(pack, parts, strict=True)
        )
        if len(known) >= _MEMO_SIZE:
            known.clear()
        known[value] = read
        return read

    def _input(self, row: dict[str, Any], includes: Any) -> int | None:
        """See `made_counts.input_tokens_sql`; what was written is made right as well."""
        tokens: int | None = row["input_tokens"]
        read, written = (row[name] or 0 for name in _CACHED)
        if tokens is None:
            return None
        inside = self._shape.input_includes_cache
        if inside is None:
            inside = includes != 0
        if inside and read + written <= tokens:
            return tokens
        if inside and max(read, written) <= tokens and row["model"] is not None and _is_apart(row["model"]):
            row["cache_creation_input_tokens"] = tokens - read
            if row["cache_creation_1h_tokens"] is not None:
                row["cache_creation_1h_tokens"] = min(row["cache_creation_1h_tokens"], tokens - read)
            return tokens
        return tokens + read + written

    def _reader(self, name: str) -> Callable[[Any], Any]:
        kind = field_kind(name)
        if name in self._public:
            return lambda value: self._remembered(name, value, self._key)
        if name in LOWERED:
            return lambda value: self._remembered("lower", value, self._lowered)
        readers: dict[str, Callable[[Any], Any]] = {
            "text": self._text, "tags": lambda value: self._remembered("tags", value, self._tags),
            "integer": _count if name in COUNTS else _integer, "boolean": _boolean, "amount": _amount,
            "money": self._money(),
        }  # fmt: skip
        return readers[kind]

    def _remembered(self, what: str, value: Any, read: Callable[[str, Any], Any]) -> Any:
        known = self._memo.get((what, value), self)
        if known is self:
            if len(self._memo) >= _MEMO_SIZE:
                self._memo.clear()
            known = self._memo[what, value] = read(what, value)
        return list(known) if isinstance(known, list) else known

    def _text(self, value: Any) -> str | None:
        known: Any = self._texts.get(value, self)
        if known is self:
            if len(self._texts) >= _MEMO_SIZE:
                self._texts.clear()
            known = self._texts[value] = _plain(value)
        return known  # type: ignore[no-any-return]

    def _lowered(self, _: str, value: Any) -> str | None:
        text = _plain(value)
        if text is None or text.isascii():
            return text and text.lower()
        raise _Odd

    def _key(self, name: str, value: Any) -> str | None:
        text = _decoded(value)
        shown = {pattern.fullmatch(text) is not None for pattern in self._public[name]}
        if not text or shown == {True}:
            return _plain(text)
        if True in shown or not text.isascii() or not _is_bare(text):
            raise _Odd
        return public_key(text)

    def _tags(self, _: str, value: Any) -> list[str] | None:
        agent = self._shape.user_agent_tag
        return sorted({tag for tag in _listed(value) if not agent or not tag.startswith(agent)}) or None

    def _agent(self, prefix: str, value: Any) -> str | None:
        """The user agent among tags; the most specific one comes last."""
        found = [tag.removeprefix(prefix) for tag in _listed(value) if tag.startswith(prefix)]
        if found and found[-1] != found[-1].strip():
            raise _Odd
        return found[-1] or None if found else None

    def _money(self) -> Callable[[Any], int | None]:
        numerator, denominator = self._shape.pico_per_unit
        if self._shape.cost_kind != "integer":
            return _amount

        def read(value: Any) -> int | None:
            if value == UNKNOWN_MONEY:
                return None
            if type(value) is not int or abs(value) > _GREATEST:
                raise _Odd
            amount = (abs(value) * 2 * numerator + denominator) // (2 * denominator)
            if amount > _GREATEST:
                raise _Odd
            return amount if value >= 0 else -amount

        return read


def _is_apart(model: str) -> bool:
    """Whether what was read from the cache and what was written to it may overlap."""
    return "claude" not in model.lower()


def _decoded(value: Any) -> str:
    if isinstance(value, str):
        return value
    try:
        return bytes(value).decode()
    except (TypeError, UnicodeDecodeError):
        raise _Odd from None


def _plain(value: Any) -> str | None:
    """A text that stays as it is; None of an empty one."""
    text = _decoded(value)
    if not text:
        return None
    if not _is_bare(text) or _MAYBE_KEY.search(text):
        raise _Odd
    if not text.isascii():
        if _MAYBE_KEY_ASCII.search(text):
            raise _Odd
        try:
            text.encode()
        except UnicodeEncodeError:
            raise _Odd from None
    return text


def _listed(value: Any) -> list[str]:
    """The tags of a plain list, and of an object of plain texts."""
    text = _decoded(value)
    if text in ("", "[]", "{}", "null"):
        return []
    if not text.startswith(("[", "{")):
        raise _Odd
    try:
        said = json.loads(text, object_pairs_hook=_pairs)
    except (ValueError, RecursionError):
        raise _Odd from None
    if not isinstance(said, list) or not all(isinstance(tag, str) and tag and _plain(tag) for tag in said):
        raise _Odd
    return said


def _pairs(said: list[tuple[str, Any]]) -> list[str]:
    """An object's members as tags; a list of them is odd, as it holds no texts."""
    if len(dict(said)) < len(said) or not all(_WORD.fullmatch(key) and isinstance(value, str) for key, value in said):
        raise _Odd
    return [f"{key}:{value}" for key, value in said]


def _is_bare(text: str) -> bool:
    """Whether a text that is not empty is shown whole, if it may be shown."""
    return len(text) <= TEXT_LIMIT and not (text[0].isspace() or text[-1].isspace() or _UNSAFE.search(text))


def _counted(part: str) -> int:
    """A count in a pack, as the log's statement spells it."""
    try:
        return int(part)
    except ValueError:
        raise _Odd from None


def _integer(value: Any) -> int | None:
    if type(value) is not int:
        raise _Odd
    return value if 0 <= value < INTEGER_LIMIT else None


def _count(value: Any) -> int | None:
    if type(value) is not int or not -1 <= value < INTEGER_LIMIT:
        raise _Odd
    return None if value == -1 else value


def _boolean(value: Any) -> bool | None:
    if type(value) not in (int, bool):
        raise _Odd
    return True if value == 1 else False if value == 0 else None


def _amount(value: Any) -> int | None:
    """Dollars as pico-dollars; a double is taken at its shortest decimal spelling."""
    if isinstance(value, float):
        if value == _UNKNOWN:
            return None
        if not isfinite(value):
            raise _Odd
        amount = Decimal(repr(value))
    else:
        text = str(value) if isinstance(value, (int, Decimal)) else _decoded(value)
        if not text:
            return None
        if not _AMOUNT.fullmatch(text):
            raise _Odd
        amount = Decimal(text)
    if abs(amount) >= _MOST_DOLLARS:
        raise _Odd
    return int(amount.quantize(_SMALLEST, ROUND_HALF_UP).scaleb(12))
