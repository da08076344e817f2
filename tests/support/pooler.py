"""A pgbouncer of our own in front of a test's PostgreSQL."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from support.required import absent


class Pooler:
    """`url` is that of the database behind it, through the pool."""

    def __init__(self, url: str, mode: str = "transaction", ignored: str = "extra_float_digits") -> None:
        program = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
        if program is None:
            absent("no pgbouncer on this machine")
        parts = urlsplit(url)
        name = parts.path.lstrip("/")
        self.home = Path(tempfile.mkdtemp(prefix="cost-top-pool-"))
        self.port = _free_port()
        self.log = self.home / "log"
        (self.home / "ini").write_text(
            f"[databases]\n{name} = host=127.0.0.1 port={parts.port} dbname={name} user={parts.username} "
            f"password={parts.password}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {self.port}\n"
            f"unix_socket_dir =\nauth_type = any\npool_mode = {mode}\ndefault_pool_size = 2\n"
            f"ignore_startup_parameters = {ignored}\nlogfile = {self.log}\n"
        )
        owner: dict[str, Any] = {}
        if os.getuid() == 0:
            user = pwd.getpwnam("nobody")
            for path in (self.home, self.home / "ini"):
                os.chown(path, user.pw_uid, user.pw_gid)
            owner = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        self._process = subprocess.Popen(
            [program, "-q", str(self.home / "ini")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **owner
        )
        self.url = f"postgresql://{parts.username}@127.0.0.1:{self.port}/{name}"
        deadline = time.monotonic() + 90
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                if time.monotonic() > deadline or self._process.poll() is not None:
                    raise AssertionError(self.log.read_text() if self.log.exists() else "pgbouncer ended") from None
                time.sleep(0.05)

    def close(self) -> None:
        self._process.kill()
        self._process.wait(90)
        shutil.rmtree(self.home, ignore_errors=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
