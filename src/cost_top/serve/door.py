"""The outermost layer: admits or refuses, adds the security headers, hides what fails unexpectedly."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cost_top.model.errors import one_line
from cost_top.serve.admission import Admission
from cost_top.serve.errors import problem_of, problem_response

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_SECURE = tuple((name.lower().encode(), value.encode()) for name, value in _HEADERS.items())


class Door:
    """ASGI middleware around the whole application."""

    def __init__(self, app: ASGIApp, admission: Admission, access_log: bool) -> None:
        self._app = app
        self._guard = admission
        self._access_log = access_log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        began = time.monotonic()
        status = 0

        async def secured(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = with_security(message.get("headers", ()))
            await send(message)

        try:
            scope.setdefault("state", {})["asker"] = await self._guard.admit(scope)
            await self._app(scope, receive, secured)
        except Exception as error:
            problem = problem_of(error)
            if status:
                raise  # the answer has begun: all that is left is to cut it off
            await problem_response(problem)(scope, receive, secured)
        finally:
            if self._access_log:
                _log(scope, status, time.monotonic() - began)


def with_security(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """The headers of an answer and those for security that it does not set itself."""
    own = list(headers)
    names = {name.lower() for name, _ in own}
    return [*own, *((name, value) for name, value in _SECURE if name not in names)]


def _log(scope: Scope, status: int, seconds: float) -> None:
    """The path is that of the route, which names no key and no value."""
    route = scope.get("route")
    path = getattr(route, "path_format", None) or one_line(scope["path"], 100)
    sys.stderr.write(f"{one_line(scope['method'], 20)} {path} {status} {seconds * 1000:.0f} ms\n")
    sys.stderr.flush()
