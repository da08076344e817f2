"""The middleware around an application of this process, asking a real server."""

from __future__ import annotations

import httpx
import pytest

from cost_top.guard.asgi import GuardMiddleware
from cost_top.model.errors import UserError
from support.guarded import CONFIG, NOTHING_ASIDE, fresh, guarded, spend, wait_until
from support.native_log import NativeLog


async def call(app, path: str, method: str = "POST") -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://app") as client:
        return await client.request(method, path, json={"model": "m"}, headers={"Authorization": "Bearer sk-1"})


class App:
    """Counts what reaches it."""

    def __init__(self) -> None:
        self.reached = 0

    async def __call__(self, scope, receive, send) -> None:
        self.reached += 1
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})


class Says:
    """Puts a user into the scope, as an application's own authentication would."""

    def __init__(self, app, user: str) -> None:
        self.app, self.user = app, user

    async def __call__(self, scope, receive, send) -> None:
        scope.setdefault("cost_top", {})["user"] = self.user
        await self.app(scope, receive, send)


async def test_a_refused_call_does_not_reach_the_application(tmp_path, capsys):
    log = NativeLog(tmp_path / "gateway.db")
    spend(log, "ann", 0.6)
    (tmp_path / "config.toml").write_text(CONFIG + NOTHING_ASIDE)
    with guarded(tmp_path, log) as server:
        wait_until(lambda: fresh(server))
        inner = App()
        guard = GuardMiddleware(inner, server.url)
        refused = await call(Says(guard, "ann"), "/v1/chat/completions")
        assert (refused.status_code, inner.reached) == (422, 0)
        assert refused.json()["error"]["budget"] == "user-day"
        assert refused.headers["x-should-retry"] == "false"
        assert refused.headers["x-cost-top-budget"] == "user-day"
        assert (await call(Says(guard, "bob"), "/v1/chat/completions")).text == "ok"
        assert (await call(Says(guard, "ann"), "/health")).text == "ok"  # no model call
        assert (await call(Says(guard, "ann"), "/v1/chat/completions", "GET")).text == "ok"
        server.end()
    assert (await call(Says(guard, "ann"), "/v1/chat/completions")).text == "ok"
    assert "cost-top guard: does not answer" in capsys.readouterr().err
    await guard({"type": "lifespan"}, None, ignore)
    log.close()


async def ignore(_) -> None: ...


def test_an_address_that_is_none_is_refused_at_once():
    with pytest.raises(UserError, match="is no URL"):
        GuardMiddleware(App(), "localhost:8377")
