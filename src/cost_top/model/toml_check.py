"""What is wrong with a file of settings, found by pydantic, in our words. Imported only when something is."""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import is_dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin

from pydantic import TypeAdapter, ValidationError

from cost_top.model.declared import Rule, Wrong, bare, declared, did_you_mean, parts_of, shape_of_kind, shape_of_value
from cost_top.model.declared import unknown_key as told_unknown

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

    from cost_top.model.toml_file import TomlFile

_KINDS: Mapping[Any, str] = {
    str: "a text in quotes", bool: "true or false", int: "a whole number", float: "a number",
    Decimal: "a number", Path: "a path in quotes", date: "a date",
}  # fmt: skip
_FIRST = {"unexpected_keyword_argument": 0, "missing": 2}  # a wrong name is told before what it left missing


def checked(file: TomlFile, settings: type[Any]) -> tuple[Any, list[str]]:
    """The settings, or None and what is wrong in the order of the lines, unknown keys first."""
    try:
        text = json.dumps(file.document, default=lambda moment: moment.isoformat())
        return TypeAdapter(settings).validate_json(text, strict=True), []
    except ValidationError as error:
        told = [(_FIRST.get(each["type"], 1), *_told(file, settings, each)) for each in error.errors()]
        return None, list(dict.fromkeys(line for *_, line in sorted(told)))


def _told(file: TomlFile, settings: type[Any], error: ErrorDetails) -> tuple[int, str]:
    """A mistake's line in the file, and what is said of it."""
    keys, problem = _problem(file, settings, error)
    return file.line_of(keys) or 0, str(file.wrong(keys, problem))


def _problem(file: TomlFile, settings: type[Any], error: ErrorDetails) -> tuple[Sequence[str | int], str]:
    keys, kind, rules, above = _walked(settings, file.document, error["loc"])
    raised = error.get("ctx", {}).get("error")
    if isinstance(raised, Wrong):
        return (*keys, *raised.keys), raised.problem
    if error["type"] == "unexpected_keyword_argument":
        return keys, told_unknown(str(keys[-1]), tuple(declared(typing.cast("type", above))))
    wanted = next((rule.wanted for rule in rules if rule.wanted), "") or _wanted(kind, keys)
    if error["type"] == "missing":
        return keys, f"is missing: give {wanted}"
    near = ""
    if get_origin(bare(kind)) is Literal and isinstance(error["input"], str):
        near = did_you_mean(error["input"], get_args(bare(kind)))
    return keys, f"must be {wanted}{near}"


def _walked(
    settings: type[Any], document: Any, place: Iterable[str | int]
) -> tuple[list[str | int], Any, list[Rule], Any]:
    """(keys in the file, kind and rules declared for what they lead to, the class above) of a place of pydantic's."""
    keys: list[str | int] = []
    kind, rules, above = settings, list[Rule](), settings
    steps = iter(place)
    for step in steps:
        kind, rules, tagged = _part(kind, rules, document)
        # Where there are several kinds, the one that was chosen stands in the place.
        key = next(steps, None) if tagged else step
        if key is None:
            break
        keys.append(key)
        base = bare(kind)
        above = base
        known = declared(typing.cast("type", base)) if is_dataclass(base) else {}
        if is_dataclass(base):
            kind = known[str(key)][1] if key in known else Any
        else:
            kind = get_args(base)[1 if get_origin(base) is Mapping else 0] if get_args(base) else Any
        rules = _rules(kind)
        document = _below(document, key)
    kind, rules, _ = _part(kind, rules, document)
    return keys, kind, rules, above


def _part(kind: Any, rules: list[Rule], value: Any) -> tuple[Any, list[Rule], bool]:
    """The part of a union that a value is for, with the rules of both."""
    parts = parts_of(kind)
    if len(parts) == 1:
        return (kind, rules, False) if parts[0] is kind else _part(parts[0], [*rules, *_rules(parts[0])], value)
    for part in parts:
        if shape_of_kind(part) == shape_of_value(value):
            return part, [*_rules(part), *rules], True
    return kind, rules, True


def _rules(kind: Any) -> list[Rule]:
    if get_origin(kind) is Annotated:
        return [each for each in get_args(kind)[1:] if isinstance(each, Rule)]
    if get_origin(kind) in (typing.Union, types.UnionType):
        return [rule for part in get_args(kind) if part is not type(None) for rule in _rules(part)]
    return []


def _below(document: Any, key: str | int) -> Any:
    try:
        return document[key]
    except (KeyError, IndexError, TypeError):
        return None


def _wanted(kind: Any, keys: Sequence[str | int]) -> str:
    base = bare(kind)
    table = ".".join(key for key in keys if isinstance(key, str))
    if is_dataclass(base) or get_origin(base) is Mapping:
        return f"a table: [{table}]" if keys and not isinstance(keys[-1], int) else f"a table: [[{table}]]"
    if get_origin(base) is tuple:
        of = bare(get_args(base)[0])
        return f"written [[{table}]]" if is_dataclass(of) else "a list"
    if get_origin(base) is Literal:
        return f"one of {', '.join(get_args(base))}"
    return _KINDS.get(base, "another value")
