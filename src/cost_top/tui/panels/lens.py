"""A table of one dimension; with tabs, of one of several."""

from __future__ import annotations

from datetime import tzinfo
from typing import Any, ClassVar

from textual import events
from textual.binding import BindingType
from textual.content import Content

from cost_top.model.dimensions import dimension_named
from cost_top.model.format import lower_bound
from cost_top.model.money import usd_text
from cost_top.model.shown import shown_named
from cost_top.model.snapshot import Lens, Snapshot
from cost_top.model.view import CHANGE
from cost_top.tui.export import Export, lens_export
from cost_top.tui.host import host_of
from cost_top.tui.keys import TAB_BINDINGS
from cost_top.tui.messages import DrillRequested, SortRequested, TabRequested
from cost_top.tui.navigation import Subject, next_measure
from cost_top.tui.render.columns import EVERY_SORT, Drawing, cells, columns_for, drawing_of, every_column, panel_title
from cost_top.tui.render.figures import figure_unit
from cost_top.tui.render.states import empty_text
from cost_top.tui.render.style import MUTED, SEPARATOR
from cost_top.tui.widgets.keyed_table import KeyedTable
from cost_top.tui.widgets.lines import shown_as


class LensTable(KeyedTable):
    """The rows of a lens, sorted, drillable and exportable."""

    BINDINGS: ClassVar[list[BindingType]] = [*TAB_BINDINGS]

    def __init__(self, dimension: str, zone: tzinfo, **options: Any) -> None:
        super().__init__(**options)
        self.dimension, self._zone = dimension, zone
        self.tabs: tuple[str, ...] = ()
        self.lens: Lens | None = None
        self._snapshot: Snapshot | None = None
        self._drawing: Drawing | None = None
        self._tab_ends: list[tuple[int, str]] = []
        self.empty = empty_text(None, dimension)

    @property
    def asked(self) -> str:
        """The dimension that was asked for: that of a tab that may still be on its way to the screen."""
        tab = host_of(self).view.tab
        return tab if tab in self.tabs else self.dimension

    def action_activate(self) -> None:
        """Enter on the row with the cursor, or on the first one of the tab that was asked for."""
        if self.asked == self.dimension:
            super().action_activate()
        else:
            self.enter_first()

    def show_snapshot(self, snapshot: Snapshot) -> None:
        """Draw the rows that changed; without this lens in the snapshot, say that it is being read."""
        self._snapshot = snapshot
        if not self.row_width:
            return
        self.lens = lens = snapshot.lens(self.dimension)
        self.empty = empty_text(snapshot, self.dimension, self.row_width)
        self._show_title(snapshot)
        self.is_waiting = lens is None
        if lens is None:
            self.show_rows((), (), lambda _: ())
            return
        # What is read from requests is compared with no other time.
        is_summed = dimension_named(self.dimension).summed
        without = (*(() if lens.trends else ("trend",)), *(() if is_summed else ("change",)))
        shown, is_marked = shown_named(snapshot.view.measure), snapshot.view.mark is not None and is_summed
        measure, descending = snapshot.view.sort_of(self.dimension)
        if self.is_maximized:
            columns = every_column(self.dimension, self.row_width, is_marked, without, shown, measure)
        else:
            columns = columns_for(self.dimension, self.row_width, is_marked, without, shown)
        column = next((column.key for column in columns if column.measure == measure), "")
        keys = [row.key for row in lens.report.rows]
        drawing = self._drawing = drawing_of(lens, snapshot, self._drawing)
        self.show_rows(columns, keys, lambda index: cells(lens, index, columns, drawing), (column, descending))

    def on_resize(self) -> None:
        """Columns depend on the width."""
        if self._snapshot is not None:
            self.show_snapshot(self._snapshot)

    def _show_title(self, snapshot: Snapshot) -> None:
        whole = dimension_named(self.dimension).title
        if self.lens is not None:
            whole = panel_title(self.lens, snapshot, self._zone).plain
        subject, period, *notes = [*whole.split(SEPARATOR), "", ""]
        key = dimension_named(self.dimension).key
        title = Content(f"{key} {subject}")
        if self.tabs:
            title = self._tab_title(self.outer_size.width - 6 - len(SEPARATOR + period))
        title = shown_as(self, title.append(SEPARATOR + period) if period else title)
        if self._border_title is None or not self._border_title.is_same(title):
            self.border_title = title
        below = shown_as(self, Content(SEPARATOR.join(note for note in notes if note)))
        if self._border_subtitle is None or self._border_subtitle.plain != below.plain:
            self.border_subtitle = below

    def _tab_title(self, room: int) -> Content:
        """The tabs with their keys; where `room` is short the others are cut to three letters, then to their keys."""
        names: list[str] = []
        for cut in (None, 3, 0):
            names = [_tab_name(tab, None if tab == self.dimension else cut) for tab in self.tabs]
            if sum(map(len, names)) + len(names) - 1 <= room:
                break
        self._tab_ends, end = [], 0
        for tab, name in zip(self.tabs, names, strict=True):
            end += len(name) + 1
            self._tab_ends.append((end, tab))
        return Content(" ").join(
            Content.styled(name, "bold underline" if tab == self.dimension else MUTED)
            for tab, name in zip(self.tabs, names, strict=True)
        )

    def action_tab(self, step: int) -> None:
        """Show the tab beside, round the corner at the ends."""
        if self.tabs:
            at = self.tabs.index(self.asked)
            self.post_message(TabRequested(self.tabs[(at + step) % len(self.tabs)]))

    def on_click(self, event: events.Click) -> None:
        """A click on a tab's name in the upper edge shows that tab."""
        if self.tabs and event.get_content_offset(self) is None and event.y == 0:
            for end, tab in self._tab_ends:
                if event.x - 2 < end:
                    self.post_message(TabRequested(tab))
                    return

    def on_keyed_table_activated(self, event: KeyedTable.Activated) -> None:
        """Ask to drill into the row."""
        event.stop()
        value, label = self.row(event.index)
        self.post_message(DrillRequested(self.dimension, value, label))

    def on_keyed_table_header_clicked(self, event: KeyedTable.HeaderClicked) -> None:
        """Ask to sort by the column."""
        event.stop()
        measure = next((column.measure for column in self.columns if column.key == event.column), None)
        if measure:
            self.post_message(SortRequested(self.dimension, measure))

    def row(self, index: int) -> tuple[str | None, str]:
        """The value of a row and the name people know it by."""
        assert self.lens is not None
        key = self.lens.report.rows[index].key
        label = next((part for part in reversed(key) if part), None)
        return key[0], label or dimension_named(self.dimension).none

    def subject(self) -> Subject | None:
        """What `w` asks about: the row with the cursor."""
        if self.lens is None or not self.keys or self.asked != self.dimension:
            return None
        value, label = self.row(self.index)
        return Subject(self.lens.period, self.dimension, value, label)

    def sort_beside(self, step: int) -> str | None:
        """The measure of the sortable column beside the sorted one."""
        measures = tuple(dict.fromkeys(column.measure for column in self.columns if column.measure))
        if self._snapshot is None or not measures:
            return None
        if self.is_maximized:  # those without a place get one when they are sorted by
            every = [each for each in EVERY_SORT if each != CHANGE or dimension_named(self.asked).summed]
            measures = (*dict.fromkeys((*(each for each in measures if each not in EVERY_SORT), *every)),)
        return next_measure(measures, self._snapshot.view.sort_of(self.asked)[0], step)

    def copied(self) -> tuple[str, str] | None:
        """What `y` takes of the row with the cursor: its whole id and name, and its cost to the last digit in USD."""
        if self.lens is None or self._snapshot is None or not self.keys or self.asked != self.dimension:
            return None
        row, none = self.lens.report.rows[self.index], dimension_named(self.dimension).none
        settled = self._snapshot.is_settled(f"panel:{self.dimension}")
        cost = lower_bound(f"${usd_text(row.measures.total_cost)}", row.measures.unpriced_count or not settled)
        names = [part for part in row.key if part is not None] or [none]
        measure = shown_named(self._snapshot.view.measure)
        figure = [figure_unit(measure, measure.of(row.measures))] if measure.name else []
        return self.row(self.index)[1], "\t".join((*names, *figure, cost))

    def exported(self) -> Export | None:
        """What `e` writes."""
        if self._snapshot is None or self.lens is None or self.asked != self.dimension:
            return None
        return lens_export(self._snapshot, self.lens, self._zone)


def _tab_name(tab: str, cut: int | None) -> str:
    """`5 Users`, or `5Use` and `5` where it is cut to so many letters."""
    known = dimension_named(tab)
    return f"{known.key} {known.tab}" if cut is None else f"{known.key}{known.tab[:cut]}"
