"""Rows of a driver that knows no Arrow as an Arrow C stream, made batch by batch while DuckDB takes it.

The structures and who frees them: https://arrow.apache.org/docs/format/CDataInterface.html and CStreamInterface.html.
"""

from __future__ import annotations

import ctypes
import errno
import itertools
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

# Arrow's formats of the columns that occur.
INTEGER, DOUBLE, TEXT = "l", "g", "u"
Rows = Sequence[Sequence[bytes | None]]


class _Schema(ctypes.Structure):
    pass


class _Array(ctypes.Structure):
    pass


class _Stream(ctypes.Structure):
    pass


_Free = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
_GetSchema = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(_Stream), ctypes.POINTER(_Schema))
_GetNext = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(_Stream), ctypes.POINTER(_Array))
_LastError = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.POINTER(_Stream))
_Schema._fields_ = [
    ("format", ctypes.c_char_p), ("name", ctypes.c_char_p), ("metadata", ctypes.c_void_p), ("flags", ctypes.c_int64),
    ("n_children", ctypes.c_int64), ("children", ctypes.POINTER(ctypes.POINTER(_Schema))),
    ("dictionary", ctypes.c_void_p), ("release", ctypes.c_void_p), ("private_data", ctypes.c_void_p),
]  # fmt: skip
_Array._fields_ = [
    ("length", ctypes.c_int64), ("null_count", ctypes.c_int64), ("offset", ctypes.c_int64),
    ("n_buffers", ctypes.c_int64), ("n_children", ctypes.c_int64), ("buffers", ctypes.POINTER(ctypes.c_void_p)),
    ("children", ctypes.POINTER(ctypes.POINTER(_Array))), ("dictionary", ctypes.c_void_p),
    ("release", ctypes.c_void_p), ("private_data", ctypes.c_void_p),
]  # fmt: skip
_Stream._fields_ = [
    ("get_schema", ctypes.c_void_p), ("get_next", ctypes.c_void_p), ("get_last_error", ctypes.c_void_p),
    ("release", ctypes.c_void_p), ("private_data", ctypes.c_void_p),
]  # fmt: skip

_NULLABLE = 2
# What C code still points to, by the number it was given: freed when C says so.
_held: dict[int, Any] = {}
_numbers = itertools.count(1)


def _hold(thing: Any) -> int:
    number = next(_numbers)
    _held[number] = thing
    return number


@dataclass(slots=True)
class _State:
    """One stream that C may be reading."""

    columns: Sequence[tuple[str, str]]  # name and format
    batches: Iterator[Rows]
    structure: _Stream
    failed: Exception | None = None
    message: Any = None
    kept: list[Any] = field(default_factory=list)


class RowStream:
    """An Arrow C stream over batches of rows; every value is the driver's bytes, or None.

    `error` is what broke the reading, if anything did: DuckDB tells only its words.
    """

    def __init__(self, columns: Sequence[tuple[str, str]], batches: Iterator[Rows]) -> None:
        """`columns` are names and formats (`INTEGER`, `DOUBLE`, `TEXT`); a name that comes twice is told apart."""
        self._state = _State(_distinct(columns), batches, _Stream())
        self._number: int | None = None
        self._schemas: list[_Schema] = []  # given out; whoever takes one moves its content away

    @property
    def error(self) -> Exception | None:
        """What the driver raised while rows were taken."""
        return self._state.failed

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        if self._number is not None:
            raise ValueError("a stream is read once")
        structure = self._state.structure
        self._number = _hold(self._state)
        structure.get_schema = _GET_SCHEMA
        structure.get_next = _GET_NEXT
        structure.get_last_error = _LAST_ERROR
        structure.release = _RELEASE_STREAM
        structure.private_data = self._number
        return _capsule(structure, b"arrow_array_stream")

    def __arrow_c_schema__(self) -> object:
        self._schemas.append(_Schema())
        _describe(self._schemas[-1], self._state.columns)
        return _capsule(self._schemas[-1], b"arrow_schema")

    def close(self) -> None:
        """Let go of a stream that C has not taken over."""
        if self._number is not None and self._state.structure.release:
            _held.pop(self._number, None)
        for schema in self._schemas:
            if schema.release:
                _held.pop(schema.private_data, None)


