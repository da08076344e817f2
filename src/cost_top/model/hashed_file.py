"""Kept files that are known by a hash of what they are and hold: `NAME.HASH.SUFFIX`, whole or not there at all.

A damaged file, one of another name or one made by somebody else is none of ours.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from cost_top.model.files import blocks_of, take_the_place

STATEMENTS = "statements"  # the folder of compiled statements in the cache folder
_HASH = 16


def find_whole(folder: Path, name: str, suffix: str) -> Path | None:
    """The whole file of a name without its hash."""
    return next((path for path in of_name(folder, name, suffix) if is_whole(path)), None)


def of_name(folder: Path, name: str, suffix: str) -> Iterator[Path]:
    """The files of a name without its hash, whole or not. Patterns take longer: a folder is looked at for every day."""
    try:
        there = os.listdir(folder)
    except OSError:
        return
    for each in there:
        if each.startswith(f"{name}.") and each.endswith(suffix):
            yield folder / each


def put(folder: Path, fill: Callable[[Path], object], name: str, suffix: str) -> Path:
    """Keep what `fill` writes into a new private file; its path. Nothing is left of one that could not be written."""
    handle, made = tempfile.mkstemp(prefix=".new-", suffix=suffix, dir=folder)  # mode 0600
    os.close(handle)
    try:
        fill(Path(made))
        path = folder / f"{name}.{_hash(name, Path(made))}{suffix}"
        take_the_place(Path(made), path)
        return path
    except BaseException:
        Path(made).unlink(missing_ok=True)
        raise


def is_whole(path: Path) -> bool:
    """Whether a file holds what was written under its name; not one that is gone."""
    name, _, rest = path.stem.rpartition(".")
    try:
        return bool(name) and rest == _hash(name, path)
    except OSError:
        return False


def _hash(name: str, path: Path) -> str:
    digest = hashlib.sha256(name.encode())
    for block in blocks_of(path):
        digest.update(block)
    return digest.hexdigest()[:_HASH]
