"""Files of ours: private to the user, whole or not there at all."""

from __future__ import annotations

import atexit
import errno
import hashlib
import json
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from cost_top.model.errors import UserError

# A process's temporary files are in a folder that is locked while it lives.
_PREFIX = "cost-top-files-"
_BEGINNING = 60.0  # seconds: a folder that was made and is not locked yet is nobody's only when it is older
_ASKED_AGAIN = 0.005  # seconds
_TEMPORARY: list[Path] = []  # at most one
_UNFINISHED: set[Path] = set()
# Where sealed answers are below the cache folder, of report APIs and of `report --format line`.
ANSWERS = ("api-*/[!.]*.json", "line-*.json")
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
        take_the_place(Path(name), path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def replace_sealed(path: Path, document: Any) -> None:
    """As `replace_private`, a document in JSON under a hash of its name and text."""
    text = json.dumps(document)
    replace_private(path, f"{_seal(path, text)}\n{text}")


def read_sealed(path: Path) -> Any:
    """The document of `replace_sealed`; None where there is none, or not the one that was written."""
    try:
        seal, _, text = b"".join(blocks_of(path)).decode().partition("\n")
        return json.loads(text) if seal == _seal(path, text) else None
    except (OSError, ValueError):
        return None


def _seal(path: Path, text: str) -> str:
    return hashlib.sha256(f"{path.name}\n{text}".encode()).hexdigest()[:32]


def blocks_of(path: Path) -> Iterator[bytes]:
    """The bytes of a file of ours; `OSError` where it is gone, or something else stands in its place."""
    never_waits = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0)
    handle = os.open(path, os.O_RDONLY | never_waits | getattr(os, "O_BINARY", 0))
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "no regular file", str(path))
        while block := file.read(1 << 20):
            yield block


def take_the_place(new: Path, path: Path) -> None:
    """Rename a file to `path`, whatever stands there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    new.replace(path)


def remove(path: Path) -> None:
    """Remove a file, or a folder that stands in its place; what cannot be removed stays."""
    with suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def temporary_file(suffix: str) -> Path:
    """An empty private file that goes when the process ends, with what SQLite puts beside it.

    What a process that was killed has left is removed by the next.
    """
    if not _TEMPORARY:
        for left in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
            remove_if_left(left)
        _TEMPORARY.append(Path(tempfile.mkdtemp(prefix=_PREFIX)))  # mode 0700
        with suppress(OSError, ImportError):
            locked(_TEMPORARY[0])
    handle, name = tempfile.mkstemp(suffix=suffix, dir=_TEMPORARY[0])
    os.close(handle)
    return Path(name)


@contextmanager
def unfinished(path: Path) -> Iterator[None]:
    """A file that is gone after the block unless it was renamed, also where the process ends within it."""
    _UNFINISHED.add(path)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        _UNFINISHED.discard(path)


@atexit.register
def remove_temporary() -> None:
    """Remove the files of `temporary_file` and `unfinished` now."""
    for path in list(_UNFINISHED):
        remove(path)
    while _TEMPORARY:
        folder = _TEMPORARY.pop()
        with suppress(OSError):  # other threads put nothing into it any more
            folder = folder.rename(folder.with_name(f"{folder.name}.gone"))
        shutil.rmtree(folder, ignore_errors=True)


def locked(folder: Path) -> int:
    """A handle that keeps a folder locked while its process lives; `OSError` where another has it.

    `ImportError` where the system knows no such locks.
    """
    import fcntl

    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise
    return handle


@contextmanager
def held(path: Path, *, alone: bool, seconds: float) -> Iterator[bool]:
    """Hold a lock file, alone or together with others; gives whether it was had within so many seconds.

    Always had where the system knows no such locks.
    """
    try:
        import fcntl
    except ImportError:
        yield True
        return
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    until = time.monotonic() + seconds
    try:
        while True:
            try:
                fcntl.flock(handle, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
                is_had = True
            except BlockingIOError:
                is_had = False
            if is_had or time.monotonic() >= until:
                break
            time.sleep(_ASKED_AGAIN)
        yield is_had
    finally:
        os.close(handle)


def remove_if_left(folder: Path) -> None:
    """Remove a folder of ours that no living process has locked."""
    with suppress(OSError, ImportError, AttributeError):
        found = folder.lstat()
        if found.st_uid == os.geteuid() and time.time() - found.st_mtime > _BEGINNING:
            handle = locked(folder)
            shutil.rmtree(folder, ignore_errors=True)
            os.close(handle)


def lock_of(path: Path) -> Path:
    """What is `held` to copy into a SQLite file of ours (alone), or to open it."""
    return path.with_suffix(".lock")


def remove_database(path: Path) -> None:
    """Remove a SQLite file and what lies beside it."""
    for suffix in ("", "-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
