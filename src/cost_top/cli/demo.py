"""`cost-top demo`: a gateway's log to look at, without a gateway."""

from __future__ import annotations

import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cost_top.cli.process import is_terminal

if TYPE_CHECKING:
    import subprocess

    from cost_top.demo.live import LiveTraffic
    from cost_top.rules import Rules


@click.command(
    name="demo",
    epilog="""\b
Examples:
  cost-top demo
  cost-top demo --days 90 --seed 11
  cost-top demo --db /tmp/demo.db --no-app    # and in a second terminal:
  cost-top /tmp/demo.db""",
)
@click.option("--seed", type=int, default=7, show_default=True, help="The same seed makes the same traffic.")
@click.option(
    "--days",
    type=click.IntRange(1, 365),
    default=30,
    show_default=True,
    help="Days of history, about 2,000 requests each; as many days before them are written for comparison.",
)
@click.option(
    "--rate",
    type=click.FloatRange(0, 10_000),
    help="Live requests per minute, bursts not counted; 0 writes none. Default: the usual of this hour.",
)
@click.option(
    "--db",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Keep the log in this SQLite file; a demo log that is there already is continued.",
)
@click.option("--no-app", is_flag=True, help="Only write traffic, until Ctrl-C; with --rate 0 only the history.")
@click.option("--tz", metavar="ZONE", help="Time zone that days are cut in, for instance Europe/Berlin.")
@click.option("--while-input-open", is_flag=True, hidden=True)
@click.option("--remove-folder", is_flag=True, hidden=True)
def command(
    *, seed: int, days: int, rate: float | None, db: Path | None, no_app: bool, tz: str | None, while_input_open: bool,
    remove_folder: bool,
) -> None:  # fmt: skip
    """Open the app on a believable month of invented traffic.

    Writes 30 days of requests to eight providers into a SQLite log, keeps live traffic coming, and opens the app
    on it. Without --db the log is in a private temporary folder that is removed at the end.
    """
    from cost_top.config import parse_zone
    from cost_top.demo.live import LiveTraffic
    from cost_top.demo.log import count_rows
    from cost_top.tui.leaving import before_a_hard_end, signals_lead_to, watch_terminal

    if tz is not None:
        parse_zone(tz)
    with ExitStack() as stack:
        folder = None if db else Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cost-top-demo-")))
        path = db or Path(folder or "") / "demo.db"
        if remove_folder:
            stack.callback(_remove, path.parent)
        removal = stack.enter_context(ExitStack())
        if not while_input_open:
            watch_terminal()
            stack.enter_context(signals_lead_to(_leave))
            if folder is not None:
                removal.enter_context(before_a_hard_end(lambda: _remove(path.parent)))
        if no_app:
            live = LiveTraffic(path, seed, rate)
            stack.callback(live.stop)
            reader = threading.Thread(target=_stop_at_end_of_input, args=(live,), daemon=True)
            if while_input_open:
                reader.start()
            else:
                _tell_what_is_written(days)
            write_history(path, seed, days, live)
            click.echo(path)
            click.echo(f"{count_rows(path):,} requests")
            if rate == 0 and db is None:
                click.echo("the temporary log is removed now; --db PATH keeps it", err=True)
            live.start()
            _write_until_interrupted(live)
            if while_input_open:
                reader.join()  # also where nothing is written: the log is still read
            return
        stack.enter_context(gateway(path, seed, days, rate, remove_folder=db is None))
        removal.close()  # the gateway does it from now on, and keeps nobody waiting
        from cost_top.cli.app import open_app

        # What is removed at the end must leave nothing in the user's cache folder either.
        cache = path.parent / "cache" if db is None else None
        open_app(str(path.absolute()), label="demo", tz=tz, cache_folder=cache, rules=demo_rules())


def demo_rules() -> Rules:
    """The budgets of the demo's company."""
    import tomllib
    from importlib import resources

    from cost_top.config import parse_zone
    from cost_top.model.toml_file import TomlFile
    from cost_top.rules import read_rules

    text = resources.files("cost_top.demo").joinpath("rules.toml").read_text("utf-8")
    return read_rules(TomlFile("the demo's rules", text, tomllib.loads(text)), parse_zone)


def _leave(code: int) -> None:
    raise SystemExit(code)


def _remove(folder: Path) -> None:
    """Remove a demo's temporary folder; no other one."""
    if folder.name.startswith("cost-top-demo-"):
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def gateway(
    path: Path, seed: int, days: int, rate: float | None, *, remove_folder: bool
) -> Iterator[subprocess.Popen[bytes]]:
    """The log with its history, and live traffic in it, from a process of its own, as from a real gateway: two SQLite
    libraries in one process would take each other's file locks away, and what it takes to invent a history stays out
    of the app's memory. It ends when its input does, however this process ends, and removes the temporary folder then.
    """
    import subprocess

    command = [sys.executable, "-m", "cost_top", "demo", "--no-app", "--while-input-open"]
    command += ["--db", str(path.absolute()), "--seed", str(seed), "--days", str(days)]
    command += [] if rate is None else ["--rate", str(rate)]
    command += ["--remove-folder"] if remove_folder else []
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True)  # noqa: S603
    try:
        _tell_what_is_written(days)
        if is_terminal():
            _import_the_app()  # while the history is written
        _wait_for_history(process, path)
        yield process
    finally:
        for stream in (process.stdin, process.stdout, process.stderr):
            assert stream is not None
            stream.close()
        try:
            process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            process.kill()


def _tell_what_is_written(days: int) -> None:
    if sys.stderr.isatty():
        click.echo(f"writing {2 * days} days of invented requests ...", err=True)


def _import_the_app() -> None:
    import cost_top.monitor.feed
    import cost_top.monitor.log.hub
    import cost_top.tui.app  # noqa: F401


def _wait_for_history(process: subprocess.Popen[bytes], path: Path) -> None:
    """Return once the log is whole, which is when its name is told; `UserError` with the reason when that fails."""
    from cost_top.model.errors import UserError

    assert process.stdout is not None
    assert process.stderr is not None
    if process.stdout.readline():
        return
    told = process.stderr.read().decode(errors="replace").strip().removeprefix("cost-top: ")
    raise UserError(told.splitlines()[-1] if told else f"{path}: the invented requests were not written; try again")


def _stop_at_end_of_input(live: LiveTraffic) -> None:
    sys.stdin.buffer.read()
    live.stop()


def write_history(path: Path, seed: int, days: int, live: LiveTraffic) -> None:
    """Write the history unless it is there; an end of the live traffic before it began ends this too."""
    import time

    from cost_top.demo.log import create_log, is_demo_log
    from cost_top.demo.traffic import Row, Traffic

    def wanted(rows: Iterator[Row]) -> Iterator[Row]:
        for row in rows:
            if live.stopped:
                raise SystemExit(0)
            yield row

    if not is_demo_log(path):
        create_log(path, wanted(Traffic(seed).history(time.time_ns() // 1_000_000, days)))


def _write_until_interrupted(live: LiveTraffic) -> None:
    """Wait until Ctrl-C or a polite kill; returns at once when no live traffic runs."""
    from cost_top.model.errors import UserError

    asked = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, signal.default_int_handler) for number in asked]
    try:
        while not live.wait(0.5):
            pass
    except KeyboardInterrupt:
        return
    finally:
        for number, handler in zip(asked, before, strict=True):
            signal.signal(number, handler)
    if live.error is not None:
        raise UserError(f"{live.path}: live traffic ended ({live.error}); start the demo again")
