"""Answers as they travel: JSON, SSE and NDJSON bytes, whole or piece by piece, in bounded memory."""

from __future__ import annotations

import zlib
from collections import deque

from cost_top.usage.frames import Frame, frames_of

HEAD_EVENTS = 8
TAIL_EVENTS = 16
BODY_LIMIT = 8 * 2**20


def events_of(source: object) -> list[Frame]:
    """The JSON objects of an answer: what `frames_of` takes, and SSE or NDJSON text, whole or in pieces."""
    if source is None:
        return []
    if isinstance(source, dict):
        return frames_of(source)
    if isinstance(source, str | bytes | bytearray):
        return frames_of(source) or frames_of(source.splitlines())
    if isinstance(source, list | tuple) and any(isinstance(piece, str | bytes | bytearray) for piece in source):
        lines: list[object] = []
        for piece in source:
            lines.extend(piece.splitlines() if isinstance(piece, str | bytes | bytearray) else (piece,))
        return frames_of(lines)
    return frames_of(source)


class BodyTap:
    """Collects a body up to a limit; beyond it, nothing is kept."""

    streamed = False

    def __init__(self, limit: int = BODY_LIMIT) -> None:
        self._limit = limit
        self._pieces: list[bytes] = []
        self._size = 0

    def feed(self, piece: bytes) -> None:
        """Take the next piece of the answer."""
        self._size += len(piece)
        if self._size <= self._limit:
            self._pieces.append(piece)
        else:
            self._pieces.clear()

    def frames(self) -> list[Frame]:
        """The body's JSON; none when it was longer than the limit."""
        return frames_of(b"".join(self._pieces)) if self._pieces else []


class LineTap:
    """Keeps the first and last events of a stream of lines (SSE or NDJSON): usage is at one of its ends.

    A single event may be as long as the limit, for `response.completed` repeats the whole answer.
    """

    streamed = True

    def __init__(self, limit: int = BODY_LIMIT) -> None:
        self._limit = limit
        self._head: list[bytes] = []
        self._tail: deque[bytes] = deque()
        self._kept = 0
        self._open: list[bytes] = []  # the pieces of the line that has not ended
        self._open_size = 0

    def feed(self, piece: bytes) -> None:
        """Take the next piece of the answer."""
        first, *others = piece.split(b"\n")
        self._extend(first)
        for line in others:
            self._end_line()
            self._extend(line)

    def frames(self) -> list[Frame]:
        """The kept events in their order."""
        self._end_line()
        return frames_of([*self._head, *self._tail])

    def _extend(self, piece: bytes) -> None:
        if not piece:
            return
        self._open_size += len(piece)
        if self._open_size <= self._limit:
            self._open.append(piece)
        else:
            self._open.clear()

    def _end_line(self) -> None:
        line = b"".join(self._open).strip()
        self._open.clear()
        self._open_size = 0
        if not line.startswith((b"data:", b"{")) or line == b"data: [DONE]":
            return
        if len(self._head) < HEAD_EVENTS and self._kept + len(line) <= self._limit:
            self._head.append(line)
        else:
            self._tail.append(line)
        self._kept += len(line)
        while self._tail and (len(self._tail) > TAIL_EVENTS or (self._kept > self._limit and len(self._tail) > 1)):
            self._kept -= len(self._tail.popleft())


class Inflated:
    """A tap behind gzip or deflate; what it makes of one piece is bounded too."""

    def __init__(self, inner: BodyTap | LineTap) -> None:
        self._inner = inner
        self.streamed = inner.streamed
        self._inflate = zlib.decompressobj(zlib.MAX_WBITS | 32)
        self._broken = False

    def feed(self, piece: bytes) -> None:
        """Take the next piece of the answer."""
        while piece and not self._broken and not self._inflate.eof:
            try:
                self._inner.feed(self._inflate.decompress(piece, 2**20))
            except zlib.error:
                self._broken = True
            piece = self._inflate.unconsumed_tail

    def frames(self) -> list[Frame]:
        """What the inner tap kept."""
        return self._inner.frames()


Tap = BodyTap | LineTap | Inflated


def tap_for(headers: dict[str, str], limit: int = BODY_LIMIT) -> Tap:
    """The tap that suits an answer with these headers."""
    kind = headers.get("content-type", "")
    tap: BodyTap | LineTap
    if "event-stream" in kind or "ndjson" in kind or "jsonl" in kind:
        tap = LineTap(limit)
    else:
        tap = BodyTap(limit)
    return Inflated(tap) if headers.get("content-encoding", "") in ("gzip", "deflate") else tap
