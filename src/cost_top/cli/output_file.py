"""Where `--output` writes: a private file that is put there whole, or what stands there already and is no file."""

from __future__ import annotations

import os
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TextIO

from cost_top.model.errors import UserError, one_line
from cost_top.model.files import unfinished


@contextmanager
def opened_output(path: Path, source: str | None, endless: bool = False) -> Iterator[TextIO]:
    """A file that is there, or anew, when the block ends well; a device or a pipe is written to as it is.

    What is `endless` is there from the first line on, and what stood there is until `emptied`.
    `UserError` where it cannot be written, or is a file of the `source`.
    """
    shown = f"--output {one_line(path, 200)}"
    if source is not None and _is_of(path, source):
        raise UserError(f"{shown}: is the log itself; give another file")
    if _is_standard_output(path):
        yield sys.stdout
        return
    try:
        target, partial, made = path, None, False
        if path.exists() and not stat.S_ISREG(path.stat().st_mode):
            handle = os.open(path, os.O_WRONLY)
        elif endless:
            made = not path.exists()
            handle = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
        else:
            target = path.resolve()  # the file behind a link, not the link
            handle, name = tempfile.mkstemp(prefix=f".{target.name[:40]}-", dir=target.parent)  # mode 0600
            partial = Path(name)
    except OSError as error:
        raise UserError(f"{shown}: {error.strerror}; give a file in a folder you may write to") from None
    with nullcontext() if partial is None else unfinished(partial):
        try:
            with os.fdopen(handle, "w", 1 if endless else -1, encoding="utf-8", newline="") as file:
                yield file
        except UserError:
            if made and not path.stat().st_size:
                path.unlink()  # the source told nothing
            raise
        if partial is not None:
            partial.replace(target)


def emptied(file: TextIO) -> None:
    """Make room in what `opened_output` gave, where it is a file by itself: from now on it is the reader's alone."""
    if file is not sys.stdout and stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        os.fchmod(file.fileno(), 0o600)
        file.truncate(0)


def _is_standard_output(path: Path) -> bool:
    """Whether it is `/dev/stdout` by some name: what the shell has opened must not be put aside."""
    try:
        return os.path.samestat(path.stat(), os.fstat(1))
    except OSError:
        return False


def _is_of(path: Path, source: str) -> bool:
    """Whether a file is one that is read."""
    from cost_top.sources.files.found import files_of

    scheme, colon, rest = source.partition("://")
    try:
        here = path.stat()
        found = files_of((rest[1:] if colon and scheme == "sqlite" else source,))
    except (OSError, ValueError):
        return False
    return (here.st_dev, here.st_ino) in {(file.device, file.inode) for file in found}
