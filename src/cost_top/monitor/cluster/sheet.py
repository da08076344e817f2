"""Rates as lists: what a row says of its model finds the first of some lines, its time and size one of them.

To look a rate up in a list costs a fraction of a join. A row is *odd* where this way would not be exact: its model has
no line here, its figures are too large for plain integers, it has usage beside text or input that nobody counted, or
it timed out for nothing. Odd rows are priced one by one.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations

from cost_top.model.modes import mode_word, region_word
from cost_top.pricing.book import Entry, RateBook
from cost_top.pricing.rates import Quote, Rates, Schedule, Timeline

# A product of both, seven times, fits 63 bits.
MOST_TOKENS = 2**28
_MOST_RATE, _MOST_FIXED = 2**31, 2**60
SEPARATOR = "\x01"
RATES = ("input", "cached", "write", "write_1h", "output", "reasoning", "request")
FLAGS = ("priced", "free", "override", "stranger")
_FOREVER, _NEVER = 2**62, 1e18
_SECOND = 1_000_000

# Provider, model, mode and region as rows say them, and provider and model as they are shown.
Model = tuple[str | None, str | None, str | None, str | None]


@dataclass(frozen=True, slots=True)
class Sheet:
    """Lines of rates, numbered from 0; those before `first[0]` are of rows that have none."""

    texts: tuple[str, ...]  # what rows say of their model, its parts joined by SEPARATOR
    first: tuple[int, ...]  # the first line of each
    cuts: tuple[int, ...]  # microseconds from which on the next `tiers` lines hold
    tiers: int
    starts: tuple[tuple[int, ...], ...]  # of each tier but the first: more input tokens than so many, by line
    columns: dict[str, tuple[int, ...]]  # RATES and FLAGS, by line


def joined(parts: Sequence[str | None]) -> str:
    """What a row says of its model as one text."""
    return SEPARATOR.join(part or "" for part in parts)


def sheet_of(
    models: Collection[tuple[Model, tuple[str | None, str | None]]], book: RateBook,
    periods: Sequence[tuple[datetime, datetime | None]],
) -> Sheet:  # fmt: skip
    """The lines for the rows of some periods. Models that lines cannot be exact for are left out."""
    entries = [(said, book.entry(*shown)) for said, shown in models if SEPARATOR not in "".join(filter(None, said))]
    begin = min(start for start, _ in periods).timestamp()
    end = max(_NEVER if until is None else until.timestamp() for _, until in periods)
    edges = {edge for _, entry in entries if entry is not None for edge in entry.timeline.edges}
    cuts = tuple(sorted(edge for edge in edges if begin < edge < end))
    moments = (begin, *cuts)
    found: list[tuple[str, list[_Line]]] = []
    for said, entry in sorted(entries, key=lambda each: joined(each[0])):
        lines = [_line(entry, said, moment) for moment in moments]
        if all(line is not None for line in lines):
            found.append((joined(said), [line for line in lines if line is not None]))
    return _numbered(found, cuts)


@dataclass(frozen=True, slots=True)
class _Line:
    """What holds from one moment to the next."""

    quote: Quote | None
    stranger: bool = False


def _line(entry: Entry | None, said: Model, moment: float) -> _Line | None:
    if entry is None:
        return _Line(None, stranger=True)
    timeline, mode, region = entry.timeline, mode_word(said[2]), region_word(said[3])
    segment = bisect_right(timeline.edges, moment)
    quotes = [timeline.cell(segment, mode, active, region) for active in _schedules(timeline)]
    quote = quotes[0]
    if any(each != quote for each in quotes[1:]):
        return None  # it hangs on the time of day
    if quote is not None and (
        quote.paid is not None or quote.of_rounds or quote.cut_off or not all(map(_is_small, quote.tiers))
    ):
        return None
    return _Line(quote)


def _schedules(timeline: Timeline) -> Iterator[tuple[Schedule, ...]]:
    for size in range(len(timeline.schedules) + 1):
        yield from combinations(timeline.schedules, size)


def _is_small(rates: Rates) -> bool:
    each = [getattr(rates, name) for name in RATES if name != "request"]
    return all(0 <= rate < _MOST_RATE for rate in each) and 0 <= rates.request < _MOST_FIXED


def _numbered(found: Sequence[tuple[str, list[_Line]]], cuts: tuple[int, ...]) -> Sheet:
    tiers = max((len(line.quote.tiers) for _, lines in found for line in lines if line.quote is not None), default=1)
    size = tiers * (len(cuts) + 1)
    columns: dict[str, list[int]] = {name: [0] * size for name in (*RATES, *FLAGS)}
    starts = [[_FOREVER] * size for _ in range(tiers - 1)]
    for _, lines in found:
        for line in lines:
            quote = line.quote
            for number in range(tiers):
                rates = quote.tiers[min(number, len(quote.tiers) - 1)] if quote is not None else None
                for name in RATES:
                    columns[name].append(getattr(rates, name) if rates is not None else 0)
                columns["priced"].append(int(quote is not None))
                columns["free"].append(int(quote is not None and quote.free))
                columns["override"].append(int(quote is not None and quote.override))
                columns["stranger"].append(int(line.stranger))
                for place, known in enumerate(starts):
                    known.append(quote.starts[place] if quote is not None and place < len(quote.starts) else _FOREVER)
    return Sheet(
        tuple(text for text, _ in found),
        tuple(size * number for number in range(1, len(found) + 1)),
        tuple(cut * _SECOND for cut in cuts),
        tiers,
        tuple(map(tuple, starts)),
        {name: tuple(values) for name, values in columns.items()},
    )
