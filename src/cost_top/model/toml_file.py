"""A TOML file of settings: read once, every mistake told in one line with file, line and key.

    settings = read_toml(path, "config file").read_as(Config)

See `model.declared` for what a class of settings may hold.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

from cost_top.model.declared import read_plainly
from cost_top.model.errors import UserError, one_line

T = TypeVar("T")
LARGEST = 4_000_000


@dataclass(frozen=True, slots=True)
class TomlFile:
    """A file that is TOML. `origin` names it in messages: `config file ~/.config/cost-top/config.toml`."""

    origin: str
    text: str
    document: dict[str, Any]

    def read_as(self, settings: type[T]) -> T:
        """The settings it holds; `UserError` names the first mistake."""
        try:
            return cast(T, read_plainly(settings, self.document))
        except ValueError:
            pass
        from cost_top.model.toml_check import checked

        found, mistakes = checked(self, settings)
        if mistakes:
            raise UserError(mistakes[0])
        return cast(T, found)

    def mistakes(self, settings: type[Any]) -> list[str]:
        """Every mistake, one line each; pydantic is always asked."""
        from cost_top.model.toml_check import checked

        return checked(self, settings)[1]

    def wrong(self, keys: Sequence[str | int], problem: str) -> UserError:
        """The error for the value that `keys` lead to: `config file x.toml:3: sources.prod.url: …`."""
        line = self.line_of(keys)
        named = self._named(keys)
        return UserError(f"{self.origin}{f':{line}' if line else ''}: {f'{named}: ' if named else ''}{problem}")

    def _named(self, keys: Sequence[str | int]) -> str:
        """Keys with dots between them; one of several tables is called by its name, where it has one."""
        parts = []
        for place, key in enumerate(keys):
            name = _at(self.document, (*keys[: place + 1], "name")) if isinstance(key, int) else key
            if isinstance(name, str) and name.strip():
                parts.append(one_line(name, 64))
        return ".".join(parts)

    def existing(self, keys: Sequence[str | int]) -> Sequence[str | int]:
        """The part of `keys` that is in the file."""
        while keys and _at(self.document, keys) is _NOTHING:
            keys = keys[:-1]
        return keys

    def line_of(self, keys: Sequence[str | int]) -> int | None:
        """The line that gives a key its value, or that begins the table it is missing from.

        The parser keeps no lines, but tells of each beginning of the file whether the key is in it.
        """
        keys = self.existing(keys)
        if not keys:
            return None
        lines = self.text.split("\n")
        numbers = range(1, len(lines) + 1)
        return numbers[bisect_left(numbers, True, key=lambda number: _holds(lines, number, keys))]


def read_toml(path: Path, what: str) -> TomlFile:
    """The file; `what` it is stands before its path in messages. `UserError` where it is no TOML file."""
    origin = f"{what} {path}"
    try:
        with path.open("rb") as file:
            text = file.read(LARGEST).decode("utf-8")
    except OSError as error:
        reason = error.strerror or "cannot be read"
        raise UserError(f"{origin}: {reason}; give the path of a TOML file") from None
    except UnicodeDecodeError:
        raise UserError(f"{origin}: is not UTF-8 text; give the path of a TOML file") from None
    return parse_toml(text, origin)


def parse_toml(text: str, origin: str) -> TomlFile:
    """The file that a text is; `origin` names it in messages."""
    import tomllib

    try:
        return TomlFile(origin, text, tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{origin}: is not TOML: {one_line(error)}") from None


def _holds(lines: Sequence[str], number: int, keys: Sequence[str | int]) -> bool:
    """Whether a key is in the first lines, up to the end of what line `number` begins or is in."""
    import tomllib

    for end in range(number, len(lines) + 1):
        try:
            return _at(tomllib.loads("\n".join(lines[:end])), keys) is not _NOTHING
        except tomllib.TOMLDecodeError:
            continue
    return True


_NOTHING = object()


def _at(document: Any, keys: Sequence[str | int]) -> Any:
    for key in keys:
        if isinstance(key, int):
            if not isinstance(document, list) or key >= len(document):
                return _NOTHING
        elif not isinstance(document, dict) or key not in document:
            return _NOTHING
        document = document[key]
    return document
