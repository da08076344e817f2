"""Questions that block, run on a few threads of their own with a bound on their time and their number."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from cost_top.serve.errors import PATIENCE_SECONDS, Problem

T = TypeVar("T")


class Asking:
    """Runs blocking calls off the event loop, `threads` at a time.

    A call that takes too long is answered with 503, but its thread counts until it is done: a pool that gave its
    place away would grow with every slow question. Threads are daemons, so none holds up the end of the process.
    """

    def __init__(self, threads: int, waiting: int, seconds: float) -> None:
        """At most `waiting` calls wait for a thread; a call may take `seconds`, its wait included."""
        self._free = asyncio.Semaphore(threads)
        self._most = waiting
        self._seconds = seconds
        self._waiting = 0

    async def ask(self, call: Callable[[], T]) -> T:
        """The call's result or its error; `Problem` 503 when it does not come in time or too many wait."""
        if self._waiting >= self._most:
            raise Problem(503, "too many questions wait for the source; ask again later", retry_after=PATIENCE_SECONDS)
        self._waiting += 1
        try:
            async with asyncio.timeout(self._seconds):
                await self._free.acquire()
                return await self._run(call)
        except TimeoutError:
            raise Problem(503, "the source is slow to answer; ask again later", retry_after=PATIENCE_SECONDS) from None
        finally:
            self._waiting -= 1

    async def reply(self, call: Callable[[Callable[[T], None]], None]) -> T:
        """What is handed to the callback that `call` is given, on whatever thread."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        call(lambda value: _tell(loop, lambda: None if future.done() else future.set_result(value)))
        try:
            async with asyncio.timeout(self._seconds):
                return await future
        except TimeoutError:
            raise Problem(503, "the source is slow to answer; ask again later", retry_after=PATIENCE_SECONDS) from None

    async def _run(self, call: Callable[[], T]) -> T:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()

        def finish(result: Any, error: BaseException | None) -> None:
            self._free.release()
            if future.done():
                return
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(result)

        def work() -> None:
            result, error = None, None
            try:
                result = call()
            except BaseException as raised:
                error = raised
            _tell(loop, lambda: finish(result, error))

        threading.Thread(target=work, name="question", daemon=True).start()
        answer: T = await future
        return answer


def _tell(loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> None:
    with suppress(RuntimeError):  # the loop has ended
        loop.call_soon_threadsafe(callback)
