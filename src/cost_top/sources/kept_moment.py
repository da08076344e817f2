"""Instants, and what holds until one, as gateways spell them beside their logs."""

from __future__ import annotations

from datetime import UTC, datetime

from cost_top.model.money import pico


def moment_of(text: str) -> datetime | None:
    """An instant; a gateway's times are UTC where they say nothing else."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def raised_by(more: object, until: str, now: datetime) -> tuple[int, datetime | None]:
    """By how much a limit is raised now, in pico-dollars, and until when; 0 and None where it is not.

    >>> raised_by("5", "2026-12-04", datetime(2026, 12, 1, tzinfo=UTC))
    (5000000000000, datetime.datetime(2026, 12, 4, 0, 0, tzinfo=datetime.timezone.utc))
    >>> raised_by("5", "2026-12-01", datetime(2026, 12, 1, tzinfo=UTC)), raised_by("", "soon", datetime.now(UTC))
    ((0, None), (0, None))
    """
    moment = moment_of(until)
    if moment is None or moment <= now:
        return 0, None
    try:
        amount = pico(str(more))
    except ValueError:
        return 0, None
    return (amount, moment) if amount else (0, None)
