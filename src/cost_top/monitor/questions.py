"""Questions of a face that may wait: put to a source one after another, on a thread of their own."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import TypeVar

from cost_top.model.answers import Answers
from cost_top.model.errors import SourceError, UserError, one_line

T = TypeVar("T")


class Questions:
    """The thread begins with the first question and ends with `close`."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self._waiting: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def put(self, question: Callable[[Answers], T], reply: Callable[[T], None], refuse: Callable[[str], None]) -> None:
        """See `model.feed.Feed.ask`."""
        self._waiting.put(lambda: answer(self._answers, question, reply, refuse))
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="questions", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """No more questions; one that is under way ends with its source."""
        self._waiting.put(None)

    def _run(self) -> None:
        while (ask := self._waiting.get()) is not None:
            ask()


def answer(
    answers: Answers, question: Callable[[Answers], T], reply: Callable[[T], None], refuse: Callable[[str], None]
) -> None:  # fmt: skip
    """Put a question, and tell its answer or why there is none; whatever fails, somebody is told."""
    try:
        found = question(answers)
    except (UserError, SourceError) as error:
        refuse(one_line(error))
    except Exception as error:
        refuse(f"cost-top failed: {type(error).__name__}: {one_line(error)}")
    else:
        reply(found)
