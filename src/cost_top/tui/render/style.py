"""Styles by what they mean, and lines that fit: the bricks of every renderer."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from textwrap import wrap

from textual.content import Content

from cost_top.model.format import cells as cells_of

# Theme variables, so that a style follows the theme. Each goes with a word or a shape: colour never speaks alone.
MUTED = "$text-muted"
FIGURE = "bold"
PRODUCT = "bold $text-primary"
ACCENT = "$text-accent"
GOOD = "$text-success"
CAUTION = "$text-warning"
BAD = "bold $text-error"
BAR = "$text-primary"
ESTIMATE = "italic"
CHOSEN = "bold $text-accent"

SEPARATOR = " · "
LEVELS = " ▁▂▃▄▅▆▇█"
# Each glyph of ours with the ASCII character that stands for it where there is no Unicode.
_PAIRS = "▁. ▂. ▃: ▄: ▅| ▆| ▇# █# ▏. ▎. ▍: ▌: ▋= ▊= ▉= ░% │| ▲^ ▼v ▬- ●* ◌o ‖= ◀< ›> ·. …. –- ×x ≥> ≤< ≈~"
_ASCII = str.maketrans({pair[0]: pair[1] for pair in _PAIRS.split()})

# Keys are named by a word; an arrow that is none of a pair stands between what was and what is.
_KEYS_ASCII = (
    ("⏎", "enter"), ("⇥", "tab"), ("↑", "up"), ("↓", "down"), ("← →", "left right"), ("←", "left"), ("→", "to"),
)  # fmt: skip

Part = str | tuple[str, str] | Content


def content(*parts: Part) -> Content:
    """One line from strings, (text, style) pairs and contents; markup in data stays text."""
    for part in parts:
        # Contents of one text are equal whatever their styles: they are no keys. (Their class is asked with care: an
        # `isinstance` of it takes longer than all the rest.)
        if part.__class__ is Content:
            return Content.assemble(*parts)
    return _assembled(parts)


@functools.lru_cache(maxsize=8192)
def _assembled(parts: tuple[Part, ...]) -> Content:
    """What a tick draws it mostly drew before."""
    return Content.assemble(*parts)


def fit(line: Content, width: int) -> Content:
    """The line in exactly `width` cells: cut with `…` or padded with blanks."""
    if width <= 0:
        return Content("")
    length = line.cell_length
    if length > width:
        line = line.truncate(width, ellipsis=True)
        length = line.cell_length
    return line.pad_right(width - length) if length < width else line


def folded(text: str, width: int) -> list[str]:
    """`text` in lines of at most `width` cells, at least 20; names with hyphens stay whole."""
    return wrap(text, max(20, width), break_on_hyphens=False)


def first_fit(width: int, *candidates: Content) -> Content:
    """The first candidate that fits, longest wording first; the last is cut when none does."""
    for candidate in candidates:
        if candidate.cell_length <= width:
            return fit(candidate, width)
    return fit(candidates[-1], width)


def spread(left: Content, right: Content, width: int) -> Content:
    """`left` at the left edge and `right` at the right; what does not fit is cut from the left part."""
    room = width - right.cell_length
    if room <= 0:
        return fit(right, width)
    return fit(Content.assemble(fit(left, room - 1), " ", right), width)


def fits(left: Content, right: Content, width: int) -> bool:
    """Whether both parts stand on one line with a gap of two."""
    return left.cell_length + 2 + right.cell_length <= width


def flowed(parts: Sequence[Content], width: int) -> list[Content]:
    """Parts with separators between them on as few lines as hold them; what is too long for a line is cut."""
    rows: list[Content] = []
    for part in parts:
        joined = rows[-1].append(SEPARATOR).append(part) if rows else part
        if rows and joined.cell_length <= width:
            rows[-1] = joined
        else:
            rows.append(part)
    return [fit(row, width) for row in rows]


def lines(rows: Sequence[Content], width: int, height: int) -> Content:
    """Rows as one content of exactly `width` by `height` cells."""
    return Content("\n").join(filled(rows, width, height))


def filled(rows: Sequence[Content], width: int, height: int) -> list[Content]:
    """`height` rows of exactly `width` cells each."""
    shown = [fit(row, width) for row in rows[:height]]
    return shown + [fit(Content(""), width)] * (height - len(shown))


def plain_ascii(line: Content) -> Content:
    """The content for a terminal that has no Unicode: glyphs of ours become ASCII, other characters `?` per cell."""
    text = line.plain.translate(_ASCII)
    for glyph, word in _KEYS_ASCII:
        text = text.replace(glyph, word)
    if not text.isascii():
        text = "".join(
            character if character.isascii() else "?" * (1 if cells_of(character) < 2 else 2) for character in text
        )
    if len(text) == len(line.plain):
        return Content(text, spans=list(line.spans))
    return Content(text)


def summed(values: Sequence[int], width: int) -> list[int]:
    """One figure a column: the values, or sums of as many neighbours each when there are more than columns.

    The newest are whole; the oldest that do not fill a column are left out.
    """
    size = max(1, -(-len(values) // width))
    return [sum(values[at : at + size]) for at in range(len(values) % size, len(values), size)]


def strip_blocks(values: Sequence[int], width: int, before: str = "") -> Content:
    """A zero-based strip of one row, `summed` to the columns there are, after `before`.

    A value of 0 is a faint dot, so that quiet differs from little; any value above 0 shows at least one eighth,
    and the top eighth stays free, so that strips below one another do not touch.
    """
    if not values or width <= 0:
        return content(before)
    sums = summed(values, width)
    top = max(sums)
    return content(
        before,
        *(("·", MUTED) if value <= 0 else (LEVELS[max(1, (value * 14 + top) // (2 * top))], BAR) for value in sums),
    )
