"""What happened, once: an id that is the same whenever it is found again, a kind, and facts as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from cost_top.model.budget_json import instant
from cost_top.model.errors import one_line
from cost_top.model.secret import public_text
from cost_top.model.text import legible

_LONGEST = 500


@dataclass(frozen=True, slots=True)
class Event:
    """`data` is JSON; `text` one line for people; `subject` what it is about, `notify` the receivers it is for.

    No receivers in `notify`: all that want its kind.
    """

    id: str
    kind: str
    time: datetime
    subject: str
    text: str
    data: dict[str, Any]
    notify: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """For the state file."""
        return {
            "id": self.id, "kind": self.kind, "time": self.time.isoformat(), "subject": self.subject,
            "text": self.text, "data": self.data, "notify": list(self.notify),
        }  # fmt: skip

    @property
    def body(self) -> dict[str, Any]:
        """The body of Standard Webhooks."""
        return {"type": self.kind, "timestamp": instant(self.time), "data": self.data}


def event_of(document: dict[str, Any]) -> Event:
    """The event of `as_json`; `ValueError`, `KeyError` or `TypeError` for anything else."""
    return Event(
        str(document["id"]), str(document["kind"]), datetime.fromisoformat(document["time"]),
        str(document["subject"]), str(document["text"]), dict(document["data"]), tuple(document["notify"]),
    )  # fmt: skip


def event_id(kind: str, *facts: object) -> str:
    """The id of what happened: the same facts give the same one, in any run.

    >>> event_id("a", 1) == event_id("a", 1) != event_id("a", 2)
    True
    """
    told = "\x00".join((kind, *map(str, facts)))
    return f"evt_{sha256(told.encode('utf-8', 'replace')).hexdigest()[:32]}"


def line(text: str, longest: int = _LONGEST) -> str:
    """A line for people out of strangers' names, of so many characters at most."""
    return one_line(public_text(legible(text[: 4 * longest])), longest)
