"""The records of a file, whatever it is written in: JSON lines, a JSON list, CSV or Parquet, also packed."""

from __future__ import annotations

import codecs
import csv
import io
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import chain, islice
from typing import IO, Any

from cost_top.sources.files.found import form_of
from cost_top.sources.files.lines import cut_off, is_packed, lines_from, open_at

Record = Mapping[str, Any]
_BATCH = 5000
_HALF = re.compile(rb"\\u[dD][89a-fA-F]")
_END: Any = object()
_LISTS = ("data", "logs", "records", "result", "results", "rows", "items")
csv.field_size_limit(2**27)


def records_of(path: str, offset: int = 0, waits: bool = False) -> Iterator[tuple[int, Record | None]]:
    """Each record with the place after it (that of a form which does not grow is 0); None is one that is broken.

    With `waits`, the last row of a table without the end of its line is one that is still being written.
    """
    form = form_of(path)
    if form == "parquet":
        yield from ((0, record) for record in _parquet(path))
    elif form == "csv":
        yield from ((0, record) for record in _csv(path, waits))
    else:
        yield from _json(path, offset)


def head_of(path: str, limit: int = 20) -> list[Record]:
    """The first records of a file, broken ones left out."""
    return [record for _, record in islice(records_of(path), limit) if record is not None]


def _json(path: str, offset: int) -> Iterator[tuple[int, Record | None]]:
    with open_at(path, offset) as file:
        first = True
        for end, written in lines_from(file, offset):
            line = written.removeprefix(codecs.BOM_UTF8) if first else written
            stripped = line.strip()
            if not stripped:
                yield from ()
                continue
            if first and not offset and (stripped.startswith(b"[") or stripped in (b"{", b"{}")):
                yield from ((0, record) for record in _list(stripped, file))
                return
            is_first, first = first, False
            try:
                record = parsed(line)
            except ValueError:
                if not line.endswith(b"\n"):
                    return  # it is still being written
                yield end, None
                continue
            if isinstance(record, dict) and not offset and is_first and (listed := _listed(record)) is not None:
                yield from ((end, item) for item in listed)
                continue
            yield end, record if isinstance(record, dict) else None


def _list(begun: bytes, file: IO[bytes]) -> Iterator[Record | None]:
    """The objects of a JSON list, or of the list inside an object."""
    try:
        value = parsed(begun + b"\n" + file.read())
    except ValueError:
        yield None
        return
    except cut_off():
        yield None
        return
    items = value if isinstance(value, list) else _listed(value) or [value]
    yield from (item if isinstance(item, dict) else None for item in items)


def _listed(value: Record) -> list[Any] | None:
    for name in _LISTS:
        found = value.get(name)
        if isinstance(found, list) and found and isinstance(found[0], dict):
            return found
    return None


def parsed(text: bytes) -> Any:
    """JSON whose fractions keep every digit, as texts. `ValueError` when it is none, or nested beyond reason."""
    try:
        value = json.loads(text.decode("utf-8", "backslashreplace"), parse_float=str)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if _HALF.search(text) is None:
        return value
    # Half a surrogate is no character and cannot be kept.
    return json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))


def is_torn(path: str) -> bool:
    """Whether a file lacks the end of its last line."""
    with open(path, "rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) not in (b"\n", b"\r")


def _csv(path: str, waits: bool) -> Iterator[Record | None]:
    with open_at(path, 0) as raw:
        text = io.TextIOWrapper(raw, "utf-8-sig", errors="backslashreplace", newline="")
        torn = not is_packed(path) and is_torn(path)
        rows = _csv_rows(text)
        row = next(rows, _END)
        while row is not _END:
            following = next(rows, _END)
            if following is _END and torn and row and (waits or None in row.values()):
                return  # the last row is still being written
            yield None if row is None or row.get("") else {key: value for key, value in row.items() if key}
            row = following


def _csv_rows(text: Iterator[str]) -> Iterator[Record | None]:
    reader = None
    while True:
        try:
            if reader is None:
                names = next(text)
                reader = csv.DictReader(chain((names,), text), restkey="", strict=False, delimiter=_delimiter(names))
            yield next(reader)
        except StopIteration:
            return
        except csv.Error:
            yield None
        except cut_off():
            yield None
            return


def _delimiter(names: str) -> str:
    """What stands between the columns, by the line of their names.

    >>> _delimiter("model,cost"), _delimiter("model;cost"), _delimiter("model")
    (',', ';', ',')
    """
    return "," if "," in names else max(",;\t|", key=names.count)


def _parquet(path: str) -> Iterator[Record | None]:
    import duckdb

    duck = duckdb.connect(":memory:", config={"threads": 1})
    try:
        names = [column[0] for column in duck.execute("DESCRIBE SELECT * FROM read_parquet(?)", [path]).fetchall()]
        found = duck.execute("SELECT * FROM read_parquet(?)", [path])
        while rows := found.fetchmany(_BATCH):
            for row in rows:
                yield {name: _plain(value) for name, value in zip(names, row, strict=True)}
    except duckdb.Error:
        os.stat(path)  # `OSError` where it is gone
        yield None  # no such file, or one whose end is not written yet
    finally:
        with suppress(duckdb.Error):  # where the answer was not taken to its end
            duck.close()


def _plain(value: Any) -> Any:
    """A value as JSON would have it; times as ISO texts, decimals as texts, bytes as the text they are."""
    if value is None or isinstance(value, str | int | bool):
        return value
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    return repr(value) if isinstance(value, float) else value.isoformat() if hasattr(value, "isoformat") else str(value)
