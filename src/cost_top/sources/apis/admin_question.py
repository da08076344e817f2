"""A question put as parameters of a provider's admin API: whole buckets of time, filters it can and cannot apply."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from cost_top.model.filter import Filter, Term, pattern
from cost_top.model.windows import floor
from cost_top.sources.apis.shapes import Shape
from cost_top.sources.report_api import GRAINS, Grain

DAY = GRAINS["day"]
# A filter on a key's name is one on the key.
DIMENSION_OF = {"token_name": "token"}


def stretches(start: datetime, end: datetime, widest: Grain) -> Iterator[tuple[Grain, datetime, datetime]]:
    """A period of whole minutes as the fewest stretches of equal buckets, none wider than `widest`.

    >>> from datetime import UTC
    >>> [(g, f"{s:%d %H:%M}", f"{e:%d %H:%M}") for g, s, e in stretches(
    ...     datetime(2026, 11, 1, 22, 58, tzinfo=UTC), datetime(2026, 11, 4, 1, tzinfo=UTC), "day")]
    [('minute', '01 22:58', '01 23:00'), ('hour', '01 23:00', '02 00:00'), ('day', '02 00:00', '04 00:00'), \
('hour', '04 00:00', '04 01:00')]
    """
    position, since, current = start, start, None
    while position < end:
        grain = _fitting(position, end, widest)
        if grain != current:
            if current is not None:
                yield current, since, position
            since, current = position, grain
        position += GRAINS[grain]
    if current is not None:
        yield current, since, end


def _fitting(position: datetime, end: datetime, widest: Grain) -> Grain:
    for grain, width in GRAINS.items():
        if width <= GRAINS[widest] and floor(position, width) == position and position + width <= end:
            return grain
    return "minute"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One report of an API. `groups`, `fields` and `filters` are by dimension.

    They name the value of `group_by[]`, the row's field that holds the value, and the parameter that filters by
    values. `buckets` are the most buckets of a page, by width. `always` is what rows are always grouped by.
    `apart` are dimensions that cannot be asked for together. `shape` is a row of it.
    """

    path: str
    groups: Mapping[str, str]
    fields: Mapping[str, str]
    filters: Mapping[str, str]
    buckets: Mapping[Grain, int]
    shape: type[Shape]
    always: tuple[str, ...] = ()
    apart: tuple[frozenset[str], ...] = ()

    def knows(self, dimensions: set[str]) -> bool:
        """Whether it can tell rows apart by all these."""
        return dimensions <= self.groups.keys() and not any(pair <= dimensions for pair in self.apart)


def dimensions_of(dimension: str | None, where: Filter) -> set[str]:
    """What an endpoint must know to answer; the provider is known without asking."""
    named = {DIMENSION_OF.get(term.field or "", term.field or "") for term in where.terms} | {dimension or ""}
    return named - {"", "provider"}


@dataclass(frozen=True, slots=True)
class Narrowed:
    """A filter as parameters, and the terms that are left to test on each row, which must be grouped by `groups`."""

    parameters: tuple[tuple[str, str], ...]
    tests: tuple[Term, ...]
    groups: tuple[str, ...]


def narrow(where: Filter, endpoint: Endpoint, ids: Mapping[tuple[str, str], tuple[str, ...]]) -> Narrowed:
    """Parameters where the endpoint has them, tests for the rest: patterns, negations, the absent value.

    `ids` are the ids behind a displayed value, by dimension and value; a value without is its own id.
    """
    parameters: list[tuple[str, str]] = []
    tests: list[Term] = []
    for term in where.terms:
        field = term.field or ""
        if field == "provider":
            continue
        name = endpoint.filters.get(field)
        read = [pattern(value) for value in term.values]
        exact = not term.negated and not any(is_pattern for _, is_pattern in read)
        if name is None or not exact or any(given == name for given, _ in parameters):
            tests.append(term)
            continue
        values = dict.fromkeys(found for text, _ in read for found in ids.get((field, text), (text,)))
        parameters += [(name, value) for value in values]
    fields = [DIMENSION_OF.get(term.field or "", term.field or "") for term in tests]
    return Narrowed(tuple(parameters), tuple(tests), tuple(endpoint.groups[field] for field in dict.fromkeys(fields)))


def holds(term: Term, values: tuple[str | None, ...]) -> bool:
    r"""Whether a term selects a row whose dimension goes by these names; an absent value is only ever negated.

    >>> holds(Term("model", ("gpt-*",)), ("gpt-4o",)), holds(Term("team", ("*",), negated=True), (None,))
    (True, True)
    """
    names = [value for value in values if value is not None]
    found = any(_fits(value, name) for value in term.values for name in names)
    return found is not term.negated


def _fits(value: str, name: str) -> bool:
    text, is_pattern = pattern(value)
    if not is_pattern:
        return text == name
    parts = re.findall(r"\\.|[^\\]", text, re.DOTALL)
    expression = "".join(
        ".*" if part == "%" else "." if part == "_" else re.escape(part[-1] if part[0] == "\\" else part)
        for part in parts
    )
    return re.fullmatch(expression, name, re.DOTALL) is not None
