"""A request log that is read on demand: each question reads its part of the log, whole and as it is now."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cost_top.mirror.store import Mirror
from cost_top.model.credits import Credits
from cost_top.model.engine import Position, RequestPage, page_of
from cost_top.model.errors import SourceError, SourceReplaced
from cost_top.model.feed import UnpricedModel
from cost_top.model.ledger import Ledger, LedgerQuery
from cost_top.model.memory import give_back, keep_little
from cost_top.model.notes import NOT_COUNTED
from cost_top.model.one_source import OfOneSource
from cost_top.model.query import Report, ReportQuery
from cost_top.model.waste import Waste
from cost_top.model.windows import Period
from cost_top.monitor.log.month_end import lend_days, month_end_note, reading
from cost_top.monitor.log.notes import compared_note, read_credits, read_ledger, told
from cost_top.monitor.log.once import read_period
from cost_top.monitor.log.pickers import unpriced_models
from cost_top.monitor.log.stretches import Stretch, Stretches
from cost_top.pricing.book import RateBook
from cost_top.sources.base import LogSource

_DAY = timedelta(days=1)
_PAGE = 200
# The newest requests are looked for in stretches of so many days before the whole rest is read.
_STRETCHES = (timedelta(days=1), timedelta(days=7))


class LogAnswers(OfOneSource):
    """`model.answers.Answers` over a log. Nothing is read before it is asked for; closed days are kept in `cache`.

    Any thread may ask; questions are answered one after another. `SourceError` when the log does not answer.
    """

    def __init__(
        self, open_source: Callable[[], LogSource], load_book: Callable[[], RateBook], cache: Path | None,
        verify: bool = False, asks_once: bool = False,
    ) -> None:  # fmt: skip
        """Both callables are called at the first question, the first again when another log takes the name.

        `cache` None keeps nothing on disk; `verify` compares kept days in all their columns, however long it takes.
        Who `asks_once` for a report of a log of which nothing is kept does not pay for what others would ask.
        """
        self._verify = verify
        self._asks_once = asks_once
        self._open_source = open_source
        self._load_book = load_book
        self._cache = cache
        self._lock = threading.RLock()
        self._log: LogSource | None = None
        self._held: tuple[Period, Mirror] | None = None
        self.untimed: int | None = None  # rows that no period holds, as counted last; None: not, or they could not be
        self._book: RateBook | None = None

    @property
    def label(self) -> str:
        """The log's name; opens it, with `UserError` for what a user can mend."""
        return self._opened().label

    @property
    def book(self) -> RateBook:
        """The rates that requests are priced with."""
        if self._book is None:
            self._book = self._load_book()
        return self._book

    def report(self, query: ReportQuery) -> Report:
        """The exact answer; its notes are the log's own and what the figures lack."""
        with self._lock:
            now = datetime.now(UTC)
            period = reading(query, now) if self._held is None else Period(query.start, query.end)
            with self._read(period, query if self._asks_once else None, counts_untimed=True) as mirror:
                # What an earlier run summed is not summed again, and what this one sums is kept.
                if mirror.told is None:
                    mirror.take_over_sums_of(query)
                if self._held is not None and mirror.untimed is None:  # not counted when it was read
                    with suppress(SourceError), self._opened().connect() as reader:
                        mirror.untimed = reader.untimed()
                self.untimed = mirror.untimed
                report = mirror.report(query, now)
                lend_days(mirror, query, now)
                if mirror.told is None:
                    mirror.take_over_sums(("provider",))
                own, trust = told(mirror, query, report)
                notes = (
                    *([NOT_COUNTED] if mirror.untimed is None else []),
                    *own,
                    *month_end_note(mirror, query, now),
                    *compared_note(mirror, query, now, now),
                )
                while mirror.told is None and mirror.keep_sums():
                    pass
                return replace(report, notes=(*self._opened().notes, *notes), trust=trust)

    def requests(self, query: ReportQuery, after: Position | None = None) -> RequestPage:
        """A page of single requests, of equal times by id; of the newest no more of the log is read than it needs."""
        limit = query.limit or _PAGE
        if query.sort == "cost":
            with self._lock, self._read(Period(query.start, query.end)) as mirror:
                rows = mirror.rows.requests(replace(query, limit=limit + 1), True, after)
                return page_of(rows, limit, dearest=True, after=after)
        end = query.end
        if after is not None and after.time < end:
            end = after.time + timedelta(microseconds=1)
        rows = []
        with self._lock:
            for period in _newest_first(query.start, end):
                wanted = replace(query, start=period.start, end=period.end, limit=limit + 1 - len(rows))
                with self._read(period) as mirror:
                    rows += mirror.rows.requests(wanted, after=after)
                if len(rows) > limit:
                    break
        return page_of(rows, limit, after=after)

    def unpriced(self, query: ReportQuery) -> tuple[UnpricedModel, ...]:
        """The models behind the query's unpriced requests, most tokens first."""
        with self._lock, self._read(Period(query.start, query.end)) as mirror:
            return unpriced_models(mirror, query)

    def waste(self, query: ReportQuery) -> Waste:
        """What the period's spend was wasted on."""
        with self._lock, self._read(Period(query.start, query.end)) as mirror:
            return mirror.waste(query)

    def waste_requests(self, query: ReportQuery, lines: Collection[str], after: Position | None = None) -> RequestPage:
        """A page of the requests behind some lines of `waste`."""
        with self._lock, self._read(Period(query.start, query.end)) as mirror:
            return mirror.waste_requests(query, lines, after)

    def ledger(self, query: LedgerQuery) -> Ledger | None:
        """What is asked of the ledger beside the log; None where there is none."""
        return read_ledger(self._opened(), query)

    def credits(self) -> Credits | None:
        """The balance of the ledger beside the log."""
        return read_credits(self._opened())

    def close(self) -> None:
        """Nothing stays open between questions."""

    @contextmanager
    def held(self, period: Period, is_cut: bool = False, counts_untimed: bool = False) -> Iterator[int]:
        """Inside the block, questions within a period are answered from one reading of it; how many rows that holds.

        A period that `is_cut` out of a day is read as the log has it now, without the rest of the day. `untimed` is set
        where they are asked for.
        """
        keep_little()
        with self._lock:
            with self._read(period, None, counts_untimed, little=True, is_cut=is_cut) as mirror:
                self._held = (period, mirror)
                if counts_untimed:
                    self.untimed = mirror.untimed
                try:
                    yield mirror.row_count()
                finally:
                    self._held = None
            give_back()

    def in_turn(self, period: Period) -> Iterator[Period]:
        """A period in stretches that hold few rows, newest first; each is `held` while it is told. Sets `untimed`."""
        stretches, counts_untimed = Stretches(period), True
        while not stretches.is_done:
            for stretch in self._following(stretches):
                # Where no day is kept, none needs to be read as one.
                is_alone = stretch.is_cut or (stretch.is_counted and self._cache is None)
                with self.held(stretch.period, is_alone, counts_untimed) as rows:
                    counts_untimed = False
                    stretches.held(stretch, rows)
                    yield stretch.period

    def _following(self, stretches: Stretches) -> list[Stretch]:
        log = self._opened()
        with suppress(SourceError), log.connect() as reader:
            reader.took(0)  # how wide a row is, is known then
            return stretches.following(reader.count, getattr(log, "row_width", None))
        return stretches.following(lambda _start, _end: None)  # whoever reads is told why

    def _opened(self) -> LogSource:
        with self._lock:
            if self._log is None:
                self._log = self._open_source()
            return self._log

    @contextmanager
    def _read(
        self, period: Period, query: ReportQuery | None = None, counts_untimed: bool = False, little: bool = False,
        is_cut: bool = False,
    ) -> Iterator[Mirror]:  # fmt: skip
        """The rows of a period; where a `query` is given, perhaps only what a report of it needs."""
        if self._held is not None:
            held, kept = self._held
            if held.start <= period.start and period.end <= held.end:
                yield kept
                return
        log = self._opened()
        asked = self.book, self._cache, period, self._verify, query, counts_untimed, little, is_cut
        try:
            mirror = read_period(log, *asked)
        except SourceReplaced:
            self._log = None
            mirror = read_period(self._opened(), *asked)
        try:
            yield mirror
        finally:
            mirror.close()


def _newest_first(start: datetime, end: datetime) -> Iterator[Period]:
    """`[start, end)` in pieces cut at midnight UTC, so that no closed day is read twice."""
    for stretch in _STRETCHES:
        if start >= end:
            return
        day = (end.astimezone(UTC) - timedelta(microseconds=1)).replace(hour=0, minute=0, second=0, microsecond=0)
        cut = max(start, day - stretch + _DAY)
        yield Period(cut, end)
        end = cut
    if start < end:
        yield Period(start, end)
