"""Which code made a figure: what is kept on disk was right for the code that wrote it, and may be wrong for another."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path

from cost_top import __version__

# Where requests are read, priced and summed.
FIGURES = ("gateways", "mirror", "model", "pricing", "sources/sql")
_KINDS = ("*.py", "*.toml")
_ROOT = Path(__file__).parents[1]


@functools.cache
def code_hash(*rooms: str) -> str:
    """A short text that changes with the code and data of these rooms (folders or files of the package)."""
    digest = hashlib.sha256(__version__.encode())
    for room in rooms:
        place = _ROOT / room
        inside = (path for kind in _KINDS for path in place.rglob(kind))
        for path in sorted(inside) if place.is_dir() else [place]:
            try:
                digest.update(f"{path.relative_to(_ROOT)}\n".encode() + path.read_bytes())
            except OSError:  # installed without sources: the version has to do
                continue
    return digest.hexdigest()[:12]
