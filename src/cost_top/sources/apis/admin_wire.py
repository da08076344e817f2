"""Figures of an admin API as they come over the wire: numbers that may be texts, texts that may be hostile."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Context, Decimal
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from cost_top.model.errors import one_line
from cost_top.model.money import pico
from cost_top.sources.apis.shapes import NEEDED, Shape, text

S = TypeVar("S", bound=Shape)

_MOST_DRIFT = 20
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

    def read(self, path: str, shape: type[S], row: Mapping[str, Any]) -> S:
        """An object of an answer, and what of it is otherwise than its shape says."""
        given = dict(row)
        try:
            found = shape.model_validate(given)
        except ValidationError as error:
            for each in error.errors(include_url=False):
                name = str(each["loc"][0])
                given.pop(name, None)
                self.differs(path, f"{each['loc'][-1]} {_problem(each)}")
            found = shape.model_validate(given)
        for name in found.model_extra or ():
            self.differs(path, f"unknown field {one_line(name, 60)}")
        for name, field in shape.model_fields.items():
            if NEEDED in field.metadata and row.get(name) is None:
                self.differs(path, f"no {name}")
        return found

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


def _problem(error: ErrorDetails) -> str:
    raised = error.get("ctx", {}).get("error")
    return one_line(raised, 60) if raised is not None else "is of another kind"


def mappings(value: object) -> Iterator[Mapping[str, Any]]:
    """The objects of a JSON list; what else is in it is passed over."""
    return (item for item in value if isinstance(item, dict)) if isinstance(value, list) else iter(())
