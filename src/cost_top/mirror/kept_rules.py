"""What the rules have learned of a log, beside its days: `insight.learned.Shelf`. Any thread may use it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import BinaryIO

from cost_top.mirror.days import Days
from cost_top.mirror.kept import LEARNED
from cost_top.model.code import code_hash
from cost_top.model.files import remove

_MOST = 2  # files: two that watch the same log may watch different dimensions


class KeptRules:
    """One file of a form, of the last day that was asked for."""

    def __init__(self, days: Days) -> None:
        self._days = days

    def open(self, day: date, form: str) -> BinaryIO | None:
        """What is kept until the end of a day; None where nothing whole is."""
        files = self._days.files
        path = files.find(_name(day, files.rates, form), LEARNED) if files is not None else None
        try:
            return path.open("rb") if path is not None else None
        except OSError:  # gone meanwhile
            return None

    def keep(self, day: date, form: str, fill: Callable[[BinaryIO], None]) -> None:
        """Keep what `fill` writes instead of what is kept of that form; without a place for it, it is learned again."""
        files = self._days.files
        if files is None:
            return

        def write(made: Path) -> None:
            with made.open("wb") as file:
                fill(file)

        with suppress(OSError):
            path = files.fill(write, _name(day, files.rates, form), LEARNED)
            others = [other for other in files.all_of(LEARNED) if other != path]
            of_form = [other for other in others if f".{_said(form)}." in other.name]
            rest = [other for other in others if other not in of_form]
            for other in (*of_form, *rest[: len(rest) + 1 - _MOST]):
                remove(other)


def _name(day: date, rates: str, form: str) -> str:
    return f"{day}.rules.{rates}.{_said(form)}"


def _said(form: str) -> str:
    """With the code that made it."""
    return f"{form}-{code_hash('insight')}"
