"""What decides a row, as tables: `pricing.cost` in numbers that are looked up instead of worked out row by row.

A row's flags make up a number; the tables say what a row of that number is, and what it adds.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

# How the reported cost stands: not told, negative, zero, positive.
UNTOLD, NEGATIVE, NOTHING, POSITIVE = range(4)
# What the log says of a zero: nothing, that it is the price, that nobody knew one.
UNSAID, A_PRICE, NO_PRICE = range(3)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a row is, and by what its amounts are multiplied: 0 or 1 each."""

    status: str = "reported"
    cost_by_rates: int = 0
    cost_as_reported: int = 0
    saved: int = 0  # the list price
    saved_less: int = 0  # less what was reported
    prompt: int = 0
    list_by_rates: int = 0
    list_as_told: int = 0  # where the log tells a list price
    list_as_reported: int = 0  # where something was reported
    list_if_unknown: int = 0  # where something was reported and the rates say nothing
    refund: int = 0
    unpriced: int = 0
    doubt: str | None = None
    may_doubt: int = 0  # that it is what was paid

    def __post_init__(self) -> None:
        assert self.status in STATUSES
        assert self.doubt in DOUBTS


# What `trust_sums` takes rows apart by: the place of a status, then a bit each, then the place of a doubt.
STATUSES = ("reported", "priced", "free", "cache_hit", "unpriced", "no_usage")
BITS = ("hit", "user", "token", "byok", "negative", "nothing", "told_nothing")
DOUBTS = (None, "cost", "zero", "unrated")

_NO_USAGE = Verdict("no_usage")
_CHARGED = Verdict(
    cost_as_reported=1, prompt=1, list_by_rates=1, list_as_told=1, list_if_unknown=1, may_doubt=1,
)  # fmt: skip
_BY_RATES = Verdict("priced", cost_by_rates=1, prompt=1, list_by_rates=1)
_ZERO = Verdict("free")  # which the second table tells more of


def _first(hit: bool, owner: bool, known: bool, rated: bool, told: int) -> Verdict:
    if hit:
        status = "cache_hit" if rated or not known else "unpriced"
        return Verdict(status, cost_as_reported=int(not owner), saved=int(rated), saved_less=int(rated and not owner))
    if owner and (told != UNTOLD or known):
        return Verdict(prompt=1, list_by_rates=1, list_as_told=1, list_as_reported=1, may_doubt=1)
    if told == UNTOLD and known:
        return _BY_RATES if rated else Verdict("unpriced", unpriced=1, doubt="unrated")
    return {UNTOLD: _NO_USAGE, NEGATIVE: Verdict(cost_as_reported=1, refund=1), NOTHING: _ZERO, POSITIVE: _CHARGED}[
        told
    ]


def _second(unused: bool, said: int, failed: bool, free: bool, override: bool) -> Verdict:
    """Of a reported zero; `free` and `override` are of a price that is known."""
    if unused:
        return _NO_USAGE if said == NO_PRICE and not failed else _CHARGED
    if free:
        return Verdict("free")
    if said == A_PRICE:
        return Verdict(prompt=1, list_by_rates=1, list_as_told=1)
    if failed:
        return Verdict()
    if override:
        return _BY_RATES
    return Verdict("unpriced", unpriced=1, prompt=1, list_by_rates=1, doubt="zero")


# The number of a row that is not odd, from 1 on: hit + 2 owner + 4 known + 8 rated + 16 told.
_FIRST = [_first(bool(hit), bool(owner), bool(known), bool(rated), told)
          for told, rated, known, owner, hit in product(range(4), *[range(2)] * 4)]  # fmt: skip
# unused + 2 failed + 4 free + 8 override + 16 said.
_SECOND = [_second(bool(unused), said, bool(failed), bool(free), bool(override))
           for said, override, free, failed, unused in product(range(3), *[range(2)] * 4)]  # fmt: skip
VERDICTS = tuple(dict.fromkeys((_NO_USAGE, *_FIRST, *_SECOND)))
ZERO = VERDICTS.index(_ZERO)
FIRST = tuple(VERDICTS.index(each) for each in (_NO_USAGE, *_FIRST))
SECOND = tuple(map(VERDICTS.index, _SECOND))


def trust_sums(key: int, rows: int, cost: int, market_cost: int) -> dict[str, int]:
    """What the requests of one key add to the sums of `mirror.measures.TRUST`, but for `with_tag`."""
    status, flags, doubt = STATUSES[key & 7], key >> 3, DOUBTS[key >> 3 + len(BITS)]
    hit, user, token, byok, negative, nothing, told_nothing = (bool(flags >> place & 1) for place in range(len(BITS)))
    unpriced = status == "unpriced" and not hit
    is_paid = status in ("reported", "cache_hit")
    fair = not hit and status in ("reported", "priced") and not byok and doubt is None
    return {
        "reported_cost": cost if is_paid else 0,
        "priced_cost": 0 if is_paid else cost,
        "zero_cost_count": rows if unpriced and told_nothing else 0,
        "no_usage_count": rows if status == "no_usage" else 0,
        "with_user": cost if user else 0,
        "with_token": cost if token else 0,
        "below_market": market_cost - cost if fair else 0,
        "unrated_count": rows if unpriced and doubt == "unrated" else 0,
        "doubtful_count": rows if doubt == "cost" else 0,
        "refund_count": rows if negative else 0,
        "refunded_cost": -cost if negative else 0,
        "byok_market_cost": market_cost if not hit and byok and nothing else 0,
    }
