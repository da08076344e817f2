"""Filters that were used, kept for the next run: few, private, and none that could hold a key."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from cost_top.model.errors import UserError
from cost_top.model.secret import maybe_key

MOST, LONGEST = 50, 500


class FilterHistory:
    """The newest last. With a `path` they outlive the run, as far as the file can be read and written."""

    def __init__(self, path: Path | None, tell: Callable[[str], object]) -> None:
        """`tell` shows a line to the reader."""
        self._path = path
        self._tell = tell
        self._known: list[str] | None = None

    def entries(self) -> list[str]:
        """All that are known."""
        if self._known is None:
            self._known = self._kept(None)
        return self._known

    def add(self, text: str) -> None:
        """Remember a filter. One that may hold a key, or the beginning of one, is not remembered."""
        if not text or len(text) > LONGEST or maybe_key(text):
            return
        known = [one for one in self.entries() if one != text]
        self._known = [*known, text][-MOST:]
        if self._path is not None:
            self._known = self._kept(text)

    def _tell_of(self, aside: Path) -> None:
        self._tell(f"the filters of earlier runs were not readable and are now {aside}")

    def _kept(self, new: str | None) -> list[str]:
        """What the file holds, with `new` added to it; what is known of this run where it cannot be used."""
        known = self._known or []
        if self._path is None or (new is None and not self._path.exists()):
            return known
        from cost_top.state.state_file import StateFile

        file = StateFile(self._path, self._tell_of)
        try:
            document = file.open()
        except (UserError, OSError, ImportError):
            return known
        try:
            told = document.get("filters")
            kept = [one for one in told if isinstance(one, str)] if isinstance(told, list) else []
            if new is not None:
                kept = [*(one for one in kept if one != new), new][-MOST:]
                file.save({"filters": kept})
            return kept
        except OSError:
            return known
        finally:
            file.close()
