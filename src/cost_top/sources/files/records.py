"""What a kind of file gives: rows for one table, and where reading goes on."""

from __future__ import annotations

import getpass
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Protocol

from cost_top.model.native import TABLE
from cost_top.sources.files.native import NATIVE_COLUMNS

Row = dict[str, Any]
_NUMBER = re.compile(r"[0-9]{1,20}(\.[0-9]+)?", re.ASCII)
_EPOCH, _MILLISECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(milliseconds=1)


@dataclass(slots=True)
class Part:
    """What was read of one file just now."""

    rows: list[Row] = field(default_factory=list)  # by column; of an id that comes twice the later one holds
    state: dict[str, Any] = field(default_factory=dict)  # what the next part needs to know; plain JSON
    read_until: int = 0
    unreadable: int = 0  # lines that are no record of this kind though they should be


class Kind(Protocol):
    """One kind of file. All its rows go into one table of the index, from which a preset or mapping reads."""

    name: str
    table: str
    columns: Mapping[str, str]  # of the table, with their types
    key: str  # the column that tells rows apart; a row without a value there is unlike every other
    time: str  # the column that says when
    mergeable: Sequence[str]  # columns that say whose a row is: they follow the file that wrote it first
    weight: str | None  # of two rows of one id the one with more of this holds; None: the one read later
    # The column that marks rows which are the same request as another whose id begins alike, up to the last colon.
    repeats: str | None
    note: str | None

    def read(self, path: str, offset: int, state: Mapping[str, Any]) -> Part:
        """Read a file from a place on; `OSError` when it cannot be."""


class NativeRows:
    """What kinds whose rows are those of the native log have in common."""

    table = TABLE
    columns: Mapping[str, str] = NATIVE_COLUMNS
    key = "id"
    time = "time_ms"
    mergeable: Sequence[str] = ()
    weight: str | None = None
    repeats: str | None = None
    note: str | None = None


class Sessions(NativeRows):
    """What the session files of coding agents have in common: a resumed session repeats another's requests."""

    mergeable: Sequence[str] = ("endpoint", "token", "token_name", "session", "tags")
    weight: str | None = "output_tokens"
    note: str | None = "dollars are list prices of the tokens: notional where a subscription pays"

    def __init__(self) -> None:
        self.user = machine_user()


def machine_user() -> str | None:
    """Who uses this machine."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return None


def epoch_ms(value: object) -> int | None:
    """Unix milliseconds of an ISO time, naive is UTC, or of a number of seconds or more; None where it is no time.

    >>> epoch_ms("2026-11-01T00:00:00.9999+02:00"), epoch_ms("1793484000"), epoch_ms(1793484000.123), epoch_ms("-")
    (1793484000999, 1793484000000, 1793484000123, None)
    >>> epoch_ms("1793012112345"), epoch_ms(1793012112.9999)
    (1793012112345, 1793012112999)
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _scaled(Decimal(str(value)))
    if not isinstance(value, str):
        return None
    text = value.strip()
    # Looked at first: some of them would be taken for a day of the year 1793.
    if _NUMBER.fullmatch(text) and (scaled := _scaled(Decimal(text))) is not None:
        return scaled
    try:
        moment = datetime.fromisoformat(text)
        return ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH) // _MILLISECOND
    except (ValueError, OverflowError):
        return None


def _scaled(number: Decimal) -> int | None:
    """A time since the epoch whose unit shows by its size: seconds, milliseconds, microseconds or nanoseconds.

    A part of a millisecond is left out: what came before midnight is not of the next day.
    """
    for limit, per_second in ((10**11, 1), (10**14, 10**3), (10**17, 10**6), (10**20, 10**9)):
        if number.is_finite() and 10**8 * per_second <= number < limit:
            return int(number * 1000 / per_second)
    return None


def text_of(value: object) -> str | None:
    """A text that is not empty; None for anything else."""
    return value if isinstance(value, str) and value else None


def last_folder(path: str | None) -> str | None:
    """`work/shop` is shown as `shop`."""
    return os.path.basename(path.rstrip("/\\")) or path if path else None
