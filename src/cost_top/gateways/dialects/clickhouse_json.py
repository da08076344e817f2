"""JSON texts in ClickHouse: all paths of a text in one reading, and counts as numbers where all of a text's are."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import reduce
from itertools import groupby

Path = tuple[str, ...]

_WORD = re.compile(r"[A-Za-z_]\w*", re.ASCII)
# What a text has somewhere whose values a reading as numbers tells wrong: lists, texts, truths, tiny and negative
# numbers. Others may have it too: they are looked at more closely.
_ODD = ("[", "\\", "true", "false", "0.000000", "-", ':"', ': "', ":  ", ":\t", ":\n", ":\r")
# Larger ones are looked at as texts.
_MOST = 2**49
_NUMBERS, _VALUES = "ct_numbers", "ct_values"


def together(paths: Collection[Sequence[str]]) -> list[Path]:
    """The paths that a tuple has room for: keys that are words, each the end of one path or the way to others."""
    found = {tuple(path) for path in paths if all(map(_WORD.fullmatch, path))}
    ways = {path[:size] for path in found for size in range(1, len(path))}
    return sorted(found - ways)


def tuple_of(paths: Sequence[Path], kind: str = "String") -> str:
    """The type that holds a value for each path; paths in order.

    >>> tuple_of([("a", "b"), ("a", "c"), ("d",)])
    'Tuple(a Tuple(b Nullable(String), c Nullable(String)), d Nullable(String))'
    """
    parts = []
    for key, group in groupby(paths, key=lambda path: path[0]):
        deeper = [path[1:] for path in group if len(path) > 1]
        parts.append(f"{key} {tuple_of(deeper, kind) if deeper else f'Nullable({kind})'}")
    return f"Tuple({', '.join(parts)})"


def read_once(
    table: str, columns: Sequence[str], texts: Mapping[str, Sequence[Path]], others: Mapping[str, Sequence[Path]],
    quoted: Callable[[str], str],
) -> str:  # fmt: skip
    """A SELECT of a table's columns and, for each text, of what `number_at` and `value_at` take from it.

    `others` are texts of which a column `read_at` tells each path. SELECTs in SELECTs: a name that stands for an
    expression of the same one is taken apart anew wherever it stands.
    """
    kept = list(map(quoted, columns))
    flags, numbers, values = [], [], []
    for place, (name, paths) in enumerate(others.items()):
        told, listed = f"ifNull(CAST({quoted(name)} AS TEXT), '')", f"ct_listed_{place}"
        # A list would be told for an object.
        flags += [f"if(position({told}, '[') > 0, {told}, '') AS {listed}", f"{told} AS ct_said_{place}"]
        one = f"if({listed} = '', ct_said_{place}, '')"
        numbers += [listed, f"JSONExtract({one}, '{tuple_of(paths)}') AS ct_read_{place}"]
        values += [
            f"coalesce({_element(f'ct_read_{place}', path)}, "
            f"JSONExtract({listed}, {', '.join(map(_literal, path))}, 'Nullable(String)')) AS {read_at(place, number)}"
            for number, path in enumerate(paths)
        ]
    for place, (name, paths) in enumerate(texts.items()):
        text, odd, read = f"ct_text_{place}", f"ct_odd_{place}", f"{_NUMBERS}_{place}"
        told = f"ifNull(CAST({quoted(name)} AS TEXT), '')"
        flags += [f"{told} AS {text}", f"{_any(f'position({told}, {_literal(part)}) > 0' for part in _ODD)} AS {odd}"]
        kind = tuple_of(paths, "Int64")
        numbers += [text, odd, f"JSONExtract(if({odd}, '', {text}), '{kind}') AS {read}"]
        # Only where they are looked at: all in one branch, since what two branches share is worked out in each.
        each = ", ".join(f"JSONExtract({text}, {', '.join(map(_literal, path))}, 'Nullable(String)')" for path in paths)
        values += [read, f"if({_any([odd, *_unsure(text, paths, read)])}, [{each}], []) AS {_VALUES}_{place}"]
    told = f"SELECT {', '.join([*kept, *flags])} FROM {table}"
    told = f"SELECT {', '.join([*kept, *numbers])} FROM ({told})"
    return f"SELECT {', '.join([*kept, *values])} FROM ({told})"


def read_at(place: int, number: int) -> str:
    """What is at the path of that number of the text at that place of `others` of `read_once`."""
    return f"ct_at_{place}_{number}"


def number_at(place: int, path: Path) -> str:
    """The whole number at a path of the text at that place of `read_once`, where `value_at` is NULL."""
    return _element(f"{_NUMBERS}_{place}", path)


def value_at(place: int, number: int) -> str:
    """What is at the path of that number, where it has to be looked at."""
    return f"arrayElement({_VALUES}_{place}, {number + 1})"


def _unsure(text: str, paths: Sequence[Path], numbers: str) -> list[str]:
    """Whether a text that is not odd may hold, by one of some keys, what was not read as a whole number."""
    by_key: dict[str, list[str]] = {}
    for path in paths:
        by_key.setdefault(path[-1], []).append(_element(numbers, path))
    found = []
    for key, values in by_key.items():
        read = " + ".join(f"isNotNull({value})" for value in values)
        found.append(
            f"(countSubstrings({text}, '\"{key}\"') > {read})" if len(values) > 1
            else f"bitAnd(isNull({values[0]}), position({text}, '\"{key}\"') > 0)"
        )  # fmt: skip
    every = [f"ifNull({value}, 0)" for values in by_key.values() for value in values]
    return [*found, f"({_any(every)} >= {_MOST})"]


def _element(value: str, path: Path) -> str:
    return reduce(lambda found, key: f"tupleElement({found}, '{key}')", path, value)


def _any(bits: Iterable[str]) -> str:
    return reduce(lambda one, other: f"bitOr({one}, {other})", bits)


def _literal(text: str) -> str:
    escaped = repr(text)[1:-1].replace("'", "\\'")
    return f"'{escaped}'"
