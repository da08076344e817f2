"""Questions to a watched log that wait until the mirror holds their period."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from cost_top.model.windows import Period
from cost_top.monitor.thread import clock, fulfil

if TYPE_CHECKING:
    from cost_top.monitor.log.history import History

# A question waits this long for history that is still being read.
ANSWER_SECONDS = 45.0
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Waiting:
    period: Period
    future: Future[Any]
    answer: Callable[[], Any]
    deadline: float  # monotonic seconds


class WaitingQuestions:
    """Used on the log's thread."""

    def __init__(self) -> None:
        self._waiting: list[_Waiting] = []

    def __bool__(self) -> bool:
        """Whether one waits."""
        return bool(self._waiting)

    def add(self, period: Period, future: Future[T], answer: Callable[[], T]) -> None:
        """Answer the future as soon as the mirror holds the period."""
        self._waiting.append(_Waiting(period, future, answer, clock() + ANSWER_SECONDS))

    def answer(self, history: History, not_yet: Callable[[], NoReturn]) -> None:
        """Answer those whose period is held; those that wait too long learn why: `not_yet` raises it."""
        import duckdb

        waiting = []
        for question in self._waiting:
            if history.covers(question.period):
                try:
                    fulfil(question.future, question.answer, let=duckdb.Error)
                except duckdb.Error as error:
                    # A kept day is gone or damaged: it is read again, and the question waits for it.
                    if history.forget_lost_days(thorough=True):
                        waiting.append(question)
                    else:
                        fulfil(question.future, partial(_fail, error))
            elif clock() > question.deadline:
                fulfil(question.future, not_yet)
            else:
                history.want(question.period, gently=True)
                waiting.append(question)
        self._waiting = waiting


def _fail(error: Exception) -> NoReturn:
    raise error
