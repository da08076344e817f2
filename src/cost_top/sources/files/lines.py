"""The lines that were added to a file since it was read last."""

from __future__ import annotations

import gzip
import sys
import zlib
from collections.abc import Iterator, Sequence
from io import BufferedReader
from typing import IO, Any, cast

# A longer line is no row of a log; it is counted and passed over without being held in memory.
LONGEST_LINE = 64 * 2**20
TOO_LONG = b"\x00\n"  # stands for such a line, and for what was cut off: whatever reads it finds it broken
_BLOCK = 4 * 2**20
PACKED = (".gz", ".zst")


def cut_off() -> tuple[type[Exception], ...]:
    """What reading a packed file raises that was cut off or damaged."""
    zstandard: Any = sys.modules.get("compression.zstd") or sys.modules.get("backports.zstd")
    return (EOFError, zlib.error, gzip.BadGzipFile, *([zstandard.ZstdError] if zstandard else []))


def is_packed(path: str) -> bool:
    """Whether a file is unpacked to be read: such a file is read whole, for it does not grow."""
    return path.lower().endswith(PACKED)


def open_at(path: str, offset: int) -> IO[bytes]:
    """The file from a place in its (unpacked) content on."""
    name = path.lower()
    file: IO[bytes]
    if name.endswith(".gz"):
        file = cast("IO[bytes]", gzip.open(path, "rb"))  # noqa: SIM115
    elif name.endswith(".zst"):
        file = _zstandard(path)
    else:
        file = open(path, "rb", buffering=1 << 18)  # noqa: SIM115
    if offset:
        file.seek(offset)
    return file


def _zstandard(path: str) -> IO[bytes]:
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return cast("IO[bytes]", zstd.open(path, "rb"))


def lines_from(file: IO[bytes], offset: int) -> Iterator[tuple[int, bytes]]:
    """Each line, with the place after it. The last one may lack its end: it may still be in the writing.

    A packed file that was cut off ends where it was cut, with a line that is broken.
    """
    try:
        while line := file.readline(LONGEST_LINE):
            offset += len(line)
            if len(line) == LONGEST_LINE and not line.endswith(b"\n"):
                while line and not line.endswith(b"\n"):
                    line = file.readline(LONGEST_LINE)
                    offset += len(line)
                yield offset, TOO_LONG
                continue
            yield offset, line
    except cut_off():
        yield offset, TOO_LONG


def marked_lines(file: IO[bytes], offset: int, marks: Sequence[bytes]) -> Iterator[tuple[int, bytes]]:
    """Those lines that hold a mark, with the place after each; between them b"" with the place that was come to.

    The rest of the file is searched in large blocks and never cut into lines. The end of the file without the end of a
    line comes last, whatever it holds. A packed file that was cut off ends where it was cut, with a broken line.
    """
    read = cast("BufferedReader", file).read1  # gives what there is of a file that was cut off
    rest, passing = b"", False
    try:
        while block := read(_BLOCK):
            data = rest + block if rest else block
            cut = data.rfind(b"\n") + 1
            if not cut:
                rest = data
                if passing or len(rest) > LONGEST_LINE:
                    offset, rest, passing = offset + len(rest), b"", True
                continue
            begin = data.find(b"\n") + 1 if passing else 0
            if passing:
                yield offset + begin, TOO_LONG
                passing = False
            yield from _marked(data, begin, cut, offset, marks)
            offset += cut
            yield offset, b""
            rest = data[cut:]
    except cut_off():
        rest, passing = TOO_LONG, False
    if rest and not passing:
        yield offset + len(rest), rest


def _marked(data: bytes, begin: int, end: int, offset: int, marks: Sequence[bytes]) -> Iterator[tuple[int, bytes]]:
    """The marked ones of the whole lines in `data[begin:end]`; `offset` is the place of its beginning."""
    found = set()
    for mark in marks:
        after = begin
        while (place := data.find(mark, after, end)) >= 0:
            after = data.find(b"\n", place) + 1
            found.add((max(begin, data.rfind(b"\n", begin, place) + 1), after))
    for start, after in sorted(found):
        yield offset + after, data[start:after]
