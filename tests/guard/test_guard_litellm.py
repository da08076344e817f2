"""LiteLLM's own proxy with the guard's callback: what is over its budget never reaches the provider."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest

from cost_top.guard.litellm import call_of
from support.guarded import CONFIG, NOTHING_ASIDE, fresh, guarded, provider, spend, wait_until
from support.litellm_proxy import litellm_python
from support.native_log import NativeLog

MASTER_KEY = "sk-master-Zz9Yy8Xx7Ww6"
PROXY = """\
model_list:
  - model_name: fast
    litellm_params: {{model: openai/gpt-4o, api_key: sk-upstream-Ab3dEf6hIj9k, api_base: "http://127.0.0.1:{port}/v1"}}
litellm_settings:
  callbacks: cost_top.guard.litellm.guard
  num_retries: 0
"""
CALLS = {
    "/v1/chat/completions": {"model": "fast", "user": "{user}", "messages": [{"role": "user", "content": "zebra"}]},
    "/v1/responses": {"model": "fast", "user": "{user}", "input": "zebra"},
    "/v1/messages": {
        "model": "fast", "max_tokens": 9, "metadata": {"user_id": "{user}"},
        "messages": [{"role": "user", "content": "zebra"}],
    },
}  # fmt: skip


def filled(value, user: str):
    if isinstance(value, dict):
        return {name: filled(part, user) for name, part in value.items()}
    return user if value == "{user}" else value


def test_a_call_over_its_budget_never_reaches_the_provider_on_any_route(tmp_path):
    program = Path(litellm_python()).with_name("litellm")
    if not program.exists():
        pytest.skip("LiteLLM's proxy is not installed")
    log = NativeLog(tmp_path / "gateway.db")
    spend(log, "ann", 0.6)
    (tmp_path / "config.toml").write_text(CONFIG + NOTHING_ASIDE)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with guarded(tmp_path, log) as server, provider() as (upstream, reached):
        wait_until(lambda: fresh(server))
        (tmp_path / "proxy.yaml").write_text(PROXY.format(port=upstream))
        environment = {
            **os.environ, "COST_TOP_GUARD_URL": server.url, "LITELLM_MASTER_KEY": MASTER_KEY,
            "COST_TOP_GUARD_PATIENCE": "5",
            "PYTHONPATH": str(Path(__file__).resolve().parents[2] / "src"), "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        }  # fmt: skip
        command = [program, "--config", tmp_path / "proxy.yaml", "--host", "127.0.0.1", "--port", str(port)]
        client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=180, trust_env=False,
                              headers={"Authorization": f"Bearer {MASTER_KEY}"})  # fmt: skip
        with (tmp_path / "proxy.log").open("w") as output, subprocess.Popen(
            command, env=environment, cwd=tmp_path, stdout=output, stderr=output
        ) as proxy, client:  # fmt: skip
            try:
                deadline = time.monotonic() + 180
                while True:
                    with contextlib.suppress(httpx.HTTPError):
                        if client.get("/health/liveliness").status_code == 200:
                            break
                    assert proxy.poll() is None, (tmp_path / "proxy.log").read_text()[-3000:]
                    assert time.monotonic() < deadline
                    time.sleep(0.3)
                for path, body in CALLS.items():
                    refused = client.post(path, json=filled(body, "ann"))
                    assert refused.status_code == 422, (path, refused.text)
                    error = refused.json()["error"]
                    assert "budget user-day of user ann is used up" in error["message"]
                    if path != "/v1/messages":  # there LiteLLM speaks as Anthropic does
                        assert (error["type"], error["code"]) == ("budget_exhausted", "422")
                assert reached == []
                allowed = client.post("/v1/chat/completions", json=filled(CALLS["/v1/chat/completions"], "bob"))
                assert allowed.status_code == 200, allowed.text
                assert len(reached) == 1
                server.end()
                client.post("/v1/chat/completions", json=filled(CALLS["/v1/chat/completions"], "ann"))
                assert len(reached) == 2  # nobody knows: calls pass, and stderr says so
                assert "cost-top guard: does not answer" in (tmp_path / "proxy.log").read_text()
            finally:
                proxy.terminate()
    log.close()


def test_the_call_is_told_by_the_names_that_litellms_log_will_carry():
    key = SimpleNamespace(api_key="0f" * 32, key_alias="CI", end_user_id=None, team_alias="Search", team_id="t1",
                          user_id="ann", request_route="/v1/chat/completions")  # fmt: skip
    data = {
        "model": "fast", "user": "acme", "litellm_call_id": "call-1", "messages": [{"content": "zebra"}],
        "metadata": {"tags": ["prod", 3], "user_api_key_request_route": "/chat/completions"}, "tags": ["beta"],
    }  # fmt: skip
    assert call_of(key, data) == {
        "token": "0f" * 32, "token_name": "CI", "user": "acme", "owner": "ann", "team": "Search",
        "endpoint": "/chat/completions", "model": "fast", "id": "call-1", "tags": ["beta", "prod"],
    }  # fmt: skip


@pytest.mark.parametrize("data", [None, 3, [], {}, {"metadata": 3, "tags": None}, {"user": "x" * 9999, "model": 7}])
def test_whatever_litellm_hands_over_can_be_told(data):
    call = call_of(object(), data)
    assert all(value is None or isinstance(value, str) for name, value in call.items() if name != "tags")
    assert "endpoint" not in call
