"""Views, snapshots and the answers of pickers as JSON, between `cost-top serve` and its terminals.

What is read was sent by a stranger: see `model.wire_codec` for kinds and bounds. Here is what the figures must fit:
names, ranges and lengths that whoever takes a view or a snapshot relies on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, TypeVar, cast, get_type_hints

from cost_top.model.dimensions import EVERY_DIMENSION
from cost_top.model.errors import SourceError, UserError, one_line
from cost_top.model.feed import Found, UnpricedModel
from cost_top.model.query import MEASURES, TOKENS
from cost_top.model.shown import SHOWN_NAMES
from cost_top.model.snapshot import Lens, Snapshot
from cost_top.model.text import clean
from cost_top.model.view import CHANGE, View
from cost_top.model.windows import LONGEST, window_named

T = TypeVar("T")

# What a lens may be of, and what it may be sorted by.
LENS_NAMES = tuple(each.name for each in EVERY_DIMENSION if each.kind != "time" and (each.summed or each.place))
LENS_SORTS = (*MEASURES, TOKENS, "key", "newest", CHANGE)
MOST_ROWS = 1000
_MOST_CRUMBS = 50
_MOST_LINES = 100
# Clocks differ, but a window that ends later than this would be cut into hours for nothing.
_AHEAD = timedelta(days=1)


def view_to_json(view: View) -> dict[str, object]:
    """A view for the wire. What holds nothing is left out: an older server does not stumble over a newer field."""
    from cost_top.model.wire_codec import encode

    plain = View()
    encoded = cast("dict[str, object]", encode(view))
    empty = {name for name in encoded if not getattr(view, name) and getattr(view, name) == getattr(plain, name)}
    return {name: value for name, value in encoded.items() if name not in empty}


def view_from_json(value: object) -> View:
    """The view someone asks for. `UserError` for a field that is unknown, of the wrong kind or out of range."""
    from cost_top.model.wire_codec import decode

    try:
        view = decode(View, value, strict=True)
    except ValueError as error:
        raise UserError(f"view: {error}") from None
    return _checked(view)


def snapshot_to_json(snapshot: Snapshot) -> dict[str, object]:
    """The fields of a snapshot by name, as JSON values."""
    from cost_top.model.wire_codec import encode

    return cast("dict[str, object]", encode(snapshot))


def snapshot_from_json(value: Mapping[str, object], last: Snapshot | None = None) -> Snapshot:
    """The snapshot, or `last` with the fields that changed. Fields that are unknown here are passed over.

    Raises `SourceError` where it is malformed.
    """
    from cost_top.model.wire_codec import decode

    try:
        told = {name: decode(kind, value[name], name) for name, kind in _kinds().items() if name in value}
        for lens in told.get("lenses", ()):
            _check_lens(lens)
        if last is not None:
            return replace(last, **told)
        missing = sorted(_required() - set(told))
        if missing:
            raise ValueError(f"{missing[0]} is missing")
        return Snapshot(**told)
    except ValueError as error:
        raise SourceError(f"malformed snapshot: {error}") from None


def found_to_json(found: Sequence[Found]) -> list[object]:
    """What a picker found."""
    from cost_top.model.wire_codec import encode

    return [encode(one) for one in found]


def found_from_json(value: object) -> tuple[Found, ...]:
    """What a picker found. Raises `SourceError` where it is malformed."""
    return answer_from_json(tuple[Found, ...], value, "answer to a search")


def unpriced_to_json(models: Sequence[UnpricedModel]) -> list[object]:
    """The models without a rate."""
    from cost_top.model.wire_codec import encode

    return [encode(model) for model in models]


def unpriced_from_json(value: object) -> tuple[UnpricedModel, ...]:
    """The models without a rate. Raises `SourceError` where they are malformed."""
    models = answer_from_json(tuple[UnpricedModel, ...], value, "list of unpriced models")
    given = cast("Sequence[Mapping[str, object]]", value)
    # The one text of several lines.
    return tuple(
        replace(model, override="\n".join(clean(line) for line in str(each["override"]).split("\n")[:_MOST_LINES]))
        for model, each in zip(models, given, strict=True)
    )


def answer_from_json(kind: type[T], value: object, name: str) -> T:
    """A value of a dataclass, or a tuple of them, as the wire spells it. `SourceError` says what is malformed."""
    from cost_top.model.wire_codec import decode

    try:
        return cast(T, decode(kind, value))
    except ValueError as error:
        raise SourceError(f"malformed {name}: {error}") from None


@cache
def _kinds() -> dict[str, Any]:
    names = {each.name for each in fields(Snapshot)}
    return {name: kind for name, kind in get_type_hints(Snapshot).items() if name in names}


@cache
def _required() -> frozenset[str]:
    return frozenset(
        each.name for each in fields(Snapshot) if each.default is MISSING and each.default_factory is MISSING
    )


def _checked(view: View) -> View:
    """A view that a monitor can answer without asking whether its names are names."""
    window_named(view.window)
    for name in (view.tab, *view.lenses, *view.weekly, *view.timed, *(lens for lens, _, _ in view.sort)):
        _choose("lens", name, LENS_NAMES)
    _choose("measure", view.measure, SHOWN_NAMES)
    for _, measure, _ in view.sort:
        _choose("sort", measure, LENS_SORTS)
    for what, names in (("lenses", view.lenses), ("sort", [lens for lens, _, _ in view.sort])):
        if len(set(names)) < len(names):
            raise UserError(f"view: {what} names a lens twice: name each once")
    if not 1 <= view.row_limit <= MOST_ROWS:
        raise UserError(f"view: row_limit {view.row_limit} is out of range: write 1 to {MOST_ROWS}")
    if len(view.crumbs) > _MOST_CRUMBS:
        raise UserError(f"view: {len(view.crumbs)} crumbs are too many: at most {_MOST_CRUMBS}")
    if view.end is not None and view.end > datetime.now(UTC) + _AHEAD:
        raise UserError("view: end lies in the future: leave it out for a live view")
    if view.start is not None and not timedelta(0) < (view.end or datetime.now(UTC)) - view.start <= LONGEST:
        raise UserError("view: start must lie before the end, and at most ten years")
    return view


def _choose(what: str, name: str, names: Sequence[str]) -> None:
    if name not in names:
        raise UserError(f"view: unknown {what} {one_line(name, 40)!r}: choose from {', '.join(names)}")


def _check_lens(lens: Lens) -> None:
    """What is told row by row must have as many entries as there are rows."""
    rows = lens.report.rows
    if any(len(row.key) != len(lens.report.columns) for row in rows) or not lens.report.columns:
        raise ValueError("lenses: a row's key does not fit the columns")
    for name in ("trends", "previous", "since_mark"):
        if len(getattr(lens, name)) not in (0, len(rows)):
            raise ValueError(f"lenses: {name} does not fit the rows")
