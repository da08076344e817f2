"""How much a figure changed, in a few cells."""

from __future__ import annotations

from cost_top.model.format import UNKNOWN

_STEADY_PER_CENT = 2


def step(now: int, before: int | None) -> str:
    """How much more or less, in six cells: per cent below twice, then how many times; `new` after nothing.

    >>> step(1130, 1000), step(400, 1000), step(9000, 1000), step(123_547, 1000), step(0, 7), step(10**7, 3)
    ('+13 %', '-60 %', '9.0×', '124×', '-100 %', '>999×')
    >>> step(5, 0), step(0, 0), step(1001, 1000), step(5, None), step(5, -4)
    ('new', '–', '0 %', '–', '–')
    """
    if before is None or before < 0 or now < 0 or now == before == 0:
        return UNKNOWN
    if before == 0:
        return "new"
    if now >= 2 * before:
        tenths = (20 * now + before) // (2 * before)
        return f"{tenths / 10:.1f}×" if tenths < 100 else f"{(tenths + 5) // 10}×" if tenths < 9995 else ">999×"
    share = (200 * abs(now - before) + before) // (2 * before)
    return f"{'-' if now < before else '+'}{share} %" if share else "0 %"


def steady(now: int, before: int | None) -> bool:
    """Whether a change is within 2 %, or not known."""
    return before is None or abs(now - before) * 100 <= abs(before) * _STEADY_PER_CENT
