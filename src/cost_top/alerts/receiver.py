"""A receiver: where its events go, signed with what, and one attempt to deliver one."""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from cost_top.alerts.event import Event
from cost_top.alerts.formats import body_of
from cost_top.alerts.pinned import Outcome, Resolve, addresses_of, post
from cost_top.config import Config
from cost_top.model.errors import UserError, one_line
from cost_top.rule_tables import ReceiverTable
from cost_top.sources.credentials import KEY_VARIABLES

_COMMAND_SECONDS = 30
# What a command does not inherit: variables that are called so, those that hold our keys, URLs with a password in them.
_HIDDEN = ("SECRET", "TOKEN", "PASSWORD", "COST_TOP_")
_KEYS = frozenset(name for names in KEY_VARIABLES.values() for name in names) | {"MYSQL_PWD"}
_WITH_PASSWORD = re.compile(r"[a-z][a-z0-9+.-]*://[^/?#\s]*:[^/?#\s]*@", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Receiver:
    """`url` and `secrets` are secret: they are never printed."""

    table: ReceiverTable
    url: str = field(default="", repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)
    hidden: frozenset[str] = frozenset()  # variables that the config file names: they hold its secrets
    resolve: Resolve = field(default=addresses_of, repr=False)

    @property
    def name(self) -> str:
        """Its name in the config."""
        return self.table.name

    @property
    def spacing(self) -> float:
        """Seconds between two messages: chats take one a second."""
        return 1.0 if self.table.format in ("slack", "discord", "teams") else 0.0

    @property
    def shown(self) -> str:
        """Where it goes, as may be printed: the path of a chat's URL is its secret."""
        if self.table.kind != "webhook":
            return self.table.kind
        scheme, _, rest = self.url.partition("://")
        return f"{scheme}://{rest.partition('/')[0].rpartition('@')[2]}/…"

    def deliver(self, event: Event, source: str, now: datetime) -> Outcome:
        """One attempt, blocking; never raises."""
        if self.table.kind == "command":
            return _run(self.table.argv, event, self.hidden)
        if self.table.kind == "stderr":
            sys.stderr.write(f"cost-top watch: {event.kind}: {event.text}\n")
            sys.stderr.flush()
            return Outcome(200)
        content_type, body = body_of(event, self.table.format, source)
        headers = {"Content-Type": content_type, **self._signed(event.id, now, body)}
        return post(
            self.url, headers, body, allow_private=self.table.allow_private, insecure=self.table.insecure,
            resolve=self.resolve,
        )  # fmt: skip

    def _signed(self, identity: str, now: datetime, body: bytes) -> dict[str, str]:
        """The headers of Standard Webhooks; each secret signs, so that one can be replaced by another."""
        if self.table.format not in ("standard", "cloudevents"):
            return {}
        headers = {"webhook-id": identity, "webhook-timestamp": str(int(now.timestamp()))}
        if self.secrets:
            from standardwebhooks.webhooks import Webhook

            at = now.astimezone(UTC)
            signatures = [Webhook(secret).sign(identity, at, body.decode()) for secret in self.secrets]
            headers["webhook-signature"] = " ".join(signatures)
        return headers


def _may_know(name: str, value: str, hidden: frozenset[str]) -> bool:
    named = name in hidden or name in _KEYS or any(part in name.upper() for part in _HIDDEN)
    return not named and _WITH_PASSWORD.match(value) is None


def _run(argv: tuple[str, ...], event: Event, hidden: frozenset[str]) -> Outcome:
    """A program with the event on its input: no shell, none of our secrets in its environment."""
    environment = {name: value for name, value in os.environ.items() if _may_know(name, value, hidden)}
    content = json.dumps({"id": event.id, **event.body, "text": event.text}, ensure_ascii=False).encode(
        "utf-8", "replace"
    )
    try:
        done = subprocess.run(  # noqa: S603 - the command of the user's own config
            list(argv), input=content, capture_output=True, timeout=_COMMAND_SECONDS, env=environment, check=False
        )
    except subprocess.TimeoutExpired:
        return Outcome(None, f"did not end within {_COMMAND_SECONDS} s")
    except OSError as error:
        return Outcome(None, error.strerror or one_line(error))
    if done.returncode == 0:
        return Outcome(200)
    said = one_line(done.stderr[-300:].decode("utf-8", "replace"), 200)
    return Outcome(None, f"ended with {done.returncode}{': ' if said else ''}{said}")


def open_receiver(table: ReceiverTable, folder: Path, hidden: frozenset[str] = frozenset()) -> Receiver:
    """The receiver with what its files and variables hold; `UserError` for what is missing or wrong.

    `hidden`: variables with secrets, which no command is to see.
    """

    def wrong(problem: str) -> UserError:
        return UserError(f"receiver {table.name}: {problem}")

    url = table.url or ""
    if table.url_file is not None:
        url = _file(folder, table.url_file, wrong)
    if table.url_variable is not None:
        url = os.environ.get(table.url_variable, "").strip()
        if not url:
            raise wrong(f"the environment variable {table.url_variable} is not set")
    if table.kind == "webhook" and not url.startswith(("https://", "http://")):
        raise wrong("its URL must begin with https://")
    if url.startswith("http://") and not table.insecure:
        raise wrong("its URL is plain http; use https, or on this machine insecure = true")
    secrets = [_secret(_file(folder, name, wrong), wrong) for name in _each(table.secret_file)]
    for name in _each(table.secret_variable):
        value = os.environ.get(name, "").strip()
        if not value:
            raise wrong(f"the environment variable {name} is not set")
        secrets.append(_secret(value, wrong))
    return Receiver(table, url, tuple(secrets), hidden)


def secret_variables(config: Config) -> frozenset[str]:
    """The environment variables that a config file says hold a secret."""
    receivers = config.rules.receivers if config.rules is not None else ()
    named = [one.key_variable for one in config.sources.values()] + [one.url_variable for one in receivers]
    named += [name for one in receivers for name in _each(one.secret_variable)]
    return frozenset(name for name in named if name)


def _each(names: str | tuple[str, ...]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else names


def _file(folder: Path, name: str, wrong: Callable[[str], UserError]) -> str:
    path = folder / Path(name).expanduser()
    try:
        value = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise wrong(f"{path}: {getattr(error, 'strerror', None) or 'is not UTF-8 text'}") from None
    if not value:
        raise wrong(f"{path}: is empty")
    return value


def _secret(value: str, wrong: Callable[[str], UserError]) -> str:
    """`whsec_` and 24 to 64 bytes in base64."""
    try:
        key = base64.b64decode(value.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not value.startswith("whsec_") or not 24 <= len(key) <= 64:
        raise wrong("its secret must be whsec_ and 24 to 64 bytes in base64")
    return value
