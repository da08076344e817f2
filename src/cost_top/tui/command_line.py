"""The command line that shows what is on the screen."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from datetime import tzinfo

from cost_top.model.view import View
from cost_top.model.windows import Period


def command_line(start: Sequence[str], view: View, period: Period | None, zone: tzinfo) -> str:
    """`start` with the options of a view, quoted for a shell; `period` is what it covers now."""
    words = list(start)
    since = view.start or (period.start if period is not None and view.end is not None else None)
    if since is None:
        words += ["--window", view.window]
    else:
        words += ["--since", since.astimezone(zone).isoformat()]
    if view.end is not None:
        words += ["--until", view.end.astimezone(zone).isoformat()]
    if view.where:
        words += ["--where", str(view.where)]
    return shlex.join(words)
