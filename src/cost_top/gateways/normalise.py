"""The DuckDB SELECT from a raw stream to the normal form: `model.record.FIELDS`, one row for each raw row.

Unknown is NULL, tags are a list without repeats or NULL, money is pico-dollars (ties of a half round away from
zero), and no text holds a control character.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from cost_top.gateways.made_counts import MADE_COUNTS, odd_counts_sql
from cost_top.gateways.raw_columns import decoded_text, printable_text, quoted, real_rows, safe_text, time_select
from cost_top.gateways.secrets import is_key_sql, public_key_sql
from cost_top.gateways.shape import (
    INTEGER_LIMIT,
    UNKNOWN_DOUBLE,
    UNKNOWN_MONEY,
    RawShape,
    field_kind,
)  # fmt: skip
from cost_top.gateways.witnesses import fingerprint_sql, key_sql, rest_of_key, witness_columns
from cost_top.model.modes import UNREADABLE_COST
from cost_top.model.modes import UNREADABLE_COUNT as COUNT_MODE
from cost_top.model.record import FIELD_NAMES, FIELDS, LOWERED, WITNESSES
from cost_top.model.secret import MAYBE_KEY_RE2
from cost_top.model.text import TEXT_LIMIT, UNSAFE_RE2

# A separator that makes one search over all texts of a row see the edges of each.
EDGE = "|"
DIRTY_RE2 = f"{UNSAFE_RE2[:-1]}|^ | $| [{EDGE}]|[{EDGE}] |{MAYBE_KEY_RE2}"


def normalise_select(shape: RawShape, relation: str, witnesses: bool = False) -> str:
    """SELECT over `relation`, a raw stream or table of that shape, scanned once; with `WITNESSES` where asked."""
    if witnesses:
        relation = f"(SELECT *, {witness_columns(shape)} FROM {relation})"
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
    shape: RawShape, cleaned: str, witnesses: bool, ready: Collection[str] | None = None,
    absent: Mapping[str, str] | None = None, beside: Collection[str] = (),
) -> str:  # fmt: skip
    """The normal form over rows whose texts are clean and whose tags are parsed.

    `ready` fields are taken as they are: where they are given, the mode is that of the log, since `odd_cost_sql` and
    `odd_counts_sql` hold of none of the rows.

    `absent_texts` may be of other types; columns `beside` are kept. Beside the raw columns it needs `all_tags` and
    `final_tags` where there are tags, and `rest_of_key` and the witnesses where they are wanted.
    """
    kinds = (*FIELDS, *(WITNESSES if witnesses else ()))
    if shape.told is not None:
        kinds = tuple(each for each in kinds if each[0] in shape.told)
    kinds = tuple({**dict(kinds), **(absent or {})}.items())
    finals = {name: _final(name, shape) for name, _ in kinds}
    if ready is None:
        finals["mode"] = mode_sql(finals["mode"], shape)
    columns = ", ".join(
        f"{'final_tags' if name == 'tags' else quoted(name)} AS {quoted(name)}"
        if name in (ready or ())
        else f"CAST({finals[name]} AS {kind}) AS {quoted(name)}"
        for name, kind in kinds
    )
    kept = "".join(f", {quoted(name)}" for name in beside)
    return f"SELECT {columns}{kept} FROM ({_typed(shape, cleaned, witnesses, beside)})"


def absent_texts(shape: RawShape) -> tuple[str, ...]:
    """Text fields that no row of a log has."""
    told = shape.told or FIELD_NAMES
    return tuple(name for name, kind in FIELDS if name in told and kind == "VARCHAR" and _final(name, shape) == "NULL")


def tag_lists_select(shape: RawShape, relation: str) -> str:
    """`tags, all_tags, final_tags` of the raw texts `tags` of a relation: the list in each, and what of it are tags."""
    return (
        f"SELECT *, {_tags(shape)} AS final_tags FROM (SELECT tags, {_tag_list()} AS all_tags "
        f"FROM (SELECT tags, {_said_tags()} AS said_tags FROM {relation}))"
    )


def fingerprint_select(shape: RawShape, relation: str) -> str:
    """`key, time, fingerprint` of a stream of fingerprints."""
    identity = decoded_text(quoted("id")) if shape.text_is_blob else "id"
    # The key is made of the final id, as it is in the normal form.
    known = f"SELECT * REPLACE ({_identity(shape, 'safe')} AS id) FROM (SELECT *, {safe_text('id')} AS safe FROM "
    return (
        f"SELECT {key_sql(shape)} AS key, {time_select(shape.time_kind)} AS time, fingerprint FROM ({known}"
        f"(SELECT * REPLACE ({identity} AS id), {fingerprint_sql(shape)} AS fingerprint, {rest_of_key(shape)} AS "
        f"rest_of_key FROM {relation} WHERE {real_rows(shape)})))"
    )


def _identity(shape: RawShape, safe: str) -> str:
    """The id without control characters, still unlike every other; a row without one is known by its figures."""
    figures = ", ".join(f"CAST({quoted(name)} AS VARCHAR)" for name in ("time", *shape.identity_fields))
    return (
        f"CASE WHEN coalesce(id, '') = '' THEN '~' || md5(concat_ws('{EDGE}', {figures})) "
        f"WHEN {safe} <> id THEN left({safe}, {TEXT_LIMIT - 33}) || '~' || md5(id) ELSE id END"
    )


def _texts(shape: RawShape) -> list[str]:
    return [
        *(["id"] if shape.told is None else []),
        *(name for name in shape.fields if field_kind(name) in ("text", "tags")),
    ]


def _decoded(shape: RawShape, relation: str) -> str:
    if not shape.text_is_blob:
        return f"SELECT * FROM {relation} WHERE {real_rows(shape)}"
    columns = ", ".join(f'{decoded_text(quoted(name))} AS "{name}"' for name in _texts(shape))
    return f"SELECT * REPLACE ({columns}) FROM {relation} WHERE {real_rows(shape)}"


def _cleaned(shape: RawShape, decoded: str) -> str:
    """Clean rows, nearly all of them, are found by one search and left as they are.

    A row's texts are cleaned as one list: planning one expression instead of a dozen is half of a poll's time.
    """
    texts = [name for name in _texts(shape) if name != "tags"]
    if not texts:
        return f"SELECT * REPLACE (nullif(tags, '') AS tags) FROM ({decoded})" if "tags" in shape.fields else decoded
    every = ", ".join(quoted(name) for name in texts)
    dirty = f"strlen(every_text) > {TEXT_LIMIT} OR regexp_matches(every_text, '{DIRTY_RE2}')"
    joined = f"SELECT *, concat_ws('{EDGE}', {every}) AS every_text FROM ({decoded})"
    keys = "".join(f", {is_key_sql(quoted(name), public)} AS key_{name}" for name, public in shape.keys)
    flagged = f"SELECT * EXCLUDE (every_text), {dirty} AS dirty{keys} FROM ({joined})"
    safe = f"SELECT *, CASE WHEN dirty THEN list_transform([{every}], lambda text: {safe_text('text')}) END AS safe "
    columns = [f"{_clean(name, place, shape)} AS {quoted(name)}" for place, name in enumerate(texts, 1)]
    if "tags" in shape.fields:
        # JSON escapes hide control characters and the list is longer than a text: its parts are cleaned later.
        columns.append("nullif(tags, '') AS tags")
    return f"SELECT * REPLACE ({', '.join(columns)}) FROM ({safe} FROM ({flagged}))"


def _clean(name: str, place: int, shape: RawShape) -> str:
    if name == "id":
        return f"CASE WHEN dirty OR id = '' THEN {_identity(shape, f'safe[{place}]')} ELSE id END"
    shown = f"CASE WHEN dirty THEN safe[{place}] ELSE {quoted(name)} END"
    if name in dict(shape.keys):
        shown = f"CASE WHEN key_{name} THEN {public_key_sql(printable_text(quoted(name)))} ELSE {shown} END"
    return f"nullif({shown}, '')"


def _typed(shape: RawShape, cleaned: str, witnesses: bool, beside: Collection[str]) -> str:
    """Every column in its own type; figures that cannot be are NULL."""
    columns = [*(["id"] if shape.told is None else []), f"{time_select(shape.time_kind)} AS time"]
    columns += [
        "all_tags, final_tags" if name == "tags" else f'{value_sql(name, shape)} AS "{name}"' for name in shape.fields
    ]
    if shape.input_includes_cache is None:
        columns.append("CASE input_includes_cache WHEN 1 THEN true WHEN 0 THEN false END AS inclusive")
    if "reported_cost" in shape.fields:
        columns.append(f"{cost_given_sql(shape)} AS cost_given")
    if shape.counts:
        columns.append(f"{odd_counts_sql(shape)} AS odd_counts")
    if witnesses:
        columns.append("fingerprint, content, rest_of_key")
    columns += map(quoted, beside)
    return f"SELECT {', '.join(columns)} FROM {cleaned}"


def cost_given_sql(shape: RawShape) -> str:
    """Whether a raw cost is there, be it an amount or not; false or NULL where not."""
    column = quoted("reported_cost")
    if shape.cost_kind == "text":
        return f"trim({column}) NOT IN ('', 'null')"
    return f"{column} <> {UNKNOWN_MONEY if shape.cost_kind == 'integer' else UNKNOWN_DOUBLE}"


def odd_cost_sql(shape: RawShape) -> str:
    """Whether a raw cost is there and may be no amount, told without reading it; false or NULL where not."""
    if "reported_cost" not in shape.fields:
        return "false"
    column = quoted("reported_cost")
    numerator, denominator = shape.pico_per_unit
    most = min(9 * 10**18 * denominator // numerator, 9 * 10**18)
    if shape.cost_kind == "text":
        plain = rf"-?[0-9]{{1,{max(len(str(most)) - 1, 1)}}}(\.[0-9]{{1,30}})?(e-[0-9]{{1,2}})?"
        return f"{cost_given_sql(shape)} AND NOT regexp_full_match({column}, '{plain}')"
    return f"{cost_given_sql(shape)} AND {column} NOT BETWEEN -{most} AND {most}"


def mode_sql(mode: str, shape: RawShape) -> str:
    """The mode over the typed columns, `cost_given` and `odd_counts`.

    No rate stands in for a cost that is there and no amount, nor for a count that is no number.
    """
    cases = []
    if "reported_cost" in shape.fields:
        cases.append(f"WHEN cost_given AND reported_cost IS NULL THEN '{UNREADABLE_COST}'")
    if shape.counts:
        cases.append(f"WHEN odd_counts THEN '{COUNT_MODE}'")
    return f"CASE {' '.join(cases)} ELSE {mode} END" if cases else mode


def value_sql(name: str, shape: RawShape) -> str:
    """A raw column in the type of its field; NULL where it is none."""
    column, kind = quoted(name), field_kind(name)
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
    column = quoted("reported_cost")
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
    said = quoted("tags")
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
        return key_sql(shape)
    column = quoted(name) if name in ("id", "time", "fingerprint", "content", *shape.fields) else "NULL"
    if name == "user_agent" and shape.user_agent_tag and "tags" in shape.fields:
        return f"coalesce({column}, {agent_from_tags(shape.user_agent_tag)})"
    if name == "counted":
        return f"coalesce({column}, {is_request_sql(shape)})"
    if column == "NULL":
        return column
    special = {
        **{count: made(shape) for count, made in MADE_COUNTS.items()},
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


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
