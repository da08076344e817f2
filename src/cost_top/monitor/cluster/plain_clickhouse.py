"""Rows of the normal form with their prices as plain integers, as ClickHouse sums them fastest: a flat list of names.

It is the arithmetic of `pricing.cost.price` without what is NULL or might not fit: odd rows (`sheet`) add nothing here
and are counted. A field that a log does not have is no expression.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from functools import reduce

from cost_top.gateways.dialects.clickhouse import apart, quoted_text
from cost_top.mirror.measures import ADDITIVE_NAMES
from cost_top.model.query import MONEY_MEASURES
from cost_top.monitor.cluster.sheet import FLAGS, MOST_TOKENS, RATES, SEPARATOR, Sheet
from cost_top.monitor.cluster.spelling import PlainKeys
from cost_top.monitor.cluster.verdicts import (
    DOUBTS,
    FIRST,
    NO_PRICE,
    SECOND,
    STATUSES,
    UNSAID,
    VERDICTS,
    ZERO,
)
from cost_top.pricing.cost import BELIEVABLE_MARGIN, BELIEVABLE_TIMES, TIMEOUTS

_COUNTS = ("input_tokens", "cached_input_tokens", "cache_creation_input_tokens", "cache_creation_1h_tokens",
           "output_tokens", "reasoning_tokens")  # fmt: skip
# So many expressions deep a SELECT is, before the next one stands around it.
_AT_ONCE = 3
_NAME = re.compile(r"\w+")
_OURS = re.compile(r"\b_?ct_\w+")
_TOKENS = {
    "input_tokens": "_ct_given", "output_tokens": "_ct_output", "cached_input_tokens": "_ct_cached",
    "cache_creation_input_tokens": "_ct_created", "reasoning_tokens": "_ct_reasoned",
}  # fmt: skip
_SUMMED = (*ADDITIVE_NAMES, "rows", "odd")
_FACTORS = (
    "cost_by_rates", "cost_as_reported", "saved", "saved_less", "prompt", "list_by_rates", "list_as_told",
    "list_as_reported", "list_if_unknown", "refund", "unpriced", "may_doubt",
)  # fmt: skip
# In the normal form its words are in small letters, without blanks around them.
_OWNER = "ifNull(\"credential_type\", '') = 'byok'"
_PROVIDER, _TOKEN = '"provider"', '"token"'
_FEW = (_PROVIDER, '"model"', '"credential_type"')
assert len(VERDICTS) <= 32  # a bit each, see `_bits`
_BESIDE = ("audio_input_tokens", "audio_output_tokens", "image_output_tokens", "web_search_count")


class ClickhousePlain:
    """`spelling.PlainSpelling` for ClickHouse."""

    def sums(
        self, rows: str, fields: Collection[str], sheet: Sheet, piece: str, name: str | None, keys: PlainKeys,
        trust: bool,
    ) -> str:  # fmt: skip
        """See `PlainSpelling`."""
        columns = [f"{piece} AS piece", *([f"{name} AS told"] if name is not None else [])]
        for number, column, size in keys:
            columns.append(f"ifNull(CAST({column} AS Nullable(String)), '') AS k{number}")
            if size:
                columns.append(f"toInt64(intDiv(us, {size})) AS q{number}")
        if trust:
            columns.append(f"toString(ct_trust) AS k{len(keys)}")
        groups = _groups(keys, trust, name)
        names = ", ".join(f"k{number}" for number in _told(keys, trust))
        stretches = [f"q{number}" for number, _, size in keys if size]
        named = "if(isNull(told), 0, max(us)), told" if name is not None else "0, NULL"
        sums = ", ".join(f"sum({'toInt128' if each in MONEY_MEASURES else ''}(ct_{each}))" for each in _SUMMED)
        wanted = [*(f"ct_{each}" for each in _SUMMED), *(["ct_trust"] if trust else [])]
        steps = [*_priced(fields, sheet), *(_trust(fields) if trust else ())]
        priced = _in_steps(rows, fields, steps, [*wanted, *columns, "us"])
        chosen = ", ".join([*wanted, *columns])
        return (
            f"SELECT grouping({names}), [{names}], {' + '.join(stretches) or '0'}, piece, max(us), {named}, {sums} "
            f"FROM {apart(f'SELECT us, {chosen} FROM ({priced})')} "
            f"GROUP BY GROUPING SETS ({', '.join(groups)})"
        )

    def lenses(self, place: int, keys: PlainKeys, trust: bool) -> list[tuple[int, int]]:
        """See `PlainSpelling`."""
        sized = {number for number, _, size in keys if size}
        told = _told(keys, trust)
        left_out = [number for number, *_ in keys if number not in told]
        found = []
        for at, number in enumerate(told):
            if not place >> (len(told) - 1 - at) & 1:
                found += [(number, at), *((other, at) for other in left_out if number in sized)]
        return found

    def odd(self, rows: str, fields: Collection[str], sheet: Sheet) -> str:
        """See `PlainSpelling`."""
        told = ", ".join(f'"{name}"' for name in fields)
        flagged = _in_steps(rows, fields, _until_odd(fields, sheet), [*fields, "ct_odd"])
        return f"SELECT {told} FROM ({flagged}) WHERE ct_odd"


def _told(keys: PlainKeys, trust: bool) -> list[int]:
    """The numbers of the keys that rows are grouped by: stretches of time by provider tell the providers too."""
    stretched = any(size for _, _, size in keys)
    told = [number for number, column, size in keys if size or not (stretched and column == _PROVIDER)]
    return [*told, *([len(keys)] if trust else [])]


def _groups(keys: PlainKeys, trust: bool, name: str | None) -> list[str]:
    """The grouping sets. What has few values is one set: what each set costs is a look at every row."""
    told = _told(keys, trust)
    few = [f"k{number}" for number, column, size in keys if not size and column in _FEW and number in told]
    few += [f"k{len(keys)}"] if trust else []
    groups = [f"(piece, {', '.join(few)})"] if few else []
    for number, column, size in keys:
        if size or column not in _FEW:
            beside = [f"q{number}"] if size else ["told"] if column == _TOKEN and name is not None else []
            groups.append(f"({', '.join(['piece', f'k{number}', *beside])})")
    return groups


def _in_steps(rows: str, fields: Collection[str], columns: Sequence[str], wanted: Sequence[str]) -> str:
    """Items of a SELECT, each made of those before it, as a SELECT in a SELECT: a name that stands for an expression
    of the same SELECT is taken apart anew wherever it stands.

    `fields` are the rows' columns; of all of them those are told that `wanted` is made of.
    """
    steps: dict[str, int] = {}
    levels: list[list[str]] = []
    for column in columns:
        value, _, name = column.rpartition(" AS ")
        steps[name] = 1 + max((steps[word] for word in _OURS.findall(value) if word in steps), default=-1)
        levels += [[] for _ in range(steps[name] // _AT_ONCE + 1 - len(levels))]
        levels[steps[name] // _AT_ONCE].append(column)
    given = set(fields)
    for number, level in enumerate(levels):
        later = " ".join([*(column for each in levels[number + 1 :] for column in each), *wanted])
        made = {column.rpartition(" AS ")[2] for column in level}
        kept = [f'"{name}"' for name in sorted(set(_NAME.findall(later)) & given - made)]
        given |= set(made)
        rows = f"SELECT {', '.join([*kept, *level])} FROM ({rows})"
    return rows


def _until_odd(known: Collection[str], sheet: Sheet) -> list[str]:
    """What tells whether a row is odd, and whether it is."""
    large = ("_ct_given", "_ct_cached", "_ct_created", "_ct_write_1h", "_ct_output", "_ct_reasoned")
    odd = [
        "_ct_first = 0",
        *(f"{name} >= {MOST_TOKENS}" for name in large),
        "_ct_beside",
        "bitAnd(_ct_uncounted, _ct_output + _ct_reasoned > 0)",
    ]
    beside = [f'ifNull("{name}", 0) > 0' for name in _BESIDE if name in known]
    if "reported_cost" in known and "status" in known:
        unheard = f'toUInt8(ifNull("status" IN ({", ".join(map(str, TIMEOUTS))}), false))'
        beside.append(f'bitAnd(toUInt8(ifNull("reported_cost" = 0, false)), {unheard})')
    uncounted = 'isNull("input_tokens")' if "input_tokens" in known else "toUInt8(1)"
    return [
        _first_line(sheet),
        f"{_count('cached_input_tokens', known)} AS _ct_cached",
        f"{_count('cache_creation_1h_tokens', known)} AS _ct_write_1h",
        f"{_count('cache_creation_input_tokens', known)} AS _ct_created",
        f"{_count('input_tokens', known)} AS _ct_given",
        f"{_count('output_tokens', known)} AS _ct_output",
        f"{_count('reasoning_tokens', known)} AS _ct_reasoned",
        f"{_any(beside)} AS _ct_beside",
        f"{uncounted} AS _ct_uncounted",
        f"{_any(odd)} AS ct_odd",
    ]


def _count(name: str, known: Collection[str]) -> str:
    return f'toInt64(ifNull("{name}", 0))' if name in known else "toInt64(0)"


def _any(flags: Sequence[str]) -> str:
    """Of flags that are 0 or 1; OR itself would put off what it is made of, and work it out wherever it stands."""
    return reduce(lambda one, other: f"bitOr({one}, {other})", flags) if flags else "toUInt8(0)"


def _said(known: Collection[str]) -> list[str]:
    """What a row says beside its tokens."""
    said = f'toUInt8(ifNull({NO_PRICE} - toUInt8("zero_is_price"), {UNSAID}))'
    flags = {
        "known": _any([f'isNotNull("{name}")' for name in _COUNTS if name in known]),
        "hit": 'toUInt8(ifNull("cache_hit", false))' if "cache_hit" in known else "toUInt8(0)",
        "owner": _OWNER if "credential_type" in known else "toUInt8(0)",
        "told": 'isNotNull("reported_cost")' if "reported_cost" in known else "toUInt8(0)",
        "failed": 'toUInt8(ifNull("status", 0) >= 400)' if "status" in known else "toUInt8(0)",
        "said": said if "zero_is_price" in known else f"toUInt8({UNSAID})",
        "counted": 'toUInt8(ifNull("counted", true))',
        "reported": 'ifNull("reported_cost", toInt64(0))' if "reported_cost" in known else "toInt64(0)",
        "own": 'ifNull("reported_market_cost", toInt64(0))' if "reported_market_cost" in known else "toInt64(0)",
    }
    return [f"{value} AS _ct_{name}" for name, value in flags.items()]


def _priced(known: Collection[str], sheet: Sheet) -> list[str]:
    """Items of a SELECT over the normal form: `ct_` and the name of each additive measure, `ct_rows`, `ct_odd`.

    `ct_rows` is 1, or 0 of an odd row; `known` are the fields that the log has.
    """
    return [
        *_until_odd(known, sheet),
        *_said(known),
        "greatest(_ct_created, _ct_write_1h) AS _ct_write",
        "_ct_cached + _ct_write AS _ct_parts",
        "_ct_output + _ct_reasoned * (_ct_reasoned > _ct_output) AS _ct_answer",
        "bitXor(ct_odd, 1) AS ct_rows",
        "_ct_given + _ct_parts * (_ct_parts > _ct_given) AS _ct_input",
        *_rates(sheet),
        "_ct_known * ((_ct_input - _ct_parts) * _ct_r_input + _ct_cached * _ct_r_cached"
        " + (_ct_write - _ct_write_1h) * _ct_r_write + _ct_write_1h * _ct_r_write_1h"
        " + (_ct_answer - _ct_reasoned) * _ct_r_output + _ct_reasoned * _ct_r_reasoning + _ct_r_request)"
        " AS _ct_market",
        "_ct_known * (_ct_cached * (_ct_r_input - _ct_r_cached) + (_ct_write - _ct_write_1h) * "
        "(_ct_r_input - _ct_r_write) + _ct_write_1h * (_ct_r_input - _ct_r_write_1h)) AS _ct_prompt",
        "1 + ct_rows * (1 + _ct_hit + 2 * _ct_owner + 4 * _ct_known + 8 * bitAnd(_ct_known, _ct_priced)"
        " + 16 * _ct_told * (2 + sign(_ct_reported))) AS _ct_number",
        "1 + bitAnd(_ct_input = 0, _ct_answer = 0) + 2 * _ct_failed + 4 * bitAnd(_ct_free, _ct_priced)"
        " + 8 * bitAnd(_ct_override, _ct_priced) + 16 * _ct_said AS _ct_zero_number",
        f"{_of(FIRST, '_ct_number')} AS _ct_first_verdict",
        f"_ct_first_verdict + (_ct_first_verdict = {ZERO}) * ({_of(SECOND, '_ct_zero_number')} - {ZERO})"
        " AS _ct_verdict",
        *(f"bitTest(toUInt32({_bits(name)}), _ct_verdict) AS _ct_v_{name}" for name in _FACTORS),
        "_ct_market * _ct_v_cost_by_rates + _ct_reported * _ct_v_cost_as_reported AS ct_total_cost",
        "bitOr(bitAnd(_ct_own > 0, _ct_v_list_as_told), bitAnd(_ct_own < 0, _ct_v_refund)) AS _ct_by_own",
        "bitOr(_ct_v_refund, bitAnd(_ct_reported > 0, bitOr(_ct_v_list_as_reported, bitAnd(_ct_v_list_if_unknown, "
        "_ct_market = 0)))) AS _ct_as_reported",
        "_ct_own * _ct_by_own + bitXor(_ct_by_own, 1) * (_ct_reported * _ct_as_reported + bitXor(_ct_as_reported, 1) "
        "* _ct_market * _ct_v_list_by_rates) AS ct_market_cost",
        "_ct_market * _ct_v_saved - greatest(_ct_reported, 0) * _ct_v_saved_less AS ct_saved_by_cache",
        "_ct_prompt * _ct_v_prompt AS ct_prompt_cache_savings",
        "bitAnd(ct_rows, bitXor(_ct_hit, 1)) AS _ct_sent",
        *(f"_ct_sent * {value} AS ct_{name}" for name, value in _TOKENS.items()),
        "bitAnd(ct_rows, _ct_counted) AS ct_request_count",
        "bitAnd(ct_request_count, _ct_hit) AS ct_cache_hit_count",
        "bitAnd(ct_request_count, _ct_failed) AS ct_error_count",
        "_ct_v_unpriced AS ct_unpriced_count",
    ]


def _bits(name: str) -> int:
    """A factor of each verdict as the bits of a number, the first verdict's the lowest."""
    return sum(getattr(each, name) << place for place, each in enumerate(VERDICTS))


