"""One JSON document that outlives a run. Private, locked while it is used, on disk before `save` returns."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cost_top.model.errors import UserError, one_line

LARGEST = 1_000_000
VARIABLE = "COST_TOP_STATE"
_BEGINNING = b'{"version"'  # of each state that a watch has written


def state_folder() -> Path:
    """`COST_TOP_STATE`, else the user's state folder for cost-top."""
    named = os.environ.get(VARIABLE)
    if named:
        return Path(named).expanduser()
    from platformdirs import user_state_path

    return user_state_path("cost-top")


class StateFile:
    """The document at `path`. `open` takes the lock, `close` gives it back; a process that dies gives it back too."""

    def __init__(
        self, path: Path, set_aside: Callable[[Path], None] | None = None, named_by_user: bool = False
    ) -> None:
        """`set_aside` is told where a document that cannot be read is now; by default stderr is.

        A path that was `named_by_user` may be of another file by mistake: that one is neither moved nor replaced.
        """
        self.path = path
        self._named_by_user = named_by_user
        self._set_aside = set_aside or _said
        self._lock: int | None = None

    def open(self) -> dict[str, Any]:
        """The document, empty where there is none. `UserError` when another process uses it.

        One that cannot be read is set aside under another name, and that is told: it may be of use to a person.
        """
        import fcntl

        if self._named_by_user and not _may_be_ours(self.path):
            raise UserError(f"state file {self.path}: is no state of cost-top watch; give another with --state")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = os.open(self.path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.close()
            raise UserError(
                f"state file {self.path}: another cost-top watch uses it; end that one, or give --state"
            ) from None
        except OSError as error:
            self.close()
            raise UserError(
                f"state file {self.path}: {error.strerror or one_line(error)}; give another with --state"
            ) from None
        return self._read()

    def save(self, document: dict[str, Any]) -> None:
        """Replace the document; on disk when this returns. `OSError` leaves the old one."""
        text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
        handle, name = tempfile.mkstemp(prefix=".new-", suffix=".json", dir=self.path.parent)  # mode 0600
        try:
            with os.fdopen(handle, "w", encoding="utf-8", errors="replace") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(self.path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def close(self) -> None:
        """Give the lock back."""
        if self._lock is not None:
            with contextlib.suppress(OSError):
                os.close(self._lock)
            self._lock = None

    def _read(self) -> dict[str, Any]:
        try:
            with self.path.open("rb") as file:
                content = file.read(4 * LARGEST + 1)
            document = json.loads(content.decode("utf-8"))
            if isinstance(document, dict) and len(content) <= 4 * LARGEST:
                return document
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise UserError(
                f"state file {self.path}: {error.strerror or one_line(error)}; give another with --state"
            ) from None
        except (ValueError, RecursionError):
            pass
        aside = self.path.with_suffix(".broken.json")
        self.path.replace(aside)
        self._set_aside(aside)
        return {}


def _may_be_ours(path: Path) -> bool:
    """Whether a watch may have written it: whole, cut off, or left empty by a machine that went down."""
    try:
        with path.open("rb") as file:
            start = file.read(4096).lstrip(b"\0 \n")[: len(_BEGINNING)]
    except OSError:
        return True  # not there, or told when it is read
    return _BEGINNING.startswith(start)


def _said(aside: Path) -> None:
    sys.stderr.write(f"cost-top watch: the state file was not readable and is now {aside}; beginning anew\n")
