"""`cost-top version`: as `--version`."""

from __future__ import annotations

import click

from cost_top import __version__


@click.command("version", short_help="Which cost-top this is.")
def command() -> None:
    """Which cost-top this is."""
    click.echo(f"cost-top {__version__}")
