"""The trust line: how far the figures on the screen can be trusted, each part with the rows behind it."""

from __future__ import annotations

from dataclasses import dataclass

from textual.content import Content

from cost_top.model.filter import Term, value_term
from cost_top.model.format import count, percent
from cost_top.model.snapshot import Snapshot
from cost_top.tui.render.style import CAUTION, GOOD, MUTED, content

GAP = 3


@dataclass(frozen=True, slots=True)
class TrustPart:
    """A piece of the line. `term` opens the rows behind it, None where no filter can; `name` says what it is."""

    text: Content
    term: Term | None
    name: str


@dataclass(frozen=True, slots=True)
class _Fact:
    """One piece in falling length; facts are given up from the highest `rank`."""

    rank: int
    name: str
    wordings: tuple[Content, ...]
    term: Term | None


def trust_parts(snapshot: Snapshot, width: int) -> tuple[TrustPart, ...]:
    """The pieces that fit `width` cells when `GAP` blanks part them, in the order they are shown.

    Shares are of the money that is known. What is unpriced is a number of requests: its money is what is missing.
    """
    facts = _facts(snapshot)
    for wording in range(3):
        for least in (9, 6, 5, 4, 3, 2, 1, 0):
            if wording < 2 and least < 4:
                break
            kept = [fact for fact in facts if fact.rank <= least]
            parts = tuple(
                TrustPart(fact.wordings[min(wording, len(fact.wordings) - 1)], fact.term, fact.name) for fact in kept
            )
            if sum(part.text.cell_length for part in parts) + GAP * (len(parts) - 1) <= width:
                return parts
    return ()


def _facts(snapshot: Snapshot) -> list[_Fact]:
    trust, total = snapshot.trust, snapshot.spend.measures.total_cost
    facts: list[_Fact] = []
    if total:
        reported, priced = percent(trust.reported_cost, total), percent(trust.priced_cost, total)
        facts.append(_fact(0, "reported", Term("price_status", ("reported", "cache_hit")),
                           f"money: {reported} reported", f"{reported} reported"))  # fmt: skip
        facts.append(_fact(1, "priced", Term("price_status", ("priced", "free")),
                           f"{priced} priced by us", f"{priced} priced"))  # fmt: skip
    else:
        facts.append(_fact(0, "reported", None, "money: none in this window", "no money", "no money"))
    facts.append(_unpriced(snapshot))
    if trust.zero_cost_count:
        zero = count(trust.zero_cost_count)
        facts.append(_fact(2, "zero cost", Term("zero_cost", ("yes",)), f"{zero} with tokens at $0",
                           f"{zero} at $0", f"{zero} at $0", style=CAUTION))  # fmt: skip
    if trust.no_usage_count:
        bare = count(trust.no_usage_count)
        facts.append(_fact(5, "no usage", Term("price_status", ("no_usage",)),
                           f"{bare} without token counts", f"{bare} no tokens"))  # fmt: skip
    for name, part, rank in (("user", trust.with_user, 4), ("tag", trust.with_tag, 4), ("token", trust.with_token, 4)):
        if total:
            share, plural = percent(part, total), "keys" if name == "token" else f"{name}s"
            facts.append(_fact(rank, f"{plural} of the money", value_term(name, None), f"{plural} {share}",
                               f"{plural} {share}", f"{plural} {share}"))  # fmt: skip
    if trust.late_count or trust.repeated_count:
        late, again = count(trust.late_count), count(trust.repeated_count)
        facts.append(_fact(3, "late", Term("late", ("yes",)), f"late rows {late}", f"late {late}"))
        if trust.repeated_count:
            facts.append(_fact(6, "repeated", None, f"changed rows {again}", f"changed {again}"))
    else:
        facts.append(_fact(6, "late", Term("late", ("yes",)), "late rows 0", "late 0"))
    if not trust.cached_share_known:
        facts.append(_fact(5, "details", None, "cache and tag details still being read", "details pending"))
    return facts


def _unpriced(snapshot: Snapshot) -> _Fact:
    trust = snapshot.trust
    if not trust.unpriced_count:
        return _fact(1, "unpriced", None, "nothing unpriced", "0 unpriced", style=GOOD)
    requests, models = count(trust.unpriced_count), trust.unpriced_models
    of = f" in {models} model{'s' if models != 1 else ''}" if models else ""
    plural = "s" if trust.unpriced_count != 1 else ""
    return _fact(0, "unpriced", Term("unpriced", ("yes",)), f"{requests} request{plural} unpriced{of}",
                 f"{requests} unpriced{of}", f"{requests} unpriced", style=CAUTION)  # fmt: skip


def _fact(rank: int, name: str, term: Term | None, *wordings: str, style: str = MUTED) -> _Fact:
    return _Fact(rank, name, tuple(content((wording, style)) for wording in wordings), term)
