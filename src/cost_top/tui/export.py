"""What the app writes to files: the rows behind a table as data, and where the files go."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from pathlib import Path

from cost_top.model.format import counted
from cost_top.model.money import usd_text
from cost_top.model.request_fields import MONEY_FIELDS, REQUEST_FIELDS
from cost_top.model.request_row import RequestRow
from cost_top.model.snapshot import Lens, Snapshot
from cost_top.model.tables import Table, Value, report_table


@dataclass(frozen=True, slots=True)
class Export:
    """A table and the name that goes into its file's name."""

    name: str
    table: Table


def lens_export(snapshot: Snapshot, lens: Lens, zone: tzinfo) -> Export:
    """A lens as `cost-top report --group-by` gives it; the notes say what is not plain about its figures."""
    report, notes = lens.report, list(lens.report.notes)
    if report.totals.unpriced_count:
        notes.append(
            f"{counted(report.totals.unpriced_count, 'request', whole=True)} unpriced: total_cost is a lower bound"
        )
    if lens.dimension == "tag":
        notes.append("tags overlap: a request counts in the row of each of its tags")
    if report.row_count > len(report.rows):
        notes.append(f"{len(report.rows)} of {report.row_count} rows; totals are of all")
    since, until = (instant.astimezone(zone) for instant in (lens.period.start, lens.period.end))
    return Export(lens.dimension, report_table(report, snapshot.source, since, until, tuple(notes)))


def request_export(
    snapshot: Snapshot, requests: Sequence[RequestRow], zone: tzinfo, total: int | None
) -> Export:  # fmt: skip
    """The listed requests, of a `total` where that is known, with every column."""
    columns = REQUEST_FIELDS
    rows = tuple(tuple(_request_value(row, column) for column in columns) for row in requests)
    since, until = (instant.astimezone(zone) for instant in (snapshot.period.start, snapshot.period.end))
    notes = (f"{len(rows)} of {total} requests",) if total is not None and len(rows) < total else ()
    return Export("requests", Table(snapshot.source, since, until, until, columns, rows, None, notes))


def _request_value(row: RequestRow, column: str) -> Value:
    value = getattr(row, column)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, tuple):
        return ",".join(value)
    if value is not None and column in MONEY_FIELDS:
        return usd_text(value)
    return value  # type: ignore[no-any-return]


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
