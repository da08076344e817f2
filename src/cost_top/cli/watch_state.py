"""Where `cost-top watch` keeps what it noted of a source; little is imported, for what only looks at it."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from cost_top.cli.options import Resolved
from cost_top.config import config_path


def state_path(settings: Resolved, config_file: Path | None) -> Path:
    """One for each source and config file."""
    from cost_top.state.state_file import state_folder

    told = f"{settings.url}\n{(config_file or config_path()).resolve()}"
    return state_folder() / f"watch-{sha256(told.encode('utf-8', 'replace')).hexdigest()[:16]}.json"
