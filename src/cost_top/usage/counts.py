"""`Usage`, the token counts of one request, and the rules that keep its parts inside their whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Status = Literal["complete", "interrupted", "partial", "no_usage", "not_tokens"]
Mode = Literal["standard", "batch", "flex", "priority"]

# What the vendors call their service tiers. Reserved capacity ("scale", "provisioned") has no list price of its
# own and is not named here.
_MODES: dict[str, Mode] = {
    "default": "standard", "standard": "standard", "standard_only": "standard", "on_demand": "standard",
    "batch": "batch", "flex": "flex", "on_demand_flex": "flex",
    "priority": "priority", "fast": "priority", "on_demand_priority": "priority",
}  # fmt: skip


def mode_of(tier: object) -> Mode | None:
    """The billing mode behind a vendor's service tier; None when it is absent or names none.

    >>> mode_of("ON_DEMAND"), mode_of("flex"), mode_of(None)
    ('standard', 'flex', None)
    """
    return _MODES.get(tier.lower()) if isinstance(tier, str) else None


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts, nested: input >= cached + cache creation; cache creation >= its 1 h part; output >= reasoning.

    `input_tokens` and `output_tokens` are None when the frames do not tell. A part that is not listed is 0, as the
    vendors mean it (reasoning 0 also stands for "not broken out"). `reported_cost` is what the provider says it
    charged, in pico-dollars. `mode` and `model` are None where the frames do not name them.
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

    def usage(self, mode: Mode | None = None, model: str = "", cut_off: bool = False) -> Usage:
        """The nested record of inclusive counts; `cut_off` when the stream did not reach its end.

        Counts that cannot be inclusive (more cached and written than input, more reasoning than output) are taken
        as exclusive, and added.
        """
        self.creation = max(self.creation, self.creation_1h)
        if self.input is not None and self.cached + self.creation > self.input:
            self.input += self.cached + self.creation
        if self.output is not None and self.reasoning > self.output:
            self.output += self.reasoning
        status: Status = "complete"
        if self.input is None and self.output is None:
            status = "no_usage"
        elif cut_off or self.input is None or self.output is None:
            status = "partial"
        return Usage(
            self.input, self.cached, self.creation, self.creation_1h, self.output, self.reasoning,
            self.cost, status, mode, model or None,
        )  # fmt: skip

    def usage_beside_cache(self, mode: Mode | None = None, model: str = "", cut_off: bool = False) -> Usage:
        """As `usage`, for providers whose input count leaves out what was read from or written to the cache."""
        if self.input is not None:
            self.input += self.cached + max(self.creation, self.creation_1h)
        return self.usage(mode, model, cut_off)
