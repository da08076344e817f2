"""What `cost-top` prints, asked many times of one process: starting Python costs more than most answers."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence

_PROGRAM = """
import contextlib, io, json, sys
from cost_top.cli import group
printed = []
for arguments in json.load(sys.stdin):
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        group.main(arguments, prog_name="cost-top", standalone_mode=False)
    printed.append(out.getvalue())
json.dump(printed, sys.stdout)
"""


def printed(calls: Sequence[Sequence[str]], env: Mapping[str, str]) -> list[str]:
    """The output of each call, one after another; raises where one fails."""
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM], input=json.dumps([list(call) for call in calls]), capture_output=True,
        text=True, env=dict(env), check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    answers: list[str] = json.loads(done.stdout)
    return answers
