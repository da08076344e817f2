"""The cards of what was spent and of what was saved."""

from __future__ import annotations

from datetime import timedelta, tzinfo
from textwrap import wrap

from textual.content import Content

from cost_top.insight.forecast import rounded
from cost_top.insight.month_end import incident_days, left_of_month, month_end
from cost_top.model.budget_line import date_text
from cost_top.model.format import (
    change,
    count,
    counted,
    lower_bound,
    money_fixed,
    money_scaled,
    percent,
    tokens,
)
from cost_top.model.money import display_usd
from cost_top.model.query import Measures, added
from cost_top.model.snapshot import Balance, Snapshot, Spend
from cost_top.tui.render.over import over_usual
from cost_top.tui.render.style import (
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
)  # fmt: skip

COMPACT_HEIGHT = 2
_SECOND = timedelta(seconds=1)
_FORESEEN = timedelta(days=300)  # later than that, days say more than a date without its year
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def spend_card(snapshot: Snapshot, width: int, height: int, zone: tzinfo) -> Content:
    """Total of the window against the equal period before; today and month so far; since the mark, if one is set."""
    spend = snapshot.spend
    if not snapshot.has_figures:
        return lines([first_fit(width, content(("not known yet", MUTED)))], width, height)
    rows = [_total_line(snapshot, width), _so_far_line(snapshot, width, zone)]
    if height > COMPACT_HEIGHT:
        more = (_mark_line(snapshot, width), _month_end_line(snapshot, width, zone), _own_keys_line(spend, width),
                _balance_line(snapshot, width, zone), _volume_line(snapshot, width))  # fmt: skip
        rows += [row for row in more if row is not None]
    elif spend.since_mark is not None:
        rows[1] = _mark_line(snapshot, width) or rows[1]
    elif (balance := _balance_line(snapshot, width, zone)) is not None:
        today = content(("today ", MUTED), so_far(snapshot, "today", spend.today, spend.today_unpriced), "  ")
        rows[1] = first_fit(width, content(today, _balance(snapshot.balance)), balance)
    return lines(rows, width, height)


def so_far(snapshot: Snapshot, figure: str, amount: int | None, unpriced: int = 0) -> str:
    """Money that may still grow, because it is still being summed or because a part of it has no price."""
    settled = snapshot.is_settled(figure)
    if amount is None and not settled:
        return "…"
    return lower_bound(display_usd(amount), unpriced or not settled)


def _total_line(snapshot: Snapshot, width: int) -> Content:
    spend = snapshot.spend
    total = so_far(snapshot, "total", spend.measures.total_cost, spend.measures.unpriced_count)
    figure = content((total, FIGURE))
    settled = snapshot.is_settled("total", "before")
    told = change(spend.measures.total_cost, spend.previous_cost) if settled else None
    if told is None:
        note = content(("period before unknown" if settled else "vs before …", MUTED))
        return spread(figure, note, width) if fits(figure, note, width) else first_fit(width, figure)
    style = {"▲": CAUTION, "▼": GOOD}.get(told[0], MUTED)
    if not spend.measures.total_cost and not spend.previous_cost:
        note = content(("nothing before either", MUTED))
        return spread(figure, note, width) if fits(figure, note, width) else first_fit(width, figure)
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
    spend = snapshot.spend
    today = so_far(snapshot, "today", spend.today, spend.today_unpriced)
    month = so_far(snapshot, "month", spend.month, spend.month_unpriced)
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
        content(
            (f"{day} ", MUTED),
            today,
            (f" {name} ", MUTED),
            lower_bound(money_scaled(spend.month), spend.month_unpriced),
        ),
        content((f"{day} ", MUTED), today),
    )


