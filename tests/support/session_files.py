"""Session files of coding agents as they are written, line by line, for tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_COUNTS = ("input_tokens", "cached_input_tokens", "output_tokens", "reasoning_output_tokens")


def claude_line(
    message: str, output: int, *, session: str = "s-1", time: str = "2026-11-20T10:00:00.000Z", request: str = "req-1",
    model: str = "claude-sonnet-4-5-20250929", cwd: str = "/home/dev/work/shop", agent: str | None = None,
    **usage: Any,
) -> str:  # fmt: skip
    """One block of an answer; the counts repeat with every block, the output grows."""
    figures = {"input_tokens": 10, "cache_read_input_tokens": 0, "cache_creation_input_tokens": 0, **usage}
    body = {
        "type": "assistant", "sessionId": session, "cwd": cwd, "timestamp": time, "requestId": request, "uuid": "u",
        "isSidechain": agent is not None, **({"agentId": agent} if agent else {}),
        "message": {
            "id": message, "type": "message", "role": "assistant", "model": model,
            "content": [{"type": "text", "text": "a prompt that must never be kept"}],
            "usage": {**figures, "output_tokens": output},
        },
    }  # fmt: skip
    return json.dumps(body)


def codex_meta(session: str, time: str, cwd: str = "/home/dev/work/shop", **more: Any) -> str:
    """The first line of a session."""
    return json.dumps({"timestamp": time, "type": "session_meta", "payload": {"id": session, "cwd": cwd, **more}})


def codex_turn(time: str, model: str, cwd: str = "/home/dev/work/shop", **more: str) -> str:
    """The model from here on."""
    return json.dumps({"timestamp": time, "type": "turn_context", "payload": {"model": model, "cwd": cwd, **more}})


def codex_totals(
    time: str, total: tuple[int, int, int, int] | None, last: tuple[int, int, int, int] | None = None, **more: int
) -> str:
    """Running totals: input, of it cached, output, of it reasoning."""
    info = None
    if total is not None:
        info = {"total_token_usage": dict(zip(_COUNTS, total, strict=True)) | more,
                "last_token_usage": dict(zip(_COUNTS, last or total, strict=True))}  # fmt: skip
    payload = {"type": "token_count", "info": info, "rate_limits": {"primary": {"used_percent": 1.0}}}
    return json.dumps({"timestamp": time, "type": "event_msg", "payload": payload})


def codex_record(time: str, response: str, used: tuple[int, int, int, int], **more: Any) -> str:
    """What one response used."""
    usage = dict(zip(_COUNTS, used, strict=True))
    return json.dumps({"timestamp": time, "type": "token_usage_record",
                       "payload": {"response_id": response, "usage": usage, **more}})  # fmt: skip


def write_lines(path: Path, *lines: str) -> Path:
    """A file of whole lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def add_text(path: Path, text: str) -> None:
    """What a writer adds."""
    with path.open("a", encoding="utf-8") as file:
        file.write(text)
