"""How a filter's period is cut where closed days are held as integers: into runs of days that are summed at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from cost_top.mirror.deadline import Deadline
from cost_top.mirror.fact_sums import Question
from cost_top.mirror.fact_values import unit_of_lens, units_of
from cost_top.mirror.kept import first_of_run
from cost_top.mirror.report import naive
from cost_top.mirror.slices import Cuts, Slice, finely, is_minute, quarter_of, until_quarter
from cost_top.model.engine import Need
from cost_top.model.filter import Filter
from cost_top.model.query import TIME_DIMENSIONS

if TYPE_CHECKING:
    from cost_top.mirror.days import ClosedDay
    from cost_top.mirror.store import Mirror

_DAY, _HOUR = timedelta(days=1), timedelta(hours=1)
_QUARTER = timedelta(minutes=15)
_ROWS_AT_ONCE = 3_000_000
_MOST_EDGES = 24  # of one filter
_MOST_CUTS = 2000  # of one filter
# Groups of a lens with more values are kept in tables.
_FEW_VALUES = 2000
_REMEMBERED = 40  # periods of each filter looked at
_NO_CUTS = Cuts(())


class Runs:
    """Used by the thread of the sums."""

    def __init__(self, mirror: Mirror) -> None:
        """Reads the mirror's closed days."""
        self._mirror = mirror
        self._edges: dict[Filter, set[datetime]] = {}  # days that a filter's periods begin or end with
        self._cuts: dict[Filter, Cuts] = {}  # at which its sums by provider are
        self._joined: dict[tuple[int, Filter, frozenset[str] | None], tuple[list[Slice], list[Slice]]] = {}
        self._version = -1
        self._held: dict[frozenset[str], dict[date, ClosedDay]] = {}  # days held as integers of these units
        self._cut: dict[Filter, dict[datetime, Slice]] = {}  # how an hour was cut first
        self.filters = 6  # that are looked at

    def follow(self, needs: Iterable[Need]) -> list[Filter]:
        """Cut where these needs are cut; the filters whose sums so far are cut otherwise."""
        changed = []
        wanted: dict[Filter, list[Need]] = {}
        for need in needs:
            if need.query.where:
                wanted.setdefault(need.query.where, []).append(need)
        for where, of_filter in wanted.items():
            edges = {midnight for need in of_filter for midnight in _midnights(need)}
            asked = _cuts_of(of_filter)
            known, cuts = self._edges.get(where, set()), self._cuts.get(where, _NO_CUTS)
            # Of the hot end nothing is summed yet that would be cut otherwise.
            if edges <= known and asked.until(self._mirror.hot_start) <= cuts:
                continue
            if where in self._edges:
                changed.append(where)
            if len(self._edges) > _REMEMBERED * self.filters:
                longest_ago = next(iter(self._edges))
                del self._edges[longest_ago]
                self._cuts.pop(longest_ago, None)
                changed.append(longest_ago)  # how its sums are cut is not known any more
            self._edges[where] = known | edges if len(known | edges) <= _MOST_EDGES else edges
            self._cuts[where] = cuts | asked if len(cuts | asked) <= _MOST_CUTS else asked
            self._joined.clear()
        return changed

    def cuts(self, where: Filter) -> Cuts:
        """At which sums of a run's providers are cut."""
        return self._cuts.get(where, _NO_CUTS)

    def tells_times(self, where: Filter) -> bool:
        """Whether the sums of a filter are kept by the quarter of an hour; otherwise as coarsely as they were asked."""
        return where not in self._edges or self.cuts(where).every

    def needed(self, where: Filter, lenses: Sequence[str]) -> frozenset[str] | None:
        """The units that sums by lenses need of integer rows; None where they are to be made of the rows themselves."""
        if not where or not lenses or where not in self._edges:
            return None
        of_filter = units_of(where)
        units = frozenset(map(unit_of_lens, lenses))
        values = self._mirror.facts.values.of
        if of_filter is None or any(not 0 < len(values[unit]) <= _FEW_VALUES for unit in units):
            return None
        return units | of_filter

    def join(self, where: Filter, slices: list[Slice], needed: frozenset[str] | None) -> list[Slice]:
        """Slices, an hour whose cut moves cut finely; of integer rows those of one file, or day, are put together."""
        if where and where not in self._edges:
            return slices  # nothing of it is kept
        self._follow_days()
        key = id(slices), where, needed
        if key not in self._joined:
            if len(self._joined) > _REMEMBERED * self.filters:
                self._joined.clear()
            self._joined[key] = slices, self._join(where, slices, needed)
        return self._joined[key][1]

    def _join(self, where: Filter, slices: list[Slice], needed: frozenset[str] | None) -> list[Slice]:
        parts = [
            piece for part in sorted(slices)
            for piece in (finely(part) if not part.is_whole and self._moves(where, part) else (part,))
        ]  # fmt: skip
        return parts if needed is None else self._together(where, parts, needed)

    def _together(self, where: Filter, parts: Iterable[Slice], needed: frozenset[str]) -> list[Slice]:
        edges = self._edges[where]
        found: list[Slice] = []
        for part in parts:
            before = found[-1] if found else None
            if (
                before is not None and part.end - part.start == _DAY and before.end == part.start
                and before.end - before.start >= _DAY and part.start not in edges
                and first_of_run(part.start.date()) != part.start.date()
                and self.days(before, needed) and self.days(part, needed)
            ):  # fmt: skip
                found[-1] = Slice(before.start, part.end)
            elif before is not None and _are_hours(before, part) and self.days(part, needed):
                found[-1] = Slice(before.start, part.end)
            else:
                found.append(part)
        return found

    def _moves(self, where: Filter, part: Slice) -> bool:
        """Whether a filter's hour is cut at another minute than before: an edge that goes on with the clock."""
        cut = self._cut.setdefault(where, {})
        hour = part.start.replace(minute=0, second=0, microsecond=0)
        if len(cut) > _MOST_EDGES and hour not in cut:
            cut.clear()
        while len(self._cut) > _REMEMBERED * self.filters:
            del self._cut[next(iter(self._cut))]
        return cut.setdefault(hour, part) != part

    def _follow_days(self) -> None:
        if self._version != self._mirror.facts.version:
            self._version = self._mirror.facts.version
            self._joined.clear()
            self._held.clear()

    def _days_of(self, needed: frozenset[str]) -> dict[date, ClosedDay]:
        self._follow_days()
        if needed not in self._held:
            facts, closed = self._mirror.facts, self._mirror.closed
            self._held[needed] = {
                day: closed[day] for day in facts.held if day in closed and facts.has(closed[day], needed)
            }
        return self._held[needed]

    def build(self, where: Filter, wanted: Mapping[Slice, Mapping[str, None]], until: Deadline) -> bool:
        """Sum what of a filter's slices is held as integers, newest first; False when `until` passed before all was."""
        rollups, facts = self._mirror.rollups, self._mirror.facts
        if not where:
            return True
        together: dict[tuple[str, ...], dict[Slice, list[ClosedDay]]] = {}
        # Cut days are summed in one go, for every lens that one of them is wanted for: planning costs more than they.
        of_cut = dict.fromkeys(lens for piece, named in wanted.items() if _is_cut(piece) for lens in named)
        for piece, named in wanted.items():
            lenses, every = (
                tuple(lens for lens in lenses if rollups.number(where, lens, piece) is None)
                for lenses in (named, of_cut)
            )
            for asked in (every, lenses) if lenses and _is_cut(piece) else (lenses,):
                needed = self.needed(where, asked)
                if needed is not None and (days := self.days(piece, needed)):
                    together.setdefault(asked, {})[piece] = days
                    break
        is_first = True
        for lenses, pieces in sorted(together.items(), key=lambda item: max(item[1]), reverse=True):
            question = Question(lenses, self.cuts(where))
            for chunk in _by_rows(pieces):
                # Once all are summed, the hours of the hot end take less than to show the days without them.
                if not is_first and until.has_passed:
                    return False
                is_first = False
                numbers = {piece: place for place, piece in enumerate(chunk)}
                days_read = {day.day: day for piece in chunk for day in pieces[piece]}
                found = facts.ask(where, question, numbers, days_read.values())
                rollups.hold(where, lenses, {piece: found[place] for piece, place in numbers.items()})
        return True

    def with_next(
        self, where: Filter, wanted: Mapping[Slice, Mapping[str, None]]
    ) -> dict[Slice, Mapping[str, None]]:  # fmt: skip
        """With the minutes that an edge which goes on with the clock comes to next, where one is to be summed."""
        every = dict(wanted)
        for piece, named in wanted.items():
            if is_minute(piece) and any(self._mirror.rollups.number(where, lens, piece) is None for lens in named):
                for following in until_quarter(piece):
                    every.setdefault(following, named)
        return every

    def days(self, part: Slice, needed: frozenset[str]) -> list[ClosedDay]:
        """The closed days that a slice lies in, where all are held as integers; none otherwise."""
        days: list[ClosedDay] = []
        if part.start >= self._mirror.hot_start:
            return days
        held, start = self._days_of(needed), part.start.date()
        while _midnight(start) < part.end:
            day = held.get(start)
            if day is None:
                return []
            days.append(day)
            start += _DAY
        return days


