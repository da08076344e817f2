"""The parts of README.md that are made from the code; `python -m tests.readme` writes them anew."""

from __future__ import annotations

import importlib
from pathlib import Path

import click

from cost_top.cli import COMMANDS
from cost_top.model.native import DDL
from cost_top.tui.keys import told

README = Path(__file__).parents[1] / "README.md"
WATCH = "cost-top"


def commands() -> dict[str, click.Command]:
    """Every command by what is typed."""
    modules = {WATCH: "cost_top.cli.watch"} | {f"{WATCH} {name}": module for name, (module, _) in COMMANDS.items()}
    return {name: importlib.import_module(module).command for name, module in modules.items()}


def shown_options(command: click.Command) -> list[click.Option]:
    """A command's options that its help shows."""
    return [option for option in command.params if isinstance(option, click.Option) and not option.hidden]


def keys() -> str:
    """A table of the keys, group by group."""
    lines = ["| key | |", "|---|---|"]
    for group, pairs in told():
        lines.append(f"| **{group}** | |")
        lines += [f"| {' '.join(_code(key) for key in shown.split(' '))} | {says} |" for shown, says in pairs]
    return "\n".join(lines)


def _code(key: str) -> str:
    return key if key == "…" else f"`{key}`"


def options() -> str:
    """A table of the options; one that several commands share stands in it once."""
    told_of: dict[tuple[str, str], list[str]] = {}
    for name, command in commands().items():
        for option in shown_options(command):
            says = option.help or f"by default {option.default}"
            told_of.setdefault((_flag(option), says), []).append(name.removeprefix("cost-top "))
    lines = ["| option | of | |", "|---|---|---|"]
    for (flag, says), names in told_of.items():
        whose = "all commands on a source" if len(names) >= 3 else ", ".join(f"`{name}`" for name in names)
        lines.append(f"| `{flag}` | {whose} | {says.replace('|', chr(92) + '|')} |")
    return "\n".join(lines)


def _flag(option: click.Option) -> str:
    flag = next(name for name in option.opts if name.startswith("--"))
    if option.is_flag:
        return flag
    if isinstance(option.type, click.Choice):
        return f"{flag} {'/'.join(map(str, option.type.choices))}"
    return f"{flag} {option.metavar or ('FILE' if isinstance(option.type, click.Path) else 'N')}"


def ddl() -> str:
    """The statement that makes the native log."""
    return f"```sql\n{DDL}```"


MADE = {"keys": keys, "options": options, "ddl": ddl}


def made(text: str) -> str:
    """The README with its made parts as they should be."""
    for name, make in MADE.items():
        start, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
        assert (text.count(start), text.count(end)) == (1, 1), f"README.md: not exactly one {start} … {end}"
        before, _, rest = text.partition(start)
        text = f"{before}{start}{make()}\n{end}{rest.partition(end)[2]}"
    return text


if __name__ == "__main__":
    README.write_text(made(README.read_text(encoding="utf-8")), encoding="utf-8")
