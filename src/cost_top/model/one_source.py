"""The dimension `source`: all requests of a source are of the same one: told at its face, in no row."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from typing import Any, ClassVar, TypeVar

from cost_top.model.dimensions import SOURCE
from cost_top.model.filter import Filter, Term, pieces
from cost_top.model.query import Measures, Report, ReportQuery, ReportRow, key_columns
from cost_top.model.view import View
from cost_top.model.windows import utc_now

T = TypeVar("T", ReportQuery, View)
# What no request matches.
NOTHING = Filter((Term("provider", ("*",)), Term("provider", ("*",), negated=True)))


def settled(where: Filter, name: str) -> Filter:
    """What a filter asks of the requests of the source of that name: its terms about the source hold or they do not.

    >>> from cost_top.model.filter import parse_filter
    >>> str(settled(parse_filter("user:acme source:pro*"), "prod")), settled(parse_filter("-source:prod"), "prod")
    ('user:acme', Filter(terms=(Term(field='provider', values=('*',), operator='=', negated=False), \
Term(field='provider', values=('*',), operator='=', negated=True))))
    """
    if not asks(where):
        return where
    if all(_is_meant(term, name) for term in where.terms if term.field == SOURCE):
        return Filter(tuple(term for term in where.terms if term.field != SOURCE))
    return NOTHING


def asks(where: Filter) -> bool:
    """Whether a filter asks something of the source."""
    return any(term.field == SOURCE for term in where.terms)


def _is_meant(term: Term, name: str) -> bool:
    like = ("".join(".*" if piece is None else re.escape(piece) for piece in pieces(value)) for value in term.values)
    return any(re.fullmatch(one, name, re.DOTALL) for one in like) != term.negated


def settled_view(view: View, name: str) -> View:
    """A view that shows the same of the source of that name; the same view where it asks nothing of the source."""
    where = view.where
    if not asks(where):
        return view
    plain = tuple(replace(crumb, term=None) for crumb in view.crumbs)
    return replace(view, filter=settled(where, name), crumbs=plain)


def reported(query: ReportQuery, name: str, ask: Callable[[ReportQuery], Report]) -> Report:
    """The report of the source of that name; `ask` answers what says nothing of sources."""
    where = settled(query.where, name)
    columns = key_columns(query.group_by)
    if where is NOTHING:
        rows = () if columns else (ReportRow((), Measures()),)
        return Report(columns, rows, Measures(), len(rows), utc_now(), (f"the source is called {name}",))
    if SOURCE not in query.group_by:
        return ask(query if where is query.where else replace(query, where=where))
    others, place = tuple(each for each in query.group_by if each != SOURCE), columns.index(SOURCE)
    plain = replace(query, group_by=others, where=where)
    if not others:
        plain = replace(plain, sort="total_cost", limit=None)
    elif query.sort == SOURCE:  # all are equal in it
        plain = replace(plain, sort=others[0], descending=False)
    report = ask(plain)
    found = report.rows if others or report.totals.request_count != 0 else ()
    named = tuple(replace(row, key=(*row.key[:place], name, *row.key[place:])) for row in found)
    return replace(report, columns=columns, rows=named, row_count=report.row_count if others else len(named))


class OfOneSource:
    """What answers for one source: its methods that take a query or a view are asked nothing of sources.

    `own_name` is what the config file calls the source; without, it is called by its label.
    """

    own_name: str | None = None
    _ASKED: ClassVar = (
        "requests", "list_requests", "unpriced", "features", "waste", "waste_requests", "find", "find_unpriced", "live",
    )  # fmt: skip

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        for name in cls._ASKED:
            if name in vars(cls):
                setattr(cls, name, _asked(vars(cls)[name]))
        if "report" in vars(cls):
            cls.report = _report(vars(cls)["report"])  # type: ignore[attr-defined]

    @property
    def source_name(self) -> str | None:
        """The source as a dimension names it; None where whoever is asked knows it, as another cost-top does."""
        return self.own_name or getattr(self, "label", None)


def _asked(method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    def ask(self: OfOneSource, *arguments: Any, **named: Any) -> Any:
        return method(self, *(_settled(each, self) for each in arguments), **named)

    return ask


def _report(method: Callable[..., Report]) -> Callable[..., Report]:
    @wraps(method)
    def ask(self: OfOneSource, query: ReportQuery) -> Report:
        if SOURCE not in query.group_by and not asks(query.where):
            return method(self, query)
        name = self.source_name
        return method(self, query) if name is None else reported(query, name, lambda plain: method(self, plain))

    return ask


def _settled(value: Any, of: OfOneSource) -> Any:
    if not isinstance(value, ReportQuery | View) or not asks(value.where):
        return value
    name = of.source_name
    if name is None:
        return value
    return settled_view(value, name) if isinstance(value, View) else replace(value, where=settled(value.where, name))
