"""What a LiteLLM proxy tells beside its rows: names of keys and teams, the sums of a day, and what the key may see."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from cost_top.model.errors import SourceDenied, SourceError, SourceRefused, SourceThrottled
from cost_top.model.text import clean
from cost_top.sources.base import Lookup
from cost_top.sources.litellm.client import Caller

_PAGE_SIZE = 100
_MOST_PAGES = 20  # of names; the rows carry their keys' names anyway
_TRIES = 3
_MICRO = Decimal("0.000001")


@dataclass(frozen=True, slots=True)
class _NameList:
    """A paged list of objects with an id and a name; `status` "deleted" are those that were deleted."""

    field: str
    path: str
    items: str
    size: str
    id: str
    name: str
    more: Mapping[str, str] = dataclasses.field(default_factory=dict)


_KEYS = _NameList("token_name", "/key/list", "keys", "size", "token", "key_alias",
                  {"return_full_object": "true", "include_team_keys": "true"})  # fmt: skip
_TEAMS = _NameList("team", "/v2/team/list", "teams", "page_size", "team_id", "team_alias")
_BY = {"token_name": "token", "team": "team"}


class Names:
    """Names of keys and teams, those of deleted ones included; what the key may not list is left out."""

    def __init__(self) -> None:
        self._refused: set[tuple[str, str]] = set()

    def read(self, caller: Caller) -> tuple[Lookup, ...]:
        """See `LogReader.lookups`."""
        found = []
        for names in (_KEYS, _TEAMS):
            known: dict[str, str] = {}
            for status in ("", "deleted"):
                for key, name in self._listed(caller, names, status):
                    known.setdefault(key, name)
            found.append(Lookup(names.field, _BY[names.field], known))
        return tuple(found)

    def _listed(self, caller: Caller, names: _NameList, status: str) -> Iterator[tuple[str, str]]:
        if (names.path, status) in self._refused:
            return
        more = {**names.more, "status": status} if status else names.more
        for number in range(1, _MOST_PAGES + 1):
            parameters = {"page": str(number), names.size: str(_PAGE_SIZE), **more}
            try:
                answer = caller.get(names.path, parameters)
            except (SourceDenied, SourceRefused):
                self._refused.add((names.path, status))
                return
            except SourceThrottled:
                raise
            except SourceError:
                return  # names are a comfort: the row's own name or its id is shown instead
            items = answer.get(names.items) if isinstance(answer, dict) else None
            if not isinstance(items, list):
                return
            for item in items:
                if isinstance(item, dict) and item.get(names.id) and item.get(names.name):
                    key, name = clean(str(item[names.id])), clean(str(item[names.name]))
                    if key and name:
                        yield key, name
            if len(items) < _PAGE_SIZE:
                return


@dataclass(slots=True)
class Activity:
    """The proxy's own sums by day, kept apart from its rows and written even where it writes no rows."""

    path: str = "/user/daily/activity/aggregated"
    usable: bool = True
    _failures: int = 0

    def days(self, caller: Caller, first: date, last: date) -> Mapping[date, Mapping[str, Any]]:
        """The metrics of the days from `first` to `last`, both included; empty where the proxy does not tell.

        Raises `SourceError` for a failure that may pass; an endpoint that always fails is left alone.
        """
        if not self.usable:
            return {}
        parameters = {"start_date": first.isoformat(), "end_date": last.isoformat(), "api_key_limit": "1"}
        try:
            answer = caller.get(self.path, parameters)
            self._failures = 0
        except (SourceDenied, SourceRefused):
            self.usable = False
            return {}
        except SourceThrottled:
            raise
        except SourceError:
            self._failures += 1
            if self._failures < _TRIES:
                raise
            self.usable = False
            return {}
        results = answer.get("results") if isinstance(answer, dict) else None
        return dict(_metrics(results if isinstance(results, list) else ()))

    def text(self, caller: Caller, day: date) -> str:
        """One day's sums as text, equal for equal sums: its last digits depend on the order of adding."""
        metrics = self.days(caller, day, day).get(day, {})
        counts = [metrics.get(name) for name in ("api_requests", "prompt_tokens", "completion_tokens")]
        return "/".join([_rounded(metrics.get("spend")), *("" if count is None else str(count) for count in counts)])


def has_activity(metrics: Mapping[str, Any]) -> bool:
    """Whether a day's metrics tell of any request."""
    return any(metrics.get(name) for name in ("api_requests", "spend", "total_tokens"))


def sees_everything(caller: Caller) -> bool | None:
    """Whether the key is an admin's; None where the proxy does not let on."""
    try:
        caller.get("/user/list", {"page": "1", "page_size": "1"})
    except SourceDenied:
        return False
    except SourceThrottled:
        raise
    except SourceError:
        return None
    return True


def _metrics(results: Sequence[Any]) -> Iterator[tuple[date, Mapping[str, Any]]]:
    for item in results:
        if isinstance(item, dict) and isinstance(item.get("metrics"), dict):
            try:
                yield date.fromisoformat(str(item.get("date"))), item["metrics"]
            except ValueError:
                continue


def _rounded(spend: Any) -> str:
    if isinstance(spend, bool) or not isinstance(spend, (Decimal, int)):
        return ""
    try:
        return str(Decimal(spend).quantize(_MICRO).normalize())
    except ArithmeticError:
        return str(spend)
