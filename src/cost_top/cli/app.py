"""Opening the app on a source, or printing the overview once where there is no terminal."""

from __future__ import annotations

import gc
from dataclasses import replace
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from cost_top.cli.late import LateFeed
from cost_top.cli.options import Resolved, resolve
from cost_top.cli.process import is_terminal
from cost_top.model.errors import SourceError, UserError, one_line
from cost_top.model.filter import parse_filter
from cost_top.model.view import View
from cost_top.model.windows import LONGEST, asked_period, parse_instant, window_named

if TYPE_CHECKING:
    from cost_top.model.feed import Feed
    from cost_top.rules import Rules

WEEKLY = ("endpoint", "token")  # panels of the printed overview that look back a week
PRINT_SECONDS = 120.0  # a source that is asked for sums has so long to answer, where there is no terminal


def open_app(
    source: str,
    *,
    label: str | None = None,
    mapping: Path | None = None,
    overrides: Path | None = None,
    tz: str | None = None,
    no_cache: bool = False,
    cache_folder: Path | None = None,
    rules: Rules | None = None,
    config_file: Path | None = None,
    where: str = "",
    window: str | None = None,
    since: str | None = None,
    until: str | None = None,
    interval: float | None = None,
    theme: str | None = None,
    mouse: bool | None = None,
) -> None:
    """Run until the person leaves; raises `UserError` when the source cannot be opened.

    `cache_folder` takes the place of the user's, `rules` that of the rules and budgets in the config file.
    """
    settings = resolve(source, mapping, overrides, tz, no_cache, config_file)
    if cache_folder is not None:
        settings = replace(settings, cache=cache_folder)
    if rules is not None:
        settings = replace(settings, config=replace(settings.config, rules=rules))
    view = View(window=window_named(window or settings.config.window or "30d").name, filter=parse_filter(where))
    if since is not None or until is not None:
        if window is not None:
            raise UserError("--window is a time too: leave it out, or --since and --until")
        view = view_of(view, since, until, settings.zone)
    if not is_terminal():
        if settings.known_place().kind in ("database", "files") and not settings.no_mirror:
            print_overview(settings, view if view.start or view.end else replace(view, window="30d"), label)
        else:
            print_watched(settings, replace(view, window="30d" if not view.end else view.window, weekly=WEEKLY))
        return
    gc.disable()  # a sixth of the time to the first frame; the app turns it on again after it
    try:
        keeps = settings.cache is not None and cache_folder is None
        _run_app(settings, view, source, label, mapping, overrides, tz, config_file, interval, theme, mouse, keeps)
    finally:
        gc.enable()


def _run_app(
    settings: Resolved, view: View, source: str, label: str | None, mapping: Path | None, overrides: Path | None,
    tz: str | None, config_file: Path | None, interval: float | None, theme: str | None, mouse: bool | None,
    keeps: bool,
) -> None:  # fmt: skip
    from cost_top.tui.leaving import watch_terminal

    watch_terminal()
    check_path(settings)
    from cost_top.cli import without_secrets

    feed = cast("Feed", LateFeed(lambda: settings.open_feed(interval)))
    files = (("--mapping", mapping), ("--overrides", overrides), ("--config", config_file))
    given = (*((without_secrets(source),) if source else ()),
             *(word for name, file in files if file is not None for word in (name, str(file))))  # fmt: skip
    options: dict[str, Any] = {
        "view": view,
        "interval": feed.interval,
        "zone": settings.zone,
        "source_label": label or "",
        "theme": theme or settings.config.theme,
        "mouse": settings.config.mouse if mouse is None else mouse,
        "command": ("cost-top", *given, *(("--tz", tz) if tz else ())),
        "rings": settings.rings,
        "keeps": keeps,
        "export_folder": settings.config.export_folder or Path.cwd(),
    }
    from cost_top.tui.app import run_app

    code = run_app(feed, **options)
    if code:
        raise SystemExit(code)


def view_of(view: View, since: str | None, until: str | None, zone: tzinfo) -> View:
    """The view of `--since` and `--until`. One that reaches to now is live; `until` alone ends the window there."""
    now = datetime.now(UTC)
    end = parse_instant(until, now, zone, "--until") if until is not None else now
    start = asked_period(since, until or "now", now, zone, timedelta()).start if since is not None else None
    if (start or end - timedelta(1)) >= now or (start is not None and end - start > LONGEST):
        raise UserError("--since lies in the future, or more than ten years before --until")
    return replace(view, start=start, end=None if end >= now else end)


def check_path(settings: Resolved) -> None:
    """Say at once that a file or a key is not there, before the screen is taken over."""
    place = settings.known_place()
    if place.kind == "files":
        return
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
        whole = snapshot.filling is None and not snapshot.incomplete
        if snapshot.state is not None and (whole or isinstance(snapshot.state, Stale)):
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
    if last is not None and isinstance(last.state, Stale) and not last.has_figures:
        raise UserError(f"{last.source}: {last.state.error}")
    if last is None or last.state is None:
        raise UserError(f"{settings.known_place().kind} did not answer within {PRINT_SECONDS:.0f} s; try again")
    click.echo(overview_text(last, settings.zone))


def print_overview(settings: Resolved, view: View, label: str | None) -> None:
    """The overview of a view's time as text, once."""
    from cost_top.cli.overview import overview_text
    from cost_top.model.one_source import settled_view
    from cost_top.monitor.log.overview_once import once_snapshot

    log = settings.open_source()
    try:
        view = replace(view, weekly=WEEKLY)
        settled = settled_view(view, settings.name or log.label)
        snapshot = once_snapshot(log, settings.load_book(), settings.cache, settled, settings.zone)
        snapshot = replace(snapshot, view=view)
    except SourceError as error:
        raise UserError(f"{log.label}: {one_line(error)}") from error
    if label:
        snapshot = replace(snapshot, source=label)
    click.echo(overview_text(snapshot, settings.zone))
    for note in log.notes:
        click.echo(f"note: {note}")
