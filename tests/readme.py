"""The parts of the manual that are made from the code; `python -m tests.readme` writes them anew."""

from __future__ import annotations

import ast
import importlib
import tomllib
from collections.abc import Sequence
from pathlib import Path

import click

from cost_top.cli import COMMANDS
from cost_top.cli.help import FOLDER, topics
from cost_top.model.dimensions import EVERY_DIMENSION, EVERY_MEASURE, Dimension, Measure
from cost_top.model.filter import FILTER_FIELDS, MONEY, NUMBER, TEXT, YES_NO
from cost_top.model.native import DDL, LEDGER_DDL
from cost_top.tui.keys import told

README = Path(__file__).parents[1] / "README.md"
PACKAGE = README.parent / "src" / "cost_top"
WATCH = "cost-top"


def commands() -> dict[str, click.Command]:
    """Every command by what is typed."""
    modules = {WATCH: "cost_top.cli.screen"} | {f"{WATCH} {name}": module for name, (module, _) in COMMANDS.items()}
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


def _has_source(command: click.Command) -> bool:
    return any(parameter.name == "source" for parameter in command.params)


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
    on_a_source = {name.removeprefix("cost-top ") for name, command in commands().items() if _has_source(command)}
    for (flag, says), names in told_of.items():
        whose = "all commands on a source" if on_a_source <= set(names) else ", ".join(f"`{name}`" for name in names)
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


def ledger() -> str:
    """The statement that makes the ledger beside the native log."""
    return f"```sql\n{LEDGER_DDL}```"


def fields() -> str:
    """A table of what a filter may name."""
    kinds = {TEXT: "text", NUMBER: "numbers; latency in ms", MONEY: "USD", YES_NO: "`yes` or `no`"}
    lines = [f"| `{' '.join(name for name, kind in FILTER_FIELDS.items() if kind == of)}` | {says} |"
             for of, says in kinds.items()]  # fmt: skip
    return "\n".join(["| fields | values |", "|---|---|", *lines])


def dimensions() -> str:
    """A table of what figures can be grouped by."""
    return _meanings("dimension", EVERY_DIMENSION)


def measures() -> str:
    """A table of the figures."""
    return _meanings("measure", EVERY_MEASURE)


def _meanings(title: str, every: Sequence[Dimension | Measure]) -> str:
    names: dict[str, list[str]] = {}
    for each in every:
        names.setdefault(each.meaning, []).append(each.name)
    lines = [f"| `{' '.join(alike)}` | {meaning} |" for meaning, alike in names.items()]
    return "\n".join([f"| {title} | |", "|---|---|", *lines])


def topic_list() -> str:
    """A table of the manual's pages."""
    rows = [f"| [`{name}`](src/cost_top/docs/{name}.md) | {about} |" for name, about in topics().items()]
    return "\n".join(["| topic | |", "|---|---|", *rows])


def rooms() -> str:
    """A table of the packages and of what each says it is for."""
    lines = ["| room | |", "|---|---|"]
    for path in sorted(PACKAGE.rglob("__init__.py")):
        name = path.parent.relative_to(PACKAGE).as_posix()
        if name != ".":
            purpose = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
            lines.append(f"| `{name}/` | {purpose.partition(chr(10))[0]} |")
    return "\n".join(lines)


def layers() -> str:
    """The rooms as the import contract has them, the uppermost first."""
    contracts = tomllib.loads((README.parent / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    whole = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    return "\n".join(["```", *(line.replace("cost_top.", "") for line in whole), "```"])


PAGES = (README, *sorted(FOLDER.glob("*.md")))
MADE = {
    "keys": keys,
    "options": options,
    "fields": fields,
    "dimensions": dimensions,
    "measures": measures,
    "ddl": ddl,
    "ledger": ledger,
    "topics": topic_list,
    "rooms": rooms,
    "layers": layers,
}


def made(text: str) -> str:
    """A page with its made parts as they should be."""
    for name, make in MADE.items():
        start, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
        if start not in text:
            continue
        assert (text.count(start), text.count(end)) == (1, 1), f"not exactly one {start} … {end}"
        before, _, rest = text.partition(start)
        text = f"{before}{start}{make()}\n{end}{rest.partition(end)[2]}"
    return text


if __name__ == "__main__":
    for page in PAGES:
        page.write_text(made(page.read_text(encoding="utf-8")), encoding="utf-8")
