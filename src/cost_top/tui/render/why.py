"""Why spend changed, for eyes: the sentence, the parts that add up, and who is behind it."""

from __future__ import annotations

from datetime import tzinfo

from textual.content import Content

from cost_top.insight.why import Driver, Why
from cost_top.insight.why_text import printed, sentence, times, twins_of
from cost_top.model.dimensions import dimension_named, word_of
from cost_top.model.errors import one_line
from cost_top.model.filter import Filter
from cost_top.model.format import elide, money_within, pad, tail_of, with_tail
from cost_top.model.money import display_usd
from cost_top.tui.render.style import BAR, CAUTION, FIGURE, GOOD, MUTED, content, folded
from cost_top.tui.widgets.column import Column

_PART, _AMOUNT, _NOTES = 9, 14, 2
_FIGURES = (("change", 12), ("share", 8), ("requests", 12))
_DIMENSION = 11


def why_lines(answer: Why, where: Filter, zone: tzinfo, width: int, *, until_now: bool) -> list[Content]:
    """What stands above the table of drivers."""
    told = sentence(answer, where, zone, until_now)
    lines = [content((line, FIGURE)) for line in folded(told, width)]
    if answer.is_empty:
        return [*lines, *(content((elide(note, width), MUTED)) for note in answer.notes[:_NOTES])]
    before, after = display_usd(answer.before.cost), display_usd(answer.after.cost)
    lines += [content(), content(f"{before} → {after}", (f"  {display_usd(answer.change, sign=True)}, of it:", MUTED))]
    widest = max((abs(part) for part in answer.factors.values()), default=0)
    for name, shown in printed(dict(answer.factors)).items():
        part = answer.factors[name]
        bar = "█" * (abs(part) * max(1, width - _PART - _AMOUNT - 2) // widest) if widest else ""
        style = CAUTION if part > 0 else GOOD
        lines.append(
            content((pad(name, _PART), MUTED), pad(shown, _AMOUNT, "right"), "  ", (bar, style if bar else BAR))
        )
    if answer.models and answer.factors["mix"] > 0:
        models = ", ".join(one_line(model, 40) for model in answer.models)
        lines.append(content((elide(f"mix: more of {models}", width), MUTED)))
    return [*lines, *(content((elide(note, width), MUTED)) for note in answer.notes[:_NOTES])]


def told_drivers(answer: Why) -> list[tuple[Driver, Driver | None]]:
    """The drivers with the one they are inside of, in the order of the table."""
    rows: list[tuple[Driver, Driver | None]] = []
    for driver in answer.drivers:
        rows += [(driver, None), *((one, driver) for one in driver.inside)]
    return rows


def driver_columns(width: int) -> tuple[Column, ...]:
    """The columns of the table of drivers; their widths add up to `width`."""
    left = max(8, width - _DIMENSION - sum(cells for _, cells in _FIGURES))
    figures = (Column(name, name, cells, "right", None, cells) for name, cells in _FIGURES)
    return (
        Column("dimension", "behind it", _DIMENSION, "left", None, 8),
        Column("value", "", left, "left", None, 8),
        *figures,
    )  # fmt: skip


def driver_cells(driver: Driver, parent: Driver | None, answer: Why, width: int) -> tuple[Content, ...]:
    """One driver; the share is of the change, that of one inside another of the other's."""
    columns = driver_columns(width)
    name = one_line(driver.name or driver.value or dimension_named(driver.dimension).none, 200)
    tail = one_line(tail_of(driver.value, twins_of(driver, answer)), 200)
    ratio = times(driver.after.requests, driver.before.requests) if driver.before.requests else "new"
    figures = (money_within(driver.change, _FIGURES[0][1] - 1, sign=True), f"{round(driver.share * 100)} %", ratio)
    shown = [content(pad(text, cells, "right")) for text, (_, cells) in zip(figures, _FIGURES, strict=True)]
    indent = "  " if parent is not None else ""
    return (
        content((pad(f"{indent}{word_of(driver.dimension)}", _DIMENSION), MUTED)),
        content(pad(f" {with_tail(name, tail, columns[1].width - 1)}", columns[1].width)), *shown,
    )  # fmt: skip
