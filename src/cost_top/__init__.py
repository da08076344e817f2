"""cost-top: `top` for LLM spend."""

__version__ = "0.1.0"
