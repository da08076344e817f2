"""Answers that take long are not made again at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Generic, TypeVar

from cost_top.model.query import ReportQuery

Answer = TypeVar("Answer")
_MINUTE, _ANY = timedelta(minutes=1), datetime(1970, 1, 1, tzinfo=UTC)
_REST, _MOST = 10, 24


def question_of(query: ReportQuery, open_end: bool) -> Hashable:
    """What a question is, whenever it is asked: the time of a live one moves on, its length by the minute stays."""
    if not open_end:
        return query
    return replace(query, start=_ANY, end=_ANY), (query.end - query.start) // _MINUTE


class Rested(Generic[Answer]):
    """Keeps each answer for ten times as long as it took; of so many questions, the last."""

    def __init__(self) -> None:
        self._kept: dict[Hashable, tuple[float, Answer]] = {}  # when they are due again

    def of(self, question: Hashable, make: Callable[[], Answer]) -> Answer:
        """The answer of a moment ago, or the one that is made now."""
        due, began = self._kept.get(question), time.monotonic()
        if due is not None and began < due[0]:
            return due[1]
        answer, ended = make(), time.monotonic()
        while len(self._kept) >= _MOST:
            del self._kept[next(iter(self._kept))]
        self._kept[question] = (ended + _REST * (ended - began), answer)
        return answer

    def last(self, question: Hashable) -> Answer | None:
        """The answer that was made last, however long ago."""
        due = self._kept.get(question)
        return due[1] if due is not None else None

    def clear(self) -> None:
        """Forget them all."""
        self._kept.clear()
