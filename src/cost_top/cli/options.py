"""Options that several commands share, and what they resolve to."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from cost_top.cli import completion
from cost_top.config import Config, cache_path, load_config, parse_zone
from cost_top.model.errors import UserError, one_line
from cost_top.sources.locate import locate

if TYPE_CHECKING:
    from cost_top.insight.units import Income
    from cost_top.model.answers import Answers, Hub
    from cost_top.model.budgets import Budget
    from cost_top.model.expected import Expected
    from cost_top.model.feed import Feed
    from cost_top.model.filter import Filter
    from cost_top.pricing.book import RateBook
    from cost_top.sources.base import LogSource
    from cost_top.sources.cost_top.client import CostTopClient
    from cost_top.sources.locate import Place
    from cost_top.sources.report_api import ReportApi

F = TypeVar("F", bound=Callable[..., Any])
_FILE = click.Path(path_type=Path, dir_okay=False)
_SOURCE_FILE = "cost_top.source_file"
_NO_MIRROR = "cost_top.no_mirror"
# A database that is asked for sums works longer at a statement than one that is asked for rows.
_SUMS_SECONDS, _ROWS_SECONDS = 300.0, 60.0

THREE_WAYS = """\
cost-top needs a source. Ways to give one:

  cost-top postgresql://reader@db.example.com/litellm    a database URL
  cost-top gateway.db                                    a SQLite file
  cost-top vercel                                        a report API: vercel openrouter openai anthropic
  cost-top litellm+https://proxy.example.com             a LiteLLM proxy
  cost-top https://spend.example.com                     another cost-top's `serve`
  cost-top prod                                          a name from the config file

or set COST_TOP_SOURCE, or `default` in the config file. To see it first:

  cost-top demo
