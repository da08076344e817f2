"""What the config file says of budgets, receivers, incidents and the guard. Every mistake names file, line and key."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields, replace
from datetime import tzinfo

from cost_top.model.budgets import Budget
from cost_top.model.declared import SETTINGS
from cost_top.model.errors import UserError, one_line
from cost_top.model.toml_file import TomlFile
from cost_top.rule_tables import (
    BudgetTable,
    ExpectedTable,
    GuardTable,
    ReceiverTable,
    RevenueTable,
    UnitsTable,
    WatchTable,
)


@dataclass(frozen=True, slots=True)
class Rules:
    """All of it."""

    __pydantic_config__ = SETTINGS
    budgets: tuple[BudgetTable, ...] = ()
    receivers: tuple[ReceiverTable, ...] = ()
    expected: tuple[ExpectedTable, ...] = ()
    revenue: tuple[RevenueTable, ...] = ()
    watch: WatchTable = field(default_factory=WatchTable)
    guard: GuardTable = field(default_factory=GuardTable)
    units: UnitsTable = field(default_factory=UnitsTable)


def read_rules(file: TomlFile, zone_named: Callable[[str], tzinfo]) -> Rules:
    """The rules in a config file; `UserError` with file, line and key for the first mistake."""
    part = _part(file)
    rules = part.read_as(Rules)
    for keys, said in _across(rules, zone_named):
        raise part.wrong(keys, said)
    return rules


def rule_mistakes(file: TomlFile, zone_named: Callable[[str], tzinfo]) -> list[str]:
    """Every mistake in the rules of a config file, one line each."""
    part = _part(file)
    return part.mistakes(Rules) or [
        str(part.wrong(keys, said)) for keys, said in _across(part.read_as(Rules), zone_named)
    ]


def _part(file: TomlFile) -> TomlFile:
    """The file without what is not for us."""
    names = {each.name for each in fields(Rules)}
    return replace(file, document={name: value for name, value in file.document.items() if name in names})


def _across(rules: Rules, zone_named: Callable[[str], tzinfo]) -> Iterable[tuple[tuple[str | int, ...], str]]:
    """Mistakes that only show between tables."""
    for kind in ("budgets", "receivers", "expected"):
        seen: set[str] = set()
        for number, one in enumerate(getattr(rules, kind)):
            if one.name in seen:
                yield (kind, number, "name"), f"{one.name!r} is there twice"
            seen.add(one.name)
    receivers = {one.name for one in rules.receivers}
    notified: list[tuple[tuple[str | int, ...], tuple[str, ...]]] = [(("watch", "notify"), rules.watch.notify)]
    notified += [(("budgets", number, "notify"), one.notify) for number, one in enumerate(rules.budgets)]
    for keys, names in notified:
        for name in names:
            if name not in receivers:
                known = ", ".join(sorted(receivers)) or "none"
                yield keys, f"no [[receivers]] is named {one_line(name, 64)!r} (there: {known})"
    for number, budget in enumerate(rules.budgets):
        if budget.tz is not None:
            try:
                zone_named(budget.tz)
            except UserError as error:
                yield ("budgets", number, "tz"), str(error)


def budgets_of(rules: Rules, zone: tzinfo, zone_named: Callable[[str], tzinfo]) -> tuple[Budget, ...]:
    """The budgets, those without a zone of their own cut in `zone`."""
    return tuple(one.budget(zone_named(one.tz) if one.tz else zone) for one in rules.budgets)
