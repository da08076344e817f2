"""What databases that answer a log themselves share of the normal form: which raw columns it is made of, typed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple

from cost_top.gateways.normalise import cost_given_sql, value_sql
from cost_top.gateways.shape import RawShape, field_kind, made_of
from cost_top.model.record import LOWERED

NO_TEXT = "''"
TAGS_TEXT = "tags_text"  # wanted alone: the raw text of tags without the tags in it
LOWER = LOWERED
Names = Mapping[tuple[str, str], Mapping[str, str]]
# Raw texts of tags, the tags in each, and the user agent among them.
TagLists = Sequence[tuple[str, Sequence[str], str | None]]


class Typed(NamedTuple):
    """How a database spells what is its own of a typed column."""

    micros: Callable[[RawShape], str]
    identity: Callable[[RawShape], str]
    text: Callable[[str, RawShape], str]  # as it is shown
    amount: Callable[[RawShape, str], str]
    money: Callable[[RawShape], str]
    odd_counts: Callable[[RawShape], str]  # see `made_counts.odd_counts_sql`


def typed_columns(shape: RawShape, wanted: Collection[str], shown: Collection[str], spelled: Typed) -> list[str]:
    """The columns of a SELECT over a raw statement: `us`, and the raw fields that those `wanted` are made of.

    Texts of `shown` come as they are shown, the text of tags as `tags_text`.
    """
    columns = [f"{spelled.micros(shape)} AS us"]
    if "id" in wanted:
        columns.append(f"{spelled.identity(shape)} AS id")
    needed = placed_of(wanted, shape)
    for name in shape.fields:
        kind, column = field_kind(name), f'"{name}"'
        if name not in needed:
            continue
        if kind == "text":
            value = spelled.text(name, shape) if name in shown else f"nullif({column}, '')"
        elif kind == "tags":
            value, column = column, "tags_text"
        elif kind == "amount":
            value = spelled.amount(shape, column)
        elif kind == "money":
            value = spelled.money(shape)
        else:
            value = value_sql(name, shape)
        columns.append(f"{value} AS {column}")
    if shape.input_includes_cache is None:
        columns.append("CASE WHEN input_includes_cache = 1 THEN true WHEN input_includes_cache = 0 THEN false END "
                       "AS inclusive")  # fmt: skip
    if "mode" in wanted and "reported_cost" in shape.fields:
        columns.append(f"{cost_given_sql(shape)} AS cost_given")
    if "mode" in wanted and shape.counts:
        columns.append(f"{spelled.odd_counts(shape)} AS odd_counts")
    return columns


def placed_of(wanted: Collection[str], shape: RawShape) -> set[str]:
    """As `made_of`, where the raw text of tags may be wanted."""
    found = made_of(wanted, shape)
    return found | {"tags"} if TAGS_TEXT in wanted else found
