"""What libraries write to the terminal past Python: a driver's warning would stand in the middle of a frame."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from cost_top.model.errors import one_line

_STREAMS = {1: "stdout", 2: "stderr"}
_KEPT = 4096  # bytes
_LINES = 3
_WAIT_SECONDS = 0.2


class Overheard:
    """The end of what was written past Python."""

    def __init__(self) -> None:
        """Nothing yet."""
        self._text = b""

    def lines(self) -> list[str]:
        """The last lines, clean; one that comes again is said once."""
        said = (one_line(line, 200) for line in self._text.decode("utf-8", "replace").splitlines())
        return list(dict.fromkeys(filter(None, said)))[-_LINES:]

    def listen(self, descriptor: int) -> None:
        """Read until nobody can write any more."""
        while data := os.read(descriptor, 65536):
            self._text = (self._text + data)[-_KEPT:]
        os.close(descriptor)


@contextmanager
def only_python_writes() -> Iterator[Overheard]:
    """Within the block only Python's streams reach the terminal; what others write to its descriptors is kept back."""
    overheard = Overheard()
    before = {name: getattr(sys, name) for stream in _STREAMS.values() for name in (stream, f"__{stream}__")}
    if not all(_is_of(before[f"__{stream}__"], number) for number, stream in _STREAMS.items()):
        yield overheard
        return
    reading, writing = os.pipe()
    kept = {}
    for number, name in _STREAMS.items():
        old = before[f"__{name}__"]
        old.flush()
        kept[number] = os.dup(number)
        ours = open(kept[number], "w", encoding=old.encoding, errors=old.errors)  # noqa: SIM115 - closed below
        os.dup2(writing, number)
        for each in (name, f"__{name}__"):
            if before[each] is old:
                setattr(sys, each, ours)
    os.close(writing)
    listener = threading.Thread(target=overheard.listen, args=(reading,), name="overheard", daemon=True)
    listener.start()
    try:
        yield overheard
    finally:
        used = [getattr(sys, f"__{name}__") for name in _STREAMS.values()]
        for number, descriptor in kept.items():
            os.dup2(descriptor, number)
        for name, stream in before.items():
            setattr(sys, name, stream)
        listener.join(_WAIT_SECONDS)  # a child may still hold the other end
        for stream in used:
            with suppress(OSError):  # the terminal went away
                stream.close()


def _is_of(stream: object, descriptor: int) -> bool:
    try:
        return bool(stream.fileno() == descriptor)  # type: ignore[attr-defined]
    except (AttributeError, OSError, ValueError):
        return False
