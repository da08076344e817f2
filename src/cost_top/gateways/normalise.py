"""The DuckDB SELECT from a raw stream to the normal form: `model.record.FIELDS`, one row for each raw row.

Unknown is NULL, tags are a list without repeats or NULL, money is pico-dollars (ties of a half round away from
zero), and no text holds a control character.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from cost_top.gateways.secrets import is_key_sql, public_key_sql, public_text_sql
from cost_top.gateways.shape import INTEGER_LIMIT, ROW_HASH, UNKNOWN_MONEY, RawShape, field_kind, pack_name
from cost_top.model.record import FIELDS, WITNESSES
from cost_top.model.secret import MAYBE_KEY_RE2
from cost_top.model.text import TEXT_LIMIT, UNSAFE_RE2

if TYPE_CHECKING:
    from cost_top.gateways.dialects.base import Dialect

_TOKENS = (
    "input_tokens", "cached_input_tokens", "cache_creation_input_tokens", "cache_creation_1h_tokens",
    "output_tokens", "reasoning_tokens",
)  # fmt: skip
# Fields that are compared in small letters.
LOWERED = ("provider", "credential_type", "mode", "region")
# A separator that makes one search over all texts of a row see the edges of each.
EDGE = "|"
SEPARATOR = "\x1f"  # between the texts of a pack
DIRTY_RE2 = f"{UNSAFE_RE2[:-1]}|^ | $| [{EDGE}]|[{EDGE}] |{MAYBE_KEY_RE2}"


def normalise_select(shape: RawShape, relation: str, witnesses: bool = False) -> str:
    """SELECT over `relation`, a raw stream or table of that shape, scanned once; with `WITNESSES` where asked."""
    if witnesses:
        relation = f"(SELECT *, {_witness(shape)} FROM {relation})"
    cleaned = f"({_cleaned(shape, _decoded(shape, relation))})"
    if "tags" not in shape.fields:
        return final_select(shape, cleaned, witnesses)
    # Few tag lists are many rows': each is parsed once.
    return (
        f"WITH cleaned AS MATERIALIZED {cleaned}, parsed AS "
        f"({tag_lists_select(shape, '(SELECT DISTINCT tags FROM cleaned WHERE tags IS NOT NULL)')}) "
        f"{final_select(shape, 'cleaned LEFT JOIN parsed USING (tags)', witnesses)}"
    )


def final_select(
    shape: RawShape, cleaned: str, witnesses: bool, ready: Collection[str] = (), absent: Mapping[str, str] | None = None
) -> str:
    """The normal form over rows whose texts are clean and whose tags are parsed; `ready` fields are taken as they are.

    `absent_texts` may be of other types. Beside the raw columns it needs `all_tags` and `final_tags` where there are
    tags, and `rest_of_key` and the witnesses where they are wanted.
    """
    kinds = (*FIELDS, *(WITNESSES if witnesses else ()))
    kinds = tuple({**dict(kinds), **(absent or {})}.items())
    columns = ", ".join(
        f"{'final_tags' if name == 'tags' else _quoted(name)} AS {_quoted(name)}"
        if name in ready
        else f"CAST({_final(name, shape)} AS {kind}) AS {_quoted(name)}"
        for name, kind in kinds
    )
    return f"SELECT {columns} FROM ({_typed(shape, cleaned, witnesses)})"


def absent_texts(shape: RawShape) -> tuple[str, ...]:
    """Text fields that no row of a log has."""
    return tuple(name for name, kind in FIELDS if kind == "VARCHAR" and _final(name, shape) == "NULL")


def tag_lists_select(shape: RawShape, relation: str) -> str:
    """`tags, all_tags, final_tags` of the raw texts `tags` of a relation: the list in each, and what of it are tags."""
    return (
        f"SELECT *, {_tags(shape)} AS final_tags FROM (SELECT tags, {_tag_list()} AS all_tags "
        f"FROM (SELECT tags, {_said_tags()} AS said_tags FROM {relation}))"
    )


def fingerprint_select(shape: RawShape, relation: str) -> str:
    """`key, time, fingerprint` of a stream of fingerprints."""
    identity = decoded_text(_quoted("id")) if shape.text_is_blob else "id"
    # The key is made of the final id, as it is in the normal form.
    known = f"SELECT * REPLACE ({_identity(shape, 'safe')} AS id) FROM (SELECT *, {safe_text('id')} AS safe FROM "
    return (
        f"SELECT {_key(shape)} AS key, {time_select(shape.time_kind)} AS time, fingerprint FROM ({known}"
        f"(SELECT * REPLACE ({identity} AS id), {_fingerprint(shape)} AS fingerprint, {_rest_of_key(shape)} AS "
        f"rest_of_key FROM {relation} WHERE {real_rows(shape)})))"
    )


def witnessed_select(shape: RawShape, relation: str, names: Sequence[str]) -> str:
    """Raw columns of a stream as they are, then `fingerprint` and `content` as `normalise_select` gives them."""
    columns = ", ".join(map(_quoted, names))
    witnesses = f"{_fingerprint(shape)} AS fingerprint, {_content(shape)} AS content"
    return f"SELECT {columns}, {witnesses} FROM {relation} WHERE {real_rows(shape)}"


def bare_fingerprint_select(shape: RawShape, relation: str) -> str:
    """Raw id and time of a stream of fingerprints, and `fingerprint`."""
    return f"SELECT id, time, {_fingerprint(shape)} AS fingerprint FROM {relation} WHERE {real_rows(shape)}"


def _witness(shape: RawShape) -> str:
    """The columns added to a raw stream, of its raw values."""
    return f"{hashes(shape)}, {_rest_of_key(shape)} AS rest_of_key"


def hashes(shape: RawShape, packed: bool = False) -> str:
    """`fingerprint` and `content` of raw columns, whose texts may be packed."""
    return f"{_fingerprint(shape, packed)} AS fingerprint, {_content(shape, packed)} AS content"


def _content(shape: RawShape, packed: bool = False) -> str:
    every = [*shape.fields, *shape.key_columns]
    if shape.input_includes_cache is None:
        every.append("input_includes_cache")
    return _hash(shape, every, packed)


def _fingerprint(shape: RawShape, packed: bool = False) -> str:
    return _quoted(ROW_HASH) if shape.plain == (ROW_HASH,) else _hash(shape, shape.plain, packed)


def _hash(shape: RawShape, names: Sequence[str], packed: bool) -> str:
    """Of a row's id, time and these raw columns; packs, and what would be one, are hashed as wholes."""
    values = ["id", '"time"']
    single = list(names)
    separator = f"'{SEPARATOR}'::{'BLOB' if shape.text_is_blob else 'VARCHAR'}"
    for place, pack in enumerate(shape.packs):
        if set(pack) <= set(names):
            parts = (_part(name, shape) for name in pack)
            values.append(_quoted(pack_name(place)) if packed else f" || {separator} || ".join(parts))
            single = [name for name in single if name not in pack]
    return _positive(f"hash({', '.join((*values, *map(_quoted, single)))})")


