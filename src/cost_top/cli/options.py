"""Options that several commands share, and what they resolve to."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from cost_top.config import Config, cache_path, load_config, parse_zone
from cost_top.model.errors import UserError, one_line
from cost_top.sources.locate import locate

if TYPE_CHECKING:
    from cost_top.model.answers import Answers, Hub
    from cost_top.model.feed import Feed
    from cost_top.pricing.book import RateBook
    from cost_top.sources.base import LogSource
    from cost_top.sources.locate import Place
    from cost_top.sources.report_api import ReportApi

F = TypeVar("F", bound=Callable[..., Any])
_FILE = click.Path(path_type=Path, dir_okay=False)

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
        click.argument("source", required=False),
        click.option("--mapping", type=_FILE, help="TOML file that maps your own table to cost-top's columns."),
        click.option("--overrides", type=_FILE, help="TOML file with your own prices."),
        click.option("--tz", metavar="ZONE", help="Where days are cut: IANA zone, local (default) or UTC."),
        click.option("--no-cache", is_flag=True, help="Keep nothing on disk."),
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

    def open_source(self) -> LogSource:
        """Open the log; `UserError` when it cannot be."""
        from cost_top.sources.sql_log import open_log

        place = self.where()
        if place.kind == "litellm":
            return place.litellm()
        if self.url is None or place.kind != "database":
            raise UserError(f"{place.kind} is no request log")
        authority = self.url.partition("://")[2].rpartition("@")[0].partition("?")[0]
        if any(character in authority for character in "@#/"):
            raise UserError("the user or password in the URL holds @, # or /: write them as %40, %23 and %2F")
        return open_log(self.url, self.mapping)

    def where(self) -> Place:
        """The source; `UserError` when none was given."""
        if self.place is None:
            raise UserError(
                "no source: give a database URL, a SQLite file, an API or a name from the config file, "
                "or set COST_TOP_SOURCE"
            )
        return self.place

    def open_api(self) -> ReportApi:
        """The report API, not asked yet."""
        return self.where().report_api(self.load_book)

    def open_hub(
        self, interval: float | None = None, log_interval: float = 2.0, idle_interval: float | None = None
    ) -> Hub:
        """The source, to be watched for many; nothing is opened before its `start`.

        `interval` None is the source's usual one; a database's is `log_interval` unless the config says otherwise, and
        `idle_interval` while nobody watches.
        """
        place = self.where()
        if place.kind == "cost-top":
            raise UserError("the source is another cost-top; serve the log where it is")
        if place.is_report_api:
            from cost_top.monitor.polled_hub import PolledHub

            return PolledHub(self.open_api, interval=interval or self.own_interval, cache=self.cache)
        from cost_top.monitor.log_hub import LogHub

        usual = place.usual_interval or self.config.interval or log_interval
        seconds = interval or self.own_interval or usual
        idle = max(seconds, idle_interval) if idle_interval is not None and interval is None else None
        return LogHub(self.open_source, self.load_book, interval=seconds, cache=self.cache, idle_interval=idle)

    def open_feed(self, interval: float | None = None) -> Feed:
        """The source for one screen."""
        place = self.where()
        if place.kind == "cost-top":
            from cost_top.monitor.remote import RemoteFeed

            return RemoteFeed(place.cost_top, self.zone)
        from cost_top.monitor.monitor import Monitor

        return Monitor(self.open_hub(interval), self.zone)

    def open_answers(self) -> Answers:
        """The source, to be asked now and then."""
        place = self.where()
        if place.kind == "cost-top":
            return place.cost_top()
        if place.is_report_api:
            from cost_top.monitor.api_answers import open_api_answers

            return open_api_answers(self.open_api(), self.cache)
        from cost_top.monitor.log_answers import LogAnswers

        return LogAnswers(self.open_source, self.load_book, self.cache)

    def load_book(self) -> RateBook:
        """The rates with the user's overrides."""
        from cost_top.pricing.book import RateBook

        return RateBook.load(self.overrides)


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
    name = source or config.default or os.environ.get("COST_TOP_SOURCE") or None
    named = config.sources.get(name) if name else None
    place = locate(named.url if named else name, named.key_file if named else None,
                   named.key_variable if named else None) if name else None  # fmt: skip
    if place is not None and place.is_report_api:
        if tz is not None and tz.upper() != "UTC":
            raise UserError(f"--tz {one_line(tz, 40)}: {place.kind} tells UTC days: leave it out")
        tz = "UTC"
    zone = tz or os.environ.get("COST_TOP_TZ") or (named.tz if named else None) or config.tz or "local"
    return Resolved(
        url=named.url if named else name,
        place=place,
        own_interval=named.interval if named else None,
        mapping=mapping or (named.mapping if named else None) or config.mapping,
        overrides=overrides or config.overrides,
        zone=parse_zone(zone),
        cache=None if no_cache or not config.cache else cache_path(),
        config=config,
    )
