"""The three cards over the charts: what was spent, how fast it burns, what was saved."""

from __future__ import annotations

from datetime import timedelta, tzinfo
from textwrap import wrap

from textual.content import Content

from cost_top.model.format import change, count, duration_ms, lower_bound, money_fixed, money_scaled, percent, tokens
from cost_top.model.money import display_usd
from cost_top.model.query import Measures, added
from cost_top.model.snapshot import Burn, Polling, Snapshot, Spend
from cost_top.tui.render.chart import bars_of
from cost_top.tui.render.style import (
    BAR,
    CAUTION,
    ESTIMATE,
    FIGURE,
    GOOD,
    MUTED,
    SEPARATOR,
    content,
    first_fit,
    fits,
    lines,
    spread,
    strip_blocks,
)  # fmt: skip

COMPACT_HEIGHT = 2
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def spend_card(snapshot: Snapshot, width: int, height: int, zone: tzinfo) -> Content:
    """Total of the window against the equal period before; today and month so far; since the mark, if one is set."""
    spend = snapshot.spend
    if snapshot.polling is not None and not snapshot.log_rows:
        return lines([first_fit(width, content(("not known yet", MUTED)))], width, height)
    rows = [_total_line(spend, width), _so_far_line(snapshot, width, zone)]
    if height > COMPACT_HEIGHT:
        more = (_mark_line(spend, width), _own_keys_line(spend, width), _balance_line(snapshot, width),
                _volume_line(spend.measures, width))  # fmt: skip
        rows += [row for row in more if row is not None]
    elif spend.since_mark is not None:
        rows[1] = _mark_line(spend, width) or rows[1]
    elif (balance := _balance_line(snapshot, width)) is not None:
        today = content(("today ", MUTED), display_usd(spend.today), "  ")
        rows[1] = first_fit(width, content(today, _balance(snapshot.polling)), balance)
    return lines(rows, width, height)


def _total_line(spend: Spend, width: int) -> Content:
    total = lower_bound(display_usd(spend.measures.total_cost), spend.measures.unpriced_count)
    figure = content((total, FIGURE))
    told = change(spend.measures.total_cost, spend.previous_cost)
    if told is None:
        note = content(("period before unknown", MUTED))
        return spread(figure, note, width) if fits(figure, note, width) else first_fit(width, figure)
    style = {"▲": CAUTION, "▼": GOOD}.get(told[0], MUTED)
    share = told.partition("(")[2].rstrip(")") or told[2:]
    for note in (
        content((told, style), (" vs before", MUTED)),
        content((told, style)),
        content((f"{told[0]} {share}", style)),
        content((told[0], style)),
    ):
        if fits(figure, note, width):
            return spread(figure, note, width)
    return first_fit(width, figure)


def _so_far_line(snapshot: Snapshot, width: int, zone: tzinfo) -> Content:
    today, month = display_usd(snapshot.spend.today), display_usd(snapshot.spend.month)
    end = snapshot.period.end.astimezone(zone)
    name = _MONTHS[end.month - 1]
    day = "today" if snapshot.view.end is None else f"{name} {end.day}"
    if snapshot.view.end is not None and end == end.replace(hour=0, minute=0, second=0, microsecond=0):
        # The window ends as that day begins.
        return first_fit(width, content((f"{name} until then ", MUTED), month), content((f"{name} ", MUTED), month))
    return first_fit(
        width,
        content((f"{day} ", MUTED), today, (f"   {name} so far ", MUTED), month),
        content((f"{day} ", MUTED), today, (f"  {name} ", MUTED), month),
        content((f"{day} ", MUTED), today, (f" {name} ", MUTED), money_scaled(snapshot.spend.month)),
        content((f"{day} ", MUTED), today),
    )


def _mark_line(spend: Spend, width: int) -> Content | None:
    if spend.since_mark is None:
        return None
    money = lower_bound(display_usd(spend.since_mark.total_cost), spend.since_mark.unpriced_count)
    requests = count(spend.since_mark.request_count)
    return first_fit(
        width,
        content(("since mark ", MUTED), (money, FIGURE), (f"{SEPARATOR}{requests} requests", MUTED)),
        content(("since mark ", MUTED), (money, FIGURE)),
        content(("mark ", MUTED), (money, FIGURE)),
    )


