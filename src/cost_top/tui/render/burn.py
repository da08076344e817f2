"""The card of how fast money goes: against the usual, the last hour minute by minute, errors and latency."""

from __future__ import annotations

from datetime import timedelta, tzinfo

from textual.content import Content

from cost_top.model.budget_line import moment_text
from cost_top.model.errors import one_line
from cost_top.model.format import (
    duration_ms,
    percent,
)
from cost_top.model.money import display_usd
from cost_top.model.snapshot import Balance, Burn, Snapshot
from cost_top.tui.render.cards import COMPACT_HEIGHT, so_far, wrapped
from cost_top.tui.render.chart import bars_of
from cost_top.tui.render.style import (
    BAR,
    CAUTION,
    FIGURE,
    MUTED,
    content,
    first_fit,
    fits,
    lines,
    spread,
    strip_blocks,
)  # fmt: skip

_LATELY = 5  # minutes
_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def burn_card(snapshot: Snapshot, width: int, height: int, zone: tzinfo) -> Content:
    """Cost of the last hour against the usual for that hour of the week; the hour minute by minute; errors, latency."""
    burn = snapshot.burn
    if burn.cost_per_hour is None:
        said = snapshot.limit("burn") or ("not known" if snapshot.is_settled("lately") else "reading…")
        return lines(wrapped(said, width), width, height)
    rows = [_rate_line(snapshot, width, zone)]
    if burn.hours:
        hour = burn.until.astimezone(zone).replace(minute=0) if burn.until is not None else None
        since = f"since {hour:%H:%M} " if hour is not None else "this hour so far "
        told = content((since, MUTED), display_usd(burn.hours[-1]))
        meter = _meter_line(snapshot.balance, width) if snapshot.balance is not None else None
        # The meter is the only live figure of such a source.
        below = (
            [_hours_line(burn, width), meter, told] if height > COMPACT_HEIGHT else [meter or _hours_line(burn, width)]
        )
        rows += [row for row in below if row is not None]
    elif height > COMPACT_HEIGHT:
        beside = _windows_line(burn, width) if height > COMPACT_HEIGHT + 1 else None
        rows += [beside] if beside is not None else []
        rows += _minutes(burn, width, height - 2 - (beside is not None))
        rows.append(_health_line(burn, width))
    else:
        rows.append(strip_line(burn, width))
    return lines(rows, width, height)


def _rate_line(snapshot: Snapshot, width: int, zone: tzinfo) -> Content:
    burn = snapshot.burn
    rate = content((f"{so_far(snapshot, 'lately', burn.cost_per_hour, burn.unpriced)}/h", FIGURE))
    hour = snapshot.period.end.astimezone(zone)
    when = f"{_WEEKDAYS[hour.weekday()]} {hour.hour:02d}h"
    if burn.expected and burn.expected_until is not None:
        until = moment_text(burn.expected_until, zone, snapshot.period.end)
        when = f"expected: {one_line(burn.expected, 40)} until {until}"
    if snapshot.limit("usual") and burn.minutes:
        notes = [content(("last 60 min", MUTED))]
    elif burn.hours:
        notes = [content(("the last whole hour", MUTED)), content(("last hour", MUTED))]
    elif burn.usual_per_hour is None or burn.cost_per_hour is None:
        known = snapshot.is_settled("usual")
        notes = [
            content(("usual unknown" if known else "usual …", MUTED)),
            content(("usual ?" if known else "…", MUTED)),
        ]
    elif burn.usual_per_hour == 0:
        notes = [content((f"usually nothing ({when})", CAUTION if burn.cost_per_hour else MUTED))]
    else:
        times = _times(burn.cost_per_hour, burn.usual_per_hour)
        style = CAUTION if burn.cost_per_hour >= 2 * burn.usual_per_hour else MUTED
        notes = [
            content((f"{times} usual", style), (f" ({when})", MUTED)),
            content((f"{times} usual", style)),
            content((times, style)),
        ]
    for note in notes:
        if fits(rate, note, width):
            return spread(rate, note, width)
    return first_fit(width, rate)


