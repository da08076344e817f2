"""Every key of the app, as data: the key line, the help and the palette are made from these."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from textual.binding import Binding

from cost_top.model.dimensions import PANELS, TABS

LOOK = Binding.Group("Look closer")
FIND = Binding.Group("Find")
TIME = Binding.Group("Time")
TABLES = Binding.Group("Tables")
TAKE = Binding.Group("Take away")
APP = Binding.Group("App")
GROUPS = (LOOK, FIND, TIME, TABLES, TAKE, APP)


# How a key is written on the screen where Textual's name for it is not what is printed on it.
DISPLAY = {
    "enter": "⏎", "escape": "esc", "slash": "/", "comma": ",", "full_stop": ".", "less_than_sign": "<",
    "greater_than_sign": ">", "left_square_bracket": "[", "right_square_bracket": "]", "plus,equals_sign": "+",
    "minus": "-", "question_mark": "?", "up,k": "↑", "down,j": "↓", "up": "↑", "down": "↓",
    "left": "←", "right": "→", "pageup": "PgUp",
    "pagedown": "PgDn", "home": "Home", "end": "End", "ctrl+p": "^p", "shift+tab": "⇧tab", "q,ctrl+c": "q",
    "ctrl+z": "^z", "ctrl+l": "^l", "exclamation_mark": "!", "dollar_sign": "$",
}  # fmt: skip
# The key line: the first that fit.
HINTS = (
    "filter", "row.open", "bar.left", "bar.right", "bar.zoom", "bar.lines", "trust.left", "trust.right", "trust.open",
    "requests.back", "requests.order", "pick.user", "pick.tag", "window.shorter", "window.longer", "requests.open",
    "why", "tab.left", "tab.right", "measure", "mark.set", "pause", "time.go", "export", "copy",
)  # fmt: skip
# Those that stand at its end whatever else fits.
LAST_HINTS = ("help", "quit")
# Two keys under the name of the second.
PAIRED = ("window.shorter", "bar.left", "trust.left", "tab.left")


def key(  # noqa: D103
    name: str, keys: str, action: str, hint: str, says: str, group: Binding.Group, *, waits: bool = False
) -> Binding:  # fmt: skip
    # Keys act as they come, however fast: one that waited for its widget would be overtaken by the next, and be lost
    # where that opens a dialog. In a dialog they wait, since they may belong to the text that is typed there.
    return Binding(
        keys, action, hint, key_display=DISPLAY.get(keys, keys), tooltip=says, id=name, group=group, priority=not waits
    )


_typed = partial(key, waits=True)


TABLE_BINDINGS: tuple[Binding, ...] = (
    key(
        "row.open",
        "enter",
        "activate",
        "drill",
        "in a table: drill into the row, in the end its requests",
        LOOK,
    ),
    key("row.up", "up,k", "cursor(-1)", "up", "row up", TABLES),
    key("row.down", "down,j", "cursor(1)", "down", "row down", TABLES),
    key("row.page-up", "pageup", "cursor_page(-1)", "page up", "page up", TABLES),
    key("row.page-down", "pagedown", "cursor_page(1)", "page down", "page down", TABLES),
    key("row.first", "home", "cursor_end(False)", "first", "first row", TABLES),
    key("row.last", "end", "cursor_end(True)", "last", "last row", TABLES),
)

TAB_BINDINGS: tuple[Binding, ...] = (
    key("tab.left", "left", "tab(-1)", "tab", "in a panel with tabs: the tab to the left", LOOK),
    key("tab.right", "right", "tab(1)", "tab", "in a panel with tabs: the tab to the right", LOOK),
)

OVERVIEW_BINDINGS: tuple[Binding, ...] = (
    key("back", "escape", "back", "back", "one step back: out of a drill, then out of the filter", LOOK),
    key("row.exclude", "exclamation_mark", "exclude", "exclude", "leave the row out: its requests count no more", FIND),
    key("requests.open", "l", "requests", "log", "list the single requests behind the figures", LOOK),
    key("panel.maximise", "z", "zoom", "maximise", "the focused panel alone, and all of them again", LOOK),
    *(
        key(f"panel.{each.key}", each.key, f"panel('{each.name}')", each.plural, each.plural, LOOK)
        for each in (*PANELS, *TABS)
    ),
    key("panel.9", "9", "panel('chart')", "chart", "the chart", LOOK),
    key("panel.next", "tab", "app.focus_next", "next", "the next panel", LOOK),
    key("panel.previous", "shift+tab", "app.focus_previous", "previous", "the panel before", LOOK),
    key("sort.left", "less_than_sign", "sort(-1)", "sort", "sort by the column to the left", TABLES),
    key("sort.right", "greater_than_sign", "sort(1)", "sort", "sort by the column to the right", TABLES),
    key("sort.invert", "i", "invert", "invert", "turn the order round", TABLES),
)

REQUEST_BINDINGS: tuple[Binding, ...] = (
    key("requests.back", "escape", "back", "back", "in the requests: back to the overview", LOOK),
    key("requests.order", "o", "order", "newest/dearest", "in the requests: newest or dearest first", TABLES),
)

CHART_BINDINGS: tuple[Binding, ...] = (
    key("bar.left", "left", "bar(-1)", "bar", "the bar to the left", LOOK),
    key("bar.right", "right", "bar(1)", "bar", "the bar to the right", LOOK),
    key("bar.zoom", "enter", "zoom_bar", "zoom", "in the chart: look at the picked bar's time alone", LOOK),
    key("bar.lines", "d", "lines", "lines", "in the chart: the same time as lines, by a dimension", LOOK),
)

TRUST_BINDINGS: tuple[Binding, ...] = (
    key("trust.left", "left", "part(-1)", "part", "the part to the left", LOOK),
    key("trust.right", "right", "part(1)", "part", "the part to the right", LOOK),
    key("trust.open", "enter", "open_part", "open", "in the trust line: the requests behind the part", LOOK),
)

UNUSUAL_BINDINGS: tuple[Binding, ...] = (
    key("unusual.look", "enter", "look_at", "look", "in the line of what is unusual: look at whose it is", LOOK),
)

APP_BINDINGS: tuple[Binding, ...] = (
    key("why", "w", "why", "why", "why is it up: what is behind the focused row, bar or figure", LOOK),
    key("incidents", "a", "incidents", "alarms", "incidents: what is unusual, open and of the last days", LOOK),
    key("budgets", "b", "budgets", "budgets", "budgets: what is used and left of each, and when it resets", LOOK),
    key(
        "savings", "dollar_sign", "savings", "saved", "paid, list price and saved: by key, provider, model, date", LOOK
    ),
    key(
        "measure",
        "v",
        "measure",
        "measure",
        "panels and chart by another measure: cost, tokens, requests, errors, p95, saved",
        LOOK,
    ),
    key("filter", "slash", "filter", "filter", "filter everything: tag:prod -model:gpt-4o* cost:>0.05", FIND),
    key("pick.user", "u", "pick('user')", "user", "find a user and look at it alone", FIND),
    key("pick.tag", "t", "pick('tag')", "tag", "find a tag and look at it alone", FIND),
    key("pick.token", "K", "pick('token')", "key", "find an API key (token) and look at it alone", FIND),
    key("pick.session", "S", "pick('session')", "session", "find a session and look at it alone", FIND),
    key("unpriced", "x", "unpriced", "unpriced", "models without a rate, and the lines that would price them", FIND),
    key("window.shorter", "left_square_bracket", "window(-1)", "window", "shorter window", TIME),
    key("window.longer", "right_square_bracket", "window(1)", "window", "longer window", TIME),
    key("time.back", "comma", "travel(-1)", "earlier", "step the window back by a quarter", TIME),
    key("time.forward", "full_stop", "travel(1)", "later", "step the window forward by a quarter", TIME),
    key("time.go", "g", "go", "go to", "go to a date: 2026-11-01 or 2026-11-01..2026-11-15", TIME),
    key("time.now", "n", "now", "now", "back to now", TIME),
    key("mark.set", "m", "mark", "mark", "mark this moment: every figure also shows what came since", TIME),
    key("mark.clear", "M", "unmark", "unmark", "forget the mark", TIME),
    key("pause", "space", "pause", "pause", "freeze what is shown; collecting goes on", TIME),
    key("refresh", "r", "refresh_now", "refresh", "ask the source now", TIME),
    key("interval.longer", "plus,equals_sign", "interval(1)", "slower", "ask less often", TIME),
    key("interval.shorter", "minus", "interval(-1)", "faster", "ask more often", TIME),
    key("copy", "y", "copy", "copy", "copy the focused row or figure (works over ssh)", TAKE),
    key("copy.command", "Y", "copy_command", "command", "copy the command line that shows this screen", TAKE),
    key("export", "e", "export", "export", "write the focused table to a CSV or JSON file", TAKE),
    key("screenshot", "s", "screenshot", "screenshot", "write the screen to an SVG file", TAKE),
    key("theme", "T", "theme", "theme", "light or dark", APP),
    key("palette", "ctrl+p", "command_palette", "palette", "every verb by name", APP),
    key("help", "question_mark", "help", "help", "this help", APP),
    key("redraw", "ctrl+l", "redraw", "redraw", "draw the screen anew, where something else wrote to it", APP),
    key("suspend", "ctrl+z", "suspend_process", "suspend", "leave the app stopped; the shell's fg returns to it", APP),
    key("quit", "q,ctrl+c", "quit", "quit", "quit", APP),
)

DIALOG_BINDINGS: tuple[Binding, ...] = (
    key("dialog.leave", "escape", "leave", "close", "close without an answer", LOOK),
    _typed("dialog.up", "up", "list(-1)", "up", "row up", TABLES),
    _typed("dialog.down", "down", "list(1)", "down", "row down", TABLES),
)

# In a dialog where nothing is typed.
LISTED_BINDINGS: tuple[Binding, ...] = (
    _typed("listed.copy", "y", "copy", "copy", "copy what is told of the row", TAKE),
    _typed("listed.screenshot", "s", "screenshot", "screenshot", "write the screen to an SVG file", TAKE),
    _typed("listed.leave", "q", "leave", "close", "close without an answer", LOOK),
)

EXPORT_BINDINGS: tuple[Binding, ...] = (
    _typed("export.csv", "c", "choose('csv')", "CSV", "write a CSV file", TAKE),
    _typed("export.json", "j", "choose('json')", "JSON", "write a JSON file", TAKE),
)

SAVINGS_BINDINGS: tuple[Binding, ...] = (
    _typed("savings.left", "left", "tab(-1)", "by", "by what stands to the left", LOOK),
    _typed("savings.right", "right", "tab(1)", "by", "by what stands to the right", LOOK),
)

LINES_BINDINGS: tuple[Binding, ...] = (
    _typed("lines.left", "left", "tab(-1)", "by", "by the dimension before", LOOK),
    _typed("lines.right", "right", "tab(1)", "by", "by the next dimension", LOOK),
)

HELP_BINDINGS: tuple[Binding, ...] = (
    _typed("help.leave", "q,question_mark", "leave", "close", "close the help", LOOK),
    key("help.find", "slash", "find", "find", "find a word in the help", FIND),
)

PROMPT_BINDINGS: tuple[Binding, ...] = (
    _typed("prompt.complete", "tab", "complete", "complete", "in the filter: complete the field or the value", FIND),
    _typed("prompt.older", "up", "older(1)", "older", "in the filter: the one used before", FIND),
    _typed("prompt.newer", "down", "older(-1)", "newer", "in the filter: the one used after", FIND),
)

UNPRICED_BINDINGS: tuple[Binding, ...] = (
    _typed("unpriced.copy", "y", "copy", "copy", "copy the lines that would price the model", TAKE),
)


# Keys that belong together and are told in one line.
_DIGITS = {each.key: each.plural for each in (*PANELS, *TABS) if each.key.isdigit()} | {"9": "the chart"}
_ROW = sorted(_DIGITS, key=lambda digit: int(digit) or 10)  # as they lie on a keyboard
TOGETHER: tuple[tuple[tuple[str, ...], str], ...] = (
    (tuple(f"panel.{digit}" for digit in _ROW), ", ".join(_DIGITS[digit] for digit in _ROW)),
    (("panel.next", "panel.previous"), "the next panel, the one before"),
    (("bar.left", "bar.right"), "in the chart: pick a bar"),
    (("tab.left", "tab.right"), "in a panel with tabs: the tab to the left, to the right"),
    (("trust.left", "trust.right"), "in the trust line: pick a part"),
    (("window.shorter", "window.longer"), "shorter, longer window"),
    (("time.back", "time.forward"), "step the window back, forward by a quarter of its length"),
    (("interval.longer", "interval.shorter"), "ask the source less, more often"),
    (("row.up", "row.down", "row.page-up", "row.page-down", "row.first", "row.last"), "move in a table"),
    (("prompt.complete", "prompt.older", "prompt.newer"), "in the filter: complete the term; the filters used before"),
    (("redraw", "suspend"), "draw the screen anew; leave the app stopped, fg returns to it"),
    (("sort.left", "sort.right"), "sort by the column to the left, to the right"),
)  # fmt: skip


def told(ascii_only: bool = False, of: Sequence[Binding] = ()) -> list[tuple[str, list[tuple[str, str]]]]:
    """Every key under its group as (keys, what they do), in the order of `GROUPS`: for the help and the README.

    `of` are other bindings than all that there are.
    """
    every = tuple(of) or (
        *OVERVIEW_BINDINGS,
        *TABLE_BINDINGS,
        *TAB_BINDINGS,
        *CHART_BINDINGS,
        *TRUST_BINDINGS,
        *UNUSUAL_BINDINGS,
        *REQUEST_BINDINGS,
        *PROMPT_BINDINGS,
        *APP_BINDINGS,
    )
    families = {name: (names, says) for names, says in TOGETHER for name in names}
    groups = []
    for group in GROUPS:
        lines: list[tuple[str, str]] = []
        shown = {binding.id or "": label(binding, ascii_only) for binding in every if binding.group is group}
        for binding in (binding for binding in every if binding.group is group):
            names, says = families.get(binding.id or "", ((binding.id or "",), binding.tooltip))
            keys = [shown[name] for name in names if name in shown]
            line = (" ".join(keys) if len(keys) <= 6 else f"{keys[0]} … {keys[-1]}", says)
            if line not in lines:
                lines.append(line)
        groups.append((group.description, lines))
    return groups


def label(binding: Binding, ascii_only: bool) -> str:
    """How a binding's key is written on this terminal."""
    shown = binding.key_display or binding.key
    return binding.key.split(",")[0] if ascii_only and not shown.isascii() else shown


def actions_of(bindings: Sequence[Binding]) -> frozenset[str]:
    """The names of what keys do."""
    return frozenset(binding.action.partition("(")[0] for binding in bindings)
