"""Bearer tokens: made, read from the environment and from a file, kept only as their SHA-256."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import secrets
import tomllib
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from cost_top.model.errors import UserError, one_line
from cost_top.model.filter import Filter, parse_filter
from cost_top.model.text import clean

VARIABLE = "COST_TOP_SERVE_TOKEN"
SHORTEST, LONGEST = 16, 512
_HEX = re.compile(r"[0-9a-fA-F]{64}")
_KEYS = ("name", "sha256", "where")
_LARGEST_FILE = 1_000_000


@dataclass(frozen=True, slots=True)
class Token:
    """Who may ask, and about which requests: `scope` is added to every question; empty means everything."""

    name: str
    digest: bytes = field(repr=False)
    scope: Filter = field(default_factory=Filter)


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
    seen: dict[bytes, str] = {}
    for token in tokens:
        if token.digest in seen:
            raise UserError(
                f"tokens {seen[token.digest]!r} and {token.name!r} are the same token; make one of them anew"
            )
        seen[token.digest] = token.name
    return tuple(tokens)


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


def _read(path: Path) -> list[Token]:
    place = f"tokens file {path}"
    try:
        mode = path.stat().st_mode
        if os.name == "posix" and mode & 0o027:
            raise UserError(f"{place}: others may read or change it; run: chmod 600 {path}")
        with path.open("rb") as file:
            table = tomllib.loads(file.read(_LARGEST_FILE).decode("utf-8"))
    except OSError as error:
        raise UserError(f"{place}: {error.strerror or 'cannot be read'}") from None
    except UnicodeDecodeError:
        raise UserError(f"{place}: is not UTF-8 text") from None
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{place}: {one_line(error)}") from None
    for key in table:
        if key != "tokens":
            raise UserError(f"{place}, key {one_line(key, 40)}: unknown; write [[tokens]] with {', '.join(_KEYS)}")
    entries = table.get("tokens", [])
    if not isinstance(entries, list) or not entries or not all(isinstance(entry, dict) for entry in entries):
        raise UserError(f"{place}: holds no [[tokens]]; cost-top serve --new-token NAME prints one to add")
    names: set[str] = set()
    tokens = []
    for number, entry in enumerate(entries, 1):
        token = _token(f"{place}, [[tokens]] number {number}", entry)
        if token.name in names:
            raise UserError(f"{place}, [[tokens]] number {number}, key name: {token.name!r} is there twice")
        names.add(token.name)
        tokens.append(token)
    return tokens


def _token(place: str, entry: dict[str, Any]) -> Token:
    for key, value in entry.items():
        if key not in _KEYS:
            near = get_close_matches(key, _KEYS, 1)
            advice = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(_KEYS)}"
            raise UserError(f"{place}, key {one_line(key, 40)}: unknown; {advice}")
        if not isinstance(value, str):
            raise UserError(f"{place}, key {key}: must be a text in quotes")
    name, spelled = entry.get("name", ""), entry.get("sha256", "")
    if not name.strip() or name != clean(name):
        raise UserError(f"{place}, key name: must be a name of printable characters")
    if not _HEX.fullmatch(spelled):
        raise UserError(f"{place}, key sha256: must be the 64 hexadecimal digits of the token's SHA-256, not the token")
    scope = Filter()
    if "where" in entry:
        try:
            scope = parse_filter(entry["where"])
        except UserError as error:
            raise UserError(f"{place}, key where: {error}") from None
        if not scope:
            raise UserError(f"{place}, key where: is empty; leave it out for a token that may see everything")
    return Token(name, bytes.fromhex(spelled), scope)


def new_token(name: str, scope: str | None) -> tuple[str, str]:
    """A fresh token, and the TOML block that admits it."""
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
    return token, "\n".join(lines) + "\n"
