"""What figures can be grouped by and what they are: one row for each dimension and each measure.

Filters, lenses, keys, columns, titles, names on the wire, and the README's tables are made from these rows. A new
dimension is a row in `EVERY_DIMENSION` and its column in a preset.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Dimension:
    """One dimension.

    `name` is what queries, filters, columns and the wire call it; `field` the column of the normal form it is read
    from. A dimension of kind `list` has several values for a request, one of kind `time` is cut in the query's zone,
    one of kind `source` is the same for all that an engine answers; see `model.one_source`.
    """

    name: str
    meaning: str  # for the README; rows of equal meaning share a line
    field: str = ""  # by default its name
    kind: Literal["text", "number", "list", "time", "source"] = "text"
    noun: str = ""  # one of them in a sentence; what carries none is "no NOUN"
    plural: str = ""
    title: str = ""  # of its panel
    tab: str = ""  # its title among tabs
    heading: str = ""  # of its column
    name_field: str | None = None  # the column that holds what people call its values
    place: Literal["panel", "tab"] | None = None  # where the screen shows it
    key: str = ""  # the key that goes there; places are in the order of their keys
    searched: bool = True  # a bare word of a filter is looked for in it
    summed: bool = True  # sums of it are kept; without, a question for it reads rows

    def __post_init__(self) -> None:
        words = self.name.replace("_", " ")
        plural = self.plural or f"{words}s"
        made = {
            "field": self.name, "noun": words, "plural": plural, "title": plural.capitalize(),
            "tab": plural.capitalize(), "heading": self.name,
        }  # fmt: skip
        for attribute, value in made.items():
            object.__setattr__(self, attribute, getattr(self, attribute) or value)

    @property
    def none(self) -> str:
        """What a group that carries no value is called."""
        return f"no {self.noun}"


_AS_LOGGED = "as the gateway logged them"
_KEPT = "`credential_type` is `system` or `byok`"
_CUT = "in `--tz`"

EVERY_DIMENSION: tuple[Dimension, ...] = (
    Dimension("provider", _AS_LOGGED, place="panel", key="1"),
    Dimension("model", _AS_LOGGED, place="tab", key="4"),
    Dimension("endpoint", _AS_LOGGED, title="Top endpoints", place="panel", key="2"),
    Dimension(
        "token",
        "the API key's public id or hash; comes with `token_name` (`api_key_name` is a synonym of that)",
        noun="key",
        title="Top tokens",
        name_field="token_name",
        place="panel",
        key="3",
    ),
    Dimension("user", "the end user of the request", place="tab", key="5"),
    Dimension("owner", "the person who owns the key", place="tab", key="0"),
    Dimension("team", _KEPT, place="tab", key="7"),
    Dimension("tag", _KEPT, field="tags", kind="list", place="tab", key="6"),
    Dimension("credential_type", _KEPT, plural="credentials", tab="Creds", heading="credential", place="tab", key="8",
              searched=False),
    Dimension("session", "the id of a session or conversation", place="tab", key="c", summed=False),
    Dimension("prompt", "the name or cache key of a prompt's template, never its text", summed=False),
    Dimension("status", _KEPT, kind="number", plural="statuses", searched=False),
    Dimension("source", "where requests are read: its name in the config file, else as the screen's first line has it",
              kind="source", summed=False, searched=False),
    Dimension("day", _CUT, field="time", kind="time"),
    Dimension("hour", _CUT, field="time", kind="time"),
    Dimension("minute", _CUT, field="time", kind="time"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Measure:
    """One measure: money in pico-dollars, counts, or a latency in milliseconds.

    `field` is the figure of a single request that a filter compares, where there is one.
    """

    name: str
    kind: Literal["money", "count", "latency"]
    unit: Literal["USD", "tokens", "requests", "ms"]
    meaning: str
    field: str | None = None


_SENT = "sent to a provider"
_PARTS = "parts of them"
_REQUESTS = "requests; errors are status ≥ 400"
_REAL = "milliseconds, of a real request"

EVERY_MEASURE: tuple[Measure, ...] = (
    Measure(
        "total_cost",
        "money",
        "USD",
        "what was charged: the gateway's own figure where it has one, else tokens × the rate of that moment",
        "cost",
    ),
    Measure("market_cost", "money", "USD", "the requests that were sent, at list price", "market_cost"),
    Measure("input_tokens", "count", "tokens", _SENT, "input_tokens"),
    Measure("output_tokens", "count", "tokens", _SENT, "output_tokens"),
    Measure("cached_input_tokens", "count", "tokens", _PARTS, "cached_input_tokens"),
    Measure("cache_creation_input_tokens", "count", "tokens", _PARTS, "cache_creation_input_tokens"),
    Measure("reasoning_tokens", "count", "tokens", _PARTS, "reasoning_tokens"),
    Measure("request_count", "count", "requests", _REQUESTS),
    Measure("saved_by_cache", "money", "USD", "list price of the requests the gateway's response cache answered"),
    Measure(
        "prompt_cache_savings",
        "money",
        "USD",
        "the providers' discount on cached input less their premium on writing it; may be negative",
    ),
    Measure("cache_hit_count", "count", "requests", _REQUESTS),
    Measure("error_count", "count", "requests", _REQUESTS),
    Measure("unpriced_count", "count", "requests", _REQUESTS),
    Measure("latency_p50", "latency", "ms", _REAL),
    Measure("latency_p95", "latency", "ms", _REAL),
)

SOURCE = next(each.name for each in EVERY_DIMENSION if each.kind == "source")

_KEYBOARD = "1234567890"  # other keys come after
_NAMES_OF = {each.name_field: f"{each.none} name" for each in EVERY_DIMENSION if each.name_field}
_BY_NAME = {dimension.name: dimension for dimension in EVERY_DIMENSION}
# What the screen has a place for: panels of their own, then those that share one as tabs, as keys lie on a keyboard.
_PLACED = sorted((each for each in EVERY_DIMENSION if each.place), key=lambda each: _KEYBOARD.find(each.key) % 99)
PANELS = tuple(each for each in _PLACED if each.place == "panel")
TABS = tuple(each for each in _PLACED if each.place == "tab")
# Of more values than sums are kept of: shown only where they are asked for, from the requests themselves.
READ_TABS = tuple(each for each in TABS if not each.summed)


def word_of(dimension: str) -> str:
    """What people call a dimension, in one word."""
    return {"token": "key"}.get(dimension, dimension)


def none_text(dimension: str) -> str:
    """What text calls those that carry none, unlike any name.

    >>> none_text("token"), none_text("token_name")
    ('(no key)', '(no key name)')
    """
    return f"({_NAMES_OF.get(dimension) or dimension_named(dimension).none})"


def dimension_named(name: str) -> Dimension:
    """The dimension of that name; one that is not declared here, from a newer version, is described by its name."""
    return _BY_NAME.get(name) or Dimension(name, "")
