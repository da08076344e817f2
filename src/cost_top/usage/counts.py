"""`Usage`, the token counts of one request, and the rules that keep its parts inside their whole."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Literal

from cost_top.model.modes import INTERRUPTED, ROUNDS, SIZES_FROM, STANDARD, mode_word
from cost_top.model.text import clean

Status = Literal["complete", "interrupted", "partial", "no_usage", "not_tokens"]
_LONGEST_WORD, _LONGEST_NAME = 64, 256
Mode = str
# Models that price images, or cached speech, apart from text of the same kind; elsewhere they are text.
_IMAGES_APART, _VIDEO_APART, _CACHED_SPEECH_APART = (
    re.compile(
        r"gpt-image|chatgpt-image|mai-image|gpt-realtime|gemini-embedding-2|gemini-.*(live|native-audio)|embed-v-?[45]"
    ),
    re.compile(r"gemini-embedding-2|gemini-.*(live|native-audio)"),
    re.compile(r"gpt-realtime-([\d.]+-)?mini"),
)


def mode_of(tier: object) -> Mode | None:
    """The billing mode behind a vendor's service tier; None when it is absent or only asks for one.

    One that has no list price of its own, such as reserved capacity, stands for itself.

    >>> mode_of("ON_DEMAND"), mode_of("flex"), mode_of("scale"), mode_of("auto"), mode_of(None)
    ('standard', 'flex', 'scale', None, None)
    """
    if not isinstance(tier, str):
        return None
    word = clean(tier[:_LONGEST_WORD])
    return mode_word(word) if word.lower() not in ("", "auto") else None


def priced_apart(model: str, image_input: int, cached_audio: int = 0, video_input: int = 0) -> str:
    """What no count of a record holds and the model prices apart, as a word for the mode; '' where there is nothing.

    >>> priced_apart("gpt-image-1", 900), priced_apart("gpt-5", 900), priced_apart("gpt-realtime-mini", 0, 5)
    ('image_input', '', 'cached_audio')
    """
    name = model[:_LONGEST_NAME].lower()  # a longer one could be looked through once for each of its parts
    if image_input > 0 and _IMAGES_APART.search(name):
        return "image_input"
    if video_input > 0 and _VIDEO_APART.search(name):
        return "video_input"
    return "cached_audio" if cached_audio > 0 and _CACHED_SPEECH_APART.search(name) else ""


def named_beside(mode: Mode | None, unrated: str) -> Mode | None:
    """The mode of a request that depends on something else as well.

    >>> named_beside("standard", "advisor"), named_beside("fast", "advisor"), named_beside("fast", "")
    ('advisor', 'fast+advisor', 'fast')
    """
    if not unrated:
        return mode
    return unrated if mode in (None, STANDARD) else f"{mode}+{unrated}"


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts, nested: input >= cached + cache creation; cache creation >= its 1 h part; output >= reasoning.

    `input_tokens` and `output_tokens` are None when the frames do not tell. A part that is not listed is 0, as the
    vendors mean it (reasoning 0 also stands for "not broken out"). Audio tokens are inside input and output, image
    tokens inside output. `reported_cost` is what the provider says it charged, in pico-dollars; with `byok`, what it
    charges the key's owner. What the frames do not tell is None.
    """

    input_tokens: int | None = None
    cached_input_tokens: int = 0
    cache_creation_input_tokens: int = 0
    cache_creation_1h_tokens: int = 0
    output_tokens: int | None = None
    reasoning_tokens: int = 0
    reported_cost: int | None = None
    status: Status = "no_usage"
    mode: Mode | None = None
    model: str | None = None
    audio_input_tokens: int = 0
    audio_output_tokens: int = 0
    image_output_tokens: int = 0
    web_search_count: int = 0
    region: str | None = None
    byok: bool | None = None
    session: str | None = None
    prompt: str | None = None
    unrated: str = ""  # the part of `mode` that stands for what no count holds
    cost_left_out: bool = field(default=False, compare=False)  # a cost stands there that is not known to be US dollars

    @property
    def empty(self) -> bool:
        """True when the frames told neither a count nor a cost."""
        return self.input_tokens is None and self.output_tokens is None and self.reported_cost is None


@dataclass(slots=True)
class Counts:
    """Counts as a provider reported them, still in its own convention."""

    input: int | None = None
    cached: int = 0
    creation: int = 0
    creation_1h: int = 0
    output: int | None = None
    reasoning: int = 0
    cost: int | None = None
    audio_input: int = 0
    audio_output: int = 0
    image_output: int = 0
    image_input: int = 0
    video_input: int = 0
    cached_audio: int = 0
    searches: int = 0
    region: str | None = None
    byok: bool | None = None
    # The inputs of single rounds, where the counts are sums of several.
    rounds: list[int] = field(default_factory=list)
    # Something billed that no count holds, such as a tool's own machine: it becomes part of the mode.
    unrated: str = ""
    cost_left_out: bool = False

    def usage(self, mode: Mode | None = None, model: str = "", cut_off: bool = False) -> Usage:
        """The nested record of inclusive counts; `cut_off` when the stream did not reach its end.

        Counts that cannot be inclusive (more cached and written than input, more reasoning than output) are taken
        as exclusive, and added. But OpenAI counts a prefix as written that was read in part.
        """
        self.creation = max(self.creation, self.creation_1h)
        if self.input is not None and self.cached + self.creation > self.input:
            if max(self.cached, self.creation) > self.input or "claude" in (model.lower() or "claude"):
                self.input += self.cached + self.creation
            else:
                self.creation = max(self.input - self.cached, self.creation_1h)
        if self.output is not None and self.reasoning > self.output:
            self.output += self.reasoning
        status: Status = "complete"
        if self.input is None and self.output is None:
            status = "no_usage"
        elif cut_off or self.input is None or self.output is None:
            status = "partial"
        unrated = self.beside_tokens(model)
        if status == "partial" and self.input is not None:
            unrated = f"{ROUNDS}+{INTERRUPTED}" if unrated == ROUNDS else unrated or INTERRUPTED
        mode = named_beside(mode, unrated)
        return Usage(
            self.input, self.cached, self.creation, self.creation_1h, self.output, self.reasoning,
            self.cost, status, mode, model or None,
            self.audio_input, self.audio_output, self.image_output, self.searches, self.region, self.byok,
            unrated=unrated, cost_left_out=self.cost_left_out,
        )  # fmt: skip

    def beside_tokens(self, model: str) -> str:
        """A word for what the price depends on and no count of a record holds; '' where there is nothing."""
        apart = priced_apart(model, self.image_input, self.cached_audio, self.video_input)
        is_sum = len(self.rounds) > 1 and sum(self.rounds) > SIZES_FROM
        return self.unrated or apart or (ROUNDS if is_sum else "")

    def usage_beside_cache(self, mode: Mode | None = None, model: str = "", cut_off: bool = False) -> Usage:
        """As `usage`, for providers whose input count leaves out what was read from or written to the cache."""
        if self.input is not None:
            self.input += self.cached + max(self.creation, self.creation_1h)
        return self.usage(mode, model, cut_off)


def summed(turns: Sequence[Counts]) -> Counts:
    """The counts of several requests as those of one, which keeps the input of each."""
    total = Counts(rounds=[each.input or 0 for each in turns])
    for item in fields(Counts):
        values = [value for each in turns if (value := getattr(each, item.name)) is not None]
        if item.name != "rounds" and values:
            words = item.name in ("region", "byok", "unrated", "cost_left_out")
            setattr(total, item.name, next(filter(None, values), values[0]) if words else sum(values))
    return total
