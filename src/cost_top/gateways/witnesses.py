"""What tells a raw row from every other, and shows that it changed."""

from __future__ import annotations

from collections.abc import Sequence

from cost_top.gateways.raw_columns import decoded_text, quoted, real_rows
from cost_top.gateways.shape import ROW_HASH, RawShape, field_kind, pack_name

SEPARATOR = "\x1f"  # between the texts of a pack
# The columns of a stream of rows as they are spelled; `exact` is there where a text would be rounded.
SPELLED, EXACT = "spelled", "exact"


def witnessed_select(shape: RawShape, relation: str, names: Sequence[str], packed: bool = False) -> str:
    """Raw columns of a stream as they are, then `fingerprint` and `content` as `normalise_select` gives them.

    The fingerprint alone where both are the same: what a statement of few rows takes is the planning of it.
    """
    columns = ", ".join(map(quoted, names))
    witnesses = f"{fingerprint_sql(shape, packed)} AS fingerprint" if has_one_witness(shape) else hashes(shape, packed)
    return f"SELECT {columns}, {witnesses} FROM {relation} WHERE {real_rows(shape)}"


def has_one_witness(shape: RawShape) -> bool:
    """Whether `fingerprint` and `content` are the same: no column is costly."""
    return fingerprint_sql(shape) == _content(shape)


def bare_fingerprint_select(shape: RawShape, relation: str, packed: bool = False) -> str:
    """Raw id and time of a stream of fingerprints, or of a packed one of rows, and `fingerprint`."""
    fingerprint = fingerprint_sql(shape, packed)
    return f"SELECT id, time, {fingerprint} AS fingerprint FROM {relation} WHERE {real_rows(shape)}"


def content_select(shape: RawShape, relation: str) -> str:
    """`content` alone of a raw stream of rows, as `normalise_select` gives it."""
    return f"SELECT {_content(shape)} AS content FROM {relation} WHERE {real_rows(shape)}"


def witness_columns(shape: RawShape) -> str:
    """The columns added to a raw stream, of its raw values."""
    return f"{hashes(shape)}, {rest_of_key(shape)} AS rest_of_key"


def hashes(shape: RawShape, packed: bool = False) -> str:
    """`fingerprint` and `content` of raw columns, whose texts may be packed."""
    return f"{fingerprint_sql(shape, packed)} AS fingerprint, {_content(shape, packed)} AS content"


def _content(shape: RawShape, packed: bool = False) -> str:
    every = [*shape.fields, *shape.key_columns]
    if shape.input_includes_cache is None:
        every.append("input_includes_cache")
    return _hash(shape, every, packed)


def fingerprint_sql(shape: RawShape, packed: bool = False) -> str:
    """A hash of the plain columns, in the database where that makes one."""
    return quoted(ROW_HASH) if shape.plain == (ROW_HASH,) else _hash(shape, shape.plain, packed)


def _hash(shape: RawShape, names: Sequence[str], packed: bool) -> str:
    """Of a row's id, time and these raw columns; packs, and what would be one, are hashed as wholes."""
    values = ["id", '"time"']
    single = list(names)
    separator = f"'{SEPARATOR}'::{'BLOB' if shape.text_is_blob else 'VARCHAR'}"
    for place, pack in enumerate(shape.packs):
        if set(pack) <= set(names):
            parts = (_part(name, shape) for name in pack)
            values.append(quoted(pack_name(place)) if packed else f" || {separator} || ".join(parts))
            single = [name for name in single if name not in pack]
    return _positive(f"hash({', '.join((*values, *map(quoted, single)))})")


def _part(name: str, shape: RawShape) -> str:
    """A raw column as it comes in a pack; one that is NULL must not hide the others."""
    text, empty = quoted(name), "''::BLOB" if shape.text_is_blob else "''"
    if field_kind(name) != "text":
        text = f"CAST({text} AS VARCHAR)"
        text = f"CAST({text} AS BLOB)" if shape.text_is_blob else text
    return f"coalesce({text}, {empty})"


def spelled_sum(relation: str) -> str:
    """The DuckDB SELECT over a stream of `gateways.spelled`: how many rows, and what follows every change of one."""
    # The row that stands for none spells nothing.
    return (
        f"SELECT count(*) AS n, coalesce(sum(hash(*COLUMNS(*)) >> 1), 0) AS digest FROM {relation} "
        f"WHERE octet_length({SPELLED}) > 0"
    )


def _positive(value: str) -> str:
    return f"CAST({value} >> 1 AS BIGINT)"


def rest_of_key(shape: RawShape) -> str:
    """What tells rows of one id apart, as text; lengths keep values apart."""
    if shape.key == "time":
        return f"CAST({quoted('time')} AS VARCHAR)"
    if shape.key == "none":
        return f"concat_ws('~', CAST({quoted('time')} AS VARCHAR), CAST({fingerprint_sql(shape)} AS VARCHAR))"
    texts = [decoded_text(quoted(name)) if shape.text_is_blob else quoted(name) for name in shape.key_columns]
    return " || ".join(f"concat(length({text}), ':', {text})" for text in texts) or "''"


def key_sql(shape: RawShape) -> str:
    """What no other row of the log has, of the final id and `rest_of_key`."""
    return "id" if shape.key == "id" else "concat(length(id), ':', id, rest_of_key)"