def _of(values: Sequence[int], place: str) -> str:
    """The value at a place, counted from 1."""
    return f"arrayElement(CAST([{', '.join(map(str, values))}] AS Array(UInt8)), {place})"


def _first_line(sheet: Sheet) -> str:
    """`_ct_first`, the first line of the row's model, 0 where it has none."""
    if not sheet.texts:
        return "toUInt32(0) AS _ct_first"
    parts = [f"ifNull(\"{name}\", '')" for name in ("provider", "model", "mode", "region")]
    said = f"concat({f', {quoted_text(SEPARATOR)}, '.join(parts)})"
    texts, first = ", ".join(map(quoted_text, sheet.texts)), ", ".join(map(str, sheet.first))
    return f"transform({said}, [{texts}], CAST([{first}] AS Array(UInt32)), toUInt32(0)) AS _ct_first"


def _rates(sheet: Sheet) -> list[str]:
    """The line of a row's time and size, and what stands in it."""
    line = "1 + ct_rows * (_ct_first"
    if sheet.cuts:
        line += f" + {sheet.tiers} * ({' + '.join(f'(us >= {cut})' for cut in sheet.cuts)})"
    columns = [f"{line}) AS _ct_at"]
    for starts in sheet.starts:
        columns.append(f"(_ct_input > {_listed(starts, '_ct_at')}) AS _ct_tier_{len(columns)}")
    tiers = "".join(f" + _ct_tier_{number}" for number in range(1, sheet.tiers))
    columns.append(f"_ct_at{tiers} AS _ct_line")
    columns += [f"{_listed(sheet.columns[name], '_ct_line')} AS _ct_r_{name}" for name in RATES]
    return [*columns, *(f"{_listed(sheet.columns[name], '_ct_line')} = 1 AS _ct_{name}" for name in FLAGS)]


