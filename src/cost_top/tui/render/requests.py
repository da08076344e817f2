"""Single requests: the list below the last level of a drill, and everything known of one of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import replace
from datetime import date, datetime, tzinfo

from textual.content import Content

from cost_top.model.doubts import WORDS
from cost_top.model.format import UNKNOWN, drawn, duration_ms, money_fixed, pad, tokens
from cost_top.model.money import display_usd, usd_text
from cost_top.model.request_fields import key_name
from cost_top.model.request_row import PricePart, RequestRow
from cost_top.tui.render.style import BAD, CAUTION, FIGURE, GOOD, MUTED, content, fit
from cost_top.tui.widgets.column import Column

# Widths include the blank that parts a column from the one before.
REQUEST_COLUMNS: tuple[Column, ...] = (
    Column("time", "time", 15, "left", "time", 9),
    Column("model", "model", 28, "left", None, 14),
    Column("cost", "cost  ", 12, "right", "cost", 12),
    Column("status", "state", 9, "left", None, 9),
    Column("endpoint", "endpoint", 24, "left", None, 14),
    Column("tokens", "in/out", 14, "right", None, 14),
    Column("latency", "latency", 9, "right", None, 9),
    Column("user", "user", 20, "left", None, 12),
    Column("token", "token", 20, "left", None, 12),
)
_ORDER = ("time", "model", "endpoint", "token", "user", "tokens", "latency", "status", "cost")


def request_columns(width: int) -> tuple[Column, ...]:
    """The columns that fit; the most telling stay longest, spare cells go to the names. Adds up to `width`."""
    chosen: list[Column] = []
    left = width
    for column in REQUEST_COLUMNS:
        if column.minimum_width <= left:
            chosen.append(replace(column, width=column.minimum_width))
            left -= column.minimum_width
    for number, column in enumerate(chosen):
        wish = next(full.width for full in REQUEST_COLUMNS if full.key == column.key)
        more = min(left, wish - column.width)
        chosen[number] = replace(column, width=column.width + more)
        left -= more
    names = [number for number, column in enumerate(chosen) if column.key in ("model", "endpoint", "user", "token")]
    for turn, number in enumerate(names or [0] if chosen else []):
        share = left // max(len(names or [0]) - turn, 1)
        chosen[number] = replace(chosen[number], width=chosen[number].width + share)
        left -= share
    return tuple(sorted(chosen, key=lambda column: _ORDER.index(column.key)))


def request_cells(
    row: RequestRow, columns: Sequence[Column], zone: tzinfo, ids: Mapping[str, Set[str]], today: date
) -> tuple[Content, ...]:
    """One request, a content for each column, each exactly as wide as its column; `ids` as of `key_ids`."""
    return tuple(
        fit(content("" if column.key == "time" else " ", _cell(row, column, zone, ids, today)), column.width)
        for column in columns
    )


def _cell(
    row: RequestRow, column: Column, zone: tzinfo, ids: Mapping[str, Set[str]], today: date
) -> tuple[str, str]:  # fmt: skip
    room = column.width - (column.key != "time")
    drawn: dict[str, Callable[[], tuple[str, str]]] = {
        "time": lambda: (_moment(row.time.astimezone(zone), room, today), MUTED),
        "cost": lambda: _cost(row, room),
        "tokens": lambda: (pad(f"{tokens(row.input_tokens)}/{tokens(row.output_tokens)}", room, "right"), ""),
        "latency": lambda: (pad(duration_ms(row.latency_ms), room, "right"), ""),
        "status": lambda: _state(row),
        "token": lambda: _named(key_name(row, ids, room), room),
    }
    return drawn[column.key]() if column.key in drawn else _named(getattr(row, column.key), room)


def _moment(local: datetime, room: int, today: date) -> str:
    """With its date where that fits; where only one of the two does, another day's date tells more than seconds."""
    if room >= 14:
        return f"{local:%m-%d %H:%M:%S}"
    return f"{local:%m-%d %H:%M}" if room >= 11 and local.date() != today else f"{local:%H:%M:%S}"


def _cost(row: RequestRow, room: int) -> tuple[str, str]:
    if row.cost is not None:
        return money_fixed(row.cost, room), FIGURE
    return pad("unpriced  " if row.price_status == "unpriced" else f"{UNKNOWN}  ", room, "right"), CAUTION