def _windows_line(burn: Burn, width: int) -> Content | None:
    """`5 min $0.41, 14× usual   24 h $43.10, 2.1×`: the short and the long window beside the hour."""
    told = {rate.minutes: rate for rate in burn.rates}
    short, long = told.get(5), told.get(1440)
    if short is None or long is None or long.spent is None or len(burn.minutes) < _LATELY:
        return None
    lately = sum(burn.minutes[-_LATELY:])
    # A single request makes five minutes of little spend what they are.
    near = _times(lately, short.usual) if short.usual > 0 and 12 * max(lately, short.usual) >= long.usual // 24 else "–"
    far = _times(long.spent, long.usual) if long.usual > 0 else "–"
    return first_fit(
        width,
        content(("5 min ", MUTED), display_usd(lately), (f", {near} usual   24 h ", MUTED), display_usd(long.spent),
                (f", {far} usual", MUTED)),
        content(("5 min ", MUTED), near, ("   24 h ", MUTED), far, (" usual", MUTED)),
        content(("5 min ", MUTED), near, (" 24 h ", MUTED), far),
    )  # fmt: skip


def _times(now: int, usual: int) -> str:
    tenths = (now * 20 + usual) // (2 * usual)
    return f"{tenths // 10}.{tenths % 10}×" if tenths < 100 else f"{tenths // 10:,}×"


def strip_line(burn: Burn, width: int) -> Content:
    """The hour in one row, one to six minutes a column, with the span named after it."""
    if not burn.minutes:
        return content(("no minutes yet", MUTED))
    for label in ("  last 60 min", " 60 min", ""):
        room = width - len(label)
        per_column = next((size for size in (1, 2, 3, 4, 5, 6, 10) if len(burn.minutes) <= size * room), 0)
        if per_column and (per_column <= 3 or not label):
            columns = -(-len(burn.minutes) // per_column)
            return content(strip_blocks(burn.minutes, columns), (label, MUTED))
    return content(strip_blocks(burn.minutes, width))


def _meter_line(balance: Balance, width: int) -> Content | None:
    if balance.metered is None or balance.metered_span < timedelta(minutes=1):
        return None
    money, minutes = display_usd(balance.metered), balance.metered_span // timedelta(minutes=1)
    return first_fit(
        width,
        content(("meter ", MUTED), (money, FIGURE), (f" in the last {minutes} min", MUTED)),
        content(("meter ", MUTED), (money, FIGURE), (f" in {minutes} min", MUTED)),
    )


def _hours_line(burn: Burn, width: int) -> Content:
    label = f"  last {len(burn.hours)} h"
    columns = min(len(burn.hours), width)
    strip = strip_blocks(burn.hours, columns)
    return first_fit(width, content(strip, (label, MUTED)), content(strip))


def _minutes(burn: Burn, width: int, height: int) -> list[Content]:
    if height == 1 or not burn.minutes:
        return [strip_line(burn, width)]
    # What the bars leave free says what they span.
    drawn = bars_of(burn.minutes, width, height, BAR)
    spare = width - drawn[-1].cell_length
    note = next((text for text in ("last 60 min", "60 min") if len(text) + 2 <= spare), "")
    return [*drawn[:-1], drawn[-1].append(Content.styled(note.rjust(spare), MUTED))]


def _health_line(burn: Burn, width: int) -> Content:
    if burn.request_count is None or burn.requests_per_minute is None:
        return content(("requests are not told", MUTED))
    if not burn.request_count:
        return content(("no requests in the last hour", MUTED))
    per_minute = burn.requests_per_minute
    rate = f"{per_minute:.1f}" if 0 < per_minute < 10 else f"{per_minute:.0f}"
    share = percent(burn.error_count, burn.request_count) or "–"
    slow = duration_ms(burn.latency_p95)
    style = CAUTION if burn.error_count is not None and burn.error_count * 20 > burn.request_count else ""
    if burn.error_count is None:
        return first_fit(width, content(rate, (" req/min   ", MUTED), ("errors are not told", MUTED)),
                         content(rate, (" req/min", MUTED)))  # fmt: skip
    return first_fit(
        width,
        content(rate, (" req/min   ", MUTED), (share, style), (" of requests failed   p95 ", MUTED), slow),
        content(rate, (" req/min  ", MUTED), (share, style), (" failed  p95 ", MUTED), slow),
        content(rate, (" req/min  ", MUTED), (share, style), (" err  p95 ", MUTED), slow),
        content(rate, (" req/min ", MUTED), (share, style), (" failed", MUTED)),
        content(rate, (" req/min", MUTED)),
    )
