"""The budgets that a LiteLLM proxy keeps, asked over HTTP: all of them by an admin, else what the key may know of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from cost_top.model.budgets import KeptBudget, KeptBudgets
from cost_top.model.errors import SourceDenied, SourceError, SourceRefused, SourceThrottled, one_line
from cost_top.model.money import pico
from cost_top.model.secret import public_value
from cost_top.model.text import clean
from cost_top.sources.kept_moment import moment_of
from cost_top.sources.litellm.client import Caller

Object = Mapping[str, Any]
_PAGE_SIZE = 100
_MOST_PAGES = 100
# Lists that an admin may ask for: dimension, path, the field with the items and the name of the page's size (none: the
# answer is the whole list).
_LISTS = (
    ("token", "/key/list", "keys", "size"), ("team", "/v2/team/list", "teams", "page_size"),
    ("owner", "/user/list", "users", "page_size"), ("user", "/customer/list", "", ""),
)  # fmt: skip
_MORE = {"/key/list": {"return_full_object": "true", "include_team_keys": "true"}}
_NAMES = {
    "token": ("token", ("key_alias",)), "team": ("team_id", ("team_alias",)),
    "owner": ("user_id", ("user_alias", "user_email")), "user": ("user_id", ("alias",)),
}  # fmt: skip
_WORDS = {"token": "keys", "team": "teams", "owner": "users", "user": "customers"}


def kept_budgets(caller: Caller, is_admin: bool, public: str | None) -> KeptBudgets:
    """The budgets, and which could not be asked for. `public` as in `model.secret.public_value`.

    Raises `SourceThrottled`.
    """
    found: list[KeptBudget] = []
    missing = []
    for dimension, objects in _lists(caller) if is_admin else _own(caller):
        try:
            for one in objects:  # what was read before a failure is kept
                if (kept := _kept(dimension, one, public)) is not None:
                    found.append(kept)
        except SourceThrottled:
            raise
        except SourceError as error:
            missing.append(f"budgets of {_WORDS[dimension]} are not all known: {one_line(error)}")
    return KeptBudgets(tuple(found), tuple(missing))


def _lists(caller: Caller) -> Iterator[tuple[str, Iterator[Object]]]:
    for dimension, path, items, size in _LISTS:
        yield dimension, _listed(caller, path, items, size)


def _listed(caller: Caller, path: str, items: str, size: str) -> Iterator[Object]:
    for number in range(1, _MOST_PAGES + 1):
        pages = {"page": str(number), size: str(_PAGE_SIZE)} if size else {}
        answer = caller.get(path, {**pages, **_MORE.get(path, {})})
        rows = answer.get(items) if items and isinstance(answer, dict) else answer
        if not isinstance(rows, list):
            raise SourceError(f"{path} has no list")
        yield from (row for row in rows if isinstance(row, dict))
        if not size or len(rows) < _PAGE_SIZE:
            return
    raise SourceError(f"{path} has more than the {_MOST_PAGES * _PAGE_SIZE:,} that are read")


def _own(caller: Caller) -> Iterator[tuple[str, Iterator[Object]]]:
    """The key's own budget, that of its team and that of its user, as far as it has them and may know."""
    told: dict[str, Any] = {}

    def key() -> Iterator[Object]:
        answer = _object(caller.get("/key/info", {}))
        told.update(_object(answer.get("info")))
        yield {"token": answer.get("key"), **told}

    def asked(path: str, field: str, name: str) -> Iterator[Object]:
        if told.get(name):
            try:
                yield _object(_object(caller.get(path, {name: str(told[name])})).get(field))
            except (SourceDenied, SourceRefused):
                return  # it may not know: what the key itself may spend is told above

    yield "token", key()
    yield "team", asked("/team/info", "team_info", "team_id")
    yield "owner", asked("/user/info", "user_info", "user_id")


def _kept(dimension: str, told: Object, public: str | None) -> KeptBudget | None:
    field, names = _NAMES[dimension]
    identity = _text(told.get(field))
    shared = _object(told.get("litellm_budget_table"))
    limits = told if told.get("max_budget") is not None else shared
    limit = _money(limits.get("max_budget"))
    if limit is None or not identity:
        return None
    name = next((text for text in (_text(told.get(each)) for each in names) if text), None)
    value = public_value(identity, public) if dimension == "token" else identity
    return KeptBudget(
        dimension, value, name, limit, _money(told.get("spend")), _text(limits.get("budget_duration")) or None,
        moment_of(_text(limits.get("budget_reset_at"))),
    )  # fmt: skip


def _text(value: Any) -> str:
    return clean(value) if isinstance(value, str) else ""


def _object(value: Any) -> Object:
    return value if isinstance(value, dict) else {}


def _money(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, (int, str, Decimal)):
        return None
    try:
        return pico(value)
    except ValueError:
        return None
