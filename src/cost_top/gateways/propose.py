"""A mapping for a table nobody knows: its columns ranked by name, type and content. No database here."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cost_top.gateways.ended import ENDED
from cost_top.gateways.propose_usage import USAGE_COLUMN, Path, counts_apart, usage_paths
from cost_top.gateways.propose_words import NAMES, NUMBERS

_NEEDED = ("time", "model")
_MODEL = re.compile(
    r"gpt|claude|gemini|llama|mistral|deepseek|qwen|grok|command|^o[134]\b|embedding|sonnet|haiku", re.I
)
_SECRET = re.compile(
    r"secret|password|credential|prompt$|^messages?$|content|payload|body|raw_|response$|api_key$|^key$|"
    r"(api|auth|access|bearer|refresh)_?token$",
    re.I,
)
_OFFSET = re.compile(r"\d [+-]\d\d|[+-]\d\d:?\d\d$|:\d\d(\.\d+)?[+-]\d\d$")
_IN_SECONDS = re.compile(r"(_s|_sec|_secs|seconds)$")
_SURE, _LIKELY = 5.0, 3.0
_UNITS = {"cents": ("points", 100), "micros": ("points", 1_000_000), "nanos": ("nano_usd", 1), "pico": ("pico_usd", 1)}


@dataclass(frozen=True, slots=True)
class Column:
    """A column with its declared type and a few of its values, as text."""

    name: str
    declared: str
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Guess:
    """Where a field probably is, and how sure that is: `sure`, `likely` or `guess`, with the reason."""

    field: str
    column: Column
    score: float
    reason: str
    path: Path = ()  # in the column's JSON

    @property
    def place(self) -> str:
        """The column, with what of its JSON is meant."""
        return ".".join((self.column.name, *self.path))

    @property
    def certainty(self) -> str:
        """The score in a word."""
        return "sure" if self.score >= _SURE else "likely" if self.score >= _LIKELY else "guess"


@dataclass(frozen=True, slots=True)
class Proposal:
    """A table and what its columns probably are."""

    table: str
    schema: str | None
    guesses: tuple[Guess, ...]
    left: tuple[str, ...]  # columns that nothing is known of

    @property
    def score(self) -> float:
        """How much of a request log it is."""
        return sum(guess.score for guess in self.guesses)

    def guess(self, field: str) -> Guess | None:
        """What a field probably is."""
        return next((guess for guess in self.guesses if guess.field == field), None)

    @property
    def usable(self) -> bool:
        """Whether a mapping can be made of it: a time, a model, and tokens or a cost."""
        figures = any(self.guess(name) for name in ("input_tokens", "output_tokens", "reported_cost"))
        return all(self.guess(name) for name in _NEEDED) and figures


def propose(table: str, schema: str | None, columns: Sequence[Column]) -> Proposal:
    """Each field's best column, each column used once; columns that look like secrets or payloads are left alone."""
    safe = [column for column in columns if not _SECRET.search(_snake(column.name))]
    ranked = sorted(
        (guess for field in NAMES for column in safe if (guess := _guess(field, column))),
        key=lambda guess: -guess.score,
    )
    taken: dict[str, Guess] = {}
    used: set[str] = set()
    for guess in ranked:
        if guess.field not in taken and guess.column.name not in used:
            taken[guess.field] = guess
            used.add(guess.column.name)
    for column in (column for column in safe if usage_column(column.name) and column.name not in used):
        for field, path in usage_paths(column.values).items():
            if field not in taken:
                taken[field] = Guess(field, column, _LIKELY, "a count in its JSON", path)
                used.add(column.name)
    ordered = tuple(taken[field] for field in NAMES if field in taken)
    return Proposal(table, schema, ordered, tuple(column.name for column in columns if column.name not in used))


def usage_column(name: str) -> bool:
    """Whether a column may hold a provider's usage as JSON."""
    return bool(USAGE_COLUMN.search(_snake(name)))


def as_toml(proposal: Proposal, source: str) -> str:
    """The mapping file, with how sure each line is."""
    time, cost, identity = (proposal.guess(name) for name in ("time", "reported_cost", "id"))
    assert time is not None
    cached = proposal.guess("cached_input_tokens")
    apart = cached is not None and bool(cached.path) and counts_apart(cached.path)
    lines = [f"# A proposal for {_clean(source)}: check each line, then --check-mapping.", 'name = "own"',
             f"table = {_text(proposal.table)}"]  # fmt: skip
    if proposal.schema:
        lines.append(f"schema = {_text(proposal.schema)}")
    lines.append(
        f"id = {_text(identity.column.name)}{_note(identity)}" if identity else "id = { sql = \"''\" }   # none found"
    )
    lines += [
        f"input_includes_cache = {'false' if apart else 'true'}   # false where cached tokens come on top",
        "", "[time]",
        f"column = {_text(time.column.name)}{_note(time)}", f'unit = "{time_unit(time.column)}"',
        "", "[cost]",
    ]  # fmt: skip
    unit, divisor = _unit(cost.column) if cost else ("usd", 1)
    lines.append(f'unit = "{unit}"')
    if unit == "points":
        lines.append(f"divisor = {divisor}   # points per dollar")
    lines += ["", "[fields]"]
    for guess in proposal.guesses:
        if guess.field not in ("id", "time"):
            lines.append(f"{guess.field} = {_value(guess)}{_note(guess)}")
    if proposal.left:
        lines += ["", f"# Not used: {_clean(', '.join(proposal.left))}"]
    return "\n".join(lines) + "\n"


