"""Lines that a reader of figures should know, and where each comes from."""

from __future__ import annotations

from typing import Literal

# "figures": said by cost-top of its figures; "rates": these are dollars by its rates, not the source's bill;
# "rollup": they are the gateway's own sums, not the log's; "source": quotes what the source said when it failed, which
# may name where it is.
Origin = Literal["figures", "rates", "rollup", "source"]


class Note(str):
    """A line of text that knows its origin. A plain text is a note of the figures."""

    __slots__ = ("origin",)
    origin: Origin

    def __new__(cls, text: str, origin: Origin = "figures") -> Note:
        """One clean line."""
        note = super().__new__(cls, text)
        note.origin = origin
        return note


def origin_of(note: str) -> Origin:
    """Where a note comes from.

    >>> origin_of(Note("no answer", "source")), origin_of("tags overlap")
    ('source', 'figures')
    """
    return note.origin if isinstance(note, Note) else "figures"
