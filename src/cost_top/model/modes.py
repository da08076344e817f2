"""Billing modes and regions: what vendors call them, and the words a price is looked up by."""

from __future__ import annotations

STANDARD = "standard"
MODES: tuple[str, ...] = (STANDARD, "batch", "flex", "priority", "fast")
# Rounds of one request of which only the sum is known: the list price as long as that stays below every size at which
# the price changes. No model has its first such size below SIZES_FROM input tokens.
ROUNDS, SIZES_FROM = "rounds", 32_000
# A stream of which only the beginning is known: the list price of that, a lower bound.
INTERRUPTED = "interrupted"
# A cost or a count was given that is no number: no rate stands in for it.
UNREADABLE_COST, UNREADABLE_COUNT = "unreadable_cost", "unreadable_count"
# Rounds, interrupted or both in a mode: the mode whose prices hold, whether it is rounds, whether interrupted.
BOUNDED: dict[str, tuple[str, bool, bool]] = {
    part if mode == STANDARD else f"{mode}+{part}": (mode, ROUNDS in part, INTERRUPTED in part)
    for mode in MODES
    for part in (ROUNDS, INTERRUPTED, f"{ROUNDS}+{INTERRUPTED}")
}

# What the vendors call their service tiers; another word stands for itself and has no price. `auto` asks for a tier
# and names none.
MODE_OF_TIER: dict[str, str] = {
    "": STANDARD, "auto": STANDARD, "default": STANDARD, "standard": STANDARD, "standard_only": STANDARD,
    "on_demand": STANDARD, "traffic_type_unspecified": STANDARD, "unspecified": STANDARD,
    "batch": "batch", "batches": "batch", "flex": "flex", "on_demand_flex": "flex",
    "priority": "priority", "on_demand_priority": "priority", "fast": "fast",
}  # fmt: skip

# Inference wherever there is room: the list price.
ANYWHERE = frozenset({"", "global", "not_available", "default", "standard", "any", "unspecified"})


def mode_word(tier: str | None) -> str:
    """The mode behind a logged tier, lower case.

    >>> mode_word(" On_Demand"), mode_word(None), mode_word("scale")
    ('standard', 'standard', 'scale')
    """
    word = (tier or "").strip(" ").lower()
    return MODE_OF_TIER.get(word, word)


def region_word(region: str | None) -> str:
    """The region that a price depends on, lower case; '' where it depends on none.

    >>> region_word("US"), region_word("global"), region_word(None)
    ('us', '', '')
    """
    word = (region or "").strip(" ").lower()
    return "" if word in ANYWHERE else word
