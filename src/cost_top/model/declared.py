"""Settings declared once, as frozen dataclasses: what a file may say, of which kind, and what each value must be.

pydantic checks a file against them and finds every mistake (`model.toml_check`), but takes longer to import than the
screen to appear. So `read_plainly` reads what is wholly as declared, and only a file with something else in it is
handed to pydantic.

A class is a frozen dataclass with `__pydantic_config__ = SETTINGS`. Its annotations may be str, bool, int, float,
Decimal, Path, date, datetime, Literal, Any, another such class, `X | None`, `tuple[X, ...]`, `Mapping[str, X]`, and any
of these in `Annotated[..., Rule(...)]`; a union of several kinds needs a rule and has no union as a part. A check of
several keys is a `__post_init__` that raises `Wrong`. A name that Python has for itself takes an underscore: `from_`
is the key `from`.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from functools import cache, reduce
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

from cost_top.model.errors import UserError

T = TypeVar("T")


def key_of(name: str) -> str:
    """The key in a file of an attribute."""
    return name.rstrip("_")


# What pydantic is told of every class: no other keys, no value of one kind for another.
SETTINGS: Mapping[str, object] = {"extra": "forbid", "strict": True, "alias_generator": key_of}


class Wrong(ValueError):
    """A value that means nothing: `problem` in words, and the keys that lead to it from where it was found."""

    def __init__(self, problem: str, *keys: str | int) -> None:
        super().__init__(problem)
        self.problem, self.keys = problem, keys


class Unexpected(ValueError):
    """Something a plain reader does not know what to do with."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What a value must be: `wanted` completes "must be …"; `read` gives the value that is meant, or raises `Wrong`."""

    wanted: str = ""
    read: Callable[[Any], Any] | None = None

    def __call__(self, value: Any) -> Any:
        """The value that is meant."""
        if self.read is None:
            return value
        try:
            return self.read(value)
        except UserError as error:
            raise Wrong(str(error)) from None

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        """For pydantic: the kind, then this rule. Of a union the kind of the value chooses the part."""
        from pydantic_core import core_schema

        parts = parts_of(source)
        if len(parts) > 1:
            choices = {shape_of_kind(part): handler.generate_schema(part) for part in parts}
            schema = core_schema.tagged_union_schema(choices, discriminator=shape_of_value)
        else:
            schema = handler(source) if parts[0] is source else handler.generate_schema(parts[0])
        return core_schema.no_info_after_validator_function(self, schema)


def one_of(names: Sequence[str]) -> Rule:
    """A rule: one of some names."""

    def read(value: str) -> str:
        if value not in names:
            raise Wrong(f"must be one of {', '.join(names)}{did_you_mean(value, names)}")
        return value

    return Rule(f"one of {', '.join(names)}", read)


def keys_among(names: Sequence[str]) -> Rule:
    """A rule for a table whose keys are known."""

    def read(value: Mapping[str, Any]) -> Mapping[str, Any]:
        for key in value:
            if key not in names:
                raise Wrong(unknown_key(key, names), key)
        return value

    return Rule("a table", read)


def within(least: float, most: float, unit: str = "") -> Rule:
    """A rule: a number in a range, both ends included."""
    wanted = f"a number{f' of {unit}' if unit else ''} from {least:g} to {most:,.15g}"

    def read(value: Any) -> Any:
        if (isinstance(value, Decimal) and value.is_nan()) or not least <= value <= most:
            raise Wrong(f"must be {wanted}")
        return value

    return Rule(wanted, read)


def not_blank(value: str) -> str:
    """A text with something in it."""
    if not value.strip():
        raise Wrong("is empty")
    return value


Name = Annotated[str, Rule("a text in quotes", not_blank)]


def did_you_mean(given: str, known: Sequence[str]) -> str:
    """`, did you mean 'name'?` for a name that is close to a known one; empty where none is."""
    from difflib import get_close_matches

    close = get_close_matches(given, known, 1)
    return f", did you mean {close[0]!r}?" if close else ""


