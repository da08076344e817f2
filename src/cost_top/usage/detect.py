"""Which API wrote these frames: told from their shape, for callers who did not say."""

from __future__ import annotations

from cost_top.usage.bedrock import METRICS
from cost_top.usage.frames import Frame, frames_of, items, part, text

# Keys that one API alone writes, the most telling first: at the top of a frame, or in its `usage`.
_TOP = {
    METRICS: "bedrock.invoke",
    "usageMetadata": "google.generateContent",
    "candidates": "google.generateContent",
    "promptFeedback": "google.generateContent",
    "x_groq": "groq.chat",
    "messageStart": "bedrock.converse",
    "contentBlockDelta": "bedrock.converse",
    "prompt_eval_count": "ollama.native",
    "prompt_eval_duration": "ollama.native",
    "done": "ollama.native",
    "inputTextTokenCount": "bedrock.invoke",
    "generation_token_count": "bedrock.invoke",
    "event_type": "cohere.v1",
    "custom_llm_provider": "litellm.spendlog",
    "total_cost": "vercel.report",
}
_IN_USAGE = {
    "prompt_cache_hit_tokens": "deepseek.chat",
    "cost_in_usd_ticks": "xai.chat",
    "is_byok": "openrouter.chat",
    "cost_details": "openrouter.chat",
    "queue_time": "groq.chat",
    "billed_units": "cohere.v2",
}
_TYPES = {
    "message": "anthropic.messages", "message_start": "anthropic.messages", "message_delta": "anthropic.messages",
    "content_block_start": "anthropic.messages", "content_block_delta": "anthropic.messages",
    "message-start": "cohere.v2", "content-delta": "cohere.v2", "message-end": "cohere.v2",
    "stream-start": "vercel.ai_sdk", "text-delta": "vercel.ai_sdk", "finish": "vercel.ai_sdk",
}  # fmt: skip
_END = 4
_MODELS = {"grok": "xai.chat", "x-ai/": "xai.chat"}


def detect_api(frames: object) -> str | None:
    """One of `APIS`, or None when no frame is recognised. Never raises.

    OpenAI-compatible answers without a mark of their maker are `openai.chat`, which reads them all.
    """
    return api_of(frames_of(frames))


def api_of(frames: list[Frame]) -> str | None:
    """As `detect_api`, of frames already decoded."""
    bodies = [part(frame, "response", "body") or frame if "response" in frame else frame for frame in frames]
    # The ends of a stream tell nearly always; all of it is looked at only if they do not.
    ends = bodies if len(bodies) <= 2 * _END else bodies[:_END] + bodies[-_END:]
    return _told_by(ends) or (_told_by(bodies) if len(bodies) > len(ends) else None)


def _told_by(bodies: list[Frame]) -> str | None:
    for test in (_by_mark, _by_type, _by_shape):
        for body in bodies:
            if api := test(body):
                return api
    return None


def _by_mark(frame: Frame) -> str | None:
    if not _TOP.keys().isdisjoint(frame):
        return next(api for key, api in _TOP.items() if key in frame)
    for usage in (part(frame, "usage"), part(frame, "delta", "usage"), part(frame, "meta")):
        if not _IN_USAGE.keys().isdisjoint(usage):
            return next(api for key, api in _IN_USAGE.items() if key in usage)
    return None


def _by_type(frame: Frame) -> str | None:
    kind = text(frame, "type")
    if kind.startswith("response.") or text(frame, "object") == "response":
        return "openai.responses"
    return "anthropic.messages" if part(frame, "result", "message") else _TYPES.get(kind)


def _by_shape(frame: Frame) -> str | None:
    usage = part(frame, "usage")
    if items(frame, "choices") or "prompt_tokens" in usage:
        model = text(frame, "model").lower()
        return next((api for prefix, api in _MODELS.items() if model.startswith(prefix)), "openai.chat")
    if text(frame, "object") == "list" and "total_tokens" in usage:
        return "openai.chat"
    if "inputTokens" in usage:
        return "bedrock.converse" if "output" in frame or "metrics" in frame else "vercel.ai_sdk"
    if part(frame, "metadata", "usage"):
        return "bedrock.converse"
    return "openai.responses" if "input_tokens" in usage else None
