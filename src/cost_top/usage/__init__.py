"""Provider usage frames: from a response body or a stream's events to token counts in the nested convention.

    read_usage("anthropic.messages", events) -> Usage(input_tokens=6221, cached_input_tokens=6209, ...)

One small module per family of APIs; `registry.READERS` says which API is read how.
"""

from __future__ import annotations

from cost_top.usage.counts import Usage
from cost_top.usage.detect import detect_api
from cost_top.usage.registry import APIS, read_usage, usage_status

__all__ = ["APIS", "Usage", "detect_api", "read_usage", "usage_status"]
