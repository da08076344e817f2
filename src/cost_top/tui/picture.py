"""The screen as an SVG that looks alike everywhere and fetches nothing: bars and frames are shapes, not letters.

Textual's picture sets them as text in a font from the web; with another font they part and blanks collapse.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from itertools import groupby

from cost_top.model.format import cells

CELL, LINE, ASCENT = 12.2, 24.4, 20.0  # of Rich's pictures: a column, a row, and where in a row its letters stand
_TEXT = re.compile(
    r'<text class="([^"]+)" x="([\d.]+)" y="([\d.]+)" textLength="[^"]*" clip-path="[^"]*">([^<]*)</text>'
)
_SHAPES = "▁-▏░─│╭╮╰╯"  # U+2581 to U+258F are the eighths
_RUNS = re.compile(f"[\xa0 ]+|[▁-▏]+|░+|[─│╭╮╰╯]+|[^\xa0 {_SHAPES}]+(?:[\xa0 ][^\xa0 {_SHAPES}]+)*")
_FONTS = 'ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace'
_BELOW, _LEFT = "▁▂▃▄▅▆▇█", "▏▎▍▌▋▊▉"
_CORNERS = {"╭": (1, 1), "╮": (-1, 1), "╰": (1, -1), "╯": (-1, -1)}
_HALF, _ROUND = 0.75, 6.0  # half a line's thickness, and how round a corner is


def tidy(svg: str) -> str:
    """Textual's picture without web fonts, clips and collapsing blanks."""
    svg = re.sub(r"\s*@font-face \{.*?\}\n", "\n", svg, flags=re.DOTALL)
    svg = re.sub(r'<clipPath id="[^"]*-line-\d+">.*?</clipPath>\s*', "", svg, flags=re.DOTALL)
    svg = svg.replace("Fira Code, monospace", _FONTS)
    svg = re.sub(r"terminal-\d+-", "t-", svg)
    svg = _TEXT.sub(lambda found: "".join(_drawn(found[1], float(found[2]), float(found[3]), found[4])), svg)
    return re.sub(r"\n\s*\n+", "\n", svg)


def _drawn(style: str, x: float, y: float, escaped: str) -> Iterator[str]:
    top = y - ASCENT + 1.5  # where Rich draws a row's background
    for run in _RUNS.findall(html.unescape(escaped)):
        width = cells(run) * CELL
        if run[0] == "░":
            yield f'<path class="{style}" fill-opacity="0.45" d="{_box(x, top, width, LINE)}"/>'
        elif run[0] in _BELOW or run[0] in _LEFT or run[0] in "─│╭╮╰╯":
            yield f'<path class="{style}" d="{"".join(_shapes(run, x, top))}"/>'
        elif not run.isspace():
            text = html.escape(run, quote=False).replace(" ", "\xa0")
            yield f'<text class="{style}" x="{_number(x)}" y="{_number(y)}" textLength="{_number(width)}">{text}</text>'
        x += width


def _shapes(run: str, x: float, top: float) -> Iterator[str]:
    for glyph, same in groupby(run):
        count = len(list(same))
        if glyph in _BELOW:
            height = LINE * (_BELOW.index(glyph) + 1) / 8
            yield _box(x, top + LINE - height, count * CELL, height)
        elif glyph == "─":
            yield _box(x, top + LINE / 2 - _HALF, count * CELL, 2 * _HALF)
        else:
            for number in range(count):
                yield _upright(glyph, x + number * CELL, top)
        x += count * CELL


def _upright(glyph: str, x: float, top: float) -> str:
    if glyph in _LEFT:
        return _box(x, top, CELL * (_LEFT.index(glyph) + 1) / 8, LINE)
    if glyph == "│":
        return _box(x + CELL / 2 - _HALF, top, 2 * _HALF, LINE)
    return _corner(x + CELL / 2, top + LINE / 2, *_CORNERS[glyph])


def _corner(x: float, y: float, across: int, down: int) -> str:
    """A quarter of a ring from the cell's middle to its side and its upper or lower edge."""
    outer, inner, far = _ROUND + _HALF, _ROUND - _HALF, LINE / 2 * down
    turn = int(across * down > 0)
    a, d = across, down
    points = (
        f"M{_at(x - _HALF * a, y + far)}V{_number(y + _ROUND * d)}",
        f"A{outer} {outer} 0 0 {turn} {_at(x + _ROUND * a, y - _HALF * d)}H{_number(x + CELL / 2 * a)}",
        f"V{_number(y + _HALF * d)}H{_number(x + _ROUND * a)}",
        f"A{inner} {inner} 0 0 {1 - turn} {_at(x + _HALF * a, y + _ROUND * d)}V{_number(y + far)}Z",
    )
    return "".join(points)


def _box(x: float, y: float, width: float, height: float) -> str:
    return f"M{_at(x, y)}h{_number(width)}v{_number(height)}h{_number(-width)}z"


def _at(x: float, y: float) -> str:
    return f"{_number(x)} {_number(y)}"


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
