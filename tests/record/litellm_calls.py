"""Run by the Python that has litellm: its own code makes calls and calls the logger. Argument: the log's address."""

from __future__ import annotations

import asyncio
import os
import sys
import time

PROMPT = "zebra-umbrella-71"
ANSWER = "walrus-lantern-93"
BASE = {"messages": [{"role": "user", "content": PROMPT}], "mock_response": ANSWER, "api_key": "sk-proj-Ab3dEf6hIj9k"}
ROWS = 6


def main(url: str) -> None:
    """Six calls: plain, asynchronous, streamed, into the response cache, out of it, and one that fails."""
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    from cost_top.record import Recorder
    from cost_top.record import litellm as adapter

    assert "litellm" not in sys.modules, "the adapter alone must not import litellm"
    import litellm

    recorder = Recorder(url)
    litellm.callbacks = [adapter.litellm_logger(recorder)]
    litellm.cache = litellm.Cache(type="local")
    litellm.completion(model="gpt-4o", user="acme", metadata={"tags": ["prod", "User-Agent: x/1"]}, **BASE)
    asyncio.run(calls(litellm))
    deadline = time.monotonic() + 90
    while recorder.written < ROWS and time.monotonic() < deadline:
        recorder.flush(1)
        time.sleep(0.05)


async def calls(litellm) -> None:
    await litellm.acompletion(model="anthropic/claude-sonnet-4-5", **BASE)
    parts = await litellm.acompletion(model="gpt-4o", stream=True, stream_options={"include_usage": True}, **BASE)
    async for _ in parts:
        pass
    for _ in range(2):
        await litellm.acompletion(model="gpt-4o-mini", caching=True, **BASE)
        await asyncio.sleep(0.5)
    try:
        await litellm.acompletion(model="gpt-4o", num_retries=0, **{**BASE, "mock_response": "litellm.RateLimitError"})
    except litellm.RateLimitError:
        await asyncio.sleep(1)
    else:
        raise AssertionError("it should have failed")


if __name__ == "__main__":
    main(sys.argv[1])
