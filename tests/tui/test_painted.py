"""Only what differs is sent to the terminal, and the terminal shows the same as if all were."""

from __future__ import annotations

import random
from typing import Any

import pyte
import pytest
from running import recorded

from cost_top.tui.painted import Painted

SIZE = (120, 36)
STYLES = ("", "1", "38;2;1;2;3", "1;31;44", "7", "4;48;5;17", "48;5;17", "2;3;38;5;9;48;2;9;9;9")
# Bytes of a key at 120x36 in full colours.
BUDGETS = {
    "help": (("question_mark",), 12_000), "close": (("escape",), 12_000), "window": (("left_square_bracket",), 20_000),
    "focus": (("3",), 3_000), "drill": (("enter",), 25_000), "back": (("escape",), 25_000), "row": (("down",), 400),
    "measure": (("v",), 20_000), "alone": (("z",), 25_000), "together": (("z",), 25_000),
    "filter": (("slash",), 3_000), "closed": (("escape",), 3_000),
}  # fmt: skip


def shown(data: str, width: int, height: int) -> list[list[tuple[Any, ...]]]:
    """Every cell of a terminal after it was sent these bytes; a blank's attributes but its background left out."""
    screen = pyte.Screen(width, height)
    pyte.Stream(screen).feed(data)
    rows = []
    for y in range(height):
        row = []
        for x in range(width):
            cell = screen.buffer[y][x]
            drawn = (cell.underscore, cell.reverse, cell.strikethrough)
            if cell.data == " " and not any(drawn):
                row.append((" ", cell.bg))
            else:
                row.append((cell.data, cell.fg, cell.bg, cell.bold, cell.italics, *drawn))
        rows.append(row)
    return rows


def frame(draw: random.Random, width: int, height: int) -> str:
    out = []
    for _ in range(draw.randrange(1, 6)):
        y, x = draw.randrange(height), draw.randrange(width - 1)
        out.append(f"\x1b[{y + 1};{x + 1}H")
        room = width - x
        while room > 0 and draw.random() < 0.8:
            text = draw.choice(["ab", "   ", "█▂", "日", "x é", " ", "12345678"])
            cells = sum(2 if letter == "日" else 1 for letter in text)
            if cells > room:
                break
            room -= cells
            style = draw.choice(
                ["", "1", "38;2;1;2;3", "1;31;44", "7", "4;48;5;17", "48;5;17", "2;3;38;5;9;48;2;9;9;9"]
            )
            out.append(f"\x1b[{style}m{text}\x1b[0m" if style else text)
        out.append("\n" if y + 1 < height and draw.random() < 0.5 else "")
    return "".join(out) + "\x1b[1;1H"


@pytest.mark.parametrize("seed", range(12))
def test_the_terminal_shows_what_it_would_have_been_sent(seed: int) -> None:
    draw = random.Random(seed)
    painted, whole, sent = Painted(), "", ""
    for _ in range(40):
        data = frame(draw, 30, 6)
        whole += data
        sent += painted.frame(data)
        # Half of a wide character is the terminal's to draw: only frames that leave none are compared.
        known, told = shown(whole, 30, 6), shown(sent, 30, 6)
        if not any(cell[0] == "日" or cell[0] == "" for row in (*known, *told) for cell in row):
            assert told == known
    assert len(sent) < len(whole)


def test_wide_characters_stay_whole() -> None:
    painted = Painted()
    first, second = "\x1b[1;1H日本語 ab\x1b[1;1H", "\x1b[1;1H日x語 ab\x1b[1;1H".replace("x", "国")
    assert shown(painted.frame(first) + painted.frame(second), 12, 1) == shown(first + second, 12, 1)
    assert painted.frame("\x1b[1;2Hz\x1b[1;1H") != ""
    assert painted.frame("\x1b[1;1H日\x1b[1;1H") != "", "its second cell was written over"


def test_after_what_is_not_understood_everything_is_sent_again() -> None:
    painted, data = Painted(), "\x1b[1;1Habc\x1b[1;1H"
    painted.frame(data)
    assert painted.frame(data) == "", "it stands there already"
    assert painted.frame("\x1b[1;1H\x1b[2J") == "\x1b[1;1H\x1b[2J"
    assert "abc" in painted.frame(data)


async def test_bytes_of_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLORTERM", "truecolor")
    monkeypatch.setenv("TERM", "xterm-256color")
    sent: dict[str, int] = {}
    whole: list[str] = []

    async def script(app: Any, _: Any, pilot: Any) -> None:
        for name, (keys, _most) in BUDGETS.items():
            before = app.written.bytes
            await pilot.press(*keys)
            rested, looks = -1, 0
            while looks < 4:  # a busy machine draws in several goes
                looks = looks + 1 if rested == app.written.bytes else 0
                rested = app.written.bytes
                await pilot.pause(0.1)
            sent[name] = app.written.bytes - before
        app.written.painted.forget()
        start = len(app.recorded)
        app.refresh(layout=True)
        await pilot.pause(0.3)
        whole.append("".join(app.recorded[:start]))
        whole.append("".join(app.recorded[start:]))

    await recorded(script, size=SIZE)
    assert {name: count for name, count in sent.items() if count > BUDGETS[name][1]} == {}
    assert "38;2;" in whole[0], "in full colours"
    assert sent["drill"] > 500, "the bytes were counted"
    assert shown(whole[0], *SIZE) == shown(whole[0] + whole[1], *SIZE), "drawn anew, it is the same screen"
