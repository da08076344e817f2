"""`Recorder`: takes what an application knows of a request and keeps one row of metadata of it."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterable
from datetime import datetime
from types import TracebackType
from typing import Any, Literal, Self

from cost_top.model.errors import UserError, one_line
from cost_top.record.request import listed, lower_headers, request_facts
from cost_top.record.row import compose
from cost_top.record.secret import header_token, public_token
from cost_top.record.store import open_store
from cost_top.record.wire import events_of
from cost_top.record.writer import EXIT_SECONDS, Writer
from cost_top.usage.detect import api_of
from cost_top.usage.registry import READERS, inspect

_log = logging.getLogger("cost_top.record")
_NO_HEADERS: dict[str, str] = {}
_TOLD_MODELS = 100


class Recorder:
    """Appends requests to the native log at `url`: `sqlite:///requests.db` or `postgresql://…`.

    `record` never waits and never raises. At most `queue_rows` rows (about 1.5 kB each) wait for a database that is
    locked or gone; more are dropped and counted in `dropped`. Rows reach the database within about 0.1 s, and at the
    latest when the program ends or `close` is called. Safe to use from many threads and across `fork`.

    Raises `UserError` for an address that cannot be written to or a missing driver.
    """

    def __init__(self, url: str, *, queue_rows: int = 100_000) -> None:
        if queue_rows < 1:
            raise UserError(f"recorder queue_rows {queue_rows}: at least 1 is needed")
        self._writer = Writer(open_store(url), queue_rows)
        self._left_out: set[str] = set()  # models whose reported cost was not taken

    def __repr__(self) -> str:
        return f"<Recorder {self._writer.store.name} written={self.written} dropped={self.dropped}>"

    @property
    def dropped(self) -> int:
        """Requests that were not and will not be recorded: the queue was full, or the database refused the row."""
        return self._writer.dropped

    @property
    def written(self) -> int:
        """Requests that are in the database."""
        return self._writer.written

    @property
    def last_error(self) -> str | None:
        """Why the last write failed; None as long as none did. Holds no secret."""
        return self._writer.last_error

    def record(
        self,
        *,
        request: object = None,
        response: object = None,
        events: object = None,
        headers: object = None,
        api: str | None = None,
        endpoint: str | None = None,
        token: str | None = None,
        token_name: str | None = None,
        user: str | None = None,
        owner: str | None = None,
        team: str | None = None,
        tags: Iterable[str] | str | None = None,
        provider: str | None = None,
        model: str | None = None,
        credential_type: Literal["system", "byok"] | None = None,
        cache_hit: bool | None = None,
        cost_usd: float | str | None = None,
        mode: str | None = None,
        status: int | None = None,
        streamed: bool | None = None,
        latency_ms: float | None = None,
        started_at: datetime | float | None = None,
        client_ip: str | None = None,
        user_agent: str | None = None,
        session: str | None = None,
        prompt: str | None = None,
        region: str | None = None,
        id: str | None = None,  # the column's name
    ) -> None:
        """Keep one row of metadata of one request. Returns at once and never raises.

        `request` is its body in any of the five styles; `response` the body of the answer, or `events` those of its
        stream (objects, JSON text, SSE or NDJSON text, or the models of the `openai` and `anthropic` clients).
        `headers` are the request's. `api` is one of `cost_top.usage.APIS`; without it the answer's shape tells.
        What is given here wins over what request and answer say; tags are added to theirs.

        A `token` that looks like a key is stored as its kind and a hash (`cost_top.record.secret`), and so is a key
        found in `headers`. With `cache_hit` the tokens count as avoided. `started_at` is a datetime or Unix seconds;
        without it the request began `latency_ms` ago. `prompt` names a template; its text has no place here. Writing an
        `id` again replaces its row.
        """
        known = locals()
        try:
            self._record(known)
        except Exception as error:  # a log must never break what it logs
            self._writer.drop(1)
            with contextlib.suppress(Exception):
                _log.debug("a request could not be recorded: %s", type(error).__name__)

    def _record(self, known: dict[str, Any]) -> None:
        headers = lower_headers(known["headers"]) if known["headers"] is not None else _NO_HEADERS
        facts = request_facts(known["request"], headers)
        events = known["events"]
        frames = events_of(known["response"] if events is None else events)
        said = known["api"]
        api = said if isinstance(said, str) and said in READERS else api_of(frames) if frames else None
        usage = inspect(api, frames) if api and frames else None
        if usage is not None and usage.cost_left_out and known["cost_usd"] is None:
            self._tell_cost_left_out(usage.model or "a model")
        token = known["token"]
        known["token"] = public_token(token) if isinstance(token, str) else token
        if headers:
            known["token"] = known["token"] or header_token(headers)
            known["user_agent"] = known["user_agent"] or headers.get("user-agent")
        if known["streamed"] is None and facts.streamed is None and frames:
            known["streamed"] = events is not None
        known["tags"] = listed(known["tags"])
        for name in ("self", "request", "response", "events", "headers"):
            del known[name]
        self._writer.put(compose(facts, usage, api, known))

    def _tell_cost_left_out(self, model: str) -> None:
        model = one_line(model, 60)
        if model not in self._left_out and len(self._left_out) < _TOLD_MODELS:
            self._left_out.add(model)
            _log.warning(
                "%s: %s comes with a cost that is not known to be US dollars: it is left out, list prices count",
                self._writer.store.name, model,
            )  # fmt: skip

    def flush(self, timeout: float = EXIT_SECONDS) -> bool:
        """Wait until all requests recorded so far are in the database; False if that took longer than `timeout`."""
        return self._writer.flush(timeout)

    def close(self, timeout: float = EXIT_SECONDS) -> None:
        """Write what is left within `timeout` seconds and let the database go. Later requests are dropped."""
        self._writer.close(timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