def _part(name: str, shape: RawShape) -> str:
    """A raw column as it comes in a pack; one that is NULL must not hide the others."""
    text, empty = _quoted(name), "''::BLOB" if shape.text_is_blob else "''"
    if field_kind(name) != "text":
        text = f"CAST({text} AS VARCHAR)"
        text = f"CAST({text} AS BLOB)" if shape.text_is_blob else text
    return f"coalesce({text}, {empty})"


def _positive(value: str) -> str:
    return f"CAST({value} >> 1 AS BIGINT)"


def _rest_of_key(shape: RawShape) -> str:
    """What tells rows of one id apart, as text; lengths keep values apart."""
    if shape.key == "time":
        return f"CAST({_quoted('time')} AS VARCHAR)"
    if shape.key == "none":
        return f"concat_ws('~', CAST({_quoted('time')} AS VARCHAR), CAST({_fingerprint(shape)} AS VARCHAR))"
    texts = [decoded_text(_quoted(name)) if shape.text_is_blob else _quoted(name) for name in shape.key_columns]
    return " || ".join(f"concat(length({text}), ':', {text})" for text in texts) or "''"


def _key(shape: RawShape) -> str:
    return "id" if shape.key == "id" else "concat(length(id), ':', id, rest_of_key)"


def content_select(shape: RawShape, relation: str) -> str:
    """`content` alone of a raw stream of rows, as `normalise_select` gives it."""
    return f"SELECT {_content(shape)} AS content FROM {relation} WHERE {real_rows(shape)}"


