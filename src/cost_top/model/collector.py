"""The collector of cycles, kept from what has none."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """While modules or millions of figures are taken in, none of them in a cycle: to look at them all again and again
    takes up to a third of the time. Afterwards cycles are collected if they were before."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
