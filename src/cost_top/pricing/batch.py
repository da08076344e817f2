"""Price a CSV file of requests: each row as it came, with what it costs added."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, TextIO

from cost_top.model.doubts import words
from cost_top.model.errors import UserError, one_line
from cost_top.model.modes import MODES
from cost_top.model.money import usd_text
from cost_top.model.tables import harmless
from cost_top.pricing.amount import Request, tokens_of, without_overlap
from cost_top.pricing.book import RateBook
from cost_top.pricing.cost import Priced, price

TOKENS = (
    "input_tokens",
    "cached_input_tokens",
    "cache_creation_input_tokens",
    "cache_creation_1h_tokens",
    "output_tokens",
    "reasoning_tokens",
    "audio_input_tokens",
    "audio_output_tokens",
    "image_output_tokens",
    "web_search_count",
)
ADDED = (
    "status",
    "cost_usd",
    "cost_pico_usd",
    "market_cost_usd",
    "saved_by_cache_usd",
    "prompt_cache_savings_usd",
    "matched_model",
    "rate_source",
    "doubt",
)
_TRUE, _FALSE = ("1", "true", "yes"), ("", "0", "false", "no", "none")
_CREDENTIALS = ("", "system", "byok")


def price_csv(book: RateBook, source: TextIO, target: TextIO, name: str) -> tuple[str, ...]:
    """Read requests from `source` and write them priced to `target`; `UserError` names the line and column of `name`.

    A column named like one of `ADDED` is replaced. Rows without `ts_utc` are priced now. The answer is what is to be
    told of the whole.
    """
    reader = csv.DictReader(source)
    raised: list[int] = []
    try:
        columns = list(reader.fieldnames or ())
        if "model" not in columns:
            raise UserError(f"{name}: no column `model`; the first line must name the columns, see price --help")
        carried = [column for column in columns if column not in ADDED]
        writer = csv.writer(target, lineterminator="\n")
        writer.writerow([*map(harmless, carried), *ADDED])
        for row in reader:
            place = f"{name}: line {reader.line_num}"
            if None in row or None in row.values():
                raise UserError(f"{place}: has another number of cells than the first line")
            request = without_overlap(_request(row, place))
            priced = price(book, request)
            if _is_raised(request):
                raised.append(reader.line_num)
            writer.writerow([*(harmless(row[column]) for column in carried), *_added(priced)])
    except (csv.Error, UnicodeDecodeError) as error:
        raise UserError(f"{name}: line {reader.line_num + 1}: is not CSV in UTF-8: {one_line(error)}") from error
    if not raised:
        return ()
    rows = "1 row has" if len(raised) == 1 else f"{len(raised):,} rows have"
    return (f"{rows} parts that are more than the count they are in, which is taken as more: line {raised[0]}",)


def _is_raised(request: Request) -> bool:
    """Whether a count is priced as more than the file says, since its parts are more."""
    tokens = tokens_of(request)
    given = (request.input_tokens, request.cache_creation_input_tokens, request.output_tokens)
    counts = zip(given, (tokens.input, tokens.write, tokens.output), strict=True)
    return any(said is not None and said < taken for said, taken in counts)


def parse_time(text: str, what: str) -> datetime:
    """An ISO 8601 instant; without an offset it is UTC."""
    try:
        moment = datetime.fromisoformat(text.strip())
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise UserError(f"{what}: {one_line(text, 60)!r} is no time like 2025-01-15T12:00:00Z") from None


def _request(row: Mapping[str, str], place: str) -> Request:
    time = row.get("ts_utc", "").strip()
    region = row.get("region", "").strip() or None
    hit = row.get("gateway_cache_hit", "").strip().lower()
    mode = row.get("mode", "").strip().lower()
    credential = row.get("credential_type", "").strip().lower()
    if credential not in _CREDENTIALS:
        raise UserError(f"{place}: credential_type {one_line(credential, 60)!r} must be system or byok")
    if hit not in (*_TRUE, *_FALSE):
        raise UserError(f"{place}: gateway_cache_hit {one_line(hit, 60)!r} must be 1 or 0")
    if mode and mode not in MODES:
        raise UserError(f"{place}: mode {one_line(mode, 60)!r} must be one of {', '.join(MODES)}")
    moment = parse_time(time, f"{place}: ts_utc") if time else datetime.now(UTC)
    counts: dict[str, Any] = {column: _count(row, column, place) for column in TOKENS}
    return Request(
        row.get("provider"), row["model"], moment, mode=mode or None, region=region, cache_hit=hit in _TRUE,
        credential_type=credential or None, **counts,
    )  # fmt: skip


def _count(row: Mapping[str, str], column: str, place: str) -> int | None:
    text = row.get(column, "").strip()
    if not text:
        return None
    if text.isascii() and text.isdigit() and len(text) <= 18:
        return int(text)
    raise UserError(f"{place}: {column} {one_line(text, 60)!r} must be a whole number, or empty for unknown")


def _added(priced: Priced) -> Iterable[str]:
    yield priced.status
    yield usd(priced.cost)
    yield "" if priced.cost is None else str(priced.cost)
    yield from map(usd, (priced.market_cost, priced.saved_by_cache, priced.prompt_cache_savings))
    yield harmless(priced.match.id) if priced.match else ""
    yield harmless(priced.rate_source)
    yield words(priced.doubt)


def usd(amount: int | None) -> str:
    """Exact USD, or nothing for an unknown amount."""
    return "" if amount is None else usd_text(amount)
