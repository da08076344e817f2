"""What a gateway asks before a call, and whether a filter takes it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from cost_top.model.dimensions import SOURCE
from cost_top.model.filter import FILTER_FIELDS, TEXT, Filter, Term, as_kept, pattern
from cost_top.model.secret import key_forms, public_text
from cost_top.model.text import clean, legible
from cost_top.record.secret import public_token

FIELDS = ("endpoint", "token", "token_name", "user", "model", "provider", "team", "session", "owner")
ABSENT = object()  # a field the call does not carry; None is one that is known to be empty


@dataclass(frozen=True, slots=True)
class Question:
    """One call that is about to be made. A field that is missing in `values` was not told; None is none.

    `values` holds `FIELDS` as text or None, `tags` the tags, None where they were not told. Amounts in pico-dollars.
    `source` is that of the log the call will be in, which no call tells; empty where it is not known yet.
    """

    values: dict[str, str | None]
    tags: tuple[str, ...] | None = None
    estimated_cost: int | None = None
    id: str | None = None
    source: str = ""

    def texts(self, field: str) -> tuple[str | None, ...] | None:
        """What a field may be called in the log; None where it was not told. A key is known by id, name or hash."""
        if field == "tag":
            return self.tags if self.tags is None else (self.tags or (None,))
        if field == SOURCE:
            return (self.source,) if self.source else None
        if field not in self.values:
            return (self.values["token_name"],) if field == "token" and "token_name" in self.values else None
        value = self.values[field]
        if field != "token" or value is None:
            return (value,)
        name = self.values.get("token_name")
        return (*token_forms(value), *((name,) if name is not None else ()))


def token_forms(token: str) -> tuple[str, ...]:
    """How a log may call a key: as it is, unless a log's text would be hidden as a key; its public form; its hash.

    What may be the key itself is first told by its public form: as it is only where the log tells it so.

    >>> token_forms("team-billing")[0], token_forms("sk-proj-abc123def456ghi789jkl")[0]
    ('team-billing', 'sk-proj-…534d51d7542d')
    >>> token_forms("pg_live_xy7k2mq9")[:2]
    ('…99dea17701a0', 'pg_live_xy7k2mq9')
    """
    forms = key_forms(token)
    return tuple(dict.fromkeys((public_token(token), *(forms if public_text(token) == token else forms[1:]))))


def as_logged(field: str, text: str) -> str | None:
    r"""A text as it will be read from the log, so that an unseen character makes no other user of it; None if empty.

    A key stays whole: a log may have its hash.

    >>> as_logged("user", " acme\u200b"), as_logged("provider", "OpenAI"), as_logged("team", "\x00")
    ('acme', 'openai', None)
    """
    plain = legible(text).strip() if field == "token" else clean(text)
    return (plain.lower() if field == "provider" else plain) or None


Test = Callable[[Question], "bool | str"]  # whether it fits, or the field that the call would have to carry


@lru_cache(maxsize=4096)
def compiled(where: Filter) -> Test:
    """A filter as a test of questions. What is only known after a call (cost, status, tokens) fits none."""
    terms = [_term(term) for term in where.terms]

    def test(question: Question) -> bool | str:
        needed = ""
        for term in terms:
            found = term(question)
            if found is False:
                return False
            if found is not True and not needed:
                needed = str(found)
        return needed or True

    return test


def _term(term: Term) -> Test:
    field, term = term.field, as_kept(term)
    if field is None:
        return _word(term)
    if FILTER_FIELDS[field] != TEXT or field not in (*FIELDS, "tag", SOURCE):
        return lambda _: field
    matchers = [_matcher(value) for value in term.values]

    def test(question: Question) -> bool | str:
        texts = question.texts(field)
        if texts is None:
            return field
        fits = any(matches(text) for text in texts if text is not None for matches in matchers)
        return fits != term.negated

    return test


def _word(term: Term) -> Test:
    """A bare word is found anywhere in a name."""
    text, is_pattern = pattern(term.values[0])
    source = _regex(f"%{text}%") if is_pattern else f".*{re.escape(text)}.*"
    found = re.compile(source, re.IGNORECASE | re.DOTALL)

    def test(question: Question) -> bool | str:
        texts = [text for field in (*FIELDS, "tag") for text in question.texts(field) or () if text is not None]
        if any(found.fullmatch(text) for text in texts):
            return not term.negated
        # Another name, which the call does not carry, could hold it.
        told = all(question.texts(field) is not None for field in (*FIELDS, "tag"))
        return term.negated if told else "a name"

    return test


def _matcher(value: str) -> Callable[[str], bool]:
    text, is_pattern = pattern(value)
    if not is_pattern:
        return lambda told: told == text
    found = re.compile(_regex(text), re.DOTALL)
    return lambda told: found.fullmatch(told) is not None


def _regex(like: str) -> str:
    """A LIKE pattern, whose escape is a backslash, as a regular expression."""
    parts, escaped = [], False
    for character in like:
        if escaped:
            parts.append(re.escape(character))
            escaped = False
        elif character == "\\":
            escaped = True
        else:
            parts.append({"%": ".*", "_": "."}.get(character) or re.escape(character))
    return "".join(parts)
