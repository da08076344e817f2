"""Cells packed: in memory a tenth of what they are as objects, and as they stand in kept files."""

from __future__ import annotations

import json
import zlib
from array import array
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain, compress, islice, repeat
from operator import sub
from typing import Any, NamedTuple

from cost_top.model.features import Cell, Holding

_BLOCK = 8_192  # cells that are unpacked at a time


class Choice(NamedTuple):
    """Which of the packed names are wanted, by what they are called, and whether tags are."""

    places: tuple[int, ...]
    labels: tuple[Mapping[str, str], ...] = ()  # of each place; empty where values are called what they are
    tags: bool = True


class Block(NamedTuple):
    """Some cells in order; `first` and `last` are the buckets of the first and the last of them."""

    first: int
    last: int
    data: bytes


class PackedCells:
    """Cells in order of their buckets, unpacked a block at a time as they are gone through."""

    def __init__(self, blocks: Iterable[tuple[int, Block]], choice: Choice) -> None:
        """Blocks in order, each with what is added to its buckets."""
        self._blocks = tuple(blocks)
        self._choice = choice

    def __iter__(self) -> Iterator[Cell]:
        """All of them."""
        return _merged(self._blocks, self._choice)

    def between(self, start: int, end: int, holding: Holding | None = None) -> Iterator[Cell]:
        """Those of buckets in `[start, end)`, of a value alone where one is told: of those, alike ones may be one."""
        blocks = [(shift, one) for shift, one in self._blocks if one.last + shift >= start and one.first + shift < end]
        return (cell for cell in _merged(blocks, self._choice, holding) if start <= cell.bucket < end)


def pack(cells: Iterable[Cell]) -> list[Block]:
    """Blocks of cells that are in order of their buckets."""
    blocks, rest = [], iter(cells)
    while part := list(islice(rest, _BLOCK)):
        blocks.append(Block(part[0].bucket, part[-1].bucket, _packed(part)))
    return blocks


def _packed(cells: Sequence[Cell]) -> bytes:
    columns = tuple(zip(*cells, strict=True))
    names = tuple(zip(*columns[1], strict=True))
    texts = _numbered(chain.from_iterable(names))
    sets = _numbered(columns[2])
    bucket, _, _, requests, cost, largest, squares, errors, paid, paid_cost, tokens, put, cached, again = columns
    # What follows from other figures in a cell of one request is nought, which takes no room.
    told: list[Sequence[int] | array[int] | array[float]] = [
        *(array("I", map(texts.__getitem__, column)) for column in names),
        array("I", map(sets.__getitem__, columns[2])), bucket, requests, cost, list(map(sub, cost, largest)),
        array("d", [0.0 if square == float(one) * one else square
                    for one, square in zip(cost, squares, strict=True)]),
        errors, paid, list(map(sub, cost, paid_cost)), tokens, put, cached, again,
    ]  # fmt: skip
    bodies = [_body(column) for column in told]
    head = json.dumps({
        "names": list(texts), "tags": list(sets),
        "columns": [(code, len(body)) for code, body in bodies],
    }).encode()  # fmt: skip
    return zlib.compress(b"".join([len(head).to_bytes(4, "little"), head, *(body for _, body in bodies)]), 1)


def _numbered(values: Iterable[Hashable]) -> dict[Any, int]:
    return {value: number for number, value in enumerate(dict.fromkeys(values))}


def _body(column: Sequence[int] | array[int] | array[float]) -> tuple[str, bytes]:
    if isinstance(column, array):
        return column.typecode, column.tobytes()
    try:
        return "q", array("q", column).tobytes()
    except OverflowError:  # more than nine million dollars
        return "j", json.dumps(list(column)).encode()


def _unpacked(block: Block, shift: int, choice: Choice, holding: Holding | None) -> Iterator[Cell]:
    data = zlib.decompress(block.data)
    at = 4 + int.from_bytes(data[:4], "little")
    head = json.loads(data[4:at])
    columns: list[Sequence[int]] = []
    for code, length in head["columns"]:
        body = data[at : at + length]
        columns.append(json.loads(body) if code == "j" else array(code, body))
        at += length
    texts: list[str | None] = head["names"]
    tags = [tuple(one) for one in head["tags"]]
    called = [_called(texts, choice.labels[number] if choice.labels else {}) for number in range(len(choice.places))]
    if holding is not None:
        place, value = holding
        numbers = {number for number, text in enumerate(called[place]) if text == value}
        if not numbers:
            return iter(())
        wanted = [number in numbers for number in columns[choice.places[place]]]
        columns = [list(compress(column, wanted)) for column in columns]
    sets, bucket, requests, cost, rest, squares, *counts = columns[-13:]
    names: list[Iterable[str | None]] = [
        map(values.__getitem__, columns[place]) for values, place in zip(called, choice.places, strict=True)
    ]
    errors, paid, unpaid, tokens, put, cached, again = counts
    made = zip(
        map(shift.__add__, bucket) if shift else bucket,
        zip(*names, strict=True),
        map(tags.__getitem__, sets) if choice.tags else repeat(()),
        requests,
        cost,
        map(sub, cost, rest),
        [square or float(one) * one for one, square in zip(cost, squares, strict=True)],
        errors,
        paid,
        map(sub, cost, unpaid),
        tokens,
        put,
        cached,
        again,
        strict=False,  # no tags go on for ever
    )
    return map(partial(tuple.__new__, Cell), made)


def _called(texts: Sequence[str | None], labels: Mapping[str, str]) -> Sequence[str | None]:
    return [labels.get(text, text) if text is not None else None for text in texts] if labels else texts


def _merged(
    blocks: Iterable[tuple[int, Block]], choice: Choice, holding: Holding | None = None
) -> Iterator[Cell]:  # fmt: skip
    """Cells of one bucket that are alike in the chosen names follow each other: they are one."""
    before: Cell | None = None
    for shift, block in blocks:
        for cell in _unpacked(block, shift, choice, holding):
            if before is None:
                before = cell
            elif cell.names == before.names and cell.bucket == before.bucket and cell.tags == before.tags:
                before = _joined(before, cell)
            else:
                yield before
                before = cell
    if before is not None:
        yield before


def _joined(one: Cell, other: Cell) -> Cell:
    return Cell(
        one.bucket, one.names, one.tags, one.requests + other.requests, one.cost + other.cost,
        max(one.largest, other.largest), one.squares + other.squares,
        *(first + second for first, second in zip(one[7:], other[7:], strict=True)),
    )  # fmt: skip
