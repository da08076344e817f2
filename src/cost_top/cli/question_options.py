"""Options of commands that ask: which requests, and of which time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from cost_top.cli import completion

F = TypeVar("F", bound=Callable[..., Any])
SINCE = "7d, today, yesterday, 2026-11-01 or an ISO time"


def period_options(usual: str) -> Callable[[F], F]:
    """`--since`, by default so long before `--until`, and `--until`, by default now."""

    def decorate(function: F) -> F:
        function = click.option("--until", default="now", show_default=True, metavar="TIME", help="End, not included.")(
            function
        )
        return click.option("--since", metavar="TIME", help=f"{SINCE} (default: {usual} before --until).")(function)

    return decorate


def filter_option(help_text: str) -> Callable[[F], F]:
    """`--where`."""
    return click.option("--where", default="", metavar="FILTER", shell_complete=completion.filters, help=help_text)
