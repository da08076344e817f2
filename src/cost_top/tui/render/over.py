"""Whether money goes faster than usual, and which rows are concerned."""

from __future__ import annotations

from cost_top.model.snapshot import Snapshot


def can_tell(snapshot: Snapshot) -> bool:
    """Whether a snapshot is of everything, live and whole."""
    view = snapshot.view
    return view.end is None and not view.where and snapshot.is_settled("lately", "usual")


def over_usual(snapshot: Snapshot) -> int | None:
    """What the last hour cost over the usual, where it is well over and the view is of everything, live."""
    burn = snapshot.burn
    if not can_tell(snapshot):
        return None
    if burn.cost_per_hour is None or burn.usual_per_hour is None or 2 * burn.cost_per_hour <= 3 * burn.usual_per_hour:
        return None
    return burn.cost_per_hour - burn.usual_per_hour


def concerned(snapshot: Snapshot, dimension: str) -> frozenset[str | None]:
    """The values of a dimension that open incidents are of, or that explain them most."""
    named = [(row.dimension, row.value) for row in snapshot.incidents]
    named += [row.drivers[0] for row in snapshot.incidents if row.drivers]
    return frozenset(value for name, value in named if name == dimension)
