"""Rule D for many hands: the same prompts of an endpoint sent again and again, at whatever pace."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cost_top.insight.calendar import DAY, HOUR
from cost_top.insight.candidate import Candidate
from cost_top.insight.series import Series
from cost_top.insight.shares import Shares
from cost_top.insight.standing import Slice, Standing
from cost_top.insight.usual import usual
from cost_top.model.features import Cell

_WINDOWS = (HOUR // 2, HOUR, 3 * HOUR)
_FEWEST = 20
_SHARE = 0.5  # of the paid requests
_RATIO = 4.0  # times what is usually repeated
_FLOOR = 0.25  # mean hours
_HABIT = 5  # days of a month
_ALONE = 4  # times as much of one session: an agent whose context is full repeats its length


class Repeated:
    """Paid requests whose input is as long as that of one of the same names in the same five minutes."""

    def __init__(self, names: tuple[str, ...], watched: tuple[str, ...]) -> None:
        self._token, self._user = names.index("token"), names.index("user")
        self._named = [(name, names.index(name)) for name in ("endpoint", "token") if name in watched]
        self.shares = Shares()

    def add(self, bucket: int, day: int, cells: Iterable[Cell]) -> None:
        """What a bucket of a local day brought."""
        sums: dict[Slice, list[int]] = {}
        for cell in cells:
            if cell.paid:
                found = sums.setdefault(self._slice(cell.names), [0, 0, 0, 0])
                for place, value in enumerate((cell.paid, cell.paid_cost, cell.again, _cost(cell))):
                    found[place] += value
        for part, (paid, paid_cost, again, cost) in sums.items():
            self.shares.add(part, bucket, day, (paid, paid_cost), (again, cost))

    def habit(self, token: str, standing: Standing) -> int:
        """What is repeated of the slice on which a key spent most in the last hour, within an hour on five days."""
        sums: dict[Slice, int] = {}
        place = standing.places["token"]
        for cell in standing.lately(HOUR):
            if cell.names[place] == token:
                part = self._slice(cell.names)
                sums[part] = sums.get(part, 0) + cell.cost
        known = self.shares.get(max(sums, key=lambda part: sums[part])) if sums else None
        return known.often(0, standing.day, _HABIT) if known is not None else 0

    def check(self, standing: Standing, least: int) -> list[Candidate]:
        """The slices that repeat themselves now and usually do not; `least` is the smallest excess worth a word."""
        enough = max(least, _FLOOR * standing.mean_hour)
        found = (
            self._check(part, everything, again, standing, enough)
            for part, (everything, again) in self.shares.items()
            if again.at and again.at[-1] == standing.end - 1
        )
        return [candidate for candidate in found if candidate is not None]

    def _check(
        self, part: Slice, everything: Series, again: Series, standing: Standing, enough: float
    ) -> Candidate | None:
        end = standing.end
        for window in _WINDOWS:
            start = end - window
            count, cost = again.count(start, end), again.spent(start, end)
            if count < _FEWEST or cost <= enough or count < _SHARE * everything.count(start, end):
                continue
            before = everything.spent(start - 7 * DAY, start)
            share = again.spent(start - 7 * DAY, start) / before if before else 0.0
            same_time = usual(again, window, end, standing.first, standing.calendar).cost
            known = max(same_time, share * everything.spent(start, end))
            if cost <= _RATIO * known or cost - known <= enough:
                continue
            alone_count, alone_cost = self._dearest_session(part, window, standing)
            is_of_many = count - alone_count >= _FEWEST / 2 and cost - alone_cost - known > enough / 2
            if is_of_many or (count >= _ALONE * _FEWEST and cost - known > _ALONE * enough):
                return Candidate("loop", *part, window, again.first_in(start, end), cost, round(known))
        return None

    def _dearest_session(self, part: Slice, window: int, standing: Standing) -> tuple[int, int]:
        """Repeated requests, and their cost, of the key and user that repeat most dearly."""
        sessions: dict[tuple[str | None, str | None], list[int]] = {}
        for cell in standing.lately(window):
            if cell.again and self._slice(cell.names) == part:
                who = cell.names[self._token], cell.names[self._user]
                found = sessions.setdefault(who, [0, 0])
                found[0] += cell.again
                found[1] += _cost(cell)
        count, cost = max(sessions.values(), key=lambda one: one[1], default=(0, 0))
        return count, cost

    def _slice(self, names: Sequence[str | None]) -> Slice:
        """The endpoint; the key where there is none; else all."""
        return next(((name, names[place]) for name, place in self._named if names[place] is not None), ("total", None))


def _cost(cell: Cell) -> int:
    """What the repeated requests of a cell cost, each as much as its mean."""
    return cell.paid_cost * cell.again // cell.paid if cell.paid else 0
