"""The trust line: how far the figures on the screen can be trusted, each part with the rows behind it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from textual.content import Content

from cost_top.model.doubts import OF_A_KNOWN_COST
from cost_top.model.filter import Term, value_term
from cost_top.model.format import count, counted, elide, share
from cost_top.model.money import display_usd
from cost_top.model.notes import MOST_UNTIMED, untimed_rows
from cost_top.model.snapshot import Snapshot, Trust
from cost_top.tui.render.style import CAUTION, GOOD, MUTED, content

GAP = 2
_LIGHT = 7
# (wording, heaviest rank kept), from all in full to the least in brief.
_CHOICES = (*((wording, rank) for wording in (0, 1) for rank in (7, 6)), *((2, rank) for rank in range(7, -1, -1)))


@dataclass(frozen=True, slots=True)
class TrustPart:
    """A piece of the line. `term` opens the rows behind it, None where no filter can; `name` says what it is."""

    text: Content
    term: Term | None
    name: str


@dataclass(frozen=True, slots=True)
class _Fact:
    """One piece in three falling lengths; facts are given up from the highest `rank`."""

    rank: int
    name: str
    wordings: tuple[Content, ...]
    term: Term | None


def trust_parts(snapshot: Snapshot, width: int) -> tuple[TrustPart, ...]:
    """The pieces that fit `width` cells when `GAP` blanks part them, in the order they are shown.

    Shares are of the money that is known. What is unpriced is a number of requests: its money is what is missing.
    """
    if (teller := snapshot.limit("trust")) is not None:
        facts: tuple[_Fact, ...] = (*_told(snapshot, teller), *_unrated(snapshot))
    else:
        facts = (*_money(snapshot), *_attribution(snapshot), _unpriced(snapshot), *_counts(snapshot))
    for wording, heaviest in _CHOICES:
        kept = [fact for fact in facts if fact.rank <= heaviest]
        parts = tuple(TrustPart(fact.wordings[wording], fact.term, fact.name) for fact in kept)
        if sum(part.text.cell_length for part in parts) + GAP * (len(parts) - 1) <= width:
            return parts
    return ()


def _told(snapshot: Snapshot, teller: str) -> list[_Fact]:
    """Where a report API's figures are from, how late they are, and what its answers said about themselves."""
    lag = f"about {round(snapshot.lag / timedelta(minutes=1))} min behind"
    facts = [
        _fact(0, "who tells the figures", None, teller, teller, snapshot.source),
        _fact(1, "how far behind", None, lag, lag, lag.removeprefix("about ")),
        _fact(2, "how days are cut", None, "days are UTC days", "days are UTC days", "UTC days"),
    ]
    for place, note in enumerate(snapshot.notes[: _LIGHT - 3]):
        facts.append(_fact(place + 3, "a note on the figures", None, note, elide(note, 50), elide(note, 30)))
    return facts


def _unrated(snapshot: Snapshot) -> list[_Fact]:
    if not snapshot.trust.unpriced_count:
        return []
    told = "some usage has no rate"
    return [_fact(0, "usage without a rate", None, told, told, "unrated", style=CAUTION)]


def _money(snapshot: Snapshot) -> list[_Fact]:
    trust, total = snapshot.trust, snapshot.spend.measures.total_cost
    if not snapshot.is_settled("total"):
        return [_fact(0, "still counting", None, "still counting…", "counting…", "…", style=CAUTION)]
    if not total:
        return [_fact(0, "reported", None, "no money in this window", "no money yet", "no money")]
    if total < 0:
        told = "more taken back than spent"
        return [_fact(0, "reported", None, f"money: {told}", told, "taken back", style=CAUTION)]
    reported, priced = share(trust.reported_cost, total), share(trust.priced_cost, total)
    # Both without decimals, or they would not look like parts of one whole.
    brief, priced_brief = (_whole(part, total) for part in (trust.reported_cost, trust.priced_cost))
    return [
        _fact(0, "reported by the gateway", Term("price_status", ("reported", "cache_hit")),
              f"money: {reported} reported", f"money: {brief} reported", f"money {brief} reported"),
        _fact(1, "priced by us", Term("price_status", ("priced", "free")),
              f"{priced} priced by us", f"{priced_brief} priced by us", f"{priced_brief} priced"),
    ]  # fmt: skip


def _whole(part: int, total: int) -> str | None:
    """A share in whole per cent; never rounds to 0 or to all."""
    told = share(part, total, short=True)
    if told is None or not 0 < part < total:
        return told
    rounded = (200 * part + total) // (2 * total)
    return "<1 %" if not rounded else ">99 %" if rounded == 100 else f"{rounded} %"


