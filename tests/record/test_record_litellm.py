"""LiteLLM's own code calls the logger; and what the logger makes of payloads of any shape."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from cost_top.model.errors import UserError
from cost_top.record.litellm import URL_VARIABLE, _keep, call_values, litellm_logger
from support.litellm_proxy import litellm_python

HERE = Path(__file__).resolve().parent
PAYLOAD = {
    "id": "chatcmpl-1", "litellm_call_id": "call-1", "call_type": "acompletion", "stream": True, "status": "success",
    "response_cost": 0.01815, "custom_llm_provider": "anthropic", "model": "claude-sonnet-4-5", "cache_hit": False,
    "prompt_tokens": 12050, "completion_tokens": 500, "total_tokens": 12550, "startTime": 1_700_000_000.0,
    "endTime": 1_700_000_002.5, "end_user": "acme", "request_tags": ["prod", "User-Agent: OpenAI"],
    "requester_ip_address": "10.0.0.1", "user_agent": "OpenAI/1", "messages": [{"content": "zebra"}],
    "response": {"choices": "walrus"}, "error_str": None, "metadata": {
        "user_api_key_hash": "0f" * 32, "user_api_key_alias": "CI", "user_api_key_user_id": "ann",
        "user_api_key_team_alias": "Search", "user_api_key_request_route": "/v1/messages",
        "usage_object": {"cache_read_input_tokens": 10000, "cache_creation_input_tokens": 2000},
    },
}  # fmt: skip


def test_litellms_own_code_calls_the_logger(log):
    command = [litellm_python(), str(HERE / "litellm_calls.py"), log.url]
    environment = {**os.environ, "PYTHONPATH": str(HERE.parents[1] / "src")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    rows = log.rows()
    assert len(rows) == 6, rows
    plain, claude, streamed, miss, hit, failed = rows
    assert (plain["provider"], plain["model"], plain["user_id"], plain["tags"]) == (
        "openai",
        "gpt-4o",
        "acme",
        ["prod"],
    )
    assert (claude["provider"], claude["model"]) == ("anthropic", "claude-sonnet-4-5")
    for row in (plain, claude, streamed, miss, hit):
        assert row["status"] == 200
        assert row["input_tokens"] > 0
        assert row["output_tokens"] > 0
    # LiteLLM's answer to itself: 10 tokens in at $2.50 and 20 out at $10 a million.
    assert (plain["input_tokens"], plain["output_tokens"], plain["cost_pico_usd"]) == (10, 20, 225_000_000)
    assert [row["streamed"] for row in rows[:3]] == [0, 0, 1]
    assert (hit["cache_hit"], hit["cost_pico_usd"]) == (1, 0)
    assert not miss["cache_hit"]
    assert hit["input_tokens"] == miss["input_tokens"]
    assert (failed["status"], failed["input_tokens"], failed["cost_pico_usd"]) == (429, None, None)
    for secret in ("zebra", "walrus", "Ab3dEf6hIj9k"):
        assert secret.encode() not in log.bytes()


CONFIGURATION = """\
model_list:
  - model_name: fast
    litellm_params: {model: openai/gpt-4o, api_key: sk-upstream-Ab3dEf6hIj9k, mock_response: walrus}
litellm_settings:
  callbacks: cost_top.record.litellm.logger
