"""A report API watched for many faces: one question at a time, the most pressing first, never faster than it bears.

Where questions are billed, the pace follows from a monthly budget, and nothing is asked again while the gateway's
free meter of spend stands still, but for a round now and then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING

from cost_top.insight.runway import question_interval
from cost_top.model.answers import Health
from cost_top.model.credits import Credits
from cost_top.model.engine import Knows, Position, RequestPage
from cost_top.model.errors import (
    CannotAnswer,
    SourceDenied,
    SourceError,
    SourceRefused,
    SourceThrottled,
    UserError,
    named,
)
from cost_top.model.feed import Found, UnpricedModel, unpriced_model
from cost_top.model.one_source import NOTHING, settled_view
from cost_top.model.query import Report, ReportQuery, ReportRow, order_rows
from cost_top.model.snapshot import Asking, Balance, Filling, Load, Snapshot, Stale
from cost_top.model.view import View
from cost_top.model.windows import utc_now
from cost_top.monitor.api.engine import ApiEngine, lens_rows
from cost_top.monitor.api.meter import Meter
from cost_top.monitor.api.pace import LONG_BACKOFF, MONTHLY_BUDGET, Pace
from cost_top.monitor.api.questions import Sheet, Wanted, knows_of, sheet_of
from cost_top.monitor.thread import HubSubscription, HubThread, clock
from cost_top.overview.compose import Facts, compose
from cost_top.overview.needs import Needs, needs_of
from cost_top.overview.periods import running_window
from cost_top.sources.report_api import Capabilities, ReportApi

if TYPE_CHECKING:
    from cost_top.monitor.api.answers import ApiAnswers
    from cost_top.monitor.api.kept import KeptAnswers

_FOUND = 100
_INTERVALS = (15.0, 30.0, 60.0, 120.0, 300.0, 900.0, 1800.0, 3600.0, 7200.0)


class ApiHub(HubThread):
    """`model.answers.Hub` over the report API that `open_api` makes."""

    backoff = LONG_BACKOFF

    def __init__(self, open_api: Callable[[], ReportApi], *, interval: float | None, cache: Path | None) -> None:
        """`interval` None follows from the API and its price. `cache` None keeps nothing on disk."""
        super().__init__(interval or 0.0)
        self._open_api = open_api
        self._cache = cache
        self._api: ReportApi | None = None
        self._kept: KeptAnswers
        self._answers: ApiAnswers
        self._pace: Pace
        self._meter = Meter()
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
    def repeat_seconds(self) -> float:
        """See `Hub`."""
        capabilities = self._capabilities
        return question_interval(capabilities.price, MONTHLY_BUDGET) if capabilities.price else capabilities.interval

    @property
    def _capabilities(self) -> Capabilities:
        assert self._api is not None
        return self._api.capabilities

    @property
    def knows(self) -> Knows:
        """See `Hub`; before the API is open, that of any source."""
        return knows_of(self._capabilities, self.label) if self._api is not None else Knows()

    # Questions

    def refuses(self, view: View) -> str | None:
        """Why the API cannot answer a view: a filter it does not know, or single requests."""
        if self._api is None:
            return None
        if view.mark is not None:
            return self.knows.limits["mark"]
        view = settled_view(view, self.known_name)
        if view.where == NOTHING:
            return f"the source is called {self.known_name}"
        sheet = self._sheet_of(replace(view, lenses=()))
        if not sheet.is_whole and self._capabilities.reach is not None:
            return f"{self.label} goes back {self._capabilities.reach.days} days only"
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
        """The balance as of the last minute; `SourceError` while it cannot be read."""

        def known() -> Credits | None:
            if self._meter.error is not None:
                raise self._meter.error
            return self._meter.credits

        return self.ask(known)

    def find(
        self, view: View, _zone: tzinfo, dimension: str, text: str, reply: Callable[[tuple[Found, ...]], None]
    ) -> None:
        """Values of a dimension for a picker, from the answers of its panel."""
        needle = text.casefold()

        def answer(rows: list[ReportRow]) -> tuple[Found, ...]:
            return tuple(
                Found(row.key[0], row.key[1] if len(row.key) > 1 else None, row.measures.total_cost,
                      row.measures.request_count)
                for row in order_rows(rows, (), "total_cost", descending=True)
                if any(needle in (part or "").casefold() for part in row.key)
            )[:_FOUND]  # fmt: skip

        self.tell(lambda: self._with_rows(view, dimension, lambda rows: reply(answer(rows))))

    def find_unpriced(self, view: View, _zone: tzinfo, reply: Callable[[tuple[UnpricedModel, ...]], None]) -> None:
        """The models whose usage has no rate, from the answers of the models' panel."""

        def answer(rows: list[ReportRow]) -> tuple[UnpricedModel, ...]:
            return tuple(unpriced_model(None, row.key[0], row.measures) for row in rows if row.measures.unpriced_count)

        self.tell(lambda: self._with_rows(view, "model", lambda rows: reply(answer(rows))))

    def _with_rows(self, view: View, dimension: str, use: Callable[[list[ReportRow]], None]) -> None:
        """Hand over the rows of a panel; what it lacks is asked for now. Without an answer, nothing is said."""
        assert self._api is not None
        rows: list[ReportRow] = []
        for lens in self._sheet_of(replace(view, lenses=(dimension,))).lenses:
            try:
                for part in lens.parts:
                    if self._kept.answer(part) is None:
                        self._answers.check_patience()
                        self._answers.fetch(part)
            except (CannotAnswer, SourceError):
                return
            rows = lens_rows(lens, self._kept.answer)
        use(rows)

    def health(self) -> Health:
        """How the API is, as of the last look at it; never waits."""
        return self._health

    def hurry(self) -> None:
        """Ask everything that is on the screen again, as far as its age allows."""
        super().hurry()
        self._pace.hurry()

    # The thread

    def run(self) -> None:
        """Open the API and ask it for what the watches show."""
        from cost_top.monitor.api.answers import ApiAnswers
        from cost_top.monitor.api.kept import KeptAnswers

        api = self._open_api()
        try:
            self._open(api)
            self._kept = KeptAnswers(self._cache, api.identity)
            self._answers = ApiAnswers(api, self._kept)
            self._pace = Pace(api, self._kept, self._meter)
            self._pace.interval = self.interval
            self._api = api
            while not self.stopping.is_set():
                self.obey()
                self._read_meter(api)
                wanted = self._wanted()
                due = self._pace.due(wanted) if clock() >= self._free_at else None
                if due is not None:
                    self._ask_api(api, due)
                self._show(api)
                if due is None:
                    following = min(self._pace.next_due(wanted), self._meter.due)
                    self.rest(max(following, self._free_at) - clock())
        finally:
            api.close()

    @staticmethod
    def _open(api: ReportApi) -> None:
        try:
            api.open()
        except SourceError as error:
            raise UserError(named(api.label, error)) from None

    def set_interval(self, seconds: float) -> None:
        """Seconds between two askings of one question; the price of watching follows."""

        def change() -> None:
            self.interval = self._pace.interval = seconds
            for watch in self.subscriptions:
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
        return list({one.key: one for watch in self.subscriptions for one in self._sheet(watch).wanted()}.values())

    def _totals(self, watches: Iterable[HubSubscription]) -> dict[str, Wanted]:
        """The questions that totals come from, by key."""
        return {one.key: one for watch in watches for one in self._sheet(watch).totals()}

    def _sheet(self, watch: HubSubscription) -> Sheet:
        return self._sheet_of(watch.view)

    def _sheet_of(self, view: View) -> Sheet:
        return sheet_of(self._needs(view).all, utc_now(), self._capabilities)

    def _needs(self, view: View) -> Needs:
        return needs_of(view, utc_now(), UTC, self.knows)

    def _ask_api(self, api: ReportApi, one: Wanted) -> None:
        """Ask one question. What fails for a panel is tried again by itself; what fails for the total tells of all."""
        now, is_total = utc_now(), one.key in self._totals(self.subscriptions)
        self._pace.asked(one)
        try:
            self._answers.fetch(one)
        except (CannotAnswer, SourceError) as error:
            refused = isinstance(error, CannotAnswer | SourceRefused)
            final = refused or (isinstance(error, SourceDenied) and error.final)
            if final and is_total:
                self._end_blank(api, one, error)
            self._pace.failed(one, error, final)
            if isinstance(error, SourceThrottled) or (is_total and not refused):
                self.failed(error, now, clock())
        else:
            self._pace.answered(one)
            if is_total or not isinstance(self.state, Stale):
                self.answered(now)
        for watch in self.subscriptions:
            watch.due = True
        self._pace.forget_all_but(self._wanted())

    def _end_blank(self, api: ReportApi, one: Wanted, error: Exception) -> None:
        """End the watches that have never shown anything and want a total that is refused; for the app this raises."""
        for watch in list(self.subscriptions):
            if one.key in self._totals([watch]) and (watch.last is None or not watch.last.has_figures):
                self.give_up(watch, UserError(named(api.label, error)))

    def _read_meter(self, api: ReportApi) -> None:
        if clock() < max(self._meter.due, self._free_at):
            return
        if self._meter.read(api):
            for watch in self.subscriptions:
                watch.due = True
        if self.subscriptions:
            return  # their questions tell how the API is
        if self._meter.error is not None:
            self.failed(self._meter.error, utc_now(), clock())
        else:
            self.answered(utc_now())

    @property
    def _free_at(self) -> float:
        """When anything may be asked again (monotonic seconds)."""
        return max(self.next_poll, self._answers.throttled_until)

    # Snapshots

    def _show(self, api: ReportApi) -> None:
        now = utc_now()
        wanted = self._wanted()
        for watch in list(self.subscriptions):
            if self.is_news(watch, now):
                reason = self.refuses(watch.view) if watch.last is None else None
                if reason is not None:
                    self.give_up(watch, UserError(reason))
                    continue
                try:
                    snapshot = self._compose(api, watch, wanted)
                except Exception as error:
                    self.give_up(watch, error)
                    continue
                last = watch.last
                if not snapshot.has_figures and last is not None and last.has_figures and last.view == snapshot.view:
                    # A new day's questions have no answer yet: the last figures stay, with their age.
                    snapshot = replace(
                        last, state=self.state, asking=snapshot.asking, balance=snapshot.balance, limits=snapshot.limits
                    )
                # Before the total is known there is nothing to show but why.
                if snapshot.has_figures or isinstance(snapshot.state, Stale) or last is not None:
                    watch.show(snapshot)
        whole = all(self._kept.answer(one) is not None for one in self._totals(self.subscriptions).values())
        self._health = Health(self.state is not None and whole, self.state, None, None)

    def _compose(self, api: ReportApi, watch: HubSubscription, wanted: list[Wanted]) -> Snapshot:
        capabilities, statistics, view = api.capabilities, api.statistics, watch.view
        needs = self._needs(view)
        engine = ApiEngine(
            sheet_of(needs.all, utc_now(), capabilities), self._kept.answer, self.knows, self._pace.reasons
        )
        replies = engine.answers(needs.all)
        questions, (metered, span), (done, total) = self._answers.questions, self._meter.spent, engine.waiting()
        limits = engine.refused_panels()
        if capabilities.running:
            limits["window"] = f"{running_window(view, needs.periods.window.end)} (UTC)"
        known = replies["total"].report is not None
        facts = Facts(
            source=api.label,
            state=self.state if known or isinstance(self.state, Stale) else None,
            filling=Filling(done, total, None, unit="answers") if 0 < done < total else None,
            limits=limits,
            notes=engine.notes(),
            asked_at=engine.asked_at(),
            asking=Asking(
                interval=self._pace.round_interval(wanted),
                questions=questions,
                cost=questions * capabilities.price,
                cost_per_month=self._pace.monthly_cost(wanted),
            ),
            balance=Balance(self._meter.credits, metered=metered, metered_span=span),
            load=Load(statistics.queries, statistics.database_ms, statistics.bytes_read, statistics.rows_read),
        )
        return compose(needs, replies, engine.knows, facts)
