"""Sums of a log that is answered where it lives, piece of time by piece: a tick asks for the hot end alone."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from heapq import nsmallest
from typing import Any

from cost_top.mirror.measures import ADDITIVE_NAMES, TRUST, measures_of
from cost_top.model.filter import Filter
from cost_top.model.query import TOKENS, Measures, ReportRow
from cost_top.monitor.cluster.cluster import Cluster
from cost_top.monitor.cluster.newest import NewestRows
from cost_top.monitor.cluster.pieces import DAY, FOREVER, QUARTER, Piece, chunks, closed_pieces, periods, stretch_of
from cost_top.monitor.cluster.sheet import Sheet
from cost_top.monitor.cluster.statements import BARS, LENS_FIELDS, looks_at_prices, micros_of
from cost_top.monitor.cluster.verdicts import trust_sums

Key = tuple[str | None, ...]
TRUSTED = "trust"
_KEPT_FILTERS = 6
# Rows may change after they were closed: a piece of the last day is asked again after so long, older ones after that.
_LATELY, _LONG = 300.0, 3600.0
# A window's edge moves once a minute, and leaves a piece behind: what was not looked at for so long is forgotten.
_UNUSED = 600.0
_TRUST_NAMES = tuple(name for name in TRUST if name != "with_tag")
_COST = ADDITIVE_NAMES.index("total_cost")


@dataclass(slots=True)
class Group:
    """What one key of a lens amounts to in a piece."""

    newest: int
    named_at: int
    name: str | None
    sums: tuple[int, ...]

    def plus(self, other: Group) -> Group:
        """Both together; the newer name holds."""
        name, at = (self.name, self.named_at) if self.named_at >= other.named_at else (other.name, other.named_at)
        return Group(max(self.newest, other.newest), at, name, tuple(map(int.__add__, self.sums, other.sums)))


Groups = dict[Key, Group]


@dataclass(slots=True)
class _Kept:
    """The sums of one filter."""

    groups: dict[tuple[str, Piece], Groups] = field(default_factory=dict)
    at: dict[tuple[str, Piece], float] = field(default_factory=dict)  # when they were asked for (monotonic seconds)
    trust: dict[Piece, dict[str, int]] = field(default_factory=dict)
    used: dict[Piece, float] = field(default_factory=dict)  # when they were looked at (monotonic seconds)
    aged: set[Piece] = field(default_factory=set)  # to be asked for again; until then they count as they are
    merged: dict[tuple[object, ...], Groups] = field(default_factory=dict)  # of what is closed
    of_now: dict[tuple[object, ...], Groups] = field(default_factory=dict)  # with the hot end, until one more is known

    def forget(self, pieces: Set[Piece]) -> None:
        """All that is known of them."""
        self.of_now.clear()
        if not pieces:
            return
        for store in (self.groups, self.at):
            for found in [each for each in store if each[1] in pieces]:
                del store[found]
        for piece in pieces:
            self.used.pop(piece, None)
            self.trust.pop(piece, None)
            self.aged.discard(piece)
        self.merged = {key: groups for key, groups in self.merged.items() if pieces.isdisjoint(key)}


class Sums:
    """Used on the cluster's thread."""

    def __init__(self, cluster: Cluster, settled: timedelta, newest: NewestRows) -> None:
        """A request's figures may still change for `settled` after it began."""
        self._cluster = cluster
        self.newest = newest
        self._settled = settled
        self._kept: OrderedDict[Filter, _Kept] = OrderedDict()
        self._hot = 0  # where the hot end begins
        self._names = cluster.texts.version
        self.tick(datetime.now(UTC))

    def tick(self, now: datetime) -> None:
        """From now on the hot end is to be asked for anew."""
        self._hot = micros_of(now - self._settled) // QUARTER * QUARTER
        self.newest.tick(now, self._hot)
        if self._names != self._cluster.texts.version:
            # Groups go by the names that the log keeps, and prices too.
            self._names = self._cluster.texts.version
            self._kept.clear()
        clock = time.monotonic()
        for kept in self._kept.values():
            kept.forget({piece for piece, at in kept.used.items() if self._is_hot(piece) or clock - at > _UNUSED})

    def _is_hot(self, piece: Piece) -> bool:
        return piece.end is None or piece.end > self._hot

    def pieces(self, start: datetime, end: datetime | None) -> tuple[Piece, ...]:
        """The pieces of a period: whole days, hours and quarters of hours that are closed, and what is not."""
        first, last = micros_of(start), None if end is None else micros_of(end)
        closed = self._hot if last is None else min(self._hot, last)
        found = list(closed_pieces(first, closed, self._cluster.statements.spelled.days_at_once == 1))
        hot = max(first, min(self._hot, closed) if found else first)
        if last is None or hot < last:
            found.append(Piece(hot, last))
        return tuple(found)

    # Building

    def missing(self, where: Filter, lenses: Iterable[str], pieces: Iterable[Piece]) -> list[tuple[str, Piece]]:
        """What is not known of these."""
        kept, pieces = self._of(where), tuple(pieces)
        kept.used.update(dict.fromkeys(pieces, time.monotonic()))
        return [
            (lens, piece) for lens in lenses for piece in pieces
            if (piece not in kept.trust if lens == TRUSTED else (lens, piece) not in kept.groups)
        ]  # fmt: skip

    def build(self, where: Filter, wanted: Mapping[Piece, Iterable[str]], until: float) -> bool:
        """Ask for what is missing, newest first; false when the monotonic clock passed `until` before the end."""
        together: dict[tuple[str, ...], list[Piece]] = {}
        aged = self._of(where).aged
        for piece, lenses in wanted.items():
            missing = (lens for lens, _ in self.missing(where, lenses, (piece,)))
            lacking = tuple(dict.fromkeys(lenses if piece in aged else missing))
            if lacking:
                together.setdefault(lacking, []).append(piece)
        for lenses, pieces in sorted(
            together.items(), key=lambda item: max(piece.start for piece in item[1]), reverse=True
        ):
            ordered = sorted(pieces, key=lambda piece: (piece.start, piece.end or FOREVER))
            at_once = self._cluster.statements.spelled.days_at_once
            for chunk in chunks(ordered, at_once, at_once > 1 and self._cluster.is_small):
                for some in self._by_place(chunk):
                    self._ask(where, lenses, some)
                if time.monotonic() > until:
                    return False
        return True

    def _by_place(self, pieces: Sequence[Piece]) -> list[list[Piece]]:
        """Pieces whose rows are here, and those that the cluster sums."""
        here = [piece for piece in pieces if self.newest.cover(piece.start)]
        return [some for some in (here, [piece for piece in pieces if piece not in here]) if some]

    def refresh(self, where: Filter, lenses: Iterable[str], pieces: Iterable[Piece]) -> None:
        """Have one closed piece that was asked for long ago asked for again: its rows may have changed."""
        kept, now = self._of(where), time.monotonic()
        for piece in pieces:
            age = _LATELY if piece.start > self._hot - DAY else _LONG
            if piece not in kept.aged and any(now - kept.at.get((lens, piece), now) > age for lens in lenses):
                kept.aged.add(piece)
                return

    def _of(self, where: Filter) -> _Kept:
        if where not in self._kept:
            self._kept[where] = _Kept()
            while len(self._kept) > _KEPT_FILTERS:
                self._kept.popitem(last=False)
        self._kept.move_to_end(where)
        return self._kept[where]

    def _ask(self, where: Filter, lenses: Sequence[str], pieces: Sequence[Piece]) -> None:
        kept, now = self._of(where), time.monotonic()
        # The trust line needs no lens of its own: it is summed with the first one.
        summed = [lens for lens in lenses if lens != TRUSTED] or ["provider"]
        found: dict[tuple[str, Piece], Groups] = {(lens, piece): {} for lens in summed for piece in pieces}
        by_start = {piece.start: piece for piece in pieces}
        trusted = {piece: dict.fromkeys(_TRUST_NAMES, 0) for piece in pieces}
        rows = self._summed(where, summed, pieces, TRUSTED in lenses)
        for number, shown, quarter, at, newest, named_at, name, *figures in rows:
            piece = by_start[int(at)]
            if number >= len(summed):
                for one, figure in trust_sums(int(shown or 0), *map(int, figures)).items():
                    trusted[piece][one] += figure
                continue
            lens = summed[number]
            key: Key = (shown, str(quarter)) if lens == BARS else (shown,)
            group = Group(int(newest), int(named_at), name, tuple(map(int, figures[: len(ADDITIVE_NAMES)])))
            groups = found[lens, piece]
            groups[key] = groups[key].plus(group) if key in groups else group
            if TRUSTED in lenses and number == 0 and len(figures) > len(ADDITIVE_NAMES):
                trust = trusted[piece]
                for one, figure in zip(_TRUST_NAMES, figures[len(ADDITIVE_NAMES) :], strict=True):
                    trust[one] += int(figure)
        again = kept.aged & set(pieces)
        if again:
            # Its other lenses are of before: they are asked for when they are wanted.
            for place in [each for each in kept.groups if each[1] in again and each not in found]:
                del kept.groups[place]
            if TRUSTED not in lenses:
                for piece in again:
                    kept.trust.pop(piece, None)
            kept.aged -= again
            kept.merged.clear()
        if TRUSTED in lenses:
            kept.trust.update(trusted)
        for place, groups in found.items():
            kept.groups[place], kept.at[place] = groups, now
        kept.of_now.clear()

    def _summed(
        self, where: Filter, lenses: Sequence[str], pieces: Sequence[Piece], trust: bool
    ) -> Iterable[Sequence[Any]]:  # fmt: skip
        """The rows of `Statements.lenses`, their keys as they are shown."""
        cluster = self._cluster
        cluster.refuse(where)
        if all(self.newest.cover(piece.start) for piece in pieces):
            yield from self.newest.lenses(where, pieces, lenses, trust)
            return
        if cluster.statements.spelled.plain is not None and not looks_at_prices(where):
            yield from self._plain(where, lenses, pieces, trust)
        else:
            yield from self._priced(where, lenses, pieces, trust)

    def _plain(
        self, where: Filter, lenses: Sequence[str], pieces: Sequence[Piece], trust: bool
    ) -> Iterable[Sequence[Any]]:  # fmt: skip
        """As `_summed`; what `trust_sums` takes of each of its keys is numbered after the lenses."""
        cluster, statements = self._cluster, self._cluster.statements
        spelled = statements.spelled.plain
        assert spelled is not None
        within, has_odd = periods(pieces), False
        sheet, parameters = cluster.sheet(within), {}  # type: Sheet, dict[str, object]
        condition = statements.condition(where, parameters)
        edges = sorted(piece.start for piece in pieces)
        sql = statements.plain(within, sheet, where, condition, edges, lenses, trust)
        keys = statements.plain_keys(lenses)
        told: dict[int, Sequence[tuple[int, int]]] = {}
        for place, values, *rest, rows, odds in cluster.ask(sql, parameters):
            if place not in told:
                told[place] = spelled.lenses(place, keys, trust)
            for number, at in told[place]:
                value = values[at]
                if number == len(lenses):
                    figures = dict(zip(ADDITIVE_NAMES, rest[5:], strict=True))
                    yield number, value, *rest[:5], rows, figures["total_cost"], figures["market_cost"]
                    continue
                has_odd |= odds > 0
                yield number, self._shown(lenses[number], value or None), *rest
        if has_odd:
            yield from self._priced(where, lenses, pieces, trust, sheet)
            cluster.look_for_modes()

    def _priced(
        self, where: Filter, lenses: Sequence[str], pieces: Sequence[Piece], trust: bool, odd: Sheet | None = None
    ) -> Iterable[Sequence[Any]]:  # fmt: skip
        """As `_summed`, of rows that are priced one by one; the `odd` ones of a sheet alone."""
        cluster = self._cluster
        fields = {LENS_FIELDS.get(lens, lens) for lens in lenses}
        keys = fields | ({"token_name"} if "token" in fields else set()) | {"user", "token"}
        source, condition, parameters = cluster.source(periods(pieces), where, keys, odd=odd)
        edges = sorted(piece.start for piece in pieces)
        sql = cluster.statements.lenses(source, condition, edges, lenses, trust)
        for number, value, *rest in cluster.ask(sql, parameters):
            yield number, self._shown(lenses[number], value), *rest

    def _shown(self, lens: str, value: str | None) -> str | None:
        if lens == "tag":
            return value or ""  # as it is: taken apart where it is read
        return value if lens == "status" else self._cluster.texts.shown("provider" if lens == BARS else lens, value)

    # Reading

    def groups(self, where: Filter, lens: str, pieces: Sequence[Piece]) -> Groups:
        """The groups of a lens over what is known of some pieces."""
        return self._together(where, lens, pieces, (lens,), lambda groups: groups)

    def _together(
        self, where: Filter, lens: str, pieces: Sequence[Piece], told: tuple[object, ...],
        made: Callable[[Groups], Groups],
    ) -> Groups:  # fmt: skip
        """What is `made` of a lens's groups, the closed pieces' kept; `told` is what that depends on."""
        kept = self._of(where)
        known = [piece for piece in pieces if (lens, piece) in kept.groups]
        closed = [piece for piece in known if not self._is_hot(piece)]
        key, every = (*told, *closed), (*told, *known)
        if key not in kept.merged:
            if len(kept.merged) > 100:
                kept.merged.clear()
            kept.merged[key] = made(_merged(kept.groups[lens, piece] for piece in closed))
        if len(closed) == len(known):
            return kept.merged[key]
        if every not in kept.of_now:
            hot = _merged(kept.groups[lens, piece] for piece in known if self._is_hot(piece))
            kept.of_now[every] = _merged([kept.merged[key], made(hot)])
        return kept.of_now[every]

    def totals(self, where: Filter, pieces: Sequence[Piece]) -> Measures:
        """The measures of all requests."""
        sums = [0] * len(ADDITIVE_NAMES)
        for group in self.groups(where, "provider", pieces).values():
            sums = list(map(int.__add__, sums, group.sums))
        return measures_of(sums)

    def rows(
        self, where: Filter, lens: str, pieces: Sequence[Piece], sort: str, descending: bool, limit: int | None
    ) -> tuple[tuple[ReportRow, ...], int]:  # fmt: skip
        """The first groups of a lens in the order of a measure, their key or "newest"; and how many there are."""
        groups = self.groups(where, lens, pieces)
        if lens == "tag":
            groups = self._by_tag(groups)
        measure = sort if sort in ADDITIVE_NAMES else "total_cost"
        summed = ("input_tokens", "output_tokens") if sort == TOKENS else (measure,)
        places = [ADDITIVE_NAMES.index(name) for name in summed]
        sign = -1 if descending else 1

        def place(item: tuple[Key, Group]) -> tuple[int, bool, str]:
            (key,), group = item
            figure = group.newest if sort == "newest" else sum(group.sums[place] for place in places)
            return sign * figure, key is None, key or ""

        if sort == lens:
            ordered = sorted(groups.items(), key=lambda item: item[0][0] or "", reverse=descending)
            ordered = sorted(ordered, key=lambda item: item[0][0] is None)[:limit]
        else:
            ordered = sorted(groups.items(), key=place) if limit is None else nsmallest(limit, groups.items(), place)
        rows = (ReportRow(self._named(lens, key, group), measures_of(group.sums)) for key, group in ordered)
        return tuple(rows), len(groups)

    def _named(self, lens: str, key: Key, group: Group) -> Key:
        if lens != "token":
            return key
        cluster = self._cluster
        return (
            key[0],
            cluster.texts.named_by("token_name", "token", key[0]) or cluster.texts.shown("token_name", group.name),
        )

    def costs(self, where: Filter, lens: str, pieces: Sequence[Piece]) -> dict[str | None, int]:
        """The cost of each key."""
        groups = self.groups(where, lens, pieces)
        return {key[0]: group.sums[_COST] for key, group in (self._by_tag(groups) if lens == "tag" else groups).items()}

    def trust(self, where: Filter, pieces: Sequence[Piece]) -> dict[str, int]:
        """What the trust line needs of what is known of some pieces."""
        kept = self._of(where)
        total = dict.fromkeys(_TRUST_NAMES, 0)
        for piece in pieces:
            for name, figure in kept.trust.get(piece, {}).items():
                total[name] += figure
        tagged = self.groups(where, "tag", pieces)
        tags = self._cluster.texts.tags([key[0] or "" for key in tagged])
        return {**total, "with_tag": sum(group.sums[_COST] for key, group in tagged.items() if tags[key[0] or ""])}

    def reported(self, where: Filter, piece: Piece) -> int | None:
        """What the log itself says was spent in a piece, in pico-dollars; None where that was not asked for."""
        return self._of(where).trust.get(piece, {}).get("reported_cost")

    def bars(self, where: Filter, pieces: Sequence[Piece], edges: tuple[int, ...], open_end: bool) -> Groups:
        """The groups of providers by the stretches between `edges` (microseconds), see `stretch_of`."""

        def made(quarters: Groups) -> Groups:
            found: Groups = {}
            for (provider, quarter), group in quarters.items():
                stretch = stretch_of(edges, int(quarter or 0) * QUARTER, open_end)
                if stretch is not None:
                    key = (provider, str(stretch))
                    found[key] = found[key].plus(group) if key in found else group
            return found

        # Of a window that moves on the outer edges do with each look, which decide nothing.
        told = (BARS, edges[1:-1], None if open_end else edges[-1])
        return self._together(where, BARS, pieces, told, made)

    def _by_tag(self, groups: Groups) -> Groups:
        """Groups of tags' texts as groups of each tag; what has none is one group."""
        tags = self._cluster.texts.tags([key[0] or "" for key in groups])
        found: Groups = {}
        for key, group in groups.items():
            for tag in tags[key[0] or ""] or (None,):
                found[tag,] = found[tag,].plus(group) if (tag,) in found else group
        return found


def _merged(parts: Iterable[Groups]) -> Groups:
    found: Groups = {}
    for groups in parts:
        if not found:
            found = dict(groups)
            continue
        for key, group in groups.items():
            found[key] = found[key].plus(group) if key in found else group
    return found
