"""A report API watched for many faces: one question at a time, the most pressing first, never faster than it bears.

Where questions are billed, the pace follows from a monthly budget, and nothing is asked again while the gateway's
free meter of spend stands still.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING

from cost_top.insight.runway import question_interval
from cost_top.model.answers import Health, Position, RequestPage
from cost_top.model.credits import Credits
from cost_top.model.errors import CannotAnswer, SourceError, UserError, one_line
from cost_top.model.feed import Found, UnpricedModel
from cost_top.model.query import Report, ReportQuery
from cost_top.model.snapshot import Snapshot, Stale, Watching
from cost_top.model.view import View
from cost_top.monitor.hub import HubThread, WatchOfHub, clock, utc_now
from cost_top.monitor.polled_compose import Asking, compose
from cost_top.monitor.polled_plan import Wanted, sheet_of
from cost_top.sources.base import SourceDenied, SourceRefused
from cost_top.sources.report_api import Capabilities, ReportApi

if TYPE_CHECKING:
    from cost_top.monitor.api_answers import ApiAnswers
    from cost_top.monitor.kept_answers import KeptAnswers

# What watching may cost a month by default: 1 % of it is left for the closed days asked anew at each midnight.
MONTHLY_BUDGET = 14 * 10**12
_MONTH_SECONDS = 30 * 86400
_METER_SECONDS = 60.0
# While the meter stands still a billed question is repeated after so many rounds: spend on own keys does not move it.
_QUIET_ROUNDS = 6
_METER_SPAN = timedelta(hours=1)
_JITTER = 0.1
_NO_ANSWER_SECONDS = 3600.0  # until a denied or refused question is tried again by itself
_FOUND = 100
_INTERVALS = (15.0, 30.0, 60.0, 120.0, 300.0, 900.0, 1800.0, 3600.0, 7200.0)


@dataclass(frozen=True, slots=True)
class _Refusal:
    reason: str
    until: float  # monotonic seconds


class PolledHub(HubThread):
    """`model.answers.Hub` over the report API that `open_api` makes."""

    on_demand = True

    def __init__(self, open_api: Callable[[], ReportApi], *, interval: float | None, cache: Path | None) -> None:
        """`interval` None follows from the API and its price. `cache` None keeps nothing on disk."""
        super().__init__(interval or 0.0)
        self._open_api = open_api
        self._cache = cache
        self._api: ReportApi | None = None
        self._kept: KeptAnswers
        self._answers: ApiAnswers
        self._refusals: dict[str, _Refusal] = {}
        self._credits: Credits | None = None
        self._meter_due = 0.0
        self._meter_moved = 0.0
        self._meter: deque[tuple[datetime, int]] = deque()  # (when, total used) of the last hour
        self._asked = 0
        self._hurried = 0.0
        self._spread: dict[str, float] = {}
        self._health = Health(False, None, None, None)

    @property
    def label(self) -> str:
        """The API's name; empty before it is open."""
        return self._api.label if self._api is not None else ""

    @property
    def intervals(self) -> tuple[float, ...]:
        """Seconds between questions that the keys step through: not below what the API or its price bears."""
        least = self._capabilities.shortest_interval if self._api is not None else 0.0
        return tuple(seconds for seconds in _INTERVALS if seconds >= least)

    @property
    def question_seconds(self) -> float:
        """See `Hub`."""
        capabilities = self._capabilities
        return question_interval(capabilities.price, MONTHLY_BUDGET) if capabilities.price else capabilities.interval

    @property
    def _capabilities(self) -> Capabilities:
        assert self._api is not None
        return self._api.capabilities

    # Questions

    def refuses(self, view: View) -> str | None:
        """Why the API cannot answer a view: a filter it does not know, or single requests."""
        if self._api is None:
            return None
        if view.requests_open:
            return self._capabilities.limits.get("requests", f"{self.label} tells no single requests")
        if view.mark is not None:
            return f"{self.label} tells whole hours or days: a mark needs single requests"
        sheet = sheet_of(replace(view, lenses=()), utc_now(), self._capabilities)
        reasons = (self._api.refuses(one.question) for one in sheet.wanted())
        return next((f"{self.label}: {reason}" for reason in reasons if reason is not None), None)

    def report(self, query: ReportQuery) -> Report:
        """The API's answer."""
        return self.ask(lambda: self._answers.report(query))

    def requests(self, query: ReportQuery, after: Position | None = None) -> RequestPage:
        """Not told by report APIs."""
        return self.ask(lambda: self._answers.requests(query, after))

    def unpriced(self, query: ReportQuery) -> tuple[UnpricedModel, ...]:
        """Models whose usage has no rate."""
        return self.ask(lambda: self._answers.unpriced(query))

    def credits(self) -> Credits | None:
        """The balance as of the last minute."""
        return self.ask(lambda: self._credits)

    def find(
        self, view: View, _zone: tzinfo, dimension: str, text: str, reply: Callable[[tuple[Found, ...]], None]
    ) -> None:
        """Values of a dimension for a picker, from the question that its panel would ask."""
        self.tell(lambda: reply(self._found(view, dimension, text)))

    def find_unpriced(self, view: View, _zone: tzinfo, reply: Callable[[tuple[UnpricedModel, ...]], None]) -> None:
        """The models whose usage has no rate."""

        def answer() -> tuple[UnpricedModel, ...]:
            period = sheet_of(view, utc_now(), self._capabilities).period
            try:
                return self._answers.unpriced(ReportQuery(period.start, period.end, where=view.where))
            except (CannotAnswer, SourceError):
                return ()

        self.tell(lambda: reply(answer()))

    def health(self) -> Health:
        """How the API is, as of the last look at it; never waits."""
        return self._health

    def hurry(self) -> None:
        """Ask everything that is on the screen again, as far as its age allows."""
        super().hurry()
        self._hurried = clock()
        self._refusals.clear()

    def _found(self, view: View, dimension: str, text: str) -> tuple[Found, ...]:
        period = sheet_of(view, utc_now(), self._capabilities).period
        query = ReportQuery(period.start, period.end, (dimension,), view.where)
        try:
            rows = self._answers.report(query).rows
        except (CannotAnswer, SourceError):
            return ()
        needle = text.casefold()
        found = [
            Found(
                row.key[0],
                row.key[1] if len(row.key) > 1 else None,
                row.measures.total_cost,
                row.measures.request_count,
            )
            for row in rows
            if any(needle in (part or "").casefold() for part in row.key)
        ]
        return tuple(found[:_FOUND])

    # The thread

    def run(self) -> None:
        """Open the API and ask it for what the watches show."""
        from cost_top.monitor.api_answers import ApiAnswers
        from cost_top.monitor.kept_answers import KeptAnswers

        api = self._open_api()
        try:
            self._open(api)
            self._kept = KeptAnswers(self._cache, api.identity)
            self._answers = ApiAnswers(api, self._kept)
            self._api = api
            while not self.stopping.is_set():
                self.obey()
                self._read_meter(api)
                wanted = self._wanted()
                due = self._due(wanted) if clock() >= self.next_poll else None
                if due is not None:
                    self._ask_api(api, due)
                self._show(api)
                if due is None:
                    self.rest(self._pause(wanted))
        finally:
            api.close()

    @staticmethod
    def _open(api: ReportApi) -> None:
        try:
            api.open()
        except SourceError as error:
            told = one_line(error)
            raise UserError(told if api.label in told else f"{api.label}: {told}") from None

    def set_interval(self, seconds: float) -> None:
        """Seconds between two askings of one question; the price of watching follows."""

        def change() -> None:
            self.interval = seconds
            for watch in self.watches:
                watch.due = True

        self.tell(change)

    def close(self) -> None:
        """End the thread; a request under way is broken off."""
        self.stopping.set()
        if self._api is not None:
            self._api.cancel()
        super().close()

    def _wanted(self) -> list[Wanted]:
        """The questions of all views, each once."""
        now, found = utc_now(), dict[str, Wanted]()
        for watch in self.watches:
            for one in sheet_of(watch.view, now, self._capabilities).wanted():
                found.setdefault(one.key, one)
        return list(found.values())

    def _due(self, wanted: list[Wanted]) -> Wanted | None:
        """The first question without an answer, else the open one that is most overdue."""
        for one in wanted:
            if self._kept.answer(one) is None and not self._is_refused(one):
                return one
        overdue = [(self._due_at(one, wanted), one) for one in wanted if not one.closed and not self._is_refused(one)]
        first = min(overdue, key=lambda pair: pair[0], default=None)
        return first[1] if first is not None and first[0] <= clock() else None

    def _due_at(self, one: Wanted, wanted: list[Wanted]) -> float:
        asked = self._kept.asked_at(one)
        if asked is None:
            return 0.0
        interval = self.round_interval(wanted)
        if self._hurried > asked:
            return asked + min(interval, self._capabilities.shortest_interval)
        rounds = _QUIET_ROUNDS if self._is_quiet(asked) else 1
        return asked + interval * rounds * self._spread.setdefault(one.key, random.uniform(1 - _JITTER, 1 + _JITTER))  # noqa: S311

    def _is_quiet(self, asked: float) -> bool:
        """Whether nothing was spent since a billed question was asked, by the free meter and its delay."""
        capabilities = self._capabilities
        if not capabilities.price or self._credits is None or self._credits.total_used is None:
            return False
        return asked > self._meter_moved + 2 * capabilities.lag.total_seconds()

    def _is_refused(self, one: Wanted) -> bool:
        assert self._api is not None
        refusal = self._refusals.get(one.key)
        if refusal is not None and clock() < refusal.until:
            return True
        reason = self._api.refuses(one.question)
        if reason is not None:
            self._refusals[one.key] = _Refusal(reason, clock() + _NO_ANSWER_SECONDS)
        return reason is not None

    def round_interval(self, wanted: list[Wanted]) -> float:
        """Seconds between two askings of one question: the user's, the API's, or what the budget allows."""
        capabilities = self._capabilities
        if self.interval:
            return self.interval
        if capabilities.interval or not capabilities.price:
            return capabilities.interval or 60.0
        open_questions = sum(not one.closed for one in wanted)
        return float(question_interval(capabilities.price, MONTHLY_BUDGET) * max(1, open_questions))

    def _ask_api(self, api: ReportApi, one: Wanted) -> None:
        now, began = utc_now(), clock()
        missing = self._kept.missing(one)
        self._asked += 1
        self._spread.pop(one.key, None)
        try:
            self._kept.keep(missing, api.ask(missing.question), began)
        except SourceRefused as error:
            if self._is_blank(one):
                raise UserError(f"{api.label}: {one_line(error)}") from None
            self._refusals[one.key] = _Refusal(one_line(error), clock() + _NO_ANSWER_SECONDS)
        except SourceError as error:
            if isinstance(error, SourceDenied) and self._is_blank(one):
                raise UserError(f"{api.label}: {one_line(error)}") from None
            self.failed(error, now, clock())
            if isinstance(error, SourceDenied) and isinstance(self.state, Stale):
                # Trying again alone does not help; `r` does it when the key is right.
                self.next_poll = clock() + _NO_ANSWER_SECONDS
                retry = (now + timedelta(seconds=_NO_ANSWER_SECONDS)).replace(microsecond=0)
                self.state = replace(self.state, retry_at=retry)
        else:
            self.answered(now)
        for watch in self.watches:
            watch.due = True
        now_clock = clock()
        self._refusals = {key: one for key, one in self._refusals.items() if one.until > now_clock}

    def _is_blank(self, one: Wanted) -> bool:
        """Whether a total is asked for, and nothing has ever been shown."""
        return one.question.dimension is None and all(
            watch.last is None or watch.last.state is None for watch in self.watches
        )

    def _read_meter(self, api: ReportApi) -> None:
        """Read the balance, which is free, once a minute."""
        if clock() < self._meter_due or clock() < self.next_poll:
            return
        self._meter_due = clock() + _METER_SECONDS
        try:
            found = api.credits()
        except SourceError:
            return  # the questions tell what is wrong
        before = self._credits
        if found is not None and found.total_used is not None:
            if self._meter and found.total_used < self._meter[-1][1]:
                self._meter.clear()  # restated, or begun anew: no negative spend
            self._meter.append((found.as_of, found.total_used))
            while found.as_of - self._meter[0][0] > _METER_SPAN:
                self._meter.popleft()
        if found is not None and (before is None or before.total_used != found.total_used):
            self._meter_moved = clock()
        if found != before:
            self._credits = found
            for watch in self.watches:
                watch.due = True

    def _pause(self, wanted: list[Wanted]) -> float:
        """Seconds until something is due."""
        dues = [self._due_at(one, wanted) for one in wanted if not one.closed and not self._is_refused(one)]
        if any(self._kept.answer(one) is None and not self._is_refused(one) for one in wanted):
            dues.append(0.0)
        following = max(min(dues, default=clock() + _METER_SECONDS), self.next_poll)
        return min(max(following - clock(), 0.05), max(self._meter_due - clock(), 0.05))

    # Snapshots

    def _show(self, api: ReportApi) -> None:
        now = utc_now()
        wanted = self._wanted()
        for watch in list(self.watches):
            if self.is_news(watch, now):
                try:
                    snapshot = self._compose(api, watch, now, wanted)
                except Exception as error:
                    self.give_up(watch, error)
                    continue
                last = watch.last
                if not snapshot.log_rows and last is not None and last.log_rows and last.view == snapshot.view:
                    # A new day's questions have no answer yet: the last figures stay, with their age.
                    snapshot = replace(last, state=self.state, polling=snapshot.polling)
                # Before the total is known there is nothing to show but why.
                if snapshot.log_rows or isinstance(snapshot.state, Stale) or last is not None:
                    watch.show(snapshot)
        known = [answer for one in wanted if (answer := self._kept.answer(one)) is not None]
        newest = max((answer.as_of for answer in known), default=None)
        ready = self.state is not None and len(known) + len(self._refusals) >= len(wanted)
        self._health = Health(ready or not self.watches, self.state, newest, None)

    def _compose(self, api: ReportApi, watch: WatchOfHub, now: datetime, wanted: list[Wanted]) -> Snapshot:
        capabilities, statistics = api.capabilities, api.statistics
        interval = self.round_interval(wanted)
        open_questions = sum(not one.closed for one in wanted)
        questions = self._asked + self._answers.questions
        asking = Asking(
            interval=interval,
            questions=questions,
            cost=questions * capabilities.price,
            cost_per_month=round(open_questions * capabilities.price * _MONTH_SECONDS / interval),
            credits=self._credits,
            metered=self._meter[-1][1] - self._meter[0][1] if len(self._meter) > 1 else None,
            metered_span=self._meter[-1][0] - self._meter[0][0] if self._meter else timedelta(0),
            watching=Watching(statistics.queries, statistics.database_ms, statistics.bytes_read, statistics.rows_read),
        )
        refused = {key: refusal.reason for key, refusal in self._refusals.items()}
        sheet = sheet_of(watch.view, now, capabilities)
        return compose(watch.view, sheet, self._kept.answer, capabilities, asking, refused, api.label, self.state)
