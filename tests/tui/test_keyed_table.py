"""A table draws what changed: rows that say the same are the same lines, and only the others are sent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

import pytest
from textual.app import App, ComposeResult
from textual.content import Content
from textual.geometry import Region

from cost_top.tui.render.style import BAD, GOOD, content
from cost_top.tui.widgets.column import Column
from cost_top.tui.widgets.keyed_table import KeyedTable

COLUMNS = (Column("name", "name", 12, "left", None, 12), Column("cost", "cost", 8, "right", None, 8))


class Table(KeyedTable):
    """Notes the lines that are drawn again."""

    def __init__(self) -> None:
        super().__init__()
        self.again: list[int] = []

    def refresh(self, *regions: Region, **options: bool) -> Table:
        self.again += [region.y for region in regions if region.height == 1]
        return super().refresh(*regions, **options)  # type: ignore[return-value]


class Shown(App[None]):
    ENABLE_COMMAND_PALETTE: ClassVar[bool] = False

    def compose(self) -> ComposeResult:
        yield Table()


def cells_of(costs: Sequence[str], asked: list[int], style: str = GOOD) -> Callable[[int], tuple[Content, ...]]:
    def cells(index: int) -> tuple[Content, ...]:
        asked.append(index)
        return content(f"row {index}".ljust(12)), content((costs[index].rjust(8), style))

    return cells


async def test_only_rows_that_say_something_else_are_drawn_again() -> None:
    app = Shown()
    async with app.run_test(size=(30, 9)) as pilot:
        table, asked = app.query_one(Table), list[int]()
        costs = [f"{number}.00" for number in range(50)]
        table.show_rows(COLUMNS, range(50), cells_of(costs, asked))
        await pilot.pause()
        lines = {y: table.render_line(y).text for y in range(9)}
        asked.clear()
        table.again.clear()
        table.show_rows(COLUMNS, range(50), cells_of(costs, asked))
        await pilot.pause()
        assert (sorted(asked), table.again) == (list(range(8)), [])
        asked.clear()
        costs[3] = "7.77"
        table.show_rows(COLUMNS, range(50), cells_of(costs, asked))
        await pilot.pause()
        assert (sorted(asked), table.again) == (list(range(8)), [4])
        assert "7.77" in table.render_line(4).text
        assert {y: table.render_line(y).text for y in range(9) if y != 4} == {y: lines[y] for y in lines if y != 4}
        table.show_rows(COLUMNS, range(50), cells_of(costs, asked, BAD))
        assert sorted(set(table.again)) == [*range(1, 9)]


async def test_a_long_list_is_not_held_as_it_was_drawn() -> None:
    app = Shown()
    async with app.run_test(size=(30, 9)) as pilot:
        table, asked = app.query_one(Table), list[int]()
        table.show_rows(COLUMNS, range(2000), cells_of(["1"] * 2000, asked))
        for top in range(0, 2000, 8):
            table.scroll_to(y=top, animate=False, immediate=True)
            await pilot.pause()
            assert f"row {top}" in table.render_line(1).text
            assert len(table._joined) <= 512


@pytest.mark.parametrize("style", [GOOD, BAD])
def test_a_text_is_drawn_in_the_style_that_is_asked_for(style: str) -> None:
    """Contents of one text are equal to Textual whatever their styles."""
    inner = content(("same", style))
    assert content(inner, " more").spans[0].style == style
    assert content(("same", style)) is inner