def _attribution(snapshot: Snapshot) -> list[_Fact]:
    """How much of the money carries a user, a tag, a key; the term opens the rows that do not."""
    trust, total = snapshot.trust, snapshot.spend.measures.total_cost
    if total <= 0 or not snapshot.is_settled("total"):
        return []
    return [
        _fact(rank, f"money without a {noun}", value_term(field, None), f"{share(part, total)} with {noun}",
              f"{share(part, total, short=True)} with {noun}", f"{share(part, total, short=True)} {noun}")
        for rank, field, noun, part in ((3, "user", "user", trust.with_user), (4, "tag", "tag", trust.with_tag),
                                  (5, "token", "key", trust.with_token))
    ]  # fmt: skip


def _unpriced(snapshot: Snapshot) -> _Fact:
    trust = snapshot.trust
    if not trust.unpriced_count:
        return _fact(1, "unpriced", None, "nothing unpriced", "0 unpriced", "0 unpriced", style=GOOD)
    requests, models = count(trust.unpriced_count), trust.unpriced_models
    of = f" ({count(models)} model{'s' if models != 1 else ''})" if models else ""
    plural = "s" if trust.unpriced_count != 1 else ""
    return _fact(0, "unpriced", Term("unpriced", ("yes",)), f"{requests} request{plural} unpriced{of}",
                 f"{requests} unpriced{of}", f"{requests} unpriced", style=CAUTION)  # fmt: skip


def _counts(snapshot: Snapshot) -> list[_Fact]:
    trust = snapshot.trust
    zero, bare = count(trust.zero_cost_count), count(trust.no_usage_count)
    unrated, doubtful = count(trust.unrated_count), count(trust.doubtful_count)
    refunds, back = counted(trust.refund_count, "refund"), display_usd(trust.refunded_cost)
    late, again = count(trust.late_count), count(trust.repeated_count)
    facts = [
        _fact(2, "tokens but no cost", Term("zero_cost", ("yes",)), f"{zero} with tokens at $0",
              f"{zero} at $0", f"{zero} at $0", style=CAUTION) if trust.zero_cost_count else None,
        _fact(2, "a mode, region or kind of usage without a rate", Term("doubt", ("model", "zero"), negated=True),
              f"{unrated} in a mode, region or kind without a rate", f"{unrated} without a rate",
              f"{unrated} unrated", style=CAUTION) if trust.unrated_count else None,
        _fact(1, "costs beyond belief, timeouts at $0, list prices without a part, odd counts",
              Term("doubt", OF_A_KNOWN_COST),
              f"{doubtful} with a cost in doubt", f"{doubtful} in doubt", f"{doubtful} doubtful",
              style=CAUTION) if trust.doubtful_count else None,
        _drift(trust) if trust.drift_days else None,
        _untimed(trust.untimed_count) if trust.untimed_count else None,
        _fact(5, "refunds and corrections", Term("cost", ("0",), "<"), f"{refunds} of {back} taken off",
              f"{refunds} {back}", refunds) if trust.refund_count else None,
        _fact(6, "no token counts", Term("price_status", ("no_usage",)), f"{bare} without token counts",
              f"{bare} without tokens", f"{bare} no tokens") if trust.no_usage_count else None,
        _fact(6 if trust.late_count else _LIGHT, "late rows", Term("late", ("yes",)),
              f"{counted(trust.late_count, 'row')} late", f"{late} late", f"{late} late"),
        _fact(_LIGHT, "rows changed after they were first read", None, f"{again} changed",
              f"{again} changed", f"{again} changed") if trust.repeated_count else None,
        None if trust.rows_unique else
        _fact(2, "no unique key", None, "no unique key: copies count", "no unique key", "no key", style=CAUTION),
        None if trust.indexed else
        _fact(2, "no index on time", None, "no index on time: looks are rare", "no time index", "no index",
              style=CAUTION),
        None if trust.cached_share_known else
        _fact(3, "details", None, "reading tag and cache details…", "reading details…", "details…"),
    ]  # fmt: skip
    return [fact for fact in facts if fact is not None]


def _drift(trust: Trust) -> _Fact:
    """The gateway's own sums of days say otherwise; no request can be shown for it."""
    money, days = display_usd(abs(trust.drift)), f"{trust.drift_days} day{'s' if trust.drift_days != 1 else ''}"
    one, other = ("log", "rollups") if trust.drift >= 0 else ("rollups", "log")
    return _fact(1, "the gateway's own daily sums (cost-top doctor --drift)", None,
                 f"{one} lacks {money} of the {other} on {days}".replace("rollups lacks", "rollups lack"),
                 f"{money} not in the {one}", f"{money} drift", style=CAUTION)  # fmt: skip


def _untimed(rows: int) -> _Fact:
    """Rows that no period holds; no request can be shown for them."""
    told = untimed_rows(rows)
    least = f"{rows:,}" + "+" * (rows >= MOST_UNTIMED)
    return _fact(1, "rows in no period (cost-top doctor)", None, told, f"{least} without a time", f"{least} no time",
                 style=CAUTION)  # fmt: skip


def _fact(rank: int, name: str, term: Term | None, *wordings: str, style: str = MUTED) -> _Fact:
    return _Fact(rank, name, tuple(content((wording, style)) for wording in wordings), term)
