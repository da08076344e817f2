"""Gemini and Vertex `generateContent`: `usageMetadata`, repeated on the chunks of a stream; the last one wins.

The prompt contains cached content but not the results of tools; candidates leave out thoughts, except where the
total proves that they are inside (seen on Vertex). Zero fields are omitted. Source: Gemini API reference.
"""

from __future__ import annotations

from cost_top.usage.counts import Counts, Usage, mode_of
from cost_top.usage.frames import NOTHING, Frame, count, items, part, text
from cost_top.usage.openai import Flavour, read_chat


def read_generate_content(frames: list[Frame]) -> Usage:
    """Usage of a body, of a stream's chunks, of a batch line, or of the OpenAI-compatible endpoint."""
    if any("choices" in frame or "usage" in frame for frame in frames):
        return read_chat(frames, Flavour(thoughts_dropped=True))
    bodies = [part(frame, "response") or frame for frame in frames]
    batch = any(body is not frame and "key" in frame for body, frame in zip(bodies, frames, strict=True))
    model = next((name for body in reversed(bodies) if (name := text(body, "modelVersion"))), "")
    metadata = next((found for body in reversed(bodies) if (found := part(body, "usageMetadata"))), NOTHING)
    ended = any(_ended(body) for body in bodies)
    tier = metadata.get("trafficType") or metadata.get("serviceTier")
    mode = "batch" if batch else mode_of(tier)
    counts = _counts(metadata, ended)
    counts.searches = _searches(bodies, model)
    counts.unrated = counts.unrated or _grounded(bodies)
    begun = any("candidates" in body or "serverContent" in body for body in bodies)  # not usage alone
    usage = counts.usage(mode, model, cut_off=begun and not ended)
    if usage.status == "no_usage" and begun and not ended:
        return Usage(status="interrupted", mode=mode, model=model or None)
    return usage


def _ended(body: Frame) -> bool:
    finished = any(text(candidate, "finishReason") for candidate in items(body, "candidates"))
    blocked = bool(text(part(body, "promptFeedback"), "blockReason"))
    spoken = part(body, "serverContent")  # of a live session, whose turns end otherwise
    turned = bool(spoken.get("turnComplete") or spoken.get("generationComplete") or spoken.get("interrupted"))
    return finished or blocked or turned or "embedding" in body or "embeddings" in body


def _counts(metadata: Frame, ended: bool) -> Counts:
    prompt, tools = count(metadata, "promptTokenCount"), count(metadata, "toolUsePromptTokenCount") or 0
    total, thoughts = count(metadata, "totalTokenCount"), count(metadata, "thoughtsTokenCount") or 0
    counts = Counts(
        input=None if prompt is None else prompt + tools,
        cached=count(metadata, "cachedContentTokenCount") or 0,
        output=count(metadata, "candidatesTokenCount", "responseTokenCount"),
        reasoning=thoughts,
        audio_input=_of_kind(metadata, "AUDIO", "promptTokensDetails", "toolUsePromptTokensDetails"),
        audio_output=_of_kind(metadata, "AUDIO", "candidatesTokensDetails", "responseTokensDetails"),
        image_output=_of_kind(metadata, "IMAGE", "candidatesTokensDetails", "responseTokensDetails"),
        image_input=_of_kind(metadata, "IMAGE", "promptTokensDetails"),
        video_input=_of_kind(metadata, "VIDEO", "promptTokensDetails"),
        unrated="video" if _of_kind(metadata, "VIDEO", "candidatesTokensDetails", "responseTokensDetails") else "",
    )
    if counts.input is None:
        return counts
    if items(metadata, "cacheTokensDetails") and not counts.unrated:
        spoken = _of_kind(metadata, "AUDIO", "cacheTokensDetails")
        # A record takes audio for cached only as far as it exceeds the input that is not.
        if spoken != max(counts.audio_input - max(counts.input - counts.cached, 0), 0):
            counts.unrated = "cached_audio"
    if counts.output is None:
        # Omitted means 0 once the answer is over; before that it is not known yet.
        counts.output = thoughts if ended else None
    elif total != counts.input + counts.output:
        counts.output += thoughts
    return counts


def _of_kind(metadata: Frame, kind: str, *lists: str) -> int:
    """Tokens of one modality in lists of `{modality, tokenCount}`."""
    found = [item for name in lists for item in items(metadata, name) if text(item, "modality").upper() == kind]
    return sum(count(item, "tokenCount") or 0 for item in found)


def _grounded(bodies: list[Frame]) -> str:
    """What else than searches grounded the answer and is billed, else ''."""
    found = [part(candidate, "groundingMetadata") for body in bodies for candidate in items(body, "candidates")]
    if any("maps" in chunk for grounding in found for chunk in items(grounding, "groundingChunks")):
        return "google_maps"
    return "retrieval" if any(grounding.get("retrievalQueries") for grounding in found) else ""


def _searches(bodies: list[Frame], model: str) -> int:
    """Searches that grounded the answer: by the query, up to Gemini 2 by the prompt."""
    queries = {
        query
        for body in bodies
        for candidate in items(body, "candidates")
        for key in ("webSearchQueries", "imageSearchQueries")
        if isinstance(said := part(candidate, "groundingMetadata").get(key), list)
        for query in said
        if isinstance(query, str)
    }
    by_prompt = model.lower().startswith(("gemini-1", "gemini-2"))
    return min(len(queries), 1) if by_prompt else len(queries)
