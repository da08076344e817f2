"""The app on this process's terminal, on a fake feed; for `test_app_pty`."""

import os
import sys
from datetime import UTC
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from fake_feed import FakeFeed

from cost_top.model.view import View
from cost_top.tui.app import run_app

if __name__ == "__main__":
    os.close(os.open(os.ttyname(0), os.O_RDWR))  # a session's first terminal becomes its own: SIGHUP and SIGWINCH
    sys.exit(
        run_app(
            FakeFeed(), view=View(), zone=UTC, interval=2.0, source_label="litellm@prod-db", theme=None,
            mouse="--no-mouse" not in sys.argv, export_folder=Path("/nonexistent"),
        )
    )  # fmt: skip
