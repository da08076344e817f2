"""`cost-top demo`: a gateway's log to look at, without a gateway."""

from __future__ import annotations

import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from cost_top.demo.live import LiveTraffic


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
def command(
    *, seed: int, days: int, rate: float | None, db: Path | None, no_app: bool, tz: str | None, while_input_open: bool
) -> None:
    """Open the app on a believable month of invented traffic.

    Writes 30 days of requests to eight providers into a SQLite log, keeps live traffic coming, and opens the app
    on it. Without --db the log is in a private temporary folder that is removed at the end.
    """
    from cost_top.config import parse_zone
    from cost_top.demo.live import LiveTraffic
    from cost_top.demo.log import count_rows

    if tz is not None:
        parse_zone(tz)
    with ExitStack() as stack:
        path = db or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cost-top-demo-"))) / "demo.db"
        _write_history(path, seed, days)
        if no_app:
            live = LiveTraffic(path, seed, rate)
            stack.callback(live.stop)
            click.echo(path)
            click.echo(f"{count_rows(path):,} requests")
            if rate == 0 and db is None:
                click.echo("the temporary log is removed now; --db PATH keeps it", err=True)
            live.start()
            if while_input_open:
                threading.Thread(target=_stop_at_end_of_input, args=(live,), daemon=True).start()
            _write_until_interrupted(live)
            return
        from cost_top.cli.app import open_app

        stack.enter_context(_gateway(path, seed, rate))
        # What is removed at the end must leave nothing in the user's cache folder either.
        open_app(str(path.absolute()), label="demo", tz=tz, cache_folder=path.parent / "cache" if db is None else None)


@contextmanager
def _gateway(path: Path, seed: int, rate: float | None) -> Iterator[None]:
    """Live traffic from a process of its own, as from a real gateway: two SQLite libraries in one process would
    take each other's file locks away. It ends when its input does, however this process ends.
    """
    import subprocess
    import sys

    command = [sys.executable, "-m", "cost_top", "demo", "--no-app", "--while-input-open"]
    command += ["--db", str(path.absolute()), "--seed", str(seed)]
    command += [] if rate is None else ["--rate", str(rate)]
    process = subprocess.Popen(  # noqa: S603
        command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        yield
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            process.kill()


def _stop_at_end_of_input(live: LiveTraffic) -> None:
    import sys

    sys.stdin.buffer.read()
    live.stop()


def _write_history(path: Path, seed: int, days: int) -> None:
    import time

    from cost_top.demo.log import create_log, is_demo_log
    from cost_top.demo.traffic import Traffic

    if not is_demo_log(path):
        create_log(path, Traffic(seed).history(time.time_ns() // 1_000_000, days))


def _write_until_interrupted(live: LiveTraffic) -> None:
    """Wait until Ctrl-C or a polite kill; returns at once when no live traffic runs."""
    from cost_top.model.errors import UserError

    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        while not live.wait(0.5):
            pass
    except KeyboardInterrupt:
        return
    finally:
        signal.signal(signal.SIGTERM, before)
    if live.error is not None:
        raise UserError(f"{live.path}: live traffic ended ({live.error}); start the demo again")
