"""What reaches the terminal: nothing when nothing changed, little when little did, and no byte of strangers."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest
from running import recorded, running, screen_text
from snapshots import NOW, request_rows, snapshot

from cost_top.model.feed import Found, UnpricedModel
from cost_top.model.query import ReportRow
from cost_top.model.view import View

# What Textual itself writes between texts; anything else below a space is a stranger's.
OUR_SEQUENCES = re.compile(r"\x1b(\[[0-9;:?<>=$]*[A-Za-z]|[=>]|\][0-9]+;[^\x07\x1b]*(\x07|\x1b\\)|P[^\x1b]*\x1b\\)")
NAMES = (
    "\x1b]52;c;ZXZpbA==\x07", "\x1b[2J\x1b[31mred", "[@click=app.quit]x[/]", "[red", "key-[/]-x", "$text-muted", "",
    "x" * 10_000, "\u202eevil", "👩‍👩‍👧‍👦 family", "日本語" * 40, "a\nb\rc\td", "\x9b31m", "\x00nul", "😀️", "مرحبا",
)  # fmt: skip


def hostile(view: View):
    shown = snapshot(view)
    lenses = []
    for lens in shown.lenses:
        width = len(lens.report.columns)
        measures = lens.report.rows[0].measures
        rows = tuple(ReportRow((name,) * width, measures) for name in NAMES)
        lenses.append(replace(lens, report=replace(lens.report, rows=rows), trends=((1,),) * len(rows)))
    bars = tuple(replace(bar, label=NAMES[0]) for bar in shown.chart)
    return replace(shown, source=NAMES[0] + NAMES[1], lenses=tuple(lenses), chart=bars)


def hostile_requests():
    return tuple(
        replace(
            row, id=name + str(number), provider=name, model=name, endpoint=name, token=name, token_name=name,
            user=name, owner=name, team=name, tags=(name, name), credential_type=name, client_ip=name, user_agent=name,
            matched_model=name, price_status=name,
        )
        for number, (row, name) in enumerate(zip(request_rows(60, "time", 7), NAMES, strict=False))
    )  # fmt: skip


def strangers(output: str) -> list[str]:
    """Control bytes that none of our sequences explain."""
    rest = OUR_SEQUENCES.sub("", output)
    return re.findall(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e]", rest)


@pytest.mark.parametrize("size", [(80, 24), (200, 50)])
async def test_hostile_names_reach_no_terminal(size, tmp_path):
    async def script(app, feed, pilot):
        feed.find = lambda dimension, text, reply: reply(tuple(Found(name, name, 1, 1) for name in NAMES))
        feed.listed = hostile_requests()
        feed.unpriced = lambda reply: reply(tuple(UnpricedModel(name, name, 1, 1, 1, name) for name in NAMES))
        await pilot.press(*"12345678", *["down"] * 5, "y", "s", "end", "9", "left", "tab")
        await pilot.press("l", "down", "y", "e", "c", "enter", "escape", "escape", "u", "down", "escape", "t", "escape")
        await pilot.press("K", "escape")
        await pilot.press("x", *["down"] * 3, "y", "escape", "question_mark", "escape", "z", "z")
        for _ in NAMES if size == (80, 24) else NAMES[:3]:
            await pilot.press("1", "down", "enter", "slash", "escape")
        await pilot.pause()

    app = await recorded(script, size=size, answer=hostile, folder=tmp_path)
    assert "cost-top" in app.output
    assert "family" in app.output, "the names were on the screen"
    assert strangers(app.output) == []
    clipboard = re.findall(r"\x1b\]52;c;([^\x07]*)\x07", app.output)
    assert "ZXZpbA==" not in clipboard
    titles = re.findall(r"\x1b\][02];([^\x07]*)", app.output)
    assert all(title == "cost-top" for title in titles)


def test_the_check_itself_finds_a_stranger():
    assert strangers("\x1b[31mfine\x1b[0m") == []
    assert strangers("\x1b[31mbad\x07") == ["\x07"]


async def test_markup_in_names_is_text():
    async with running(answer=hostile) as (app, _, pilot):
        assert "[@click=app.quit]" in screen_text(app)
        await pilot.press("end")
        assert app.is_running


async def test_an_equal_snapshot_writes_nothing():
    async def script(app, feed, pilot):
        await pilot.pause()
        before = app.written.bytes
        for _ in range(5):
            feed.publish(snapshot(feed.view))
            await pilot.pause()
        assert app.written.bytes == before
        assert before > 1000

    await recorded(script)


async def test_the_age_of_the_newest_row_grows_without_a_snapshot_and_writes_little():
    def answer(view):
        return replace(snapshot(view), newest=NOW - timedelta(seconds=9.9))

    async def script(app, feed, pilot):
        assert "newest now" in screen_text(app)
        before = -1
        while before != app.written.bytes:  # until the first painting is over
            before = app.written.bytes
            await pilot.pause(0.5)
        app.clock = lambda: NOW + timedelta(seconds=1)
        for _ in range(200):
            await pilot.pause(0.05)
            if "newest 10 s ago" in screen_text(app):
                break
        assert "newest 10 s ago" in screen_text(app)
        assert 0 < app.written.bytes - before < 2500, "one line"

    await recorded(script, answer=answer)


async def test_one_changed_figure_writes_little():
    async def script(app, feed, pilot):
        await pilot.pause()
        whole = app.written.bytes
        shown = snapshot(feed.view)
        lens = shown.lens("model")
        row = lens.report.rows[2]
        changed = replace(row, measures=replace(row.measures, total_cost=row.measures.total_cost + 10**12))
        rows = (*lens.report.rows[:2], changed, *lens.report.rows[3:])
        lenses = (*shown.lenses[:3], replace(lens, report=replace(lens.report, rows=rows)))
        feed.publish(replace(shown, lenses=lenses))
        await pilot.pause()
        wrote = app.written.bytes - whole
        assert "$74.89" in screen_text(app)
        assert 0 < wrote < 600, wrote

    await recorded(script)


async def test_a_new_request_in_the_log_moves_no_cursor():
    async def script(app, feed, pilot):
        await pilot.press("l", "down", "down")
        key = app.screen.focused.current_key
        rows = request_rows(60, "time", 7)
        feed.listed = (replace(rows[0], id="req_new"), *rows)
        feed.publish(snapshot(feed.view, scale=1.01))
        await pilot.pause()
        assert app.screen.focused.current_key == key
        assert app.screen.focused.index == 3

    await recorded(script)


async def test_without_colour_no_colour_code_is_written(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")

    async def script(app, feed, pilot):
        await pilot.press(
            "down", "enter", "slash", *"tag:x", "enter", "u", "down", "escape", "question_mark", "escape", "l"
        )
        await pilot.pause()

    app = await recorded(script, theme="cost-top-plain")
    colours = {
        code
        for sequence in re.findall(r"\x1b\[([0-9;:]*)m", app.output)
        for code in [*sequence.split(";")]
        if code and (30 <= int(code) <= 49 or 90 <= int(code) <= 107) and code not in ("39", "49")
    }
    assert colours == set()


@pytest.mark.parametrize("theme", ["cost-top-plain", "cost-top-16", "cost-top-dark", "cost-top-light"])
async def test_the_cursor_is_seen_in_every_theme(theme):
    async with running(theme=theme) as (app, _, __):
        rows = app.screen.query_one("#provider")
        cursor, other = (next(iter(rows.render_line(y))).style for y in (1, 2))
        assert (cursor.reverse, cursor.bgcolor) != (other.reverse, other.bgcolor)


async def test_sixteen_colours_use_only_those():
    async def script(app, feed, pilot):
        await pilot.press("down", "l", "escape", "question_mark")
        await pilot.pause()

    app = await recorded(script, theme="cost-top-16")
    assert not re.search(r"\x1b\[[0-9;]*[34]8;[25];", app.output)


async def test_an_ascii_terminal_gets_ascii():
    async with running(ascii_only=True) as (app, _, pilot):
        await pilot.press("l", "escape", "question_mark", "escape")
        text = screen_text(app)
        assert [character for character in text if not character.isascii()] == []
