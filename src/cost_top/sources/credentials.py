"""Where the keys of report APIs come from: the environment, or a file named in the config. Never from a URL."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

# Environment variables by kind of source; the first one that is set is used.
KEY_VARIABLES: Mapping[str, tuple[str, ...]] = {
    "vercel": ("AI_GATEWAY_API_KEY", "VERCEL_OIDC_TOKEN"),
    "litellm": ("LITELLM_API_KEY", "LITELLM_PROXY_API_KEY", "LITELLM_MASTER_KEY"),
    "openrouter": ("OPENROUTER_MANAGEMENT_KEY", "OPENROUTER_API_KEY"),
    "openai": ("OPENAI_ADMIN_KEY",),
    "anthropic": ("ANTHROPIC_ADMIN_KEY", "ANTHROPIC_ADMIN_API_KEY"),
    "cost-top": ("COST_TOP_TOKEN", "COST_TOP_SERVE_TOKEN"),
}


def find_key(kind: str, key_file: Path | None = None, key_variable: str | None = None) -> str:
    """The key for a kind of source; "" where none is set and none is needed (cost-top on loopback).

    `UserError` names the variables to set where a key is needed and there is none, or the file that is unreadable.
    """
    raise NotImplementedError
