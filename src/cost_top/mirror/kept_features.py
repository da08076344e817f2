"""What the rules look at of closed days, beside the days themselves: a watch reads these and no rows.

A file belongs to one reading of its day, as the day's sums do: its name carries the rates and which reading that was.
"""

from __future__ import annotations

import json
import sys
import zlib
from contextlib import suppress
from typing import Any

from cost_top.mirror.days import ClosedDay, Days
from cost_top.mirror.feature_parts import PART_DIMENSIONS, Copy, Part, Run, Step
from cost_top.mirror.kept import FEATURES
from cost_top.model.cells import Block
from cost_top.model.features import BUCKET_SECONDS, Doubled
from cost_top.model.files import blocks_of

_VERSION = 2
_FORM = [_VERSION, sys.byteorder, BUCKET_SECONDS, *PART_DIMENSIONS]


def kept_part(days: Days, day: ClosedDay) -> Part | None:
    """What is kept of a reading of a day; None where nothing whole is."""
    files = days.files
    if files is None or day.path is None:
        return None
    path = files.find(name_of(day), FEATURES)
    if path is None:
        return None
    try:
        return _part(b"".join(blocks_of(path)))
    except (OSError, ValueError, KeyError, TypeError, zlib.error):  # gone meanwhile, or of another machine
        return None


def keep_part(days: Days, day: ClosedDay, part: Part) -> None:
    """Write what the rules look at of a closed day; without a place for it, it is read from the rows again."""
    files = days.files
    if files is not None and day.path is not None and days.is_noted(day):
        with suppress(OSError):
            files.write_bytes(_bytes(part), name_of(day), FEATURES)


def name_of(day: ClosedDay) -> str:
    """Of a kept day: another text for another reading, or at other rates."""
    assert day.path is not None
    return f"{day.path.stem.rpartition('.')[0]}.{_VERSION}"


def _bytes(part: Part) -> bytes:
    """A header in JSON and the packed cells behind it."""
    head = zlib.compress(json.dumps({
        "form": _FORM, "blocks": [(one.first, one.last, len(one.data)) for one in part.blocks],
        "doubled": part.doubled, "steps": part.steps, "heads": part.heads, "tails": part.tails,
        "first_copies": part.first_copies, "last_copies": part.last_copies, "token_names": part.token_names,
    }).encode())  # fmt: skip
    return b"".join([len(head).to_bytes(8, "little"), head, *(one.data for one in part.blocks)])


def _part(data: bytes) -> Part:
    at = 8 + int.from_bytes(data[:8], "little")
    head: dict[str, Any] = json.loads(zlib.decompress(data[8:at]))
    if head["form"] != _FORM:
        raise ValueError("another form")
    blocks = []
    for first, last, length in head["blocks"]:
        blocks.append(Block(first, last, data[at : at + length]))
        at += length
    heads, tails = ([_run(*one) for one in head[side]] for side in ("heads", "tails"))
    first, last = ([Copy(tuple(key), *rest) for key, *rest in head[side]] for side in ("first_copies", "last_copies"))
    names = {token: (us, name) for token, (us, name) in head["token_names"].items()}
    doubled, steps = [Doubled(*one) for one in head["doubled"]], [Step(*one) for one in head["steps"]]
    return Part(blocks, doubled, steps, heads, tails, first, last, names)


def _run(key: list[Any], size: int, started: int, calls: list[list[int]], is_both: bool) -> Run:
    return Run(tuple(key), size, started, tuple((us, put, cost) for us, put, cost in calls), is_both)
