"""Bodies of POST requests: JSON of a bounded size, and the view in them."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, replace
from datetime import UTC, timedelta, tzinfo
from typing import Any

from fastapi import Request

from cost_top.model.errors import UserError, one_line
from cost_top.model.filter import Filter, parse_filter
from cost_top.model.view import View
from cost_top.model.windows import utc_now
from cost_top.model.wire import view_from_json
from cost_top.serve.errors import Problem
from cost_top.serve.parameters import zone_of
from cost_top.serve.serving import Settings

# A window may end a little in the future of this clock, not so far that its hours are many.
_AHEAD = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class Watched:
    """A view as a client spells it, and the zone its days are cut in."""

    view: View
    zone: tzinfo

    def within(self, scope: Filter) -> View:
        """The view with the scope of a token on top."""
        return replace(self.view, filter=self.view.filter.both(scope)) if scope else self.view


async def read_json(request: Request, settings: Settings, known: tuple[str, ...]) -> dict[str, Any]:
    """The object in the body, with no other fields than `known`."""
    is_json = request.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json"
    # Pages of other sites may post other types unasked; what is no browser's names no site, and may call JSON anything.
    if not is_json and any(name in request.headers for name in ("origin", "sec-fetch-site")):
        raise Problem(415, "the body must be application/json")
    body = bytearray()
    try:
        async with asyncio.timeout(settings.body_seconds):
            async for part in request.stream():
                body += part
                if len(body) > settings.largest_body:
                    raise Problem(413, f"the body is larger than {settings.largest_body} bytes")
    except TimeoutError:
        raise Problem(408, "the body did not come in time") from None
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        raise Problem(400, "the body is not JSON") from None
    if not isinstance(value, dict):
        raise Problem(400, "the body is not a JSON object")
    for name in value:
        if name not in known:
            shown = one_line(name, 40)
            raise Problem(400, f"{shown!r}: unknown field; known are {', '.join(known)}", param=shown)
    return value


def text_of(body: dict[str, Any], name: str, default: str | None, longest: int = 200) -> str:
    """A text in the body."""
    value = body.get(name, default)
    if not isinstance(value, str) or len(value) > longest:
        raise Problem(400, f"{name}: must be a text of at most {longest} characters", param=name)
    return value


def watched_of(body: dict[str, Any], usual: tzinfo = UTC) -> Watched:
    """The view in a body and its zone, the `usual` one without."""
    try:
        view = view_from_json(body.get("view", {}))
    except UserError as error:
        raise Problem(400, str(error), param="view") from None
    return Watched(checked_view(view), zone_of(text_of(body, "tz", None)) if "tz" in body else usual)


def checked_view(view: View) -> View:
    """The view, if its filter is one that can be written and its instants are near enough to be walked to."""
    limit = utc_now() + _AHEAD
    for name, instant in (("start", view.start), ("end", view.end), ("mark", view.mark)):
        if instant is not None and instant > limit:
            raise Problem(400, f"view: {name} is in the future", param="view")
    for where in (view.filter, *(Filter((crumb.term,)) for crumb in view.crumbs if crumb.term is not None)):
        try:
            plain = parse_filter(str(where)) == where
        except UserError as error:
            raise Problem(400, f"view: {error}", param="view") from None
        if not plain:
            raise Problem(400, f"view: {one_line(where, 80)!r} is no filter", param="view")
    return view
