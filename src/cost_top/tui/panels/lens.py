"""A table of one dimension; with tabs, of one of several."""

from __future__ import annotations

from datetime import tzinfo
from typing import Any

from textual import events
from textual.content import Content

from cost_top.model.snapshot import Lens, Snapshot
from cost_top.tui.export import Export, lens_export
from cost_top.tui.messages import DrillRequested, SortRequested, TabRequested
from cost_top.tui.navigation import next_measure
from cost_top.tui.render.columns import NOBODY, NOUNS, cells, columns_for, panel_title
from cost_top.tui.render.states import empty_text
from cost_top.tui.render.style import MUTED, SEPARATOR
from cost_top.tui.widgets.keyed_table import KeyedTable
from cost_top.tui.widgets.lines import shown_as

TAB_TITLES = {
    "endpoint": "Endpoints", "token": "Tokens", "model": "Models", "user": "Users", "tag": "Tags", "team": "Teams",
    "credential_type": "Creds",
}  # fmt: skip


class LensTable(KeyedTable):
    """The rows of a lens, sorted, drillable and exportable."""

    def __init__(self, dimension: str, zone: tzinfo, **options: Any) -> None:
        super().__init__(**options)
        self.dimension, self._zone = dimension, zone
        self.tabs: tuple[str, ...] = ()
        self.lens: Lens | None = None
        self._snapshot: Snapshot | None = None
        self._tab_ends: list[tuple[int, str]] = []
        self.empty = empty_text(None, dimension)

    def show_snapshot(self, snapshot: Snapshot) -> None:
        """Draw the rows that changed; without this lens in the snapshot, say that it is being read."""
        self._snapshot = snapshot
        if not self.row_width:
            return
        self.lens = lens = snapshot.lens(self.dimension)
        self.empty = empty_text(snapshot, self.dimension, self.row_width)
        self._show_title(snapshot)
        if lens is None:
            self.show_rows((), (), lambda _: ())
            return
        without = ("trend",) if snapshot.polling is not None and not lens.trends else ()
        columns = columns_for(self.dimension, self.row_width, snapshot.view.mark is not None, without)
        measure, descending = snapshot.view.sort_of(self.dimension)
        column = next((column.key for column in columns if column.measure == measure), "")
        keys = [row.key for row in lens.report.rows]
        self.show_rows(columns, keys, lambda index: cells(lens, index, columns, snapshot), (column, descending))

    def on_resize(self) -> None:
        """Columns depend on the width."""
        if self._snapshot is not None:
            self.show_snapshot(self._snapshot)

    def _show_title(self, snapshot: Snapshot) -> None:
        whole = panel_title(self.lens, snapshot, self._zone).plain if self.lens is not None else NOUNS[self.dimension]
        subject, period, *notes = [*whole.split(SEPARATOR), "", ""]
        title = Content(subject)
        if self.tabs:
            self._tab_ends = []
            names: list[Content] = []
            end = 0
            for tab in self.tabs:
                here = tab == self.dimension
                names.append(Content.styled(TAB_TITLES[tab], "bold underline" if here else MUTED))
                end += len(TAB_TITLES[tab]) + 1
                self._tab_ends.append((end, tab))
            title = Content(" ").join(names)
        title = shown_as(self, title.append(SEPARATOR + period) if period else title)
        if self._border_title is None or not self._border_title.is_same(title):
            self.border_title = title
        below = shown_as(self, Content(SEPARATOR.join(note for note in notes if note)))
        if self._border_subtitle is None or self._border_subtitle.plain != below.plain:
            self.border_subtitle = below

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
        return key[0], label or NOBODY.get(self.dimension, "none")

    def sort_beside(self, step: int) -> str | None:
        """The measure of the sortable column beside the sorted one."""
        measures = tuple(column.measure for column in self.columns if column.measure)
        if self._snapshot is None or not measures:
            return None
        return next_measure(measures, self._snapshot.view.sort_of(self.dimension)[0], step)

    def copied(self) -> tuple[str, str] | None:
        """What `y` takes: the row with the cursor, tab between its cells."""
        if self.lens is None or not self.keys:
            return None
        row = [cell.plain.strip() for cell in self._cells(self.index)]
        return self.row(self.index)[1], "\t".join(row)

    def exported(self) -> Export | None:
        """What `e` writes."""
        if self._snapshot is None or self.lens is None:
            return None
        return lens_export(self._snapshot, self.lens, self._zone)
