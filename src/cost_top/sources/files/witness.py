"""What was read of a file, in a few numbers: whether it still stands there when the file has grown."""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from typing import Any

_END = 1024
_BLOCK = 4 * 2**20


def witness(path: str, until: int, before: str = "", *, followed: bool = True) -> str:
    """What tells `[0, until)` of a file from everything else: hashes of its ends and, where `followed`, of blocks.

    `before` is the witness of what was read earlier, whose whole blocks are not read again.
    """
    kept: dict[str, Any] = json.loads(before) if before else {"until": 0, "blocks": [], "next": 0}
    blocks: list[int] = []
    with open(path, "rb") as file:
        if followed:
            blocks = kept["blocks"][: kept["until"] // _BLOCK]
            blocks += [_block(file.fileno(), number, until) for number in range(len(blocks), _count(until))]
        ends = _ends(file.fileno(), until)
    return json.dumps({"until": until, "ends": ends, "blocks": blocks, "next": kept["next"] + 1})


def stands(path: str, seen: str, *, grown: bool = False, whole: bool = False) -> bool:
    """Whether a file begins with what a witness saw. `OSError` when it cannot be read.

    Of what has `grown` the last block is read, and one other a look in turn; of the `whole` all are. Without blocks
    nothing is sure.
    """
    kept = json.loads(seen)
    until, blocks = kept["until"], kept["blocks"]
    with open(path, "rb") as file:
        if _ends(file.fileno(), until) != kept["ends"]:
            return False
        if not until or not (grown or whole):
            return True
        numbers = {len(blocks) - 1, kept["next"] % len(blocks)} if grown and blocks else range(len(blocks))
        return bool(blocks) and all(_block(file.fileno(), number, until) == blocks[number] for number in numbers)


def _ends(file: int, until: int) -> str:
    size = min(_END, until)
    return hashlib.sha256(os.pread(file, size, 0) + b"|" + os.pread(file, size, until - size)).hexdigest()[:32]


def _block(file: int, number: int, until: int) -> int:
    start = number * _BLOCK
    return zlib.crc32(os.pread(file, min(_BLOCK, until - start), start))


def _count(until: int) -> int:
    return -(-until // _BLOCK)
