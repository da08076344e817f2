"""Settings: flags before environment before config file before defaults. Every error names the file and the key."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cost_top.model.errors import UserError, one_line
from cost_top.model.windows import WINDOW_NAMES

_KINDS: dict[str, tuple[type, str]] = {
    "default": (str, "the name of a source"),
    "tz": (str, "an IANA time zone in quotes"),
    "interval": (float, "a number of seconds"),
    "window": (str, "one of 1h, 24h, 7d, 30d, mtd"),
    "theme": (str, "dark or light"),
    "mouse": (bool, "true or false"),
    "cache": (bool, "true or false"),
    "mapping": (str, "a path in quotes"),
    "overrides": (str, "a path in quotes"),
    "export_folder": (str, "a path in quotes"),
    "sources": (dict, "a table: [sources.NAME]"),
}
_SOURCE_KINDS: dict[str, tuple[type, str]] = {
    "url": (str, "a database URL or a path in quotes"),
    "mapping": (str, "a path in quotes"),
    "tz": (str, "an IANA time zone in quotes"),
    "interval": (float, "a number of seconds"),
    "key_file": (str, "a path in quotes"),
    "key_variable": (str, "the name of an environment variable"),
}


@dataclass(frozen=True, slots=True)
class SourceSettings:
    """A source as named in the config file."""

    url: str = field(repr=False)
    mapping: Path | None = None
    tz: str | None = None
    interval: float | None = None
    key_file: Path | None = None
    key_variable: str | None = None


@dataclass(frozen=True, slots=True)
class Config:
    """The config file. None where it says nothing."""

    default: str | None = None
    tz: str | None = None
    interval: float | None = None
    window: str | None = None
    theme: str | None = None
    mouse: bool = True
    cache: bool = True
    mapping: Path | None = None
    overrides: Path | None = None
    export_folder: Path | None = None
    sources: Mapping[str, SourceSettings] = field(default_factory=dict)


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
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        if named:
            raise UserError(f"config file {path}: no such file") from None
        return Config()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise UserError(f"config file {path}: {reason}") from None
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"config file {path}: {one_line(error)}") from None
    return _config(path, text, table)


def _config(path: Path, text: str, table: dict[str, Any]) -> Config:
    _check(path, text, (), table, _KINDS)
    sources = {}
    for name, entry in table.get("sources", {}).items():
        where = ("sources", name)
        if not isinstance(entry, dict):
            raise UserError(f"{_place(path, text, where)}: must be a table: [sources.{name}] with url = …")
        _check(path, text, where, entry, _SOURCE_KINDS)
        if "url" not in entry:
            raise UserError(f'{_place(path, text, where)}: has no url; add url = "postgresql://…" or a path')
        sources[name] = SourceSettings(
            url=entry["url"],
            mapping=_path(path, entry.get("mapping")),
            tz=entry.get("tz"),
            interval=float(entry["interval"]) if "interval" in entry else None,
            key_file=_path(path, entry.get("key_file")),
            key_variable=entry.get("key_variable"),
        )
    _check_values(path, text, table, sources)
    default = table.get("default")
    if default is not None and default not in sources:
        known = ", ".join(sources) or "none"
        raise UserError(f"{_place(path, text, ('default',))}: no [sources.{default}] in the file (there: {known})")
    return Config(
        default=default,
        tz=table.get("tz"),
        interval=float(table["interval"]) if "interval" in table else None,
        window=table.get("window"),
        theme=table.get("theme"),
        mouse=table.get("mouse", True),
        cache=table.get("cache", True),
        mapping=_path(path, table.get("mapping")),
        overrides=_path(path, table.get("overrides")),
        export_folder=_path(path, table.get("export_folder")),
        sources=sources,
    )


def _check(
    path: Path, text: str, where: tuple[str, ...], table: dict[str, Any], kinds: dict[str, tuple[type, str]]
) -> None:
    for key, value in table.items():
        place = _place(path, text, (*where, key))
        if key not in kinds:
            raise UserError(f"{place}: unknown key{_closest(key, kinds)}")
        kind, wanted = kinds[key]
        accepted = (int, float) if kind is float else kind
        if not isinstance(value, accepted) or (kind is not bool and isinstance(value, bool)):
            raise UserError(f"{place}: must be {wanted}")


def _check_values(path: Path, text: str, table: dict[str, Any], sources: Mapping[str, SourceSettings]) -> None:
    """Values that are of the right kind and still mean nothing."""
    for key, known in (("window", WINDOW_NAMES), ("theme", ("dark", "light"))):
        if key in table and table[key] not in known:
            raise UserError(f"{_place(path, text, (key,))}: must be one of {', '.join(known)}")
    intervals: list[tuple[tuple[str, ...], float | None]] = [(("interval",), table.get("interval"))]
    intervals += [(("sources", name, "interval"), source.interval) for name, source in sources.items()]
    for keys, interval in intervals:
        if interval is not None and not 1 <= interval <= 86400:
            raise UserError(f"{_place(path, text, keys)}: must be a number of seconds from 1 to 86400")
    zones: list[tuple[tuple[str, ...], str | None]] = [(("tz",), table.get("tz"))]
    zones += [(("sources", name, "tz"), source.tz) for name, source in sources.items()]
    for keys, zone in zones:
        if zone is not None:
            try:
                parse_zone(zone)
            except UserError as error:
                raise UserError(f"{_place(path, text, keys)}: {error}") from None


def _closest(key: str, kinds: Mapping[str, object]) -> str:
    from difflib import get_close_matches

    close = get_close_matches(key, kinds, 1)
    return f", did you mean {close[0]!r}?" if close else f"; known are {', '.join(kinds)}"


def _path(config: Path, value: str | None) -> Path | None:
    """A path in the file is relative to the file."""
    return None if value is None else config.parent / Path(value).expanduser()


def _place(path: Path, text: str, keys: tuple[str, ...]) -> str:
    """`config file …, line 3, key sources.prod.url`."""
    section: tuple[str, ...] = ()
    name = re.escape(keys[-1])
    line_number = None
    for number, line in enumerate(text.splitlines(), 1):
        header = re.match(r"\s*\[\[?\s*([^\]]+?)\s*\]\]?", line)
        if header:
            section = tuple(part.strip().strip("\"'") for part in header[1].split("."))
            if section == keys:
                line_number = number
        elif section == keys[:-1] and re.match(rf"\s*[\"']?{name}[\"']?\s*[.=]", line):
            line_number = number
        if line_number is not None:
            break
    at = f", line {line_number}" if line_number else ""
    return f"config file {path}{at}, key {'.'.join(keys)}"


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
