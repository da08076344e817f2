"""The overview and a report as plain text: for a pipe, a log or a mail."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import datetime, tzinfo

from cost_top.model.dimensions import dimension_named, none_text
from cost_top.model.doubts import OF_A_KNOWN_COST
from cost_top.model.format import (
    UNKNOWN,
    Align,
    cells,
    change,
    count,
    counted,
    duration_ms,
    elide,
    elide_apart,
    lower_bound,
    money_fixed,
    pad,
    percent,
    share,
)
from cost_top.model.money import display_usd
from cost_top.model.notes import untimed_notes
from cost_top.model.query import Measures, Report, added
from cost_top.model.snapshot import Filling, Lens, Snapshot, Stale
from cost_top.model.text import clean
from cost_top.model.view import FIXED_LENSES
from cost_top.model.windows import zone_name

_ROWS = 10
_NAME_CELLS = 48
_GAP = "  "


def overview_text(snapshot: Snapshot, zone: tzinfo, width: int = 80) -> str:
    """The window's spend, savings and leaders as lines of at most `width` cells (no less than 60)."""
    width = max(width, 60)
    parts = [_head(snapshot, zone, width), _summary(snapshot)]
    leaders = [lens for lens in snapshot.lenses if lens.dimension in FIXED_LENSES and lens.report.rows]
    parts += [_lens_table(lens, width, "last " if snapshot.view.end is None else "") for lens in leaders]
    if snapshot.spend.measures.request_count == 0:
        parts.append(_nothing(snapshot, zone))
    notes = [f"note: {note}" for note in _notes(snapshot)]
    if notes:
        parts.append([line for note in notes for line in _wrapped(note, width)])
    lines = [line for part in parts for line in (*part, "")]
    return "\n".join(elide(line, width).rstrip() for line in lines).rstrip("\n")


def _head(snapshot: Snapshot, zone: tzinfo, width: int) -> list[str]:
    period = snapshot.period
    span = f"{_minute(period.start, zone)} to {_minute(period.end, zone)} {zone_name(zone)}"
    lines = [elide(f"cost-top{_GAP}{clean(snapshot.source)}{_GAP}{span}", width)]
    if snapshot.view.where:
        lines.append(elide(f"filter{_GAP}{clean(str(snapshot.view.where))}", width))
    return lines


def _minute(instant: datetime, zone: tzinfo) -> str:
    return f"{instant.astimezone(zone):%Y-%m-%d %H:%M}"


def _summary(snapshot: Snapshot) -> list[str]:
    spend, total = snapshot.spend, snapshot.spend.measures
    span = _span(snapshot.period.length.total_seconds())
    told = change(total.total_cost, spend.previous_cost)
    against = (
        ""
        if total.request_count == 0 and not spend.previous_cost
        else f"{told} vs {span} before"
        if told
        else f"the {span} before are not known"
    )
    rows = [
        ("spend", _so_far(snapshot, "total", total.total_cost, total.unpriced_count), against),
        ("today", _so_far(snapshot, "today", spend.today, spend.today_unpriced),
         f"month so far {_so_far(snapshot, 'month', spend.month, spend.month_unpriced)}"),
        ("saved by cache", *_saved(total.saved_by_cache, total.total_cost)),
        ("saved by prompt cache", *_saved(total.prompt_cache_savings, total.total_cost)),
        ("below market", display_usd(spend.below_market),
         _share_of(spend.below_market, _less(total.market_cost, spend.byok_market_cost), "list price")),
    ]  # fmt: skip
    rows = [row for row in rows if row[1] != UNKNOWN]
    if spend.byok_market_cost:
        rows.append(("on own keys", display_usd(spend.byok_market_cost), "at list price, not in the spend"))
    if total.request_count is not None:
        rows.append(("requests", f"{total.request_count:,}", _share_of(total.error_count, total.request_count,
                                                                       "them failed")))  # fmt: skip
    width = max(cells(money) for _, money, _ in rows)
    return [f"{name:<21}{_GAP}{pad(money, width, 'right')}{_GAP}{told}" for name, money, told in rows]


def _so_far(snapshot: Snapshot, figure: str, amount: int | None, unpriced: int = 0) -> str:
    """Money, a lower bound where a part of it has no price or is not summed yet."""
    return lower_bound(display_usd(amount), unpriced or (amount is not None and not snapshot.is_settled(figure)))


def _saved(amount: int | None, paid: int) -> tuple[str, str]:
    return display_usd(amount), _share_of(amount, added((paid, amount)), "what it would have cost without")


def _less(whole: int | None, part: int | None) -> int | None:
    return None if whole is None or part is None else whole - part


def _share_of(part: int | None, whole: int | None, of: str) -> str:
    told = percent(abs(part), whole) if part is not None and whole is not None and whole > 0 else None
    if not told:
        return ""
    return f"{told} of {of}" if part is not None and part >= 0 else f"{told} more than {of}"


def _span(seconds: float) -> str:
    hours = round(seconds / 3600)
    return f"{round(hours / 24)} days" if hours > 48 else f"{hours} hours" if hours != 1 else "hour"


