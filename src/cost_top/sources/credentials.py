"""Where the keys of report APIs come from: the environment, or a file named in the config. Never from a URL."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path

from cost_top.model.errors import UserError, one_line

# Environment variables by kind of source; the first one that is set is used.
KEY_VARIABLES: Mapping[str, tuple[str, ...]] = {
    "vercel": ("AI_GATEWAY_API_KEY", "VERCEL_OIDC_TOKEN"),
    "litellm": ("LITELLM_API_KEY", "LITELLM_PROXY_API_KEY", "LITELLM_MASTER_KEY"),
    "openrouter": ("OPENROUTER_MANAGEMENT_KEY", "OPENROUTER_API_KEY"),
    "openai": ("OPENAI_ADMIN_KEY",),
    "anthropic": ("ANTHROPIC_ADMIN_KEY", "ANTHROPIC_ADMIN_API_KEY"),
    "cost-top": ("COST_TOP_TOKEN", "COST_TOP_SERVE_TOKEN"),
}
# Which of a service's keys may read reports.
_KEY_KINDS: Mapping[str, str] = {
    "vercel": "an AI Gateway API key",
    "litellm": "a key of the proxy (an admin's sees all spend)",
    "openrouter": "a management key (an inference key tells only its own spend)",
    "openai": "an admin key (sk-admin-…)",
    "anthropic": "an admin key (sk-ant-admin…)",
}
_KEYLESS = ("cost-top",)  # needs none on loopback; where it does, it says so itself
_KEY = re.compile(r"[\x21-\x7e]+", re.ASCII)
_LONGEST = 16 * 1024  # OIDC tokens are about 1 KiB


def find_key(kind: str, key_file: Path | None = None, key_variable: str | None = None) -> str:
    """The key for a kind of source; "" where none is set and none is needed (cost-top on loopback).

    `key_file` goes before `key_variable`, that before the variables of `KEY_VARIABLES`; a variable that is empty
    counts as not set. `UserError`, never with the key, names the variables to set where a key is needed and there is
    none, the file that cannot be read or that others may read, or the place of a key that cannot be one.
    """
    if key_file is not None:
        return _checked(_first_line(key_file), str(key_file))
    place = key_place(kind, None, key_variable)
    if place:
        return _checked(os.environ[place], place)
    names = (key_variable,) if key_variable else KEY_VARIABLES.get(kind, ())
    empty = [name for name in names if name in os.environ]
    if empty:
        raise UserError(f"{empty[0]} is set but empty: set it to {_KEY_KINDS.get(kind, 'the key')}, or unset it")
    if kind in _KEYLESS and not key_variable:
        return ""
    raise UserError(f"{kind}: no key: set {' or '.join(names)} to {_KEY_KINDS.get(kind, 'its key')}")


def key_place(kind: str, key_file: Path | None = None, key_variable: str | None = None) -> str:
    """Where `find_key` looks: the file or the variable that is set; "" where none is."""
    if key_file is not None:
        return str(key_file)
    names = (key_variable,) if key_variable else KEY_VARIABLES.get(kind, ())
    return next((name for name in names if os.environ.get(name, "").strip()), "")


def _first_line(path: Path) -> str:
    shown = one_line(path, 120)
    try:
        with path.expanduser().open("rb") as file:
            facts = os.fstat(file.fileno())
            if stat.S_IMODE(facts.st_mode) & stat.S_IRWXO:
                raise UserError(f"{shown}: others may read this key file: chmod 600 it")
            content = file.read(_LONGEST + 2)
    except (OSError, RuntimeError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        raise UserError(f"{shown}: the key file cannot be read: {reason or 'no such place'}") from None
    # Other lines may hold notes; a key's own line may end as on Windows.
    return content.partition(b"\n")[0].removesuffix(b"\r").decode("utf-8", "replace")


def _checked(key: str, place: str) -> str:
    place = one_line(place, 120)
    if not key.strip():
        raise UserError(f"{place}: its first line is empty: write the key there")
    if len(key) > 1 and key[0] == key[-1] and key[0] in "\"'":
        raise UserError(f"{place}: the key is in quotes: give it without them")
    if any(character.isspace() for character in key):
        raise UserError(f"{place}: the key holds a space or a line break: give the key alone, without Bearer")
    if not _KEY.fullmatch(key):
        raise UserError(f"{place}: the key holds a character that no key has: copy it again")
    if len(key) > _LONGEST:
        raise UserError(f"{place}: the key is longer than {_LONGEST // 1024} KiB: it is none")
    return key
