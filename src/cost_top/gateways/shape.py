"""What the normal form must know of a raw stream."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import cache

from cost_top.model.record import FIELDS

# Raw integers from here on are garbage; sums of what is left cannot overflow.
INTEGER_LIMIT = 10**15
# What stands for a count that is there and no number; one that is not there is -1. Other negative ones are none too.
UNREADABLE_COUNT = -INTEGER_LIMIT
# What stands for no cost, and for one that is no amount, where a raw column can hold neither.
UNKNOWN_MONEY, UNREADABLE_MONEY = -9223372036854775807, -9223372036854775808
UNKNOWN_DOUBLE, UNREADABLE_DOUBLE = "9e99", "9e98"
# Counts that a price is made of.
COUNTS = (
    "input_tokens", "cached_input_tokens", "cache_creation_input_tokens", "cache_creation_1h_tokens", "output_tokens",
    "reasoning_tokens", "audio_input_tokens", "audio_output_tokens", "image_output_tokens", "web_search_count",
)  # fmt: skip
_KINDS = {"VARCHAR": "text", "BIGINT": "integer", "INTEGER": "integer", "BOOLEAN": "boolean", "VARCHAR[]": "tags"}


@dataclass(frozen=True, slots=True)
class RawShape:
    """What the normal form must know of a raw stream."""

    fields: tuple[str, ...]  # in the stream; the others are unknown
    plain: tuple[str, ...]  # raw columns that follow every change of a cheap column, equal in every stream of a row
    identity_fields: tuple[str, ...]  # what a row without an id is known by
    time_kind: str  # micros, timestamp or iso
    text_is_blob: bool
    cost_kind: str  # integer, double or text
    pico_per_unit: tuple[int, int]
    input_includes_cache: bool | None  # None: the stream says it row by row
    user_agent_tag: str | None
    keys: tuple[tuple[str, str], ...] = ()  # fields that may hold raw keys, each with the pattern of what is none
    key: str = "id"  # what tells rows apart: `id`, id and `time`, id and `columns`, or `none`
    key_columns: tuple[str, ...] = ()  # raw columns that tell rows apart, together with the id
    told: tuple[str, ...] | None = None  # the fields that are asked for of rows without an id; None: every one, and it

    @property
    def counts(self) -> tuple[str, ...]:
        """Of `COUNTS` those that the stream has."""
        return tuple(name for name in COUNTS if name in self.fields)

    @property
    def packs(self) -> tuple[tuple[str, ...], ...]:
        """Fields that may come in one column: texts, and figures; none that is costly with one that is cheap."""
        together = _TOGETHER if self.told is None else ((*_TOGETHER[0], *_FEW_VALUES), *_TOGETHER[1:])
        known = {name for group in together for name in group}
        alone = [name for name in self.fields if field_kind(name) == "text" and name not in known]
        groups = (*together, *((name,) for name in alone))
        cheap = [name for name in self.fields if self.plain == (ROW_HASH,) or name in self.plain]
        costly = [name for name in self.fields if name not in cheap]
        packs = (tuple(name for name in group if name in part) for group in groups for part in (cheap, costly))
        return tuple(pack for pack in packs if pack)

    def narrowed(self, names: Collection[str]) -> RawShape:
        """That of a stream of some fields alone: its rows have no id, and nothing shows their changes."""
        fields = tuple(name for name in self.fields if name in made_of(names, self))
        keys = tuple(key for key in self.keys if key[0] in fields)
        told = tuple(name for name, _ in FIELDS if name in names)
        return replace(
            self, fields=fields, plain=(), identity_fields=(), keys=keys, key="none", key_columns=(), told=told
        )

    @property
    def untold(self) -> frozenset[str]:
        """Measures that no column tells."""
        return frozenset() if "status" in self.fields else frozenset({"error_count"})


# The raw column of a row's hash, where the database makes one.
ROW_HASH = "row_hash"
# What says much the same of a row, or says nothing of most rows: a day has few packs of it. See `gateways.packed`.
_TOGETHER = (
    ("provider", "model", "endpoint", "credential_type", "mode", "region"),
    ("token", "token_name", "owner", "team", "team_name", "owner_name"),
    ("user", "user_name"),
    ("client_ip", "user_agent"),
    ("session", "prompt", "cache_creation_1h_tokens", "audio_input_tokens", "audio_output_tokens",
     "image_output_tokens", "web_search_count"),
)  # fmt: skip


# What has few values, and goes with what says much the same where no pack must be equal in every stream.
_FEW_VALUES = ("status", "cache_hit", "streamed", "zero_is_price", "counted")
# What fields are made of beside their own columns; whether a row is a request is told by money that comes back.
_MADE_OF: dict[str, tuple[str, ...]] = {
    "input_tokens": ("cached_input_tokens", "cache_creation_input_tokens", "model"),
    "cache_creation_input_tokens": ("input_tokens", "cached_input_tokens", "model"),
    "cache_creation_1h_tokens": ("cache_creation_input_tokens", "input_tokens", "cached_input_tokens", "model"),
    "output_tokens": ("reasoning_tokens",),
    "counted": ("reported_cost", "latency_ms"),
    "mode": ("reported_cost",),
}


def made_of(wanted: Collection[str], shape: RawShape) -> set[str]:
    """The fields that `wanted` ones are made of, they themselves included."""
    found = {*wanted, *(part for name in wanted for part in _MADE_OF.get(name, ()))}
    found |= {*shape.counts} if "mode" in wanted else set()
    return found | {"tags"} if "user_agent" in wanted and shape.user_agent_tag is not None else found


def pack_name(place: int) -> str:
    """The raw column of a pack."""
    return f"pack {place}"


@cache
def field_kind(name: str) -> str:
    """How a field is read: text, integer, boolean, tags, money, or an amount in its unit as decimal text."""
    special = {"reported_cost": "money", "reported_market_cost": "amount"}
    return special.get(name) or _KINDS[dict(FIELDS)[name]]
