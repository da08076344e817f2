"""Files of any shape, by a mapping: the columns that it names become a table, which it then reads as a log's."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from cost_top.gateways.preset import Preset
from cost_top.sources.files.content import Record, records_of
from cost_top.sources.files.records import Part, Row

_KEY = "cost_top_row"


class Mapped:
    """`Kind` of a user's own files."""

    mergeable: Sequence[str] = ()
    weight: str | None = None
    repeats: str | None = None
    note: str | None = None

    def __init__(self, preset: Preset, heads: Iterable[Record]) -> None:
        """`heads` are the first records of the files: they tell which of the mapping's columns there are."""
        present = {name for record in heads for name in record}
        self.name, self.table, self.time = preset.name, preset.table, preset.time_column
        identity = preset.id.column if not preset.id.path else None
        self.key = identity if identity in present else _KEY
        self._names = tuple(sorted(name for name in present if _is_named(preset, name)))
        self._is_text_time = preset.time_unit in ("naive_utc", "timestamptz", "iso_utc")
        time_type = "TEXT" if self._is_text_time else "NUMERIC"
        self.columns: Mapping[str, str] = {
            name: time_type if name == self.time else "TEXT"
            for name in dict.fromkeys((self.key, self.time, *self._names))
        }

    def read(self, path: str, offset: int, state: Mapping[str, Any]) -> Part:
        """See `Kind`."""
        part = Part(state=dict(state), read_until=offset)
        for end, record in records_of(path, offset, bool(state.get("waits"))):
            part.read_until = end
            if record is None:
                part.unreadable += 1
                continue
            row: Row = {name: as_text(record.get(name)) for name in self._names}
            if self._is_text_time:
                row[self.time] = _in_utc(row.get(self.time))
            part.rows.append(row)
        return part


def _is_named(preset: Preset, name: str) -> bool:
    """Whether a mapping reads a column; what it never reads is not kept either."""
    if name in preset.never:
        return False
    items = [preset.id, *preset.of_any_row, *(item for items in preset.fields.values() for item in items)]
    if name in (preset.time_column, *preset.recognised_by) or any(name in item.columns for item in items):
        return True
    spelled = " ".join(sql for item in items for sql in item.sql.values())
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", spelled) is not None


def as_text(value: object) -> str | None:
    """A value as the table holds it: objects and lists as JSON."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)


def _in_utc(value: object) -> object:
    """An ISO time as UTC without an offset; anything else as it is."""
    if not isinstance(value, str):
        return value
    try:
        moment = datetime.fromisoformat(value.strip())
    except ValueError:
        return value
    return (moment if moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None)).isoformat(" ")
