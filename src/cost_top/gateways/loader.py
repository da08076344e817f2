"""Preset files (TOML), ours and the user's: read, checked, and every mistake named with file, line and key."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from datetime import timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any, NoReturn

from cost_top.gateways.preset import COST_UNITS, DATABASES, TIME_UNITS, Expression, LookupTable, Preset
from cost_top.model.errors import UserError, one_line
from cost_top.model.record import FIELD_NAMES

MAPPED_FIELDS = tuple(name for name in FIELD_NAMES if name not in ("id", "time"))
LOOKUP_FIELDS = ("token_name", "team", "owner", "user")
_TOP = frozenset({
    "name", "databases", "schema", "table", "recognised_by", "id", "filter", "overlap_seconds",
    "input_includes_cache", "never", "time", "cost", "tags", "fields", "lookups", "hints", "advice",
})  # fmt: skip
_EXPRESSION = frozenset({"column", "json", "path", "sql", "value", "needs", "costly", "typed"})


def builtin_presets() -> tuple[Preset, ...]:
    """The presets that come with cost-top, in the order of their names."""
    folder = files("cost_top.gateways") / "presets"
    found = sorted((item for item in folder.iterdir() if item.name.endswith(".toml")), key=lambda item: item.name)
    return tuple(parse_preset(item.read_text("utf-8"), item.name) for item in found)


def load_preset(path: Path) -> Preset:
    """A user's own mapping file."""
    try:
        return parse_preset(path.read_text("utf-8"), str(path))
    except OSError as error:
        raise UserError(f"mapping {path}: {error.strerror or 'cannot be read'}; give the path of a TOML file") from None
    except UnicodeDecodeError:
        raise UserError(f"mapping {path}: is not UTF-8 text; give the path of a TOML file") from None


