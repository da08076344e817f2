"""LiteLLM's own proxy over a PostgreSQL, in a process with LiteLLM's Python (`COST_TOP_LITELLM_PYTHON`)."""

from __future__ import annotations

import importlib.util
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

_PROGRAM = Path(__file__).with_name("litellm_proxy_app.py")
_PATIENCE = 180.0


def litellm_python() -> str:
    """The Python that has LiteLLM: this one, or that of `COST_TOP_LITELLM_PYTHON` (LiteLLM pins its neighbours)."""
    if given := os.environ.get("COST_TOP_LITELLM_PYTHON"):
        return given
    if importlib.util.find_spec("litellm") is None:
        if os.environ.get("COST_TOP_REQUIRE_SERVERS") == "1":
            pytest.fail("litellm is not installed")
        pytest.skip("litellm is not installed")
    return sys.executable


class LiteLLMProxy:
    """A running proxy; `key` is its master key. `database` None is a proxy without one."""

    def __init__(self, database: str | None) -> None:
        self.key = f"sk-master-{secrets.token_urlsafe(12)}"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        command = [litellm_python(), str(_PROGRAM), database or "none", str(self.port), self.key]
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - the process's, for its whole life
        environment = {**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR"}
        environment.pop("PYTHONPATH", None)
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, env=environment, text=True
        )
        try:
            self._wait()
        except BaseException:
            self.close()
            raise

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def use(self, database: str | None) -> None:
        """Another database, or none, from now on."""
        self._say(database or "none")

    def license(self, is_paid: bool = True) -> None:
        """What is for enterprises alone is there from now on, or no more."""
        self._say("licensed" if is_paid else "unlicensed")

    def _say(self, line: str) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(line, file=self._process.stdin, flush=True)
        while answer := self._process.stdout.readline():
            if answer == "ready\n":
                return
        raise AssertionError(f"the proxy ended: {self.log()[-3000:]}")

    def log(self) -> str:
        """What the process has printed."""
        self._log.seek(0)
        return self._log.read().decode("utf-8", "replace")

    def close(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(90)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(90)
        for stream in (self._process.stdin, self._process.stdout, self._log):
            if stream is not None:
                stream.close()

    def _wait(self) -> None:
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                with urllib.request.urlopen(f"{self.url}/health/liveliness", timeout=10) as answer:
                    assert answer.status == 200
                    return
            except (urllib.error.URLError, OSError):
                if self._process.poll() is not None:
                    raise AssertionError(f"the proxy ended: {self.log()[-3000:]}") from None
                assert time.monotonic() < deadline, f"the proxy does not answer: {self.log()[-3000:]}"
                time.sleep(0.2)
