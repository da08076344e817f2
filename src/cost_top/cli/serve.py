"""`cost-top serve`: the source for programs, dashboards and other terminals, over HTTP."""

from __future__ import annotations

import importlib.util
import threading
import time
from collections.abc import Callable
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cost_top.cli.options import Resolved, resolve, source_options
from cost_top.model.errors import UserError, one_line

if TYPE_CHECKING:
    from cost_top.guard.guard import Guard
    from cost_top.model.answers import Hub
    from cost_top.monitor.log.incidents import LiveIncidents

_FILE = click.Path(path_type=Path, dir_okay=False)
_NEEDED = ("fastapi", "limits", "prometheus_client", "simplejson", "uvicorn")
_OPEN_SECONDS = 90.0
# A terminal elsewhere shows a request within two seconds of its row: one poll, and the way there.
_LOG_SECONDS = 1.0
_IDLE_SECONDS = 5.0  # while no terminal watches, for reports and scrapes
_CLOSE_SECONDS = 0.8


@click.command("serve")
@source_options
@click.option("--host", default="127.0.0.1", show_default=True, metavar="HOST",
              help="Address to listen on; one that others can reach needs a token.")  # fmt: skip
@click.option("--port", type=click.IntRange(0, 65535), default=8377, show_default=True, help="0 takes any free port.")
@click.option("--tokens", "tokens_file", type=_FILE, metavar="FILE",
              help="TOML file with [[tokens]]: name, sha256 and, for one that sees only a part, where.")  # fmt: skip
@click.option("--new-token", metavar="NAME", help="Print a new token and the lines that admit it, and end.")
@click.option("--scope", metavar="FILTER", help="With --new-token: all that it may see, such as 'user:acme'.")
@click.option("--permission", "permissions", multiple=True, type=click.Choice(["read", "guard"]),
              help="With --new-token: what it may do; read unless given. May be given twice.")  # fmt: skip
@click.option("--rate-limit", type=click.IntRange(1, 1_000_000), default=120, show_default=True, metavar="N",
              help="Requests a minute for each token, or for each address where there are none.")  # fmt: skip
@click.option("--tls-cert", type=_FILE, metavar="FILE", help="Certificate chain (PEM), to speak HTTPS.")
@click.option("--tls-key", type=_FILE, metavar="FILE", help="Its private key, where it is not in the same file.")
@click.option("--interval", type=click.FloatRange(1, 3600), metavar="SECONDS", help="Time between polls of the source.")
@click.option("--print", "printed", type=click.Choice(["grafana", "systemd", "dockerfile"]),
              help="Print a Grafana dashboard for /metrics, a systemd unit or a Dockerfile, and end.")  # fmt: skip
@click.option("--access-log", is_flag=True, help="Print a line for each request, without its parameters.")
def command(
    source: str | None, mapping: Path | None, overrides: Path | None, tz: str | None, no_cache: bool,
    config_file: Path | None, host: str, port: int, tokens_file: Path | None, new_token: str | None, scope: str | None,
    permissions: tuple[str, ...], rate_limit: int,
    tls_cert: Path | None, tls_key: Path | None, interval: float | None, printed: str | None, access_log: bool,
) -> None:  # fmt: skip
    """Serve reports, requests, Prometheus metrics and live screens over HTTP.

    GET /v1/report and /v1/credits are those of the AI Gateway reporting API, so its clients work unchanged. A terminal
    elsewhere shows the same screen with: cost-top http://HOST:PORT. The pages /docs and /openapi.json tell the rest.

    The environment variable COST_TOP_SERVE_TOKEN holds a token, or sha256: and its SHA-256 in hexadecimal digits.

    \b
    Examples:
      cost-top serve gateway.db
      cost-top serve --new-token grafana --scope 'tag:prod' >> tokens.toml
      cost-top serve prod --host 0.0.0.0 --tokens tokens.toml --tls-cert fullchain.pem --tls-key key.pem
    """
    if only_prints(printed, new_token, scope, permissions):
        return
    from cost_top.cli.budgets import KeptForAWhile
    from cost_top.guard.keeper import Keeper
    from cost_top.serve.admission import Admission
    from cost_top.serve.app import create_app
    from cost_top.serve.errors import report_failure, say
    from cost_top.serve.run import Running, check_tls, resolve_host, url_of
    from cost_top.serve.serving import Settings
    from cost_top.serve.tokens import VARIABLE, TokenSource

    given = TokenSource(tokens_file)
    tokens = given.tokens
    addresses = resolve_host(host, port)
    if not addresses.is_loopback and not tokens:
        raise UserError(
            f"--host {one_line(host, 80)}: others can reach it, so it needs a token: {VARIABLE} or --tokens FILE"
        )
    check_tls(tls_cert, tls_key)
    settings = resolve(source, mapping, overrides, tz, no_cache, config_file)
    hub, guard, incidents = open_watched(settings, interval)
    keeper = Keeper(hub, guard, on_broken=report_failure)
    sockets = addresses.bind()
    opened = _Opened()
    hub.on_failure = opened.fail
    hub.on_broken = report_failure
    hub.start()
    try:
        opened.wait(hub)
        admission = Admission(given, rate_limit, (addresses.host, *(address for _, address in addresses.found)))
        bounds = Settings(access_log=access_log, zone=settings.zone if tz else UTC)
        running = Running(
            create_app(hub, admission, bounds, guard, incidents, KeptForAWhile(settings)), sockets, tls_cert, tls_key
        )
        keeper.start()
        opened.end_with(running.end)
        url = url_of(addresses, sockets, tls_cert is not None)
        click.echo(f"cost-top serve: {url} over {hub.label} (docs at /docs)")
        if not addresses.is_loopback and tls_cert is None:
            say("plain HTTP beyond this machine: put a proxy that speaks TLS in front, or give --tls-cert")
        running.run()
    finally:
        keeper.close()
        for one in sockets:
            one.close()
        # Whoever ended the server waits two seconds at most, also where the source is in the middle of something.
        closing = threading.Thread(target=hub.close, daemon=True)
        closing.start()
        closing.join(_CLOSE_SECONDS)
    opened.check()