def parse_preset(text: str, origin: str) -> Preset:
    """The preset a file's text describes; `UserError` names `origin`, line and key."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"mapping {origin}: {one_line(error)}") from None
    return _Reader(text, origin, document).preset()


class _Reader:
    """One file being read; keeps the text so that a mistake can be given its line."""

    def __init__(self, text: str, origin: str, document: dict[str, Any]) -> None:
        self.lines = text.splitlines()
        self.origin = origin
        self.document = document
        self.never: tuple[str, ...] = ()

    def preset(self) -> Preset:
        top = self.document
        self.known("", top, _TOP)
        self.never = self.texts("", "never")
        time = self.section("time", {"column", "unit"})
        cost = self.section("cost", {"unit", "divisor"})
        tags = self.section("tags", {"user_agent_prefix"})
        fields = self.section("fields", set(MAPPED_FIELDS))
        unit = self.choice("cost", "unit", cost.get("unit", "usd"), tuple(COST_UNITS))
        divisor = cost.get("divisor", 1)
        if type(divisor) is not int or divisor < 1 or (divisor != 1 and unit != "points"):
            self.fail("cost", "divisor", "must be a whole number of points per dollar, with unit = 'points'")
        return Preset(
            name=self.text("", "name"),
            origin=self.origin,
            table=self.text("", "table"),
            schema=self.optional("", "schema"),
            databases=self.databases(),
            recognised_by=self.texts("", "recognised_by"),
            id=self.expression("", "id", self.required("", "id")),
            time_column=self.text("time", "column"),
            time_unit=self.choice("time", "unit", time.get("unit"), TIME_UNITS),
            row_filter=self.row_filter(),
            overlap=self.overlap(),
            cost_unit=unit,
            cost_divisor=divisor,
            input_includes_cache=self.includes_cache(),
            user_agent_tag=self.optional("tags", "user_agent_prefix") if tags else None,
            fields={name: self.alternatives(name, fields[name]) for name in fields},
            never=self.never,
            lookups=self.lookups(),
            hints={key: self.text("hints", key) for key in self.section("hints", None)},
            advice={key: self.text("advice", key) for key in self.section("advice", None)},
        )

    def databases(self) -> tuple[str, ...]:
        given = self.texts("", "databases") or DATABASES
        return tuple(self.choice("", "databases", name, DATABASES) for name in given)

    def overlap(self) -> timedelta:
        seconds = self.document.get("overlap_seconds", 300)
        if type(seconds) is not int or not 1 <= seconds <= 86400:
            self.fail("", "overlap_seconds", "must be a whole number of seconds from 1 to 86400")
        return timedelta(seconds=seconds)

    def includes_cache(self) -> bool | Expression:
        given = self.document.get("input_includes_cache", True)
        if isinstance(given, bool):
            return given
        return self.expression("", "input_includes_cache", given)

    def row_filter(self) -> Expression | None:
        given = self.document.get("filter")
        if given is None:
            return None
        return self.expression("", "filter", {"sql": given} if isinstance(given, str) else given)

    def alternatives(self, name: str, given: Any) -> tuple[Expression, ...]:
        items = given if isinstance(given, list) else [given]
        if not items:
            self.fail("fields", name, "is empty; leave the key out where the column does not exist")
        return tuple(self.expression("fields", name, item) for item in items)

    def expression(self, section: str, key: str, given: Any) -> Expression:
        """A column's name, or a table with `column`, `json` and `path`, `sql`, or `value`."""
        if isinstance(given, str) and given:
            return self.allowed(section, key, Expression(column=given))
        if not isinstance(given, dict):
            self.fail(section, key, "must be a column name or one of {json=…, path=[…]}, {sql=…}, {value=…}")
        self.known(f"{section}.{key}", given, _EXPRESSION, key=key)
        kinds = [kind for kind in ("column", "json", "sql", "value") if kind in given]
        if len(kinds) != 1:
            self.fail(section, key, "must have exactly one of column, json, sql, value")
        needs = self.strings(section, key, given.get("needs", []))
        flags = {flag: given.get(flag, flag == "costly" and kinds == ["json"]) for flag in ("costly", "typed")}
        if not all(isinstance(flag, bool) for flag in flags.values()):
            self.fail(section, key, "costly and typed are true or false")
        path = self.strings(section, key, given.get("path", []))
        if bool(path) != (kinds == ["json"]):
            self.fail(section, key, 'needs both json="column" and path=["key", …]')
        main = given[kinds[0]]
        if kinds == ["sql"]:
            return self.allowed(section, key, Expression(sql=self.dialects(section, key, main), needs=needs, **flags))
        if not isinstance(main, str) or not main:
            self.fail(section, key, f"{kinds[0]} must be a text")
        if kinds == ["value"]:
            return Expression(value=main)
        return self.allowed(section, key, Expression(column=main, path=path, needs=needs, **flags))

    def dialects(self, section: str, key: str, given: Any) -> Mapping[str, str]:
        by_database = dict.fromkeys(DATABASES, given) if isinstance(given, str) else given
        valid = isinstance(by_database, dict) and by_database and set(by_database) <= set(DATABASES)
        if not valid or not all(isinstance(sql, str) and sql.strip() for sql in by_database.values()):
            self.fail(section, key, f"sql must be a text, or a text for each of {', '.join(DATABASES)}")
        return dict(by_database)

    def allowed(self, section: str, key: str, expression: Expression) -> Expression:
        for column in self.never:
            word = re.compile(rf"(?<![\w]){re.escape(column)}(?![\w])")
            if column in expression.columns or any(word.search(sql) for sql in expression.sql.values()):
                self.fail(section, key, f"reads the column {column!r}, which is listed under never")
        return expression

    def lookups(self) -> tuple[LookupTable, ...]:
        given = self.document.get("lookups", [])
        if not isinstance(given, list) or not all(isinstance(item, dict) for item in given):
            self.fail("", "lookups", "must be written as [[lookups]] with field, by, table, id, name")
        return tuple(self.lookup(item) for item in given)

    def lookup(self, item: dict[str, Any]) -> LookupTable:
        keys = ("field", "by", "table", "id", "name")
        self.known("lookups", item, frozenset(keys))
        for key in keys:
            if not isinstance(item.get(key), str) or not item[key]:
                self.fail("lookups", key, "must be a text")
        self.choice("lookups", "field", item["field"], LOOKUP_FIELDS)
        self.choice("lookups", "by", item["by"], MAPPED_FIELDS)
        return LookupTable(**{key: item[key] for key in keys})

    def section(self, name: str, keys: set[str] | None) -> dict[str, Any]:
        given = self.document.get(name, {})
        if not isinstance(given, dict):
            self.fail("", name, f"must be a section: [{name}]")
        if keys is not None:
            self.known(name, given, frozenset(keys))
        return given

    def known(self, section: str, given: Mapping[str, Any], keys: frozenset[str], key: str | None = None) -> None:
        for name in given:
            if name not in keys:
                place = section.split(".", maxsplit=1)[0] if key else section
                self.fail(place, name, f"is not known here; known: {', '.join(sorted(keys))}", near=key)

    def required(self, section: str, key: str) -> Any:
        place = self.document.get(section, {}) if section else self.document
        if key not in place:
            self.fail(section, key, "is missing")
        return place[key]

    def text(self, section: str, key: str) -> str:
        given = self.required(section, key)
        if not isinstance(given, str) or not given.strip():
            self.fail(section, key, "must be a text")
        return given

    def optional(self, section: str, key: str) -> str | None:
        place = self.document.get(section, {}) if section else self.document
        return self.text(section, key) if key in place else None

    def texts(self, section: str, key: str) -> tuple[str, ...]:
        return self.strings(section, key, self.document.get(key, []))

    def strings(self, section: str, key: str, given: Any) -> tuple[str, ...]:
        if not isinstance(given, Sequence) or isinstance(given, str) or not all(isinstance(x, str) for x in given):
            self.fail(section, key, "must be a list of texts")
        return tuple(given)

    def choice(self, section: str, key: str, given: Any, choices: Sequence[str]) -> str:
        if given not in choices:
            self.fail(section, key, f"must be one of {', '.join(choices)}")
        return str(given)

    def fail(self, section: str, key: str, problem: str, near: str | None = None) -> NoReturn:
        line = self.line_of(section, near or key)
        where = f" line {line}" if line else ""
        name = f"{section}.{key}" if section else key
        raise UserError(f"mapping {self.origin}{where}: {name} {problem}")

    def line_of(self, section: str, key: str) -> int | None:
        """The line of a key: TOML's parser keeps none, so the text is looked through."""
        here, fallback = "", None
        for number, line in enumerate(self.lines, 1):
            header = re.match(r"\s*\[\[?\s*([\w.\"-]+)\s*\]\]?", line)
            if header:
                here = header[1].strip('"')
                if here in (section, key):
                    fallback = fallback or number
                continue
            spelled = re.match(r"\s*[\"']?([\w-]+)[\"']?\s*=", line)
            if spelled and spelled[1] == key and here == section:
                return number
        return fallback
