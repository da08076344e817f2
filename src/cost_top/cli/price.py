"""`cost-top price`: what a request costs, and at which rate."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from cost_top.model.errors import UserError, one_line

if TYPE_CHECKING:
    from cost_top.pricing.amount import Request
    from cost_top.pricing.book import RateBook
    from cost_top.pricing.cost import Priced

_MODES = ("standard", "batch", "flex", "priority", "fast")
_COUNT = click.IntRange(min=0)
_FILE = click.Path(path_type=Path, dir_okay=False)
_Command = TypeVar("_Command", bound=Callable[..., Any])
_PARTS = {
    "input_tokens": ("cached_input_tokens", "cache_creation_input_tokens"),
    "cache_creation_input_tokens": ("cache_creation_1h_tokens",),
    "output_tokens": ("reasoning_tokens",),
}
_RATE_COLUMNS = ("input", "cached", "write", "write_1h", "output")


def _count(flag: str, name: str, text: str) -> Callable[[_Command], _Command]:
    return click.option(flag, name, type=_COUNT, metavar="N", help=text)


@click.command(name="price", short_help="What a request costs, and at which rate.")
@click.argument("named", required=False, metavar="[MODEL]")
@click.option("--provider", metavar="NAME", help="Who was called, as logged: --provider bedrock. Empty: by the model.")
@click.option("--model", metavar="NAME", help="The model as logged: --model claude-3-5-sonnet.")
@_count("--input", "input_tokens", "All input tokens, cached ones included: --input 14320.")
@_count("--cached", "cached_input_tokens", "Of these, read from the cache: --cached 1920.")
@_count("--cache-creation", "cache_creation_input_tokens", "Of these, written to the cache: --cache-creation 2000.")
@_count("--cache-creation-1h", "cache_creation_1h_tokens", "Of those, kept for one hour: --cache-creation-1h 500.")
@_count("--output", "output_tokens", "All output tokens, reasoning included: --output 642.")
@_count("--reasoning", "reasoning_tokens", "Of these, reasoning: --reasoning 200.")
@_count("--audio-input", "audio_input_tokens", "Of the input, audio: --audio-input 600.")
@_count("--audio-output", "audio_output_tokens", "Of the output, audio: --audio-output 900.")
@_count("--image-output", "image_output_tokens", "Of the output, images: --image-output 1290.")
@_count("--web-searches", "web_search_count", "Searches by the provider's own tool: --web-searches 5.")
@click.option("--region", metavar="NAME", help="Where inference was kept to: --region us.")
@click.option("--mode", type=click.Choice(_MODES), default="standard", help="How it was processed: --mode batch.")
@click.option("--at", metavar="TIME", help="When, by default now and in UTC: --at 2025-01-15T12:00:00Z.")
@click.option("--format", "form", type=click.Choice(("text", "json")), default="text", help="--format json.")
@click.option("--batch", type=click.Path(allow_dash=True), metavar="FILE", help="Price a CSV file: --batch log.csv.")
@click.option(
    "--models",
    is_flag=False,
    flag_value="",
    metavar="[FILTER]",
    help="List the rates, of models with FILTER in their name: --models sonnet.",
)
@click.option("--overrides", type=_FILE, metavar="FILE", help="Your own prices: --overrides prices.toml.")
def command(
    named: str | None,
    provider: str | None,
    model: str | None,
    mode: str,
    region: str | None,
    at: str | None,
    form: str,
    batch: str | None,
    models: str | None,
    overrides: Path | None,
    **tokens: int | None,
) -> None:
    """What a request costs, and at which rate.

    \b
    Examples:
      cost-top price claude-3-5-sonnet --provider anthropic --input 14320 --output 642
      cost-top price gpt-5 --input 1200 --cached 128 --output 3400 --mode batch --at 2025-12-01
      cost-top price --batch requests.csv > priced.csv
      cost-top price --models sonnet

    A file for --batch has a first line that names its columns: provider, model, ts_utc, input_tokens,
    cached_input_tokens, cache_creation_input_tokens, cache_creation_1h_tokens, output_tokens, reasoning_tokens,
    audio_input_tokens, audio_output_tokens, image_output_tokens, web_search_count, mode, region, gateway_cache_hit,
    credential_type. Only model is needed; an empty cell is unknown; other columns are carried through. The result
    has status, cost_usd, cost_pico_usd, market_cost_usd, saved_by_cache_usd, prompt_cache_savings_usd, matched_model,
    rate_source and doubt (why it is unpriced) added. A cell that a spreadsheet would take for a formula gets a quote
    in front.
    """
    from cost_top.pricing.batch import parse_time

    if named is not None and model is not None:
        raise UserError(f"{one_line(named, 40)}: the model is given by --model already; leave one out")
    model = model or named
    if batch is not None and (models is not None or model is not None or form == "json"):
        raise UserError("--batch: takes no model, --models or --format json; the result is CSV")
    moment = parse_time(at, "--at") if at else datetime.now(UTC)
    book = _book(overrides)
    if batch is not None:
        _price_file(book, batch)
    elif models is not None:
        _list_models(book, models, moment, form)
    else:
        if not model:
            raise UserError("which model? cost-top price MODEL; price --models lists the names")
        # Nobody who asks for a price means "unknown" by leaving a part out.
        counts: dict[str, Any] = {name: count or 0 for name, count in tokens.items()}
        _check_parts(counts)
        from cost_top.pricing.amount import Request

        _price_one(book, Request(provider, model, moment, mode=mode, region=region, **counts), form)


def _check_parts(counts: dict[str, int]) -> None:
    """`UserError` where the parts of a count are more than it."""
    for whole, parts in _PARTS.items():
        given = [(name, counts[name]) for name in parts if counts[name]]
        if sum(count for _, count in given) > counts[whole]:
            told = " and ".join(f"{_flag(name)} {count}" for name, count in given)
            raise UserError(f"{_flag(whole)} {counts[whole]} is less than its parts: {told}")


def _flag(name: str) -> str:
    return f"--{name.removesuffix('_tokens').removesuffix('_input').replace('_', '-')}"


def _book(overrides: Path | None) -> RateBook:
    """The rates, with the overrides named here or in the config file."""
    from cost_top.config import load_config
    from cost_top.pricing.book import RateBook

    return RateBook.load(overrides or load_config(None).overrides)


def _price_file(book: RateBook, name: str) -> None:
    from cost_top.pricing.batch import price_csv

    for stream in (sys.stdin, sys.stdout):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8")
    if name == "-":
        _tell(price_csv(book, sys.stdin, sys.stdout, "stdin"))
        return
    try:
        with Path(name).open(encoding="utf-8-sig", newline="") as source:
            _tell(price_csv(book, source, sys.stdout, name))
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            raise
        raise UserError(f"{name}: cannot be read ({error.strerror}); check --batch") from error


def _tell(notes: tuple[str, ...]) -> None:
    for note in notes:
        click.echo(f"note: {note}", err=True)


def _price_one(book: RateBook, request: Request, form: str) -> None:
    from cost_top.pricing.cost import price
    from cost_top.pricing.document import price_document

    priced = price(book, request)
    if form == "json":
        click.echo(json.dumps(price_document(book, request, priced), indent=2))
    else:
        click.echo("\n".join(_as_text(book, request, priced)))


def _as_text(book: RateBook, request: Request, priced: Priced) -> Iterator[str]:
    from cost_top.model.doubts import words
    from cost_top.model.text import clean
    from cost_top.pricing.batch import usd
    from cost_top.pricing.document import per_million

    at = request.time.strftime("%Y-%m-%d %H:%M:%S UTC") if request.time else ""
    if priced.match is None or priced.cost is None:
        yield from _unpriced(book, request, priced, at)
        return
    where = f"   {clean(request.region)}" if request.region else ""
    bound = "at least " if priced.status == "unpriced" else ""
    yield f"{bound}{usd(priced.cost)} USD   {priced.match.id}   {request.mode}{where}   {at}"
    if bound:
        yield f"{words(priced.doubt)[:1].upper()}{words(priced.doubt)[1:]}."
    if priced.cost != priced.market_cost:
        yield f"{usd(priced.market_cost)} USD at market price"
    width = max((len(usd(part.amount)) for part in priced.parts), default=0)
    for part in priced.parts:
        one = part.name in ("web search", "request")
        each = "no rate" if part.rate is None else f"${usd(part.rate) if one else f'{per_million(part.rate)}/M'}"
        amount = "" if part.rate is None else usd(part.amount)
        yield f"  {part.name:<18} {f'{part.tokens:,} x {each}':>28}  {amount:>{width}}".rstrip()
    if priced.prompt_cache_savings:
        yield f"  prompt cache saved {usd(priced.prompt_cache_savings)} USD"
    yield f"rate      {priced.rate_source}; rates of {book.date}"
    yield f"matched   {priced.match.text}"


def _unpriced(book: RateBook, request: Request, priced: Priced, at: str) -> Iterator[str]:
    """Why there is no price, and the lines that would give one."""
    from cost_top.model.doubts import words
    from cost_top.model.text import clean
    from cost_top.pricing.unpriced import toml_lines

    name = "/".join(clean(part) for part in (request.provider, request.model) if part)
    told = words(priced.doubt)
    if priced.match is None:
        yield f"unpriced   {name}   {at}"
        yield "No rate is known."
    else:
        asked = " ".join(clean(part) for part in (request.mode, request.region) if part)
        yield f"unpriced   {name}   {asked}   {at}"
        yield f"{priced.match.id}: {told}."
        yield f"matched   {priced.match.text}"
    yield "In the overrides file this would price it:"
    yield ""
    yield from toml_lines(book, request.provider, request.model, priced.doubt)


def _list_models(book: RateBook, wanted: str, moment: datetime, form: str) -> None:
    """The standard rates at an instant, one line per context tier."""
    from cost_top.pricing.document import per_million

    rows = [
        (f"{provider}/{model}", start, rates)
        for provider, model, timeline in book.models()
        if wanted.lower() in f"{provider}/{model}".lower() and (quote := timeline.at(moment)) is not None
        for start, rates in zip((0, *quote.starts), quote.tiers, strict=True)
    ]
    prices = [[per_million(getattr(rates, name)) for name in _RATE_COLUMNS] for _, _, rates in rows]
    if form == "json":
        listed = [
            {"model": name, "above_input_tokens": start, **dict(zip(_RATE_COLUMNS, line, strict=True))}
            for (name, start, _), line in zip(rows, prices, strict=True)
        ]
        click.echo(json.dumps({"usd_per_million": listed, "rates_date": book.date.isoformat()}, indent=2))
        return
    if not rows:
        raise UserError(f"--models: no model has {wanted!r} in its name")
    names = [name if not start else f"{name} > {start:,}" for name, start, _ in rows]
    width = max(map(len, names))
    click.echo(f"{'USD per million tokens':<{width}}" + "".join(f"{name:>12}" for name in _RATE_COLUMNS))
    for name, line in zip(names, prices, strict=True):
        click.echo(f"{name:<{width}}" + "".join(f"{cell:>12}" for cell in line))
    click.echo(f"rates of {book.date}, {book.released}")
