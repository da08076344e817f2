"""The recorder: a request log for people whose gateway or application has none that cost-top can read.

    from cost_top.record import Recorder

    recorder = Recorder("sqlite:///requests.db")
    recorder.record(request=body, response=answer, endpoint="/summarise-ticket", token=api_key)

`cost_top.record.asgi` records any Python gateway, `cost_top.record.litellm` a LiteLLM proxy. One row of metadata per
request goes to the native log (`cost_top.model.native`); prompts and completions are never kept anywhere.
"""

from __future__ import annotations

from cost_top.record.recorder import Recorder

__all__ = ["Recorder"]
