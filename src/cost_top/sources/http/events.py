"""Server-sent events (text/event-stream, as the HTML standard defines them) from pieces of bytes."""

from __future__ import annotations

import codecs
import re

_LINE_END = re.compile(r"\r\n|\n|\r")
_BYTE_ORDER_MARK = "\ufeff"


class EventParser:
    """Feed it what came; it tells what is complete as (event name, data); a comment is `("", "")`."""

    def __init__(self, max_size: int) -> None:
        """`max_size` bounds one event, in characters."""
        self._decode = codecs.getincrementaldecoder("utf-8")(errors="replace").decode
        self._max_size = max_size
        self._began = False
        self._after_return = False  # a line feed now belongs to the line end before it
        self._rest: list[str] = []  # pieces of a line that is not complete
        self._rest_size = 0
        self._name = ""
        self._data: list[str] = []
        self._data_size = 0

    def feed(self, chunk: bytes) -> list[tuple[str, str]]:
        """The events that `chunk` completes; `ValueError` for one that is too large."""
        text = self._decode(chunk)
        if text and not self._began:
            text = text.removeprefix(_BYTE_ORDER_MARK)
            self._began = True
        events = [event for event in map(self._take, self._lines(text)) if event is not None]
        self._check()
        return events

    def _lines(self, text: str) -> list[str]:
        if text:
            if self._after_return:
                text = text.removeprefix("\n")
            self._after_return = text.endswith("\r")
        *lines, rest = _LINE_END.split(text)
        if lines:
            lines[0] = "".join(self._rest) + lines[0]
            self._rest, self._rest_size = [], 0
        if rest:
            self._rest.append(rest)
            self._rest_size += len(rest)
        return lines

    def _take(self, line: str) -> tuple[str, str] | None:
        if not line:
            name, data = self._name or "message", self._data
            self._name, self._data, self._data_size = "", [], 0
            return (name, "\n".join(data)) if data else None
        field, _, value = line.partition(":")
        if not field:
            return "", ""
        value = value.removeprefix(" ")
        if field == "event":
            self._name = value
        elif field == "data":
            self._data.append(value)
            self._data_size += len(value) + 1
            self._check()
        return None

    def _check(self) -> None:
        if self._rest_size + self._data_size > self._max_size:
            raise ValueError(f"an event of the live stream is larger than {self._max_size // 1024:,} KiB")
