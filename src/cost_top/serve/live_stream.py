"""One live stream: the newest snapshot of a view, written as fast as the terminal reads and no faster."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable
from contextlib import suppress
from dataclasses import MISSING, fields, replace
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from cost_top.model.errors import SourceError, UserError
from cost_top.model.snapshot import Asking, Load, Snapshot, Stale
from cost_top.model.view import View
from cost_top.model.wire import snapshot_to_json
from cost_top.serve.admission import Asker
from cost_top.serve.bodies import Watched
from cost_top.serve.errors import Problem, harmless, problem_of, problem_response
from cost_top.serve.exact import dumps
from cost_top.serve.serving import Serving

_NAMES = tuple(each.name for each in fields(Snapshot))
_EMPTY: dict[str, Any] = {
    each.name: each.default_factory() if each.default_factory is not MISSING else each.default
    for each in fields(Snapshot)
    if each.default is not MISSING or each.default_factory is not MISSING
}
_KEPT = 32


class Newest:
    """The newest snapshot that was published; older ones that nobody took are gone."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        self._snapshot: Snapshot | None = None
        self.failure: Exception | None = None

    def fail(self, error: Exception) -> None:
        """From any thread: no more will come."""
        self.failure = error
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._changed.set)

    def put(self, snapshot: Snapshot) -> None:
        """From any thread."""
        self._snapshot = snapshot
        with suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._changed.set)

    async def wait(self) -> None:
        """Until there is one to take."""
        await self._changed.wait()

    def take(self) -> Snapshot | None:
        """The newest one."""
        self._changed.clear()
        return self._snapshot


class Encoder:
    """Events, encoded once for all streams that were last sent the same snapshot and get the same one now."""

    def __init__(self) -> None:
        # The snapshots are kept beside the texts, so that no other one can come to have their identity.
        self._kept: OrderedDict[tuple[int, int], tuple[Snapshot | None, Snapshot, bytes]] = OrderedDict()

    def event(self, last: Snapshot | None, snapshot: Snapshot) -> bytes:
        """The event that leads from `last` to `snapshot`; empty when nothing differs."""
        key = (id(last), id(snapshot))
        if key in self._kept:
            return self._kept[key][2]
        text = _event(last, snapshot)
        self._kept[key] = (last, snapshot, text)
        if len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return text


def _event(last: Snapshot | None, snapshot: Snapshot) -> bytes:
    changed = [name for name in _NAMES if last is None or getattr(last, name) != getattr(snapshot, name)]
    if not changed:
        return b""
    # What did not change is emptied first: writing it out would be most of the work.
    slim = replace(snapshot, **{name: empty for name, empty in _EMPTY.items() if name not in changed})
    encoded = snapshot_to_json(slim)
    return b"event: snapshot\ndata: " + dumps({name: encoded[name] for name in changed}) + b"\n\n"


_encoder = Encoder()


class LiveStream(Response):
    """Watches while the client is there, and ends when the server does."""

    media_type = "text/event-stream"

    def __init__(self, serving: Serving, asker: Asker, watched: Watched) -> None:
        """Nothing is watched before the response is called."""
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._serving = serving
        self._asker = asker
        self._watched = watched
        self._last: Snapshot | None = None  # as published

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Write events until either side goes."""
        newest = Newest()
        try:
            self._serving.streams.enter(self._asker.who)
        except Problem as problem:
            await problem_response(problem)(scope, receive, send)
            return
        try:
            view = self._watched.within(self._asker.scope)
            try:
                self._check(view)
                watch = self._serving.hub.subscribe(view, self._watched.zone, newest.put, newest.fail)
            except (UserError, SourceError) as error:
                await problem_response(problem_of(error))(scope, receive, send)
                return
            try:
                await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
                await self._write(newest, receive, send)
            finally:
                watch.close()
        finally:
            self._serving.streams.leave(self._asker.who)

    def _check(self, view: View) -> None:
        reason = self._serving.hub.refuses(view)
        if reason is not None:
            raise UserError(reason)

    async def _write(self, newest: Newest, receive: Receive, send: Send) -> None:
        gone = asyncio.ensure_future(_until_gone(receive))
        stopping = asyncio.ensure_future(self._serving.stopping.wait())
        settings = self._serving.settings
        try:
            while True:
                changed = asyncio.ensure_future(newest.wait())
                ends = await _first(changed, gone, stopping, seconds=settings.keepalive_seconds)
                if gone in ends:
                    return
                refused = not self._serving.admits_still(self._asker)
                if stopping in ends or newest.failure is not None or refused:
                    problem = Problem(503, "the server ends", retry_after=1)
                    if newest.failure is not None:
                        problem = problem_of(newest.failure)
                    elif refused:
                        problem = Problem(401, "the bearer token is not known any more, or sees something else")
                    await _first(_body(send, b"event: error\ndata: " + dumps(problem.body()) + b"\n\n"), seconds=0.5)
                    await _first(send({"type": "http.response.body", "body": b""}), seconds=0.5)
                    return
                event = self._event(newest.take()) if ends else b": alive\n\n"
                if event:
                    sending = asyncio.ensure_future(_body(send, event))
                    if sending not in await _first(sending, gone, stopping, seconds=settings.stuck_seconds, keep=True):
                        sending.cancel()
                        return
                    sending.result()
        finally:
            gone.cancel()
            stopping.cancel()

    def _event(self, snapshot: Snapshot | None) -> bytes:
        if snapshot is None:
            return b""
        shown = self._shown(snapshot)
        event = _encoder.event(self._last, shown)
        self._last = shown
        return event

    def _shown(self, snapshot: Snapshot) -> Snapshot:
        """The snapshot as this asker may see it: with the view it asked for, and nothing about what it may not see."""
        state, filling, asking = snapshot.state, snapshot.filling, snapshot.asking
        if isinstance(state, Stale):
            snapshot = replace(snapshot, state=replace(state, error=harmless(state.error)))
        if filling is not None and filling.error:
            snapshot = replace(snapshot, filling=replace(filling, error=harmless(filling.error)))
        if not self._asker.scope:
            return snapshot
        return replace(
            snapshot,
            view=self._watched.view,
            newest=None,
            lateness=None,
            log_rows=snapshot.spend.measures.request_count if snapshot.log_rows is not None else None,
            trust=replace(snapshot.trust, late_count=0, repeated_count=0),
            asking=Asking(asking.interval) if asking is not None else None,
            balance=None,
            load=Load(),
        )


async def _body(send: Send, text: bytes) -> None:
    await send({"type": "http.response.body", "body": text, "more_body": True})


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _first(*waited: Awaitable[object], seconds: float, keep: bool = False) -> set[Any]:
    """Those that are done when the first is, or when the time is over. The first one given is not left waiting."""
    futures = [asyncio.ensure_future(one) for one in waited]
    done, _ = await asyncio.wait(futures, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    if not keep and not futures[0].done():
        futures[0].cancel()
    return done
