"""Run by the Python that has litellm: its own code makes calls and calls the logger. Argument: the log's address."""

from __future__ import annotations

import asyncio
import os
import sys
import time

url = sys.argv[1]
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
assert "litellm" not in sys.modules

from cost_top.record import litellm as adapter  # noqa: E402

assert "litellm" not in sys.modules, "the adapter alone must not import litellm"
import litellm  # noqa: E402
from litellm.proxy.types_utils.utils import get_instance_fn  # noqa: E402

from cost_top.record.litellm import URL_VARIABLE  # noqa: E402

os.environ[URL_VARIABLE] = url
# The way LiteLLM's proxy finds `callbacks: cost_top.record.litellm.logger` of its configuration.
logger = get_instance_fn("cost_top.record.litellm.logger", config_file_path="/nowhere/config.yaml")
assert logger is adapter.logger
litellm.callbacks = [logger]
litellm.cache = litellm.Cache(type="local")

PROMPT = "zebra-umbrella-71"
ANSWER = "walrus-lantern-93"
base = {"messages": [{"role": "user", "content": PROMPT}], "mock_response": ANSWER, "api_key": "sk-proj-Ab3dEf6hIj9k"}

litellm.completion(model="gpt-4o", user="acme", metadata={"tags": ["prod", "User-Agent: x/1"]}, **base)


async def calls() -> None:
    await litellm.acompletion(model="anthropic/claude-sonnet-4-5", **base)
    parts = await litellm.acompletion(model="gpt-4o", stream=True, stream_options={"include_usage": True}, **base)
    async for _ in parts:
        pass
    for _ in range(2):
        await litellm.acompletion(model="gpt-4o-mini", caching=True, **base)
        await asyncio.sleep(0.5)
    failing = {**base, "mock_response": "litellm.RateLimitError"}
    try:
        await litellm.acompletion(model="gpt-4o", num_retries=0, **failing)
    except litellm.RateLimitError:
        pass
    else:
        raise AssertionError("it should have failed")
    await asyncio.sleep(1)


asyncio.run(calls())
deadline = time.monotonic() + 30
recorder = logger.log_success_event.__closure__ and next(
    cell.cell_contents for cell in logger.log_success_event.__closure__ if hasattr(cell.cell_contents, "flush")
)
while recorder.written < 6 and time.monotonic() < deadline:
    recorder.flush(1)
    time.sleep(0.05)
print(recorder)