def _are_hours(before: Slice, part: Slice) -> bool:
    """Whether stretches are whole hours of one day, one after the other: of a day that is cut, once an hour others."""
    hours = (before.end - before.start) % _HOUR or (part.end - part.start) % _HOUR
    return not hours and before.end == part.start and before.start.date() == part.start.date() and (
        before.start.minute == before.start.second == before.start.microsecond == 0
    )  # fmt: skip


def _is_cut(piece: Slice) -> bool:
    return piece.end - piece.start < _DAY


def _by_rows(pieces: Mapping[Slice, Sequence[ClosedDay]]) -> Iterator[list[Slice]]:
    """Pieces together that are of so many rows, newest first: something can be shown in between."""
    chunk: list[Slice] = []
    days: dict[date, int] = {}
    for piece in sorted(pieces, reverse=True):
        of_piece = {day.day: day.row_count for day in pieces[piece]}
        if chunk and sum((days | of_piece).values()) > _ROWS_AT_ONCE:
            yield chunk
            chunk, days = [], {}
        chunk.append(piece)
        days |= of_piece
    if chunk:
        yield chunk


def _midnights(need: Need) -> tuple[datetime, ...]:
    """The whole days that a need's period begins and ends with; none where it has no whole day."""
    start, end = naive(need.query.start), naive(need.query.end)
    first = _midnight(start.date()) + (_DAY if start > _midnight(start.date()) else timedelta(0))
    if need.open_end:
        return (first,)
    return (first, _midnight(end.date())) if first < _midnight(end.date()) else ()


def _cuts_of(needs: Iterable[Need]) -> Cuts:
    """The quarters of an hour that needs are cut at, those apart that are cut finer and so told from the rows."""
    needs = tuple(needs)
    stretches = [need.edges for need in needs if need.edges and need.edges[1] - need.edges[0] >= _QUARTER]
    quarters = {quarter_of(naive(edge)) for edges in stretches for edge in edges}
    return Cuts(quarters, any(set(TIME_DIMENSIONS) & set(need.query.group_by) for need in needs))


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day)