def _own_keys_line(spend: Spend, width: int) -> Content | None:
    if not spend.byok_market_cost:
        return None
    money = display_usd(spend.byok_market_cost)
    return first_fit(
        width,
        content(("own keys ", MUTED), money, (" at list price, not in total", MUTED)),
        content(("own keys ", MUTED), money, (", not in total", MUTED)),
        content(("own keys ", MUTED), money),
    )


def _balance(polling: Polling | None) -> Content:
    credits = polling.credits if polling is not None else None
    return content(("balance ", MUTED), (display_usd(credits.balance if credits is not None else None), FIGURE))


def _balance_line(snapshot: Snapshot, width: int) -> Content | None:
    """What is left of money paid in advance, and how long it lasts at the burn of the last days."""
    polling = snapshot.polling
    if polling is None or polling.credits is None or polling.credits.balance is None:
        return None
    balance = _balance(polling)
    if polling.runway is None:
        return first_fit(width, balance)
    short = polling.runway < timedelta(days=3)
    lasts = f"{polling.runway.days} days" if polling.runway.days >= 2 else f"{polling.runway // timedelta(hours=1)} h"
    style = CAUTION if short else ESTIMATE
    return first_fit(
        width,
        content(balance, ("   lasts ≈ ", MUTED), (lasts, style)),
        content(balance, (" ≈ ", MUTED), (lasts, style)),
        balance,
    )


def _volume_line(measures: Measures, width: int) -> Content | None:
    used = added((measures.input_tokens, measures.output_tokens))
    facts = [(count(measures.request_count), "requests", "req")] if measures.request_count is not None else []
    facts += [(tokens(used), "tokens", "tok")] if used is not None else []
    if not facts:
        return None
    return first_fit(
        width,
        content((SEPARATOR.join(f"{figure} {name}" for figure, name, _ in facts), MUTED)),
        content((SEPARATOR.join(f"{figure} {brief}" for figure, _, brief in facts), MUTED)),
    )


def burn_card(snapshot: Snapshot, width: int, height: int, zone: tzinfo) -> Content:
    """Cost of the last hour against the usual for that hour of the week; the hour minute by minute; errors, latency."""
    burn = snapshot.burn
    if burn.cost_per_hour is None:
        limit = snapshot.polling.limit("burn") if snapshot.polling is not None else None
        return lines(_wrapped(limit or "not known", width), width, height)
    rows = [_rate_line(snapshot, width, zone)]
    if burn.hours:
        hour = burn.until.astimezone(zone).replace(minute=0) if burn.until is not None else None
        since = f"since {hour:%H:%M} " if hour is not None else "this hour so far "
        so_far = content((since, MUTED), display_usd(burn.hours[-1]))
        meter = _meter_line(snapshot.polling, width) if snapshot.polling is not None else None
        # The meter is the only live figure of such a source.
        below = (
            [_hours_line(burn, width), meter, so_far]
            if height > COMPACT_HEIGHT
            else [meter or _hours_line(burn, width)]
        )
        rows += [row for row in below if row is not None]
    elif height > COMPACT_HEIGHT:
        rows += _minutes(burn, width, height - 2)
        rows.append(_health_line(burn, width))
    else:
        rows.append(strip_line(burn, width))
    return lines(rows, width, height)


def _rate_line(snapshot: Snapshot, width: int, zone: tzinfo) -> Content:
    burn = snapshot.burn
    rate = content((f"{display_usd(burn.cost_per_hour)}/h", FIGURE))
    hour = snapshot.period.end.astimezone(zone)
    when = f"{_WEEKDAYS[hour.weekday()]} {hour.hour:02d}h"
    if snapshot.polling is not None and burn.minutes:
        notes = [content(("last 60 min", MUTED))]
    elif burn.hours:
        notes = [content(("the last whole hour", MUTED)), content(("last hour", MUTED))]
    elif burn.usual_per_hour is None or burn.cost_per_hour is None:
        notes = [content(("usual not known yet", MUTED)), content(("usual ?", MUTED))]
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


