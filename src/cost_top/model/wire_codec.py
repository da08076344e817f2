"""Dataclasses as JSON by their annotations, and back from strangers: kinds checked, texts cleaned, sizes bounded.

Integers stay integers, instants are ISO 8601 with an offset, lengths of time are seconds, tuples are lists, and where
one of several classes may stand its object says which in `kind`. Imports pydantic: only what goes over a network does.
"""

from __future__ import annotations

import re
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, fields
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cache, partial
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from pydantic_core import CoreSchema, ErrorDetails, SchemaSerializer, SchemaValidator, ValidationError, core_schema

from cost_top.model.errors import UserError, one_line
from cost_top.model.filter import FILTER_FIELDS, MOST_CHARACTERS, TEXT, Filter, Term, parse_filter
from cost_top.model.text import TEXT_LIMIT, UNSAFE_CLASS, clean

T = TypeVar("T")

# No list of a snapshot is longer, no filter of a person has more.
_MOST_ITEMS = 10_000
_TERM = ("field", "values", "operator", "negated")
_MOST_TERMS = 100
_MOST_VALUES = 100
_FILTER_LIMIT = 20_000
# What DuckDB's HUGEINT holds; far beyond it a share, which is a float, would overflow.
_LARGEST = 2**127
# Local time must exist on both sides of an instant.
_YEARS = range(1970, 9000)
_UNSAFE = re.compile(f"[{UNSAFE_CLASS}\\ud800-\\udfff]")
_SURROGATES = re.compile("[\\ud800-\\udfff]")


def encode(value: object) -> Any:
    """A dataclass as a JSON value."""
    kind: Any = type(value)
    return _serializer(kind).to_python(value, mode="json")