def text_select(shape: RawShape | Dialect, names: tuple[str, ...]) -> str:
    """Raw text columns as VARCHAR, not cleaned."""
    return ", ".join(
        f"{decoded_text(_quoted(name)) if shape.text_is_blob else _quoted(name)} AS {name}" for name in names
    )


def _identity(shape: RawShape, safe: str) -> str:
    """The id without control characters, still unlike every other; a row without one is known by its figures."""
    figures = ", ".join(f"CAST({_quoted(name)} AS VARCHAR)" for name in ("time", *shape.identity_fields))
    return (
        f"CASE WHEN coalesce(id, '') = '' THEN '~' || md5(concat_ws('{EDGE}', {figures})) "
        f"WHEN {safe} <> id THEN left({safe}, {TEXT_LIMIT - 33}) || '~' || md5(id) ELSE id END"
    )


def safe_text(column: str) -> str:
    """A text as it may be shown."""
    return f"trim(left({public_text_sql(printable_text(column))}, {TEXT_LIMIT}))"


def printable_text(column: str) -> str:
    """A text without control characters."""
    return f"regexp_replace({column}, '{UNSAFE_RE2}', '', 'g')"


def _texts(shape: RawShape) -> list[str]:
    return ["id", *(name for name in shape.fields if field_kind(name) in ("text", "tags"))]


def decoded_text(column: str) -> str:
    """The text of bytes. Invalid UTF-8 keeps its row: such bytes are spelled as escapes."""
    return f"coalesce(TRY(decode({column})), CAST({column} AS VARCHAR))"


def _decoded(shape: RawShape, relation: str) -> str:
    if not shape.text_is_blob:
        return f"SELECT * FROM {relation} WHERE {real_rows(shape)}"
    columns = ", ".join(f'{decoded_text(_quoted(name))} AS "{name}"' for name in _texts(shape))
    return f"SELECT * REPLACE ({columns}) FROM {relation} WHERE {real_rows(shape)}"


def real_rows(shape: RawShape) -> str:
    """Leaves out the row that only gives a stream its types."""
    return {"micros": '"time" >= 0', "iso": "\"time\" <> ''", "timestamp": "true"}[shape.time_kind]


def _cleaned(shape: RawShape, decoded: str) -> str:
    """Clean rows, nearly all of them, are found by one search and left as they are.

    A row's texts are cleaned as one list: planning one expression instead of a dozen is half of a poll's time.
    """
    texts = [name for name in _texts(shape) if name != "tags"]
    every = ", ".join(_quoted(name) for name in texts)
    dirty = f"strlen(every_text) > {TEXT_LIMIT} OR regexp_matches(every_text, '{DIRTY_RE2}')"
    joined = f"SELECT *, concat_ws('{EDGE}', {every}) AS every_text FROM ({decoded})"
    keys = "".join(f", {is_key_sql(_quoted(name), public)} AS key_{name}" for name, public in shape.keys)
    flagged = f"SELECT * EXCLUDE (every_text), {dirty} AS dirty{keys} FROM ({joined})"
    safe = f"SELECT *, CASE WHEN dirty THEN list_transform([{every}], lambda text: {safe_text('text')}) END AS safe "
    columns = [f"{_clean(name, place, shape)} AS {_quoted(name)}" for place, name in enumerate(texts, 1)]
    if "tags" in shape.fields:
        # JSON escapes hide control characters and the list is longer than a text: its parts are cleaned later.
        columns.append("nullif(tags, '') AS tags")
    return f"SELECT * REPLACE ({', '.join(columns)}) FROM ({safe} FROM ({flagged}))"


def _clean(name: str, place: int, shape: RawShape) -> str:
    if name == "id":
        return f"CASE WHEN dirty OR id = '' THEN {_identity(shape, f'safe[{place}]')} ELSE id END"
    shown = f"CASE WHEN dirty THEN safe[{place}] ELSE {_quoted(name)} END"
    if name in dict(shape.keys):
        shown = f"CASE WHEN key_{name} THEN {public_key_sql(printable_text(_quoted(name)))} ELSE {shown} END"
    return f"nullif({shown}, '')"


