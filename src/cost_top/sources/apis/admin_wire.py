"""Figures of an admin API as they come over the wire: numbers that may be texts, texts that may be hostile."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Context, Decimal
from typing import Any

from cost_top.model.errors import one_line
from cost_top.model.money import pico
from cost_top.model.text import clean

_MOST_DRIFT = 20
_MOST_COUNT = 10**18
_EXACT = Context(prec=60)


class Wire:
    """Reads figures and remembers what was otherwise than documented."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._drift: dict[str, None] = {}

    def differs(self, path: str, what: str) -> None:
        """Remember a difference, each once and not without end."""
        if len(self._drift) < _MOST_DRIFT:
            self._drift[f"{self._name}: {path}: {what}"] = None

    def drift(self) -> tuple[str, ...]:
        """What was otherwise than documented, one line each."""
        return tuple(self._drift)

    def fields(self, path: str, row: Mapping[str, Any], known: frozenset[str]) -> None:
        """Remember fields that are not documented."""
        for name in row.keys() - known:
            self.differs(path, f"unknown field {one_line(name, 60)}")

    def count(self, path: str, row: Mapping[str, Any], name: str, needed: bool = False) -> int | None:
        """A token count, perhaps spelled as text; None where there is none or what is there cannot be one."""
        value = row.get(name)
        if value is None:
            if needed:
                self.differs(path, f"no {name}")
            return None
        try:
            number = Decimal(value.strip() if isinstance(value, str) else value)
            if not isinstance(value, bool) and 0 <= number <= _MOST_COUNT and number == int(number):
                return int(number)
        except (ArithmeticError, ValueError, TypeError):
            pass
        self.differs(path, f"{name} is no count")
        return None

    def money(self, path: str, amount: object, currency: object, scale: int = 0) -> int | None:
        """An amount in `10^scale` US dollars as exact pico-dollars; None for another currency or no number."""
        unit = text(currency) or "no currency"
        if unit.lower() != "usd":
            self.differs(path, f"an amount in {one_line(unit, 20)}")
            return None
        try:
            if isinstance(amount, bool) or not isinstance(amount, (str, int, Decimal)):
                raise ValueError("no number")
            value = Decimal(amount.strip() if isinstance(amount, str) else amount)
            # Beyond any bill, and its digits would fill the memory.
            if not value.is_finite() or value.adjusted() > 15:
                raise ValueError("no amount")
            return pico(value.scaleb(scale, _EXACT))
        except (ArithmeticError, ValueError):
            self.differs(path, "an amount that is no number")
            return None


def text(value: object) -> str | None:
    """A clean text from the wire; None where there is none.

    >>> text(" a\\x1b"), text(""), text(None), text(7)
    ('a', None, None, '7')
    """
    if isinstance(value, (str, int)) and not isinstance(value, bool):
        return clean(str(value)) or None
    return None


def mappings(value: object) -> Iterator[Mapping[str, Any]]:
    """The objects of a JSON list; what else is in it is passed over."""
    return (item for item in value if isinstance(item, dict)) if isinstance(value, list) else iter(())