def _lens_table(lens: Lens, width: int, last: str) -> list[str]:
    span = _span(lens.period.length.total_seconds())
    total = lens.report.totals.total_cost
    rows = [
        (
            _row_name(lens.report.columns, row.key),
            money_fixed(row.measures.total_cost, 13, row.measures.unpriced_count),
            _share(row.measures, total),
            count(row.measures.request_count),
        )
        for row in lens.report.rows[:_ROWS]
    ]
    # The rest keeps what is listed and what is not adding up to the total.
    rest = lens.report.row_count - len(rows)
    if rest > 0:
        left = total - sum(row.measures.total_cost for row in lens.report.rows[:_ROWS])
        requests = _less(
            lens.report.totals.request_count, added(row.measures.request_count for row in lens.report.rows[:_ROWS])
        )
        unpriced = lens.report.totals.unpriced_count - sum(r.measures.unpriced_count for r in lens.report.rows[:_ROWS])
        rows.append((f"{count(rest)} more", money_fixed(left, 13, unpriced), share(left, total) or UNKNOWN,
                     count(requests)))  # fmt: skip
    titles = (f"{_title(lens.dimension)}, {last}{span}", "cost  ", "share", "requests")
    return _table(titles, rows, ("left", "right", "right", "right"), name_cells=max(20, width - 36), fill=True)


def _title(dimension: str) -> str:
    declared = dimension_named(dimension)
    return declared.title if declared.title.startswith("Top") else f"By {declared.noun}"


def _row_name(columns: Sequence[str], key: Sequence[str | None]) -> str:
    """A row's name; a token's display name stands after its id."""
    value = key[0]
    shown = _key_text(columns[0], value)
    if dimension_named(columns[0]).name_field and len(key) > 1 and key[1] and key[1] != value:
        return f"{elide(shown, 24)}{_GAP}{clean(key[1])}" if value is not None else clean(key[1])
    return shown


def _share(measures: Measures, total: int) -> str:
    if measures.unpriced_count and not measures.total_cost:
        return UNKNOWN
    return share(measures.total_cost, total) or UNKNOWN


def _nothing(snapshot: Snapshot, zone: tzinfo) -> list[str]:
    if snapshot.newest is not None and snapshot.newest < snapshot.period.start:
        day = snapshot.newest.astimezone(zone).date()
        return [f"No request in this window; the newest is of {day}.", f"cost-top report --since {day} shows it."]
    if snapshot.log_rows == 0:
        return ["The log has no request with a time." if snapshot.trust.untimed_count else "The log is empty."]
    return ["No request matches the filter." if snapshot.view.where else "No request in this window."]


def _notes(snapshot: Snapshot) -> list[str]:
    """What a reader must know before trusting the figures above."""
    trust, notes = snapshot.trust, list(untimed_notes(snapshot.trust.untimed_count))
    if trust.unpriced_count:
        requests = f"{count(trust.unpriced_count)} request{'s' if trust.unpriced_count != 1 else ''}"
        models = f" of {trust.unpriced_models} model{'s' if trust.unpriced_models != 1 else ''}"
        notes.append(
            f"{requests}{models if trust.unpriced_models else ''} unpriced; the spend is a lower bound (≥). "
            "cost-top report --group-by model --where unpriced:yes lists them"
        )
    if trust.unrated_count:
        notes.append(
            f"{count(trust.unrated_count)} of them in a mode, a region or with a kind of usage that has no rate "
            "(cost-top report names them in its notes)"
        )
    if trust.doubtful_count:
        notes.append(
            f"{count(trust.doubtful_count)} with a reported cost beyond belief, a timeout at $0, a list price that "
            f"lacks a part or a count that is no number (--where doubt:{','.join(OF_A_KNOWN_COST)})"
        )
    if trust.refund_count:
        back, rows = display_usd(trust.refunded_cost), f"row{'s' if trust.refund_count != 1 else ''}"
        notes.append(
            f"refunds or corrections in {count(trust.refund_count)} {rows} took {back} off cost and market cost"
        )
    if trust.zero_cost_count:
        one = trust.zero_cost_count == 1
        told = f"{counted(trust.zero_cost_count, 'request')} {'has' if one else 'have'} tokens but a cost of $0"
        notes.append(f"{told} (--where zero_cost:yes)")
    if trust.drift_days:
        money, days = display_usd(abs(trust.drift)), f"{trust.drift_days} day{'s' if trust.drift_days != 1 else ''}"
        lacking = "log lacks {} of the rollups" if trust.drift >= 0 else "rollups lack {} of the log"
        notes.append(f"the {lacking.format(money)} on {days} (cost-top doctor SOURCE --drift)")
    if snapshot.filling is not None:
        notes.append(_unfilled(snapshot.filling))
    if isinstance(snapshot.state, Stale):
        notes.append(f"the source does not answer: {clean(snapshot.state.error)}")
    notes += snapshot.notes
    if any(lens.dimension == "tag" for lens in snapshot.lenses):
        notes.append("a request counts once for each of its tags; the rows of tags add up to more than the total")
    return notes


