"""`cost-top completion [SHELL]`: the lines that make a shell complete cost-top's commands, sources and fields."""

from __future__ import annotations

import os
from pathlib import Path

import click
from click.shell_completion import get_completion_class

from cost_top.model.errors import UserError

_SHELLS = ("bash", "zsh", "fish")


@click.command("completion", short_help="What makes a shell complete cost-top's words.")
@click.argument("shell", required=False, type=click.Choice(_SHELLS))
def command(shell: str | None) -> None:
    """The lines that make a shell complete cost-top's commands, sources and fields; by default for yours.

    \b
    Examples:
      eval "$(cost-top completion bash)"      in ~/.bashrc
      eval "$(cost-top completion zsh)"       in ~/.zshrc
      cost-top completion fish | source       in ~/.config/fish/config.fish
    """
    from cost_top.cli import group

    wanted = shell or Path(os.environ.get("SHELL", "")).name
    if wanted not in _SHELLS:
        raise UserError(f"which shell? cost-top completion {'|'.join(_SHELLS)}")
    kind = get_completion_class(wanted)
    assert kind is not None
    click.echo(kind(group, {}, "cost-top", "_COST_TOP_COMPLETE").source())
