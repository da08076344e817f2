"""Asking a guard elsewhere: one pooled connection, a short patience, and calls pass while it does not answer."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from cost_top.model.errors import UserError, one_line

if TYPE_CHECKING:
    import httpx

URL_VARIABLE = "COST_TOP_GUARD_URL"
TOKEN_VARIABLE = "COST_TOP_GUARD_TOKEN"  # noqa: S105 - the name of a variable
PATIENCE_VARIABLE = "COST_TOP_GUARD_PATIENCE"
PATIENCE_SECONDS = 0.1
_CONNECT_SECONDS = 0.5
_SAY_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Refused:
    """The guard's refusal: its JSON body and headers, for the client."""

    body: dict[str, Any]
    headers: dict[str, str]


class GuardClient:
    """Asks one guard. `asked` is None while it does not answer: the call passes, and stderr says so once a minute."""

    def __init__(self, url: str, token: str | None = None, patience: float = PATIENCE_SECONDS) -> None:
        """`url` is the address of `cost-top serve`; `patience` in seconds."""
        if not url.startswith(("http://", "https://")):
            raise UserError(f"the guard's address {one_line(url, 80)!r} is no URL; write http://127.0.0.1:8377")
        self._url = url.rstrip("/") + "/v1/guard"
        self._token = token
        self._patience = patience
        self._clients: WeakKeyDictionary[asyncio.AbstractEventLoop, httpx.AsyncClient] = WeakKeyDictionary()
        self._said = float("-inf")

    async def ask(self, call: dict[str, Any]) -> Refused | None:
        """Whether a call may be made: None when it may, or when nobody knows. `call` as `POST /v1/guard` takes it."""
        import httpx

        try:
            async with asyncio.timeout(self._patience + _CONNECT_SECONDS):
                answer = await self._client().post(self._url, json=call)
        except (httpx.HTTPError, TimeoutError, OSError) as error:
            self._say(f"does not answer ({type(error).__name__}): calls pass")
            return None
        if answer.status_code == 422:
            return self._refused(answer)
        if answer.status_code != 200:
            self._say(f"answers {answer.status_code}: {one_line(answer.text, 200)}: calls pass")
        return None

    async def close(self) -> None:
        """End the connections of this event loop."""
        client = self._clients.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await client.aclose()

    def _refused(self, answer: httpx.Response) -> Refused | None:
        try:
            body = answer.json()
        except ValueError:
            body = None
        if not isinstance(body, dict) or not isinstance(body.get("error"), dict):
            self._say("answers 422 without a reason: is that cost-top serve? Calls pass")
            return None
        kept = {name: value for name, value in answer.headers.items() if name.startswith(("x-cost-top-", "x-should-"))}
        return Refused(body, kept)

    def _client(self) -> httpx.AsyncClient:
        """One for each event loop: connections belong to theirs."""
        import httpx

        loop = asyncio.get_running_loop()
        if loop not in self._clients:
            headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
            timeout = httpx.Timeout(self._patience, connect=_CONNECT_SECONDS)
            self._clients[loop] = httpx.AsyncClient(headers=headers, timeout=timeout, trust_env=False)
        return self._clients[loop]

    def _say(self, what: str) -> None:
        now = time.monotonic()
        if now - self._said >= _SAY_SECONDS:
            self._said = now
            sys.stderr.write(f"cost-top guard: {what}\n")


def client_of_environment() -> GuardClient:
    """The guard at `COST_TOP_GUARD_URL`, with the token of `COST_TOP_GUARD_TOKEN`; see `COST_TOP_GUARD_PATIENCE`."""
    url = os.environ.get(URL_VARIABLE)
    if not url:
        raise UserError(f"{URL_VARIABLE}: not set; give the address of cost-top serve, such as http://127.0.0.1:8377")
    return GuardClient(url, os.environ.get(TOKEN_VARIABLE) or None, _patience())


def _patience() -> float:
    spelled = os.environ.get(PATIENCE_VARIABLE) or str(PATIENCE_SECONDS)
    try:
        seconds = float(spelled)
    except ValueError:
        seconds = 0.0
    if not 0.01 <= seconds <= 60:
        raise UserError(f"{PATIENCE_VARIABLE}: {one_line(spelled, 40)!r} is no number of seconds from 0.01 to 60")
    return seconds
