"""What the keys of every screen do, and how the app is run."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import tzinfo
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textual.app import SystemCommand
from textual.binding import Binding
from textual.screen import ModalScreen, Screen
from textual.theme import BUILTIN_THEMES
from textual.widgets import Input

from cost_top.model.errors import UserError, one_line
from cost_top.model.shown import shown_after
from cost_top.model.windows import Period
from cost_top.state.state_file import state_folder
from cost_top.tui import navigation
from cost_top.tui.command_line import command_line
from cost_top.tui.keys import APP_BINDINGS, actions_of
from cost_top.tui.leaving import signals_lead_to
from cost_top.tui.live import LiveApp
from cost_top.tui.navigation import Subject
from cost_top.tui.overheard import only_python_writes
from cost_top.tui.theme import DARK, LIGHT, THEMES, ascii_only, choose_theme

if TYPE_CHECKING:
    from cost_top.insight.why import Driver
    from cost_top.model.feed import Feed, Found
    from cost_top.model.view import View
    from cost_top.model.watched import IncidentRow
    from cost_top.tui.export import Export


_ACTIONS = actions_of(APP_BINDINGS)


class CostTopApp(LiveApp):
    """The app with its verbs; screens and dialogs are imported when they are first opened."""

    async def open_dialog(self, dialog: Screen[Any], answered: Callable[[Any], None] | None = None) -> None:
        """Open a dialog and wait until it takes the keys: what was typed ahead is meant for it."""
        await self.push_screen(dialog, answered)
        for wanted in dialog.query(Input):
            dialog.set_focus(wanted)
            break

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys of the app act before what has the focus sees them, so not while a dialog is open."""
        if action in _ACTIONS and isinstance(self.screen, ModalScreen):
            return False
        return super().check_action(action, parameters)

    # Look closer

    async def action_why(self) -> None:
        """Say what is behind the focused row, bar or figure."""
        if self.shown is None:
            return
        from cost_top.tui.screens.why import WhyScreen

        focused: Subject | None = getattr(self.screen.focused, "subject", lambda: None)()
        subject, whole = focused or Subject(self.shown.period), self.shown.period
        # The last bar of the chart reaches into the future.
        period = Period(subject.period.start, min(subject.period.end, whole.end))
        live = self.view.end is None and period.end == whole.end
        subject = replace(subject, period=period, until_now=live)
        where = subject.within(self.shown.view).where

        def chosen(drivers: tuple[Driver, ...] | None) -> None:
            wanted = subject.within(self.view)
            for driver in drivers or ():
                label = driver.name or driver.value or "none"
                wanted = navigation.drill(wanted, driver.dimension, driver.value, label) or wanted
            if drivers:
                self.look(wanted)

        await self.open_dialog(WhyScreen(where, subject, self.zone), chosen)

    async def action_incidents(self) -> None:
        """List what is unusual."""
        from cost_top.tui.screens.incidents import IncidentsScreen

        def chosen(row: IncidentRow | None) -> None:
            if row is not None:
                self.look_at_incident(row)

        await self.open_dialog(IncidentsScreen(self.zone, self.clock), chosen)

    async def action_budgets(self) -> None:
        """List how budgets stand."""
        from cost_top.tui.screens.budgets import BudgetsScreen

        await self.open_dialog(BudgetsScreen(self.zone, self.clock))

    async def open_lines(self) -> None:
        """The window's spend by a dimension, as lines."""
        from cost_top.tui.screens.lines import LinesScreen

        if self.shown is not None:
            await self.open_dialog(LinesScreen(self.shown.view.where, self.shown.period, self.zone))

    async def action_savings(self) -> None:
        """Show what was paid and saved in the view's time."""
        if self.shown is None:
            return
        from cost_top.tui.screens.savings import SavingsScreen

        shown = self.shown
        await self.open_dialog(SavingsScreen(shown.view.where, shown.period, self.zone, self.clock))

    def action_measure(self) -> None:
        """Panels and chart by the next measure; the order they were sorted in was by another."""
        self.look(replace(self.view, measure=shown_after(self.view.measure).name, sort=()))

    # Find

    async def action_filter(self) -> None:
        """Type a filter; the figures follow."""
        from cost_top.tui.screens.filter_prompt import FilterPrompt

        await self.open_dialog(FilterPrompt(self.view.filter))

    async def action_pick(self, dimension: str) -> None:
        """Find one value of a dimension and look at it alone."""
        from cost_top.tui.screens.picker import PickerScreen

        limit = self.shown.limit(dimension) if self.shown is not None else None
        if limit is not None:
            self.tell_user(limit, severity="warning")
            return

        def picked(found: Found | None) -> None:
            if found is not None:
                label = found.name or found.value or "none"
                self.look(navigation.drill(self.view, dimension, found.value, label) or self.view)

        await self.open_dialog(PickerScreen(dimension), picked)

    async def action_unpriced(self) -> None:
        """Show the models without a rate."""
        from cost_top.tui.screens.unpriced import UnpricedScreen

        await self.open_dialog(UnpricedScreen())

    # Time

    def action_window(self, step: int) -> None:
        """A longer or shorter window."""
        self.look(navigation.other_window(self.view, step))

    def action_travel(self, direction: int) -> None:
        """Step the window's end."""
        self.look(navigation.travelled(self.view, direction, self.clock(), self.zone))

    def action_now(self) -> None:
        """Back to now."""
        self.look(navigation.at_time(self.view, None, None))

    async def action_go(self) -> None:
        """Type a date or a stretch of days, and look at it."""
        from cost_top.tui.screens.go_to import GoTo

        def chosen(view: View | None) -> None:
            if view is not None:
                self.look(view)

        await self.open_dialog(GoTo(self.view, self.shown, self.clock(), self.zone), chosen)

    def action_mark(self) -> None:
        """Count from this moment as well."""
        self.look(marked := replace(self.view, mark=self.clock()))
        if self.view == marked:
            self.tell_user("marked: every figure also shows what came since; M forgets it")

    def action_unmark(self) -> None:
        """Forget the mark."""
        self.look(replace(self.view, mark=None))

    def action_pause(self) -> None:
        """Freeze what is shown, or go on."""
        if self.paused_since is None:
            self.paused_since = self.clock()
            self.refresh_state()
            return
        self.paused_since = None
        if self.latest is not None and self.latest.view == self.view:
            self.show_latest()
        self.refresh_state()

    def action_refresh_now(self) -> None:
        """Ask the source now."""
        self.feed.refresh()

    def action_interval(self, step: int) -> None:
        """Ask more or less often."""
        steps, asking = self.feed.intervals, self.shown.asking if self.shown is not None else None
        now = asking.interval if asking is not None else self.interval
        nearest = min(range(len(steps)), key=lambda index: abs(steps[index] - now))
        self.interval = steps[max(0, min(nearest + step, len(steps) - 1))]
        self.feed.set_interval(self.interval)
        self.refresh_state()

    # Take away

    def action_copy(self) -> None:
        """Copy what is focused to the terminal's clipboard (OSC 52)."""
        self.copy(getattr(self.screen.focused, "copied", lambda: None)())

    def copy(self, copied: tuple[str, str] | None) -> None:
        """Copy a text under its name; None where there is nothing to copy."""
        if copied is None:
            self.tell_user("nothing to copy here: focus a table, a card or the chart")
            return
        what, text = copied
        # A pasted control character would be typed into whatever takes it.
        self.copy_to_clipboard("".join(c if c.isprintable() or c in "\t\n\u200c\u200d" else " " for c in text))
        self.tell_user(f"copied {what}: {one_line(text, 60)}")

    def action_copy_command(self) -> None:
        """Copy the command line that shows this screen."""
        period = self.shown.period if self.shown is not None else None
        text = one_line(command_line(self.command, self.view, period, self.zone), 4000)
        self.copy_to_clipboard(text)
        self.tell_user(f"copied the command: {one_line(text, 60)}")

    async def action_export(self) -> None:
        """Write the focused table to a file."""
        exported = getattr(self.screen.focused, "exported", lambda: None)()
        if exported is None:
            self.tell_user("nothing to export here: focus a table")
            return
        if not exported.table.rows:
            self.tell_user("nothing to export: the table is empty")
            return
        from cost_top.tui.screens.export_choice import ExportChoice

        await self.open_dialog(ExportChoice(exported, self.export_folder), partial(self._write_table, exported))

    def _write_table(self, export: Export, ending: str | None) -> None:
        from cost_top.model.tables import as_csv, as_json

        if ending is not None:
            self._write(f"{export.name}.{ending}", (as_csv if ending == "csv" else as_json)(export.table))

    def action_screenshot(self, filename: str | None = None, path: str | None = None) -> None:  # noqa: ARG002
        """Write the screen to an SVG file."""
        from cost_top.tui.picture import tidy

        self._write("screen.svg", tidy(self.export_screenshot(title="cost-top")))

    def _write(self, name: str, text: str) -> None:
        from cost_top.tui.export import write_private

        try:
            path = write_private(self.export_folder, name, text, self.clock().astimezone(self.zone))
        except OSError as error:
            self.tell_user(f"cannot write to {self.export_folder}: {error.strerror or error}", severity="error")
            return
        self.tell_user(f"written: {path}")

    # App

    def action_theme(self) -> None:
        """Light or dark."""
        if self.theme not in (DARK, LIGHT):
            self.tell_user("the terminal's own colours are in use")
            return
        self.theme = LIGHT if self.theme == DARK else DARK

    async def action_help(self) -> None:
        """Keys, figures, and what watching costs."""
        from cost_top.tui.screens.help import HelpScreen

        await self.open_dialog(HelpScreen(self.screen.focused))

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """The palette: the same verbs as the keys, with their key."""
        own = [binding for binding in screen.BINDINGS if isinstance(binding, Binding)]
        for binding in (*APP_BINDINGS, *own):
            if binding.id not in ("palette", "back"):
                title = f"{binding.description} ({binding.key_display})"
                yield SystemCommand(title, binding.tooltip, partial(self.simulate_key, binding.key.split(",")[0]))


