"""Which columns of the mirror a report is made of, told by the statements that make it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from cost_top.mirror.measures import ADDITIVE, LATENCY, TRUST
from cost_top.mirror.names import NAMED, TABLE
from cost_top.mirror.schema import COLUMNS
from cost_top.mirror.where import condition
from cost_top.model.query import ReportQuery, key_columns
from cost_top.model.record import FIELD_NAMES
from cost_top.pricing.rate_join import RateJoin
from cost_top.sources.base import Lookup

_NAMES = frozenset(name for name, _ in COLUMNS)
_WORD = re.compile(r"\w+")
# Whatever is asked, it is asked of a period, and days are cut from quarters of an hour.
_ALWAYS = frozenset({"time", "quarter"})
_TAGS = {"tag": "tags"}
_OF_NAMES = f"SELECT id FROM {TABLE}"  # ids of keys, teams, users and owners, not of rows


def columns_of(sql: str) -> frozenset[str]:
    """The mirror's columns that a statement of ours names; parameters are none of it.

    >>> sorted(columns_of('sum(cost) FILTER ("user" IS NOT NULL)'))
    ['cost', 'user']
    """
    return _NAMES.intersection(_WORD.findall(sql.replace(_OF_NAMES, "")))


# What the notes on a report are made of.
_NOTED = ("no_usage_count", "unrated_count", "doubtful_count", "refund_count", "refunded_cost")
NOTED = {name: TRUST[name] for name in _NOTED}
_DOUBTED = frozenset({"model", "mode", "region", "doubt"})


@dataclass(frozen=True, slots=True)
class Needed:
    """Columns: those that a report is made of, and the fields of rows that these are made of."""

    held: frozenset[str]
    read: frozenset[str]


def needed(query: ReportQuery, rates: RateJoin, lookups: Iterable[Lookup] = ()) -> Needed:
    """What a report of a query and its notes need."""
    sums = " ".join((*ADDITIVE.values(), *NOTED.values(), *(LATENCY.values() if query.latency else ())))
    keys = {_TAGS.get(name, name) for name in key_columns(query.group_by)}
    wanted = columns_of(f"{sums} {condition(query.where)[0]}") | (_NAMES & keys) | _ALWAYS | _DOUBTED
    wanted |= {NAMED[name] for name in wanted & NAMED.keys()}
    held = wanted | {lookup.by for lookup in lookups if lookup.field in wanted}
    priced_by = columns_of(rates.select("rows"))
    return Needed(frozenset(held), (held | priced_by).intersection(FIELD_NAMES))
