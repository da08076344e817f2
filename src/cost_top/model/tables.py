"""Tables for other programs, as CSV or JSON: what `cost-top report --format` prints and what `e` in the app writes."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import asdict, dataclass
from datetime import datetime

from cost_top.model.money import usd_text
from cost_top.model.query import MEASURES, MONEY_MEASURES, Measures, Report

Value = str | int | bool | None
_FORMULA = tuple("=+-@\t\r＝＋－＠")
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of `[since, until)` as of an instant; money is exact decimal text in USD, None is not known."""

    source: str
    since: datetime
    until: datetime
    as_of: datetime
    columns: tuple[str, ...]
    rows: tuple[tuple[Value, ...], ...]
    totals: dict[str, Value] | None = None
    notes: tuple[str, ...] = ()


def report_table(report: Report, source: str, since: datetime, until: datetime, notes: tuple[str, ...]) -> Table:
    """A report's dimensions and every measure, in the documented order."""
    rows = tuple((*row.key, *measure_values(row.measures).values()) for row in report.rows)
    columns = (*report.columns, *MEASURES)
    return Table(source, since, until, report.as_of, columns, rows, measure_values(report.totals), notes)


def measure_values(measures: Measures) -> dict[str, Value]:
    """The measures by name; money as exact decimal text.

    >>> list(measure_values(Measures(total_cost=52_590_000_000, request_count=2)).items())[0]
    ('total_cost', '0.05259')
    """
    values = asdict(measures)
    return {
        name: usd_text(value) if name in MONEY_MEASURES and (value := values[name]) is not None else values[name]
        for name in MEASURES
    }


def as_json(table: Table) -> str:
    """`{"results": […], "totals": …, "since", "until", "as_of", "source", "notes": […]}`, a line for each value."""
    document = {
        "results": [dict(zip(table.columns, row, strict=True)) for row in table.rows],
        "totals": table.totals,
        "since": table.since.isoformat(),
        "until": table.until.isoformat(),
        "as_of": table.as_of.isoformat(timespec="seconds"),
        "source": table.source,
        "notes": list(table.notes),
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def as_csv(table: Table) -> str:
    """A header line and the rows; what is not known is empty."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(table.columns)
    writer.writerows([_cell(value) for value in row] for row in table.rows)
    return out.getvalue()


def _cell(value: Value) -> Value:
    if isinstance(value, bool):
        return "true" if value else "false"
    return harmless(value) if isinstance(value, str) else value


def harmless(text: str) -> str:
    """A text no spreadsheet takes for a formula: it gets an apostrophe; plain numbers stay numbers.

    >>> harmless("=1+1"), harmless("-0.25"), harmless("-a"), harmless("gpt-5"), harmless("")
    ("'=1+1", '-0.25', "'-a", 'gpt-5', '')
    """
    return f"'{text}" if text.startswith(_FORMULA) and not _NUMBER.fullmatch(text) else text
