"""The first frame: where the panels will stand, drawn by one widget while what fills them is being loaded."""

from __future__ import annotations

from itertools import pairwise

from textual.app import ComposeResult
from textual.content import Content
from textual.screen import Screen
from textual.widget import Widget

from cost_top.tui.keys import DISPLAY, LAST_HINTS
from cost_top.tui.layout import MEDIUM, NORMAL

# Parts of a row of panels, as in the style sheet.
_CARDS, _MIDDLE, _TABLES = (38, 40, 42), (74, 46), (38, 39, 43)
_HINTS = {"help": DISPLAY["question_mark"], "quit": DISPLAY["q,ctrl+c"]}
_FRAME, _FRAME_ASCII = "╭╮╰╯─│", "++++-|"


def skeleton_lines(width: int, height: int, *, ascii_only: bool = False) -> list[str]:
    """The lines between the header and the key line.

    >>> skeleton_lines(40, 6)
    ['', '╭──────────────────────────────────────╮', '╰──────────────────────────────────────╯']
    """
    frame = _FRAME_ASCII if ascii_only else _FRAME
    room = height - 3  # header, trust line and keys
    if width < NORMAL:
        return ["", *_row(width, (1,), room - 1, frame)]
    cards = 5 if height < MEDIUM else 6
    middle = 8 if height < MEDIUM else (room - cards + 1) // 2
    return [
        *_row(width, _CARDS, cards, frame), *_row(width, _MIDDLE, middle, frame),
        *_row(width, _TABLES, room - cards - middle, frame),
    ]  # fmt: skip


def _row(width: int, parts: tuple[int, ...], height: int, frame: str) -> list[str]:
    """Boxes beside one another."""
    if height < 2:
        return []
    edges = [width * sum(parts[:place]) // sum(parts) for place in range(len(parts) + 1)]
    inner = [end - start - 2 for start, end in pairwise(edges)]
    top, side, bottom = (frame[0], frame[4], frame[1]), (frame[5], " ", frame[5]), (frame[2], frame[4], frame[3])
    return [
        "".join(f"{left}{fill * cells}{right}" for cells in inner)
        for left, fill, right in (top, *[side] * (height - 2), bottom)
    ]


class Skeleton(Widget):
    """Frames without figures."""

    DEFAULT_CSS = "Skeleton { width: 100%; height: 100%; text-wrap: nowrap; text-overflow: clip; }"

    def render(self) -> Content:
        """All lines, each as wide as the screen."""
        width, height = self.size
        body = skeleton_lines(width, height, ascii_only=getattr(self.app, "ascii_only", False))[: max(height - 3, 0)]
        body += [""] * (height - 2 - len(body))
        keys = "  ".join(f"{_HINTS[name]} {name}" for name in LAST_HINTS)
        return Content("\n").join((
            Content.assemble((" cost-top", "bold $text-primary"), ("  connecting…", "$text-muted")),
            *(Content.styled(line, "$border-blurred") for line in body),
            Content.styled(f" {keys}", "$text-muted"),
        ))  # fmt: skip


class SkeletonScreen(Screen[None]):
    """Stands until the overview does."""

    def compose(self) -> ComposeResult:
        """One widget: several layouts would take longer than what is shown."""
        yield Skeleton()
