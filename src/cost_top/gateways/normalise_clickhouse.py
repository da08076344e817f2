"""The normal form made by ClickHouse itself: `normalise`'s fields over a raw statement, one row for each raw row.

Unknown is NULL; tags are an array, empty where there are none. `tags_text`, which comes with them, is their raw text:
it is cheaper to group by than to take apart row by row.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from cost_top.gateways.dialects.clickhouse import quoted_text
from cost_top.gateways.made_counts import MADE_COUNTS
from cost_top.gateways.normalise import is_request_sql
from cost_top.gateways.normalise_placed import LOWER, NO_TEXT, TAGS_TEXT, Names, Typed, typed_columns
from cost_top.gateways.shape import INTEGER_LIMIT, UNKNOWN_MONEY, RawShape
from cost_top.model.modes import UNREADABLE_COST, UNREADABLE_COUNT
from cost_top.model.record import FIELDS
from cost_top.model.secret import BEARER_RE2, KEY_RE2, KIND_RE2, MAYBE_KEY_RE2
from cost_top.model.text import TEXT_LIMIT, UNSAFE_RE2

_DIRTY = f"{UNSAFE_RE2[:-1]}|^ | $|{MAYBE_KEY_RE2}"
# Words that are shorter than any key, and UUIDs: to see that a text is no more takes less than to look for what may be.
_WORD = "[A-Za-z0-9_./+-]{1,12}"
_PLAIN = f"^(?:{_WORD}(?:[ :@]{_WORD}){{0,3}}|[0-9a-f]{{8}}(?:-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}})$"
_TYPES = {"VARCHAR": "String", "BIGINT": "Int64", "INTEGER": "Int32", "BOOLEAN": "Bool"}
# Digits behind the point that are read of an amount; twelve count.
_DIGITS = 24


def normal_select(
    shape: RawShape, raw: str, wanted: Collection[str], shown: Collection[str] = (), names: Names | None = None
) -> str:  # fmt: skip
    """SELECT of `wanted` fields of `model.record.FIELDS`, and `us`, the time in microseconds, over a raw statement.

    Texts come as they are logged, but for those of `shown`: they come as they are shown, clean and by the log's own
    `names`, so that they can be compared. What is not shown is to be cleaned by whoever shows it.
    """
    known = names or {}
    replaced = {field: by for field, by in known if field in shown}
    typed = f"SELECT {', '.join(typed_columns(shape, {*wanted, *replaced.values()}, shown, _SPELLED))} FROM ({raw})"
    if replaced:
        named = ", ".join(f'{_named(field, by, known[field, by])} AS "{field}"' for field, by in replaced.items())
        kept = [field for field in replaced if field in shape.fields]
        star = f"* EXCEPT ({', '.join(kept)})" if kept else "*"
        typed = f"SELECT {star}, {named} FROM ({typed})"
    return f"SELECT {', '.join(_final(shape, wanted, {*shape.fields, *replaced}))} FROM ({typed})"


def _final(shape: RawShape, wanted: Collection[str], known: Collection[str]) -> list[str]:
    columns = ["us", "fromUnixTimestamp64Micro(us, 'UTC') AS time"]
    tagged = "tags" in shape.fields
    if not {"tags", TAGS_TEXT}.isdisjoint(wanted):
        columns.append(f"{'tags_text' if tagged else NO_TEXT} AS tags_text")
    for name, kind in FIELDS:
        if name == "time" or name not in wanted:
            continue
        column = f'"{name}"' if name in known or name == "id" else "NULL"
        if name == "tags":
            value = tags_sql("tags_text", shape.user_agent_tag) if tagged else "CAST([] AS Array(String))"
            columns.append(f"{value} AS tags")
            continue
        if name == "counted":
            value = f"coalesce({column}, {is_request_sql(shape)})"
        elif name in MADE_COUNTS and column != "NULL":
            value = MADE_COUNTS[name](shape)
        elif name in LOWER and column != "NULL":
            value = f"nullif(lowerUTF8(trimBoth({column})), '')"
        elif name == "status" and column != "NULL":
            value = f"CASE WHEN {column} < 1000 THEN {column} END"
        elif name == "user_agent" and shape.user_agent_tag and tagged:
            value = f"coalesce({column}, {_agent(shape.user_agent_tag)})"
        else:
            value = column
        if name == "mode":
            value = _mode(value, shape)
        if kind != "VARCHAR" or column == "NULL":
            value = f"CAST({value} AS Nullable({_TYPES[kind]}))"
        columns.append(f'{value} AS "{name}"')
    return columns


def _mode(told: str, shape: RawShape) -> str:
    """`normalise.mode_sql` with one condition: what stands in branches of branches is put off, and then all that it is
    made of is worked out anew wherever it stands, JSON too.
    """
    odd_cost = 'ifNull(bitAnd(toUInt8(cost_given), isNull("reported_cost")), 0)'
    flags = [odd_cost] if "reported_cost" in shape.fields else []
    flags += ["ifNull(toUInt8(odd_counts), 0)"] if shape.counts else []
    if not flags:
        return told
    words = [quoted_text(UNREADABLE_COST)] if "reported_cost" in shape.fields else []
    words += [quoted_text(UNREADABLE_COUNT)] if shape.counts else []
    place = f"2 - {odd_cost}" if len(words) > 1 else "1"
    return f"if({' + '.join(flags)} > 0, arrayElement([{', '.join(words)}], {place}), {told})"


def _named(field: str, by: str, known: Mapping[str, str]) -> str:
    own = f'"{field}"'
    if not known:
        return own
    ids = ", ".join(map(quoted_text, known))
    texts = ", ".join(map(quoted_text, known.values()))
    return f"coalesce(nullif(transform(coalesce(\"{by}\", ''), [{ids}], [{texts}], ''), ''), {own})"


def _micros(shape: RawShape) -> str:
    if shape.time_kind == "micros":
        return '"time"'
    text = "replaceAll(\"time\", 'T', ' ')"
    first = f"concat(left({text}, 8), '01')"  # a day that no month has falls back to the first of the month
    read = f"coalesce(parseDateTime64BestEffortOrNull({text}, 6, 'UTC'), toDateTime64({first}, 6, 'UTC'))"
    return f"toUnixTimestamp64Micro({read})"


def _text(name: str, shape: RawShape) -> str:
    # Few values are many rows': each that may have to be is cleaned once.
    column = f'toLowCardinality("{name}")'
    plain = f'"{name}"'
    shown = f"if({_is_plain(plain)}, {plain}, {_cleaned(column)})"
    public = dict(shape.keys).get(name)
    if public is not None:
        bare = f"replaceRegexpOne(trimBoth({_printable(column)}), {quoted_text(BEARER_RE2)}, '')"
        is_key = f"{column} <> '' AND NOT match({column}, {quoted_text(f'^(?:{public})$')})"
        shown = f"if({is_key}, {_public(bare)}, {shown})"
    return f"nullif({shown}, '')"


def clean_sql(text: str) -> str:
    """A text without control characters and keys, cut to what is shown; most are left as they are."""
    return f"if({_is_plain(text)}, {text}, {_cleaned(text)})"


def _is_plain(text: str) -> str:
    return f"match({text}, {quoted_text(_PLAIN)})"


def _cleaned(text: str) -> str:
    dirty = f"length({text}) > {TEXT_LIMIT} OR match({text}, {quoted_text(_DIRTY)}) OR NOT isValidUTF8({text})"
    return f"if({dirty}, {_safe(text)}, {text})"


def _safe(text: str) -> str:
    printable = _printable(text)
    keys = (
        f"arrayReverseSort(arrayMap(found -> found[2], extractAllGroupsVertical({printable}, {quoted_text(KEY_RE2)})))"
    )
    # A key that another begins with is replaced after it.
    public = f"arrayFold((told, key) -> replaceAll(told, key, {_public('key')}), {keys}, CAST({printable} AS String))"
    return f"trimBoth(substringUTF8({public}, 1, {TEXT_LIMIT}))"


def _printable(text: str) -> str:
    return f"replaceRegexpAll(toValidUTF8({text}), {quoted_text(UNSAFE_RE2)}, '')"


def _public(key: str) -> str:
    kind = f"extract({key}, {quoted_text(f'^(?:{KIND_RE2})')})"
    prefix = f"if(lengthUTF8({key}) >= 3 * lengthUTF8({kind}), {kind}, '')"
    return f"concat({prefix}, '…', left(lower(hex(SHA256({key}))), 12))"


def _identity(shape: RawShape) -> str:
    figures = ", '|', ".join(f'toString("{name}")' for name in ("time", *shape.identity_fields))
    safe = clean_sql("id")
    return (
        f"multiIf(id = '', concat('~', lower(hex(MD5(concat({figures}))))), {safe} <> id, "
        f"concat(substringUTF8({safe}, 1, {TEXT_LIMIT - 33}), '~', lower(hex(MD5(id)))), id)"
    )


def _decimal(text: str) -> str:
    return f"toDecimal256OrNull({text}, {_DIGITS})"


def _pico(decimal: str) -> str:
    """Dollars as pico-dollars, halves away from zero; NULL where no integer holds it."""
    return f"accurateCastOrNull(toInt256(round({decimal}, 12) * 1000000000000), 'Int64')"


def _amount(shape: RawShape, column: str) -> str:
    numerator, denominator = shape.pico_per_unit
    if (numerator, denominator) == (10**12, 1):
        return _pico(_decimal(column))
    scaled = f"toFloat64OrNull({column}) * {numerator} / {denominator}"
    return f"accurateCastOrNull(sign({scaled}) * floor(abs({scaled}) + 0.5), 'Int64')"


def _money(shape: RawShape) -> str:
    column = '"reported_cost"'
    numerator, denominator = shape.pico_per_unit
    if (numerator, denominator) == (10**12, 1) and shape.cost_kind != "integer":
        # A double is taken at its shortest decimal spelling.
        slow = _pico(_decimal(f"toString({column})"))
        if shape.cost_kind != "double":
            return slow
        # The product and the spelling are off by 0.00022 of the dollars at most, which matters near a half alone.
        scaled = f"{column} * 1e12"
        plain = f"abs({scaled} - floor({scaled}) - 0.5) > abs({column}) * 0.0005 + 0.000001"
        return f"if(coalesce({plain}, false), toInt64(round({scaled})), {slow})"
    whole = (
        f"toInt256(CASE WHEN {column} > {UNKNOWN_MONEY} THEN {column} END)" if shape.cost_kind == "integer"
        else f"toInt256(round({_decimal(f'toString({column})')}))"
    )  # fmt: skip
    if (numerator, denominator) == (1, 1):
        return f"accurateCastOrNull({whole}, 'Int64')"
    scaled = f"intDiv(abs({whole}) * {2 * numerator} + {denominator}, {2 * denominator})"
    return f"accurateCastOrNull(sign({whole}) * {scaled}, 'Int64')"


def _odd_counts(shape: RawShape) -> str:
    """`made_counts.odd_counts_sql` without OR, which puts off what it is made of and works it out for each part."""
    every = ", ".join(f'"{name}"' for name in shape.counts)
    least, greatest = (f"{name}({every})" if len(shape.counts) > 1 else every for name in ("least", "greatest"))
    return f"bitOr({least} < -1, {greatest} >= {INTEGER_LIMIT})"


def tags_sql(text: str, user_agent_tag: str | None) -> str:
    """The array of a raw text: a JSON array's texts, of an object `key:value`, of other text its parts at commas."""
    inside = f"JSONExtractString({text})"
    twice = f"startsWith({text}, '\"') AND isValidJSON({text}) AND startsWith({inside}, '[') AND isValidJSON({inside})"
    said = f"if({twice}, {inside}, {text})"
    every = (
        f"multiIf({said} IN ('', '[]', '{{}}', 'null'), CAST([] AS Array(String)), "
        f"NOT isValidJSON({said}), splitByChar(',', {said}), "
        f"JSONType({said}) = 'Array', arrayMap(each -> {_scalar('each')}, JSONExtractArrayRaw({said})), "
        f"JSONType({said}) = 'Object', arrayMap(each -> if(each.2 = 'null', each.1, concat(each.1, ':', "
        f"{_scalar('each.2')})), JSONExtractKeysAndValuesRaw({said})), [{_scalar(said)}])"
    )
    kept = f"arrayFilter(tag -> tag <> '', arrayMap(tag -> {clean_sql('tag')}, {every}))"
    if user_agent_tag:
        kept = f"arrayFilter(tag -> NOT startsWith(tag, {quoted_text(user_agent_tag)}), {kept})"
    return f"arraySort(arrayDistinct({kept}))"


def _scalar(raw: str) -> str:
    return f"multiIf(startsWith({raw}, '\"'), JSONExtractString({raw}), {raw} = 'null', '', {raw})"


def _agent(prefix: str) -> str:
    literal = quoted_text(prefix)
    agents = f"arrayFilter(tag -> startsWith(tag, {literal}), {tags_sql('tags_text', None)})"
    return f"nullif(trimBoth(substringUTF8({agents}[-1], lengthUTF8({literal}) + 1)), '')"


_SPELLED = Typed(_micros, _identity, _text, _amount, _money, _odd_counts)
