"""A password in a URL argument is not in the process list while the command runs."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="no /proc")
def test_a_password_is_not_in_the_process_list(tmp_path: Path) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        url = f"postgresql://reader:s3cr3t-word@127.0.0.1:{listener.getsockname()[1]}/gateway"
        process = subprocess.Popen(
            [sys.executable, "-m", "cost_top", "report", url],
            env={"COST_TOP_CACHE": str(tmp_path), "HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        listener.settimeout(180)
        accepted, _ = listener.accept()  # the command now waits for an answer
        deadline = time.monotonic() + 180
        line = ""
        while "***" not in line and time.monotonic() < deadline:
            line = Path(f"/proc/{process.pid}/cmdline").read_bytes().decode()
        accepted.close()
        _, errors = process.communicate(timeout=90)
    assert "reader:***@" in line
    assert "s3cr3t" not in line
    assert "s3cr3t" not in errors
    assert process.returncode == 2


def test_an_argument_that_is_no_text_beside_a_password_is_one_line() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "cost_top", "report", "postgresql://reader:s3cr3t-word@127.0.0.1:1/log", "--where",
         b"user:\xff"],
        env={"HOME": "/nonexistent", "PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=False, timeout=90,
    )  # fmt: skip
    assert ran.returncode == 2
    assert ran.stderr.count("\n") == 1
    assert "Traceback" not in ran.stderr
