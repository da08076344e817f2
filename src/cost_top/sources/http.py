"""The one way to ask an HTTP API: bounded in time and size, TLS verified, no redirects, every failure a `SourceError`.

client = ApiClient("https://ai-gateway.vercel.sh", name="vercel", headers={"Authorization": f"Bearer {key}"},
                   secrets=(key,))
answer = client.get("/v1/report", {"start_date": "2026-11-01", "end_date": "2026-11-25"})
answer.value["results"][0]["total_cost"]     # a Decimal: JSON numbers with a fraction are never floats
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cost_top.sources.base import Statistics

# A parameter may be given several times: `[("group_by[]", "model"), ("group_by[]", "project_id")]`.
Parameters = Mapping[str, str] | Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class ApiAnswer:
    """A 2xx answer: its JSON (fractions as Decimal) and its headers by lower-case name."""

    value: Any
    headers: Mapping[str, str]


class ApiClient:
    """One connection to one API, one request at a time. `cancel` may be called from any thread."""

    def __init__(
        self, base_url: str, *, name: str, headers: Mapping[str, str], secrets: Sequence[str] = (),
        timeout: float = 20.0, max_bytes: int = 64 * 1024 * 1024,
    ) -> None:  # fmt: skip
        """`UserError` for a URL that is neither https nor loopback http, or that holds a user or a password."""
        self.statistics = Statistics()
        raise NotImplementedError

    def get(self, path: str, parameters: Parameters = ()) -> ApiAnswer:
        """Ask with GET. Raises `SourceThrottled`, `SourceDenied`, `SourceRefused`, `SourceError`."""
        raise NotImplementedError

    def post(self, path: str, body: object, parameters: Parameters = ()) -> ApiAnswer:
        """Ask with POST and a JSON body."""
        raise NotImplementedError

    def cancel(self) -> None:
        """Break off the request under way; it ends as `SourceError`."""
        raise NotImplementedError

    def close(self) -> None:
        """Release the connection."""
        raise NotImplementedError