def _named(value: str | None, room: int) -> tuple[str, str]:
    return (pad(UNKNOWN, room), MUTED) if value is None else (pad(value, room), "")


def _state(row: RequestRow) -> tuple[str, str]:
    if row.cache_hit:
        return "cached", GOOD
    if row.status is not None and row.status >= 400:
        return f"{row.status} err", BAD
    return (str(row.status) if row.status is not None else UNKNOWN), MUTED


def request_detail(row: RequestRow, zone: tzinfo) -> tuple[tuple[str, str], ...]:
    """Every known thing about one request as (label, value); money in full precision."""
    token = " ".join(part for part in (row.token, f"({row.token_name})" if row.token_name else "") if part)
    pairs = (
        ("request", row.id),
        ("time", f"{row.time.astimezone(zone):%Y-%m-%d %H:%M:%S %Z}"),
        ("provider", row.provider), ("model", row.model), ("endpoint", row.endpoint),
        ("token", token or None), ("user", row.user), ("owner", row.owner), ("team", row.team),
        ("tags", ", ".join(row.tags) or None), ("credential type", row.credential_type),
        ("session", row.session), ("prompt", row.prompt),
        ("status", None if row.status is None else str(row.status)),
        ("streamed", _yes_no(row.streamed)), ("latency", duration_ms(row.latency_ms)),
        ("response cache", {True: "hit", False: "miss", None: None}[row.cache_hit]),
        ("input tokens", _count(row.input_tokens)), ("  read from cache", _count(row.cached_input_tokens)),
        ("  written to cache", _count(row.cache_creation_input_tokens)),
        ("  of it for one hour", _count(row.cache_creation_1h_tokens)), ("  audio", _count(row.audio_input_tokens)),
        ("output tokens", _count(row.output_tokens)), ("  reasoning", _count(row.reasoning_tokens)),
        ("  audio", _count(row.audio_output_tokens)), ("  images", _count(row.image_output_tokens)),
        ("web searches", _count(row.web_search_count)),
        ("cost", _money(row.cost) or ("unpriced" if row.price_status == "unpriced" else None)),
        ("price", row.price_status.replace("_", " ")),
        ("reported cost", _money(row.reported_cost)),
        ("doubt", WORDS.get(row.doubt, row.doubt) if row.doubt else None),
        ("mode", row.mode), ("region", row.region),
        ("priced as", row.matched_model),
        *((f"  {part.name}", _arithmetic(part)) for part in row.price_parts),
        ("list price", _money(row.market_cost)),
        ("saved by response cache", _money(row.saved_by_cache)),
        ("saved by prompt cache", _money(row.prompt_cache_savings)),
        ("client address", row.client_ip), ("user agent", row.user_agent),
    )  # fmt: skip
    return tuple((label, "unknown" if value is None or value == UNKNOWN else value) for label, value in pairs)


def detail_lines(pairs: Sequence[tuple[str, str]], width: int) -> list[Content]:
    """Labels and values, the values below one another; what is longer than its line goes on in the next."""
    label_width = max((len(label) for label, _ in pairs), default=0) + 1
    made: list[Content] = []
    for label, value in pairs:
        folded = content(drawn(value)).wrap(max(2, width - label_width - 1)) or [Content("")]
        labels = [f"{label:<{label_width}} ", *[" " * (label_width + 1)] * (len(folded) - 1)]
        made += [content((shown, MUTED), line) for shown, line in zip(labels, folded, strict=True)]
    return made


def _arithmetic(part: PricePart) -> str:
    """Tokens times pico-dollars each, and what that comes to."""
    if part.rate is None:
        return f"{part.count:,} × unknown"
    return f"{part.count:,} × {part.rate:,} = {part.amount:,} pico-dollars"


def _count(number: int | None) -> str | None:
    return None if number is None else f"{number:,}"


def _yes_no(value: bool | None) -> str | None:
    return None if value is None else "yes" if value else "no"


def _money(amount: int | None) -> str | None:
    if amount is None:
        return None
    exact = usd_text(abs(amount))
    shown = display_usd(amount)
    return f"{shown} (exactly {'-' if amount < 0 else ''}${exact})" if amount else shown
