"""Settings: flags before environment before config file before defaults. Every error names the file and the key."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cost_top.model.declared import SETTINGS, Rule, Wrong, declared, did_you_mean, one_of, within
from cost_top.model.errors import UserError, one_line
from cost_top.model.toml_file import TomlFile, read_toml
from cost_top.model.windows import WINDOW_NAMES

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    from cost_top.rules import Rules

T = TypeVar("T", bound="DataclassInstance")
Table = Mapping[str, Any]
COMMAND_NAMES = (
    "bench", "budgets", "completion", "config", "demo", "doctor", "help", "mcp", "price", "report", "requests", "serve",
    "version", "watch", "why",
)  # fmt: skip
# What a name of `[sources]` would hide, or be hidden by.
TAKEN = (*COMMAND_NAMES, "vercel", "openrouter", "openai", "anthropic", "claude-code", "codex")
RULES = ("watch", "guard", "units", "budgets", "receivers", "expected", "revenue")
Zone = Annotated[str, Rule("an IANA time zone in quotes", lambda name: parse_zone(name) and name)]
Seconds = Annotated[float, within(1, 86400, "seconds")]


@dataclass(frozen=True, slots=True)
class SourceSettings:
    """A source as named in the config file."""

    __pydantic_config__ = SETTINGS
    url: Annotated[str, Rule("a database URL or a path in quotes")] = field(repr=False)
    mapping: Path | None = None
    tz: Zone | None = None
    interval: Seconds | None = None
    mirror: bool = True
    key_file: Path | None = None
    key_variable: Annotated[str, Rule("the name of an environment variable in quotes")] | None = None
    key_command: Annotated[str, Rule("a command that prints the key or password, in quotes")] | None = None
    names_url: Annotated[str, Rule("the database that holds the gateway's names, in quotes")] | None = field(
        default=None, repr=False
    )


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """What the config file says, None where it says nothing. Paths in it are relative to it."""

    __pydantic_config__ = SETTINGS
    default: Annotated[str, Rule("the name of a source in quotes")] | None = None
    tz: Zone | None = None
    interval: Seconds | None = None
    window: Annotated[str, one_of(WINDOW_NAMES)] | None = None
    theme: Annotated[str, one_of(("dark", "light"))] | None = None
    mouse: bool = True
    cache: bool = True
    mapping: Path | None = None
    overrides: Path | None = None
    export_folder: Path | None = None
    sources: Mapping[str, SourceSettings] = field(default_factory=dict)
    # What `cost_top.rules` reads.
    watch: Table | None = None
    guard: Table | None = None
    units: Table | None = None
    budgets: tuple[Table, ...] = ()
    receivers: tuple[Table, ...] = ()
    expected: tuple[Table, ...] = ()
    revenue: tuple[Table, ...] = ()

    def __post_init__(self) -> None:
        for name in self.sources:
            if name in TAKEN:
                what = "a command" if name in COMMAND_NAMES else "a source by itself"
                raise Wrong(f"{name} is {what}: choose another name", "sources", name)
        if self.default is not None and self.default not in self.sources:
            there = f"there: {', '.join(self.sources) or 'none'}"
            near = did_you_mean(self.default, tuple(self.sources))
            raise Wrong(f"no [sources.{one_line(self.default, 40)}] in the file ({there}){near}", "default")


@dataclass(frozen=True, slots=True)
class Config(ConfigFile):
    """The settings of the config file."""

    rules: Rules | None = None  # budgets, receivers, the guard; None where the file holds none
    folder: Path = Path()


def config_path() -> Path:
    """`COST_TOP_CONFIG`, else config.toml in the user's config folder for cost-top."""
    named = os.environ.get("COST_TOP_CONFIG")
    if named:
        return Path(named).expanduser()
    from platformdirs import user_config_path

    return user_config_path("cost-top") / "config.toml"


def cache_path() -> Path:
    """`COST_TOP_CACHE`, else the user's cache folder for cost-top."""
    named = os.environ.get("COST_TOP_CACHE")
    if named:
        return Path(named).expanduser()
    from platformdirs import user_cache_path

    return user_cache_path("cost-top")


def load_config(path: Path | None = None) -> Config:
    """Read the config file; a missing one is empty unless it was named."""
    named = path is not None or "COST_TOP_CONFIG" in os.environ
    path = path or config_path()
    if not named and not path.exists():
        return Config()
    file = read_toml(path, "config file")
    said = _beside(path, file.read_as(ConfigFile))
    values = {name: getattr(said, name) for name in declared(ConfigFile)}
    values["sources"] = {name: _beside(path, source) for name, source in said.sources.items()}
    return Config(**values, rules=_rules(file), folder=path.parent)


def _rules(file: TomlFile) -> Rules | None:
    if not any(name in file.document for name in RULES):
        return None
    from cost_top.rules import read_rules

    return read_rules(file, parse_zone)


def _beside(file: Path, settings: T) -> T:
    """The settings with the paths in them as seen from the file."""
    paths = {name: value for name in declared(type(settings)) if isinstance(value := getattr(settings, name), Path)}
    return replace(settings, **{name: file.parent / value.expanduser() for name, value in paths.items()})


def parse_zone(name: str) -> tzinfo:
    """An IANA zone, `local` or `UTC`; `UserError` for anything else."""
    if name.lower() == "local":
        return local_zone()
    if name.upper() == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise UserError(
            f"unknown time zone {one_line(name, 60)!r}: use an IANA name such as Europe/Berlin, local or UTC"
        ) from None


def local_zone() -> tzinfo:
    """The machine's zone: `TZ`, else what /etc/localtime points to, else the current fixed offset."""
    names = [os.environ.get("TZ", "").lstrip(":")]
    try:
        names.append(str(Path("/etc/localtime").resolve()).split("zoneinfo/", 1)[1])
    except (OSError, IndexError):
        names.append("")
    for name in names:
        if name:
            try:
                return ZoneInfo(name)
            except (ZoneInfoNotFoundError, ValueError, OSError):
                continue
    return datetime.now().astimezone().tzinfo or UTC
