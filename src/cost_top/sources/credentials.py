"""Where keys and passwords come from: the environment, a file or a command named in the config."""

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
_COMMAND_SECONDS = 30
_LONGEST = 16 * 1024  # OIDC tokens are about 1 KiB


def find_key(
    kind: str, key_file: Path | None = None, key_variable: str | None = None, key_command: str | None = None
) -> str:
    """The key for a kind of source; "" where none is set and none is needed (cost-top on loopback).

    `key_file` goes before `key_command`, that before `key_variable`, that before the variables of `KEY_VARIABLES`;
    a variable that is empty counts as not set. `UserError`, never with the key, names the variables to set where a key
    is needed and there is none, the file that cannot be read or that others may read, or the place of a key that
    cannot be one.
    """
    if key_file is not None:
        return _checked(_first_line(key_file), str(key_file))
    if key_command is not None:
        return _checked(key_from_command(key_command), "what key_command prints")
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


def key_from_command(command: str) -> str:
    """The first line that a command prints; it is run without a shell. `UserError`, never with what it printed."""
    import shlex
    import subprocess

    try:
        words = shlex.split(command)
        done = subprocess.run(  # noqa: S603 - the user's own config says which
            words, capture_output=True, timeout=_COMMAND_SECONDS, check=False, stdin=subprocess.DEVNULL
        )
    except (OSError, ValueError, IndexError, subprocess.TimeoutExpired) as error:
        reason = getattr(error, "strerror", None) or "took too long or cannot be read"
        raise UserError(f"key_command: {one_line(command.split(' ', maxsplit=1)[0], 60)}: {reason}") from None
    if done.returncode:
        raise UserError(f"key_command: {one_line(words[0], 60)} ended with {done.returncode}; run it by hand")
    return done.stdout.partition(b"\n")[0].removesuffix(b"\r").decode("utf-8", "replace")


def read_private_line(path: Path, what: str = "key file") -> str:
    """The first line of a file that others may not read."""
    return _first_line(path, what)


def find_password(key_file: Path | None, key_variable: str | None, key_command: str | None) -> str:
    """A database's password, as it stands there; `UserError`, never with it, where there is none."""
    if key_file is not None:
        place, found = one_line(key_file, 120), _first_line(key_file)
    elif key_command is not None:
        place, found = "key_command", key_from_command(key_command)
    else:
        place = one_line(key_variable or "", 60)
        found = os.environ.get(key_variable or "", "")
    if not found:
        raise UserError(f"{place}: holds no password")
    return found


def password_in(url: str, password: str) -> str:
    """A database URL with a password in it, for the driver alone.

    >>> password_in("postgresql://ann@db/x", "p@ss"), password_in("mysql://db/x", "s")
    ('postgresql://ann:p%40ss@db/x', 'mysql://:s@db/x')
    """
    from urllib.parse import quote

    scheme, _, rest = url.partition("://")
    place, slash, path = rest.partition("/")
    user, at, host = place.rpartition("@")
    return f"{scheme}://{user.partition(':')[0] if at else ''}:{quote(password, safe='')}@{host}{slash}{path}"


def _first_line(path: Path, what: str = "key file") -> str:
    shown = one_line(path, 120)
    try:
        with path.expanduser().open("rb") as file:
            facts = os.fstat(file.fileno())
            if stat.S_IMODE(facts.st_mode) & stat.S_IRWXO:
                raise UserError(f"{shown}: others may read this {what}: chmod 600 it")
            content = file.read(_LONGEST + 2)
    except (OSError, RuntimeError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        raise UserError(f"{shown}: the {what} cannot be read: {reason or 'no such place'}") from None
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
