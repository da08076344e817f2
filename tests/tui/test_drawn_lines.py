"""Lines are made into strips as Textual makes them, in less time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.tui.running import running
from textual.app import App, ComposeResult
from textual.content import Content, Span
from textual.style import Style
from textual.visual import Visual

from cost_top.tui.render.style import BAD, CHOSEN, FIGURE, MUTED
from cost_top.tui.widgets.keyed_table import KeyedTable
from cost_top.tui.widgets.lines import Lines, shown_as, strip_of

STYLES = st.sampled_from([MUTED, FIGURE, BAD, CHOSEN, "reverse", "italic underline", "red on blue", "on $primary 30%"])


def plainly(widget, line, style, width):
    return Visual.to_strips(widget, shown_as(widget, line).truncate(width), width, 1, style, pad=True)[0]


@pytest.mark.parametrize("theme", ["cost-top-dark", "cost-top-light", "cost-top-16"])
async def test_every_line_of_the_screen_is_the_strip_that_textual_makes_of_it(theme):
    async with running(size=(160, 50), theme=theme) as (app, _, pilot):
        await pilot.press("tab", "down")
        lines = [(one, line) for one in app.screen.query(Lines) for line in one.lines]
        rows = [(one, one._line(y)) for one in app.screen.query(KeyedTable) for y in range(one.size.height)]
        assert len(lines) > 20
        assert len(rows) > 20
        for widget, line in (*lines, *rows):
            style = widget.visual_style
            for width in (widget.size.width, 7):
                if width:
                    assert strip_of(widget, line, style, width) == plainly(widget, line, style, width)


class Shown(App[None]):
    def compose(self) -> ComposeResult:
        yield Lines()


async def test_so_is_any_line_with_any_styles_on_any_ground():
    app = Shown()
    async with app.run_test(size=(30, 3)):
        widget = app.query_one(Lines)

        @given(
            st.text("aé日▁\N{COMBINING ACUTE ACCENT}‍ ", max_size=12),
            st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12), STYLES), max_size=4),
            STYLES, st.integers(1, 20),
        )  # fmt: skip
        def alike(text, spans, ground, width):
            line = Content(
                text,
                [
                    Span(start, min(end, len(text)), style)
                    for start, end, style in sorted(spans)
                    if start < min(end, len(text))
                ],
            )
            style = widget.visual_style + Style.parse(ground)
            assert strip_of(widget, line, style, width) == plainly(widget, line, style, width)

        alike()
