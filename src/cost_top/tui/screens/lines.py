"""`d` on the chart: the same time as lines, by a dimension."""

from __future__ import annotations

from datetime import tzinfo
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content

from cost_top.model.answers import Answers
from cost_top.model.chart import chart_grain, chart_text
from cost_top.model.dimensions import PANELS, TABS, dimension_named
from cost_top.model.filter import Filter
from cost_top.model.query import Report, ReportQuery
from cost_top.model.windows import Period
from cost_top.tui.host import host_of
from cost_top.tui.keys import LINES_BINDINGS
from cost_top.tui.messages import Refused, ReportArrived
from cost_top.tui.render.states import awaited_text
from cost_top.tui.render.style import BAD, content
from cost_top.tui.screens.dialog import Dialog
from cost_top.tui.widgets.lines import Lines, shown_as

DIMENSIONS = tuple(each.name for each in (*PANELS, *TABS) if each.summed)


class LinesScreen(Dialog[None]):
    """The dearest values as lines, each with a mark of its own; the arrows choose the dimension."""

    BINDINGS: ClassVar[list[BindingType]] = [*LINES_BINDINGS]

    def __init__(self, where: Filter, period: Period, zone: tzinfo) -> None:
        """Of the requests of a filter in a period."""
        super().__init__()
        self._where, self._period, self._zone = where, period, zone
        self._place = 0
        self._asked = 0
        self._answer: tuple[Report, ReportQuery] | None = None

    def compose(self) -> ComposeResult:
        """A page to draw on."""
        with Vertical(classes="dialog tall", id="lines") as dialog:
            dialog.border_subtitle = shown_as(self, Content("← → by another dimension  esc close"))
            yield Lines(id="drawn")

    def on_mount(self) -> None:
        """Ask."""
        self.query_one("#drawn").styles.height = "1fr"
        self._ask()

    def _ask(self) -> None:
        dimension, period = DIMENSIONS[self._place], self._period
        self.query_one("#lines").border_title = Content(f"Spend by {dimension_named(dimension).noun}")
        query = ReportQuery(period.start, period.end, (dimension,), self._where, self._zone)
        grain = chart_grain(query)
        query = ReportQuery(
            period.start, period.end, (grain, dimension), self._where, self._zone, sort=grain, descending=False
        )
        self._asked = number = self._asked + 1
        self._answer = None
        self.await_answer()

        def question(answers: Answers) -> tuple[Report, ReportQuery]:
            return answers.report(query), query

        host_of(self).feed.ask(
            question,
            lambda answer: self._hear(number, ReportArrived(*answer)),
            lambda reason: self._hear(number, Refused(reason)),
        )

    def tell_progress(self) -> None:
        """See `Dialog`."""
        self._show(awaited_text(host_of(self).feed.reading()))

    def _hear(self, number: int, message: ReportArrived | Refused) -> None:
        if number == self._asked:  # called on the feed's thread
            self.post_message(message)

    def on_report_arrived(self, message: ReportArrived) -> None:
        """Draw it."""
        self.stop_waiting()
        self._answer = (message.report, message.query)
        self._draw()

    def on_refused(self, message: Refused) -> None:
        """Say why there is no answer."""
        self.stop_waiting()
        self._show(content((message.reason, BAD)))

    def on_resize(self) -> None:
        """The drawing depends on the size."""
        self._draw()

    def _draw(self) -> None:
        width, height = self.query_one("#drawn").size
        if self._answer is None or not width or not height:
            return
        start, end = (moment.astimezone(self._zone) for moment in (self._period.start, self._period.end))
        title = f"{start:%-d %b %H:%M} to {end:%-d %b %H:%M}"
        # Marks tell the lines apart, so that no terminal needs colours for it.
        plain = host_of(self).ascii_only
        text = chart_text(*self._answer, title, width, height - 1, colour=False, plain=plain, lines=True)
        self._show(Content(text))

    def _show(self, drawn: Content) -> None:
        self.query_one("#drawn", Lines).show(drawn)

    def action_tab(self, step: int) -> None:
        """By another dimension."""
        self._place = (self._place + step) % len(DIMENSIONS)
        self._ask()