def open_watched(settings: Resolved, interval: float | None) -> tuple[Hub, Guard, LiveIncidents]:
    """The source, the guard over the config's budgets, and the rules of incidents."""
    from cost_top.cli.watch import chosen_rules
    from cost_top.monitor.log.incidents import LiveIncidents

    guard = open_guard(settings)
    # The guard needs it fresh, whoever watches.
    idle = None if any(budget.is_hard for budget in guard.budgets) else _IDLE_SECONDS
    hub = settings.open_hub(interval, log_interval=_LOG_SECONDS, idle_interval=idle)
    return hub, guard, LiveIncidents(chosen_rules(settings, None, None, False), settings.zone)


def open_guard(settings: Resolved) -> Guard:
    """The guard over the config's budgets."""
    from cost_top.guard.guard import Guard

    rules = settings.config.rules
    if rules is None:
        return Guard(())
    return Guard(settings.budgets(), max_age=rules.guard.max_age, fixed=rules.guard.fixed())


def only_prints(printed: str | None, new_token: str | None, scope: str | None, permissions: tuple[str, ...]) -> bool:
    """Print what was asked for instead of serving; `UserError` for options that go with that alone."""
    if printed is not None:
        from cost_top.serve.deployment import printed as text_of

        click.echo(text_of(printed), nl=False)
        return True
    if any(importlib.util.find_spec(name) is None for name in _NEEDED):
        raise UserError("cost-top serve needs the extra: pip install 'cost-top[serve]'")
    if new_token is not None:
        print_new_token(new_token, scope, permissions)
        return True
    if scope is not None:
        raise UserError("--scope: goes with --new-token; the scope of a token is its `where` in the tokens file")
    if permissions:
        raise UserError("--permission: goes with --new-token; later it is `permissions` in the tokens file")
    return False


def print_new_token(name: str, scope: str | None, permissions: tuple[str, ...]) -> None:
    """The token, once, on stderr; on stdout what admits it, so that it can be appended to the file."""
    from cost_top.serve.tokens import new_token

    token, block = new_token(name, scope, permissions)
    click.echo(f"The token, shown only now: {token}\nIts lines for the file of --tokens:", err=True)
    click.echo(f"\n{block}", nl=False)


class _Opened:
    """Waits for the source to be open, and remembers why it is not."""

    def __init__(self) -> None:
        self._error: UserError | None = None
        self._failed = threading.Event()
        self._end: Callable[[], None] = lambda: None

    def fail(self, error: UserError) -> None:
        """From the source's thread: it cannot go on."""
        self._error = error
        self._failed.set()
        self._end()

    def wait(self, hub: Hub) -> None:
        """Until the source is open; raises why it cannot be."""
        deadline = time.monotonic() + _OPEN_SECONDS
        while not hub.label and not self._failed.wait(0.02):
            if time.monotonic() > deadline:
                raise UserError("the source does not open; is it reachable from here?")
        self.check()

    def end_with(self, end: Callable[[], None]) -> None:
        """End the server when the source fails for good."""
        self._end = end
        if self._failed.is_set():
            end()

    def check(self) -> None:
        """Raise why the source failed, if it did."""
        if self._error is not None:
            raise self._error