def _distinct(columns: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Names that DuckDB can tell apart."""
    seen: set[str] = set()
    found = []
    for place, (name, kind) in enumerate(columns):
        unlike = name if name.lower() not in seen else f"{name}_{place}"
        seen.add(unlike.lower())
        found.append((unlike, kind))
    return found


def _capsule(structure: ctypes.Structure, name: bytes) -> object:
    make = ctypes.pythonapi.PyCapsule_New
    make.restype, make.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
    return make(ctypes.addressof(structure), name, None)


def _describe(schema: Any, columns: Sequence[tuple[str, str]]) -> None:
    """Fill in a record of nullable columns."""
    children = [_Schema() for _ in columns]
    for child, (name, kind) in zip(children, columns, strict=True):
        child.format, child.name, child.flags = kind.encode(), name.encode(), _NULLABLE
        child.release = _RELEASE_SCHEMA
    pointers = (ctypes.POINTER(_Schema) * len(children))(*map(ctypes.pointer, children))
    schema.format, schema.name, schema.metadata, schema.flags = b"+s", b"", None, 0
    schema.n_children, schema.children, schema.dictionary = len(children), pointers, None
    schema.release = _RELEASE_SCHEMA
    schema.private_data = _hold((children, pointers))


def _get_schema(stream: Any, out: Any) -> int:
    state: _State = _held[stream.contents.private_data]
    _describe(out.contents, state.columns)
    return 0


def _get_next(stream: Any, out: Any) -> int:
    state: _State = _held[stream.contents.private_data]
    try:
        rows = next(state.batches, None)
        array_ = out.contents
        if not rows:
            array_.release = None  # the end of the stream
            return 0
        _fill(array_, state.columns, rows)
    except Exception as error:
        state.failed = error
        state.message = ctypes.create_string_buffer(str(error).encode("utf-8", "replace").replace(b"\x00", b""))
        return errno.EIO
    return 0


def _last_error(stream: Any) -> int | None:
    message = _held[stream.contents.private_data].message
    return ctypes.addressof(message) if message is not None else None


def _release_stream(pointer: int) -> None:
    stream = _Stream.from_address(pointer)
    _held.pop(stream.private_data, None)
    stream.release = None


def _release_schema(pointer: int) -> None:
    schema = _Schema.from_address(pointer)
    _held.pop(schema.private_data or 0, None)
    schema.release = None


def _release_array(pointer: int) -> None:
    found = _Array.from_address(pointer)
    _held.pop(found.private_data or 0, None)
    found.release = None


def _fill(out: _Array, columns: Sequence[tuple[str, str]], rows: Rows) -> None:
    children, kept = [], []
    for (_, kind), values in zip(columns, zip(*rows, strict=True), strict=True):
        child, buffers = _column(kind, values)
        child.length, child.release = len(rows), _RELEASE_ARRAY
        children.append(child)
        kept.append(buffers)
    pointers = (ctypes.POINTER(_Array) * len(children))(*map(ctypes.pointer, children))
    no_validity = (ctypes.c_void_p * 1)(None)
    out.length, out.null_count, out.offset, out.dictionary = len(rows), 0, 0, None
    out.n_buffers, out.buffers, out.n_children, out.children = 1, no_validity, len(children), pointers
    out.release = _RELEASE_ARRAY
    out.private_data = _hold((children, pointers, no_validity, kept))


def _column(kind: str, values: Sequence[bytes | None]) -> tuple[_Array, object]:
    """One column's array, and what must live as long as it does."""
    missing = [place for place, value in enumerate(values) if value is None]
    if kind == TEXT:
        parts = [value or b"" for value in values] if missing else values
        offsets = array("i", [0])
        offsets.extend(itertools.accumulate(map(len, parts)))  # type: ignore[arg-type]
        data: list[Any] = [offsets, b"".join(parts)]  # type: ignore[arg-type]
    else:
        read, code = (int, "q") if kind == INTEGER else (float, "d")
        filled = [value or b"0" for value in values] if missing else values
        data = [array(code, map(read, filled))]  # type: ignore[arg-type]
    validity = _bits(len(values), missing) if missing else None
    addresses = [None if validity is None else ctypes.addressof(validity), *map(_address, data)]
    buffers = (ctypes.c_void_p * len(addresses))(*addresses)
    found = _Array(null_count=len(missing), offset=0, n_buffers=len(addresses), n_children=0, buffers=buffers)
    return found, (buffers, validity, data)


def _address(data: Any) -> int | None:
    if isinstance(data, bytes):
        return ctypes.cast(ctypes.c_char_p(data), ctypes.c_void_p).value
    return int(data.buffer_info()[0])


def _bits(length: int, missing: Sequence[int]) -> Any:
    flags = bytearray(b"\xff" * ((length + 7) // 8))
    for place in missing:
        flags[place // 8] &= ~(1 << (place % 8)) & 0xFF
    return (ctypes.c_char * len(flags)).from_buffer_copy(flags)


# Kept for the whole run: C may call them as long as it holds anything.
_CALLBACKS = (
    _GetSchema(_get_schema), _GetNext(_get_next), _LastError(_last_error), _Free(_release_stream),
    _Free(_release_schema), _Free(_release_array),
)  # fmt: skip
_GET_SCHEMA, _GET_NEXT, _LAST_ERROR, _RELEASE_STREAM, _RELEASE_SCHEMA, _RELEASE_ARRAY = (
    ctypes.cast(callback, ctypes.c_void_p).value for callback in _CALLBACKS
)
