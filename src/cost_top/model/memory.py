"""Memory that is free again, given back to the system: what was taken in at once is seldom needed a second time."""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from typing import Any

# `mallopt` of the GNU C library.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MOST_ARENAS = -1, -3, -8
_LARGE = 128 * 1024


def keep_little() -> None:
    """Share one heap between threads, and none of it with what is large: free memory is then at its end, or its own.

    Nothing where the system's C library is another one.
    """
    with suppress(AttributeError):
        for setting, value in ((_MOST_ARENAS, 1), (_MMAP_THRESHOLD, _LARGE), (_TRIM_THRESHOLD, _LARGE)):
            _library().mallopt(setting, value)


def give_back() -> None:
    """Give back what is free between what is held."""
    with suppress(AttributeError):
        _library().malloc_trim(0)


@cache
def _library() -> Any:
    import ctypes

    try:
        return ctypes.CDLL(None)
    except (OSError, TypeError):  # no such thing there
        return None
