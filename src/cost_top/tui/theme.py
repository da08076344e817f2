"""The app's themes, and which one a terminal gets."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace

from textual.theme import BUILTIN_THEMES, Theme

DARK, LIGHT, SIXTEEN, PLAIN = "cost-top-dark", "cost-top-light", "cost-top-16", "cost-top-plain"

# Blue against orange, the pair that every common colour blindness keeps apart. Red and green only beside a word.
_DARK = Theme(
    name=DARK,
    primary="#6CB6FF",
    secondary="#8B9DB3",
    accent="#F2B45C",
    warning="#F2B45C",
    error="#FF8A73",
    success="#62CBB1",
    foreground="#E2E8EF",
    background="#11151A",
    surface="#11151A",
    panel="#1A2027",
    boost="#1E252D",
    dark=True,
    variables={
        "text-primary": "#6CB6FF",
        "text-accent": "#F2B45C",
        "text-warning": "#F2B45C",
        "text-error": "#FF8A73",
        "text-success": "#62CBB1",
        "text-muted": "#98A5B3",
        "border": "#5A6C80",
        "border-blurred": "#3A4654",
        "block-cursor-background": "#2B4A6B",
        "block-cursor-foreground": "#FFFFFF",
        "block-cursor-text-style": "bold",
        "block-cursor-blurred-background": "#1E2B3A",
        "footer-background": "#1A2027",
        "footer-key-foreground": "#6CB6FF",
        "input-selection-background": "#2B4A6B",
    },
)
_LIGHT = Theme(
    name=LIGHT,
    primary="#0B5CAD",
    secondary="#4A5A6A",
    accent="#9A4B00",
    warning="#9A4B00",
    error="#B3261E",
    success="#0B6B57",
    foreground="#1B222A",
    background="#FBFBF9",
    surface="#FBFBF9",
    panel="#EEF0F1",
    boost="#E8EBED",
    dark=False,
    variables={
        "text-primary": "#0B5CAD",
        "text-accent": "#9A4B00",
        "text-warning": "#9A4B00",
        "text-error": "#B3261E",
        "text-success": "#0B6B57",
        "text-muted": "#56636F",
        "border": "#8796A5",
        "border-blurred": "#BCC6CF",
        "block-cursor-background": "#CFE3F7",
        "block-cursor-foreground": "#10171E",
        "block-cursor-text-style": "bold",
        "block-cursor-blurred-background": "#E4ECF3",
        "footer-background": "#EEF0F1",
        "footer-key-foreground": "#0B5CAD",
        "input-selection-background": "#CFE3F7",
    },
)
# The cursor is reversed and the blurred cursor underlined: both can be seen without any colour.
_SHAPES = {
    "block-cursor-text-style": "reverse",
    "block-cursor-blurred-text-style": "underline",
    "input-cursor-text-style": "reverse",
}
_TERMINAL = BUILTIN_THEMES["ansi-dark"]
_SIXTEEN = replace(
    _TERMINAL,
    name=SIXTEEN,
    primary="ansi_cyan",
    accent="ansi_yellow",
    variables={
        **_TERMINAL.variables,
        "border": "ansi_default",
        "border-blurred": "ansi_bright_black",
        "block-cursor-background": "ansi_default",
        "block-cursor-foreground": "ansi_default",
        "footer-key-foreground": "ansi_cyan",
        **_SHAPES,
    },
)
# Every colour is the terminal's own, whatever variables Textual has; what is muted stays dim.
_COLOURLESS = {
    name: " ".join(["ansi_default", *value.split()[1:]])
    for name, value in _TERMINAL.to_color_system().generate().items()
    if value.startswith("ansi_")
}
_PLAIN = replace(_TERMINAL, name=PLAIN, variables={**_COLOURLESS, **_SHAPES})

# Greys and cursors that stand in the palette of 256 colours as they are: the nearest of others are teal.
_IN_256 = {
    DARK: {
        "text-muted": "#9e9e9e", "border": "#767676", "border-blurred": "#444444", "footer-background": "#1c1c1c",
        "block-cursor-background": "#444444", "block-cursor-blurred-background": "#303030",
        "input-selection-background": "#444444",
    },
    LIGHT: {
        "text-muted": "#5f5f5f", "border": "#8a8a8a", "border-blurred": "#bcbcbc", "footer-background": "#eeeeee",
        "block-cursor-background": "#d0d0d0", "block-cursor-blurred-background": "#e4e4e4",
        "input-selection-background": "#d0d0d0",
    },
}  # fmt: skip
_SURFACES_256 = {DARK: ("#121212", "#1c1c1c", "#262626"), LIGHT: ("#ffffff", "#eeeeee", "#e4e4e4")}

_SIMPLE = ("linux", "vt100", "vt220", "xterm", "screen", "ansi")

THEMES: tuple[Theme, ...] = (_DARK, _LIGHT, _SIXTEEN, _PLAIN)
_REQUESTS = {"dark": DARK, "light": LIGHT, "16": SIXTEEN, "ansi": SIXTEEN, "plain": PLAIN, "none": PLAIN}


def choose_theme(environ: Mapping[str, str], requested: str | None) -> str:
    """The theme's name: no colour when `NO_COLOR` is set and not empty, else what was asked for, else what fits.

    `requested` is `dark`, `light`, `16`, `plain` or a theme's full name, which is passed on. A terminal that
    shows fewer than 256 colours gets its own sixteen; `COLORFGBG` tells some light backgrounds.

    >>> choose_theme({"NO_COLOR": "1"}, "light"), choose_theme({"NO_COLOR": "", "TERM": "xterm-256color"}, None)
    ('cost-top-plain', 'cost-top-dark')
    >>> choose_theme({"TERM": "xterm-16color"}, None), choose_theme({"TERM": "linux"}, None)
    ('cost-top-16', 'cost-top-16')
    >>> choose_theme({"COLORFGBG": "0;15", "COLORTERM": "truecolor"}, None)
    'cost-top-light'
    """
    if environ.get("NO_COLOR"):
        return PLAIN
    if requested:
        return _REQUESTS.get(requested, requested)
    rich_colours = environ.get("COLORTERM") in ("truecolor", "24bit") or "256color" in environ.get("TERM", "")
    term = environ.get("TERM", "")
    if not rich_colours and (term in _SIMPLE or term.endswith(("-16color", "-color"))):
        return SIXTEEN
    return LIGHT if environ.get("COLORFGBG", "").rpartition(";")[2] in ("7", "15") else DARK


def themes_for(environ: Mapping[str, str]) -> tuple[Theme, ...]:
    """The themes as a terminal can show them: ssh passes no word on true colours, and then there are 256.

    >>> themes_for({"TERM": "xterm-256color"})[0].variables["text-muted"], themes_for({})[0] is THEMES[0]
    ('#9e9e9e', True)
    """
    if environ.get("COLORTERM") in ("truecolor", "24bit") or "256color" not in environ.get("TERM", ""):
        return THEMES
    return tuple(_in_256(theme) if theme.name in _IN_256 else theme for theme in THEMES)


def _in_256(theme: Theme) -> Theme:
    surface, panel, boost = _SURFACES_256[theme.name]
    variables = {**theme.variables, **_IN_256[theme.name]}
    return replace(theme, background=surface, surface=surface, panel=panel, boost=boost, variables=variables)


def ascii_only(encoding: str | None = None) -> bool:
    """Whether the terminal's encoding cannot show block characters; by default that of standard output.

    >>> ascii_only("ANSI_X3.4-1968"), ascii_only("utf-8")
    (True, False)
    """
    name = encoding if encoding is not None else getattr(sys.stdout, "encoding", None)
    return (name or "ascii").lower().replace("-", "").replace("_", "") not in ("utf8", "utf8sig", "cp65001")
