"""The rates that go along with statements: those of the models that a log's rows name."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from cost_top.monitor.cluster.sheet import Sheet, sheet_of
from cost_top.monitor.cluster.statements import Periods, Rates, Statements
from cost_top.monitor.cluster.texts import Texts

_SETTLED = timedelta(minutes=15)  # rows of other models come so late at most
_LOOKED_AGAIN = 600.0  # seconds after which all of it is: rows of days ago may be imported


class _Seen:
    """The stretch of time whose models are known, up to where rows still come."""

    def __init__(self) -> None:
        self._from: datetime | None = None
        self._until: datetime | None = None

    def without(self, period: tuple[datetime, datetime | None]) -> list[tuple[datetime, datetime | None]]:
        """What of a period is not known."""
        start, end = period
        if self._from is None or self._until is None or start > self._until or (end is not None and end < self._from):
            return [period]
        found: list[tuple[datetime, datetime | None]] = []
        if start < self._from:
            found.append((start, self._from))
        if end is None or end > self._until:
            found.append((max(start, self._until), end))
        return found

    def add(self, periods: Periods, settled: datetime) -> None:
        """Periods were looked through; what touches the known stretch makes it longer."""
        for start, end in sorted(periods, key=lambda period: period[0], reverse=True):
            last = settled if end is None else min(end, settled)
            if last <= start:
                continue
            if self._from is None or self._until is None:
                self._from, self._until = start, last
            elif start <= self._until and last >= self._from:
                self._from, self._until = min(self._from, start), max(self._until, last)


class Rated:
    """The models seen so far and their rates."""

    def __init__(
        self, ask: Callable[[str], list[tuple[Any, ...]]], statements: Statements, texts: Texts, overlap: timedelta
    ) -> None:  # fmt: skip
        """`ask` runs a statement; rows come `overlap` late."""
        self._ask, self._statements, self._texts, self._overlap = ask, statements, texts, overlap
        self._seen, self._seen_since = _Seen(), time.monotonic()
        self._modes = not statements.has_costly_modes
        self._models: set[tuple[Any, ...]] = set()
        self._rates: tuple[tuple[int, int], Rates] | None = None

    def rates(self, periods: Periods, has_sheet: bool = False) -> Rates:
        """The rates of every model of some periods, which are not looked through where their sheet was just made. A
        model that was seen is not forgotten, a closed stretch of time is looked through every ten minutes."""
        known = self._known() if has_sheet else self._look(periods)
        if self._rates is None or self._rates[0] != known:
            self._rates = known, self._made_rates()
        return self._rates[1]

    def sheet(self, periods: Periods) -> Sheet:
        """The same as lists."""
        self._look(periods)
        models = {((one, other, mode, region), shown)
                  for provider, model, mode, region in self._models
                  for one, other, shown in self._spellings(provider, model)}  # fmt: skip
        return sheet_of(models, self._statements.join.book, periods)

    def look_for_modes(self) -> None:
        """Rows were odd: from now on their modes are looked for too, however costly that is."""
        if not self._modes:
            self._modes, self._seen = True, _Seen()

    def _look(self, periods: Periods) -> tuple[int, int]:
        """Have the models of some periods; changes with what is known."""
        settled = datetime.now(UTC) - max(_SETTLED, self._overlap)
        if time.monotonic() - self._seen_since > _LOOKED_AGAIN:
            self._seen, self._seen_since = _Seen(), time.monotonic()
        wanted = [part for period in periods for part in self._seen.without(period)]
        if wanted:
            rows = self._ask(self._statements.models(wanted, self._modes))
            self._models.update(
                (provider, model, *(mode or (None,)), region) for provider, model, region, *mode in rows
            )
            self._seen.add(wanted, settled)
        return self._known()

    def _known(self) -> tuple[int, int]:
        return len(self._models), self._texts.version

    def _spelled(self) -> dict[tuple[str | None, str | None], tuple[str | None, str | None]]:
        """Provider and model as rows may say them, with what is shown of both."""
        return {(one, other): shown for provider, model, _, _ in self._models
                for one, other, shown in self._spellings(provider, model)}  # fmt: skip

    def _spellings(
        self, provider: str | None, model: str | None
    ) -> list[tuple[str | None, str | None, tuple[str | None, str | None]]]:
        """The same of one of them: a filter compares what is shown, so rows may come that way too."""
        shown = (self._texts.shown("provider", provider), self._texts.shown("model", model))
        return [(one, other, shown) for one in {provider, shown[0]} for other in {model, shown[1]}]

    def _made_rates(self) -> Rates:
        join = self._statements.join
        pairs: list[Sequence[object]] = []
        slots: list[Sequence[object]] = []
        for logged, shown in self._spelled().items():
            mine, rates = join.rows([shown], len(slots))
            pairs += [(*logged, *row[2:]) for row in mine]
            slots += rates
        return Rates(pairs, slots)