def time_unit(column: Column) -> str:
    """The unit of a time by type and values.

    >>> time_unit(Column("at", "bigint", ("1760000000",))), time_unit(Column("at", "bigint", ("1760000000000",)))
    ('epoch_s', 'epoch_ms')
    >>> time_unit(Column("at", "timestamp with time zone")), time_unit(Column("at", "TEXT", ("2026-01-01 00:00:00",)))
    ('timestamptz', 'iso_utc')
    """
    kind = column.declared.lower()
    numbers = [float(value) for value in column.values if re.fullmatch(r"\d{9,17}(\.\d+)?", value)]
    if numbers and len(numbers) == len(column.values):
        units = {_epoch(number) for number in numbers}
        return units.pop() if len(units) == 1 else "epoch_any"
    if "with time zone" in kind or kind.startswith("timestamptz"):
        return "timestamptz"
    if any(word in kind for word in ("timestamp", "datetime")) or not _dated(column):
        return "declared"
    return "timestamptz" if any(_OFFSET.search(value) for value in column.values) else "iso_utc"


def _epoch(number: float) -> str:
    return "epoch_s" if number < 1e11 else "epoch_ms" if number < 1e14 else "epoch_us"


def _guess(field: str, column: Column) -> Guess | None:
    words = NAMES[field]
    name = _snake(column.name)
    if name in words:
        score, why = 5.0 - 0.1 * words.index(name), "name"
    else:
        inside = [word for word in words if len(word) > 4 and re.search(rf"(^|_){re.escape(word)}(_|$)", name)]
        if not inside:
            return None
        score, why = 2.5, f"name like {inside[0]}"
    fit = _fit(field, column)
    if fit is None:
        return None
    return Guess(field, column, score + fit, why + (" and content" if fit > 0 else ""))


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower().replace(" ", "_")


def _fit(field: str, column: Column) -> float | None:
    """What the type and the values add; None where they cannot be that."""
    kind, values = column.declared.lower(), column.values
    numeric = any(word in kind for word in ("int", "num", "dec", "real", "double", "float"))
    digits = [value for value in values if re.fullmatch(r"-?\d+(\.\d+)?([eE][-+]?\d+)?", value)]
    if field in NUMBERS:
        in_words = field == "status" and _says_in_words(column)
        if values and len(digits) * 2 < len(values) and not in_words:
            return None
        return 0.5 if numeric or digits or in_words else 0.0
    if field == "time":
        fits = _dated(column) or "time" in kind or "date" in kind or (numeric and time_unit(column).startswith("epoch"))
        return 1.0 if fits else None if values else 0.0
    if field == "model":
        named = sum(1 for value in values if _MODEL.search(value))
        return 1.0 if named * 2 > len(values) > 0 else -1.0 if values and len(digits) == len(values) else 0.0
    if field == "id":
        return 0.5 if len(set(values)) == len(values) > 1 else -1.5 if values else 0.0
    return 0.0


def _dated(column: Column) -> bool:
    def is_date(value: str) -> bool:
        try:
            datetime.fromisoformat(value.replace("Z", "+00:00"))
        except ValueError:
            return False
        return len(value) >= 10

    return bool(column.values) and all(map(is_date, column.values))


def _unit(column: Column) -> tuple[str, int]:
    name = column.name.lower()
    for word, unit in _UNITS.items():
        if word in name:
            return unit
    return ("points", 500_000) if name in ("quota", "credits") else ("usd", 1)


def _value(guess: Guess) -> str:
    if guess.path:
        return f"{{ json = {_text(guess.column.name)}, path = [{', '.join(map(_text, guess.path))}] }}"
    if guess.field == "status" and _says_in_words(guess.column):
        return f"{{ sql = {_text(f'${{status {guess.column.name}}}')}, typed = true }}"
    if guess.field == "latency_ms" and _in_seconds(guess.column):
        quoted = '"' + guess.column.name.replace('"', '""') + '"'
        return f"{{ sql = {_text(quoted + ' * 1000')} }}"
    return _text(guess.column.name)


def _says_in_words(column: Column) -> bool:
    is_text = any(word in column.declared.lower() for word in ("char", "text", "string", "enum("))
    is_text = is_text and re.fullmatch(r"\w+", column.name) is not None
    return is_text and bool(column.values) and all(value.lower() in ENDED for value in column.values)


def _in_seconds(column: Column) -> bool:
    """By its name; a name without a unit by values that have a fraction and are small."""
    name = _snake(column.name)
    if _IN_SECONDS.search(name):
        return True
    numbers = [float(value) for value in column.values if re.fullmatch(r"\d+(\.\d+)?", value)]
    split = [number for number in numbers if number % 1]
    return "ms" not in name.split("_") and len(split) * 2 > len(numbers) and max(numbers) < 1000


def _note(guess: Guess) -> str:
    seconds = ", in seconds" if guess.field == "latency_ms" and _in_seconds(guess.column) else ""
    return f"   # {guess.certainty}: {guess.reason}{seconds}"


def _text(name: str) -> str:
    escaped = "".join(f"\\u{ord(c):04X}" if ord(c) < 32 or ord(c) == 127 else c for c in name.replace("\\", "\\\\"))
    return '"' + escaped.replace('"', '\\"') + '"'


def _clean(text: str) -> str:
    return "".join(character for character in text if character.isprintable())[:300]
