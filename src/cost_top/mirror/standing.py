"""Answers that stand: a view asks the same for a minute, and what no row came to is told again as it was."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from cost_top.mirror.report import naive
from cost_top.mirror.slices import Slice
from cost_top.model.engine import Need, Reply

if TYPE_CHECKING:
    from cost_top.mirror.store import Mirror


@dataclass(slots=True)
class Stood:
    """A whole answer and the sums it was made of; no `numbers` where it was made of rows."""

    need: Need
    slices: Sequence[Slice]
    numbers: tuple[int, ...] | None
    reply: Reply  # by ids
    told: Reply  # with names
    version: int
    uncut: Sequence[Slice]  # the need's period as the mirror cuts it for everybody

    def put(self, reply: Reply, told: Reply, version: int) -> None:
        """Take another answer over the same sums."""
        self.reply, self.told, self.version = reply, told, version

    def told_at(self, as_of: datetime) -> Reply:
        """The same answer, at another time."""
        report = self.told.report
        return self.told if report is None else replace(self.told, report=replace(report, as_of=as_of))


class Standing:
    """The last whole answers to sets of needs. Used by the thread of the sums."""

    def __init__(self, mirror: Mirror) -> None:
        """Knows none yet."""
        self._mirror = mirror
        # The sets are kept beside their answers, so that no other one can come to have their identity.
        self._kept: OrderedDict[int, tuple[Sequence[Need], tuple[object, ...], list[Stood]]] = OrderedDict()

    def of(self, needs: Sequence[Need]) -> list[Stood] | None:
        """The answers to this very set of needs; None where other sums than those stand behind it by now."""
        kept = self._kept.get(id(needs))
        if kept is None:
            return None
        _, frame, answers = kept
        if frame != self._frame() or any(self._uncut(one.need) is not one.uncut for one in answers):
            del self._kept[id(needs)]
            return None
        self._kept.move_to_end(id(needs))
        return answers

    def keep(
        self,
        needs: Sequence[Need],
        found: Iterable[tuple[Need, Sequence[Slice], tuple[int, ...] | None, Reply, Reply]],
        most: int,
    ) -> None:
        """Keep answers, if all are whole: of each need its slices, the numbers of their sums, the reply and as named.

        So many sets are kept at `most`.
        """
        answers = [Stood(*one, self.version(one[2]), self._uncut(one[0])) for one in found]
        if any(one.reply.missing is not None for one in answers):
            return
        self._kept[id(needs)] = needs, self._frame(), answers
        while len(self._kept) > most:
            self._kept.popitem(last=False)

    def version(self, numbers: tuple[int, ...] | None) -> int:
        """Rises with every row that comes to sums."""
        return self._mirror.rollups.version(numbers or ())

    def _uncut(self, need: Need) -> Sequence[Slice]:
        return self._mirror.slices(naive(need.query.start), None if need.open_end else naive(need.query.end))

    def _frame(self) -> tuple[object, ...]:
        """What stays as it is as long as the same sums stand behind the same needs."""
        mirror = self._mirror
        return (*mirror.version(()), mirror.oldest, mirror.rollups.dropped, mirror.facts.version)
