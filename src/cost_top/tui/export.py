"""Tables as files: CSV and JSON with the columns of `cost-top report`, money as exact decimal text."""

from __future__ import annotations

import csv
import io
import json
import os
import re
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path

from cost_top.model.money import usd_text
from cost_top.model.query import MEASURES, MONEY_MEASURES, Measures
from cost_top.model.snapshot import Lens, RequestRow, Snapshot

Value = str | int | bool | None
REQUEST_MONEY = ("cost", "market_cost", "saved_by_cache", "prompt_cache_savings")


@dataclass(frozen=True, slots=True)
class ExportTable:
    """A table ready to be written: `name` goes into the file's name, money is already text."""

    name: str
    source: str
    as_of: datetime
    columns: tuple[str, ...]
    rows: tuple[tuple[Value, ...], ...]
    totals: dict[str, Value] | None = None
    notes: tuple[str, ...] = ()


def lens_table(snapshot: Snapshot, lens: Lens) -> ExportTable:
    """A lens with its dimensions and every measure."""
    report = lens.report
    notes = list(report.notes)
    if report.row_count > len(report.rows):
        notes.append(f"the first {len(report.rows)} of {report.row_count} rows")
    rows = tuple((*row.key, *_measures(row.measures).values()) for row in report.rows)
    columns = (*report.columns, *MEASURES)
    totals = _measures(report.totals)
    return ExportTable(lens.dimension, snapshot.source, report.as_of, columns, rows, totals, tuple(notes))


def request_table(snapshot: Snapshot) -> ExportTable:
    """The listed requests with every column."""
    columns = tuple(field.name for field in fields(RequestRow))
    rows = tuple(tuple(_request_value(row, column) for column in columns) for row in snapshot.requests)
    return ExportTable("requests", snapshot.source, snapshot.period.end, columns, rows)


def _measures(measures: Measures) -> dict[str, Value]:
    return {
        name: usd_text(getattr(measures, name)) if name in MONEY_MEASURES else getattr(measures, name)
        for name in MEASURES
    }


def _request_value(row: RequestRow, column: str) -> Value:
    value = getattr(row, column)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, tuple):
        return ",".join(value)
    if value is not None and column in REQUEST_MONEY:
        return usd_text(value)
    return value  # type: ignore[no-any-return]


def as_json(table: ExportTable) -> str:
    """`{"results": […], "totals": …, "as_of": …, "source": …, "notes": […]}`."""
    document = {
        "results": [dict(zip(table.columns, row, strict=True)) for row in table.rows],
        "totals": table.totals,
        "as_of": table.as_of.isoformat(),
        "source": table.source,
        "notes": list(table.notes),
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def as_csv(table: ExportTable) -> str:
    """A header and the rows; a text that a spreadsheet would run as a formula gets an apostrophe."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(table.columns)
    for row in table.rows:
        writer.writerow([harmless(value) if isinstance(value, str) else value for value in row])
    return out.getvalue()


def harmless(text: str) -> str:
    """A text no spreadsheet takes for a formula; plain numbers stay numbers.

    >>> harmless("=1+1"), harmless("-0.25"), harmless("-a"), harmless("gpt-5")
    ("'=1+1", '-0.25', "'-a", 'gpt-5')
    """
    if text[:1] in ("=", "+", "-", "@", "\t", "\r") and not re.fullmatch(r"-?\d+(\.\d+)?", text):
        return f"'{text}"
    return text


def write_private(folder: Path, name: str, text: str, now: datetime) -> Path:
    """Write a new file only its owner can read: `cost-top-model-20261121-140322.csv`. `OSError` if it cannot be."""
    stem, dot, ending = name.rpartition(".")
    folder.mkdir(parents=True, exist_ok=True)
    for attempt in range(1, 100):
        again = "" if attempt == 1 else f"-{attempt}"
        path = folder / f"cost-top-{stem}-{now:%Y%m%d-%H%M%S}{again}{dot}{ending}"
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            continue
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        return path
    raise FileExistsError(f"{folder} has too many files of this second")
