"""A throw-away ClickHouse: the wheel chdb behind an HTTP endpoint, since no package has the server's program."""

from __future__ import annotations

import importlib.util
import json
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

DENIED, BOUND = "outsider", "bound"


class NoServer(Exception):
    """Why there is none."""


class ClickhouseServer:
    """A running engine of our own. The user `outsider` may log in and read no table called `logs` or `secret_logs`,
    `bound` may read all and change no setting.
    """

    def __init__(self) -> None:
        if importlib.util.find_spec("chdb") is None or importlib.util.find_spec("clickhouse_connect") is None:
            raise NoServer("chdb is not installed: pip install --no-deps chdb-core, and clickhouse-connect")
        self.password = secrets.token_urlsafe(12)
        self.home = Path(tempfile.mkdtemp(prefix="cost-top-ch-"))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        users = {
            "default": {"password": self.password},
            DENIED: {"password": self.password, "denied": ["logs", "secret_logs"]},
            BOUND: {"password": self.password, "readonly": True},
        }
        (self.home / "users.json").write_text(json.dumps(users))
        self.start()

    def url(self, database: str, user: str = "default", password: str | None = None) -> str:
        return f"clickhouse://{user}:{password or self.password}@127.0.0.1:{self.port}/{database}"

    def run(self, sql: str, database: str = "default") -> str:
        """An answer as TSV."""
        given = urllib.parse.urlencode({"database": database, "user": "default", "password": self.password})
        asked = urllib.request.Request(f"http://127.0.0.1:{self.port}/?{given}", data=sql.encode("utf-8"))
        try:
            with urllib.request.urlopen(asked, timeout=120) as answer:
                return answer.read().decode("utf-8")
        except urllib.error.HTTPError as error:
            with error:
                raise RuntimeError(error.read().decode("utf-8", "replace")) from None

    def create_database(self) -> str:
        name = f"test_{secrets.token_hex(6)}"
        self.run(f"CREATE DATABASE {name}")
        return name

    def drop_database(self, name: str) -> None:
        self.run(f"DROP DATABASE IF EXISTS {name} SYNC")

    def start(self) -> None:
        log = open(self.home / "log", "ab")  # noqa: SIM115 - the server's, for its whole life
        program = Path(__file__).with_name("chdb_http.py")
        command = [sys.executable, str(program), str(self.home / "data"), str(self.port), str(self.home / "users.json")]
        with log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd="/")
        deadline = time.monotonic() + 120
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/ping", timeout=30):
                    return
            except OSError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise NoServer((self.home / "log").read_text(errors="replace")[-500:]) from None
                time.sleep(0.05)

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL)
        self._process.wait(90)

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self.home, ignore_errors=True)
