"""What Tab offers in the filter: fields, then their values. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile

from cost_top.model.dimensions import PANELS, TABS
from cost_top.model.feed import Found
from cost_top.model.filter import FIELD_SYNONYMS, FILTER_FIELDS, YES_NO, value_term
from cost_top.model.snapshot import Snapshot

_TERM = re.compile(r'(?:[^\s"]|"(?:[^"\\]|\\.)*(?:"|$))+')
_VALUE = re.compile(r'(?:[^",]|"(?:[^"\\]|\\.)*(?:"|$))+')
MOST = 200
_DIMENSIONS = frozenset(each.name for each in (*PANELS, *TABS))


@dataclass(frozen=True, slots=True)
class Offer:
    """`candidates` in the place of the text from `start` on, the likeliest first."""

    start: int
    candidates: tuple[str, ...]

    @property
    def common(self) -> str:
        """What all of them begin with."""
        columns = zip(*self.candidates, strict=False)
        return "".join(takewhile(bool, (each[0] if len(set(each)) == 1 else "" for each in columns)))


def offered(text: str, values: Mapping[str, Sequence[str]]) -> Offer:
    """What may stand at the end of `text`; `values` are those known of each field.

    >>> offered("tag:prod -mo", {}).candidates, offered("user:a", {"user": ("acme corp", "bob")}).candidates
    (('model:', 'mode:'), ('"acme corp"',))
    >>> offered("tag:prod", {"tag": ("plan:pro", "env:prod")}).candidates
    ('"env:prod"',)
    """
    start, word, name = _last(text)
    _, _, rest = word.partition(":")
    if name is None:
        fields = [f"{name}:" for name in FILTER_FIELDS if name.startswith(word.lower())]
        named = [f"{name}:{one}" for name, known in values.items() for one in _spelled(known, word)] if word else []
        return Offer(start, tuple(dict.fromkeys((*fields, *named)))[:MOST])
    typed = _at_end(_VALUE, rest)
    known = ("yes", "no") if FILTER_FIELDS.get(name) == YES_NO else values.get(name, ())
    meant = dict.fromkeys(_spelled(known, typed)) or dict.fromkeys(_spelled(known, typed, anywhere=True))
    return Offer(len(text) - len(typed), tuple(meant)[:MOST])


def dimension_at_end(text: str) -> tuple[str, str] | None:
    """The dimension whose value is typed at the end of `text`, and what is written before that term.

    >>> dimension_at_end('tag:"env:prod" -model:gp'), dimension_at_end("tag:prod cost:"), dimension_at_end("mod")
    (('model', 'tag:"env:prod"'), None, None)
    """
    start, _, name = _last(text)
    return (name, text[:start].rstrip(" -")) if name in _DIMENSIONS else None


def _at_end(kind: re.Pattern[str], text: str) -> str:
    """The last match, where it reaches the end; looked for from the beginning, so that a quote is known to end one."""
    found = next((each for each in kind.finditer(text) if each.end() == len(text)), None)
    return found[0] if found else ""


def _last(text: str) -> tuple[int, str, str | None]:
    """Where the last term begins without its minus, the term, and the field that it names."""
    word = _at_end(_TERM, text).removeprefix("-")
    field, colon, _ = word.partition(":")
    name = FIELD_SYNONYMS.get(field.lower(), field.lower()) if colon and not field.startswith('"') else None
    return len(text) - len(word), word, name


def _spelled(known: Iterable[str], typed: str, anywhere: bool = False) -> Iterable[str]:
    """Values that begin as typed, or have it anywhere, as a filter writes them."""
    wanted = typed.strip('"').lower()
    return (
        str(value_term("user", value)).partition(":")[2]
        for value in known
        if value.lower().startswith(wanted) or (anywhere and wanted in value.lower())
    )


def with_more(known: Mapping[str, Sequence[str]], more: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """What is known of each field, and after it what is not known yet."""
    return {name: tuple(dict.fromkeys((*known.get(name, ()), *more.get(name, ())))) for name in {**known, **more}}


def values_of(found: Iterable[Found]) -> tuple[str, ...]:
    """What people call them before ids."""
    return tuple(dict.fromkeys(part for each in found for part in (each.name, each.value) if part))


def values_on(snapshot: Snapshot | None) -> dict[str, tuple[str, ...]]:
    """The values of each field that a snapshot's panels show, dearest first; what people call them before ids."""
    found: dict[str, tuple[str, ...]] = {}
    for lens in snapshot.lenses if snapshot is not None else ():
        keys = [row.key for row in lens.report.rows]
        found[lens.dimension] = tuple(dict.fromkeys(part for key in keys for part in reversed(key) if part))
    return found
