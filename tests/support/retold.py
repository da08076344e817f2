"""What a feed told while pictures were taken, kept so that the same screens can be drawn again without a log."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from cost_top.model.engine import Position, RequestPage
from cost_top.model.query import ReportQuery
from cost_top.model.snapshot import Snapshot
from cost_top.model.view import View
from cost_top.model.watched import IncidentRow
from cost_top.model.wire import answer_from_json, snapshot_from_json, snapshot_to_json
from cost_top.model.wire_codec import encode


@dataclass
class Told:
    """Whole snapshots of every view that was looked at, the first page of requests of each filter, the incidents."""

    snapshots: list[Snapshot] = field(default_factory=list)
    pages: dict[str, RequestPage] = field(default_factory=dict)
    incidents: tuple[IncidentRow, ...] = ()

    def keep(self, snapshot: Snapshot) -> None:
        """Add a snapshot, or replace that of the same view."""
        self.snapshots = [*(one for one in self.snapshots if one.view != snapshot.view), snapshot]

    def of(self, view: View) -> Snapshot | None:
        """The snapshot of a view; else one of the same time and filter, as if it were of that view."""
        same = [one for one in self.snapshots if (one.view.time, one.view.where) == (view.time, view.where)]
        panels = [one for one in same if set(view.lenses) <= {lens.dimension for lens in one.lenses}]
        found = next((one for one in same if one.view == view), next(iter((*panels, *same)), None))
        return replace(found, view=view) if found is not None else None

    def write(self, path: Path) -> None:
        """As packed JSON, the same bytes for the same answers."""
        told = {
            "snapshots": [snapshot_to_json(one) for one in self.snapshots],
            "pages": {where: encode(page) for where, page in self.pages.items()},
            "incidents": [encode(row) for row in self.incidents],
        }
        path.write_bytes(gzip.compress(json.dumps(told, ensure_ascii=False).encode(), 9, mtime=0))


def read_told(path: Path) -> Told:
    """What `Told.write` wrote."""
    told = json.loads(gzip.decompress(path.read_bytes()))
    return Told(
        [snapshot_from_json(one) for one in told["snapshots"]],
        {where: answer_from_json(RequestPage, page, "page") for where, page in told["pages"].items()},
        answer_from_json(tuple[IncidentRow, ...], told["incidents"], "incidents"),
    )


class Overheard:
    """A feed whose requests and incidents are kept as they are told."""

    def __init__(self, feed: Any, told: Told) -> None:
        self._feed, self._told = feed, told

    def __getattr__(self, name: str) -> Any:
        return getattr(self._feed, name)

    def requests(self, query: ReportQuery, after: Position | None, reply: Callable[[RequestPage], None]) -> None:
        def hear(page: RequestPage) -> None:
            if after is None:
                self._told.pages[str(query.where)] = page
            reply(page)

        self._feed.requests(query, after, hear)

    def incidents(self, reply: Callable[[tuple[IncidentRow, ...]], None], refuse: Callable[[str], None]) -> None:
        def hear(rows: tuple[IncidentRow, ...]) -> None:
            self._told.incidents = rows
            reply(rows)

        self._feed.incidents(hear, refuse)


class Retold:
    """The part of the `Feed` protocol that the pictures ask, answered at once from what was kept."""

    interval = 2.0
    intervals = (2.0,)

    def __init__(self, told: Told) -> None:
        self._told = told
        self._publish: Callable[[Snapshot], None] = lambda snapshot: None

    def start(self, publish: Callable[[Snapshot], None], view: View) -> None:
        self._publish = publish
        self.look(view)

    def look(self, view: View) -> None:
        snapshot = self._told.of(view)
        if snapshot is not None:
            self._publish(snapshot)

    def refuses(self, view: View) -> str | None:
        return None

    def requests(self, query: ReportQuery, after: Position | None, reply: Callable[[RequestPage], None]) -> None:
        page = self._told.pages.get(str(query.where))
        if page is not None and after is None:
            reply(page)

    def incidents(self, reply: Callable[[tuple[IncidentRow, ...]], None], refuse: Callable[[str], None]) -> None:
        reply(self._told.incidents)

    def reading(self, *, incidents: bool = False) -> None:
        """Nothing is read."""

    def find(self, *_: Any) -> None:
        """Nothing is found: no picture is of a picker."""

    def stop(self) -> None:
        """There is nothing to stop."""
