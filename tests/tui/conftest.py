"""Lets the tests of this folder import `running`, `fake_feed` and `snapshots`."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
