"""What a request says about itself besides its prompt, in each of the five styles.

AI SDK (`providerOptions.gateway`, model and streaming in headers), Chat Completions, Responses and OpenResponses
(`user`), Anthropic Messages (`metadata.user_id`); `providerOptions.gateway.user` and `.tags` are read from all of
them, and the `ai-reporting-user` and `ai-reporting-tags` headers beside them. Source: the AI Gateway's reporting
reference.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice

from cost_top.usage.counts import Mode, mode_of
from cost_top.usage.frames import NOTHING, Frame, frames_of, part, text


@dataclass(frozen=True, slots=True)
class RequestFacts:
    """The metadata of one request; nothing of what was asked."""

    model: str = ""
    user: object = None
    tags: tuple[object, ...] = ()
    streamed: bool | None = None
    mode: Mode | None = None
    byok: bool = False
    session: object = None
    prompt: object = None
    region: object = None


def request_facts(body: object, headers: Mapping[str, str]) -> RequestFacts:
    """The facts in a request body (an object, JSON text, a client's model) and its lower-case headers."""
    frames = frames_of(body) if body is not None else ()
    request: Frame = frames[0] if frames else NOTHING
    gateway = part(request, "providerOptions", "gateway") or part(request, "extra_body", "providerOptions", "gateway")
    user = (
        gateway.get("user")
        or request.get("user")
        or part(request, "metadata").get("user_id")
        or headers.get("ai-reporting-user")
    )
    stream = request.get("stream")
    if stream is None and (said := headers.get("ai-language-model-streaming")):
        stream = said.lower() == "true"
    return RequestFacts(
        model=text(request, "model") or headers.get("ai-language-model-id", ""),
        user=user,
        tags=(*listed(gateway.get("tags")), *listed(headers.get("ai-reporting-tags"))),
        streamed=stream if isinstance(stream, bool) else None,
        mode="fast" if request.get("speed") == "fast" else mode_of(request.get("service_tier")),
        byok=bool(gateway.get("byok")),
        session=request.get("session_id") or part(request, "metadata").get("session_id"),
        prompt=request.get("prompt_cache_key") or part(request, "prompt").get("id"),
        region=request.get("inference_geo"),
    )


def listed(tags: object) -> list[object]:
    """Tags given as a list or as one comma-separated string; a mapping and other things are no tags.

    >>> listed("a, b"), listed(["a"]), listed(None)
    (['a', 'b'], ['a'], [])
    """
    if not tags:
        return []
    if isinstance(tags, str):
        return [tag.strip() for tag in tags[:10_000].split(",")]
    if isinstance(tags, Iterable) and not isinstance(tags, Mapping | bytes):
        return list(islice(tags, 256))
    return []


def lower_headers(headers: object) -> dict[str, str]:
    """Headers of any client or server (a mapping, or pairs of str or bytes) with lower-case names."""
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    if not isinstance(pairs, Iterable):
        return {}
    found = {}
    for pair in pairs:
        if isinstance(pair, tuple | list) and len(pair) == 2:
            name, value = (part.decode("latin-1") if isinstance(part, bytes) else part for part in pair)
            if isinstance(name, str) and isinstance(value, str):
                found[name.lower()] = value
    return found
