"""Files of ours: private to the user, whole or not there at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def replace_private(path: Path, text: str) -> None:
    """Put a file there that only its owner can read, in one step; `OSError` leaves the old one."""
    handle, name = tempfile.mkstemp(prefix=".new-", suffix=path.suffix, dir=path.parent)  # mode 0600
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
