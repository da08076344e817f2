"""What a driver has to offer behind a `Database`: one connection that runs statements DuckDB can scan."""

from __future__ import annotations

from typing import Any, Protocol


class Connection(Protocol):
    """An open, read-only connection, used by one thread; `cancel` is for any. Raises its driver's own errors."""

    def run(self, sql: str, query: bool = True) -> Any:
        """The answer as something DuckDB scans under a variable's name: an Arrow C stream, read once and as it comes.

        `query` False is for statements that are none (EXPLAIN, SHOW, SET). An earlier answer is given up.
        """

    def finish(self) -> None:
        """The answer has been taken, or is not wanted any more."""

    def cancel(self) -> None:
        """Break off the statement under way, where the driver can."""

    def close(self) -> None:
        """Release everything."""
