"""Every key of the app, as data: the key line, the help and the palette are made from these."""

from __future__ import annotations

from textual.binding import Binding

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
    "minus": "-", "question_mark": "?", "up,k": "↑", "down,j": "↓", "left": "←", "right": "→", "pageup": "PgUp",
    "pagedown": "PgDn", "home": "Home", "end": "End", "ctrl+p": "^p", "shift+tab": "⇧tab", "q,ctrl+c": "q",
}  # fmt: skip
# The key line: the first that fit.
HINTS = (
    "filter", "row.open", "requests.back", "requests.order", "pick.user", "pick.tag", "window.shorter",
    "window.longer", "requests.open", "mark.set", "pause", "help", "export", "copy", "quit",
)  # fmt: skip


def key(name: str, keys: str, action: str, hint: str, says: str, group: Binding.Group) -> Binding:  # noqa: D103
    return Binding(keys, action, hint, key_display=DISPLAY.get(keys, keys), tooltip=says, id=name, group=group)


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

OVERVIEW_BINDINGS: tuple[Binding, ...] = (
    key("back", "escape", "back", "back", "one step back: out of a drill, then out of the filter", LOOK),
    key("requests.open", "l", "requests", "log", "list the single requests behind the figures", LOOK),
    key("panel.maximise", "z", "zoom", "maximise", "the focused panel alone, and all of them again", LOOK),
    key("panel.1", "1", "panel(1)", "providers", "by provider", LOOK),
    key("panel.2", "2", "panel(2)", "endpoints", "endpoints", LOOK),
    key("panel.3", "3", "panel(3)", "tokens", "tokens", LOOK),
    key("panel.4", "4", "panel(4)", "models", "models", LOOK),
    key("panel.5", "5", "panel(5)", "users", "users", LOOK),
    key("panel.6", "6", "panel(6)", "tags", "tags", LOOK),
    key("panel.7", "7", "panel(7)", "teams", "teams", LOOK),
    key("panel.8", "8", "panel(8)", "credentials", "credential types", LOOK),
    key("panel.9", "9", "panel(9)", "chart", "the chart", LOOK),
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
)

TRUST_BINDINGS: tuple[Binding, ...] = (
    key("trust.left", "left", "part(-1)", "part", "the part to the left", LOOK),
    key("trust.right", "right", "part(1)", "part", "the part to the right", LOOK),
    key("trust.open", "enter", "open_part", "open", "in the trust line: the requests behind the part", LOOK),
)

APP_BINDINGS: tuple[Binding, ...] = (
    key("filter", "slash", "filter", "filter", "filter everything: tag:prod -model:gpt-4o* cost:>0.05", FIND),
    key("pick.user", "u", "pick('user')", "user", "find a user and look at it alone", FIND),
    key("pick.tag", "t", "pick('tag')", "tag", "find a tag and look at it alone", FIND),
    key("pick.token", "K", "pick('token')", "key", "find an API key (token) and look at it alone", FIND),
    key("unpriced", "x", "unpriced", "unpriced", "models without a rate, and the lines that would price them", FIND),
    key("window.shorter", "left_square_bracket", "window(-1)", "window", "shorter window", TIME),
    key("window.longer", "right_square_bracket", "window(1)", "window", "longer window", TIME),
    key("time.back", "comma", "travel(-1)", "earlier", "step the window back by a quarter", TIME),
    key("time.forward", "full_stop", "travel(1)", "later", "step the window forward by a quarter", TIME),
    key("time.now", "n", "now", "now", "back to now", TIME),
    key("mark.set", "m", "mark", "mark", "mark this moment: every figure also shows what came since", TIME),
    key("mark.clear", "M", "unmark", "unmark", "forget the mark", TIME),
    key("pause", "space", "pause", "pause", "freeze what is shown; collecting goes on", TIME),
    key("refresh", "r", "refresh_now", "refresh", "ask the source now", TIME),
    key("interval.longer", "plus,equals_sign", "interval(1)", "slower", "ask less often", TIME),
    key("interval.shorter", "minus", "interval(-1)", "faster", "ask more often", TIME),
    key("copy", "y", "copy", "copy", "copy the focused row or figure (works over ssh)", TAKE),
    key("export", "e", "export", "export", "write the focused table to a CSV or JSON file", TAKE),
    key("screenshot", "s", "screenshot", "screenshot", "write the screen to an SVG file", TAKE),
    key("theme", "T", "theme", "theme", "light or dark", APP),
    key("palette", "ctrl+p", "command_palette", "palette", "every verb by name", APP),
    key("help", "question_mark", "help", "help", "this help", APP),
    key("quit", "q,ctrl+c", "quit", "quit", "quit", APP),
)

DIALOG_BINDINGS: tuple[Binding, ...] = (
    key("dialog.leave", "escape", "leave", "close", "close without an answer", LOOK),
    key("dialog.up", "up", "list(-1)", "up", "row up", TABLES),
    key("dialog.down", "down", "list(1)", "down", "row down", TABLES),
)

EXPORT_BINDINGS: tuple[Binding, ...] = (
    key("export.csv", "c", "choose('csv')", "CSV", "write a CSV file", TAKE),
    key("export.json", "j", "choose('json')", "JSON", "write a JSON file", TAKE),
)

UNPRICED_BINDINGS: tuple[Binding, ...] = (
    key("unpriced.copy", "y", "copy", "copy", "copy the lines that would price the model", TAKE),
)


# Keys that belong together and are told in one line.
TOGETHER: tuple[tuple[tuple[str, ...], str], ...] = (
    (tuple(f"panel.{number}" for number in range(1, 9)),
     "providers, endpoints, tokens, models, users, tags, teams, credentials"),
    (("panel.next", "panel.previous"), "the next panel, the one before"),
    (("bar.left", "bar.right"), "in the chart: pick a bar"),
    (("trust.left", "trust.right"), "in the trust line: pick a part"),
    (("window.shorter", "window.longer"), "shorter, longer window"),
    (("time.back", "time.forward"), "step the window back, forward by a quarter of its length"),
    (("interval.longer", "interval.shorter"), "ask the source less, more often"),
    (("row.up", "row.down", "row.page-up", "row.page-down", "row.first", "row.last"), "move in a table"),
    (("sort.left", "sort.right"), "sort by the column to the left, to the right"),
)  # fmt: skip


def told(ascii_only: bool = False) -> list[tuple[str, list[tuple[str, str]]]]:
    """Every key under its group as (keys, what they do), in the order of `GROUPS`: for the help and the README."""
    every = (*OVERVIEW_BINDINGS, *TABLE_BINDINGS, *CHART_BINDINGS, *TRUST_BINDINGS, *REQUEST_BINDINGS, *APP_BINDINGS)
    families = {name: (names, says) for names, says in TOGETHER for name in names}
    groups = []
    for group in GROUPS:
        lines: list[tuple[str, str]] = []
        shown = {binding.id or "": label(binding, ascii_only) for binding in every if binding.group is group}
        for binding in (binding for binding in every if binding.group is group):
            names, says = families.get(binding.id or "", ((binding.id or "",), binding.tooltip))
            keys = [shown[name] for name in names]
            line = (" ".join(keys) if len(keys) <= 6 else f"{keys[0]} … {keys[-1]}", says)
            if line not in lines:
                lines.append(line)
        groups.append((group.description, lines))
    return groups


def label(binding: Binding, ascii_only: bool) -> str:
    """How a binding's key is written on this terminal."""
    shown = binding.key_display or binding.key
    return binding.key.split(",")[0] if ascii_only and not shown.isascii() else shown
