"""Rows of a bill and rows of usage added up, group by group, to one answer in which each figure says what it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from cost_top.model.errors import one_line
from cost_top.model.notes import Note
from cost_top.model.query import Measures, known_measures
from cost_top.pricing.book import RateBook
from cost_top.sources.apis.usage_priced import Usage, value_usage
from cost_top.sources.report_api import Bucket

Key = tuple[str | None, ...]
_COUNTS = ("input_tokens", "output_tokens", "cached_input_tokens", "cache_creation_input_tokens", "request_count")
_LISTED = 3  # names in a note


@dataclass(slots=True)
class _Sum:
    """One group. `counts` is None where no usage is known, a count in it where a row did not tell it."""

    billed: int = 0
    rated: int = 0
    savings: int | None = None
    unpriced: int = 0
    counts: dict[str, int | None] | None = None


@dataclass(slots=True)
class Tally:
    """The sums of one question. `on_bill`: dollars are the bill's, else our rates'. `book` prices usage."""

    title: str
    provider: str
    book: RateBook
    on_bill: bool
    off_bill: frozenset[str]  # service tiers whose requests the bill leaves out
    remarks: dict[str, None] = field(default_factory=dict)  # notes from elsewhere
    models: set[str] = field(default_factory=set)  # those that usage names
    items: dict[str, int] = field(default_factory=dict)  # what the bill is for, in pico-dollars
    _sums: dict[tuple[datetime | None, Key], _Sum] = field(default_factory=dict)
    _days: set[datetime] = field(default_factory=set)
    _awaited: dict[datetime, None] = field(default_factory=dict)
    _unpriced: dict[str, None] = field(default_factory=dict)
    _longer: dict[str, int] = field(default_factory=dict)

    def _sum(self, start: datetime | None, key: Key) -> _Sum:
        return self._sums.setdefault((start, key), _Sum())

    def add_bill(self, day: datetime, start: datetime | None, key: Key, amount: int | None) -> None:
        """A line of the bill: pico-dollars, None for an amount that cannot be read."""
        self._days.add(day)
        total = self._sum(start, key)
        if amount is None:
            total.unpriced += 1
            self.remarks["amounts that are not in US dollars or cannot be read are left out"] = None
        else:
            total.billed += amount

    def add_usage(self, day: datetime, start: datetime | None, key: Key, usage: Usage) -> None:
        """A row of usage. It is priced in any case: the prompt cache's discount is on no bill."""
        total = self._sum(start, key)
        counts = {name: getattr(usage, name) for name in _COUNTS}
        total.counts = counts if total.counts is None else _added(total.counts, counts)
        valued = value_usage(self.book, self.provider, usage)
        if valued.prompt_cache_savings is not None:
            total.savings = (total.savings or 0) + valued.prompt_cache_savings
        if usage.model:
            self.models.add(usage.model)
        if not any((usage.input_tokens, usage.output_tokens, usage.request_count)):
            return
        # An API that counts no requests still has at least one behind each row.
        requests = usage.request_count or 1
        if not self.on_bill:
            self._rate(total, usage, valued.cost, valued.longer, requests)
        elif (usage.mode or "") in self.off_bill:
            total.unpriced += requests
            self.remarks[f"{self.title}'s bill leaves out {one_line(usage.mode)} tier requests"] = None
        elif day not in self._days:
            total.unpriced += requests
            self._awaited[day] = None

    def _rate(self, total: _Sum, usage: Usage, cost: int | None, longer: int | None, requests: int) -> None:
        model = usage.model or "(none)"
        if cost is None:
            total.unpriced += requests
            self._unpriced[model] = None
            return
        total.rated += cost
        if longer is not None:
            self._longer[model] = longer

    def buckets(self) -> tuple[Bucket, ...]:
        """The groups with their measures."""
        return tuple(Bucket(start, key, self._measures(total)) for (start, key), total in self._sums.items())

    def _measures(self, total: _Sum) -> Measures:
        cost = total.billed if self.on_bill else total.rated
        return known_measures(cost, total.unpriced, prompt_cache_savings=total.savings, **(total.counts or {}))

    def notes(self) -> tuple[str, ...]:
        """What a reader should know of these figures."""
        notes = list(self.remarks)
        if not self.on_bill and self._sums:
            notes.insert(0, Note(f"dollars by cost-top's rates, not {self.title}'s bill", "rates"))
        if self._unpriced:
            notes.append(f"no rate for {_listed(list(self._unpriced))}")
        if self._longer:
            limits = ", ".join(f"{limit:,}" for limit in sorted(set(self._longer.values())))
            notes.append(
                f"requests of more than {limits} input tokens cost more, but usage does not tell them apart: "
                f"{_listed(list(self._longer))} may have cost more"
            )
        if self._awaited:
            days = _listed([f"{day:%Y-%m-%d}" for day in sorted(self._awaited)])
            notes.append(f"{self.title} has used tokens but no bill yet for {days}")
        return tuple(notes)


def _added(first: dict[str, int | None], second: dict[str, int | None]) -> dict[str, int | None]:
    return {
        name: None if one is None or (other := second[name]) is None else one + other for name, one in first.items()
    }


def _listed(names: list[str]) -> str:
    more = len(names) - _LISTED
    return ", ".join(names[:_LISTED]) + (f" and {more} more" if more > 0 else "")
