"""How the shape of an answer is declared: a class for each object of it, with the fields its provider documents.

Strangers change their answers without asking. So a field that is not documented is let through and remembered, one that
cannot be what it should is taken for missing and remembered, and `cost-top doctor` tells both (`Wire.read`).
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict

from cost_top.model.text import clean

_MOST_COUNT = 10**18
# In a field's annotation: a row that lacks it is remembered as well.
NEEDED = "needed"


class Shape(BaseModel):
    """An object of an answer. Every field may be missing; what is declared `Any` is documented and not read."""

    model_config = ConfigDict(extra="allow", frozen=True)


def text(value: object) -> str | None:
    """A clean text from the wire; None where there is none.

    >>> text(" a\\x1b"), text(""), text(None), text(7)
    ('a', None, None, '7')
    """
    if isinstance(value, (str, int)) and not isinstance(value, bool):
        return clean(str(value)) or None
    return None


def _count(value: object) -> int | None:
    """A count, perhaps spelled as text."""
    if value is None:
        return None
    try:
        if isinstance(value, (str, int, Decimal)) and not isinstance(value, bool):
            number = Decimal(value.strip() if isinstance(value, str) else value)
            if 0 <= number <= _MOST_COUNT and number == int(number):
                return int(number)
    except (ArithmeticError, ValueError):
        pass
    raise ValueError("is no count")


Text = Annotated[str | None, BeforeValidator(text)]
Count = Annotated[int | None, BeforeValidator(_count)]
NeededCount = Annotated[int | None, BeforeValidator(_count), NEEDED]
Unread = Any
