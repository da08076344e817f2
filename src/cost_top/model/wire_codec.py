"""Dataclasses as JSON by their annotations, and back from strangers: kinds checked, texts cleaned, sizes bounded.

Integers stay integers, instants are ISO 8601 with an offset, lengths of time are seconds, tuples are lists, and where
one of several classes may stand its object says which in `kind`. Imports cattrs: only what goes over a network does.
"""

from __future__ import annotations

import re
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import is_dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cache, partial
from typing import Any, TypeVar, Union, get_args, get_origin

import cattrs
from cattrs import Converter, ForbiddenExtraKeysError
from cattrs.gen import make_dict_structure_fn

from cost_top.model.errors import UserError, one_line
from cost_top.model.filter import FILTER_FIELDS, TEXT, Filter, Term, parse_filter
from cost_top.model.text import TEXT_LIMIT, UNSAFE_CLASS, clean

T = TypeVar("T")
Read = Callable[[Any, Any], Any]

# No list of a snapshot is longer, no filter of a person has more.
_MOST_ITEMS = 10_000
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
    return _converter(False).unstructure(value)


def decode(kind: Any, value: object, path: str = "", strict: bool = False) -> Any:
    """The value of that kind; `strict` refuses fields that are unknown. `ValueError` says in one line what is wrong."""
    try:
        return _converter(strict).structure(value, kind)
    except Exception as error:
        # cattrs collects what is wrong as a tree; its first leaf is enough for a person.
        told, _, place = cattrs.transform_error(error, path or "$", _told)[0].rpartition(" @ ")
        place = place.removeprefix("$").removeprefix(".")
        raise ValueError(one_line(f"{place}: {told}" if place else told)) from None


def decode_list(value: object) -> Sequence[Any]:
    """A list, its items as they are; `ValueError` for anything else or one that is too long."""
    return _list(value, _MOST_ITEMS)


def _told(error: BaseException, _kind: type | None) -> str:
    if isinstance(error, KeyError):
        return f"{one_line(error.args[0], 40)} is missing"
    if isinstance(error, ForbiddenExtraKeysError):
        return f"unknown field {one_line(', '.join(sorted(map(str, error.extra_fields))), 80)}"
    return one_line(error, 200)


@cache
def _converter(strict: bool) -> Converter:
    converter = Converter()
    for kind, read in _READ.items():
        converter.register_structure_hook(kind, partial(_one_argument, read))
    for kind, write in _WRITTEN.items():
        converter.register_unstructure_hook(kind, write)
    converter.register_structure_hook_factory(is_dataclass, lambda kind: _object_reader(kind, converter, strict))
    converter.register_structure_hook(Filter, lambda value, _: _read_filter(value, strict))
    converter.register_structure_hook(Term, lambda value, _: _read_term(value, strict))
    converter.register_structure_hook_factory(_is_tuple, lambda kind: _tuple_reader(kind, converter))
    converter.register_unstructure_hook_factory(_is_tuple, lambda kind: _tuple_writer(kind, converter))
    converter.register_structure_hook_factory(_is_choice, lambda kind: _choice_reader(kind, converter))
    converter.register_unstructure_hook_factory(_is_choice, lambda _: partial(_written_choice, converter))
    return converter


def _one_argument(read: Callable[[object], Any], value: object, _: Any) -> Any:
    return read(value)


# Objects, lists and choices


def _object_reader(kind: Any, converter: Converter, strict: bool) -> Read:
    read = make_dict_structure_fn(kind, converter, _cattrs_forbid_extra_keys=strict, _cattrs_detailed_validation=True)

    def read_object(value: Any, wanted: Any) -> Any:
        return read(_object(value), wanted)

    return read_object


def _object(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError(f"{_called(value)} where an object belongs")
    return value


def _is_tuple(kind: Any) -> bool:
    return get_origin(kind) is tuple


def _tuple_reader(kind: Any, converter: Converter) -> Read:
    parts = get_args(kind)
    if parts[-1] is Ellipsis:
        item = parts[0]
        read = converter.get_structure_hook(item)
        return lambda value, _: tuple([read(each, item) for each in _list(value, _MOST_ITEMS)])
    reads = [(converter.get_structure_hook(part), part) for part in parts]

    def read_exactly(value: Any, _: Any) -> tuple[Any, ...]:
        if len(_list(value, _MOST_ITEMS)) != len(reads):
            raise ValueError(f"a list of {len(value)} where one of {len(reads)} belongs")
        return tuple([one(each, part) for (one, part), each in zip(reads, value, strict=True)])

    return read_exactly


def _list(value: Any, limit: int) -> Sequence[Any]:
    if not isinstance(value, list | tuple):
        raise ValueError(f"{_called(value)} where a list belongs")
    if len(value) > limit:
        raise ValueError(f"a list of {len(value)}: at most {limit} are read")
    return value


def _tuple_writer(kind: Any, converter: Converter) -> Callable[[Any], list[Any]]:
    parts = get_args(kind)
    if all(_is_plain(part) for part in parts):
        return list
    if parts[-1] is Ellipsis:
        write = converter.get_unstructure_hook(parts[0])
        return lambda value: [write(each) for each in value]
    writes = [converter.get_unstructure_hook(part) for part in parts]
    return lambda value: [write(each) for write, each in zip(writes, value, strict=True)]


def _is_plain(kind: Any) -> bool:
    choices = _choices(kind)
    return kind in (str, int, bool, Ellipsis) or (bool(choices) and all(_is_plain(part) for part in choices))


def _choices(kind: Any) -> list[Any]:
    """The parts of a union but for None."""
    if get_origin(kind) not in (Union, types.UnionType):
        return []
    return [part for part in get_args(kind) if part is not types.NoneType]


def _is_choice(kind: Any) -> bool:
    choices = _choices(kind)
    return len(choices) > 1 and all(is_dataclass(part) for part in choices)


def _choice_reader(kind: Any, converter: Converter) -> Read:
    named = {part.__name__.lower(): part for part in _choices(kind)}
    optional = types.NoneType in get_args(kind)

    def read(value: Any, _: Any) -> Any:
        if value is None and optional:
            return None
        chosen = _object(value).get("kind")
        if not isinstance(chosen, str) or chosen not in named:
            raise ValueError(f"`kind` is none of {', '.join(named)}")
        return converter.structure({name: each for name, each in value.items() if name != "kind"}, named[chosen])

    return read


def _written_choice(converter: Converter, value: Any) -> Any:
    return None if value is None else {"kind": type(value).__name__.lower(), **converter.unstructure(value)}


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
    _refuse_unknown(given, ("field", "values", "operator", "negated"), strict)
    name, operator = given.get("field"), given.get("operator", "=")
    values = tuple(_list(given.get("values"), _MOST_VALUES))
    texts = [each for each in (name, operator, *values) if each is not None or each is not name]
    if not all(isinstance(text, str) for text in texts):
        raise ValueError("a term's field, operator and values are texts")
    return _checked_term(Term(name, values, operator, _read_bool(given.get("negated", False))))


def _checked_term(term: Term) -> Term:
    """A term that a person could have written; a drill may also name the group whose name is empty."""
    if any(len(value) > 2 * TEXT_LIMIT + 2 or _SURROGATES.search(value) for value in term.values):
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
    str: _read_text, int: _read_int, float: _read_float, bool: _read_bool, datetime: _read_instant,
    date: _read_date, timedelta: _read_length,
}  # fmt: skip
_WRITTEN: Mapping[Any, Callable[[Any], Any]] = {
    datetime: datetime.isoformat, date: date.isoformat, timedelta: timedelta.total_seconds,
}  # fmt: skip
