"""Names from strangers: whole as far as they are names, harmless on a terminal."""

from __future__ import annotations

import duckdb
import pytest

from cost_top.model.format import cells, elide, pad
from cost_top.model.text import UNSAFE_RE2, clean, is_clean

FAMILY = "\U0001f469\u200d\U0001f469\u200d\U0001f467 plan"
PERSIAN = "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"
SINHALA = "\u0dc1\u0dca\u200d\u0dbb\u0dd3"


@pytest.mark.parametrize("name", [FAMILY, PERSIAN, SINHALA])
def test_joiners_are_part_of_a_name(name: str) -> None:
    assert clean(name) == name
    assert is_clean(name)
    assert duckdb.sql(f"SELECT regexp_replace($$\u202e{name}\u200b$$, '{UNSAFE_RE2}', '', 'g')").fetchall() == [(name,)]


def test_other_invisible_characters_are_not() -> None:
    assert clean("a\u200bb\u200e\u200f\u202ec") == "abc"
    assert not is_clean("a\u200bb")
    assert not is_clean("a\ud83d")


def test_emoji_are_shown_one_by_one_since_terminals_disagree_on_joined_ones() -> None:
    assert pad(FAMILY, 12) == "\U0001f469\U0001f469\U0001f467 plan "
    assert cells(FAMILY) == 11
    assert elide(FAMILY, 11) == FAMILY.replace("\u200d", "")
    assert [pad(FAMILY, width, joined=True) for width in (12, 7)] == [f"{FAMILY} ", "\U0001f469\U0001f469\U0001f467…"]


@pytest.mark.parametrize("name", [PERSIAN, SINHALA])
def test_letters_are_shown_joined(name: str) -> None:
    assert pad(name, cells(name) + 1) == f"{name} "