def _month_end_line(snapshot: Snapshot, width: int, zone: tzinfo) -> Content | None:
    """`month end ≈ $2,110, 1,790–2,490`; while an incident is open also what it comes to if that goes on."""
    now, spent = snapshot.period.end, snapshot.spend.month
    why_not = snapshot.limit("month end")
    if why_not is not None:
        name, short = ("month end ", MUTED), why_not.partition(":")[0]
        return first_fit(width, content(name, (why_not, MUTED)), content(name, (short, MUTED)))
    if snapshot.days is None or spent is None or not snapshot.is_settled("days", "month"):
        return None
    found = month_end(snapshot.days, spent, now, zone, incident_days(snapshot.incidents, zone))
    if found is None:
        return None
    name, middle = ("month end ", MUTED), (f"≈ ${rounded(found.total)}", ESTIMATE)
    over = over_usual(snapshot) if snapshot.incidents else None
    if over is not None:
        more = found.total + over * (left_of_month(now, zone) // _SECOND) // 3600
        worse = (f"≈ ${rounded(more)}", CAUTION)
        return first_fit(
            width,
            content(name, middle, ("; ", MUTED), worse, (" if this goes on", MUTED)),
            content(name, middle, ("; at this rate ", MUTED), worse),
            content(
                ("month ", MUTED),
                (f"≈${rounded(found.total)}", ESTIMATE),
                (", at this rate ", MUTED),
                (f"${rounded(more)}", CAUTION),
            ),
            content(name, middle),
        )
    if found.low is None or found.high is None:
        return first_fit(width, content(name, middle))
    band = f"{rounded(found.low)}–{rounded(found.high)}"
    return first_fit(
        width,
        content(name, middle, (f", 4 of 5 times within {band}", MUTED)),
        content(name, middle, (f", 4 of 5 in {band}", MUTED)),
        content(name, middle, (f", {band}", MUTED)),
        content(name, middle),
    )


def _mark_line(snapshot: Snapshot, width: int) -> Content | None:
    since = snapshot.spend.since_mark
    if since is None:
        return None
    money = so_far(snapshot, "mark", since.total_cost, since.unpriced_count)
    requests = counted(since.request_count, "request")
    return first_fit(
        width,
        content(("since mark ", MUTED), (money, FIGURE), (f"{SEPARATOR}{requests}", MUTED)),
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


def _balance(balance: Balance | None) -> Content:
    credits = balance.credits if balance is not None else None
    return content(("balance ", MUTED), (display_usd(credits.balance if credits is not None else None), FIGURE))


def _balance_line(snapshot: Snapshot, width: int, zone: tzinfo) -> Content | None:
    """What is left of money paid in advance, and until when: at the burn of the last days, and at the present one."""
    known = snapshot.balance
    if known is None or known.credits is None or known.credits.balance is None:
        return None
    balance = _balance(known)
    if known.runway is None:
        return first_fit(width, balance)
    short = known.runway < timedelta(days=3)
    lasts = f"{known.runway.days} days" if known.runway.days >= 2 else f"{known.runway // timedelta(hours=1)} h"
    style = CAUTION if short else ESTIMATE
    now = snapshot.period.end
    until, at_this_rate = (
        date_text((now + span).astimezone(zone)) if span is not None and span < _FORESEEN else None
        for span in (known.runway, known.runway_now)
    )
    dates = []
    if until is not None and at_this_rate is not None:
        sooner = CAUTION if known.runway_now is not None and known.runway_now < known.runway else MUTED
        dates.append(content(balance, ("   until ≈ ", MUTED), (until, style), (", at this rate ", MUTED),
                             (at_this_rate, sooner)))  # fmt: skip
    if until is not None:
        dates.append(content(balance, ("   until ≈ ", MUTED), (until, style)))
    return first_fit(
        width,
        *dates,
        content(balance, ("   lasts ≈ ", MUTED), (lasts, style)),
        content(balance, (" ≈ ", MUTED), (lasts, style)),
        balance,
    )


def _volume_line(snapshot: Snapshot, width: int) -> Content | None:
    measures, least = snapshot.spend.measures, "" if snapshot.is_settled("total") else "≥"
    used = added((measures.input_tokens, measures.output_tokens))
    requests = measures.request_count
    facts = [(counted(requests, "request"), f"{count(requests)} req")] if requests is not None else []
    facts += [(f"{tokens(used)} token{'' if used == 1 else 's'}", f"{tokens(used)} tok")] if used is not None else []
    if not facts:
        return None
    return first_fit(
        width,
        *(content((SEPARATOR.join(least + fact for fact in form), MUTED)) for form in zip(*facts, strict=True)),
    )


def wrapped(text: str, width: int) -> list[Content]:
    """Why there is nothing to show, over as many lines as it takes."""
    return [content((line, MUTED)) for line in wrap(text, max(width, 1))]


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
    wordings = [_saving(*saving) if snapshot.is_settled("total") else _counting(*saving[:2]) for saving in savings]
    market = total.market_cost
    if spend.below_market is None and market is not None:
        # What own keys cost at list price is not told apart, so the difference is no saving.
        told = (("at list price ", MUTED), (display_usd(market), FIGURE))
        rows = [wording[-2] for wording in wordings]
        rows.append(first_fit(width, content(*told, (", own keys included", MUTED)), content(*told)))
        return lines(rows, width, height)
    if not savings:
        return lines(wrapped(snapshot.limit("saved") or "not known", width), width, height)
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


def _counting(name: str, saved: int | None) -> tuple[Content, ...]:
    """One saving that is still being summed: faint, and without a share of what is not whole either."""
    amount = money_fixed(saved or 0, 11)
    return (content(f"{name:<14}", (f"{amount} …", MUTED)), content(f"{name:<14}", (amount, MUTED)),
            content(f"{name.partition(' ')[0]} ", (f"{display_usd(saved)}…", MUTED)))  # fmt: skip


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
