"""What the rows of a panel are called, each so that it is told from the others."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from textual.content import Content

from cost_top.model.dimensions import dimension_named
from cost_top.model.format import elide_apart, pad, tail_of, with_tail
from cost_top.model.snapshot import Lens
from cost_top.tui.render.style import MUTED, content

_TOKEN_CELLS = 12


class Names(NamedTuple):
    """The rows of a panel that a name is to be told from."""

    keys: frozenset[tuple[str | None, ...]]
    values: frozenset[str | None]
    twins: Mapping[str, frozenset[str | None]]  # values by display name

    @classmethod
    def of(cls, lens: Lens, before: Names) -> Names:
        """Those of a lens; the ones before where they are the same: names are looked up by them."""
        keys = frozenset(row.key for row in lens.report.rows)
        if keys == before.keys:
            return before
        twins: dict[str, set[str | None]] = {}
        for value, *names in keys:
            for name in names:
                if name is not None:
                    twins.setdefault(name, set()).add(value)
        return cls(keys, frozenset(key[0] for key in keys), {name: frozenset(same) for name, same in twins.items()})


NO_NAMES = Names(frozenset(), frozenset(), {})


def name_of(dimension: str, key: tuple[str | None, ...], width: int, names: Names) -> Content:
    """What a row is called: its value, a token's id with its display name, or that it carries none."""
    value = key[0]
    name = key[1] if dimension_named(dimension).name_field and len(key) > 1 else None
    if value is None and not name:
        return content((pad(dimension_named(dimension).none, width), f"italic {MUTED}"))
    if value == "" and not name:
        return content((pad("(empty)", width), f"italic {MUTED}"))
    if not name or name == value:
        return content(_alone(value or name or "", width, names.values))
    if value is None or width < _TOKEN_CELLS + 11:
        return content(_among_twins(value, name, width, names.twins[name]))
    shown = _alone(value, _TOKEN_CELLS, names.values)
    return content((shown, MUTED), " ", pad(name, width - _TOKEN_CELLS - 1))


@lru_cache(maxsize=1024)
def _alone(text: str, width: int, others: frozenset[str | None]) -> str:
    return pad(elide_apart(text, width, others), width)


@lru_cache(maxsize=1024)
def _among_twins(value: str | None, name: str, width: int, twins: frozenset[str | None]) -> str:
    return pad(with_tail(name, tail_of(value, twins), width), width)