def _typed(shape: RawShape, cleaned: str, witnesses: bool) -> str:
    """Every column in its own type; figures that cannot be are NULL."""
    columns = ["id", f"{time_select(shape.time_kind)} AS time"]
    columns += [
        "all_tags, final_tags" if name == "tags" else f'{value_sql(name, shape)} AS "{name}"' for name in shape.fields
    ]
    if shape.input_includes_cache is None:
        columns.append("CASE input_includes_cache WHEN 1 THEN true WHEN 0 THEN false END AS inclusive")
    if witnesses:
        columns.append("fingerprint, content, rest_of_key")
    return f"SELECT {', '.join(columns)} FROM {cleaned}"


def value_sql(name: str, shape: RawShape) -> str:
    """A raw column in the type of its field; NULL where it is none."""
    column, kind = _quoted(name), field_kind(name)
    if kind == "integer":
        return f"CASE WHEN {column} >= 0 AND {column} < {INTEGER_LIMIT} THEN {column} END"
    if kind == "boolean":
        return f"CASE WHEN {column} = 1 THEN true WHEN {column} = 0 THEN false END"
    if kind == "amount":
        return _amount(shape, column)
    return _money(shape) if kind == "money" else column


def _amount(shape: RawShape, column: str) -> str:
    """Decimal text in the cost's unit as pico-dollars; what a division left over is rounded away."""
    numerator, denominator = shape.pico_per_unit
    if (numerator, denominator) == (10**12, 1):
        return f"TRY_CAST(TRY_CAST({column} AS DECIMAL(20, 12)) * CAST(1000000000000 AS DECIMAL(13, 0)) AS BIGINT)"
    return f"TRY_CAST(round(TRY_CAST({column} AS DOUBLE) * {numerator} / {denominator}) AS BIGINT)"


def _money(shape: RawShape) -> str:
    column = _quoted("reported_cost")
    numerator, denominator = shape.pico_per_unit
    if (numerator, denominator) == (10**12, 1) and shape.cost_kind != "integer":
        # A double is taken at its shortest decimal spelling.
        usd = f"TRY_CAST(CAST({column} AS VARCHAR) AS DECIMAL(20, 12))"
        return f"TRY_CAST({usd} * CAST(1000000000000 AS DECIMAL(13, 0)) AS BIGINT)"
    if shape.cost_kind == "integer" and numerator == denominator:
        # By far the most logs in pico-dollars: no detour over text and 128 bits.
        return f"CASE WHEN TRY_CAST({column} AS BIGINT) > {UNKNOWN_MONEY} THEN {column} END"
    whole = f"TRY_CAST(nullif(CAST({column} AS VARCHAR), '{UNKNOWN_MONEY}') AS HUGEINT)"
    bounded = f"CASE WHEN abs({whole}) <= 9223372036854775807 THEN {whole} END"
    if (numerator, denominator) == (1, 1):
        return f"TRY_CAST({bounded} AS BIGINT)"
    scaled = f"((abs({bounded}) * {2 * numerator} + {denominator}) // {2 * denominator})"
    return f"TRY_CAST(sign({whole}) * {scaled} AS BIGINT)"


def _said_tags() -> str:
    """A list that was encoded twice is the list inside the text."""
    said = _quoted("tags")
    inside = f"CAST({said} AS JSON) ->> '$'"
    return (
        f"CASE WHEN starts_with({said}, '\"') AND json_valid({said}) AND json_valid({inside}) "
        f"AND json_type({inside}) = 'ARRAY' THEN {inside} ELSE {said} END"
    )


def _tag_list() -> str:
    """The texts of a JSON array; of an object `key:value`; other text is a list with commas. Cleaned, no repeats."""
    column = "said_tags"
    keys = (
        f"list_transform(json_keys({column}), lambda key: concat_ws(':', key, "
        f"CAST({column} AS JSON) ->> ('$.\"' || replace(key, '\"', '\\\"') || '\"')))"
    )
    raw = (
        f"CASE WHEN {column} IS NULL OR {column} IN ('[]', '{{}}', 'null') THEN NULL "
        f"WHEN NOT json_valid({column}) THEN string_split({column}, ',') "
        f"WHEN json_type({column}) = 'ARRAY' THEN TRY(from_json({column}, '[\"VARCHAR\"]')) "
        f"WHEN json_type({column}) = 'OBJECT' THEN TRY({keys}) "
        f"ELSE [CAST({column} AS JSON) ->> '$'] END"
    )
    return (
        f"list_filter(list_transform({raw}, lambda tag: {safe_text('tag')}), lambda tag: tag IS NOT NULL AND tag <> '')"
    )


