"""Bearer tokens: made, read from the environment and from a file, kept only as their SHA-256."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import secrets
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, cast

from cost_top.model.declared import SETTINGS, Rule, Wrong
from cost_top.model.errors import UserError
from cost_top.model.filter import Filter, parse_filter
from cost_top.model.text import clean
from cost_top.model.toml_file import read_toml

VARIABLE = "COST_TOP_SERVE_TOKEN"
SHORTEST, LONGEST = 16, 512
_HEX = re.compile(r"[0-9a-fA-F]{64}")
PERMISSIONS = ("read", "guard")


@dataclass(frozen=True, slots=True)
class Token:
    """Who may ask, and about which requests: `scope` is added to every question; empty means everything."""

    name: str
    digest: bytes = field(repr=False)
    scope: Filter = field(default_factory=Filter)
    permissions: tuple[str, ...] = ("read",)


def digest_of(token: str) -> bytes:
    """The SHA-256 of a token."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


def find_token(tokens: tuple[Token, ...], presented: str) -> Token | None:
    """The token that was presented. All are compared, each in constant time: how long it takes tells nothing."""
    digest = digest_of(presented)
    found = None
    for token in tokens:
        if hmac.compare_digest(token.digest, digest):
            found = token
    return found


def load_tokens(path: Path | None) -> tuple[Token, ...]:
    """The tokens of the environment, which forgets them, and of a file. `UserError` for what is wrong with them."""
    named = os.environ.pop(VARIABLE, None)
    tokens = [] if named is None else [_from_environment(named)]
    if path is not None:
        tokens += _read(path)
    return _unlike(tokens)


def _unlike(tokens: list[Token]) -> tuple[Token, ...]:
    seen: dict[bytes, str] = {}
    for token in tokens:
        if token.digest in seen:
            raise UserError(
                f"tokens {seen[token.digest]!r} and {token.name!r} are the same token; make one of them anew"
            )
        seen[token.digest] = token.name
    return tuple(tokens)


class TokenSource:
    """The tokens of the environment and of a file, which is read again when it changes.

    A file that is wrong then is said on stderr and changes nothing; a server that had tokens never goes without.
    """

    def __init__(self, path: Path | None) -> None:
        """Read them; `UserError` for what is wrong."""
        named = os.environ.get(VARIABLE)
        self._path, self._state = path, _state(path)
        self.tokens = load_tokens(path)
        self._own = () if named is None else self.tokens[:1]
        self._due = 0.0

    def now(self) -> tuple[Token, ...]:
        """The tokens in force; the file is looked at once a second."""
        clock = time.monotonic()
        if self._path is not None and clock >= self._due:
            self._due = clock + 1.0
            state = _state(self._path)
            if state != self._state:
                self._state = state
                self._read_again(self._path)
        return self.tokens

    def _read_again(self, path: Path) -> None:
        try:
            self.tokens = _unlike([*self._own, *_read(path)])
        except UserError as error:
            print(f"cost-top serve: {error}; the tokens from before stay", file=sys.stderr, flush=True)


def _state(path: Path | None) -> tuple[int, int, int] | None:
    try:
        found = path.stat() if path is not None else None
    except OSError:
        return None
    return None if found is None else (found.st_ino, found.st_mtime_ns, found.st_size)


def _from_environment(value: str) -> Token:
    value = value.strip()
    if value.startswith("sha256:"):
        spelled = value.removeprefix("sha256:")
        if not _HEX.fullmatch(spelled):
            raise UserError(f"{VARIABLE}: after sha256: come 64 hexadecimal digits")
        return Token(VARIABLE, bytes.fromhex(spelled))
    if not SHORTEST <= len(value) <= LONGEST or not value.isascii() or not value.isprintable() or " " in value:
        raise UserError(
            f"{VARIABLE}: must be {SHORTEST} to {LONGEST} ASCII characters without spaces; "
            "cost-top serve --new-token NAME makes one"
        )
    return Token(VARIABLE, digest_of(value))


def _name(value: str) -> str:
    if not value.strip() or value != clean(value):
        raise Wrong("must be a name of printable characters")
    return value


def _digest(value: str) -> bytes:
    if not _HEX.fullmatch(value):
        raise Wrong("must be the 64 hexadecimal digits of the token's SHA-256, not the token")
    return bytes.fromhex(value)


def _scope(value: str) -> Filter:
    scope = parse_filter(value)
    if not scope:
        raise Wrong("is empty; leave it out for a token that may see everything")
    return scope


def _permissions(given: tuple[str, ...]) -> tuple[str, ...]:
    if not given or any(one not in PERMISSIONS for one in given):
        raise Wrong(f"must be a list of {' and '.join(map(json.dumps, PERMISSIONS))}")
    return tuple(one for one in PERMISSIONS if one in given)


@dataclass(frozen=True, slots=True)
class TokenEntry:
    """`[[tokens]]`."""

    __pydantic_config__ = SETTINGS
    name: Annotated[str, Rule("a name in quotes", _name)]
    sha256: Annotated[str, Rule("the 64 hexadecimal digits of the token's SHA-256 in quotes", _digest)]
    where: Annotated[str, Rule("a filter in quotes", _scope)] | None = None
    permissions: Annotated[tuple[str, ...], Rule("a list", _permissions)] = ("read",)

    def token(self) -> Token:
        """The same as a value; the rules have made it so."""
        digest, scope = cast("bytes", self.sha256), cast("Filter | None", self.where)
        return Token(self.name, digest, Filter() if scope is None else scope, self.permissions)


@dataclass(frozen=True, slots=True)
class TokensFile:
    """What the file may say."""

    __pydantic_config__ = SETTINGS
    tokens: tuple[TokenEntry, ...] = ()

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for number, entry in enumerate(self.tokens):
            if entry.name in seen:
                raise Wrong(f"{entry.name!r} is there twice", "tokens", number, "name")
            seen.add(entry.name)


def _read(path: Path) -> list[Token]:
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise UserError(f"tokens file {path}: {error.strerror or 'cannot be read'}") from None
    if os.name == "posix" and mode & 0o027:
        raise UserError(f"tokens file {path}: others may read or change it; run: chmod 600 {path}")
    said = read_toml(path, "tokens file").read_as(TokensFile)
    if not said.tokens:
        raise UserError(f"tokens file {path}: holds no [[tokens]]; cost-top serve --new-token NAME prints one to add")
    return [entry.token() for entry in said.tokens]


def new_token(name: str, scope: str | None, permissions: tuple[str, ...] = ()) -> tuple[str, str]:
    """A fresh token, and the TOML block that admits it. No `permissions` are the usual ones."""
    if not name.strip() or name != clean(name):
        raise UserError("--new-token: the name must be of printable characters")
    lines = ["[[tokens]]", f"name = {json.dumps(name, ensure_ascii=False)}"]
    token = f"ct_{secrets.token_urlsafe(32)}"
    lines.append(f'sha256 = "{digest_of(token).hex()}"')
    if scope is not None:
        where = parse_filter(scope)
        if not where:
            raise UserError("--scope: is empty; leave it out for a token that may see everything")
        lines.append(f"where = {json.dumps(str(where), ensure_ascii=False)}")
    if permissions:
        lines.append(f"permissions = {json.dumps(list(permissions))}")
    return token, "\n".join(lines) + "\n"
