"""The commands: thin, imported only when called, so that `--help` is instant."""

from __future__ import annotations

import errno
import importlib
import os
import sys
from typing import NoReturn

import click

from cost_top import __version__
from cost_top.model.errors import UserError, one_line

# name -> (module, line of help). The line stands here so that `--help` imports none of them.
COMMANDS: dict[str, tuple[str, str]] = {
    "demo": ("cost_top.cli.demo", "Open the app on a believable month of traffic, with more coming."),
    "report": ("cost_top.cli.report", "Spend by any dimension, as a table, JSON or CSV."),
    "watch": ("cost_top.cli.watch", "Incidents: what is unusual, since when, and who is behind it."),
    "why": ("cost_top.cli.why", "What is behind a change of spend: factors, and who."),
    "bench": ("cost_top.cli.bench", "The public benchmark of alarms."),
    "budgets": ("cost_top.cli.budgets", "How much of each budget is used, and when it will be used up."),
    "requests": ("cost_top.cli.requests", "Single requests, newest or dearest first, or as they come."),
    "serve": ("cost_top.cli.serve", "Reports, requests, metrics and live screens over HTTP."),
    "mcp": ("cost_top.cli.mcp", "The same questions as tools for an assistant, over stdin and stdout."),
    "price": ("cost_top.cli.price", "What a request costs, and at which rate."),
    "doctor": ("cost_top.cli.doctor", "What was found at a source, and what is wrong with it."),
    "config": ("cost_top.cli.config", "Where the config file is, and what is wrong with it."),
    "help": ("cost_top.cli.help", "The manual, topic by topic."),
    "completion": ("cost_top.cli.completion_script", "What makes a shell complete cost-top's words."),
    "version": ("cost_top.cli.version", "Which cost-top this is."),
}
_DEFAULT = "app"
# They end in good order themselves when Ctrl-C is pressed.
_OWN_INTERRUPTS = ("demo", "serve", "watch")


