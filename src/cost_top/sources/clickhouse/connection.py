"""One HTTP connection to ClickHouse through clickhouse-connect: bounded statements, answers as they come."""

from __future__ import annotations

import re
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from cost_top.sources.sql.arrow import DOUBLE, INTEGER, TEXT, RowStream

# By these an operator finds what cost-top asks, and can kill it.
QUERY_PREFIX, LOG_COMMENT = "cost-top-", "cost-top"
_BATCH_ROWS = 5000
_BLOCK_BYTES = 1 << 18
_INTEGERS = ("Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64")
_ESCAPES = {b"b": b"\b", b"f": b"\f", b"r": b"\r", b"n": b"\n", b"t": b"\t", b"0": b"\0", b"a": b"\a", b"v": b"\v"}
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)


class ClickhouseConnection:
    """`connection.Connection` over HTTP. Every statement has an id that begins with `QUERY_PREFIX`."""

    def __init__(self, open_client: Callable[[], Any], settings: Mapping[str, object]) -> None:
        """`settings` go with every statement."""
        self._open_client = open_client
        self._client: Any = open_client()
        self._settings = dict(settings)
        self._answer: Any = None
        self._stream: RowStream | None = None
        self._running = ""
        self._lock = threading.Lock()

    def run(self, sql: str, query: bool = True) -> Any:  # noqa: ARG002 - one protocol for all of them
        """The answer as an Arrow C stream."""
        self.finish()
        lines = _lines(self._ask(sql, {}))
        names, kinds = _cells(next(lines, b"")), _cells(next(lines, b""))
        columns = [
            (str(name or b"", "utf-8"), _format(str(kind or b"", "utf-8")))
            for name, kind in zip(names, kinds, strict=True)
        ]
        self._stream = RowStream(columns, _batches(lines))
        return self._stream

    def rows(self, sql: str, parameters: Mapping[str, object]) -> list[tuple[Any, ...]]:
        """A small answer as Python values; `{name:Type}` in the statement stands for a parameter."""
        self.finish()
        identity = self._begin()
        try:
            found = self._client.query(
                sql, parameters=dict(parameters) or None, settings={**self._settings, "query_id": identity}
            )
            return [tuple(row) for row in found.result_rows]
        finally:
            self._end()

    def finish(self) -> None:
        """See `Connection`."""
        answer, self._answer = self._answer, None
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()
        if answer is not None:
            # What is left of an answer would have to be read to its end: the server ends it with its connection.
            with suppress(Exception):
                answer.close()
            with suppress(Exception):
                answer.release_conn()
        self._end()

    def cancel(self) -> None:
        """See `Connection`."""
        with self._lock:
            running = self._running
        if not running:
            return
        with suppress(Exception):
            other = self._open_client()
            try:
                other.command(f"KILL QUERY WHERE query_id = '{running}' ASYNC")
            finally:
                other.close()

    def close(self) -> None:
        """See `Connection`."""
        self.finish()
        with suppress(Exception):
            self._client.close()

    def _ask(self, sql: str, parameters: Mapping[str, object]) -> Any:
        identity = self._begin()
        try:
            self._answer = self._client.raw_stream(
                sql, parameters=dict(parameters) or None, fmt="TabSeparatedWithNamesAndTypes",
                settings={**self._settings, "query_id": identity},
            )  # fmt: skip
        except BaseException:
            self._end()
            raise
        return self._answer

    def _begin(self) -> str:
        identity = f"{QUERY_PREFIX}{secrets.token_hex(8)}"
        with self._lock:
            self._running = identity
        return identity

    def _end(self) -> None:
        with self._lock:
            self._running = ""


def _lines(answer: Any) -> Iterator[bytes]:
    rest = b""
    while block := answer.read(_BLOCK_BYTES):
        *whole, rest = (rest + block).split(b"\n")
        yield from whole
    if rest:
        yield rest


def _batches(lines: Iterator[bytes]) -> Iterator[Any]:
    batch: list[list[bytes | None]] = []
    for line in lines:
        batch.append(_cells(line))
        if len(batch) == _BATCH_ROWS:
            yield batch
            batch = []
    if batch:
        yield batch


def _cells(line: bytes) -> list[bytes | None]:
    r"""The values of a line of TSV.

    >>> _cells(b"a\t\\N\tx\\ty\\\\")
    [b'a', None, b'x\ty\\']
    """
    if b"\\" not in line:
        return list(line.split(b"\t"))
    return [
        None if cell == b"\\N" else _ESCAPED.sub(lambda found: _ESCAPES.get(found[1], found[1]), cell)
        for cell in line.split(b"\t")
    ]


def _format(kind: str) -> str:
    for outer in ("LowCardinality(", "Nullable("):
        if kind.startswith(outer):
            kind = kind[len(outer) : -1]
    if kind in _INTEGERS:
        return INTEGER
    return DOUBLE if kind in ("Float32", "Float64") else TEXT
