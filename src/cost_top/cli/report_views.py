"""The other views of `cost-top report`, and how they are written."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

from cost_top.insight.savings import share_text
from cost_top.insight.units import Income, Units, middle, revenue_of, units_of
from cost_top.insight.view_table import Figures, Key, ViewTable, known_usd
from cost_top.model.dimensions import none_text
from cost_top.model.errors import UserError, one_line
from cost_top.model.filter import Filter, Term
from cost_top.model.format import counted
from cost_top.model.money import display_usd, usd_text
from cost_top.model.query import Report, ReportQuery, ReportRow

if TYPE_CHECKING:
    from cost_top.model.answers import Answers

_WITH_USER = Term("user", ("*",))


def units_view(
    answers: Answers, query: ReportQuery, per: Mapping[str, Fraction], incomes: Sequence[tuple[Filter, Income]],
    near_percent: int,
) -> ViewTable:  # fmt: skip
    """Cost for one request, one user, 1,000 output tokens and each number of `per`; margin where revenue is known.

    A note counts users that pay nothing and cost more than `near_percent` of the cheapest paid plan's median user.
    """
    every = answers.report(query)
    users = _users(answers, query, every.columns)
    paying = [
        (income, _users(answers, replace(query, where=query.where.both(where)), every.columns))
        for where, income in incomes
    ]
    span = query.end - query.start

    def figures(row: ReportRow | None) -> Figures:
        key = row.key if row is not None else None
        counted, attributed = users.get(key, (0, 0))
        income = [(each, found[key][0]) for each, found in paying if key in found]
        measures = row.measures if row is not None else every.totals
        return _units(units_of(measures, counted, attributed, per, revenue_of(income, span)))

    rows = tuple((row.key, figures(row)) for row in every.rows)
    notes = list(every.notes)
    share = share_text(users.get(None, (0, 0))[1], every.totals.total_cost)
    if share is not None and share != "100.00":
        notes.append(f"cost for each user is of the {share} % of the cost whose requests name a user")
    if incomes:
        notes.append("revenue is what [[revenue]] says of the users seen, a month taken as 30 days")
        if {*query.group_by} - {"user", "tag", "source"}:
            notes.append(
                "a user's revenue counts whole in each row of their requests: rows add up to more than the total"
            )
        notes += _near_upgrade(answers, query, incomes, near_percent)
    as_of = every.as_of.isoformat(timespec="seconds")
    return ViewTable(every.columns, rows, figures(None), as_of, tuple(notes), every.row_count)


def _users(answers: Answers, query: ReportQuery, columns: tuple[str, ...]) -> dict[Key | None, tuple[int, int]]:
    """Distinct users and what their requests cost, by group; None is all of them."""
    dimensions = tuple(name for name in query.group_by if name != "user")
    wanted = replace(query, group_by=(*dimensions, "user"), where=query.where.with_term(_WITH_USER), limit=None,
                     sort="total_cost", descending=True)  # fmt: skip
    report = answers.report(wanted)
    places = [report.columns.index(name) for name in columns if name in report.columns]
    user = report.columns.index("user")
    names: dict[Key | None, set[str | None]] = {None: set()}
    costs: dict[Key | None, int] = {None: report.totals.total_cost}
    for row in report.rows:
        key = tuple(row.key[place] for place in places)
        for each in (key, None):
            names.setdefault(each, set()).add(row.key[user])
        costs[key] = costs.get(key, 0) + row.measures.total_cost
    return {key: (len(found), costs[key]) for key, found in names.items()}


def _near_upgrade(
    answers: Answers, query: ReportQuery, incomes: Sequence[tuple[Filter, Income]], percent: int
) -> list[str]:  # fmt: skip
    free = [where for where, income in incomes if not income.per_user_month and not income.per_month]
    paid = [(income.per_user_month, where) for where, income in incomes if income.per_user_month]
    plan = min(paid, key=lambda one: one[0])[1] if paid else None
    median = middle(_user_costs(answers, query, plan)) if free and plan is not None else None
    if median is None:
        return []
    notes = []
    for where in free:
        costs = _user_costs(answers, query, where)
        near = sum(100 * cost > percent * median for cost in costs)
        notes.append(
            f"near an upgrade: {near:,} of {counted(len(costs), 'user', whole=True)} of {where} above {percent} % of "
            f"{display_usd(round(median))}, what the median user of {plan} costs"
        )
    return notes


def _user_costs(answers: Answers, query: ReportQuery, where: Filter) -> list[int]:
    """What each user under a filter costs, in pico-dollars."""
    among = query.where.both(where).with_term(_WITH_USER)
    report = answers.report(replace(query, group_by=("user",), where=among, limit=None, sort="total_cost"))
    return [row.measures.total_cost for row in report.rows]


def _units(units: Units) -> Figures:
    return {
        "cost": usd_text(units.cost),
        "per_request": known_usd(units.per_request),
        "per_user": known_usd(units.per_user),
        "per_1000_output_tokens": known_usd(units.per_thousand_output),
        **{f"per_{name}": known_usd(amount) for name, amount in units.per.items()},
        "request_count": units.requests,
        "user_count": units.users,
        "revenue": known_usd(units.revenue),
        "margin": known_usd(units.margin),
        "unpriced_count": units.unpriced,
    }


def parse_per(texts: Sequence[str]) -> dict[str, Fraction]:
    """`--per seats=42` by name.

    >>> parse_per(["seats=42", "tickets=1.5"])
    {'seats': Fraction(42, 1), 'tickets': Fraction(3, 2)}
    """
    found: dict[str, Fraction] = {}
    for text in texts:
        name, equals, number = text.partition("=")
        try:
            value = Fraction(number.strip()) if equals and "/" not in number and len(number) < 40 else Fraction(0)
        except ValueError:
            value = Fraction(0)
        if not name.strip().isidentifier() or value <= 0:
            raise UserError(f"--per {one_line(text, 60)!r}: write NAME=NUMBER with a number above 0, such as seats=42")
        if name.strip() in found:
            raise UserError(f"--per {name.strip()}: is given twice")
        found[name.strip()] = value
    return found


def view_json(table: ViewTable, query: ReportQuery, source: str) -> str:
    """In the form of a report's JSON."""
    document = {
        "results": [{**dict(zip(table.columns, key, strict=True)), **figures} for key, figures in table.rows],
        "totals": table.totals,
        "since": query.start.astimezone(query.zone).isoformat(),
        "until": query.end.astimezone(query.zone).isoformat(),
        "as_of": table.as_of,
        "source": source,
        "notes": list(table.notes),
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def view_csv(table: ViewTable) -> str:
    """A header line and the rows; what is not known is empty."""
    import csv
    import io

    from cost_top.model.tables import harmless

    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow((*table.columns, *table.totals))
    for key, figures in table.rows:
        writer.writerow([*(harmless(value) if value is not None else None for value in key), *figures.values()])
    return out.getvalue()


def view_text(table: ViewTable, title: str) -> str:
    """For eyes: money rounded, a share behind its amount, columns that tell nothing left out."""
    from cost_top.cli.overview import aligned

    told = [name for name in table.totals if _is_told(name, table)]
    heads = {"prompt_cache_savings": "prompt cache", "saved_by_cache": "response cache", "request_count": "requests",
             "unpriced_count": "unpriced", "user_count": "users", "list_price": "list price"}  # fmt: skip
    titles = (*table.columns, *(heads.get(name, name.replace("_", " ")) for name in told))
    rows = [
        (
            *(none_text(name) if value is None else value for name, value in zip(table.columns, key, strict=True)),
            *_cells(figures, told),
        )
        for key, figures in table.rows
    ]
    if table.columns:
        rows.append((*("total", *[""] * len(table.columns))[: len(table.columns)], *_cells(table.totals, told)))
    return aligned(titles, rows, len(table.columns), title)


def _is_told(name: str, table: ViewTable) -> bool:
    if "_percent_of_" in name:
        return False
    values = [figures[name] for _, figures in table.rows] + [table.totals[name]]
    return any(value is not None for value in values) and (name != "unpriced_count" or any(values))


def _cells(figures: Figures, told: Sequence[str]) -> list[str]:
    cells = []
    for name in told:
        value = figures[name]
        if name in _TEXTS:
            cells.append(str(value or ""))
        elif value is None:
            cells.append("–")
        elif isinstance(value, int):
            cells.append(f"{value:,}")
        else:
            share = next((text for other, text in figures.items() if other.startswith(_SHARES.get(name, "-"))), None)
            cells.append(f"{_shown(value)}{f' {float(share):.1f} %' if share is not None else ''}")
    return cells


_TEXTS = ("kind", "where")
_SHARES = {
    "cost": "cost_percent",
    "discount": "discount_percent",
    "prompt_cache_savings": "prompt_cache_percent",
    "saved_by_cache": "saved_by_cache_percent",
}


def _shown(text: str) -> str:
    from cost_top.model.money import pico

    return display_usd(pico(text))


def lower_bound(report: Report) -> str:
    """`≥ ` where something is unpriced."""
    return "≥ " if report.totals.unpriced_count else ""
