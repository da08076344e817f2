"""Text from strangers: cleaned once when a row becomes a record."""

from __future__ import annotations

import re

from cost_top.model.secret import public_text

# C0 controls, DEL, C1 controls; soft hyphen, zero-width and bidirectional controls; line and paragraph
# separators; variation selectors, whose width terminals disagree on; the byte-order mark; tag characters.
# U+200C and U+200D, which join letters and emoji, are part of a name.
UNSAFE_CLASS = (
    "\\x00-\\x1f\\x7f-\\x9f\\u00ad\\u061c\\u180e\\u200b\\u200e\\u200f\\u2028-\\u202e\\u2060-\\u206f\\ufe00-\\ufe0f\\ufeff"
    "\\ufff9-\\ufffb\\U000e0000-\\U000e007f"
)
_UNSAFE = re.compile(f"[{UNSAFE_CLASS}]+")
# The same class spelled for RE2, which DuckDB uses.
UNSAFE_RE2 = "[" + re.sub(r"\\[xuU]([0-9a-f]+)", lambda m: f"\\x{{{m[1]}}}", UNSAFE_CLASS) + "]+"
# Longer names are cut: a 10 kB tag is an accident or an attack, and every copy of it costs.
TEXT_LIMIT = 512


def is_clean(text: str) -> bool:
    """Whether there is nothing in it that `clean` takes away by character."""
    return not _UNSAFE.search(text) and not any("\ud800" <= character <= "\udfff" for character in text)


def legible(text: str) -> str:
    """`text` without control, bidirectional and zero-width characters."""
    return _UNSAFE.sub("", text)


def clean(text: str) -> str:
    """`text` without control, bidirectional and zero-width characters and without keys, cut to `TEXT_LIMIT`.

    >>> clean("a\\x1b[31mb\\u202ec")
    'a[31mbc'
    """
    return public_text(legible(text))[:TEXT_LIMIT].strip()
