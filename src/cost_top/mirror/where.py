"""A filter as a DuckDB condition over the mirror's columns, with bound parameters."""

from __future__ import annotations

from decimal import Decimal

from cost_top.mirror.measures import UNPRICED
from cost_top.model.filter import FILTER_FIELDS, MONEY, NUMBER, TEXT, Filter, Term, pattern
from cost_top.model.money import pico

# A bare word is looked for in these.
_NAMES = ("provider", "model", "endpoint", "token", "token_name", "user", "owner", "team")
_YES = {
    "unpriced": UNPRICED,
    "cache_hit": "cache_hit",
    "error": "status >= 400",
    "streamed": "streamed",
    "zero_cost": f"{UNPRICED} AND reported_cost = 0",
    "late": "late",
}
_NUMBER_COLUMNS = {"latency": "latency_ms"}


def condition(where: Filter) -> tuple[str, list[object]]:
    """`where` as (SQL, parameters); `TRUE` for the empty filter. Unknown values match no positive term."""
    parts: list[str] = []
    parameters: list[object] = []
    for term in where.terms:
        sql, values = _term(term)
        parts.append(f"NOT coalesce({sql}, FALSE)" if term.negated else f"coalesce({sql}, FALSE)")
        parameters += values
    return " AND ".join(parts) or "TRUE", parameters


def _term(term: Term) -> tuple[str, list[object]]:
    if term.field is None:
        return _word(term.values[0])
    kind = FILTER_FIELDS[term.field]
    if kind == TEXT:
        pairs = [_tag(value) if term.field == "tag" else _text(f'"{term.field}"', value) for value in term.values]
    elif kind in (NUMBER, MONEY):
        column = _NUMBER_COLUMNS.get(term.field, term.field)
        pairs = [(f"{column} {term.operator} ?", [_number(kind, value)]) for value in term.values]
    else:
        test = f"coalesce({_YES[term.field]}, FALSE)"
        pairs = [(test if term.values[0] == "yes" else f"NOT {test}", [])]
    return "(" + " OR ".join(sql for sql, _ in pairs) + ")", [value for _, values in pairs for value in values]


def _number(kind: str, value: str) -> object:
    return pico(value) if kind == MONEY else Decimal(value)


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


def _word(value: str) -> tuple[str, list[object]]:
    text, is_pattern = pattern(value)
    if not is_pattern:
        text = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    like = f"%{text}%"
    tests = [f"\"{name}\" ILIKE ? ESCAPE '\\'" for name in _NAMES]
    tests.append("len(list_filter(tags, lambda tag: tag ILIKE ? ESCAPE '\\')) > 0")
    return "(" + " OR ".join(tests) + ")", [like] * len(tests)
