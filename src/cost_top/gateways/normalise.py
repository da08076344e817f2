"""The DuckDB SELECT from a raw stream to the normal form: `model.record.FIELDS`, one row for each raw row.

Unknown is NULL, tags are a list without repeats or NULL, money is pico-dollars (ties of a half round away from
zero), and no text holds a control character.
"""

from __future__ import annotations

from cost_top.gateways.columns import RawShape, field_kind
from cost_top.gateways.dialects.base import INTEGER_LIMIT, UNKNOWN_MONEY
from cost_top.model.record import FIELDS
from cost_top.model.text import TEXT_LIMIT, UNSAFE_RE2

_TOKENS = (
    "input_tokens", "cached_input_tokens", "cache_creation_input_tokens", "cache_creation_1h_tokens",
    "output_tokens", "reasoning_tokens",
)  # fmt: skip
# A separator that makes one search over all texts of a row see the edges of each.
_EDGE = "|"
_DIRTY = f"{UNSAFE_RE2[:-1]}|^ | $| [{_EDGE}]|[{_EDGE}] "
_MODES = "'standard', 'batch', 'flex', 'priority'"


def normalise_select(shape: RawShape, relation: str) -> str:
    """SELECT over `relation`, a raw stream or table of that shape, scanned once."""
    columns = ", ".join(f'CAST({_final(name, shape)} AS {kind}) AS "{name}"' for name, kind in FIELDS)
    cleaned = f"({_cleaned(shape, _decoded(shape, relation))})"
    if "tags" not in shape.fields:
        return f"SELECT {columns} FROM ({_typed(shape, cleaned)})"
    # Few tag lists are many rows': each is parsed once.
    return (
        f"WITH cleaned AS MATERIALIZED {cleaned}, parsed AS (SELECT *, {_tags(shape)} AS final_tags FROM "
        f"(SELECT tags, {_tag_list()} AS all_tags FROM (SELECT DISTINCT tags FROM cleaned WHERE tags IS NOT NULL))) "
        f"SELECT {columns} FROM ({_typed(shape, 'cleaned LEFT JOIN parsed USING (tags)')})"
    )


def fingerprint_select(shape: RawShape, relation: str) -> str:
    """`id, time, fingerprint` of a stream of fingerprints."""
    identity = _decode(_quoted("id")) if shape.text_is_blob else "id"
    figures = ", ".join(f'CAST("{name}" AS VARCHAR)' for name in shape.fingerprint_fields) or "''"
    return (
        f"SELECT {_identity(shape, 'safe')} AS id, {time_select(shape.time_kind)} AS time, "
        f"hash(concat_ws('{_EDGE}', {figures})) AS fingerprint FROM (SELECT *, {_safe('id')} AS safe "
        f"FROM (SELECT * REPLACE ({identity} AS id) FROM {relation} WHERE {_real(shape)}))"
    )


def text_select(shape: RawShape, names: tuple[str, ...]) -> str:
    """Raw text columns as VARCHAR, not cleaned."""
    return ", ".join(f"{_decode(_quoted(name)) if shape.text_is_blob else _quoted(name)} AS {name}" for name in names)


def _identity(shape: RawShape, safe: str) -> str:
    """The id without control characters, still unlike every other; a row without one is known by its figures."""
    figures = ", ".join(f"CAST({_quoted(name)} AS VARCHAR)" for name in ("time", *shape.identity_fields))
    return (
        f"CASE WHEN coalesce(id, '') = '' THEN '~' || md5(concat_ws('{_EDGE}', {figures})) "
        f"WHEN {safe} <> id THEN left({safe}, {TEXT_LIMIT - 33}) || '~' || md5(id) ELSE id END"
    )


def _safe(column: str) -> str:
    return f"trim(left(regexp_replace({column}, '{UNSAFE_RE2}', '', 'g'), {TEXT_LIMIT}))"


def _texts(shape: RawShape) -> list[str]:
    return ["id", *(name for name in shape.fields if field_kind(name) in ("text", "tags"))]


def _decode(column: str) -> str:
    # Invalid UTF-8 keeps its row: such bytes are spelled \\xFF.
    return f"coalesce(TRY(decode({column})), CAST({column} AS VARCHAR))"


def _decoded(shape: RawShape, relation: str) -> str:
    if not shape.text_is_blob:
        return f"SELECT * FROM {relation} WHERE {_real(shape)}"
    columns = ", ".join(f'{_decode(_quoted(name))} AS "{name}"' for name in _texts(shape))
    return f"SELECT * REPLACE ({columns}) FROM {relation} WHERE {_real(shape)}"


def _real(shape: RawShape) -> str:
    """Leaves out the row that only gives a stream its types."""
    return {"micros": '"time" >= 0', "iso": "\"time\" <> ''", "timestamp": "true"}[shape.time_kind]


