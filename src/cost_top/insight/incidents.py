"""Incidents: what the rules say becomes one thing that opens, takes in what belongs to it, and closes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from cost_top.insight.beginning import beginning
from cost_top.insight.calendar import DAY, HOUR
from cost_top.insight.candidate import Candidate
from cost_top.insight.levels import RATIOS, STILL, WINDOWS
from cost_top.insight.standing import Slice, Standing
from cost_top.insight.usual import usual

MERGED_KINDS = ("spike", "price")
UNPAID_KINDS = ("silence", "errors")  # which say nothing of what was spent
_NEWS_AFTER = 2 * HOUR
_TAKEN_IN = (*MERGED_KINDS, "loop")
_EACH_DEARER = ("price", "double")  # where each request costs too much, not few of them
_EXPLAINED = 0.75  # of an excess, by what each request costs too much
_SPOKEN = 6 * HOUR  # in which half of the requests of a week ago end a silence
_STAYS = 0.4  # of the excess at which it opened
_ENOUGH = 20  # requests that would show it


@dataclass(slots=True)
class Incident:
    """All times are buckets: `opened` and `closed` are the ends of the last bucket seen then, `began` is when it began
    by the log alone. `also` were taken in."""

    first: Candidate
    began: int
    opened: int
    last_fire: int
    closed: int | None = None
    peak: int = 0  # highest cost of an hour, pico-dollars
    also: list[Slice] = field(default_factory=list)
    carriers: frozenset[Slice] = frozenset()  # that carried half of it when it opened

    @property
    def part(self) -> Slice:
        """The slice it speaks of."""
        return (self.first.dimension, self.first.value)


class Incidents:
    """The open ones and all there were, in order of their opening."""

    def __init__(self, quiet: int) -> None:
        """An incident closes after `quiet` buckets without its rule firing."""
        self.all: list[Incident] = []
        self.open: list[Incident] = []
        self._quiet = quiet

    def take(self, candidates: Iterable[Candidate], standing: Standing) -> list[Incident]:
        """Sort the candidates of one instant into incidents; those that opened now are returned."""
        end = standing.end
        for incident in self.open:
            if _goes_on(incident, standing):
                incident.last_fire = end
            elif end - incident.last_fire >= self._quiet and not _is_undecided(incident, standing):
                incident.closed = end
        self.open = [incident for incident in self.open if incident.closed is None]
        opened: list[Incident] = []
        for candidate in sorted(candidates, key=_order):
            known = self._known(candidate) or self._belongs(candidate, standing)
            if known is not None:
                part = (candidate.dimension, candidate.value)
                if part != known.part and part not in known.also:
                    known.also.append(part)
                known.last_fire = end
                continue
            if self._is_told(candidate, standing):
                continue
            incident = Incident(candidate, self._beginning(candidate, standing), end, end)
            if candidate.kind not in UNPAID_KINDS:
                incident.carriers = _carriers(candidate, standing)
            self.all.append(incident)
            self.open.append(incident)
            opened.append(incident)
        for incident in self.open:
            series = standing.series.get(incident.part)
            if series is not None:
                incident.peak = max(incident.peak, series.spent(end - HOUR, end))
        return opened

    def _beginning(self, candidate: Candidate, standing: Standing) -> int:
        """When it began, which is after the last one of its kind and slice was over."""
        part = (candidate.dimension, candidate.value)
        alike = (one.last_fire for one in self.all if one.part == part and one.first.kind == candidate.kind)
        return beginning(candidate, standing, self._quiet, max(alike, default=0))

    def _known(self, candidate: Candidate) -> Incident | None:
        part = (candidate.dimension, candidate.value)
        for incident in self.open:
            if incident.part == part and incident.first.kind == candidate.kind:
                return incident
        if candidate.kind in MERGED_KINDS:
            for incident in self.open:
                if incident.first.kind in MERGED_KINDS and (part == incident.part or part in incident.also):
                    return incident
        return None

    def _belongs(self, candidate: Candidate, standing: Standing) -> Incident | None:
        """The open incident without which half or more of this excess would not be."""
        if candidate.kind not in _TAKEN_IN:
            return None
        for incident in self.open:
            if _explains(incident, candidate, standing):
                return incident
        return None

    def _is_told(self, candidate: Candidate, standing: Standing) -> bool:
        """Whether half or more of this excess was spent in an incident that is over: a long window still holds it.

        Of a silence, whether nothing came since it was told.
        """
        if candidate.kind == "silence":
            return any(one.part == (candidate.dimension, candidate.value) and one.first.kind == "silence"
                       and one.first.started == candidate.started for one in reversed(self.all))  # fmt: skip
        if candidate.kind not in MERGED_KINDS:
            return False
        part, start = (candidate.dimension, candidate.value), standing.end - candidate.window
        for incident in reversed(self.all):
            until = incident.last_fire
            if incident.closed is None or until <= start or incident.first.kind in UNPAID_KINDS:
                continue
            if incident.part not in standing.series:
                continue
            spent, share = standing.common(part, incident.part, candidate.window, until)
            usual_cost = _usual(candidate, share, incident.part, standing) * (until - start) / candidate.window
            if 2 * (spent - usual_cost) >= candidate.excess:
                return True
        return False


def _goes_on(incident: Incident, standing: Standing) -> bool:
    """Whether a spike that opened is still a good part of what it was: it takes less to stay than to come. A silence
    goes on until half as much comes as a week ago."""
    first, end = incident.first, standing.end
    series = standing.series.get(incident.part)
    if first.kind == "silence" and series is not None:
        last = standing.calendar.back(end, 7)
        return 2 * series.count(end - _SPOKEN, end) < series.count(last - _SPOKEN, last)
    if first.kind != "spike" or series is None:
        return False
    spent = series.spent(end - first.window, end)
    if spent - first.usual <= _STAYS * first.excess:
        return False
    now = usual(series, first.window, end, standing.first, standing.calendar)
    expected = standing.raised(series, first.window, end, now).cost
    index = WINDOWS.index(first.window)
    still = series.spent(end - STILL[index], end)
    return (
        spent > RATIOS[index] * expected
        and spent - expected > _STAYS * first.excess
        and still > RATIOS[index] * expected * STILL[index] / first.window
    )


def _is_undecided(incident: Incident, standing: Standing) -> bool:
    """Whether too few requests came, as at night, to say that an endpoint is no longer dearer."""
    series = standing.series.get(incident.part)
    quiet = standing.end - incident.last_fire
    return (
        incident.first.kind == "price"
        and series is not None
        and quiet < DAY
        and series.count(incident.last_fire, standing.end) < _ENOUGH
    )


def _explains(incident: Incident, candidate: Candidate, standing: Standing) -> bool:
    """Whether what a candidate says is no more than what an open incident does, seen elsewhere."""
    part, first = (candidate.dimension, candidate.value), incident.first
    if first.kind in UNPAID_KINDS or not {part, incident.part} <= standing.series.keys():
        return False
    if first.kind in _EACH_DEARER and _dearer(incident, candidate, standing) >= _EXPLAINED * candidate.excess:
        return True
    if first.kind == "double":
        return False
    spent, share = standing.common(part, incident.part, candidate.window)
    is_old = standing.end - incident.opened > _NEWS_AFTER
    if is_old and part not in incident.carriers and _is_inside(candidate, spent, standing):
        return False
    return 2 * (spent - _usual(candidate, share, incident.part, standing)) >= candidate.excess


def _dearer(incident: Incident, candidate: Candidate, standing: Standing) -> float:
    """What of a candidate is too much because each request of the incident costs more, or stands there twice."""
    part, first = (candidate.dimension, candidate.value), incident.first
    cells = [
        cell
        for cell in standing.lately(candidate.window)
        if cell.bucket >= incident.began
        and standing.holds(part, cell.names, cell.tags)
        and standing.holds(incident.part, cell.names, cell.tags)
    ]
    if first.kind == "price":
        return sum(cell.paid_cost - first.rate * (cell.tokens if first.per == "token" else cell.paid) for cell in cells)
    # Rows are there twice from the first of them on, not in all of the window.
    whole = standing.total.spent(first.started, incident.opened)
    return sum(cell.cost for cell in cells) * first.excess / max(1, whole)


def _carriers(candidate: Candidate, standing: Standing) -> frozenset[Slice]:
    """The slices within one that carry half or more of its excess."""
    part = (candidate.dimension, candidate.value)
    sums: dict[Slice, int] = {}
    for cell in standing.lately(candidate.window):
        if standing.holds(part, cell.names, cell.tags):
            for name in standing.watched:
                value = cell.names[standing.places[name]]
                if value is not None:
                    sums[name, value] = sums.get((name, value), 0) + cell.cost
    return frozenset(
        one for one, cost in sums.items()
        if 2 * cost >= candidate.excess
        and 2 * (cost - candidate.usual * standing.common(part, one, candidate.window)[1]) >= candidate.excess
    )  # fmt: skip


def _is_inside(candidate: Candidate, common: int, standing: Standing) -> bool:
    series = standing.series[candidate.dimension, candidate.value]
    return common == series.spent(standing.end - candidate.window, standing.end)


def _usual(candidate: Candidate, share: float, other: Slice, standing: Standing) -> float:
    """What is usual of the requests that a candidate and another slice have in common."""
    own = candidate.usual * share
    theirs = usual(standing.series[other], candidate.window, standing.end, standing.first, standing.calendar).cost
    return min(own, theirs)


def _order(candidate: Candidate) -> tuple[float, str, str, str]:
    return (-candidate.rank, candidate.dimension, candidate.value or "", candidate.kind)