def _listed(values: Sequence[int], line: str) -> str:
    if len(set(values)) == 1:
        return f"toInt64({values[0]})"
    return f"arrayElement(CAST([{', '.join(map(str, values))}] AS Array(Int64)), {line})"


def _trust(known: Collection[str]) -> list[str]:
    named = [f'isNotNull("{name}")' if name in known else "0" for name in ("user", "token")]
    byok = _OWNER if "credential_type" in known else "0"
    doubts = _of([DOUBTS.index(each.doubt) for each in VERDICTS], "1 + _ct_verdict")
    beyond = (
        f"_ct_v_may_doubt * (_ct_market > 0) * (intDiv(_ct_reported, {BELIEVABLE_TIMES}) > _ct_market) * "
        f"(_ct_reported - _ct_market > {BELIEVABLE_MARGIN})"
    )
    stranger = f"bitAnd(_ct_stranger, {doubts} = {DOUBTS.index('unrated')})"
    flags = ["_ct_hit", *named, byok, "ct_total_cost < 0", "ct_total_cost = 0", "_ct_told * (_ct_reported = 0)"]
    bits = " + ".join(f"{8 << place} * ({flag})" for place, flag in enumerate(flags))
    return [
        f"{doubts} - {stranger} AS _ct_doubt",
        f"toUInt32({_of([STATUSES.index(each.status) for each in VERDICTS], '1 + _ct_verdict')} + {bits} + "
        f"{8 << len(flags)} * (_ct_doubt + {beyond})) AS ct_trust",
    ]