def run_app(
    feed: Feed, *, view: View, zone: tzinfo, interval: float, source_label: str, theme: str | None, mouse: bool,
    export_folder: Path, command: Sequence[str] = ("cost-top",), rings: bool = False,
    keeps: bool = False,
) -> int:  # fmt: skip
    """Run the app in this terminal until it is left; returns the exit code. `UserError` for an unknown theme.

    Filters that were used outlive the run where it `keeps` anything on disk.
    """
    chosen = choose_theme(os.environ, theme)
    known = {*(each.name for each in THEMES), *BUILTIN_THEMES}
    if chosen not in known:
        names = ", ".join(("dark", "light", "16", "plain", *sorted(BUILTIN_THEMES)))
        raise UserError(f"unknown theme {one_line(chosen, 40)!r}: choose from {names}")
    if os.environ.get("NO_COLOR") == "":
        del os.environ["NO_COLOR"]  # Textual takes an empty one for a wish
    failures: list[UserError] = []
    with only_python_writes() as overheard:
        app = CostTopApp(
            feed, view=view, zone=zone, interval=interval, source_label=source_label, theme=chosen,
            export_folder=export_folder, ascii_only=ascii_only(), command=command, rings=rings,
            history=state_folder() / "filters.json" if keeps else None,
        )  # fmt: skip

        def fail(error: UserError) -> None:
            failures.append(error)
            app.leave(2)

        feed.on_failure = fail
        with signals_lead_to(app.leave):
            code = app.run(mouse=mouse)
    with suppress(OSError):  # of a terminal that went away nobody reads
        for line in overheard.lines():
            print(f"cost-top: told meanwhile: {line}", file=sys.stderr)
    if failures:
        raise failures[0]
    return code if code is not None else app.return_code or 0