def _meter_line(polling: Polling, width: int) -> Content | None:
    if polling.metered is None or polling.metered_span < timedelta(minutes=1):
        return None
    money, minutes = display_usd(polling.metered), polling.metered_span // timedelta(minutes=1)
    return first_fit(
        width,
        content(("meter ", MUTED), (money, FIGURE), (f" in the last {minutes} min", MUTED)),
        content(("meter ", MUTED), (money, FIGURE), (f" in {minutes} min", MUTED)),
    )


def _wrapped(text: str, width: int) -> list[Content]:
    return [content((line, MUTED)) for line in wrap(text, max(width, 1))]


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


def saved_card(snapshot: Snapshot, width: int, height: int, _zone: tzinfo) -> Content:
    """The three savings, kept apart; the caches first where there is no room for all.

    Each share is of what would have been paid without that saving: `9.0 % less`. The date is that of the rates.
    """
    spend, total = snapshot.spend, snapshot.spend.measures
    mark = spend.since_mark
    own = spend.byok_market_cost
    listed = None if total.market_cost is None or own is None else total.market_cost - own
    savings = tuple(saving for saving in (
        ("response cache", total.saved_by_cache, added((total.total_cost, total.saved_by_cache)),
         "of cost without it", mark.saved_by_cache if mark else None),
        ("prompt cache", total.prompt_cache_savings, added((total.total_cost, total.prompt_cache_savings)),
         "of cost without it", mark.prompt_cache_savings if mark else None),
        ("below market", spend.below_market, listed, "of list price", None),
    ) if saving[1] is not None)  # fmt: skip
    market = total.market_cost
    if spend.below_market is None and market is not None:
        # What own keys cost at list price is not told apart, so the difference is no saving.
        told = (("at list price ", MUTED), (display_usd(market), FIGURE))
        rows = [_saving(*saving)[-2] for saving in savings]
        rows.append(first_fit(width, content(*told, (", own keys included", MUTED)), content(*told)))
        return lines(rows, width, height)
    if not savings:
        limit = snapshot.polling.limit("saved") if snapshot.polling is not None else None
        return lines(_wrapped(limit or "not known", width), width, height)
    wordings = [_saving(*saving) for saving in savings]
    # One wording for all three, so that they read as a table.
    fitting = [rows for rows in zip(*wordings, strict=True) if all(row.cell_length <= width for row in rows)]
    rows = list(fitting[0] if fitting else [wording[-1] for wording in wordings])
    if mark is not None and height > len(savings) and rows != [wording[0] for wording in wordings]:
        rows.append(_saved_since(mark, width))
    elif snapshot.rates_date is not None and height > len(rows):
        rows.append(first_fit(width, content((f"list prices of {snapshot.rates_date}", MUTED)), content()))
    return lines(rows, width, height)


def _saved_since(mark: Measures, width: int) -> Content:
    answered, discount = display_usd(mark.saved_by_cache), display_usd(mark.prompt_cache_savings)
    return first_fit(
        width,
        content(("since mark  response ", MUTED), (answered, FIGURE), ("  prompt ", MUTED), (discount, FIGURE)),
        content(("since mark ", MUTED), (answered, FIGURE), (" and ", MUTED), (discount, FIGURE)),
        content(("mark ", MUTED), (answered, FIGURE), (" ", MUTED), (discount, FIGURE)),
    )


def _saving(name: str, saved: int | None, whole: int | None, of: str, marked: int | None) -> tuple[Content, ...]:
    """One saving in falling length. A share is only said together with what it is a share of."""
    amount = saved or 0
    share = percent(abs(amount), whole) if whole is not None and whole > 0 else None
    style = CAUTION if amount < 0 else FIGURE
    money, fixed = (display_usd(amount), style), (money_fixed(amount, 11), style)
    since = (f"  {display_usd(marked, sign=True)} since mark" if marked else "", MUTED)
    less = (("less" if amount >= 0 else "more") if share else "", MUTED)
    full = ((of if amount >= 0 else f"more than{of.removeprefix('of')}") if share else "", MUTED)
    told = f"{share or '':>8} "
    brief = name.partition(" ")[0]
    return (
        content(f"{name:<14}", fixed, told, full, since),
        content(f"{name:<14}", fixed, told, full),
        content(f"{name:<14}", fixed, told, less),
        content(f"{name:<14}", fixed),
        content(f"{name:<15}", money),
        content(f"{brief} ", money),
    )
