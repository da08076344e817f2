"""Which closed day is held against the log next, and when: all in turn, newest first, for a small share of its time."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from datetime import date

from cost_top.mirror.days import ClosedDay, Rung
from cost_top.sources.base import COSTLY_SHARE

# A round of the window's days takes this long, for a window of `_FEW_ROWS` and one of `_MANY_ROWS`: no sooner than is
# promised, since each look costs as much as the rows it reads, and later only on a host that is too busy for it.
ROUND_SECONDS = (240.0, 780.0)
GREATEST_SHARE = 0.1
_FEW_ROWS, _MANY_ROWS = 100_000, 5_000_000
_FIRST_SECONDS = 0.5  # between days kept from an earlier run, which nobody has held against the log yet
_FIRST_SHARE = 0.1
_APART = 10.0  # seconds between questions to a source whose rows come whole only
# Of several small days so many are compared in one go: in a round, and of those kept from an earlier run.
_ROWS, _FIRST_ROWS = 20_000, 100_000
# Where a window has more rows than this, a day is held against its sums alone in some rounds: in one of two with up to
# twice as many, in two of three with up to three times as many. Rows that came late or are gone, tokens and cost show
# in each round then, other columns in the last of these: a digest costs four times what sums do.
_DIGEST_ROWS = 2_000_000
_OLDER = 6  # every so manieth look is at days from before the window
_WITH_OLDER = 1 + 1 / (_OLDER - 1)


class Comparing:
    """Used by one thread; `clock` is monotonic seconds."""

    def __init__(self, costly: bool, reads_whole: bool) -> None:
        """As `LogSource` has it."""
        self._costly = costly or reads_whole
        self._plain = Rung.SUMS if reads_whole else Rung.PLAIN
        self._least = _APART if reads_whole else 0.0
        self._window: list[date] = []
        self._older: list[date] = []
        self._all: list[date] = []
        self._count = 0
        self._first: set[date] = set()
        self._changed: set[date] = set()  # in the round under way
        self._changed_before: set[date] = set()  # in the round before
        self._due = 0.0
        self._costly_due = 0.0
        self._round = ROUND_SECONDS[0]
        self._by_sums: dict[date, int] = {}  # so many times in a row
        self._asked: tuple[Rung, float, float, float] | None = None  # rung, clock, milliseconds before, part of a round

    @property
    def rung(self) -> Rung:
        """What days are compared by as a rule."""
        return self._plain

    def kept(self, days: Collection[date]) -> None:
        """These days were kept from an earlier run: they come first, and soon."""
        self._first = set(days)
        self._window = sorted(self._first)
        self._due = 0.0

    def changed(self, day: date, closed: Collection[date]) -> None:
        """A day was found to be another than was held. Where it was not so in the round before, others may have changed
        with it: all come soon. A day that changes in every round hurries nobody."""
        if not self._first and day not in self._changed_before:
            rest = [one for one in closed if one not in self._changed and one != day]
            self._first, self._window, self._due = set(rest), sorted(rest), 0.0
        self._changed.add(day)

    def next(
        self, closed: Mapping[date, ClosedDay], window: date, clock: float, spent_ms: float
    ) -> tuple[list[ClosedDay], Rung]:
        """The days to compare now and their rung, none while it is too early.

        `window` is the first day of the longest window, `spent_ms` the log's time taken by readers so far. To be
        called only when what was given last is done.
        """
        self._settle(clock, spent_ms)
        if clock >= self._due and (days := self._in_turn(closed, window)):
            held = [day for one, day in closed.items() if one >= window]
            rows = sum(day.row_count for day in held)
            self._round = _round_seconds(rows)
            rung = self._rung_of(days, 1 + rows // _DIGEST_ROWS)
            self._asked = rung, clock, spent_ms, len(days) / max(1, len(held)) / _WITH_OLDER
            return days, rung
        if self._costly and clock >= self._costly_due:
            self._all = [one for one in self._all if one in closed] or sorted(closed)
            if self._all:
                self._asked = Rung.ALL, clock, spent_ms, 0.0
                return [closed[self._all.pop()]], Rung.ALL
        return [], self._plain

    def _rung_of(self, days: list[ClosedDay], rounds: int) -> Rung:
        """That of a look at some days, in one of so many rounds by all of their columns."""
        if self._first or rounds == 1:
            return self._plain
        # Not all days are in the same round: what changes many of them is seen with the next few looks.
        before = max(self._by_sums.get(day.day, day.day.toordinal() % rounds) for day in days)
        by_sums = before + 1 < rounds
        self._by_sums.update(dict.fromkeys((day.day for day in days), before + 1 if by_sums else 0))
        return Rung.SUMS if by_sums else self._plain

    def _settle(self, clock: float, spent_ms: float) -> None:
        """Rest after what was given last, by what it took."""
        if self._asked is None:
            return
        (rung, asked, before, part), self._asked = self._asked, None
        spent = (spent_ms - before) / 1000
        if rung is Rung.ALL:
            self._costly_due = max(clock, asked + max(_APART, spent / COSTLY_SHARE))
        elif self._first:
            self._due = max(clock, asked + max(_FIRST_SECONDS, self._least, spent / _FIRST_SHARE))
        else:
            rest = max(self._round * part, spent / GREATEST_SHARE, self._least)
            self._due = max(clock, asked + rest)

    def _in_turn(self, closed: Mapping[date, ClosedDay], window: date) -> list[ClosedDay]:
        self._count += 1
        self._window = [day for day in self._window if day in closed]
        if not self._window:
            self._first.clear()
            self._changed_before, self._changed = self._changed, set()
            self._window = sorted(day for day in closed if day >= window)
        self._older = [day for day in self._older if day in closed and day < window]
        if not self._older:
            self._older = sorted(day for day in closed if day < window)
        older = not self._window or (not self._first and self._count % _OLDER == 0)
        turn = self._older if self._older and older else self._window
        days: list[ClosedDay] = []
        most = _FIRST_ROWS if self._first else _ROWS
        while turn and (not days or sum(day.row_count for day in days) + closed[turn[-1]].row_count <= most):
            days.append(closed[turn.pop()])
        return days


def _round_seconds(rows: int) -> float:
    """How long a round of so many rows takes: ten times the rows take the same time longer, whatever their number."""
    least, most = ROUND_SECONDS
    part = math.log(max(rows, 1) / _FEW_ROWS) / math.log(_MANY_ROWS / _FEW_ROWS)
    return least + (most - least) * min(1.0, max(0.0, part))