def _final(name: str, shape: RawShape) -> str:
    """One field over the typed columns, where fields depend on each other."""
    if name == "key":
        return _key(shape)
    column = _quoted(name) if name in ("id", "time", "fingerprint", "content", *shape.fields) else "NULL"
    if name == "user_agent" and shape.user_agent_tag and "tags" in shape.fields:
        return f"coalesce({column}, {agent_from_tags(shape.user_agent_tag)})"
    if name == "counted":
        return f"coalesce({column}, {is_request_sql(shape)})"
    if column == "NULL":
        return column
    special = {
        "input_tokens": input_tokens_sql(shape),
        "output_tokens": output_tokens_sql(shape),
        **dict.fromkeys(LOWERED, f"lower({column})"),
        "status": f"CASE WHEN {column} < 1000 THEN {column} END",
        "tags": "final_tags",
    }
    return special.get(name, column)


def is_request_sql(shape: RawShape) -> str:
    """Money that comes back without any time spent is a refund or a correction, not a request."""
    if "reported_cost" not in shape.fields:
        return "true"
    instant = "coalesce(latency_ms, 0) = 0" if "latency_ms" in shape.fields else "true"
    return f"NOT coalesce(reported_cost < 0 AND {instant}, false)"


def input_tokens_sql(shape: RawShape) -> str:
    """All input with its cached parts inside; where they cannot be inside, the source left them out."""
    parts = [f"coalesce({_quoted(name)}, 0)" for name in _TOKENS[1:3] if name in shape.fields]
    column = _quoted("input_tokens")
    if not parts:
        return column
    cached = " + ".join(parts)
    if shape.input_includes_cache is False:
        return f"{column} + {cached}"
    outside = f"{cached} > {column}"
    if shape.input_includes_cache is None:
        outside = f"NOT coalesce(inclusive, true) OR {outside}"
    return f"CASE WHEN {outside} THEN {column} + {cached} ELSE {column} END"


def output_tokens_sql(shape: RawShape) -> str:
    """All output with its reasoning inside; where it cannot be inside, the source left it out."""
    column, inside = _quoted("output_tokens"), _quoted("reasoning_tokens")
    if "reasoning_tokens" not in shape.fields:
        return column
    return f"CASE WHEN {inside} > {column} THEN {column} + {inside} ELSE {column} END"


def _tags(shape: RawShape) -> str:
    tags = "all_tags"
    if shape.user_agent_tag:
        tags = f"list_filter(all_tags, lambda tag: NOT starts_with(tag, {_literal(shape.user_agent_tag)}))"
    # list_distinct forgets the order; a list is cheap to keep in the order of its texts.
    return f"CASE WHEN len({tags}) > 0 THEN list_sort(list_distinct({tags})) END"


def agent_from_tags(prefix: str) -> str:
    """The user agent among `all_tags`, of `tag_lists_select`."""
    literal = _literal(prefix)
    # The most specific one comes last.
    agents = f"list_filter(all_tags, lambda tag: starts_with(tag, {literal}))"
    return f"nullif(trim(substr({agents}[-1], length({literal}) + 1)), '')"


def time_select(kind: str) -> str:
    """The raw column `time` as a TIMESTAMP in UTC."""
    if kind == "micros":
        return 'make_timestamp("time")'
    if kind == "timestamp":
        return '"time"'
    text = "replace(CAST(\"time\" AS VARCHAR), 'T', ' ')"
    # The shape was checked by the log's database; a day that no month has falls back to the first of the month.
    return f"coalesce(TRY_CAST({text} AS TIMESTAMP), TRY_CAST(left({text}, 8) || '01' AS TIMESTAMP))"


def _quoted(name: str) -> str:
    return f'"{name}"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
