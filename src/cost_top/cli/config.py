"""`cost-top config`: where the config file is, and everything that is wrong with it."""

from __future__ import annotations

from pathlib import Path

import click

from cost_top.cli import fail
from cost_top.config import ConfigFile, config_path, load_config, parse_zone
from cost_top.model.toml_file import read_toml


@click.command(name="config", short_help="Where the config file is, and what is wrong with it.")
@click.option("--check", is_flag=True, help="Tell every mistake in it, one line each, with file, line and key.")
@click.argument("file", required=False, type=click.Path(path_type=Path, dir_okay=False))
def command(check: bool, file: Path | None) -> None:
    """Say where the config file is; with --check, everything that is wrong with it (exit code 2).

    \b
    Examples:
      cost-top config
      cost-top config --check
      cost-top config --check ./config.toml
    """
    from cost_top.rules import rule_mistakes

    path = file or config_path()
    if not check:
        click.echo(f"{path}{'' if path.exists() else ' (not there)'}")
        return
    settings = read_toml(path, "config file")
    mistakes = [*settings.mistakes(ConfigFile), *rule_mistakes(settings, parse_zone)]
    for mistake in mistakes[:-1]:
        click.echo(f"cost-top: {mistake}", err=True)
    if mistakes:
        fail(mistakes[-1])
    names = ", ".join(load_config(path).sources) or "none"
    click.echo(f"config file {path}: no mistake; sources: {names}")
