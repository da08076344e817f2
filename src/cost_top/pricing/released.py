"""Where the released rates are."""

from __future__ import annotations

from pathlib import Path


def rates_path() -> Path:
    """`rates.json`: package data in an installed wheel, the top-level `pricing/` in a checkout."""
    packaged = Path(__file__).parent / "data" / "rates.json"
    return packaged if packaged.exists() else Path(__file__).resolve().parents[3] / "pricing" / "rates.json"
