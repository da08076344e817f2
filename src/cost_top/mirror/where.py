"""A filter as a DuckDB condition over the mirror's columns, with bound parameters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import partial

from cost_top.mirror.measures import UNPRICED
from cost_top.mirror.names import NAMED, TABLE
from cost_top.model.dimensions import EVERY_DIMENSION
from cost_top.model.filter import FILTER_FIELDS, MONEY, NUMBER, TEXT, Filter, Term, as_kept, pattern
from cost_top.model.money import pico
from cost_top.model.secret import key_forms

# A bare word is looked for in these.
SEARCHED = tuple(
    name
    for each in EVERY_DIMENSION
    if each.searched and each.kind == "text"
    for name in (each.field, each.name_field)
    if name
)
_YES = {
    "unpriced": UNPRICED,
    "cache_hit": "cache_hit",
    "error": "status >= 400",
    "streamed": "streamed",
    "zero_cost": f"{UNPRICED} AND reported_cost = 0",
    "late": "late",
}
NUMBER_COLUMNS = {"latency": "latency_ms"}
# Makes the test of a column.
_Test = Callable[[str], tuple[str, list[object]]]


def condition(where: Filter, carried: bool = False) -> tuple[str, list[object]]:
    """`where` as (SQL, parameters); `TRUE` for the empty filter. Unknown values match no positive term.

    With `carried`, rows carry the names that keys have by now; otherwise those of when they were read.
    """
    parts: list[str] = []
    parameters: list[object] = []
    for term in where.terms:
        sql, values = _term(term, carried)
        parts.append(f"NOT coalesce({sql}, FALSE)" if term.negated else f"coalesce({sql}, FALSE)")
        parameters += values
    return " AND ".join(parts) or "TRUE", parameters


def asks_for_names(where: Filter) -> bool:
    """Whether what matches depends on what people call keys, teams, users and owners by now."""
    return any(term.field is None or term.field in (*NAMED, "token_name") for term in where.terms)


def _term(term: Term, carried: bool) -> tuple[str, list[object]]:
    term = as_kept(term)
    if term.field is None:
        return _word(term.values[0], carried)
    kind = FILTER_FIELDS[term.field]
    if term.field == "token_name":
        pairs = [_key_name(partial(any_text, term.values), carried)]
    elif term.field in NAMED and (values := [value for value in term.values if value != "*"]):
        pairs = [_by_id_or_name(term.field, values)]
        pairs += [_text(f'"{term.field}"', "*")] * (len(values) < len(term.values))
    elif kind == TEXT:
        pairs = [_named(term.field, value) for value in term.values]
    elif kind in (NUMBER, MONEY):
        column = NUMBER_COLUMNS.get(term.field, term.field)
        pairs = [(f"{column} {term.operator} ?", [number_of(kind, value)]) for value in term.values]
    else:
        test = f"coalesce({_YES[term.field]}, FALSE)"
        pairs = [(test if term.values[0] == "yes" else f"NOT {test}", [])]
    return "(" + " OR ".join(sql for sql, _ in pairs) + ")", [value for _, values in pairs for value in values]


def number_of(kind: str, value: str) -> int | Decimal:
    """A term's number as the mirror's columns have it."""
    return pico(value) if kind == MONEY else Decimal(value)


def _named(field: str, value: str) -> tuple[str, list[object]]:
    if field == "tag":
        return _tag(value)
    text, is_pattern = pattern(value)
    if field != "token" or is_pattern:
        return _text(f'"{field}"', value)
    # A raw key is known by its hash, whatever it looks like.
    forms = key_forms(text)
    return f"token IN ({', '.join('?' * len(forms))})", [*forms]


def _key_name(test: _Test, carried: bool) -> tuple[str, list[object]]:
    by_row, values = test('"token_name"')
    if carried:
        return by_row, values
    by_now = f"SELECT id FROM {TABLE} WHERE field = 'token'"
    named = f"coalesce(token IN ({by_now}), FALSE)"
    return f"(token IN ({by_now} AND {test('name')[0]}) OR NOT {named} AND {by_row})", [*values, *values]


def _by_id_or_name(field: str, values: Sequence[str]) -> tuple[str, list[object]]:
    """Any of the values. The names are looked up once for all of them: each look-up is a join of its own."""
    by_id, ids = any_text(values, f'"{field}"')
    by_name, names = any_text(values, "name")
    by_label, labels = any_text(values, "label")
    called = f"SELECT id FROM {TABLE} WHERE field = '{field}' AND ({by_name} OR {by_label})"
    return f'({by_id} OR "{field}" IN ({called}))', [*ids, *names, *labels]


def any_text(values: Sequence[str], column: str) -> tuple[str, list[object]]:
    """The condition that a column is one of some values, or like one."""
    tests = [_text(column, value) for value in values]
    return f"({' OR '.join(sql for sql, _ in tests)})", [value for _, some in tests for value in some]


def _text(column: str, value: str) -> tuple[str, list[object]]:
    text, is_pattern = pattern(value)
    if not is_pattern:
        return f"{column} = ?", [text]
    if text == "%":
        return f"{column} IS NOT NULL", []
    return f"{column} LIKE ? ESCAPE '\\'", [text]


def _tag(value: str) -> tuple[str, list[object]]:
    text, is_pattern = pattern(value)
    if not is_pattern:
        return "list_contains(tags, ?)", [text]
    if text == "%":
        return "len(tags) > 0", []
    return "len(list_filter(tags, lambda tag: tag LIKE ? ESCAPE '\\')) > 0", [text]


def contains(word: str) -> _Test:
    """The condition that a column holds a word."""
    text, is_pattern = pattern(word)
    if not is_pattern:
        text = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return lambda column: (f"{column} ILIKE ? ESCAPE '\\'", [f"%{text}%"])


def _word(value: str, carried: bool) -> tuple[str, list[object]]:
    holds = contains(value)
    by_name, values = _key_name(holds, carried)
    tests = [holds(f'"{name}"')[0] for name in SEARCHED if name != "token_name"]
    called = f"SELECT id FROM {TABLE} WHERE name ILIKE ? ESCAPE '\\' AND field"
    tests += [f"\"{name}\" IN ({called} = '{name}')" for name in NAMED]
    tests.append("len(list_filter(tags, lambda tag: tag ILIKE ? ESCAPE '\\')) > 0")
    return f"({' OR '.join([*tests, by_name])})", values[:1] * (len(tests) + len(values))
