"""The pictures in `screenshots/` show what the screen shows: drawn again from what the app was told then.

What the screen is told, the demo's figures and what is made of them, `python -m tests.screenshots --check` compares.
"""

from __future__ import annotations

import html
import re
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1]))

from tests.screenshots import FOLDER, SHOTS, TOLD, drawn

from support.retold import Retold, read_told

DRAWN = ("overview", "overview-80x24", "drill", "requests", "help")  # each its own; the others show little else
_REMAKE = "the screen shows something else by now: python -m tests.screenshots"


def texts(svg: str) -> list[str]:
    """What stands in a picture, in its order; bars and frames are shapes."""
    return [html.unescape(text).replace("\xa0", " ") for text in re.findall(r"<text [^>]*>([^<]+)</text>", svg)]


@pytest.fixture(scope="module")
def told():
    return read_told(TOLD)


@pytest.mark.parametrize("shot", [shot for shot in SHOTS if shot.name in DRAWN], ids=lambda shot: shot.name)
async def test_a_picture_shows_what_the_screen_shows(shot, told, tmp_path):
    kept = (FOLDER / f"{shot.name}.svg").read_text(encoding="utf-8")
    assert texts(await drawn(shot, Retold(told), tmp_path, 0.0)) == texts(kept), _REMAKE


def test_every_picture_has_what_it_needs_and_no_other_is_kept(told):
    assert {path.stem for path in FOLDER.glob("*.svg")} == {shot.name for shot in SHOTS}
    assert {str(one.view.where) for one in told.snapshots} >= set(told.pages)
