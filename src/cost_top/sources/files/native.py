"""Rows of session files in the columns of the native log."""

from __future__ import annotations

import re
from typing import Any

from cost_top.model.native import COLUMNS, DDL
from cost_top.usage.counts import Usage

NATIVE_COLUMNS: dict[str, str] = {
    name: found[1] if (found := re.search(rf"^  {name} +(\w+)", DDL, re.MULTILINE)) else "TEXT"
    for name in dict.fromkeys((*COLUMNS, "session"))
}
# Names that the file tells, not the provider.
_OF_FILES = ("model", "status", "session", "prompt")
_OF_USAGE = tuple(name for name in COLUMNS if name in Usage.__dataclass_fields__ and name not in _OF_FILES)


def usage_columns(usage: Usage) -> dict[str, Any]:
    """The columns of the native log that a provider's usage tells."""
    return {name: getattr(usage, name) for name in _OF_USAGE}
