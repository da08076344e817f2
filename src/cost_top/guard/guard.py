"""The guard: may this call be made? Answered from memory: what the log says was spent, and what is set aside."""

from __future__ import annotations

import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Literal

from cost_top.guard.question import Question, compiled
from cost_top.guard.reservations import BudgetKey, Reservation, Reservations, Row
from cost_top.guard.standings import BudgetState, Pair, Published
from cost_top.model.budgets import Budget

Reason = Literal["exhausted", "would_exceed", "unknown", "unpriced"]
_MOST_PAIRS = 500
_TRAITS = ("token", "endpoint", "user", "model")


@dataclass(frozen=True, slots=True)
class Matched:
    """A budget that the call counts against, in pico-dollars. `spent` None is unknown."""

    budget: Budget
    key: BudgetKey
    spent: int | None
    reserved: int
    resets_at: datetime | None
    certain: bool
    unpriced_count: int = 0

    @property
    def left(self) -> int | None:
        """What neither was spent nor is set aside."""
        return None if self.spent is None else self.budget.limit - self.spent - self.reserved

    @property
    def value(self) -> str | None:
        """Of the budget's dimension."""
        return self.key[1]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer. `refused` is the budget that refuses, and why; None when the call may be made.

    `needs` names the budgets that could not be held against the call, each with the field it would have to carry.
    """

    budgets: tuple[Matched, ...]
    certain: bool  # whether all figures behind it are fresh
    fresh: bool
    reservation: str | None = None
    expires_at: datetime | None = None
    refused: Matched | None = None
    reason: Reason | None = None
    needs: tuple[tuple[str, str], ...] = ()


class Guard:
    """Any thread may ask. Nothing here waits for a source: `publish` hands in what is known."""

    def __init__(
        self, budgets: tuple[Budget, ...], *, max_age: timedelta = timedelta(seconds=30), fixed: int | None = None,
        clock: Callable[[], float] = time.monotonic, now: Callable[[], datetime] = lambda: datetime.now(UTC),
        most: int = 100_000,
    ) -> None:  # fmt: skip
        """`fixed` is what each call reserves, in pico-dollars; None is what such calls cost."""
        self.budgets = budgets
        self._max_age = max_age.total_seconds()
        self._fixed = fixed
        self._clock, self._now = clock, now
        self._lock = threading.Lock()
        self._reservations = Reservations(most)
        self._published = Published()
        self._states: dict[str, BudgetState] = {}  # of what was published, by the budget's id
        self._tests = [(budget, budget.id, compiled(budget.where)) for budget in budgets]
        self.answers: Counter[str] = Counter()
        self.wanted: dict[Pair, None] = {}  # pairs whose usual cost somebody needed, the oldest first

    def ask(self, question: Question, owner: str = "") -> Verdict:
        """Whether the call may be made; if so, its amount is set aside."""
        clock, now, published = self._clock(), self._now(), self._published
        fresh = published.read is not None and clock - published.read <= self._max_age
        amount = self._amount(question, published.amounts)
        with self._lock:
            self._reservations.expire(clock)
            matched, needs = self._matched(question, fresh, now)
            certain = fresh and all(one.certain for one in matched)
            verdict = Verdict(tuple(matched), certain, fresh, needs=needs)
            for one in matched:
                reason = _refusal(one, amount)
                if reason is not None:
                    self.answers["refused"] += 1
                    return replace(verdict, refused=one, reason=reason)
            self.answers["allowed"] += 1
            return self._reserve(verdict, question, amount, owner, clock, now)

    def release(self, identity: str, owner: str | None = None) -> bool:
        """End a reservation; whether there was one that `owner` (None: anybody) may end."""
        with self._lock:
            one = self._reservations.get(identity)
            if one is None or (owner is not None and one.owner != owner):
                return False
            return self._reservations.end(identity)

    def publish(self, published: Published, rows: Iterable[Row] = ()) -> None:
        """Take over what was read; `rows` that it counts for the first time end reservations."""
        with self._lock:
            self._reservations.match_off(rows)
            self._published = published
            self._states = {state.budget.id: state for state in published.states}

    @property
    def published(self) -> Published:
        """What was published last."""
        return self._published

    def oldest_reservation(self) -> datetime | None:
        """When the oldest reservation was made; None without any."""
        with self._lock:
            self._reservations.expire(self._clock())
            oldest = self._reservations.oldest
            return oldest.made_at if oldest is not None else None

    def is_fresh(self) -> bool:
        """Whether the figures are younger than the bound."""
        read = self._published.read
        return read is not None and self._clock() - read <= self._max_age

    def totals(self) -> tuple[int, int, int]:
        """What is set aside in pico-dollars, for how many calls, and how many were dropped for want of room."""
        with self._lock:
            self._reservations.expire(self._clock())
            return self._reservations.total, len(self._reservations), self._reservations.dropped

    def _amount(self, question: Question, amounts: Mapping[Pair, int]) -> int:
        if question.estimated_cost is not None:
            return question.estimated_cost
        if self._fixed is not None:
            return self._fixed
        pair = (question.values.get("endpoint"), question.values.get("model"))
        if pair == (None, None):
            return 0
        known = amounts.get(pair)
        if known is None and len(self.wanted) < _MOST_PAIRS:
            self.wanted[pair] = None
        return known or 0

    def _matched(
        self, question: Question, fresh: bool, now: datetime
    ) -> tuple[list[Matched], tuple[tuple[str, str], ...]]:
        matched: list[Matched] = []
        needs: list[tuple[str, str]] = []
        for budget, identity, test in self._tests:
            fits = test(question)
            if fits is False:
                continue
            texts = question.texts(budget.each) if budget.each is not None else (None,)
            if fits is not True or texts is None:
                needs.append((budget.name, fits if isinstance(fits, str) else str(budget.each)))
                continue
            state = self._states.get(identity)
            values = _values(budget, texts, state)
            matched += [self._of_value(budget, (identity, value), state, fresh, now) for value in values]
        return matched, tuple(needs)

    def _of_value(
        self, budget: Budget, key: BudgetKey, state: BudgetState | None, fresh: bool, now: datetime
    ) -> Matched:
        value, reserved = key[1], self._reservations.reserved(key)
        if state is None or state.error:
            return Matched(budget, key, None, reserved, state.resets_at if state else None, False)
        over = state.resets_at is not None and now >= state.resets_at  # figures of a period that has ended
        standing = state.values.get(value)
        spent = standing.spent if standing is not None else 0
        unpriced = standing.unpriced_count if standing is not None else 0
        certain = fresh and not over and spent is not None
        return Matched(budget, key, spent, reserved, state.resets_at, certain, unpriced)

    def _reserve(
        self, verdict: Verdict, question: Question, amount: int, owner: str, clock: float, now: datetime
    ) -> Verdict:
        identity = question.id or f"r_{secrets.token_hex(13)}"
        patience = self._published.patience
        if amount > 0 and verdict.budgets:
            keys = tuple(dict.fromkeys(one.key for one in verdict.budgets))
            traits = tuple(question.texts(name) for name in _TRAITS)
            named = bool(question.id)
            self._reservations.add(Reservation(identity, amount, keys, now, clock + patience, traits, owner, named))
        return replace(verdict, reservation=identity, expires_at=now + timedelta(seconds=patience))


def _values(budget: Budget, texts: tuple[str | None, ...], state: BudgetState | None) -> tuple[str | None, ...]:
    """The values of the budget's dimension: of a key, the form the log knows; of tags, all."""
    if budget.each != "token" or len(texts) < 2 or state is None:
        return texts if budget.each == "tag" else texts[:1]
    known = [text for text in texts if text in state.values]
    return (known[0] if known else texts[0],)


def _refusal(one: Matched, amount: int) -> Reason | None:
    budget = one.budget
    if not budget.is_hard:
        return None
    if not one.certain or one.spent is None:
        return "unknown" if budget.when_unknown == "refuse" else None
    if budget.unpriced == "refuse" and one.unpriced_count:
        return "unpriced"
    if one.spent >= budget.limit:
        return "exhausted"
    return "would_exceed" if one.spent + one.reserved + amount > budget.limit else None
