"""Codex's session files: requests are its records of usage, and the steps of running totals where it wrote none.

A `token_count` event repeats the totals whenever the limits change, so adding events up counts twice. A
`token_usage_record` is one response; the totals that follow it, or went before, tell of the same one, while what it
took to compact a session stands in no total. A sub-agent's or forked session's file begins with its parent's history:
up to the ordinal that it names, else what was written within the first second, or for longer without a pause. The
totals of that history are where its own begin; where none was copied, the first event tells what is its own. Sessions
of early versions name no model: it is unknown. Input includes cached and written input, output includes reasoning.
"""

from __future__ import annotations

import json
import re
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
_MARKS = (
    b'"token_count"', b'"token_usage_record"', b'"turn_context"', b'"thread_settings_applied"', b'"session_meta"',
)  # fmt: skip
# A session that went back to an earlier turn goes on in another file, of a name and no id of its own.
_FILE_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?=\.jsonl(?:\.|$))")


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

        of_file = _FILE_ID.search(path)
        name = of_file[0] if of_file else path.rpartition("/")[2].partition(".")[0]
        part = Part(state={"file": name, **state}, read_until=offset)
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
            _begin(state, payload, path)
        elif kind == "turn_context":
            _set(state, payload)
            state["turned"] = True
            # A turn that names no tier has the session's, whatever the turn before had.
            state["tier"] = _tier(payload) if "service_tier" in payload else state.get("usual_tier")
        elif kind == "token_usage_record" and time is not None and _is_own(state, payload):
            self._record(part, time, payload)
        elif kind == "event_msg" and payload.get("type") == "thread_settings_applied":
            settings = payload.get("thread_settings")
            if isinstance(settings, dict):
                _set(state, settings)
                state["tier"] = state["usual_tier"] = _tier(settings)
        elif kind == "event_msg" and payload.get("type") == "token_count" and isinstance(payload.get("info"), dict):
            is_history = time is None or _is_history(state, record, time)
            counts = _step(state, payload["info"])
            if counts is None or is_history or time is None:
                return
            if state.pop("recorded", False):
                return  # it tells of the responses that have records
            state["told"] = [counts[name] for name in _COUNTS]
            self._count(part, time, counts)

    def _record(self, part: Part, time: int, payload: Mapping[str, Any]) -> None:
        counts = _counts(payload.get("usage"))
        if counts is None or not any(counts.values()):
            return
        if part.state.pop("told", None) == list(counts.values()):
            return  # an event told of it before
        part.state["recorded"] = True
        self._count(part, time, {**counts, "several": 0}, text_of(payload.get("response_id")))

    def _count(self, part: Part, time: int, counts: Mapping[str, int], response: str | None = None) -> None:
        part.state["count"] = part.state.get("count", 0) + 1
        part.rows.append(self._row(part.state, time, counts, response))

    def _row(self, state: Mapping[str, Any], time: int, counts: Mapping[str, int], response: str | None) -> Row:
        session = state.get("session") or state["file"]
        whole = max(counts["input_tokens"], counts["cached_input_tokens"])
        return {
            "id": response or f"{state['file']}:{state['count']}",
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


def _begin(state: dict[str, Any], session: Mapping[str, Any], path: str) -> None:
    """Take over what a session says of itself. The copied ones of its parents come after its own."""
    if "session" in state:
        state["parent"] = state["parent"] or text_of(session.get("id")) != state["session"]
        return
    state["session"] = text_of(session.get("id"))
    state["cwd"], state["provider"] = text_of(session.get("cwd")), text_of(session.get("model_provider"))
    if _FILE_ID.search(path) is None:
        state["file"] = state["session"] or state["file"]
    source, base = session.get("source"), session.get("history_base")
    parents = (session.get("forked_from_id"), session.get("parent_thread_id"))
    state["parent"] = any(map(text_of, parents)) or (isinstance(source, dict) and "subagent" in source)
    state["is_based"] = isinstance(base, dict)
    starts = session.get("subagent_history_start_ordinal")
    if starts is None and isinstance(base, dict):
        starts = base.get("end_ordinal_exclusive")
    state["starts"] = int(str(starts)) if str(starts).isdecimal() else None


def _set(state: dict[str, Any], settings: Mapping[str, Any]) -> None:
    """Take over what holds from here on."""
    for name, given in (("model", "model"), ("cwd", "cwd"), ("provider", "model_provider_id")):
        state[name] = text_of(settings.get(given)) or state.get(name)


def _tier(settings: Mapping[str, Any]) -> str | None:
    """Fast is sent as priority."""
    tier = mode_of(settings.get("service_tier"))
    return "priority" if tier == "fast" else tier


def _is_own(state: Mapping[str, Any], record: Mapping[str, Any]) -> bool:
    """Whether a record is of this session, not copied from its parent."""
    thread = text_of(record.get("thread_id"))
    return thread is None or state.get("session") in (None, thread)


def _is_history(state: Mapping[str, Any], record: Mapping[str, Any], time: int) -> bool:
    """Whether an event was copied from the parent's session."""
    ordinal, starts = record.get("ordinal"), state.get("starts")
    if isinstance(ordinal, int) and isinstance(starts, int):
        return ordinal < starts
    is_child, has_turned = bool(state.get("parent")), bool(state.get("turned"))
    if time - state["began"] < _HISTORY_MS:
        return is_child or not has_turned
    return is_child and (bool(state.get("copied")) or not has_turned)


def _step(state: dict[str, Any], info: Mapping[str, Any]) -> dict[str, int] | None:
    """What was used since the last event, by `several` requests or one; None when the totals did not move."""
    totals, last = _counts(info.get("total_token_usage")), _counts(info.get("last_token_usage"))
    if totals is None:
        return {**last, "several": 0} if last and any(last.values()) else None
    before = state.get("totals")
    state["totals"] = totals
    if totals == before:
        return None
    step = {name: totals[name] - (before or {}).get(name, 0) for name in _COUNTS}
    inherited = before is None and (state.get("parent") or state.get("is_based"))
    if inherited or min(step.values()) < 0:  # or the totals began anew
        step = last or totals
    told = last["input_tokens"] if last else 0
    several = 0 < told < step["input_tokens"] > SIZES_FROM
    return {**step, "several": int(several)} if any(step.values()) else None


def _counts(usage: object) -> dict[str, int] | None:
    if not isinstance(usage, dict):
        return None
    told = {name: usage.get(name, usage.get(_ALSO.get(name, name))) for name in _COUNTS}
    return {name: value if isinstance(value, int) and value > 0 else 0 for name, value in told.items()}
