"""The line that names who it is while money goes faster than usual."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, tzinfo
from typing import Any, ClassVar

from textual.binding import BindingType
from textual.content import Content

from cost_top.model.snapshot import Snapshot
from cost_top.model.watched import IncidentRow
from cost_top.tui.host import host_of
from cost_top.tui.keys import UNUSUAL_BINDINGS
from cost_top.tui.messages import ListArrived, UnusualArrived
from cost_top.tui.render.over import can_tell, over_usual
from cost_top.tui.render.watched import unusual_line
from cost_top.tui.widgets.lines import Lines

# Incidents are found in steps of five minutes.
_STEP = timedelta(minutes=5).total_seconds()


class UnusualLine(Lines, can_focus=True):
    """There only while the last hour is well over the usual and an incident is open; Enter or a click looks at it."""

    BINDINGS: ClassVar[list[BindingType]] = [*UNUSUAL_BINDINGS]
    DEFAULT_CSS = """
    UnusualLine { display: none; }
    UnusualLine.shown { display: block; }
    """

    def __init__(self, zone: tzinfo, **options: Any) -> None:
        super().__init__(**options)
        self._zone = zone
        self._rows: Sequence[IncidentRow] = ()
        self._asked: float | None = None
        self._over: int | None = None
        self._told: tuple[IncidentRow, ...] = ()

    def show_snapshot(self, snapshot: Snapshot, now: datetime) -> None:
        """Ask who it is where the burn is unusual, no more often than that can change."""
        self._over = over_usual(snapshot)
        step = now.timestamp() // _STEP
        if self._over is not None and step != self._asked:
            self._asked = step
            host_of(self).feed.incidents(
                lambda rows: self._hear(ListArrived(rows)), lambda _: self._hear(ListArrived(()))
            )  # fmt: skip
        if can_tell(snapshot):
            self._tell_app()
        self._draw()

    def _tell_app(self) -> None:
        """What is unusual holds for narrower views too, which cannot tell."""
        rows = self._open if self._over is not None else ()
        if rows != self._told:
            self._told = rows
            self.post_message(UnusualArrived(rows))

    def _hear(self, message: ListArrived) -> None:
        self.post_message(message)  # called on the feed's thread

    def on_list_arrived(self, message: ListArrived) -> None:
        """Name the one that costs most."""
        message.stop()
        self._rows = message.rows
        self._tell_app()
        self._draw()

    @property
    def _open(self) -> tuple[IncidentRow, ...]:
        return tuple(row for row in self._rows if row.closed is None and row.excess > 0)

    @property
    def row(self) -> IncidentRow | None:
        """The open incident that costs most, of those that go on: whose last hour is a good part of what is over."""
        goes_on = (row for row in self._open if row.last_hour is None or 2 * row.last_hour >= (self._over or 0))
        return next(goes_on, None)

    def _draw(self) -> None:
        row, over = self.row, self._over
        shown = row is not None and over is not None
        self.set_class(shown, "shown")
        if row is not None and over is not None:
            hint = "⏎ look" if self.has_focus else "a ⏎ look"
            self.show(unusual_line(row, over, hint, self._zone, host_of(self).clock(), self.app.size.width))
        else:
            self.show(Content(""))

    def watch_has_focus(self, has_focus: bool) -> None:
        """The hint names the key that looks."""
        super().watch_has_focus(has_focus)
        self._draw()

    def on_resize(self) -> None:
        """What fits depends on the width."""
        self._draw()

    def on_click(self) -> None:
        """A click looks as well."""
        self.action_look_at()

    def action_look_at(self) -> None:
        """Look at whose it is."""
        if self.row is not None:
            host_of(self).look_at_incident(self.row)
