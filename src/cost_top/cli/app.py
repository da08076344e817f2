"""Opening the app on a source, or printing the overview once where there is no terminal."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from cost_top.cli.options import Resolved, resolve
from cost_top.model.errors import SourceError, UserError, one_line
from cost_top.model.filter import Filter, parse_filter
from cost_top.model.view import View
from cost_top.model.windows import window_named

PRINT_SECONDS = 120.0  # a source that is asked for sums has so long to answer, where there is no terminal


def is_terminal() -> bool:
    """Whether a full-screen app can run: input, output and errors are a terminal that is not dumb."""
    return os.environ.get("TERM") not in (None, "", "dumb") and all(
        stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)
    )


def open_app(
    source: str,
    *,
    label: str | None = None,
    mapping: Path | None = None,
    overrides: Path | None = None,
    tz: str | None = None,
    no_cache: bool = False,
    cache_folder: Path | None = None,
    config_file: Path | None = None,
    where: str = "",
    window: str | None = None,
    interval: float | None = None,
    theme: str | None = None,
    mouse: bool | None = None,
) -> None:
    """Run until the person leaves; raises `UserError` when the source cannot be opened.

    `cache_folder` takes the place of the user's.
    """
    settings = resolve(source, mapping, overrides, tz, no_cache, config_file)
    if cache_folder is not None:
        settings = replace(settings, cache=cache_folder)
    view = View(window=window_named(window or settings.config.window or "30d").name, filter=parse_filter(where))
    if not is_terminal():
        if settings.where().kind == "database":
            print_overview(settings, view.filter, label)
        else:
            print_watched(settings, replace(view, window="30d"))
        return
    check_path(settings)
    feed = settings.open_feed(interval)
    options: dict[str, Any] = {
        "view": view,
        "interval": feed.interval,
        "zone": settings.zone,
        "source_label": label or "",
        "theme": theme or settings.config.theme,
        "mouse": settings.config.mouse if mouse is None else mouse,
        "export_folder": settings.config.export_folder or Path.cwd(),
    }
    from cost_top.tui.app import run_app

    code = run_app(feed, **options)
    if code:
        raise SystemExit(code)


def check_path(settings: Resolved) -> None:
    """Say at once that a file or a key is not there, before the screen is taken over."""
    place = settings.where()
    if place.kind != "database":
        place.key()
    elif "://" not in place.url and not Path(place.url).expanduser().is_file():
        raise UserError(
            f"{one_line(place.url, 200)}: no such file; give a SQLite file, a database URL, an API or a configured name"
        )


def print_watched(settings: Resolved, view: View) -> None:
    """The overview of an API as text, once it has answered everything."""
    import threading

    from cost_top.cli.overview import overview_text
    from cost_top.model.snapshot import Snapshot, Stale

    feed, ended = settings.open_feed(), threading.Event()
    snapshots: list[Snapshot] = []
    failures: list[UserError] = []

    def show(snapshot: Snapshot) -> None:
        snapshots.append(snapshot)
        if snapshot.state is not None and (snapshot.filling is None or isinstance(snapshot.state, Stale)):
            ended.set()

    def fail(error: UserError) -> None:
        failures.append(error)
        ended.set()

    feed.on_failure = fail
    feed.start(show, view)
    ended.wait(PRINT_SECONDS)
    feed.stop()
    if failures:
        raise failures[0]
    last = snapshots[-1] if snapshots else None
    if last is not None and isinstance(last.state, Stale) and not last.log_rows:
        raise UserError(f"{last.source}: {last.state.error}")
    if last is None or last.state is None:
        raise UserError(f"{settings.where().kind} did not answer within {PRINT_SECONDS:.0f} s; try again")
    click.echo(overview_text(last, settings.zone))


def print_overview(settings: Resolved, where: Filter, label: str | None) -> None:
    """The overview of the last 30 days as text, once."""
    from cost_top.cli.overview import overview_text
    from cost_top.model.snapshot import Live
    from cost_top.model.windows import Period, previous_period, window_period
    from cost_top.monitor.compose import Composer
    from cost_top.monitor.once import read_period

    now = datetime.now(UTC)
    view = View(window="30d", filter=where)
    log = settings.open_source()
    try:
        shown = window_period(window_named(view.window), now, settings.zone)
        before = previous_period(window_named(view.window), shown, settings.zone)
        whole = Period(before.start.replace(second=0, microsecond=0) - timedelta(minutes=1), now)
        mirror = read_period(log, settings.load_book(), settings.cache, whole)
        with log.connect() as reader:
            oldest = reader.oldest()
    except SourceError as error:
        raise UserError(f"{log.label}: {one_line(error)}") from error
    try:
        composer = Composer(mirror, settings.zone)
        composer.plan.build(view, now, float("inf"))
        reaches = max(whole.start, oldest).replace(tzinfo=None) if oldest else None
        snapshot = composer.compose(view, now, label or log.label, reaches)
        snapshot = replace(snapshot, state=Live(now), newest=mirror.newest(), log_rows=mirror.row_count())
    finally:
        mirror.close()
    click.echo(overview_text(snapshot, settings.zone))
    for note in log.notes:
        click.echo(f"note: {note}")
