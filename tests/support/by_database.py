"""Few rows read as many are: by the database, not in Python."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from cost_top.mirror import few_rows


@contextmanager
def by_database() -> Iterator[None]:
    """No rows are few inside."""
    with pytest.MonkeyPatch.context() as patched:
        for most in ("MOST_AT_ONCE", "MOST_TAKEN"):
            patched.setattr(few_rows, most, -1)
        yield
