"""The budgets that a LiteLLM proxy keeps, asked over HTTP: all of them by an admin, else what the key may know of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from cost_top.model.budgets import KeptBudget, KeptBudgets
from cost_top.model.errors import SourceDenied, SourceError, SourceRefused, SourceThrottled, one_line
from cost_top.model.money import pico
from cost_top.model.secret import public_value
from cost_top.model.text import clean
from cost_top.model.windows import utc_now
from cost_top.sources.kept_moment import moment_of, raised_by
from cost_top.sources.litellm.client import Caller

Object = Mapping[str, Any]
_PAGE_SIZE = 100
_MOST_PAGES = 100
# Lists that an admin may ask for: dimension, path, the field with the items and the name of the page's size (none: the
# answer is the whole list).
_LISTS = (
    ("token", "/key/list", "keys", "size"), ("team", "/v2/team/list", "teams", "page_size"),
    ("owner", "/user/list", "users", "page_size"), ("user", "/customer/list", "", ""),
    ("organization", "/organization/list", "", ""),
)  # fmt: skip
_UNLICENSED = "Enterprise"
# Members are told team by team.
_MOST_TEAMS = 100
_MORE = {"/key/list": {"return_full_object": "true", "include_team_keys": "true"}}
_NAMES = {
    "token": ("token", ("key_alias",)), "team": ("team_id", ("team_alias",)),
    "owner": ("user_id", ("user_alias", "user_email")), "user": ("user_id", ("alias",)),
    "organization": ("organization_id", ("organization_alias",)),
    "team member": ("user_id", ("user_alias", "user_email")),
}  # fmt: skip
_WORDS = {"token": "keys", "team": "teams", "owner": "users", "user": "customers", "organization": "organizations",
          "team member": "team members"}  # fmt: skip


def kept_budgets(caller: Caller, is_admin: bool, public: str | None) -> KeptBudgets:
    """The budgets, and which could not be asked for. `public` as in `model.secret.public_value`.

    Raises `SourceThrottled`.
    """
    found: list[KeptBudget] = []
    missing = []
    for dimension, objects in _lists(caller) if is_admin else _own(caller):
        try:
            for one in objects:  # what was read before a failure is kept
                found += _kept(dimension, one, public)
        except SourceThrottled:
            raise
        except SourceError as error:
            if dimension == "organization" and isinstance(error, SourceDenied) and _UNLICENSED in str(error):
                continue  # a proxy without a licence has no organizations
            missing.append(f"budgets of {_WORDS[dimension]} are not all known: {one_line(error)}")
    return KeptBudgets(tuple(found), tuple(missing))


def _lists(caller: Caller) -> Iterator[tuple[str, Iterator[Object]]]:
    told: dict[str, list[Object]] = {"team": [], "owner": []}
    for dimension, path, items, size in _LISTS:
        yield dimension, _noted(_listed(caller, path, items, size), told.get(dimension))
    yield "team member", _members(caller, told["team"], told["owner"])


def _noted(objects: Iterator[Object], told: list[Object] | None) -> Iterator[Object]:
    for one in objects:
        if told is not None:
            told.append(one)
        yield one


def _members(caller: Caller, teams: list[Object], users: list[Object]) -> Iterator[Object]:
    """What a member may spend within its team, of each team that has members."""
    named = {_text(one.get("user_id")): one for one in users}
    peopled = [one for one in teams if one.get("members_with_roles") or one.get("members")]
    for team in peopled[:_MOST_TEAMS]:
        answer = _object(caller.get("/team/info", {"team_id": _text(team.get("team_id")), "key_limit": "1"}))
        for member in answer.get("team_memberships") or ():
            own = _object(member)
            known = named.get(_text(own.get("user_id")), {})
            yield {**{name: known.get(name) for name in ("user_alias", "user_email")}, **own,
                   "team_alias": team.get("team_alias")}  # fmt: skip
    if len(peopled) > _MOST_TEAMS:
        raise SourceError(f"members of {_MOST_TEAMS} of {len(peopled):,} teams are asked for")


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
    """The key's own budget, those of its team, its user, its user within the team and its user's organizations, as far
    as it has them and may know."""
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
    yield "team member", _of_itself(caller, told)
    yield "organization", _organizations(caller, told)


def _of_itself(caller: Caller, told: Object) -> Iterator[Object]:
    if told.get("team_id") and told.get("user_id"):
        with suppress(SourceDenied, SourceRefused):  # of no member, or an older proxy
            yield _object(caller.get(f"/team/{quote(str(told['team_id']), safe='')}/members/me", {}))


def _organizations(caller: Caller, told: Object) -> Iterator[Object]:
    if told.get("user_id"):
        with suppress(SourceDenied, SourceRefused):
            yield from _listed(caller, "/organization/list", "", "")


def _kept(dimension: str, told: Object, public: str | None) -> Iterator[KeptBudget]:
    """The limit that is enforced, and the one that the proxy only tells of."""
    field, names = _NAMES[dimension]
    identity = _text(told.get(field))
    name = next((text for text in (_text(told.get(each)) for each in names) if text), None)
    value = public_value(identity, public) if dimension == "token" else identity
    shared = _object(told.get("litellm_budget_table"))
    hard = told if told.get("max_budget") is not None else shared
    soft = {"team": told, "token": shared}.get(dimension, {})
    for limits, key in ((hard, "max_budget"), (soft, "soft_budget")):
        limit, is_soft = _money(limits.get(key)), key == "soft_budget"
        if limit is None or not identity:
            continue
        raised, until = (0, None) if is_soft else _raised(dimension, told, limits)
        yield KeptBudget(
            dimension, value, name, limit + raised, _money(told.get("spend")),
            _text(limits.get("budget_duration")) or None, moment_of(_text(limits.get("budget_reset_at"))),
            *_around(dimension, told), raised, until, is_soft,
        )  # fmt: skip


def _raised(dimension: str, told: Object, limits: Object) -> tuple[int, datetime | None]:
    """By how much a limit is raised for now: the proxy does so for keys and for members of teams."""
    facts = _object(told.get("metadata")) if dimension == "token" else limits if dimension == "team member" else {}
    return raised_by(facts.get("temp_budget_increase"), _text(facts.get("temp_budget_expiry")), utc_now())


def _around(dimension: str, told: Object) -> tuple[str | None, str | None]:
    """The team of a member, and its name."""
    if dimension != "team member":
        return None, None
    return _text(told.get("team_id")) or None, _text(told.get("team_alias")) or None


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
