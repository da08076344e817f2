"""What a shell offers after Tab: sources, dimensions, the fields of a filter.

`cost-top completion bash` prints the lines that make a bash ask; zsh and fish likewise.
"""

from __future__ import annotations

import click
from click.shell_completion import CompletionItem


def sources(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG001
    """Names of the config file and the words for APIs and agents; files are the shell's own."""
    from cost_top.config import load_config
    from cost_top.model.errors import UserError
    from cost_top.sources.files.found import AGENTS
    from cost_top.sources.locate import REPORT_APIS

    try:
        named = tuple(load_config(None).sources)
    except UserError:
        named = ()
    words = [name for name in (*named, *REPORT_APIS, *AGENTS) if name.startswith(incomplete)]
    return [*map(CompletionItem, words), CompletionItem(incomplete, type="file")]


def dimensions(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG001
    """Dimensions after the last comma, those before it left out."""
    from cost_top.model.query import DIMENSIONS

    head, comma, last = incomplete.rpartition(",")
    taken = head.split(",")
    return [
        CompletionItem(f"{head}{comma}{name}") for name in DIMENSIONS if name.startswith(last) and name not in taken
    ]


def filters(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG001
    """Fields of the last term, negated or not."""
    from cost_top.model.filter import FILTER_FIELDS

    head, space, last = incomplete.rpartition(" ")
    minus = "-" if last.startswith("-") else ""
    word = last.removeprefix("-")
    return [CompletionItem(f"{head}{space}{minus}{name}:") for name in FILTER_FIELDS if name.startswith(word)]