"""


def source_options(function: F) -> F:
    """SOURCE and how to read it."""
    decorators = (
        click.argument("source", required=False, shell_complete=completion.sources),
        click.option(
            "--source-file",
            type=_FILE,
            callback=_keep_source_file,
            expose_value=False,
            help="File whose first line is SOURCE, for a URL with a password; chmod 600.",
        ),
        click.option("--mapping", type=_FILE, help="TOML file that maps your own table to cost-top's columns."),
        click.option("--overrides", type=_FILE, help="TOML file with your own prices."),
        click.option("--tz", metavar="ZONE", help="Where days are cut: IANA zone, local (default) or UTC."),
        click.option("--no-cache", is_flag=True, help="Keep nothing on disk."),
        click.option(
            "--no-mirror",
            is_flag=True,
            callback=_keep_no_mirror,
            expose_value=False,
            help="Copy nothing of a log in PostgreSQL: the database itself answers.",
        ),
        click.option("--config", "config_file", type=_FILE, help="Config file to use instead of the usual one."),
    )
    for decorator in reversed(decorators):
        function = decorator(function)
    return function


@dataclass(frozen=True, slots=True)
class Resolved:
    """What the shared options come to."""

    url: str | None
    place: Place | None
    own_interval: float | None  # of the source, in the config file
    mapping: Path | None
    overrides: Path | None
    zone: tzinfo
    cache: Path | None
    config: Config
    names_url: str | None = None  # the database with the gateway's names, where it is another one
    no_mirror: bool = False  # a log in PostgreSQL is answered there
    name: str | None = None  # of the source in the config file

    def open_source(self) -> LogSource:
        """Open the log; `UserError` when it cannot be."""
        from cost_top.sources.sql.log import open_log

        place = self.known_place()
        if place.kind == "litellm":
            return place.litellm()
        if place.kind == "files":
            return place.files(self.mapping, self.cache)
        if self.url is None or place.kind != "database":
            raise UserError(f"{place.kind} is no request log")
        authority = self.url.partition("://")[2].rpartition("@")[0].partition("?")[0]
        if any(character in authority for character in "@#/"):
            raise UserError("the user or password in the URL holds @, # or /: write them as %40, %23 and %2F")
        seconds = _SUMS_SECONDS if self.no_mirror else _ROWS_SECONDS
        return open_log(
            place.database_url(), self.mapping, names_url=self.names_url, statement_timeout=seconds, cache=self.cache
        )  # fmt: skip

    def known_place(self) -> Place:
        """The source; `UserError` when none was given."""
        if self.place is None:
            here = ' (such as "$DATABASE_URL")' if os.environ.get("DATABASE_URL") else ""
            raise UserError(
                f"no source: give a database URL{here}, a SQLite file, an API or a name from the config file, "
                "or set COST_TOP_SOURCE"
            )
        return self.place

    def open_api(self) -> ReportApi:
        """The report API, not asked yet."""
        return self.known_place().report_api(self.load_book)

    def open_hub(
        self, interval: float | None = None, log_interval: float = 2.0, idle_interval: float | None = None
    ) -> Hub:
        """The source, to be watched for many; nothing is opened before its `start`.

        `interval` None is the source's usual one; a database's is `log_interval` unless the config says otherwise, and
        `idle_interval` while nobody watches.
        """
        hub = self._hub(interval, log_interval, idle_interval)
        hub.own_name = self.name
        return hub

    def _hub(self, interval: float | None, log_interval: float, idle_interval: float | None) -> Hub:
        place = self.known_place()
        if place.kind == "cost-top":
            raise UserError("the source is another cost-top; serve the log where it is")
        if place.is_report_api:
            from cost_top.monitor.api.hub import ApiHub

            return ApiHub(self.open_api, interval=interval or self.own_interval, cache=self.cache)
        usual = place.usual_interval or self.config.interval or log_interval
        seconds = interval or self.own_interval or usual
        idle = max(seconds, idle_interval) if idle_interval is not None and interval is None else None
        if place.is_cluster or self.no_mirror:
            from cost_top.monitor.cluster.hub import ClusterHub

            return ClusterHub(
                self.open_source, self.load_book, interval=seconds, idle_interval=idle, expected=self.expected()
            )
        from cost_top.monitor.log.hub import LogHub

        return LogHub(
            self.open_source, self.load_book, interval=seconds, cache=self.cache, idle_interval=idle,
            expected=self.expected(),
        )  # fmt: skip

    def open_feed(self, interval: float | None = None) -> Feed:
        """The source for one screen."""
        place = self.known_place()
        if place.kind == "cost-top":
            from cost_top.monitor.remote import RemoteFeed

            return RemoteFeed(self.open_client, self.zone)
        from cost_top.cli.budgets import kept_by_the_gateway
        from cost_top.cli.watch import chosen_rules
        from cost_top.monitor.feed import Monitor
        from cost_top.monitor.watched import Watched

        watched = Watched(
            lambda: chosen_rules(self, None, None, False), self.budgets, lambda: kept_by_the_gateway(self), self.zone
        )
        return Monitor(self.open_hub(interval), self.zone, watched)

    def open_answers(self, verify: bool = False, asks_once: bool = False) -> Answers:
        """The source, to be asked now and then, or for one report; see `LogAnswers`.

        `verify` compares what is kept of a log in all its columns first.
        """
        answers = self._answers(verify, asks_once)
        answers.own_name = self.name
        return answers

    def open_client(self) -> CostTopClient:
        """The other cost-top that the source is."""
        client = self.known_place().cost_top()
        client.own_name = self.name
        return client

    def _answers(self, verify: bool, asks_once: bool) -> Answers:
        place = self.known_place()
        if place.kind == "cost-top":
            return self.open_client()
        if place.is_report_api:
            from cost_top.monitor.api.answers import open_api_answers

            return open_api_answers(self.open_api(), self.cache)
        if place.is_cluster or self.no_mirror:
            from cost_top.monitor.cluster.answers import ClusterAnswers

            if verify:
                raise UserError(
                    "--verify compares what is kept of a log; of one that is answered where it lives nothing is"
                )
            return ClusterAnswers(self.open_source, self.load_book)
        from cost_top.monitor.log.answers import LogAnswers

        return LogAnswers(self.open_source, self.load_book, self.cache, verify, asks_once)

    @property
    def is_log(self) -> bool:
        """Whether the source is a request log, whose single requests can be read here."""
        place = self.known_place()
        return place.kind != "cost-top" and not place.is_report_api

    def budgets(self) -> tuple[Budget, ...]:
        """The budgets of the config file; those without a zone of their own are cut in the config's, else in `zone`."""
        if self.config.rules is None:
            return ()
        from cost_top.rules import budgets_of

        zone = parse_zone(self.config.tz) if self.config.tz else self.zone
        return budgets_of(self.config.rules, zone, parse_zone)

    def expected(self) -> tuple[Expected, ...]:
        """`[[expected]]` of the config file."""
        if self.config.rules is None or not self.config.rules.expected:
            return ()
        from cost_top.cli.watch import expected_of

        return expected_of(self)

    @property
    def rings(self) -> bool:
        """Whether the app rings the terminal's bell for what is unusual."""
        return self.config.rules is not None and self.config.rules.watch.bell

    def incomes(self) -> tuple[tuple[Filter, Income], ...]:
        """What users pay, by the config file's `[[revenue]]`."""
        if self.config.rules is None:
            return ()
        from cost_top.insight.units import Income
        from cost_top.model.filter import parse_filter

        revenue = self.config.rules.revenue
        return tuple((parse_filter(str(each.where)), Income(each.per_user_month, each.per_month)) for each in revenue)

    @property
    def near_upgrade_percent(self) -> int:
        """Of a paid plan's median cost of a user: who pays nothing and costs more is near an upgrade."""
        from cost_top.rules import Rules

        return (self.config.rules or Rules()).units.near_upgrade_percent

    def load_book(self) -> RateBook:
        """The rates with the user's overrides."""
        from cost_top.pricing.book import RateBook

        return RateBook.load(self.overrides)


