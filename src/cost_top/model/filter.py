"""The filter language: `tag:prod user:acme -model:gpt-4o* provider:openai,anthropic status:>=400 cost:>0.05`.

Terms are joined by AND, the comma inside a term by OR, `-` negates, `*` is any text, `"…"` quotes.
`user:*` is any known user, `-user:*` the requests without one. A bare word is found anywhere in a name.
The same field twice means both, which is useful for tags.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from decimal import Decimal, InvalidOperation

from cost_top.model.dimensions import EVERY_DIMENSION, EVERY_MEASURE
from cost_top.model.errors import UserError, one_line
from cost_top.model.nearest import choices, nearest
from cost_top.model.record import LOWERED
from cost_top.model.secret import has_key, key_forms, maybe_key, public_key, public_text
from cost_top.model.text import TEXT_LIMIT

TEXT = "text"
NUMBER = "number"
MONEY = "money"
YES_NO = "yes or no"

# What a term may name: the kind of its values decides which operators it takes.
FILTER_FIELDS: dict[str, str] = {
    **{name: TEXT for each in EVERY_DIMENSION if each.kind in ("text", "list", "source")
       for name in (each.name, each.name_field) if name},
    "mode": TEXT, "region": TEXT, "price_status": TEXT, "doubt": TEXT, "id": TEXT, "client_ip": TEXT,
    "user_agent": TEXT,
    **{each.name: NUMBER for each in EVERY_DIMENSION if each.kind == "number"},
    "latency": NUMBER,
    **{each.field: MONEY if each.kind == "money" else NUMBER for each in EVERY_MEASURE if each.field},
    "unpriced": YES_NO, "cache_hit": YES_NO, "error": YES_NO, "streamed": YES_NO, "zero_cost": YES_NO,
    "late": YES_NO,
}  # fmt: skip
FIELD_SYNONYMS = {"api_key_name": "token_name", "key": "token", "tags": "tag", "latency_ms": "latency"}
_MOST_DIGITS = 20
# Each term, and above all each word, is a condition on every row: beyond these a database takes minutes or fails.
MOST_TERMS = 100
MOST_WORDS = 20
MOST_CHARACTERS = 2 * TEXT_LIMIT + 2  # of a value, escapes included
_TERM = re.compile(r'(?P<minus>-?)(?:(?P<field>[A-Za-z_]+):)?(?P<value>(?:"(?:[^"\\]|\\.)*"|[^\s"])*)')
_COMPARE = re.compile(r"(>=|<=|>|<|=)?(.+)", re.DOTALL)
_COMPARISON = re.compile(r"([A-Za-z_]+)(>=|<=|==|>|<|=)([^<>=]*)")
_PART = re.compile(r'(?:"(?:[^"\\]|\\.)*"|[^",])+')


@dataclass(frozen=True, slots=True)
class Term:
    """One condition. `field` is None for a bare word; numbers carry their operator, money is in USD."""

    field: str | None
    values: tuple[str, ...]
    operator: str = "="
    negated: bool = False

    def __str__(self) -> str:
        values = ",".join(_quote(value) for value in self.values)
        operator = "" if self.operator == "=" else self.operator
        head = f"{self.field}:" if self.field else ""
        return f"{'-' if self.negated else ''}{head}{operator}{values}"


@dataclass(frozen=True, slots=True)
class Filter:
    """A conjunction of terms; empty matches everything."""

    terms: tuple[Term, ...] = ()
    _text: str = field(init=False, repr=False, compare=False)  # asked for many times in every tick

    def __post_init__(self) -> None:
        object.__setattr__(self, "_text", " ".join(map(str, self.terms)))

    def __str__(self) -> str:
        return self._text

    def __bool__(self) -> bool:
        return bool(self.terms)

    def with_term(self, term: Term) -> Filter:
        """This filter and one more condition."""
        return self if term in self.terms else replace(self, terms=(*self.terms, term))

    @property
    def echo(self) -> str:
        """As text for a screen: what may be a key, however short, stands there by its kind and hash.

        >>> parse_filter("token:sk-1234 tag:sk-ill").echo
        'token:…88dc28d0f030 tag:sk-ill'
        """
        return str(Filter(tuple(_hidden(term) for term in self.terms)))

    def both(self, other: Filter) -> Filter:
        """This filter and another one."""
        return Filter((*self.terms, *(term for term in other.terms if term not in self.terms)))


def _hidden(term: Term) -> Term:
    if term.field not in ("token", None):
        return term
    shown = (public_key(value) if maybe_key(value) and "…" not in value else value for value in term.values)
    return replace(term, values=tuple(shown))


def value_term(field: str, value: str | None) -> Term:
    """The term that selects exactly one group of a dimension; None selects what is not attributed.

    >>> str(value_term("user", None)), str(value_term("model", "a*b"))
    ('-user:*', 'model:"a*b"')
    """
    if value is None:
        return Term(field, ("*",), negated=True)
    return Term(field, (_escape(value),))


def as_kept(term: Term) -> Term:
    """A term whose values are spelled as rows have them: providers are in lower case, however the log spells them.

    >>> str(as_kept(Term("provider", ("OpenAI",)))), str(as_kept(Term("model", ("GPT-4o",))))
    ('provider:openai', 'model:GPT-4o')
    """
    return replace(term, values=tuple(map(str.lower, term.values))) if term.field in LOWERED else term


def parse_filter(text: str) -> Filter:
    """The filter a person wrote; `UserError` says which term is wrong and why.

    >>> str(parse_filter('tag:prod -model:gpt-4o* cost:>0.05 "two words"'))
    'tag:prod -model:gpt-4o* cost:>0.05 "two words"'
    """
    if not text.isprintable() and any("\ud800" <= character <= "\udfff" for character in text):
        raise UserError(f"filter: {one_line(text.encode('ascii', 'backslashreplace').decode(), 60)} is not UTF-8 text")
    terms: list[Term] = []
    position = 0
    while position < len(text):
        if text[position].isspace():
            position += 1
            continue
        match = _TERM.match(text, position)
        if match is None or (match.end() < len(text) and text[match.end()] == '"'):
            raise UserError(f"filter: a quote is not closed at {one_line(text[position:], 40)!r}")
        terms.append(_term(match))
        position = match.end()
        _refuse_too_many(terms)
    return Filter(tuple(terms))


def _refuse_too_many(terms: list[Term]) -> None:
    if len(terms) > MOST_TERMS:
        raise UserError(f"filter: it has more than {MOST_TERMS} terms; the comma joins values: user:a,b,c")
    if terms[-1].field is None and sum(term.field is None for term in terms) > MOST_WORDS:
        raise UserError(
            f"filter: it has more than {MOST_WORDS} words; write FIELD:VALUE, or quote what belongs together"
        )


def _term(match: re.Match[str]) -> Term:
    spelled, value, negated = match["field"], match["value"], bool(match["minus"])
    if spelled is None:
        _refuse_comparison(value)
        if not _unquote(value):
            raise UserError(f"filter: {match[0]!r} is empty; write a word or FIELD:VALUE")
        return Term(None, _of_a_log(_without_key(None, _unquote(value))), negated=negated)
    name = FIELD_SYNONYMS.get(spelled.lower(), spelled.lower())
    kind = FILTER_FIELDS.get(name)
    if kind is None:
        raise UserError(f"filter: unknown field {spelled!r}: {choices(name, sorted(FILTER_FIELDS))}")
    if not value:
        raise UserError(f"filter: {spelled}: has no value; write {spelled}:VALUE")
    if kind == TEXT:
        parts = tuple(_unquote(part) for part in _PART.findall(value))
        if not all(parts) or not parts:
            raise UserError(f"filter: {spelled}: has an empty name; -{spelled}:* selects the requests without one")
        shown = tuple(shown for part in parts for shown in _without_key(name, part))
        return Term(name, _of_a_log(shown), negated=negated)
    if kind == YES_NO:
        return _yes_no(name, value, negated)
    return _number(name, kind, value, negated)


def _refuse_comparison(word: str) -> None:
    """`cost>5` is no word: taken for one, it would find nothing without a sound."""
    compared = _COMPARISON.match(word)
    if compared is None:
        return
    name = FIELD_SYNONYMS.get(compared[1].lower(), compared[1].lower())
    if name not in FILTER_FIELDS:
        meant = nearest(name, FILTER_FIELDS)
        if meant is None or FILTER_FIELDS[meant] not in (NUMBER, MONEY):
            return
        name = meant
    operator = compared[2] if FILTER_FIELDS[name] in (NUMBER, MONEY) else ""
    raise UserError(f"filter: {one_line(word, 40)!r} needs a colon: write {name}:{operator.lstrip('=')}{compared[3]}")


def _yes_no(name: str, value: str, negated: bool) -> Term:
    word = {"yes": "yes", "true": "yes", "1": "yes", "no": "no", "false": "no", "0": "no"}.get(value.lower())
    if word is None:
        raise UserError(f"filter: {name}:{one_line(value, 40)} is neither yes nor no; write {name}:yes")
    return Term(name, (word,), negated=negated)


def _number(name: str, kind: str, value: str, negated: bool) -> Term:
    compared = _COMPARE.fullmatch(value)
    operator, rest = (compared[1] or "=", compared[2]) if compared else ("=", value)
    numbers = tuple(_unquote(part).lstrip("$") for part in rest.split(","))
    for number in numbers:
        try:
            # Beyond it an amount in pico-dollars fits no database's integer.
            usable = Decimal(number).is_finite() and Decimal(number).adjusted() < _MOST_DIGITS
        except InvalidOperation:
            usable = False
        if not usable:
            unit = " in USD" if kind == MONEY else ""
            raise UserError(f"filter: {name}:{one_line(value, 40)} is not a number{unit}; write {name}:>10")
    if operator != "=" and len(numbers) > 1:
        raise UserError(f"filter: {name}:{one_line(value, 40)}: a comparison takes one number")
    return Term(name, numbers, operator, negated)


def _of_a_log(values: tuple[str, ...]) -> tuple[str, ...]:
    """The values, none of which is longer than any text of a log."""
    for value in values:
        if len(value) > MOST_CHARACTERS:
            raise UserError(
                f"filter: {one_line(value, 40)!r} is longer than any text of a log ({TEXT_LIMIT} characters)"
            )
    return values


def _without_key(name: str | None, value: str) -> tuple[str, ...]:
    """A term's value as logs show it, so that a raw key finds its rows and stands on no screen."""
    parts = pieces(value)
    if not any(part and has_key(part) for part in parts):
        return (value,)
    if None in parts:
        raise UserError(
            "filter: a part of a key finds nothing: a log's keys are shown by their hash; write the whole key"
        )
    public, digest = public_text("".join(part or "" for part in parts)), key_forms(parts[0] or "")[-1]
    if name == "token":
        return (_escape(public), digest)
    # A word is found in the public form and in a SHA-256 alike.
    return (_escape(public),) if name else (public.partition("…")[2],)


