"""Figures and names for eyes: counts, shares, changes, ages, and text measured in terminal cells.

Nothing here knows a toolkit, so the terminal app and the plain-text overview say a figure the same way.
Cells are those of `wcwidth`; a cluster of code points that a terminal draws as one is never cut.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import timedelta
from typing import Literal

from cost_top.model.money import PICO_PER_USD, display_usd

Align = Literal["left", "right", "center"]
UNKNOWN = "–"
# Terminals disagree how wide joined emoji are; in the scripts of India a joiner shapes a letter and takes no cell.
_JOINED = re.compile("(?<![\u0900-\u0dff])\u200d")
_SCALES = ((10**12, "T"), (10**9, "B"), (10**6, "M"), (10**3, "k"))
_EXACT_BELOW = 10_000
# Two decimals and four line up at the point when the shorter figure is followed by two blanks.
_POINT_PAD = "  "
# Cells below which a text cut in its middle tells no more than one cut at its end.
_APART = 8
_TAIL = 4  # characters of an id that tell it from another, unless they are the same
_FACTOR = 10  # times the whole: from here on a percentage says less than a factor


def count(number: int | None) -> str:
    """A count: exact with separators below 10,000, then three figures and a scale; `–` when unknown.

    >>> count(9999), count(18_240), count(1_000_000), count(999_960)
    ('9,999', '18.2k', '1.00M', '1.00M')
    """
    if number is None:
        return UNKNOWN
    return f"{number:,}" if abs(number) < _EXACT_BELOW else _scaled(number)


def counted(number: int | None, noun: str, *, whole: bool = False) -> str:
    """A count with its noun in the right number, `whole` with every digit.

    >>> counted(1, "request"), counted(18_240, "request"), counted(18_240, "row", whole=True)
    ('1 request', '18.2k requests', '18,240 rows')
    """
    shown = f"{number:,}" if whole and number is not None else count(number)
    return f"{shown} {noun}{'' if number == 1 else 's'}"


def tokens(number: int | None) -> str:
    """A token count: exact below 1,000, then three figures and a scale; `–` when unknown.

    >>> tokens(812), tokens(18_240), tokens(4_100_000_000), tokens(None)
    ('812', '18.2k', '4.10B', '–')
    """
    if number is None:
        return UNKNOWN
    return str(number) if abs(number) < 1000 else _scaled(number)


def _scaled(number: int) -> str:
    sign, size = ("-" if number < 0 else ""), abs(number)
    for scale, letter in _SCALES:
        # What rounds up to the next scale is written in it: 999,500 is 1.00M.
        if size * 2000 >= scale * 1999 or letter == "k":
            break
    for places in (2, 1, 0):
        figures = (size * 10**places * 2 + scale) // (2 * scale)
        if figures < 1000:
            break
    whole, part = divmod(figures, 10**places)
    return f"{sign}{whole:,}{f'.{part:0{places}d}' if places else ''}{letter}"


def percent(part: int | None, whole: int | None, short: bool = False) -> str | None:
    """The share of `part` in `whole` with one decimal; None when the whole is 0 or either is unknown.

    Never rounds to 0 or to all. `short` has no decimal from 10 % on.

    >>> percent(131, 1000), percent(1, 10**6), percent(0, 7), percent(7, 7), percent(99_999, 100_000)
    ('13.1 %', '<0.1 %', '0 %', '100 %', '>99.9 %')
    >>> percent(-31, 1000), percent(1, 0), percent(9615, 10_000, short=True), percent(999, 1000, short=True)
    ('-3.1 %', None, '96 %', '>99 %')

    From ten times the whole on it is a factor:

    >>> percent(999, 100), percent(122_547, 1000), percent(-4_451_328, 1)
    ('999.0 %', '123×', '-4,451,328×')
    """
    if part is None or not whole:
        return None
    sign = "-" if (part < 0) != (whole < 0) else ""
    size, base = abs(part), abs(whole)
    if part in (0, whole) or size >= _FACTOR * base:
        return "0 %" if not part else "100 %" if part == whole else f"{sign}{(2 * size + base) // (2 * base):,}×"
    tenths = (size * 2000 + base) // (2 * base)
    if tenths == 0:
        return ">-0.1 %" if sign else "<0.1 %"
    if size < base and tenths >= (995 if short else 1000):
        return f"{'<-' if sign else '>'}{'99' if short else '99.9'} %"
    if short and tenths >= 100:
        return f"{sign}{(size * 200 + base) // (2 * base):,} %"
    return f"{sign}{tenths // 10:,}.{tenths % 10} %"


def at_least(share: str) -> str:
    """A share of which only a lower bound is known, as `percent` tells it.

    >>> at_least("85 %"), at_least("<0.1 %"), at_least(">99 %")
    ('≥ 85 %', '≥ 0 %', '≥ 99 %')
    """
    return "≥ 0 %" if share.startswith("<") else f"≥ {share.removeprefix('>')}"


def share(part: int | None, whole: int | None, short: bool = False) -> str | None:
    """As `percent`, of a part that belongs to the whole: where refunds make it absurd, it is said in words.

    >>> share(1, 4), share(-1, 4), share(5, 4), share(5, -4), share(5, 0), share(0, -4)
    ('25.0 %', 'refund', '>100 %', '>100 %', None, '0 %')
    """
    if part is None or not whole:
        return None
    if part < 0:
        return "refund"
    if part and part > whole:
        return ">100 %"
    return percent(part, whole, short)


def change(now: int, before: int | None) -> str | None:
    """Money against the equal period before, the share being of that period; None when that is unknown.

    >>> change(1_847_200 * 10**9, 1_632_900 * 10**9), change(10**12, 10**12)
    ('▲ $214.30 (13.1 %)', '▬ unchanged')
    >>> change(10**12, 2 * 10**12), change(10**12, 0), change(1, None)
    ('▼ $1.00 (50.0 %)', '▲ $1.00 (from $0.00)', None)
    >>> change(123_547 * 10**9, 10**12), change(10**12, -(10**12))
    ('▲ $122.55 (124×)', '▲ $2.00 (from -$1.00)')
    """
    if before is None:
        return None
    if now == before:
        return "▬ unchanged"
    mark = "▲" if now > before else "▼"
    if before <= 0 or now < 0:
        told = f"from {display_usd(before)}"
    else:
        # Ten times as much is said as that.
        told = percent(now if now - before >= _FACTOR * before else abs(now - before), before) or ""
    return f"{mark} {display_usd(abs(now - before))} ({told})"


def duration_ms(milliseconds: int | None) -> str:
    """A latency: `812 ms`, `1.9 s`, `2.5 min`; `–` when unknown.

    >>> duration_ms(812), duration_ms(1940), duration_ms(151_000), duration_ms(None)
    ('812 ms', '1.9 s', '2.5 min', '–')
    """
    if milliseconds is None:
        return UNKNOWN
    if milliseconds < 1000:
        return f"{milliseconds} ms"
    if milliseconds < 60_000:
        return f"{milliseconds / 1000:.1f} s"
    return f"{milliseconds / 60_000:.1f} min"


def age(since: timedelta) -> str:
    """How long ago, in steps coarse enough for a screen that rests: under 10 s is `now`.

    >>> [age(timedelta(seconds=seconds)) for seconds in (-5, 9, 37, 61, 7200, 200_000)]
    ['now', 'now', '30 s', '1 min', '2 h', '2 d']
    """
    seconds = int(since.total_seconds())
    if seconds < 10:
        return "now"
    if seconds < 60:
        return f"{seconds // 10 * 10} s"
    if seconds < 3600:
        return f"{seconds // 60} min"
    if seconds < 48 * 3600:
        return f"{seconds // 3600} h"
    return f"{seconds // 86400} d"


def next_age(since: timedelta) -> timedelta:
    """How long until `age` says something else.

    >>> [next_age(timedelta(seconds=seconds)).total_seconds() for seconds in (-5, 9, 37, 61, 7200, 200_000)]
    [15.0, 1.0, 3.0, 59.0, 3600.0, 59200.0]
    """
    seconds = since.total_seconds()
    step = 10 if seconds < 60 else 60 if seconds < 3600 else 3600 if seconds < 48 * 3600 else 86400
    return timedelta(seconds=max(10, (seconds // step + 1) * step) - seconds)


def lower_bound(money: str, unpriced: int) -> str:
    """Money with `≥` before it when anything in it is unpriced.

    >>> lower_bound("$1,847.20", 312), lower_bound("$1,847.20", 0)
    ('≥ $1,847.20', '$1,847.20')
    """
    return f"≥ {money}" if unpriced else money


def money_fixed(amount: int | None, width: int, unpriced: int = 0, counting: bool = False) -> str:
    """Money for a column, right-aligned in `width` cells with the decimal points below one another.

    Two decimals from $1, four below. `unpriced` requests make it a lower bound, or `unpriced` when nothing
    else is known of it; `counting`, of which more will come, makes it a lower bound too. A figure too long for the
    column is scaled, never cut.

    >>> [money_fixed(amount, 11) for amount in (1_402_100 * 10**9, 52_590_000_000, 0)]
    ['$1,402.10  ', '    $0.0526', '    $0.00  ']
    >>> money_fixed(1_402_100 * 10**9, 11, unpriced=2), money_fixed(0, 11, unpriced=2), money_fixed(10**19, 6)
    ('≥$1,402.10 ', ' unpriced  ', '$10.0M')
    >>> money_fixed(0, 11, counting=True)
    '   ≥$0.00  '
    """
    if amount is None:
        return pad(UNKNOWN + _POINT_PAD, width, "right")
    if unpriced and amount == 0 and not counting:
        text = "unpriced"
        return pad(text + _POINT_PAD if width >= len(text) + 2 else text, width, "right")
    text = display_usd(amount)
    prefix = "≥" if unpriced or counting else ""
    points = len(text) - text.find(".") - 1 if "." in text else 0
    room = width - cells(prefix) - len(text)
    if room < 0:
        text = money_scaled(amount)
    return pad(f"{prefix}{text}{' ' * min(4 - points, max(room, 0)) if points < 4 else ''}", width, "right")


def money_within(amount: int | None, width: int, sign: bool = False, prefix: str = "") -> str:
    """Money in at most `width` cells: to the cent where that fits, else in three figures; never cut.

    >>> money_within(9_000_880 * 10**12, 13), money_within(9_000_880 * 10**12, 12, prefix="≥ ")
    ('$9,000,880.00', '≥ $9.00M')
    >>> money_within(9_000_880 * 10**12, 12, sign=True), money_within(-9_000_880 * 10**12, 12, sign=True)
    ('+$9.00M', '-$9.00M')
    """
    text = f"{prefix}{display_usd(amount, sign=sign)}"
    if amount is None or cells(text) <= width:
        return text
    return f"{prefix}{'+' if sign and amount > 0 else ''}{money_scaled(amount)}"


def money_scaled(amount: int | None) -> str:
    """Money in three figures for an axis: `$940`, `$1.85k`; `–` when unknown.

    >>> money_scaled(1_847 * 10**12), money_scaled(98 * 10**12), money_scaled(2_500 * 10**9), money_scaled(10**10)
    ('$1.85k', '$98', '$2.50', '$0.01')
    """
    if amount is None:
        return UNKNOWN
    sign, size = ("-" if amount < 0 else ""), abs(amount)
    whole = size // PICO_PER_USD
    if whole >= 1000:
        return f"{sign}${_scaled(whole)}"
    if size % PICO_PER_USD == 0:
        return f"{sign}${whole}"
    text = display_usd(size)
    return sign + (text if whole else text[:-2] if text.endswith("00") and len(text) > 5 else text)


def drawn(text: str) -> str:
    """`text` as it goes to a terminal: emoji one by one that a joiner would make one, in cells of its own choice.

    >>> drawn("\N{WOMAN}\N{ZERO WIDTH JOINER}\N{GIRL}")
    '\N{WOMAN}\N{GIRL}'
    """
    return text if text.isascii() else _JOINED.sub("", text)


def cells(text: str) -> int:
    """Columns a terminal takes to show `text`."""
    if text.isascii():
        return len(text)
    text = drawn(text)
    # A first frame needs none of its tables.
    from wcwidth import wcswidth, wcwidth

    width = wcswidth(text)
    # Negative where there is a control character, which takes no cell.
    return width if width >= 0 else sum(max(wcwidth(character), 0) for character in text)


def combining(character: str) -> bool:
    """Whether a character is drawn upon the one before it."""
    from unicodedata import category

    return category(character).startswith("M")


def elide_apart(text: str, width: int, others: Iterable[str | None]) -> str:
    """As `elide`, but cut in the middle where another text would look the same cut at its end.

    >>> elide_apart("user_7b_session_1111", 12, ("user_7b_session_2222",)), elide_apart("user_7b_sess", 8, ("ann",))
    ('user_7…_1111', 'user_7b…')
    """
    text = drawn(text)
    cut = elide(text, width)
    head = cut.removesuffix("…")
    if cut == text or width < _APART or not any(one and one != text and one.startswith(head) for one in others):
        return cut
    tail = text[-((width - 1) // 2) :]
    while cells(tail) > (width - 1) // 2:
        tail = tail[1:]
    return elide(text, width - cells(tail)) + tail


def tail_of(value: str | None, twins: Iterable[str | None]) -> str:
    """The end of an id that tells it from others of the same display name; nothing where there are none.

    >>> tail_of("pg_live_xy7k2mq9", ("pg_live_qz3c8d1e",)), tail_of("pg_live_xy7k2mq9", ()), tail_of("ab", ("cb",))
    ('…2mq9', '', 'ab')
    """
    others = [one for one in twins if one is not None and one != value]
    if value is None or not others:
        return ""
    for size in range(_TAIL, len(value)):
        if not any(one.endswith(value[-size:]) for one in others):
            return f"…{value[-size:]}"
    return value


def with_tail(name: str, tail: str, width: int) -> str:
    """A name in at most `width` cells with what tells it from its twins, of which nothing is cut while it fits.

    >>> with_tail("triage-agent", "…2mq9", 14), with_tail("ci", "…2mq9", 14), with_tail("triage-agent", "", 8)
    ('triage-… …2mq9', 'ci …2mq9', 'triage-…')
    """
    room = width - cells(tail) - 1
    return f"{elide(name, room)} {tail}" if tail and room > 0 else elide(name, width)


def elide(text: str, width: int) -> str:
    """`text` in at most `width` cells, with `…` where it was cut; clusters stay whole.

    >>> elide("summarise", 9), elide("summarise", 6), elide("日本語", 5), elide("x", 0)
    ('summarise', 'summa…', '日本…', '')
    """
    # A name of 10 kB costs no more than what is shown of it.
    if width <= 0:
        return ""
    text = drawn(text)
    if len(text) <= 4 * width + 16 and cells(text) <= width:
        return text
    from wcwidth import iter_graphemes

    kept: list[str] = []
    used = 0
    for cluster in iter_graphemes(text[: 4 * width + 16]):
        used += cells(cluster)
        if used > width - 1:
            break
        kept.append(cluster)
    return "".join(kept).rstrip() + "…"


def pad(text: str, width: int, align: Align = "left", joined: bool = False) -> str:
    """`text` in exactly `width` cells: elided when longer, blanks where it is shorter.

    `joined` keeps the joiners of emoji in what is not cut, for a reader that counts cells by the character.

    >>> pad("ab", 4, "right"), pad("日本", 5), pad("summarise", 4)
    ('  ab', '日本 ', 'sum…')
    """
    if not text.isascii() and combining(text[0]):
        text = f"◌{text}"  # a mark without a letter would join whatever is drawn before it
    shown = elide(text, width)
    spare = max(width - cells(shown), 0)
    if joined and shown == drawn(text):
        shown = text
    if align == "right":
        return " " * spare + shown
    left = spare // 2 if align == "center" else 0
    return " " * left + shown + " " * (spare - left)
