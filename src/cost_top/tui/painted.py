"""What stands on the terminal, cell by cell, so that of each frame only what differs is sent.

Textual writes whole regions with every style in full, blanks too: over a slow link a key would cost 100 kB. A frame
is text, styles and cursor moves; anything else is passed on as it is, and nothing is taken for known after it.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from cost_top.model.format import cells

_TOKENS = re.compile(r"\x1b\[(\d+);(\d+)H|\x1b\[([0-9;]*)m|([^\x1b\n]+)|\n")
# Characters of one cell, frames and bars among them; of others the width is looked up.
_NARROW = re.compile("[ -~─-▟·…≥–×›]*")
# Underlined, reversed, struck through, boxed or overlined: a blank shows these as well.
_SHOWN_ON_BLANKS = frozenset((4, 7, 9, 21, 51, 52, 53))
_GAP = 5  # so many cells are written again sooner than the cursor is moved over them


class Style(NamedTuple):
    """Attributes as SGR numbers, colours as SGR parameters; an empty one is the terminal's own."""

    flags: frozenset[int] = frozenset()
    front: str = ""
    back: str = ""


PLAIN = Style()


@lru_cache(maxsize=4096)
def style_of(parameters: str, before: Style = PLAIN) -> Style:
    """The style after a sequence of SGR parameters.

    >>> style_of("1;38;2;1;2;3;48;5;7")
    Style(flags=frozenset({1}), front='38;2;1;2;3', back='48;5;7')
    """
    flags, front, back = set(before.flags), before.front, before.back
    numbers = [int(part or 0) for part in parameters.split(";")]
    while numbers:
        number = numbers.pop(0)
        if number in (38, 48):
            taken = 2 if numbers[:1] == [5] else 4
            colour = ";".join(map(str, (number, *numbers[:taken])))
            del numbers[:taken]
            front, back = (colour, back) if number == 38 else (front, colour)
        elif 30 <= number <= 37 or 90 <= number <= 97:
            front = str(number)
        elif 40 <= number <= 47 or 100 <= number <= 107:
            back = str(number)
        elif number == 0:
            flags, front, back = set(), "", ""
        elif number == 39:
            front = ""
        elif number == 49:
            back = ""
        else:
            flags.add(number)
    return Style(frozenset(flags), front, back)


@lru_cache(maxsize=4096)
def _on_blanks(style: Style) -> Style:
    """What of a style a blank shows: its background alone, if nothing is drawn on it."""
    return style if style.flags & _SHOWN_ON_BLANKS else Style(back=style.back)


@lru_cache(maxsize=4096)
def _change(before: Style, after: Style) -> str:
    """The sequence that leads from one style to another."""
    if before.flags - after.flags:
        parts = ["0" if after != PLAIN else "", *map(str, sorted(after.flags)), after.front, after.back]
        return f"\x1b[{';'.join(part for part in parts if part)}m"
    parts = [*map(str, sorted(after.flags - before.flags))]
    parts += [after.front or "39"] if after.front != before.front else []
    parts += [after.back or "49"] if after.back != before.back else []
    return f"\x1b[{';'.join(parts)}m" if parts else ""


@lru_cache(maxsize=4096)
def _clusters(text: str) -> tuple[str, ...]:
    """The cells of a text, the second of a wide one empty."""
    if _NARROW.fullmatch(text):
        return tuple(text)
    from wcwidth import iter_graphemes

    found: list[str] = []
    for cluster in iter_graphemes(text):
        width = cells(cluster)
        if width == 0 and found:
            found[-1] += cluster
        else:
            found += [cluster, *[""] * (width - 1)]
    return tuple(found)


class Painted:
    """The terminal's cells as far as they are known."""

    def __init__(self) -> None:
        self._rows: dict[int, list[tuple[str, Style] | None]] = {}
        self._cursor: tuple[int, int] | None = None

    def forget(self) -> None:
        """Nothing is known any more: the terminal was resized, left or written to by others."""
        self._rows.clear()
        self._cursor = None

    def frame(self, data: str) -> str:
        """What of a frame is to be sent; empty when all of it stands there already."""
        out: list[str] = []
        place, style, pen, at = (0, 0), PLAIN, PLAIN, 0
        cursor = self._cursor
        while at < len(data):
            token = _TOKENS.match(data, at)
            if token is None:
                self.forget()
                return data
            at = token.end()
            row, column, parameters, text = token.groups()
            if text is not None:
                pen, cursor, place = self._draw(text, style, pen, cursor, place, out)
            elif parameters is not None:
                style = style_of(parameters, style)
            elif row is not None:
                place = (int(row) - 1, int(column) - 1)
        if pen != PLAIN:
            out.append("\x1b[0m")
        if place != cursor and (out or place != self._cursor):
            out.append(f"\x1b[{place[0] + 1};{place[1] + 1}H")
        self._cursor = place
        return "".join(out)

    def _draw(
        self, text: str, style: Style, pen: Style, cursor: tuple[int, int] | None, place: tuple[int, int],
        out: list[str],
    ) -> tuple[Style, tuple[int, int] | None, tuple[int, int]]:  # fmt: skip
        """Draw a text of one style at a place; the terminal's style, its cursor and the place after it."""
        y, x = place
        clusters = _clusters(text)
        end = x + len(clusters)
        known = self._rows.setdefault(y, [])
        if len(known) < end + 1:
            known += [None] * (end + 1 - len(known))
        blank = _on_blanks(style)
        wanted = [(cluster, blank if cluster == " " else style) for cluster in clusters]
        old = known[x:end]
        if old == wanted:
            return pen, cursor, (y, end)
        known[x:end] = wanted
        _part(known, x, end, old)
        number, count = 0, len(wanted)
        while number < count:
            if old[number] == wanted[number]:
                number += 1
                continue
            last = number + 1  # one after the last that differs, gaps that are not worth a move included
            probe = last
            while probe < count and probe - last <= _GAP:
                if old[probe] != wanted[probe]:
                    last = probe + 1
                probe += 1
            while number and wanted[number][0] == "":
                number -= 1
            while last < count and wanted[last][0] == "":
                last += 1
            if cursor != (y, x + number):
                same_row = cursor is not None and cursor[0] == y
                out.append(f"\x1b[{x + number + 1}G" if same_row else f"\x1b[{y + 1};{x + number + 1}H")
            for cluster, one in wanted[number:last]:
                # Of the pen's attributes a blank shows none but the background.
                plainly = cluster == " " and not (pen.flags | one.flags) & _SHOWN_ON_BLANKS
                needed = pen._replace(back=one.back) if plainly else one
                if pen != needed:
                    out.append(_change(pen, needed))
                    pen = needed
                out.append(cluster)
            number = last
            cursor = (y, x + number)
        return pen, cursor, (y, end)


def _part(known: list[tuple[str, Style] | None], start: int, end: int, old: list[tuple[str, Style] | None]) -> None:
    """Where a wide character lost one of its cells, the other one is not known."""
    if old and old[0] is not None and old[0][0] == "" and start:
        known[start - 1] = None
    following = known[end]
    if following is not None and following[0] == "":
        known[end] = None