def _refuse_no_path(place: Place) -> None:
    """Say what was probably meant by a word that is neither a source nor a file."""
    from cost_top.cli import misspelt

    word = place.url
    if place.kind != "database" or "://" in word or Path(word).expanduser().exists():
        return
    if re.match(r"\s*(?:host|hostaddr|dbname|user|port|service)\s*=", word):
        raise UserError(
            "the source is given as words of libpq; write them as a URL: postgresql://USER@HOST:PORT/DATABASE"
        )
    told = misspelt(word)
    if told is not None:
        raise UserError(told)


_DATABASES = ("postgresql", "postgres", "mysql", "mariadb", "clickhouse", "clickhouses")


def three_ways() -> str:
    """What to write where no source was given, with what is at hand here."""
    database = os.environ.get("DATABASE_URL", "")
    if database.partition("://")[0].partition("+")[0] not in _DATABASES:
        return THREE_WAYS
    offered = '  cost-top "$DATABASE_URL"                               the database that DATABASE_URL names here\n'
    head, gap, rest = THREE_WAYS.partition("\n\n")
    return f"{head}{gap}{offered}{rest}"


def resolve(
    source: str | None,
    mapping: Path | None,
    overrides: Path | None,
    tz: str | None,
    no_cache: bool,
    config_file: Path | None,
) -> Resolved:
    """Flags, then the environment, then the config file, then defaults."""
    config = load_config(config_file)
    name = source or _from_file() or config.default or os.environ.get("COST_TOP_SOURCE") or None
    named = config.sources.get(name) if name else None
    keys = (named.key_file, named.key_variable, named.key_command) if named else ()
    place = locate(named.url if named else name, *keys) if name else None
    if place is not None and place.is_report_api:
        if tz is not None and tz.upper() != "UTC":
            raise UserError(f"--tz {one_line(tz, 40)}: {place.kind} tells UTC days: leave it out")
        tz = "UTC"
    if place is not None and named is None:
        _refuse_no_path(place)
    no_mirror = _said_no_mirror() or (named is not None and not named.mirror)
    if no_mirror and place is not None and not place.is_cluster and not place.is_postgresql:
        raise UserError("--no-mirror (mirror = false) is for a log in PostgreSQL, which then answers itself")
    no_mirror = no_mirror and (place is None or not place.is_cluster)  # ClickHouse never copies
    zone = tz or os.environ.get("COST_TOP_TZ") or (named.tz if named else None) or config.tz or "local"
    return Resolved(
        url=place.url if place is not None and place.kind == "database" else named.url if named else name,
        place=place,
        own_interval=named.interval if named else None,
        mapping=mapping or (named.mapping if named else None) or config.mapping,
        overrides=overrides or config.overrides,
        zone=parse_zone(zone),
        cache=None if no_cache or not config.cache else cache_path(),
        config=config,
        names_url=named.names_url if named else None,
        no_mirror=no_mirror,
        name=name if named else None,
    )


def _from_file() -> str | None:
    """What `--source-file` holds: a URL with a password is then in no list of processes and in no shell's history."""
    context = click.get_current_context(silent=True)
    path = context.meta.get(_SOURCE_FILE) if context else None
    if path is None:
        return None
    from cost_top.sources.credentials import read_private_line

    text = read_private_line(path, "source file").strip()
    if not text:
        raise UserError(f"{one_line(path, 120)}: its first line is empty: write the source there")
    return text


def _keep_source_file(context: click.Context, _parameter: click.Parameter, value: Path | None) -> None:
    context.meta[_SOURCE_FILE] = value


def _keep_no_mirror(context: click.Context, _parameter: click.Parameter, value: bool) -> None:
    context.meta[_NO_MIRROR] = value


def _said_no_mirror() -> bool:
    context = click.get_current_context(silent=True)
    return bool(context is not None and context.meta.get(_NO_MIRROR))
