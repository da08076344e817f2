"""A throw-away MariaDB (or MySQL) of this machine's own programs; never one that somebody uses."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import pymysql

_SETTINGS = (
    "--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=64M", "--innodb-log-file-size=16M",
    "--skip-log-bin", "--performance-schema=OFF", "--innodb-doublewrite=0",
)  # fmt: skip


class NoServer(Exception):
    """Why there is none."""


class MariadbServer:
    """A running server of our own; `password` is the administrator's."""

    def __init__(self) -> None:
        program = shutil.which("mariadbd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/libexec")
        install = shutil.which("mariadb-install-db")
        if program is None or install is None:
            raise NoServer("no mariadbd on this machine: install mariadb-server")
        self._program = program
        self.password = secrets.token_urlsafe(12)
        self.home = Path(tempfile.mkdtemp(prefix="cost-top-my-"))
        self.socket = self.home / "sock"
        self.port = _free_port()
        self._owner = pwd.getpwnam("mysql") if os.getuid() == 0 else None
        if self._owner is not None:
            os.chown(self.home, self._owner.pw_uid, self._owner.pw_gid)
        try:
            command = [install, "--no-defaults", f"--datadir={self.home / 'data'}", "--skip-test-db",
                       "--auth-root-authentication-method=normal"]  # fmt: skip
            subprocess.run(command, check=True, capture_output=True, cwd="/", timeout=120, **self._as_owner())
            self.start()
            self.run(f"CREATE USER 'admin'@'%' IDENTIFIED BY '{self.password}'")
            self.run("GRANT ALL ON *.* TO 'admin'@'%' WITH GRANT OPTION")
        except (subprocess.SubprocessError, OSError) as error:
            shutil.rmtree(self.home, ignore_errors=True)
            raise NoServer(str(error)) from None

    def url(self, database: str, user: str = "admin", password: str | None = None) -> str:
        return f"mysql://{user}:{password or self.password}@127.0.0.1:{self.port}/{database}"

    def connect(self, database: str | None = None) -> pymysql.connections.Connection[Any]:
        return pymysql.connect(
            user="root", unix_socket=str(self.socket), database=database, charset="utf8mb4", autocommit=True,
            ssl_disabled=True,
        )  # fmt: skip

    def run(self, sql: str, database: str | None = None) -> list[tuple[Any, ...]]:
        connection = self.connect(database)
        try:
            with connection.cursor() as cursor:
                cursor.execute(sql)
                return list(cursor.fetchall())
        finally:
            connection.close()

    def create_database(self) -> str:
        name = f"test_{secrets.token_hex(6)}"
        self.run(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
        return name

    def drop_database(self, name: str) -> None:
        self.run(f"DROP DATABASE IF EXISTS {name}")

    def start(self) -> None:
        log = open(self.home / "log", "ab")  # noqa: SIM115 - the server's, for its whole life
        command = [
            self._program, "--no-defaults", f"--datadir={self.home / 'data'}", f"--socket={self.socket}",
            f"--port={self.port}", "--bind-address=127.0.0.1", "--skip-networking=0",
            f"--pid-file={self.home / 'pid'}", *_SETTINGS,
        ]  # fmt: skip
        with log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd="/", **self._as_owner())
        deadline = time.monotonic() + 180
        while True:
            try:
                with socket.socket(socket.AF_UNIX) as probe:
                    probe.connect(str(self.socket))
                self.connect().close()
                return
            except OSError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise NoServer((self.home / "log").read_text(errors="replace")[-500:]) from None
                time.sleep(0.05)

    def stop(self, quick: bool = True) -> None:
        """`quick` loses what was written in the last second."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL if quick else signal.SIGTERM)
            self._process.wait(90)

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self.home, ignore_errors=True)

    def _as_owner(self) -> dict[str, Any]:
        # MariaDB refuses to run as root.
        if self._owner is None:
            return {}
        return {"user": self._owner.pw_uid, "group": self._owner.pw_gid, "extra_groups": []}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
