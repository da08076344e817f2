"""Why a request's cost is not known in full, or its reported cost not believed: the keys of a row's `doubt`."""

from __future__ import annotations

from cost_top.model.modes import UNREADABLE_COST, UNREADABLE_COUNT

# As in "3 requests unpriced: ...". Several rows may share a doubt.
WORDS: dict[str, str] = {
    "model": "no rate is known for the model",
    "name": "the model's name has an unknown part, or names a region, which may be another model or another price",
    "time": "no price per token at that time, or an amount out of range",
    "mode": "no rate in the mode it was processed in",
    UNREADABLE_COST: "the log's cost is no amount",
    UNREADABLE_COUNT: "a count of the log is no number",
    "region": "no rate in the region it was processed in",
    "rounds": "rounds of one request, whose sum alone is known and is over a size at which the price changes",
    "output": "interrupted before all of the output was counted, the rest of which is left out",
    "input": "no count of the input, which is left out",
    "audio_input": "no rate for audio input, which is left out",
    "cached_audio_input": "no rate for cached audio input, which is left out",
    "audio_output": "no rate for audio output, which is left out",
    "image_output": "no rate for image output, which is left out",
    "web_search": "no rate for web searches, which are left out",
    "zero": "the log reports zero for tokens",
    "timeout": "it timed out at a cost of zero: the provider may have billed it",
    "list_price": "list price and savings leave out a part that has no count or no rate",
    "cost": "the reported cost is beyond belief against tokens and rates",
    "count": "a count of the log is no number: its cost is there, those tokens are not",
}
# Those of requests whose cost is known all the same.
OF_A_KNOWN_COST: tuple[str, ...] = ("cost", "timeout", "list_price", "count")

# A row's doubt as it is told: what cannot be read stands in its mode.
TOLD = f"CASE WHEN doubt = 'mode' AND mode IN ('{UNREADABLE_COST}', '{UNREADABLE_COUNT}') THEN mode ELSE doubt END"


def words(doubt: str | None) -> str:
    """A doubt in words; one that is not known stands for itself."""
    return WORDS.get(doubt or "", doubt or "")
