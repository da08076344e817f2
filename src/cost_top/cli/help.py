"""`cost-top help [TOPIC]`: the manual's pages, which the README links too."""

from __future__ import annotations

import sys
from difflib import get_close_matches
from pathlib import Path

import click

from cost_top.model.errors import UserError, one_line

FOLDER = Path(__file__).parents[1] / "docs"


def topics() -> dict[str, str]:
    """What each page is about, by topic: a page begins with `# TOPIC: what it is about`."""
    found = {}
    for page in sorted(FOLDER.glob("*.md")):
        with page.open(encoding="utf-8") as lines:
            found[page.stem] = lines.readline().partition(": ")[2].strip()
    return found


def page(topic: str) -> str:
    """A page's text, without the marks of the parts that are made from the code."""
    known = topics()
    if topic not in known:
        from cost_top.cli import COMMANDS

        if topic in COMMANDS:
            return f"cost-top {topic} --help tells its options.\n"
        near = get_close_matches(topic, [*known, *COMMANDS], 1)
        advice = f"did you mean {near[0]}?" if near else "cost-top help lists them"
        raise UserError(f"no such topic: {one_line(topic, 40)}; {advice}")
    text = (FOLDER / f"{topic}.md").read_text(encoding="utf-8")
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith("<!--"))


@click.command("help", short_help="The manual, topic by topic.")
@click.argument("topic", required=False)
def command(topic: str | None) -> None:
    """The manual, topic by topic; without TOPIC the list of them."""
    if topic is not None:
        text = page(topic)
        if sys.stdout.isatty():
            click.echo_via_pager(text)
        else:
            click.echo(text, nl=False)
        return
    known = topics()
    width = max(map(len, known))
    for name, about in known.items():
        click.echo(f"  {name:<{width}}  {about}")
