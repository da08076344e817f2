"""Single requests on stdout or in a file, one at a time: no list is ever held whole."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence, Set
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING, Any, Literal, TextIO

from cost_top.model.dimensions import SOURCE
from cost_top.model.format import duration_ms, pad, tokens
from cost_top.model.money import display_usd
from cost_top.model.request_fields import MONEY_FIELDS, TEXT_FIELDS, key_ids, key_name, request_values
from cost_top.model.request_row import RequestRow
from cost_top.model.tables import harmless

if TYPE_CHECKING:
    from cost_top.pricing.book import RateBook

TABLE_COLUMNS = (
    "time", "cost", "model", "endpoint", "token_name", "user", "status", "input_tokens", "output_tokens", "latency_ms",
)  # fmt: skip
_HEADS = {"token_name": "token", "input_tokens": "input", "output_tokens": "output", "latency_ms": "latency"}
_WIDTHS = {"time": 19, "cost": 10, "input_tokens": 7, "output_tokens": 7, "latency_ms": 8, "status": 6}
_NAME_WIDTH = 18
_GAP = 2


class Writer:
    """Takes requests in the order in which they are to stand; all are of the source of that name."""

    source_name = ""
    tells_notes = False

    def begin(self) -> None:
        """Before the first."""

    def meet(self, rows: Iterable[RequestRow]) -> None:
        """Requests that come next: a table tells their keys apart."""

    def add(self, row: RequestRow, revision: int = 1, late: bool = False) -> None:
        """One request. `revision` counts how often it was told; `late`: it came after newer ones."""

    def end(self, notes: Sequence[str]) -> None:
        """After the last."""

    def chosen(self, row: RequestRow, columns: Sequence[str], zone: tzinfo) -> dict[str, Any]:
        """A request by the names of columns."""
        values = request_values(row, zone)
        return {name: self.source_name if name == SOURCE else values[name] for name in columns}


class TableWriter(Writer):
    """For eyes: rounded money, cut names."""

    tells_notes = True

    def __init__(self, out: TextIO, columns: Sequence[str], zone: tzinfo) -> None:
        self._out, self._columns, self._zone = out, columns, zone
        self._is_empty = True
        self._ids: dict[str, Set[str]] = {}

    def begin(self) -> None:
        """See `Writer`."""
        heads = (pad(_HEADS.get(name, name), _width(name), _side(name)) for name in self._columns)
        print("  ".join(heads).rstrip(), file=self._out)

    def meet(self, rows: Iterable[RequestRow]) -> None:
        """See `Writer`."""
        self._ids = key_ids(rows, self._ids)

    def add(self, row: RequestRow, revision: int = 1, late: bool = False) -> None:
        """See `Writer`."""
        self._is_empty = False
        cells = [pad(self._cell(row, name), _width(name), _side(name)) for name in self._columns]
        mark = "  changed" if revision > 1 else "  late" if late else ""
        print(f"{'  '.join(cells)}{mark}".rstrip(), file=self._out)

    def end(self, notes: Sequence[str]) -> None:
        """See `Writer`."""
        if self._is_empty:
            print("no requests in this period", file=self._out)
        for note in notes:
            print(f"note: {note}", file=self._out)

    def _cell(self, row: RequestRow, name: str) -> str:
        value: Any = getattr(row, name, self.source_name)
        if name == "time":
            return f"{row.time.astimezone(self._zone):%Y-%m-%d %H:%M:%S}"
        if name in MONEY_FIELDS:
            return display_usd(value)
        if name == "latency_ms":
            return duration_ms(value)
        if name.endswith("_tokens"):
            return tokens(value)
        if name == "token_name":
            value = key_name(row, self._ids, _width(name))
        if value is None:
            return "–"
        return " ".join(value) if isinstance(value, tuple) else str(value)


class JsonWriter(Writer):
    """`{"requests": […], "source", "since", "until", "as_of", "notes"}`."""

    tells_notes = True

    def __init__(
        self, out: TextIO, columns: Sequence[str], zone: tzinfo, source: str, since: datetime, until: datetime,
        as_of: datetime,
    ) -> None:  # fmt: skip
        self._out, self._columns, self._zone = out, columns, zone
        self._told = {
            "source": source,
            "since": since.astimezone(zone).isoformat(),
            "until": until.astimezone(zone).isoformat(),
            "as_of": as_of.isoformat(timespec="seconds"),
        }
        self._first = True

    def begin(self) -> None:
        """See `Writer`."""
        self._out.write('{"requests": [')

    def add(self, row: RequestRow, revision: int = 1, late: bool = False) -> None:  # noqa: ARG002
        """See `Writer`."""
        self._out.write("\n" if self._first else ",\n")
        self._first = False
        self._out.write(json.dumps(self.chosen(row, self._columns, self._zone), ensure_ascii=False))

    def end(self, notes: Sequence[str]) -> None:
        """See `Writer`."""
        rest = json.dumps({**self._told, "notes": list(notes)}, ensure_ascii=False)
        self._out.write(f"\n], {rest[1:]}\n")


class LinesWriter(Writer):
    """A JSON object a line; told again it carries `revision`, and `late` when newer ones came before it."""

    def __init__(self, out: TextIO, columns: Sequence[str], zone: tzinfo) -> None:
        self._out, self._columns, self._zone = out, columns, zone

    def add(self, row: RequestRow, revision: int = 1, late: bool = False) -> None:
        """See `Writer`."""
        told = self.chosen(row, self._columns, self._zone)
        if revision > 1:
            told["revision"] = revision
        if late:
            told["late"] = True
        print(json.dumps(told, ensure_ascii=False), file=self._out)


class CsvWriter(Writer):
    """A header and the rows. Texts of strangers that a spreadsheet would run get an apostrophe; figures never do."""

    def __init__(self, out: TextIO, columns: Sequence[str], zone: tzinfo) -> None:
        self._csv = csv.writer(out, lineterminator="\n")
        self._columns, self._zone = columns, zone

    def begin(self) -> None:
        """See `Writer`."""
        self._csv.writerow(self._columns)

    def add(self, row: RequestRow, revision: int = 1, late: bool = False) -> None:  # noqa: ARG002
        """See `Writer`."""
        values = self.chosen(row, self._columns, self._zone)
        self._csv.writerow([_cell(name, value) for name, value in values.items()])


class FocusWriter(Writer):
    """FOCUS charges as CSV, hour by hour."""

    def __init__(self, out: TextIO, source: str, version: str, book: RateBook) -> None:
        from cost_top.insight.focus import Charges, columns_of
        from cost_top.pricing.explain import parts_of

        self._csv = csv.writer(out, lineterminator="\n")
        self._columns = columns_of(version)
        self._charges = Charges(source, version, lambda row: row.price_parts or parts_of(book, row))

    def begin(self) -> None:
        """See `Writer`."""
        self._csv.writerow(self._columns)

    def add(self, row: RequestRow, revision: int = 1, late: bool = False) -> None:  # noqa: ARG002
        """See `Writer`."""
        self._csv.writerows(map(_harmless_all, self._charges.add(row)))

    def end(self, notes: Sequence[str]) -> None:  # noqa: ARG002
        """See `Writer`."""
        self._csv.writerows(map(_harmless_all, self._charges.rest()))


def _harmless_all(values: Sequence[str]) -> list[str]:
    return [harmless(value) for value in values]


def _cell(name: str, value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        value = json.dumps(value, ensure_ascii=False) if value else None
    return harmless(value) if isinstance(value, str) and name in (*TEXT_FIELDS, SOURCE) else value


def fitting(width: int) -> tuple[str, ...]:
    """The usual columns that fit into a terminal's width.

    >>> fitting(80)
    ('time', 'cost', 'model', 'endpoint')
    """
    chosen: list[str] = []
    for name in TABLE_COLUMNS:
        if sum(_width(each) + _GAP for each in (*chosen, name)) - _GAP > width:
            break
        chosen.append(name)
    return tuple(chosen)


def _width(name: str) -> int:
    return _WIDTHS.get(name, max(len(name), _NAME_WIDTH))


def _side(name: str) -> Literal["left", "right"]:
    return "right" if name in MONEY_FIELDS or name.endswith(("_tokens", "_ms")) or name == "status" else "left"
