"""`cost-top [SOURCE]`: the app."""

from __future__ import annotations

from pathlib import Path

import click

from cost_top.cli.options import resolve, source_options, three_ways
from cost_top.cli.question_options import SINCE, filter_option
from cost_top.model.windows import WINDOW_NAMES


@click.command("app")
@source_options
@filter_option("Start with a filter such as 'tag:prod -model:gpt-4o*'.")
@click.option("--window", type=click.Choice(WINDOW_NAMES), help="Window to start with (default 30d).")
@click.option("--since", metavar="TIME", help=f"Start with the time from there on: {SINCE}.")
@click.option("--until", metavar="TIME", help="Where the time to start with ends, exclusive (default now).")
@click.option("--interval", type=click.FloatRange(1, 3600), metavar="SECONDS", help="Time between polls (default 2).")
@click.option("--theme", type=click.Choice(["dark", "light"]), help="Colours (default dark).")
@click.option("--no-mouse", is_flag=True, help="Leave the mouse to the terminal.")
def command(
    source: str | None, mapping: Path | None, overrides: Path | None, tz: str | None, no_cache: bool,
    config_file: Path | None, where: str, window: str | None,
    since: str | None, until: str | None, interval: float | None, theme: str | None,
    no_mouse: bool,
) -> None:  # fmt: skip
    """Watch a source live; without a terminal, print the overview once.

    \b
    Examples:
      cost-top postgresql://reader@db.example.com/litellm
      cost-top gateway.db --tz Europe/Berlin --where 'tag:prod'
      cost-top prod | mail -s "LLM spend" finance@example.com
    """
    settings = resolve(source, mapping, overrides, tz, no_cache, config_file)
    if settings.url is None:
        click.echo(three_ways(), nl=False, err=True)
        raise SystemExit(2)
    from cost_top.cli.app import open_app

    open_app(
        source or "", mapping=mapping, overrides=overrides, tz=tz, no_cache=no_cache, config_file=config_file,
        where=where, window=window, since=since, until=until, interval=interval,
        theme=theme, mouse=False if no_mouse else None,
    )  # fmt: skip
