"""Kept files in use: who reads one gives it a name of his own first, in a folder that goes with him.

Others, in this process or another, may replace or remove it at any time: it stays until he has done with it.
"""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from cost_top.model.files import locked, remove_if_left

_PREFIX = ".held-"


class HeldFiles:
    """What one reader holds of a folder's files. Several threads may hold and release."""

    def __init__(self, folder: Path) -> None:
        """Remove what readers that died have left."""
        self._folder = folder
        self._own: Path | None = None
        self._lock: int | None = None
        self._numbers = itertools.count()
        for left in folder.glob(f"{_PREFIX}*"):
            remove_if_left(left)
        with suppress(OSError, ImportError):
            self._own = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=folder))  # mode 0700
            self._lock = locked(self._own)

    def hold(self, path: Path) -> Path | None:
        """A name under which a file stays until it is released; None where it is gone.

        The file's own where the disk knows no second name.
        """
        if self._lock is None or self._own is None:
            return path
        held = self._own / f"{next(self._numbers)}{path.suffix}"
        try:
            os.link(path, held)
        except OSError:
            return path if path.exists() else None
        return held

    def release(self, held: Path) -> None:
        """Have done with a file."""
        if held.parent == self._own:
            held.unlink(missing_ok=True)

    def close(self) -> None:
        """Have done with all."""
        if self._own is not None:
            shutil.rmtree(self._own, ignore_errors=True)
        if self._lock is not None:
            os.close(self._lock)
        self._own = self._lock = None


def is_in_use(folder: Path) -> bool:
    """Whether a living reader holds files of a folder."""
    for own in folder.glob(f"{_PREFIX}*"):
        try:
            os.close(locked(own))
        except BlockingIOError:
            return True
        except (OSError, ImportError):
            continue
    return False