"""
MASTER_KEY = "sk-master-Zz9Yy8Xx7Ww6"


def test_a_real_proxy_writes_the_log_by_configuration_alone(log, tmp_path):
    program = Path(litellm_python()).with_name("litellm")
    if not program.exists():
        pytest.skip("LiteLLM's proxy is not installed")
    (tmp_path / "config.yaml").write_text(CONFIGURATION)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {
        **os.environ, URL_VARIABLE: log.url, "PYTHONPATH": str(HERE.parents[1] / "src"),
        "LITELLM_MASTER_KEY": MASTER_KEY, "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    }  # fmt: skip
    command = [program, "--config", tmp_path / "config.yaml", "--host", "127.0.0.1", "--port", str(port)]
    body = {"model": "fast", "user": "acme", "messages": [{"role": "user", "content": "zebra"}]}
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/v1/chat/completions", json.dumps(body).encode(),
        {"Authorization": f"Bearer {MASTER_KEY}", "Content-Type": "application/json"},
    )  # fmt: skip
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, env=environment, cwd=tmp_path, **quiet) as proxy:
        try:
            for _ in range(240):
                with contextlib.suppress(urllib.error.URLError), urllib.request.urlopen(request, timeout=30) as answer:
                    assert answer.status == 200
                    break
                assert proxy.poll() is None, "the proxy ended"
                time.sleep(0.5)
        finally:
            proxy.terminate()
    row = log.row()
    assert (row["endpoint"], row["user_id"], row["cost_pico_usd"]) == ("/v1/chat/completions", "acme", 225_000_000)
    for secret in ("zebra", "walrus", "Ab3dEf6hIj9k", "Zz9Yy8Xx7Ww6"):
        assert secret.encode() not in log.bytes()


def test_a_proxy_payload_fills_the_row(log):
    log.recorder.record(**call_values(PAYLOAD))
    row = log.row()
    expected = {
        "id": "call-1", "time_ms": 1_700_000_000_000, "provider": "anthropic", "model": "claude-sonnet-4-5",
        "endpoint": "/v1/messages", "token": "0f" * 32, "token_name": "CI", "user_id": "acme", "owner": "ann",
        "team": "Search", "tags": ["prod"], "credential_type": "system", "input_tokens": 12050,
        "cached_input_tokens": 10000, "cache_creation_input_tokens": 2000, "cache_creation_1h_tokens": 0,
        "output_tokens": 500, "reasoning_tokens": 0, "cost_pico_usd": 18_150_000_000, "mode": None, "cache_hit": 0,
        "latency_ms": 2500, "status": 200, "streamed": 1, "client_ip": "10.0.0.1", "user_agent": "OpenAI/1",
        "session": None, "prompt": None, "region": None, "audio_input_tokens": None, "audio_output_tokens": None,
        "image_output_tokens": None, "web_search_count": None,
    }  # fmt: skip
    assert row == expected
    assert b"zebra" not in log.bytes()


def test_session_and_cache_key_come_with_the_call(log):
    log.recorder.record(**call_values({**PAYLOAD, "session_id": "chat-7", "trace_id": "t-1", "cache_key": "k-9"}))
    log.recorder.record(**call_values({**PAYLOAD, "trace_id": "t-1", "cache_key": "Cache OFF", "id": "b",
                                       "litellm_call_id": "b"}))  # fmt: skip
    assert {(row["session"], row["prompt"]) for row in log.rows()} == {("chat-7", "k-9"), ("t-1", None)}


def test_a_price_litellm_does_not_know_is_unknown(log):
    log.recorder.record(**call_values({**PAYLOAD, "response_cost": 0.0}))
    assert log.row()["cost_pico_usd"] is None


def test_a_failure_beside_its_retry(log):
    error = {"error_code": "503", "error_message": "zebra said no"}
    failed = {**PAYLOAD, "status": "failure", "error_information": error, "total_tokens": 0, "response_cost": 0}
    log.recorder.record(**call_values(failed))
    log.recorder.record(**call_values(PAYLOAD))
    log.recorder.record(**call_values(PAYLOAD))
    rows = log.rows()
    assert [(row["status"], row["input_tokens"]) for row in rows] == [(200, 12050), (503, None)]
    assert b"zebra" not in log.bytes()


@pytest.mark.parametrize("value", [None, 7, "x", [], {}, {"metadata": 3}, [1], float("nan"), object()])
def test_payloads_of_any_shape_never_raise(log, value):
    for kwargs in (value, {"standard_logging_object": value}):
        _keep(log.recorder, kwargs)
    for key in PAYLOAD:
        _keep(log.recorder, {"standard_logging_object": {**PAYLOAD, key: value}})
    assert log.recorder.flush(20)
    assert json.dumps(log.rows())


def test_litellm_is_asked_for_only_when_a_logger_is_made(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "litellm", None)
    monkeypatch.setitem(sys.modules, "litellm.integrations", None)
    monkeypatch.setitem(sys.modules, "litellm.integrations.custom_logger", None)
    with pytest.raises(UserError, match="litellm is not installed"):
        litellm_logger(None)
    import cost_top.record.litellm as adapter

    monkeypatch.delenv(URL_VARIABLE, raising=False)
    with pytest.raises(UserError, match=URL_VARIABLE):
        _ = adapter.logger
    with pytest.raises(AttributeError):
        _ = adapter.something
