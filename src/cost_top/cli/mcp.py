"""`cost-top mcp`: the source's questions as tools for an assistant, over stdin and stdout."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import click

from cost_top.cli.options import Resolved, resolve, source_options
from cost_top.model.errors import CannotAnswer, SourceError, UserError, one_line


@click.command("mcp")
@source_options
def command(
    source: str | None, mapping: Path | None, overrides: Path | None, tz: str | None, no_cache: bool,
    config_file: Path | None,
) -> None:  # fmt: skip
    """Give an assistant such as Claude Code the same questions as tools (MCP over stdin and stdout), read-only.

    The tools are report, why, requests, price, unpriced, budgets and incidents. An assistant starts this command by
    itself.

    \b
    Examples:
      claude mcp add cost-top -- cost-top mcp gateway.db
      claude mcp add cost-top -- cost-top mcp prod --tz Europe/Berlin
    """
    if importlib.util.find_spec("mcp") is None:
        raise UserError("cost-top mcp needs the extra: pip install 'cost-top[mcp]'")
    settings = resolve(source, mapping, overrides, tz, no_cache, config_file)
    answers = settings.open_answers()
    from cost_top.cli.budgets import kept_by_the_gateway
    from cost_top.serve.mcp import run

    try:
        run(
            answers, settings.zone, settings.load_book, settings.budgets(), lambda: recent_incidents(settings),
            lambda: kept_by_the_gateway(settings),
        )  # fmt: skip
    except SourceError as error:
        raise UserError(one_line(error)) from error
    finally:
        answers.close()


def recent_incidents(settings: Resolved) -> list[dict[str, Any]]:
    """The incidents of the last three days by the config's rules."""
    from cost_top.cli.watch import chosen_rules, replayed

    if not settings.is_log:
        raise CannotAnswer("incidents are found in single requests: the source must be a request log")
    document = replayed(settings, chosen_rules(settings, None, None, False), "2d", "now", 300, "")
    found: list[dict[str, Any]] = document["incidents"]
    return found
