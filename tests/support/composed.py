"""Snapshots composed of a mirror at once, without a monitor."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo

from cost_top.mirror.store import Mirror
from cost_top.model.snapshot import Snapshot
from cost_top.model.view import View
from cost_top.monitor.log.engine import LogEngine
from cost_top.overview.compose import Facts, compose
from cost_top.overview.needs import needs_of


def composed(
    mirror: Mirror, view: View, now: datetime, zone: tzinfo = UTC, until: float = float("inf"), label: str = "log"
) -> Snapshot:
    """The snapshot of a view; sums are built until the monotonic clock passes `until`."""
    engine = LogEngine(mirror)
    needs = needs_of(view, now, zone, engine.knows)
    return compose(needs, engine.answers(needs.all, until), engine.knows, Facts(label, None))