def unknown_key(given: str, known: Sequence[str]) -> str:
    """What to say of a key that is not known."""
    near = did_you_mean(given, known)
    return f"unknown key{near}" if near else f"unknown key; known are {', '.join(known)}"


def shape_of_value(value: Any) -> str:
    """Which part of a union a value is for."""
    if isinstance(value, bool):
        return "flag"
    if isinstance(value, Mapping):
        return "table"
    if isinstance(value, list | tuple):
        return "list"
    return "number" if isinstance(value, int | float) else "text"


def shape_of_kind(kind: Any) -> str:
    """Which values a part of a union is for."""
    base = bare(kind)
    if is_dataclass(base) or get_origin(base) is Mapping:
        return "table"
    if get_origin(base) is tuple:
        return "list"
    return "flag" if base is bool else "number" if base in (int, float, Decimal) else "text"


def bare(kind: Any) -> Any:
    """A declared kind without its rules."""
    return bare(get_args(kind)[0]) if get_origin(kind) is Annotated else kind


def parts_of(kind: Any) -> tuple[Any, ...]:
    """The kinds a union is made of, `None` left out; of dates and texts one, as a file spells both as text."""
    if get_origin(bare(kind)) not in (typing.Union, types.UnionType):
        return (kind,)
    parts = [part for part in get_args(bare(kind)) if part is not type(None)]
    return tuple({shape_of_kind(part): part for part in reversed(parts)}.values())


@cache
def declared(settings: type) -> Mapping[str, tuple[Field[Any], Any]]:
    """The keys of a class, each with its field and its kind."""
    kinds = typing.get_type_hints(settings, include_extras=True)
    return {key_of(each.name): (each, kinds[each.name]) for each in fields(settings)}


def read_plainly(kind: Any, value: Any) -> Any:
    """`value` as the declared kind. Raises `ValueError` for anything that is not wholly as declared."""
    origin = get_origin(kind)
    if origin is Annotated:
        base, *rules = get_args(kind)
        return reduce(lambda read, rule: rule(read), rules, read_plainly(base, value))
    if origin in (typing.Union, types.UnionType):
        return _first_fitting(get_args(kind), value)
    if origin is Mapping or is_dataclass(kind):
        _expected(value, isinstance(value, dict))
        if origin is Mapping:
            return {key: read_plainly(get_args(kind)[1], each) for key, each in value.items()}
        return _settings(typing.cast("type", kind), value)
    if origin is tuple:
        _expected(value, isinstance(value, list))
        return tuple(read_plainly(get_args(kind)[0], each) for each in value)
    return _scalar(kind, value)


def _first_fitting(kinds: Sequence[Any], value: Any) -> Any:
    for kind in kinds:
        try:
            return read_plainly(kind, value)
        except ValueError:
            continue
    raise Unexpected


def _settings(settings: type, table: Mapping[str, Any]) -> Any:
    known = declared(settings)
    if any(key not in known for key in table):
        raise Unexpected
    for key, (each, _) in known.items():
        _expected(key, key in table or each.default is not MISSING or each.default_factory is not MISSING)
    return settings(**{known[key][0].name: read_plainly(known[key][1], value) for key, value in table.items()})


def _scalar(kind: Any, value: Any) -> Any:
    if get_origin(kind) is Literal:
        return _expected(value, type(value) is str and value in get_args(kind))
    if kind is Any:
        return value
    if kind is float:
        return float(_expected(value, type(value) in (int, float)))
    if kind is Path:
        return Path(_expected(value, type(value) is str))
    if kind is Decimal:
        try:
            return Decimal(str(_expected(value, type(value) in (str, int, float))))
        except InvalidOperation:
            raise Unexpected from None
    return _expected(value, type(value) is kind and kind in (str, bool, int, date, datetime))


def _expected(value: T, holds: bool) -> T:
    if not holds:
        raise Unexpected
    return value
