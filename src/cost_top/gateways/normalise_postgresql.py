"""The normal form made by PostgreSQL itself: `normalise`'s fields over a raw statement, one row for each raw row.

Unknown is NULL; tags are an array, empty where there are none. Raw texts of tags are taken apart by ourselves and sent
along (`TagLists`), so that there is one rule for what a tag is; `tags_text` is the raw text.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping

from cost_top.gateways.dialects.postgresql_sql import bigint_or_null
from cost_top.gateways.made_counts import MADE_COUNTS, odd_counts_sql
from cost_top.gateways.normalise import is_request_sql, mode_sql
from cost_top.gateways.normalise_placed import LOWER, NO_TEXT, TAGS_TEXT, Names, TagLists, Typed, typed_columns
from cost_top.gateways.shape import UNKNOWN_MONEY, RawShape
from cost_top.model.record import FIELDS
from cost_top.model.secret import BEARER_RE2, KEY_RE2, KIND_RE2, MAYBE_KEY_RE2
from cost_top.model.text import TEXT_LIMIT, UNSAFE_CLASS

# What PostgreSQL's expressions spell otherwise than RE2: a text holds no NUL, escapes have a fixed length.
_UNSAFE = "[" + UNSAFE_CLASS.replace("\\x00", "\\u0001").replace("\\x", "\\u00") + "]+"
_DIRTY = f"{_UNSAFE[:-1]}|^ | $|{MAYBE_KEY_RE2}"
_TYPES = {"VARCHAR": "text", "BIGINT": "bigint", "INTEGER": "integer", "BOOLEAN": "boolean", "VARCHAR[]": "text[]"}
_DECIMAL = r"^\s*[-+]?([0-9]{1,30}(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]{1,2})?\s*$"
_PICO = 10**12
# Larger amounts than the mirror's decimals hold are none.
_MOST_DOLLARS = 10**8


def literal(text: str) -> str:
    r"""A text as a literal, whatever it holds and however the server takes a backslash.

    >>> literal("o'Neil \\")
    "E'o''Neil \\\\'"
    """
    safe = text.replace("\x00", "").encode("utf-8", "replace").decode()
    return "E'" + safe.replace("\\", "\\\\").replace("'", "''") + "'"


def array_literal(values: Iterable[object], kind: str) -> str:
    """Values as one literal: it is read as fast as data."""
    return f"{literal(_array(values))}::{kind}[]"


def _array(values: Iterable[object]) -> str:
    cells = ("NULL" if value is None else _cell(value) for value in values)
    return "{" + ",".join(cells) + "}"


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "t" if value else "f"
    if isinstance(value, int):
        return str(value)
    return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'


def normal_select(
    shape: RawShape, raw: str, wanted: Collection[str], shown: Collection[str] = (), names: Names | None = None,
    tags: TagLists | None = None,
) -> str:  # fmt: skip
    """SELECT of `wanted` fields of `model.record.FIELDS`, and `us`, the time in microseconds, over a raw statement.

    Texts come as they are logged, but for those of `shown`: they come as they are shown, clean and by the log's own
    `names`, so that they can be compared. Without `tags` there is no array of them.
    """
    named = {field: (by, found) for (field, by), found in (names or {}).items() if field in shown}
    fields = {*wanted, *(by for by, _ in named.values())}
    typed = f"SELECT {', '.join(typed_columns(shape, fields, shown, _SPELLED))} FROM ({raw}) AS raw"
    if tags is not None and "tags" in shape.fields:
        typed = _tagged(typed, tags)
    columns = _final(shape, wanted, named, tags is not None)
    return f"SELECT {', '.join(columns)} FROM ({typed} OFFSET 0) AS typed OFFSET 0"


def _final(
    shape: RawShape, wanted: Collection[str], named: Mapping[str, tuple[str, Mapping[str, str]]], tagged: bool
) -> list[str]:  # fmt: skip
    columns = ["us", "timestamp '1970-01-01' + us * interval '1 microsecond' AS time"]
    has_tags = "tags" in shape.fields
    if not {"tags", TAGS_TEXT}.isdisjoint(wanted):
        columns.append(f"{'tags_text' if has_tags else NO_TEXT} AS tags_text")
    for name, kind in FIELDS:
        if name == "time" or name not in wanted or (name == "tags" and not tagged):
            continue
        known = name == "id" or name in shape.fields
        value = f'"{name}"' if known else "NULL"
        if name in named:
            by, found = named[name]
            value = _named(value, f'"{by}"' if by in shape.fields else "NULL", found)
            known = True
        if name == "tags":
            value = "tag_list" if has_tags else "'{}'"
        elif name == "counted":
            value = f"coalesce({value}::boolean, {is_request_sql(shape)})"
        elif name in MADE_COUNTS and known:
            value = MADE_COUNTS[name](shape)
        elif name in LOWER and known:
            value = f"nullif(lower(btrim({value})), '')"
        elif name == "status" and known:
            value = f"CASE WHEN {value} < 1000 THEN {value} END"
        elif name == "user_agent" and shape.user_agent_tag and has_tags and tagged:
            value = f"coalesce({value}, tag_agent)"
        value = mode_sql(value, shape) if name == "mode" else value
        columns.append(f'CAST({value} AS {_TYPES[kind]}) AS "{name}"')
    return columns


def _tagged(typed: str, tags: TagLists) -> str:
    """Rows with the tags in their text."""
    rows = [(text, _array(each), agent) for text, each, agent in tags]
    sent = ", ".join(array_literal((row[place] for row in rows), "text") for place in range(3))
    return (
        "SELECT typed.*, coalesce(sent.list::text[], '{}') AS tag_list, sent.agent AS tag_agent "
        f"FROM ({typed} OFFSET 0) AS typed LEFT JOIN unnest({sent}) AS sent(text, list, agent) "
        "ON sent.text = typed.tags_text"
    )


def _named(own: str, by: str, known: Mapping[str, str]) -> str:
    if not known:
        return own
    table = literal(json.dumps(dict(known)).replace("\\u0000", ""))
    return f"coalesce(nullif({table}::jsonb ->> {by}::text, ''), {own}::text)"


def _micros(shape: RawShape) -> str:
    return '"time"' if shape.time_kind == "micros" else 'round(extract(epoch FROM "time") * 1000000)::bigint'


def _text(name: str, shape: RawShape) -> str:
    column = f'"{name}"'
    shown = clean_sql(column)
    public = dict(shape.keys).get(name)
    if public is not None:
        bare = f"regexp_replace(btrim({_printable(column)}), {literal(BEARER_RE2)}, '')"
        is_key = f"{column} <> '' AND {column} !~ {literal(f'^(?:{public})$')}"
        shown = f"CASE WHEN {is_key} THEN {_public(bare)} ELSE {shown} END"
    return f"nullif({shown}, '')"


def clean_sql(text: str) -> str:
    """A text without control characters and keys, cut to what is shown; most are left as they are."""
    return (
        f"CASE WHEN length({text}) > {TEXT_LIMIT} OR {text} ~ {literal(_DIRTY)} "
        f"THEN btrim(left({_without_keys(_printable(text))}, {TEXT_LIMIT})) ELSE {text} END"
    )


def _without_keys(text: str) -> str:
    """What stands before a key, and its public form, one key after the other."""
    pattern = literal(KEY_RE2)
    return (
        f"(SELECT string_agg(piece || coalesce(found[1] || {_public('found[2]')}, ''), '' ORDER BY place) "
        f"FROM regexp_split_to_table({text}, {pattern}) WITH ORDINALITY AS pieces(piece, place) "
        f"LEFT JOIN regexp_matches({text}, {pattern}, 'g') WITH ORDINALITY AS keys(found, place) USING (place))"
    )


def _printable(text: str) -> str:
    return f"regexp_replace({text}, {literal(_UNSAFE)}, '', 'g')"


def _public(key: str) -> str:
    kind = f"substring({key} FROM {literal(f'^(?:{KIND_RE2})')})"
    digest = f"left(encode(sha256(convert_to({key}, 'UTF8')), 'hex'), 12)"
    return f"(CASE WHEN length({key}) >= 3 * length({kind}) THEN {kind} ELSE '' END || '…' || {digest})"


def _identity(shape: RawShape) -> str:
    figures = ", ".join(f'"{name}"::text' for name in ("time", *shape.identity_fields))
    safe = clean_sql("id")
    return (
        f"CASE WHEN id = '' THEN '~' || md5(concat_ws('|', {figures})) WHEN {safe} <> id "
        f"THEN left({safe}, {TEXT_LIMIT - 33}) || '~' || md5(id) ELSE id END"
    )


def _decimal(text: str) -> str:
    return f"CASE WHEN {text} ~ {literal(_DECIMAL)} THEN {text}::numeric END"


def _pico(dollars: str) -> str:
    """Dollars as pico-dollars, halves away from zero; NULL where no BIGINT holds it."""
    return f"{bigint_or_null(f'round({dollars}, 12) * {_PICO}')}::bigint"


def _amount(shape: RawShape, column: str) -> str:
    numerator, denominator = shape.pico_per_unit
    if (numerator, denominator) == (_PICO, 1):
        return _pico(_decimal(column))
    scaled = f"(({_decimal(column)})::float8 * {numerator} / {denominator})"
    return f"{bigint_or_null(f'(sign({scaled}) * floor(abs({scaled}) + 0.5))::numeric')}::bigint"


def _money(shape: RawShape) -> str:
    column = '"reported_cost"'
    numerator, denominator = shape.pico_per_unit
    if (numerator, denominator) == (_PICO, 1) and shape.cost_kind != "integer":
        if shape.cost_kind == "double":
            # A double is taken at its shortest decimal spelling.
            bounded = f"CASE WHEN abs({column}) < {_MOST_DOLLARS} THEN {column}::text::numeric END"
            return _pico(bounded)
        return _pico(_decimal(column))
    if shape.cost_kind == "integer":
        whole = f"(CASE WHEN {column} > {UNKNOWN_MONEY} THEN {column} END)::numeric"
    elif shape.cost_kind == "double":
        whole = f"round(CASE WHEN abs({column}) < 1e18 THEN {column}::text::numeric END)"
    else:
        whole = f"round({_decimal(column)})"
    if (numerator, denominator) == (1, 1):
        return f"{bigint_or_null(whole)}::bigint"
    scaled = f"sign({whole}) * div(abs({whole}) * {2 * numerator} + {denominator}, {2 * denominator})"
    return f"{bigint_or_null(scaled)}::bigint"


_SPELLED = Typed(_micros, _identity, _text, _amount, _money, odd_counts_sql)
