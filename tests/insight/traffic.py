"""Features made by hand: an even shop, and what a test adds to it."""

from __future__ import annotations

from collections.abc import Iterable

from cost_top.model.features import BASE_DIMENSIONS, Cell, Doubled, Features, LoopStep

ORIGIN = 1_788_220_800  # Tuesday 1 September 2026 00:00 UTC
DAY = 288
CENT = 10**10


def cell(
    bucket: int,
    cost: int,
    token: str | None = "key-1",
    endpoint: str | None = "/a",
    model: str = "m",
    user: str | None = "u",
    requests: int = 5,
    tokens: int | None = None,
    errors: int = 0,
    cached: float = 0.0,
    again: int = 0,
) -> Cell:
    each = cost // requests if requests else 0
    tokens = tokens if tokens is not None else cost // CENT * 100
    paid = requests if cost and tokens else 0
    return Cell(bucket, (token, endpoint, model, user, "p"), (), requests, cost, each, float(each) ** 2 * requests,
                errors, paid, cost if paid else 0, tokens if paid else 0, tokens if paid else 0,
                int(tokens * cached) if paid else 0, again)  # fmt: skip


def even(days: int, token: str = "key-1", cost: int = 10 * CENT, **names: object) -> list[Cell]:
    """The same in every five minutes, for so many days."""
    return [cell(bucket, cost, token=token, **names) for bucket in range(days * DAY)]  # type: ignore[arg-type]


def features(
    cells: Iterable[Cell],
    days: int,
    loops: Iterable[LoopStep] = (),
    doubled: Iterable[Doubled] = (),
    names: dict[str, str] | None = None,
) -> Features:
    ordered = tuple(sorted(cells, key=lambda one: (one.bucket, one.names[0] or "", one.names[3] or "")))
    return Features(ORIGIN, days * DAY, ordered[0].bucket if ordered else None, BASE_DIMENSIONS, ordered, tuple(loops),
                    tuple(doubled), names or {})  # fmt: skip
