"""What is slow to start, started once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.litellm_proxy import LiteLLMProxy


@pytest.fixture(scope="session")
def litellm_proxy() -> Iterator[LiteLLMProxy]:
    """LiteLLM's own, without a database until a module has it `use` one."""
    running = LiteLLMProxy(None)
    yield running
    running.close()
