"""Codex's session files: requests are the steps of running totals.

A `token_count` event repeats the totals whenever the limits change, so adding events up counts twice. A sub-agent's or
resumed session's file begins with its parent's history, written within the first second, or for longer without a pause:
the totals of that history are where its own begin. Sessions of early versions name no model: it is unknown. Input
includes cached and written input, output includes reasoning.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from cost_top.model.modes import ROUNDS, SIZES_FROM
from cost_top.sources.files.lines import marked_lines, open_at
from cost_top.sources.files.records import Part, Row, Sessions, epoch_ms, last_folder, text_of
from cost_top.usage.counts import mode_of, named_beside

_COUNTS = (
    "input_tokens", "cached_input_tokens", "cache_write_input_tokens", "output_tokens", "reasoning_output_tokens",
)  # fmt: skip
# What another version or a proxy calls a count.
_ALSO = {"cache_write_input_tokens": "cache_creation_input_tokens"}
_HISTORY_MS = 1000
# Lines that are copied follow each other; an answer takes longer to come.
_COPY_PAUSE_MS = 250
_MARKS = (b'"token_count"', b'"turn_context"', b'"session_meta"')


class Codex(Sessions):
    """`Kind`."""

    name = "codex"

    @staticmethod
    def recognises(head: Mapping[str, Any]) -> bool:
        """Whether a line is one of such a file."""
        return head.get("type") in ("session_meta", "turn_context", "event_msg", "response_item") and "payload" in head

    def read(self, path: str, offset: int, state: Mapping[str, Any]) -> Part:
        """See `Kind`. `state` holds the session, its folder and model, and the totals so far."""
        from pydantic_core import from_json

        part = Part(state=dict(state), read_until=offset)
        with open_at(path, offset) as file:
            for end, line in marked_lines(file, offset, _MARKS):
                if line:
                    try:
                        record = from_json(line, cache_strings="keys")
                    except ValueError:
                        if not line.endswith(b"\n"):
                            break  # it is still being written
                        part.unreadable += 1
                        record = None
                    if isinstance(record, dict) and isinstance(record.get("payload"), dict):
                        self._take(part, record, record["payload"], path)
                part.read_until = end
        return part

    def _take(self, part: Part, record: Mapping[str, Any], payload: Mapping[str, Any], path: str) -> None:
        state, kind, time = part.state, record.get("type"), epoch_ms(record.get("timestamp"))
        if time is not None:
            state.setdefault("began", time)
            copied = time - state.get("copied", time) < _COPY_PAUSE_MS
            state["copied"] = time if copied else 0
        if kind == "session_meta":
            state.setdefault("session", text_of(payload.get("id")))
            state.setdefault("cwd", text_of(payload.get("cwd")))
            state.setdefault("provider", text_of(payload.get("model_provider")))
            state.setdefault("parent", _has_parent(payload))
        elif kind == "turn_context":
            state["model"] = text_of(payload.get("model")) or state.get("model")
            state["cwd"] = text_of(payload.get("cwd")) or state.get("cwd")
            state["turned"] = True
            # A turn that names no tier has the usual one, whatever the turn before had. Fast is sent as priority.
            tier = mode_of(payload.get("service_tier"))
            state["tier"] = "priority" if tier == "fast" else tier
        elif kind == "event_msg" and payload.get("type") == "token_count" and isinstance(payload.get("info"), dict):
            counts = _step(state, payload["info"])
            begins = time is not None and time - state["began"] < _HISTORY_MS
            history = begins or (bool(state.get("parent")) and bool(state.get("copied") or not state.get("turned")))
            if counts is not None and not history and time is not None:
                state["count"] = state.get("count", 0) + 1
                part.rows.append(self._row(state, time, counts, path))

    def _row(self, state: Mapping[str, Any], time: int, counts: Mapping[str, int], path: str) -> Row:
        session = state.get("session") or path.rpartition("/")[2].partition(".")[0]
        whole = max(counts["input_tokens"], counts["cached_input_tokens"])
        return {
            "id": f"{session}:{state['count']}",
            "time_ms": time,
            "provider": state.get("provider") or "openai",
            "model": state.get("model"),
            "endpoint": state.get("cwd"),
            "token": session,
            "token_name": last_folder(state.get("cwd")),
            "session": session,
            "user_id": self.user,
            "tags": json.dumps(["agent:codex"]),
            "input_tokens": whole,
            "cached_input_tokens": counts["cached_input_tokens"],
            # OpenAI counts a prefix as written that was read in part.
            "cache_creation_input_tokens": min(
                counts["cache_write_input_tokens"], whole - counts["cached_input_tokens"]
            ),
            "output_tokens": max(counts["output_tokens"], counts["reasoning_output_tokens"]),
            "reasoning_tokens": counts["reasoning_output_tokens"],
            "mode": named_beside(state.get("tier"), ROUNDS if counts["several"] else ""),
        }


def _has_parent(session: Mapping[str, Any]) -> bool:
    source = session.get("source")
    return text_of(session.get("forked_from_id")) is not None or (isinstance(source, dict) and "subagent" in source)


def _step(state: dict[str, Any], info: Mapping[str, Any]) -> dict[str, int] | None:
    """What was used since the last event, by `several` requests or one; None when the totals did not move."""
    totals, last = _counts(info.get("total_token_usage")), _counts(info.get("last_token_usage"))
    if totals is None:
        return {**last, "several": 0} if last and any(last.values()) else None
    before = state.get("totals") or dict.fromkeys(_COUNTS, 0)
    state["totals"] = totals
    if totals == before:
        return None
    step = {name: totals[name] - before[name] for name in _COUNTS}
    if min(step.values()) < 0:  # the totals began anew
        step = last or totals
    told = last["input_tokens"] if last else 0
    several = 0 < told < step["input_tokens"] > SIZES_FROM
    return {**step, "several": int(several)} if any(step.values()) else None


def _counts(usage: object) -> dict[str, int] | None:
    if not isinstance(usage, dict):
        return None
    told = {name: usage.get(name, usage.get(_ALSO.get(name, name))) for name in _COUNTS}
    return {name: value if isinstance(value, int) and value > 0 else 0 for name, value in told.items()}
