"""What a test needs of the machine: where it is absent the test is skipped, or fails where everything is required."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest

REQUIRED = os.environ.get("COST_TOP_REQUIRE_SERVERS") == "1"


def absent(reason: str) -> NoReturn:
    """Skip, or fail where the servers are required."""
    if REQUIRED:
        pytest.fail(reason)
    pytest.skip(reason)