class Commands(click.Group):
    """Subcommands by name; anything else is a source to watch."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command now."""
        module = "cost_top.cli.screen" if cmd_name == _DEFAULT else COMMANDS.get(cmd_name, ("", ""))[0]
        if not module:
            return None
        command: click.Command = importlib.import_module(module).command
        return command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """`cost-top [SOURCE] [OPTIONS]` is the default command."""
        if ctx.resilient_parsing and not args:
            return super().parse_args(ctx, args)  # a shell asks what may come first
        if not args or (args[0] not in COMMANDS and args[0] not in ("--help", "-h", "--version", "-V")):
            args = [_DEFAULT, *args]
        return super().parse_args(ctx, args)

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Both ways to call it."""
        formatter.write_usage("cost-top", "[SOURCE] [OPTIONS]")
        formatter.write_usage("cost-top", "COMMAND [ARGS]...")

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The commands, from the table above."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])
        watch = self.get_command(ctx, _DEFAULT)
        records = [parameter.get_help_record(ctx) for parameter in watch.params] if watch else []
        with formatter.section("Options of cost-top [SOURCE]"):
            formatter.write_dl([record for record in records if record is not None])


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "--version", "-V", prog_name="cost-top", message="%(prog)s %(version)s")
def group() -> None:
    """`top` for LLM spend: live, exact, read-only.

    SOURCE is a database URL, the path of a SQLite file, or a name from the config file; without it the config's
    default, else the environment variable COST_TOP_SOURCE.

    \b
    Examples:
      cost-top demo
      cost-top postgresql://reader@db.example.com/litellm
      cost-top gateway.db --tz Europe/Berlin
      cost-top report gateway.db --group-by model --since 7d
    """


def main() -> None:
    """Run; bad input is one line on stderr and exit code 2."""
    from cost_top.cli.process import (
        degrade_gracefully,
        end,
        end_on_interrupt,
        end_when_asked,
        is_terminal,
        open_missing_streams,
        say,
    )

    open_missing_streams()
    hide_secrets(sys.argv)
    degrade_gracefully()
    command = sys.argv[1] if sys.argv[1:] else ""
    if command not in _OWN_INTERRUPTS and (command in COMMANDS or not is_terminal()):  # the app has ways of its own
        end_on_interrupt()
    if sys.argv[1:2] in (["serve"], ["watch"]):
        end_when_asked()
    code, line = _run()
    if line:
        say(line)
    end(code)


def _run() -> tuple[int, str]:
    """The exit code, and what is wrong in one line."""
    try:
        code = group.main(standalone_mode=False, prog_name="cost-top")
        return (code if isinstance(code, int) else 0), ""
    except SystemExit as error:
        if type(sys.stdout).__name__.endswith("PacifyFlushWrapper"):  # how click notes that the reader went away
            return 141, ""
        return (error.code, "") if isinstance(error.code, int) else (1 if error.code else 0, str(error.code or ""))
    except (click.exceptions.Abort, KeyboardInterrupt):
        return 130, ""
    except BrokenPipeError:
        return 141, ""
    except Exception as error:
        interrupted = isinstance(error, RuntimeError) and "interrupt" in str(error).lower()
        return (130, "") if interrupted else (2, _told(error))


def _told(error: Exception) -> str:
    if isinstance(error, UserError):
        # It stands before every line.
        line = one_line(error, 2000).removeprefix("cost-top: ").removeprefix("cost-top ")
    elif isinstance(error, click.UsageError) and _called() == "cost-top" and (meant := misspelt(*sys.argv[1:2])):
        line = meant
    elif isinstance(error, click.UsageError):
        where = error.ctx.command_path.removesuffix(f" {_DEFAULT}") if error.ctx else _called()
        said = one_line(error.format_message(), 500).replace("a valid integer range", "a whole number")
        line = f"{said} (see {where} --help)"
    elif isinstance(error, click.ClickException):
        line = one_line(error.format_message(), 500)
    elif isinstance(error, OSError):
        line = _told_of_files(error)
    else:
        line = _broken(error)
    return line


def _told_of_files(error: OSError) -> str:
    """A file that cannot be used: its name, and why."""
    if error.errno == errno.ENOSPC and error.filename is None:
        return f"the output cannot be written: {error.strerror}"
    if error.filename is None or error.strerror is None:
        return one_line(error, 500)
    return f"{one_line(os.fsdecode(error.filename), 200)}: {error.strerror}"


def _called() -> str:
    """The command, for a mistake that is found before its options are understood."""
    return " ".join(("cost-top", *(word for word in sys.argv[1:2] if word in COMMANDS)))


def misspelt(word: str = "") -> str | None:
    """What to say of a word that is no file and almost a command.

    >>> misspelt("reprot")
    'reprot: no such command or file; did you mean report?'
    >>> misspelt("demo")
    'demo: a command, not a source; give a URL, a file or a name of the config file'
    """
    from cost_top.model.nearest import nearest

    if "/" in word or "." in word or os.path.exists(word):
        return None
    if word in COMMANDS:
        return f"{word}: a command, not a source; give a URL, a file or a name of the config file"
    meant = nearest(word, COMMANDS)
    return None if meant is None else f"{one_line(word, 60)}: no such command or file; did you mean {meant}?"


def _broken(error: Exception) -> str:
    """A defect of ours: where it is, without a value of the user's."""
    import traceback

    last = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{last.filename.rpartition('cost_top')[2].lstrip('/')}:{last.lineno}"
    return f"failed: {type(error).__name__}: {one_line(error, 200)} (at {place}); please report it"


def fail(line: str) -> NoReturn:
    """Say what is wrong and leave."""
    raise UserError(line)


def hide_secrets(arguments: list[str]) -> None:
    """Take a password in a URL argument out of the process list."""
    hidden = [without_secrets(argument) for argument in arguments]
    if hidden != arguments:
        from setproctitle import setproctitle

        # An argument may be no text in the terminal's encoding.
        setproctitle(" ".join(hidden).encode("utf-8", "replace").decode())


def without_secrets(text: str) -> str:
    """`text` with the passwords of URLs in it replaced.

    >>> without_secrets("postgresql://me:p@ss@db/x?sslpassword=y&a=b")
    'postgresql://me:***@db/x?sslpassword=***&a=b'
    >>> without_secrets("litellm+https://sk-1234@proxy/?api_key=sk-1")
    'litellm+https://***@proxy/?api_key=***'
    """
    if "://" not in text:
        return text
    import re

    text = re.sub(r"(https?://)[^/@\s]*@", r"\1***@", text, flags=re.IGNORECASE)
    text = re.sub(r"(://[^:/@\s]*:)[^/\s]*@", r"\1***@", text)
    return re.sub(r"([?&][a-z_]*(?:password|key|token|secret)=)[^&\s]*", r"\1***", text, flags=re.IGNORECASE)
