"""A filter asked of single rows in Python, so that what is summed under it follows rows without a statement.

What a term means is told by `where`; here is the same for one `SummedRow`. A filter about a column that such a row does
not carry is not followed.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Collection, Iterable
from functools import partial
from typing import Any

import duckdb

from cost_top.mirror.added import COLUMNS, SummedRow, is_unpriced
from cost_top.mirror.names import NAMED, TABLE, Names
from cost_top.mirror.where import NUMBER_COLUMNS, SEARCHED, any_text, asks_for_names, contains, number_of
from cost_top.model.filter import FILTER_FIELDS, MONEY, NUMBER, TEXT, Filter, Term, as_kept, pattern, pieces
from cost_top.model.secret import key_forms

Matches = Callable[[SummedRow], bool]
_Test = Callable[[str], bool]
_MOST_FILTERS = 200
_MOST_TEXTS = 20_000  # that a word was looked for in
_COMPARED: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq, ">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le,
}  # fmt: skip
_YES: dict[str, Matches] = {
    "unpriced": is_unpriced,
    "cache_hit": lambda row: bool(row.cache_hit),
    "error": lambda row: (row.status or 0) >= 400,
    "streamed": lambda row: bool(row.streamed),
    "zero_cost": lambda row: is_unpriced(row) and row.reported_cost == 0,
}


class Matching:
    """The filters that are followed. Used by the mirror's thread."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, names: Names) -> None:
        """`names` are what people call the values."""
        self._connection = connection
        self._names = names
        self._made: dict[Filter, tuple[int, Matches | None]] = {}

    def of(self, where: Filter) -> Matches | None:
        """Whether a row matches, by the names of now; None where a row does not tell that."""
        version = self._names.version if asks_for_names(where) else 0
        made = self._made.get(where)
        if made is None or made[0] != version:
            if len(self._made) >= _MOST_FILTERS:
                self._made.clear()
            made = self._made[where] = version, self._filter(where)
        return made[1]

    def _filter(self, where: Filter) -> Matches | None:
        tests = []
        for term in where.terms:
            test = self._term(term)
            if test is None:
                return None
            tests.append(_negated(test) if term.negated else test)
        return tests[0] if len(tests) == 1 else lambda row: all(test(row) for test in tests)

    def _term(self, term: Term) -> Matches | None:
        term = as_kept(term)
        if term.field is None:
            return self._word(term.values[0])
        kind = FILTER_FIELDS[term.field]
        column = NUMBER_COLUMNS.get(term.field, "tags" if term.field == "tag" else term.field)
        if kind not in (TEXT, NUMBER, MONEY):
            return _yes_no(term.field, term.values[0])
        if column not in COLUMNS:
            return None
        return self._texts(term, column) if kind == TEXT else _number(term, column)

    def _texts(self, term: Term, column: str) -> Matches:
        test = _text(term)
        if column == "tags":
            return lambda row: any(map(test, row.tags or ()))
        if column == "token_name":
            return self._key_name(test, partial(any_text, term.values))
        named = [value for value in term.values if value != "*"]
        if column in NAMED and named:
            called = self._called(column, named)
            return _of(column, lambda told: test(told) or told in called)
        return _of(column, test)

    def _word(self, word: str) -> Matches:
        holds, condition = _Word(self._connection, word), contains(word)
        tests = [_of(name, holds) for name in SEARCHED if name != "token_name"]
        sql, values = condition("name")
        found = self._connection.execute(f"SELECT field, id FROM {TABLE} WHERE {sql}", values).fetchall()
        tests += [_of(name, {key for field, key in found if field == name}.__contains__) for name in NAMED]
        tests += [lambda row: any(map(holds, row.tags or ())), self._key_name(holds, condition)]
        return lambda row: any(test(row) for test in tests)

    def _called(self, field: str, values: Iterable[str]) -> Collection[str]:
        """The ids whose name or label is one of these."""
        tests = [any_text(tuple(values), column) for column in ("name", "label")]
        sql, given = " OR ".join(test for test, _ in tests), [value for _, some in tests for value in some]
        return self._ids(f"field = '{field}' AND ({sql})", given)

    def _key_name(self, test: _Test, condition: Callable[[str], tuple[str, list[object]]]) -> Matches:
        """By the name that a key has by now, else by the one that the row carries."""
        every = self._ids("field = 'token'", [])
        called = self._ids(f"field = 'token' AND {condition('name')[0]}", condition("name")[1]) if every else ()
        return lambda row: (
            row.token in called if row.token in every else row.token_name is not None and test(row.token_name)
        )

    def _ids(self, condition: str, values: list[object]) -> Collection[str]:
        found = self._connection.execute(f"SELECT id FROM {TABLE} WHERE {condition}", values).fetchall()
        return {key for (key,) in found}


class _Word:
    """Whether a text holds a word in any spelling; of letters beyond ASCII the database says what is the same."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, word: str) -> None:
        self._connection = connection
        sql, self._values = contains(word)("?::VARCHAR")
        self._sql = f"SELECT {sql}"
        self._plain = re.compile(_regex(word), re.DOTALL | re.IGNORECASE | re.ASCII) if word.isascii() else None
        self._known: dict[str, bool] = {}

    def __call__(self, text: str) -> bool:
        known = self._known.get(text)
        if known is None:
            if len(self._known) >= _MOST_TEXTS:
                self._known.clear()
            known = self._known[text] = self._ask(text)
        return known

    def _ask(self, text: str) -> bool:
        if self._plain is not None and text.isascii():
            return self._plain.search(text) is not None
        found = self._connection.execute(self._sql, [text, *self._values]).fetchall()
        return bool(found[0][0])


def _of(column: str, test: Callable[[Any], bool]) -> Matches:
    """A test of a column; what is unknown passes none."""
    place = COLUMNS.index(column)

    def matches(row: SummedRow) -> bool:
        told: Any = row[place]
        return told is not None and test(told)

    return matches


def _number(term: Term, column: str) -> Matches:
    compare = _COMPARED[term.operator]
    values = [number_of(FILTER_FIELDS[term.field or ""], value) for value in term.values]
    return _of(column, lambda told: any(compare(told, value) for value in values))


def _text(term: Term) -> _Test:
    """Whether a text is one of a term's values, or like one."""
    exact: set[str] = set()
    patterns = []
    for value in term.values:
        text, is_pattern = pattern(value)
        if is_pattern:
            patterns.append(_regex(value))
        else:
            exact.update(key_forms(text) if term.field == "token" else (text,))
    if not patterns:
        return exact.__contains__
    like = re.compile("|".join(patterns), re.DOTALL)
    return lambda text: text in exact or like.fullmatch(text) is not None


def _regex(value: str) -> str:
    return "".join(".*" if piece is None else re.escape(piece) for piece in pieces(value))


def _yes_no(field: str, value: str) -> Matches | None:
    test = _YES.get(field)
    return test if value == "yes" or test is None else _negated(test)


def _negated(test: Matches) -> Matches:
    return lambda row: not test(row)