def decode(kind: Any, value: object, path: str = "", strict: bool = False) -> Any:
    """The value of that kind; `strict` refuses fields that are unknown. `ValueError` says in one line what is wrong."""
    try:
        return _validator(kind, strict).validate_python(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place, told = first["loc"], _told(first)
        if first["type"] in ("missing", "unexpected_keyword_argument"):
            place = place[:-1]
        named = ".".join(map(str, (*([path] if path else ()), *place)))
        raise ValueError(one_line(f"{named}: {told}" if named else told)) from None


def decode_list(value: object) -> Sequence[Any]:
    """A list, its items as they are; `ValueError` for anything else or one that is too long."""
    return _list(value, _MOST_ITEMS)


def _told(error: ErrorDetails) -> str:
    given = error["input"]
    if error["type"] == "missing":
        return f"{one_line(error['loc'][-1], 40)} is missing"
    if error["type"] == "unexpected_keyword_argument":
        return f"unknown field {one_line(error['loc'][-1], 40)}"
    if error["type"] in _BELONGS:
        return f"{_called(given)} where {_BELONGS[error['type']]} belongs"
    if error["type"] == "too_long":
        return f"a list of {len(given)}: at most {_MOST_ITEMS} are read"
    return one_line(error.get("ctx", {}).get("error", error["msg"]), 200)


_BELONGS = {"dataclass_type": "an object", "tuple_type": "a list", "bool_type": "true or false"}


@cache
def _validator(kind: Any, strict: bool) -> SchemaValidator:
    return SchemaValidator(_schema(kind, strict))


@cache
def _serializer(kind: Any) -> SchemaSerializer:
    return SchemaSerializer(_schema(kind, False))


# What pydantic is told of each kind


def _schema(kind: Any, strict: bool) -> CoreSchema:
    if kind in _READ:
        written = _WRITTEN.get(kind)
        serialization = core_schema.plain_serializer_function_ser_schema(written) if written else None
        return core_schema.no_info_plain_validator_function(_READ[kind], serialization=serialization)
    if kind is bool:
        return core_schema.bool_schema(strict=True)
    if kind in (Filter, Term):
        read, write = (_read_filter, _written_filter) if kind is Filter else (_read_term, _written_term)
        return _own(partial(read, strict=strict), write)
    if get_origin(kind) is tuple:
        return _tuple_schema(get_args(kind), strict)
    if get_origin(kind) in (Union, types.UnionType):
        return _choice_schema(kind, strict)
    return _object_schema(kind, strict)


def _own(read: Callable[[Any], Any], write: Callable[[Any], Any]) -> CoreSchema:
    return core_schema.no_info_plain_validator_function(
        read, serialization=core_schema.plain_serializer_function_ser_schema(write)
    )


def _object_schema(kind: Any, strict: bool) -> CoreSchema:
    hints = get_type_hints(kind)
    parts = []
    for each in fields(kind):
        schema = _schema(hints[each.name], strict)
        if each.default is not MISSING:
            schema = core_schema.with_default_schema(schema, default=each.default)
        elif each.default_factory is not MISSING:
            schema = core_schema.with_default_schema(schema, default_factory=each.default_factory)
        parts.append(core_schema.dataclass_field(each.name, schema, kw_only=False))
    arguments = core_schema.dataclass_args_schema(kind.__name__, parts, extra_behavior="forbid" if strict else "ignore")
    names = [each.name for each in fields(kind)]
    return core_schema.dataclass_schema(kind, arguments, names, slots=hasattr(kind, "__slots__"), frozen=True)


def _tuple_schema(parts: Sequence[Any], strict: bool) -> CoreSchema:
    if parts[-1] is Ellipsis:
        return core_schema.tuple_schema(
            [_schema(parts[0], strict)], variadic_item_index=0, max_length=_MOST_ITEMS, strict=False
        )

    def of_that_length(value: Any) -> Any:
        if len(_list(value, _MOST_ITEMS)) != len(parts):
            raise ValueError(f"a list of {len(value)} where one of {len(parts)} belongs")
        return value

    exactly = core_schema.tuple_schema([_schema(part, strict) for part in parts])
    return core_schema.no_info_before_validator_function(of_that_length, exactly)


def _choice_schema(kind: Any, strict: bool) -> CoreSchema:
    choices = [part for part in get_args(kind) if part is not types.NoneType]
    if len(choices) == 1:
        return core_schema.nullable_schema(_schema(choices[0], strict))
    named = {part.__name__.lower(): part for part in choices}

    def read(value: Any) -> Any:
        chosen = _object(value).get("kind")
        if not isinstance(chosen, str) or chosen not in named:
            raise ValueError(f"`kind` is none of {', '.join(named)}")
        given = {name: each for name, each in value.items() if name != "kind"}
        return _validator(named[chosen], strict).validate_python(given)

    def write(value: Any) -> Any:
        return {"kind": type(value).__name__.lower(), **encode(value)}

    return core_schema.nullable_schema(_own(read, write))


def _object(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError(f"{_called(value)} where an object belongs")
    return value


def _list(value: Any, limit: int) -> Sequence[Any]:
    if not isinstance(value, list | tuple):
        raise ValueError(f"{_called(value)} where a list belongs")
    if len(value) > limit:
        raise ValueError(f"a list of {len(value)}: at most {limit} are read")
    return value


# Filters: the one place where a text is taken as it is, for a name in it must be found again exactly


def _read_filter(value: Any, strict: bool) -> Filter:
    if isinstance(value, str):
        if len(value) > _FILTER_LIMIT:
            raise ValueError(f"a filter of {len(value)} characters: at most {_FILTER_LIMIT} are read")
        return Filter(tuple(_checked_term(term) for term in _parsed(value).terms))
    given = _object(value)
    _refuse_unknown(given, ("terms",), strict)
    return Filter(tuple(_read_term(term, strict) for term in _list(given.get("terms", ()), _MOST_TERMS)))


def _read_term(value: Any, strict: bool) -> Term:
    given = _object(value)
    _refuse_unknown(given, _TERM, strict)
    name, operator = given.get("field"), given.get("operator", "=")
    values = tuple(_list(given.get("values"), _MOST_VALUES))
    texts = [each for each in (name, operator, *values) if each is not None or each is not name]
    if not all(isinstance(text, str) for text in texts):
        raise ValueError("a term's field, operator and values are texts")
    return _checked_term(Term(name, values, operator, _read_bool(given.get("negated", False))))


def _written_filter(value: Filter) -> dict[str, Any]:
    return {"terms": [_written_term(term) for term in value.terms]}


def _written_term(value: Term) -> dict[str, Any]:
    return {name: list(value.values) if name == "values" else getattr(value, name) for name in _TERM}


def _checked_term(term: Term) -> Term:
    """A term that a person could have written; a drill may also name the group whose name is empty."""
    if any(len(value) > MOST_CHARACTERS or _SURROGATES.search(value) for value in term.values):
        raise ValueError("a filter holds a text that is too long or no text")
    named = FILTER_FIELDS.get(term.field or "") == TEXT
    spelled = Term(term.field, tuple(value or ("x" if named else "") for value in term.values), term.operator,
                   term.negated)  # fmt: skip
    if not term.values or _parsed(str(spelled)).terms != (spelled,):
        raise ValueError(f"{one_line(term, 60)!r} is no term of a filter")
    return term


def _parsed(text: str) -> Filter:
    try:
        return parse_filter(text)
    except UserError as error:
        raise ValueError(str(error)) from None


def _refuse_unknown(given: Mapping[str, Any], known: Sequence[str], strict: bool) -> None:
    unknown = sorted(str(name) for name in given if name not in known) if strict else []
    if unknown:
        raise ValueError(f"unknown field {one_line(unknown[0], 40)}")


# Plain values


def _called(value: object) -> str:
    names = {str: "a text", bool: "true or false", int: "a number", float: "a fraction", Decimal: "a fraction",
             type(None): "nothing", list: "a list", dict: "an object"}  # fmt: skip
    return names.get(type(value), "something else")


def _read_text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{_called(value)} where a text belongs")
    if len(value) <= TEXT_LIMIT and not _UNSAFE.search(value):
        return value
    return clean(_SURROGATES.sub("", value))


def _read_int(value: object) -> int:
    if type(value) is not int:
        raise ValueError(f"{_called(value)} where a whole number belongs")
    if not -_LARGEST <= value < _LARGEST:
        raise ValueError("a number that is too large")
    return value


def _read_float(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise ValueError(f"{_called(value)} where a number belongs")
    if not -_LARGEST <= value < _LARGEST:  # nan is neither
        raise ValueError("a number that is too large")
    return float(value)


def _read_bool(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{_called(value)} where true or false belongs")
    return value


def _read_instant(value: object) -> datetime:
    instant = _iso(value, datetime.fromisoformat)
    if instant.tzinfo is None:
        raise ValueError("an instant without its offset from UTC")
    if instant.year not in _YEARS:
        raise ValueError("an instant too far away")
    return instant.astimezone(UTC)


def _read_date(value: object) -> date:
    return _iso(value, date.fromisoformat)


def _iso(value: object, parse: Callable[[str], T]) -> T:
    if not isinstance(value, str):
        raise ValueError(f"{_called(value)} where a time belongs")
    try:
        return parse(value[:64])
    except ValueError:
        raise ValueError(f"{one_line(value, 40)!r} is no time in ISO 8601") from None


def _read_length(value: object) -> timedelta:
    try:
        return timedelta(seconds=_read_float(value))
    except OverflowError:
        raise ValueError("a length of time that is too long") from None


_READ: Mapping[Any, Callable[[object], Any]] = {
    str: _read_text, int: _read_int, float: _read_float, datetime: _read_instant,
    date: _read_date, timedelta: _read_length,
}  # fmt: skip
_WRITTEN: Mapping[Any, Callable[[Any], Any]] = {
    datetime: datetime.isoformat, date: date.isoformat, timedelta: timedelta.total_seconds,
}  # fmt: skip
