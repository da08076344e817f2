"""`w`: why spend is up or down, of a row, of a bar or of everything in view."""

from __future__ import annotations

from datetime import tzinfo
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content

from cost_top.insight.spans import compared
from cost_top.insight.why import DIMENSIONS, Driver, Why
from cost_top.insight.why_asked import explained
from cost_top.insight.why_text import subject_of
from cost_top.model.answers import Answers
from cost_top.model.filter import Filter
from cost_top.model.query import ReportQuery
from cost_top.tui.host import host_of
from cost_top.tui.keys import LISTED_BINDINGS
from cost_top.tui.messages import Refused, WhyArrived
from cost_top.tui.navigation import Subject
from cost_top.tui.render.states import awaited_text
from cost_top.tui.render.style import BAD, MUTED, content
from cost_top.tui.render.why import driver_cells, driver_columns, told_drivers, why_lines
from cost_top.tui.screens.dialog import COPIED_WIDTH, Dialog
from cost_top.tui.widgets.keyed_table import KeyedTable
from cost_top.tui.widgets.lines import Lines, shown_as


class WhyScreen(Dialog[tuple[Driver, ...]]):
    """The sentence and its parts above, who is behind it below. The answer is what to drill into, outermost first."""

    BINDINGS: ClassVar[list[BindingType]] = [*LISTED_BINDINGS]

    def __init__(self, where: Filter, subject: Subject, zone: tzinfo) -> None:
        """`where` is the filter of what is asked about; `subject` says of which time."""
        super().__init__()
        self._where, self._subject, self._zone = where, subject, zone
        self._why: Why | None = None

    def compose(self) -> ComposeResult:
        """A text and a table."""
        with Vertical(classes="dialog", id="why") as dialog:
            dialog.border_title = Content("Why")
            dialog.border_subtitle = shown_as(self, Content("⏎ drill into the row  y copy  esc close"))
            yield Lines(id="why-text")
            yield KeyedTable(id="drivers")

    def on_mount(self) -> None:
        """Ask."""
        table = self.query_one(KeyedTable)
        table.focus()
        self.await_answer()
        where, zone, period = self._where, self._zone, self._subject.period
        other, note = compared(period, "previous", zone)

        def question(answers: Answers) -> Why:
            return explained(answers, ReportQuery(period.start, period.end, DIMENSIONS, where, zone), other, note)

        host_of(self).feed.ask(
            question, lambda answer: self._hear(WhyArrived(answer)), lambda reason: self._hear(Refused(reason))
        )

    def tell_progress(self) -> None:
        """See `Dialog`."""
        asked = content((f"asking what is behind {subject_of(self._where)}…", MUTED))
        filling = host_of(self).feed.reading()
        self._tell(asked) if filling is None else self._tell(asked, awaited_text(filling))

    def _hear(self, message: WhyArrived | Refused) -> None:
        self.post_message(message)  # called on the feed's thread

    def on_why_arrived(self, message: WhyArrived) -> None:
        """Show it."""
        self.stop_waiting()
        self._why = message.answer
        self._show()

    def on_refused(self, message: Refused) -> None:
        """Say why there is no answer."""
        self.stop_waiting()
        self._tell(content((message.reason, BAD)))

    def on_resize(self) -> None:
        """Lines and columns depend on the width."""
        self._show()

    def _show(self) -> None:
        answer, table, width = self._why, self.query_one(KeyedTable), self.query_one(Lines).size.width
        if answer is None or not width:
            return
        lines = why_lines(answer, self._where, self._zone, width, until_now=self._subject.until_now)
        self._tell(*lines)
        rows, room = told_drivers(answer), table.row_width
        spread = "spread over many: no key, endpoint, model or user is a tenth of it"
        table.empty = content((spread if answer.change else "there is no change to explain", MUTED))
        keys = [(driver.dimension, driver.value, parent is not None) for driver, parent in rows]
        table.show_rows(driver_columns(room), keys, lambda index: driver_cells(*rows[index], answer, room))

    def copied(self) -> tuple[str, str] | None:
        """The sentence, its parts, and who is behind it."""
        answer = self._why
        if answer is None:
            return None
        lines = why_lines(answer, self._where, self._zone, COPIED_WIDTH, until_now=self._subject.until_now)
        drivers = [driver_cells(driver, parent, answer, 120) for driver, parent in told_drivers(answer)]
        told = [*(line.plain for line in lines), *("".join(cell.plain for cell in cells) for cells in drivers)]
        return "why", "\n".join(line.replace("█", "").rstrip() for line in told if line.strip())

    def _tell(self, *lines: Content) -> None:
        page = self.query_one("#why-text", Lines)
        page.styles.height = len(lines) + 1
        page.show_lines(lines)

    def on_keyed_table_activated(self, event: KeyedTable.Activated) -> None:
        """Enter looks at the requests of a driver."""
        event.stop()
        if self._why is not None:
            driver, parent = told_drivers(self._why)[event.index]
            self.dismiss((driver,) if parent is None else (parent, driver))
