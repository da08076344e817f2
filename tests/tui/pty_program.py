"""The app on this process's terminal, on a fake feed; for `test_app_pty`."""

import os
import sys
from datetime import UTC
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from fake_feed import FakeFeed

from cost_top.model.view import View
from cost_top.tui.app import run_app


class Noisy(FakeFeed):
    """Its library writes to the process's output and errors."""

    def start(self, *arguments: Any) -> None:
        super().start(*arguments)
        for descriptor in (1, 2):
            os.write(descriptor, b"WARNING: the certificate \x1b[2Jends soon\n")


if __name__ == "__main__":
    os.close(os.open(os.ttyname(0), os.O_RDWR))  # a session's first terminal becomes its own: SIGHUP and SIGWINCH
    feed = (Noisy if "--noisy" in sys.argv else FakeFeed)()
    sys.exit(
        run_app(
            feed, view=View(), zone=UTC, interval=2.0, source_label="litellm@prod-db", theme=None,
            mouse="--no-mouse" not in sys.argv, export_folder=Path("/nonexistent"),
        )
    )  # fmt: skip
