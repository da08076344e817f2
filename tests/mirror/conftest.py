"""What tests of the mirror read, and at which rates."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.support.native_log import NativeLog

from cost_top.pricing.book import RateBook


@pytest.fixture(scope="module")
def book() -> RateBook:
    return RateBook.load(None)


@pytest.fixture
def log(sqlite_log: Callable[..., NativeLog]) -> NativeLog:
    """An empty one."""
    return sqlite_log()
