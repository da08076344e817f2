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
from cost_top.model.errors import UserError

if TYPE_CHECKING:
    from cost_top.pricing.book import RateBook
    from cost_top.sources.base import LogSource

F = TypeVar("F", bound=Callable[..., Any])
_FILE = click.Path(path_type=Path, dir_okay=False)

THREE_WAYS = """\
cost-top needs a source. Three ways to give one:

  cost-top postgresql://reader@db.example.com/litellm    a database URL
  cost-top gateway.db                                    a SQLite file
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
    mapping: Path | None
    overrides: Path | None
    zone: tzinfo
    cache: Path | None
    config: Config

    def open_source(self) -> LogSource:
        """Open the log; `UserError` when it cannot be."""
        from cost_top.sources.sql_log import open_log

        if self.url is None:
            raise UserError(
                "no source: give a database URL, a SQLite file or a name from the config file, or set COST_TOP_SOURCE"
            )
        authority = self.url.partition("://")[2].rpartition("@")[0].partition("?")[0]
        if any(character in authority for character in "@#/"):
            raise UserError("the user or password in the URL holds @, # or /: write them as %40, %23 and %2F")
        return open_log(self.url, self.mapping)

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
    zone = tz or os.environ.get("COST_TOP_TZ") or (named.tz if named else None) or config.tz or "local"
    return Resolved(
        url=named.url if named else name,
        mapping=mapping or (named.mapping if named else None) or config.mapping,
        overrides=overrides or config.overrides,
        zone=parse_zone(zone),
        cache=None if no_cache or not config.cache else cache_path(),
        config=config,
    )
