"""What the demo gateway says a request cost: exact, at the rates of that instant."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rates:
    input: int
    cached: int
    created: int
    created_1h: int
    output: int


_P = {
    "claude-sonnet-5-5": (2, 0.1, 2.5, 4, 10),
    "claude-sonnet-4-6": (3, 0.3, 3.75, 6, 15),
    "claude-opus-5-5": (4, 0.2, 5, 8, 20),
    "gpt-6.1-terra": (1, 0.05, 1.25, 1.25, 5),
    "gpt-6-luna": (0.1, 0.01, 0.125, 0.125, 0.5),
    "claude-haiku-4-5": (1, 0.1, 1.25, 2, 5),
    "claude-haiku-5-5": (0.1, 0.01, 0.125, 0.2, 0.5),
    "llama-3.1-8b-instant": (0.05, 0.05, 0.05, 0.05, 0.08),
    "gpt-6.1-sol": (2, 0.1, 2.5, 2.5, 10),
    "openai/gpt-oss-120b": (0.15, 0.075, 0.15, 0.15, 0.6),
    "gpt-6-sol": (2, 0.2, 2.5, 2.5, 10),
    "text-embedding-3-large": (0.13,) * 5,
    "embed-v4.0": (0.12,) * 5,
    "command-a": (2.5, 2.5, 2.5, 2.5, 10),
    "zai-org/GLM-5.3": (1.4, 0.26, 1.4, 1.4, 4.4),
    "deepseek-ai/DeepSeek-V4.1-Flash": (0.3, 0.006, 0.3, 0.3, 1.2),
    "qwen/qwen3.8-27b": (0.8, 0.8, 0.8, 0.8, 4),
}


class Prices:
    """Costs of requests in pico-dollars; None for the providers that report none."""

    def __init__(self, unreported: frozenset[str]) -> None:
        self._unreported = unreported

    def cost(self, route, time_ms, usage):
        """x."""
        if route.provider in self._unreported:
            return None
        input, cached, created, created_1h, output = usage
        a, b, c, d, e = (int(x * 10**6) for x in _P[route.model])
        r = (input - cached - created) * a + cached * b + (created - created_1h) * c + created_1h * d + output * e
        return r // 2 if route.mode == "batch" else r
