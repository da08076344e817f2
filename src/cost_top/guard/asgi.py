"""ASGI middleware that asks the guard before a model call passes through any Python gateway.

app = GuardMiddleware(app, "http://127.0.0.1:8377", token="ct_…")
"""

from __future__ import annotations

import json
from typing import Any

from cost_top.guard.client import GuardClient
from cost_top.guard.question import FIELDS
from cost_top.record.asgi import PATHS, App, Receive, Scope, Send
from cost_top.record.request import lower_headers
from cost_top.record.secret import header_token

_TOLD = (*FIELDS, "tags", "estimated_cost", "id")


class GuardMiddleware:
    """Asks before each POST whose path ends in one of `paths`; a refused one is answered with 422 and goes no further.

    The guard is told the path, the public form of the key in the headers, and what the application put into
    `scope["cost_top"]` before it: `user`, `tags`, `model` and so on. The body is not read. While the guard does not
    answer, calls pass.
    """

    def __init__(self, app: App, url: str, token: str | None = None, *, paths: tuple[str, ...] = PATHS) -> None:
        """`url` is the address of `cost-top serve`, `token` one of its tokens with the permission `guard`."""
        self._app = app
        self._client = GuardClient(url, token)
        self._paths = paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "lifespan":
            try:
                await self._app(scope, receive, send)
            finally:
                await self._client.close()
            return
        path = scope.get("path", "") if scope["type"] == "http" and scope.get("method") == "POST" else ""
        if path.endswith(self._paths):
            refused = await self._client.ask(_call_of(scope, path))
            if refused is not None:
                await _answer(refused.body, refused.headers, send)
                return
        await self._app(scope, receive, send)


def _call_of(scope: Scope, path: str) -> dict[str, Any]:
    call: dict[str, Any] = {"endpoint": path[:512]}
    token = header_token(lower_headers(scope.get("headers", ())))
    if token is not None:
        call["token"] = token
    said = scope.get("cost_top")
    told = {name: said[name] for name in _TOLD if name in said} if isinstance(said, dict) else {}
    if "tags" in told:
        told["tags"] = [str(tag) for tag in told["tags"] or ()]
    return {**call, **told}


async def _answer(body: dict[str, Any], headers: dict[str, str], send: Send) -> None:
    content = json.dumps(body).encode()
    shown = {**headers, "content-type": "application/json", "content-length": str(len(content))}
    raw = [(name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in shown.items()]
    await send({"type": "http.response.start", "status": 422, "headers": raw})
    await send({"type": "http.response.body", "body": content})