# Inside a term a backslash makes the next character plain, so a name may hold `*`, `"` or a comma.
def _unquote(value: str) -> str:
    out: list[str] = []
    quoted = False
    characters = iter(value)
    for character in characters:
        if character == '"':
            quoted = not quoted
        elif character == "\\" and quoted:
            following = next(characters, "")
            out.append(f"\\{following}" if following in "*\\" else following)
        elif character in "*\\" and quoted:
            out.append(f"\\{character}")
        else:
            out.append("\\\\" if character == "\\" else character)
    return "".join(out)


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace("*", "\\*")


def pieces(value: str) -> list[str | None]:
    """A term's value as literal texts with None for each wildcard between them."""
    found: list[str | None] = []
    literal: list[str] = []
    characters = iter(value)
    for character in characters:
        if character != "*":
            literal.append(next(characters, character) if character == "\\" else character)
            continue
        found += ["".join(literal), None]
        literal.clear()
    return [piece for piece in (*found, "".join(literal)) if piece != ""]


def _quote(value: str) -> str:
    return "".join("*" if piece is None else _quote_literal(piece) for piece in pieces(value))


def _quote_literal(text: str) -> str:
    if re.search(r'[\s",*\\:]', text) or text.startswith(("-", ">", "<", "=")):
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return text


def pattern(value: str) -> tuple[str, bool]:
    r"""A term's value as (text, is_pattern): plain text, or a SQL LIKE pattern with `\` as its escape.

    >>> pattern("gpt-4o*"), pattern("100%\\*")
    (('gpt-4o%', True), ('100%*', False))
    """
    parts = pieces(value)
    if None not in parts:
        return "".join(part or "" for part in parts), False
    return "".join("%" if part is None else re.sub(r"([%_\\])", r"\\\1", part) for part in parts), True
