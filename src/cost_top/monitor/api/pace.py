"""When a report API is asked what: within its patience, its price, and what failed just now."""

from __future__ import annotations

import random
from dataclasses import dataclass

from cost_top.insight.runway import question_interval
from cost_top.model.errors import one_line
from cost_top.monitor.api.kept import KeptAnswers
from cost_top.monitor.api.meter import METER_SECONDS, Meter
from cost_top.monitor.api.questions import Wanted
from cost_top.monitor.patience import BACKOFF, FINAL_SECONDS
from cost_top.monitor.thread import clock
from cost_top.sources.report_api import ReportApi

# What watching may cost a month by default, closed days that are asked anew each day included.
MONTHLY_BUDGET = 14 * 10**12
LONG_BACKOFF = (*BACKOFF, 60.0, 120.0, 300.0)  # others' APIs are asked ever less while they fail
_MONTH_DAYS = 30
_DAY_SECONDS = 86400
# Each day the closed part of a question moves on twice: when the window's start does, and when a day has settled.
_ROLLOVERS = 2 * _MONTH_DAYS
# While the meter stands still a billed question is repeated after so many rounds: spend on own keys does not move it.
_QUIET_ROUNDS = 6
_JITTER = 0.1


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a question is not asked until then (monotonic seconds), and how often in a row it failed before."""

    reason: str
    until: float
    failures: int = 0


class Pace:
    """Which question is due. Used on one thread."""

    def __init__(self, api: ReportApi, kept: KeptAnswers, meter: Meter) -> None:
        """`kept` knows what was asked when."""
        self._api = api
        self._kept = kept
        self._meter = meter
        self.interval = 0.0  # the user's; 0: by the API and its price
        self._hurried = 0.0
        self._spread: dict[str, float] = {}
        self._troubles: dict[str, Trouble] = {}

    @property
    def reasons(self) -> dict[str, str]:
        """By key, why questions are not asked now."""
        return {key: trouble.reason for key, trouble in self._troubles.items()}

    def hurry(self) -> None:
        """Ask everything again, as far as its age allows."""
        self._hurried = clock()
        self._troubles.clear()

    def due(self, wanted: list[Wanted]) -> Wanted | None:
        """The first question without an answer, else the open one that is most overdue."""
        for one in wanted:
            if self._kept.answer(one) is None and not self.is_waiting(one):
                return one
        overdue = [(self._due_at(one, wanted), one) for one in wanted if not one.closed and not self.is_waiting(one)]
        first = min(overdue, key=lambda pair: pair[0], default=None)
        return first[1] if first is not None and first[0] <= clock() else None

    def next_due(self, wanted: list[Wanted]) -> float:
        """When the next question is due (monotonic seconds)."""
        waiting = [one for one in wanted if self.is_waiting(one)]
        dues = [self._due_at(one, wanted) for one in wanted if not one.closed and one not in waiting]
        if any(self._kept.answer(one) is None for one in wanted if one not in waiting):
            dues.append(0.0)
        dues += [self._troubles[one.key].until for one in waiting if one.key in self._troubles]
        return min(dues, default=clock() + METER_SECONDS)

    def is_waiting(self, one: Wanted) -> bool:
        """Whether a question is not to be asked now: the API has no answer to it, or failed at it just now."""
        trouble = self._troubles.get(one.key)
        if trouble is not None and clock() < trouble.until:
            return True
        reason = self._api.refuses(one.question)
        if reason is not None:
            self._troubles[one.key] = Trouble(reason, clock() + FINAL_SECONDS)
        return reason is not None

    def asked(self, one: Wanted) -> None:
        """A question is being asked; its next turn gets a jitter of its own."""
        self._spread.pop(one.key, None)

    def answered(self, one: Wanted) -> None:
        """A question was answered."""
        self._troubles.pop(one.key, None)

    def failed(self, one: Wanted, error: Exception, final: bool) -> None:
        """A question failed: it waits, longer each time; a refused one until it is asked for by hand."""
        before = self._troubles.get(one.key)
        failures = before.failures + 1 if before is not None else 0
        wait = FINAL_SECONDS if final else LONG_BACKOFF[min(failures, len(LONG_BACKOFF) - 1)]
        self._troubles[one.key] = Trouble(one_line(error), clock() + wait, failures)

    def forget_all_but(self, wanted: list[Wanted]) -> None:
        """Drop what is known of questions that nobody asks any more."""
        known = {one.key for one in wanted}
        self._troubles = {key: trouble for key, trouble in self._troubles.items() if key in known}

    def round_interval(self, wanted: list[Wanted]) -> float:
        """Seconds between two askings of one question: the user's, the API's, or what the budget allows."""
        capabilities = self._api.capabilities
        if self.interval:
            # Whoever pays may ask as often as they like; others' patience is not ours to spend.
            return self.interval if capabilities.price else max(self.interval, capabilities.shortest_interval)
        if capabilities.interval or not capabilities.price:
            return capabilities.interval or METER_SECONDS
        left = max(MONTHLY_BUDGET - self._rollovers(wanted), MONTHLY_BUDGET // 4)
        return float(question_interval(capabilities.price, left) * max(1, _open_count(wanted)))

    def monthly_cost(self, wanted: list[Wanted]) -> int:
        """What a month of these questions costs at this interval, in pico-dollars; 0 where asking is free."""
        repeated = _open_count(wanted) * self._api.capabilities.price * _MONTH_DAYS * _DAY_SECONDS
        return round(repeated / self.round_interval(wanted)) + self._rollovers(wanted)

    def _rollovers(self, wanted: list[Wanted]) -> int:
        return _ROLLOVERS * sum(one.closed for one in wanted) * self._api.capabilities.price

    def _due_at(self, one: Wanted, wanted: list[Wanted]) -> float:
        asked = self._kept.asked_at(one)
        if asked is None:
            return 0.0
        capabilities, interval = self._api.capabilities, self.round_interval(wanted)
        if self._hurried > asked:
            return asked + min(interval, capabilities.shortest_interval)
        quiet = bool(capabilities.price) and self._meter.stood_still(asked, capabilities.lag)
        spread = self._spread.setdefault(one.key, random.uniform(1 - _JITTER, 1 + _JITTER))  # noqa: S311
        return asked + interval * (_QUIET_ROUNDS if quiet else 1) * spread


def _open_count(wanted: list[Wanted]) -> int:
    return sum(not one.closed for one in wanted)