def _cleaned(shape: RawShape, decoded: str) -> str:
    """Clean rows, nearly all of them, are found by one search and left as they are.

    A row's texts are cleaned as one list: planning one expression instead of a dozen is half of a poll's time.
    """
    texts = [name for name in _texts(shape) if name != "tags"]
    every = ", ".join(_quoted(name) for name in texts)
    dirty = f"strlen(every_text) > {TEXT_LIMIT} OR regexp_matches(every_text, '{_DIRTY}')"
    joined = f"SELECT *, concat_ws('{_EDGE}', {every}) AS every_text FROM ({decoded})"
    flagged = f"SELECT * EXCLUDE (every_text), {dirty} AS dirty FROM ({joined})"
    safe = f"SELECT *, CASE WHEN dirty THEN list_transform([{every}], lambda text: {_safe('text')}) END AS safe "
    columns = [f"{_clean(name, place, shape)} AS {_quoted(name)}" for place, name in enumerate(texts, 1)]
    if "tags" in shape.fields:
        # JSON escapes hide control characters and the list is longer than a text: its parts are cleaned later.
        columns.append("nullif(tags, '') AS tags")
    return f"SELECT * REPLACE ({', '.join(columns)}) FROM ({safe} FROM ({flagged}))"


def _clean(name: str, place: int, shape: RawShape) -> str:
    if name == "id":
        return f"CASE WHEN dirty OR id = '' THEN {_identity(shape, f'safe[{place}]')} ELSE id END"
    return f"nullif(CASE WHEN dirty THEN safe[{place}] ELSE {_quoted(name)} END, '')"


def _typed(shape: RawShape, cleaned: str) -> str:
    """Every column in its own type; figures that cannot be are NULL."""
    columns = ["id", f"{time_select(shape.time_kind)} AS time"]
    columns += [
        "all_tags, final_tags" if name == "tags" else f'{_value(name, shape)} AS "{name}"' for name in shape.fields
    ]
    if shape.input_includes_cache is None:
        columns.append("CASE input_includes_cache WHEN 1 THEN true WHEN 0 THEN false END AS inclusive")
    return f"SELECT {', '.join(columns)} FROM {cleaned}"


def _value(name: str, shape: RawShape) -> str:
    column, kind = _quoted(name), field_kind(name)
    if kind == "integer":
        return f"CASE WHEN {column} >= 0 AND {column} < {INTEGER_LIMIT} THEN {column} END"
    if kind == "boolean":
        return f"CASE {column} WHEN 1 THEN true WHEN 0 THEN false END"
    return _money(shape) if kind == "money" else column


def _money(shape: RawShape) -> str:
    column = _quoted("reported_cost")
    numerator, denominator = shape.pico_per_unit
    if (numerator, denominator) == (10**12, 1) and shape.cost_kind != "integer":
        # A double is taken at its shortest decimal spelling.
        usd = f"TRY_CAST(CAST({column} AS VARCHAR) AS DECIMAL(20, 12))"
        return f"TRY_CAST({usd} * CAST(1000000000000 AS DECIMAL(13, 0)) AS BIGINT)"
    whole = f"TRY_CAST(nullif(CAST({column} AS VARCHAR), '{UNKNOWN_MONEY}') AS HUGEINT)"
    bounded = f"CASE WHEN abs({whole}) <= 9223372036854775807 THEN {whole} END"
    if (numerator, denominator) == (1, 1):
        return f"TRY_CAST({bounded} AS BIGINT)"
    scaled = f"((abs({bounded}) * {2 * numerator} + {denominator}) // {2 * denominator})"
    return f"TRY_CAST(sign({whole}) * {scaled} AS BIGINT)"


def _tag_list() -> str:
    """The texts of a JSON array; of an object `key:value`; other text is a list with commas. Cleaned, no repeats."""
    column = _quoted("tags")
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
    return f"list_filter(list_transform({raw}, lambda tag: {_safe('tag')}), lambda tag: tag IS NOT NULL AND tag <> '')"


def _final(name: str, shape: RawShape) -> str:
    """One field over the typed columns, where fields depend on each other."""
    column = _quoted(name) if name in ("id", "time", *shape.fields) else "NULL"
    if name == "user_agent" and shape.user_agent_tag and "tags" in shape.fields:
        return f"coalesce({column}, {_agent_from_tags(shape.user_agent_tag)})"
    if name == "counted":
        return f"coalesce({column}, true)"
    if column == "NULL":
        return column
    special = {
        "input_tokens": _input_tokens(shape),
        "provider": f"lower({column})",
        "credential_type": f"lower({column})",
        "mode": f"CASE WHEN lower({column}) IN ({_MODES}) THEN lower({column}) END",
        "status": f"CASE WHEN {column} < 1000 THEN {column} END",
        "tags": "final_tags",
    }
    return special.get(name, column)


def _input_tokens(shape: RawShape) -> str:
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


def _tags(shape: RawShape) -> str:
    tags = "all_tags"
    if shape.user_agent_tag:
        tags = f"list_filter(all_tags, lambda tag: NOT starts_with(tag, {_literal(shape.user_agent_tag)}))"
    # list_distinct forgets the order; a list is cheap to keep in the order of its texts.
    return f"CASE WHEN len({tags}) > 0 THEN list_sort(list_distinct({tags})) END"


def _agent_from_tags(prefix: str) -> str:
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
