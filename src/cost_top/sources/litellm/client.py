"""One connection to a LiteLLM proxy for all readers of a source, asked by one at a time."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any

from cost_top.model.errors import SourceError
from cost_top.sources.base import Statistics
from cost_top.sources.http.client import ApiAnswer, ApiClient

# The proxy's database may take up to 25 s over a page before LiteLLM itself gives up.
_TIMEOUT_SECONDS = 40.0


class SharedClient:
    """The client and who uses it now. Closed when its last user has gone."""

    def __init__(self, base_url: str, key: str) -> None:
        """`UserError` as `ApiClient` raises it."""
        headers = {"Authorization": f"Bearer {key}"}
        self._client = ApiClient(base_url, name="litellm", headers=headers, secrets=(key,), timeout=_TIMEOUT_SECONDS)
        self._turn = threading.Lock()
        self._guard = threading.Lock()
        self._asking: Caller | None = None
        self._callers = 0

    def caller(self, statistics: Statistics) -> Caller:
        """A user of the connection; `statistics` follows what it asks."""
        with self._guard:
            self._callers += 1
        return Caller(self, statistics)

    def ask(self, caller: Caller, path: str, parameters: Mapping[str, str]) -> ApiAnswer:
        """One question at a time, whoever asks."""
        with self._turn:
            with self._guard:
                if caller.cancelled:
                    raise SourceError("asking was broken off")
                self._asking = caller
            before = (self._client.statistics.queries, self._client.statistics.bytes_read)
            started = time.perf_counter()
            try:
                return self._client.get(path, parameters)
            finally:
                with self._guard:
                    self._asking = None
                caller.statistics.database_ms += (time.perf_counter() - started) * 1000
                caller.statistics.queries += self._client.statistics.queries - before[0]
                caller.statistics.bytes_read += self._client.statistics.bytes_read - before[1]

    def cancel(self, caller: Caller) -> None:
        """Break off what this caller asks; what others ask goes on."""
        with self._guard:
            caller.cancelled = True
            if self._asking is caller:
                self._client.cancel()

    def release(self) -> None:
        """One user less."""
        with self._guard:
            self._callers -= 1
            last = self._callers <= 0
        if last:
            self._client.close()


class Caller:
    """One reader's use of the shared connection."""

    def __init__(self, shared: SharedClient, statistics: Statistics) -> None:
        self.statistics = statistics
        self.cancelled = False  # until the next question of the reader
        self._shared = shared
        self._released = False

    def begin(self) -> None:
        """A new question of several requests: an earlier `cancel` is over."""
        self.cancelled = False

    def get(self, path: str, parameters: Mapping[str, str]) -> Any:
        """The JSON of an answer. Raises what `ApiClient.get` raises."""
        return self._shared.ask(self, path, parameters).value

    def answer(self, path: str, parameters: Mapping[str, str]) -> ApiAnswer:
        """An answer with its headers."""
        return self._shared.ask(self, path, parameters)

    def cancel(self) -> None:
        """From any thread."""
        self._shared.cancel(self)

    def close(self) -> None:
        """Give the connection up; once."""
        if not self._released:
            self._released = True
            self._shared.release()
