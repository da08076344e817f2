"""Lines that a reader of figures should know, and where each comes from."""

from __future__ import annotations

from typing import Literal

# "figures": said by cost-top of its figures; "rates": these are dollars by its rates, not the source's bill;
# "rollup": they are the gateway's own sums, not the log's; "source": quotes what the source said when it failed, which
# may name where it is.
Origin = Literal["figures", "rates", "rollup", "source"]


# Rows without a usable time are counted up to so many.
MOST_UNTIMED = 10_000
_NOWHERE = ": in no period and in no figure (cost-top doctor)"
NOT_COUNTED = "rows without a usable time could not be counted: there may be some, which are in no figure"
KEYS_HAVE_IDS = "token: is a key by its id; token_name: finds it by its name"  # where nothing was found


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


def untimed_rows(count: int) -> str:
    """How many rows have no usable time, in words with a verb.

    >>> untimed_rows(1), untimed_rows(10_000)
    ('1 row has no usable time', '10,000 rows or more have no usable time')
    """
    rows = f"{count:,} rows or more have" if count >= MOST_UNTIMED else f"{count:,} rows have"
    return f"{'1 row has' if count == 1 else rows} no usable time"


def tells_untimed(note: str) -> bool:
    """Whether it is one of `untimed_notes`.

    >>> tells_untimed(untimed_notes(7)[0]), tells_untimed("7 requests unpriced")
    (True, False)
    """
    return note.endswith(_NOWHERE)


def untimed_notes(count: int | None) -> tuple[str, ...]:
    """What to know of rows that no period holds; nothing where there are none, or it is not known yet."""
    return (f"{untimed_rows(count)}{_NOWHERE}",) if count else ()
