"""Claude Code's session files: one request for each (message id, request id), whatever number of lines tells of it.

A message stands in one line for each block of its content, and again in the files of sessions that were resumed or
forked from this one; the line with the most output is the final one. An aside repeats its parent's messages under
request ids of its own, and the progress of an agent what stands in the agent's file. `input_tokens` leaves the cache
out. `costUSD` of old versions is not used: it was written on every line of a message.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from cost_top.model.modes import STANDARD
from cost_top.sources.files.lines import TOO_LONG, marked_lines, open_at
from cost_top.sources.files.native import usage_columns
from cost_top.sources.files.records import Part, Row, Sessions, epoch_ms, last_folder, text_of
from cost_top.usage.anthropic import plain_counts, read_messages
from cost_top.usage.counts import Usage

_SYNTHETIC = "<synthetic>"
_MARKS = (b'"usage"',)  # a line without it tells no counts; the longest by far have none


class ClaudeCode(Sessions):
    """`Kind`."""

    name = "claude-code"
    columns: Mapping[str, str] = {**Sessions.columns, "may_repeat": "BIGINT"}
    repeats: str | None = "may_repeat"

    @staticmethod
    def recognises(head: Mapping[str, Any]) -> bool:
        """Whether a line is one of such a file."""
        return "sessionId" in head and "type" in head and ("message" in head or "uuid" in head)

    def read(self, path: str, offset: int, state: Mapping[str, Any]) -> Part:
        """See `Kind`."""
        from pydantic_core import from_json

        part = Part(state=dict(state), read_until=offset)
        best: dict[str, tuple[int, Mapping[str, Any]]] = {}
        with open_at(path, offset) as file:
            for end, line in marked_lines(file, offset, _MARKS):
                if line:
                    try:
                        _keep(best, from_json(line, cache_strings="keys"))
                    except ValueError:
                        if not line.endswith(b"\n"):
                            break  # it is still being written
                        part.unreadable += b'"assistant"' in line or line == TOO_LONG
                part.read_until = end
        part.rows = [row for identity, (_, record) in best.items() if (row := self._row(identity, record)) is not None]
        return part

    def _row(self, identity: str, record: Mapping[str, Any]) -> Row | None:
        time = epoch_ms(record.get("timestamp"))
        message: dict[str, Any] = record["message"]
        if time is None:
            return None
        agent, session, folder = (text_of(record.get(name)) for name in ("agentId", "sessionId", "cwd"))
        return {
            "id": identity,
            "may_repeat": int(record.get("isSidechain") is True or not record.get("requestId")),
            "time_ms": time,
            "provider": "anthropic",
            "model": text_of(message.get("model")),
            "endpoint": folder,
            "token": session,
            "token_name": last_folder(folder),
            "session": session,
            "user_id": self.user,
            "tags": _tags(agent or ""),
            **_usage(message),
        }


_PLAIN = usage_columns(Usage(mode=STANDARD))
_COUNTED = (
    "input_tokens", "cached_input_tokens", "cache_creation_input_tokens", "cache_creation_1h_tokens", "output_tokens",
)  # fmt: skip


def _usage(message: dict[str, Any]) -> dict[str, Any]:
    counts = plain_counts(message)
    if counts is None:
        return usage_columns(read_messages([message]))
    return {**_PLAIN, **dict(zip(_COUNTED, counts, strict=True))}


@lru_cache(4096)
def _tags(agent: str) -> str:
    return json.dumps(["agent:claude-code", *([f"agent:{agent}"] if agent else [])])


def _keep(best: dict[str, tuple[int, Mapping[str, Any]]], record: object) -> None:
    """Keep the line of a message that has the most output."""
    if not isinstance(record, dict):
        return
    if record.get("type") == "progress":
        record = _told_by_agent(record)
    if record.get("type") != "assistant":
        return
    message = record.get("message")
    if not isinstance(message, dict):
        return
    usage = message.get("usage")
    if not isinstance(usage, dict) or message.get("model") == _SYNTHETIC:
        return
    identity = f"{message.get('id') or record.get('uuid')}:{record.get('requestId') or ''}"
    output = usage.get("output_tokens")
    weight = output if isinstance(output, int) else -1
    known = best.get(identity)
    if known is None:
        best[identity] = weight, record
    elif weight >= known[0]:
        record["timestamp"] = known[1].get("timestamp")  # the first line's time is the request's
        best[identity] = weight, record


def _told_by_agent(progress: dict[str, Any]) -> dict[str, Any]:
    """The line that a line of an agent's progress wraps, as it stands in the agent's own file."""
    data = progress.get("data")
    told = data.get("message") if isinstance(data, dict) else None
    if not isinstance(data, dict) or not isinstance(told, dict):
        return {}
    around = {name: progress.get(name) for name in ("sessionId", "cwd", "timestamp")}
    return {**around, "agentId": data.get("agentId"), **told, "isSidechain": True}
