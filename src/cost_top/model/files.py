"""Files of ours: private to the user, whole or not there at all."""

from __future__ import annotations

import atexit
import errno
import os
import stat
import tempfile
from pathlib import Path

from cost_top.model.errors import UserError

_TEMPORARY: set[Path] = set()
_ELSEWHERE = "name another with COST_TOP_CACHE, or use --no-cache"


def private_folder(path: Path, top: Path) -> None:
    """Make a folder below the cache folder `top` that only its owner can write to; `OSError` where that fails.

    `UserError` where others can write to one of them: they could put figures on the screen.
    """
    for folder in (top, path):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if os.name == "posix":
            _check_owner(folder, folder.stat())
    if not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))


def cache_folder(path: Path, top: Path) -> None:
    """As `private_folder`, with `UserError` for everything that is wrong."""
    try:
        private_folder(path, top)
    except OSError as error:
        raise UserError(f"cache folder {path}: {error.strerror or error}; {_ELSEWHERE}") from error


def _check_owner(folder: Path, found: os.stat_result) -> None:
    if found.st_uid not in (os.geteuid(), 0):
        raise UserError(f"cache folder {folder}: belongs to another user; {_ELSEWHERE}")
    if found.st_mode & stat.S_IWOTH and not found.st_mode & stat.S_ISVTX:
        raise UserError(f"cache folder {folder}: can be written to by others; run chmod 700 on it, or {_ELSEWHERE}")
    if found.st_mode & stat.S_IWGRP and not found.st_mode & stat.S_ISVTX:
        if found.st_gid != os.getegid():
            raise UserError(
                f"cache folder {folder}: can be written to by a group; run chmod 700 on it, or {_ELSEWHERE}"
            )
        folder.chmod(stat.S_IMODE(found.st_mode) & ~stat.S_IWGRP)  # of an umask for the user's own group


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


def temporary_file(prefix: str, suffix: str) -> Path:
    """An empty private file that is removed when the process ends, with what SQLite puts beside it."""
    handle, name = tempfile.mkstemp(prefix=prefix, suffix=suffix)
    os.close(handle)
    path = Path(name)
    _TEMPORARY.add(path)
    return path


@atexit.register
def remove_temporary() -> None:
    """Remove the files of `temporary_file` now."""
    while _TEMPORARY:
        remove_database(_TEMPORARY.pop())


def remove_database(path: Path) -> None:
    """Remove a SQLite file and what lies beside it."""
    _TEMPORARY.discard(path)
    for suffix in ("", "-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