def _unfilled(filling: Filling) -> str:
    if filling.done < filling.total:
        return f"history is incomplete: {filling.done} of {filling.total} days read, totals miss the rest"
    return f"details are incomplete: tags and cache of {filling.details_done} of {filling.details_total} days read"


def _wrapped(text: str, width: int) -> list[str]:
    """Words in lines of at most `width` cells, continued under the text of the first."""
    lines, line = [], ""
    for word in text.split(" "):
        if line and cells(line) + 1 + cells(word) > width:
            lines.append(line)
            line = f"      {word}"
        else:
            line = f"{line} {word}" if line else word
    return [*lines, line]


def report_table(report: Report, title: str = "") -> str:
    """A report as an aligned table with its totals below: money rounded for eyes, counts in full."""
    kinds = _report_columns(report)
    rows = [
        (*map(_key_text, report.columns, row.key), *_measure_cells(row.measures, report.totals, kinds))
        for row in report.rows
    ]
    label = ("total", *[""] * (len(report.columns) - 1))[: len(report.columns)]
    total = (*label, *_measure_cells(report.totals, report.totals, kinds))
    titles = (*report.columns, *(name.ljust(len(name) + 2) if name == "cost" else name for name in kinds))
    left, right = list[Align](["left"]), list[Align](["right"])
    aligns = left * len(report.columns) + right * len(kinds)
    lines = _table(titles, [*rows, total], aligns, name_cells=_NAME_CELLS)
    lines.insert(len(lines) - 1, "-" * max(cells(line) for line in lines))
    if title:
        lines.insert(0, clean(title))
    if report.totals.request_count == 0:
        lines.append("no requests in this period")
    return "\n".join(line.rstrip() for line in lines)


def aligned(titles: Sequence[str], rows: Sequence[Sequence[str]], names: int, title: str) -> str:
    """A table whose first `names` columns are texts and the others figures, a rule above the last row."""
    aligns: list[Align] = [*["left"] * names, *["right"] * (len(titles) - names)]  # type: ignore[list-item]
    lines = _table(titles, rows, aligns, name_cells=_NAME_CELLS)
    if names:
        lines.insert(len(lines) - 1, "-" * max(cells(line) for line in lines))
    return "\n".join(line.rstrip() for line in (clean(title), *lines))


def _report_columns(report: Report) -> tuple[str, ...]:
    """Measures worth a column: what is 0 or unknown everywhere is left out."""
    total = report.totals
    optional = (
        ("saved by cache", total.saved_by_cache),
        ("prompt cache", total.prompt_cache_savings),
        ("errors", total.error_count),
        ("unpriced", total.unpriced_count),
        ("p95", total.latency_p95),
    )
    return ("cost", "share", "requests", "input", "output", *(name for name, figure in optional if figure))


def _measure_cells(measures: Measures, totals: Measures, kinds: Sequence[str]) -> list[str]:
    figures = {
        "cost": money_fixed(measures.total_cost, 15, measures.unpriced_count).lstrip(),
        "share": _share(measures, totals.total_cost),
        "requests": _exact(measures.request_count),
        "input": _exact(measures.input_tokens),
        "output": _exact(measures.output_tokens),
        "saved by cache": display_usd(measures.saved_by_cache),
        "prompt cache": display_usd(measures.prompt_cache_savings),
        "errors": _exact(measures.error_count),
        "unpriced": f"{measures.unpriced_count:,}",
        "p95": duration_ms(measures.latency_p95),
    }
    return [figures[kind] for kind in kinds]


def _key_text(column: str, value: str | None) -> str:
    return none_text(column) if value is None else clean(value) or "(empty)"


def _table(
    titles: Sequence[str],
    rows: Sequence[Sequence[str]],
    aligns: Sequence[Align],
    name_cells: int,
    fill: bool = False,
) -> list[str]:
    """Rows under titles, columns parted by two blanks. `fill` makes the first column as wide as it may be."""
    widths = [max(cells(text) for text in column) for column in zip(titles, *rows, strict=True)]
    widths = [min(width, name_cells) if align == "left" else width for width, align in zip(widths, aligns, strict=True)]
    if fill:
        widths[0] = name_cells
    columns = [
        _told_apart(column, width) if align == "left" else column
        for column, width, align in zip(zip(titles, *rows, strict=True), widths, aligns, strict=True)
    ]
    joined = not sys.stdout.isatty()
    return [
        _GAP.join(pad(text, width, align, joined) for text, width, align in zip(line, widths, aligns, strict=True))
        for line in zip(*columns, strict=True)
    ]


def _told_apart(names: Sequence[str], width: int) -> list[str]:
    """Names in at most `width` cells, those that would look the same cut at their end cut in the middle."""
    alike: dict[str, set[str]] = {}
    for name in names:
        if len(name) > width:
            alike.setdefault(elide(name, width), set()).add(name)
    cut = {name: short for short, some in alike.items() for name in some}
    return [elide_apart(name, width, alike[cut[name]]) if name in cut else name for name in names]


def _exact(number: int | None) -> str:
    return UNKNOWN if number is None else f"{number:,}"
