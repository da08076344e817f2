"""The rate book: released rates, cited corrections and the user's overrides as one answer."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

from cost_top.model.modes import MODES, STANDARD
from cost_top.pricing.match import Match, Matcher, Resolved
from cost_top.pricing.names import spelled
from cost_top.pricing.overrides import Overrides, OwnPrice, Paid, read_overrides
from cost_top.pricing.rates import Period, Schedule, Timeline, quote, schedules
from cost_top.pricing.released import rates_path

# Raised when the same rates would price a request otherwise: a new version re-prices what is mirrored.
ENGINE = 9
_ZERO = {"in": 0, "out": 0}
_Chosen = TypeVar("_Chosen", OwnPrice, Paid)


@dataclass(frozen=True, slots=True)
class Entry:
    """What the book says about one logged pair: the model it is, and what that costs over time."""

    match: Match
    timeline: Timeline


class RateBook:
    """All prices. `version` changes with anything that could change a price; `date` is that of the rates."""

    def __init__(self, rates: bytes, overrides: Overrides) -> None:
        data = json.loads(rates)
        self.date = date.fromisoformat(data["date"])
        self.released = f"{data['source']['name']} {data['source']['version']}"
        seal = hashlib.sha256(b"%d\0%s\0" % (ENGINE, overrides.text.encode()))
        seal.update(rates)
        self.version = seal.hexdigest()[:12]
        self.schedules: tuple[Schedule, ...] = schedules(data["schedules"])
        self._corrections: Mapping[str, Mapping[str, str]] = data["corrections"]
        self._matcher = Matcher(data["providers"])
        self._overrides = overrides
        self._most_edges: int = data["most_edges"]
        models = (model for provider in data["providers"] for model in provider["models"] if "regions" in model)
        self.regions: tuple[str, ...] = tuple(sorted({region for model in models for region in model["regions"]}))
        self._entries: dict[tuple[str | None, str | None], Entry | None] = {}

    @classmethod
    def load(cls, overrides: Path | None = None) -> RateBook:
        """The released rates with the overrides of a file. Raises `UserError` for a bad file."""
        own = read_overrides(overrides) if overrides is not None else Overrides()
        book = cls(rates_path().read_bytes(), own)
        for key, target in (own.aliases or {}).items():
            if book._target(target) is None:
                raise own.wrong_alias(key, target)
        return book

    @property
    def most_edges(self) -> int:
        """An upper bound of the instants at which the price of one model changes."""
        own: tuple[OwnPrice | Paid, ...] = (*self._overrides.prices, *self._overrides.paid)
        return self._most_edges + len({end for item in own for end in (item.start, item.end)} - {None})

    @property
    def discounts(self) -> bool:
        """Whether the user pays another price than market for anything."""
        return bool(self._overrides.paid)

    def match(self, provider: str | None, model: str | None) -> Match | None:
        """The model of the rates that a logged pair means, or None: unpriced."""
        entry = self.entry(provider, model)
        return entry.match if entry else None

    def entry(self, provider: str | None, model: str | None) -> Entry | None:
        """The match of a logged pair with its prices; cached per distinct pair."""
        pair = (provider, model)
        if pair not in self._entries:
            self._entries[pair] = self._look_up(provider, model)
        return self._entries[pair]

    def models(self) -> Iterator[tuple[str, str, Timeline]]:
        """Every model of the rates: provider, id, prices."""
        for provider, model in self._matcher.models():
            yield provider, model["id"], Timeline(self._periods(model, override=False), _regions(model))

    def _look_up(self, provider: str | None, model: str | None) -> Entry | None:
        logged = (model or "").strip().lower()
        resolved = self._matcher.resolve(provider, model)
        providers = tuple(dict.fromkeys(filter(None, (_lower(provider), spelled(provider or ""), resolved.provider))))
        for key in (*(f"{name}/{logged}" for name in providers), logged):
            target = (self._overrides.aliases or {}).get(key)
            if target is not None:
                return self._aliased(key, target, providers, logged)
        return self._priced(resolved, providers, logged)

    def _target(self, target: str) -> Entry | None:
        """What an alias stands for: `provider/model`, or a bare model name."""
        maker, slash, rest = target.partition("/")
        resolved = self._matcher.resolve(maker, rest) if slash else self._matcher.resolve(None, target)
        if slash and resolved.provider is None:
            resolved = self._matcher.resolve(None, target)
        names = tuple(filter(None, (maker if slash else "", resolved.provider)))
        return self._priced(resolved, names, rest if slash else target, override=True)

    def _aliased(self, key: str, target: str, providers: tuple[str, ...], logged: str) -> Entry | None:
        entry = self._target(target)
        if entry is None:
            return None
        match = replace(entry.match, steps=(f"your alias {key} = {target}", *entry.match.steps))
        own = _chosen(self._overrides.prices, providers, (logged,))
        paid = _chosen(self._overrides.paid, providers, (logged,))
        return Entry(match, self._with_own(dict(entry.timeline.periods), own, paid, entry.timeline.regions))

    def _priced(
        self, resolved: Resolved, providers: tuple[str, ...], logged: str, override: bool = False
    ) -> Entry | None:
        names = tuple(dict.fromkeys((logged, *(name for name, _ in resolved.names))))
        own = _chosen(self._overrides.prices, providers, names)
        paid = _chosen(self._overrides.paid, providers, names)
        given = any(selector.chooses(providers, names) for selector in self._overrides.free)
        found = None if given or resolved.free else self._matcher.find(resolved)
        regions: Mapping[str, tuple[int, int]] = {}
        if found is not None:
            match, model = found
            # An unknown tail may be another model: it has a price only by the user's word.
            sure = override or not match.unsure
            periods: dict[str, tuple[Period, ...]] = self._periods(model, override) if sure else {STANDARD: ()}
            regions = _regions(model)
        elif given or resolved.free:
            source = f"free ({self._overrides.name})" if given else "free: served by a machine of one's own"
            name = resolved.names[0][0]
            match = Match(resolved.provider or (providers[0] if providers else ""), name, "free", name)
            periods = {STANDARD: (Period(None, None, quote(_ZERO, source, given, whole=True)),)}
        elif own:
            match = Match(resolved.provider or (providers[0] if providers else ""), logged, "own", logged)
            periods = {STANDARD: ()}
        else:
            return None
        return Entry(match, self._with_own(periods, own, paid, regions))

    def _with_own(
        self,
        periods: dict[str, tuple[Period, ...]],
        own: tuple[OwnPrice, ...],
        paid: tuple[Paid, ...],
        regions: Mapping[str, tuple[int, int]],
    ) -> Timeline:
        """The user's prices lie over all others; a paid factor lies over both."""
        source = f"your price ({self._overrides.name})"
        mine = sorted(own, key=lambda item: -(2**62) if item.start is None else item.start)
        over = tuple(Period(item.start, item.end, quote(item.prices, source, True, whole=True)) for item in mine)
        result = {mode: (*listed, *over) for mode, listed in periods.items()}
        for item in paid:
            result = {mode: tuple(_paying(listed, item)) for mode, listed in result.items()}
        return Timeline(result, regions)

    def _periods(self, model: Mapping[str, Any], override: bool) -> dict[str, tuple[Period, ...]]:
        return {mode: tuple(self._period(item, override) for item in model[mode]) for mode in MODES if mode in model}

    def _period(self, item: Mapping[str, Any], override: bool) -> Period:
        schedule = self.schedules[item["schedule"]] if "schedule" in item else None
        priced = quote(item["rates"], self._source(item.get("fix")), override)
        return Period(item.get("from"), item.get("to"), priced, schedule)

    def _source(self, correction: str | None) -> str:
        if correction is None:
            return self.released
        cited = self._corrections[correction]
        return f"correction {correction} ({cited['level']}, {cited['source']})"


def _regions(model: Mapping[str, Any]) -> Mapping[str, tuple[int, int]]:
    return {region: (factor[0], factor[1]) for region, factor in model.get("regions", {}).items()}


def _lower(text: str | None) -> str:
    return (text or "").strip().lower()


def _chosen(items: tuple[_Chosen, ...], providers: tuple[str, ...], names: tuple[str, ...]) -> tuple[_Chosen, ...]:
    return tuple(item for item in items if item.selector.chooses(providers, names))


def _paying(periods: tuple[Period, ...], paid: Paid) -> Iterator[Period]:
    """The periods with the factor on their quotes, as far as its span reaches."""
    for period in periods:
        yield period
        if period.quote is not None and not period.quote.free:
            start = max((item for item in (period.start, paid.start) if item is not None), default=None)
            end = min((item for item in (period.end, paid.end) if item is not None), default=None)
            # Where the two do not meet it covers nothing.
            yield Period(start, end, replace(period.quote, paid=paid.factor), period.schedule)
