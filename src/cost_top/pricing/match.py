"""From a logged (provider, model) to a model of the rates: by rules only, never by likeness."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from cost_top.model.modes import MODES
from cost_top.pricing.names import (
    API_ENDINGS,
    BEDROCK,
    COMPACT_DATE,
    DOTTED,
    ELSEWHERE,
    FREE,
    GOVERNMENT,
    HEAD,
    HOSTED,
    LONG_CONTEXT,
    MAKERS,
    PARTS,
    PLACED,
    ROUTE,
    ROUTERS,
    SYNONYMS,
    VERTEX_DATE,
    spelled,
)

# The tails that a dated or versioned id adds to a family name; another tail, a further version too, may be another
# model. A family that ends within a date or a number goes on without a separator.
_KNOWN_TAIL = re.compile(
    r"^(?:[-@:](?:\d{8}|\d{4}-\d{2}-\d{2}|\d{2}-\d{4}|\d{3,4}|latest|preview|exp|thinking|beta|default|instruct|it|customtools"
    r"|v\d+(?::\d+)?)|:\d+)*$"
)
_PART_OF_NUMBER = re.compile(r"[-@](?:0|20\d\d)$")
# How a name was found, most certain first; the words are for display.
HOW = ("exact", "alias", "starts_with", "contains", "ends_with", "regex")


@dataclass(frozen=True, slots=True)
class Match:
    """A model of the rates: `provider` and `model` are its ids, `how` the way it was found, `name` what fitted.

    `how` is one of `HOW`, `free` (by rule) or `own` (a price of the user's). `steps` are the changes made to the
    logged name first. `unsure` says what is unknown around a family name: another model, or another price of this one
    (`-fast`, `-batch`, `-image`, a region with prices of its own), so that only the user's word gives it a price.
    """

    provider: str
    model: str
    how: str
    name: str
    steps: tuple[str, ...] = ()
    unsure: str = ""

    @property
    def id(self) -> str:
        """Provider and model in one word."""
        return f"{self.provider}/{self.model}"

    @property
    def text(self) -> str:
        """How it matched, in words."""
        mark = f" ({self.unsure})" if self.unsure else ""
        return "; ".join((*self.steps, f"{self.how.replace('_', ' ')} {self.name!r}{mark}"))


@dataclass(frozen=True, slots=True)
class Resolved:
    """A provider id (None: not known) and the names the model may have there, with the steps that led to each."""

    provider: str | None
    names: tuple[tuple[str, tuple[str, ...]], ...]
    free: bool = False
    charges: bool = False  # a cloud that gives nothing away, unlike the maker's own API


class Matcher:
    """The provider and model tables of `rates.json`, and the rules to find one model in them."""

    def __init__(self, providers: Sequence[Mapping[str, Any]]) -> None:
        self._providers: dict[str, Mapping[str, Any]] = {provider["id"]: provider for provider in providers}
        self._spelled = {spelled(found): found for found in self._providers}

    def resolve(self, provider: str | None, model: str | None) -> Resolved:
        """The provider meant and the candidate names of the model, most literal first."""
        # TensorZero writes openai::gpt-5.
        name = (model or "").strip().lower().replace("::", "/")
        steps: tuple[str, ...] = ()
        wanted = spelled(provider or "")
        if wanted in ROUTERS:
            wanted, name, steps = self._behind_router(name)
        if wanted in FREE or wanted.removesuffix("-chat") in FREE:
            return Resolved(wanted, ((name, steps),), free=not HOSTED.search(name))
        found = self.provider(wanted) if wanted else None
        if found == "openrouter" and name.endswith(":free"):
            return Resolved(found, ((name, steps),), free=True)  # what this variant is called for
        candidates = tuple(_candidates(name, steps, keep_maker=found == "openrouter"))
        return Resolved(found, candidates, charges="vertex" in wanted)

    def provider(self, name: str) -> str | None:
        """The provider id of a spelling, or None."""
        name = spelled(name)
        if name in SYNONYMS:
            return SYNONYMS[name]
        if name in self._spelled:
            return self._spelled[name]
        for part, found in PARTS:
            if part in name:
                return found
        for ending in API_ENDINGS:
            if name.endswith(ending) and (found_base := self.provider(name.removesuffix(ending))):
                return found_base
        for found, provider in self._providers.items():
            if "provider_match" in provider and fits(provider["provider_match"], name):
                return found
        return None

    def _behind_router(self, name: str) -> tuple[str, str, tuple[str, ...]]:
        """The maker in front of the name (`maker/model`), or the one whose names look like this."""
        steps: tuple[str, ...] = ()
        while "/" in name and not name.startswith(("models/", "publishers/", "projects/", "arn:", "accounts/")):
            maker, rest = name.split("/", 1)
            if spelled(maker) in ROUTERS:
                name, steps = rest, (*steps, f"router {maker}/ peeled")
            elif maker == "amazon":
                # Gateways write amazon/nova-pro for what Bedrock calls amazon.nova-pro.
                return "aws", f"amazon.{rest}", (*steps, "maker amazon")
            elif spelled(maker) in FREE or self.provider(maker) is not None:
                return spelled(maker), rest, (*steps, f"maker {maker}")
            else:
                break
        found, why = self._maker_of(name)
        return found, name, (*steps, why) if why else steps

    def _maker_of(self, name: str) -> tuple[str, str]:
        """The provider whose names look like this one, and why; empty when none does."""
        if BEDROCK.match(name):
            return "aws", "a Bedrock id"
        if VERTEX_DATE.search(name) or name.startswith(("models/", "publishers/", "projects/")):
            return "google", "a Google id"
        known = ((found, item["model_match"]) for found, item in self._providers.items() if "model_match" in item)
        found = next((found for found, clause in known if fits(clause, name)), "")
        found = found or next((maker for pattern, maker in MAKERS if pattern.search(name)), "")
        return found, f"a name of {found}" if found else ""

    def find(self, resolved: Resolved) -> tuple[Match, Mapping[str, Any]] | None:
        """The model of the rates for resolved names, with its entry in the table."""
        if resolved.provider is None or resolved.provider not in self._providers:
            return None
        own = self._providers[resolved.provider]
        order = [own, *(self._providers[name] for name in own.get("fallback", ()) if name in self._providers)]
        for name, steps in resolved.names:
            for provider in order:
                for model in provider["models"]:
                    leaf = fits(model["match"], name)
                    if leaf is None:
                        continue
                    taken = steps if provider is own else (*steps, f"price of {provider['id']}")
                    found = _match(provider["id"], model["id"], leaf, name, taken)
                    doubt = found.unsure or _doubt_of_place(resolved, model)
                    return replace(found, unsure=doubt), model
        return None

    def models(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Every model with its provider."""
        for found, provider in self._providers.items():
            for model in provider["models"]:
                yield found, model


def fits(clause: Mapping[str, Any], name: str) -> tuple[str, str] | None:
    """The leaf of a matching clause that fits a lower-case name, as `(kind, text)`; None if it does not fit."""
    ((kind, value),) = clause.items()
    if kind == "or":
        return next((leaf for part in value if (leaf := fits(part, name)) is not None), None)
    if kind == "and":
        leaves = [fits(part, name) for part in value]
        return None if None in leaves else leaves[0]
    found = (
        (kind == "equals" and name == value)
        or (kind == "starts_with" and name.startswith(value))
        or (kind == "ends_with" and name.endswith(value))
        or (kind == "contains" and value in name)
        or (kind == "regex" and re.search(value, name) is not None)
    )
    return (kind, value) if found else None


def _match(provider: str, model: str, leaf: tuple[str, str], name: str, steps: tuple[str, ...]) -> Match:
    kind, text = leaf
    how = "exact" if name == model else "alias" if name == text else kind
    # A fine-tune's tail is its owner's, whatever it is.
    family = how in ("starts_with", "contains", "ends_with") and not text.startswith("ft:")
    head, _, tail = name.partition(text)
    unsure = ""
    if tail and text.endswith((*"-@:",)):
        tail = f"-{tail}"
    elif _PART_OF_NUMBER.search(text):
        tail = tail.lstrip("0123456789")
    if family and not _KNOWN_TAIL.match(tail):
        unsure = "unknown tail"
    elif family and not HEAD.match(_peeled(head)):
        unsure = "unknown beginning"
    return Match(provider, model, how, text, steps, unsure)


def _peeled(head: str) -> str:
    while found := ROUTE.match(head):
        head = head[found.end() :]
    return head


def _doubt_of_place(resolved: Resolved, model: Mapping[str, Any]) -> str:
    """Why a model's price may be another one where it was called; '' where it is not."""
    logged = resolved.names[0][0]
    if resolved.provider == "aws":
        elsewhere = ELSEWHERE.search(logged) and not PLACED.search(model["id"])
        return "a region with prices of its own" if elsewhere or GOVERNMENT.search(logged) else ""
    periods = (period for mode in MODES for period in model.get(mode, ()))
    is_free = not any(value for period in periods for value in period["rates"].values())
    return "free of charge elsewhere only" if resolved.charges and is_free else ""


def _candidates(name: str, steps: tuple[str, ...], keep_maker: bool) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The name, the name behind each route prefix, then the same with dates and version dots spelled otherwise."""
    if name.endswith(LONG_CONTEXT):
        name, steps = name.removesuffix(LONG_CONTEXT), (*steps, f"suffix {LONG_CONTEXT} peeled")
    seen: dict[str, tuple[str, ...]] = {name: steps}
    peeled = name
    while found := ROUTE.match(peeled):
        if keep_maker and found.group() != "openrouter/":
            break
        peeled = peeled[found.end() :]
        steps = (*steps, f"prefix {found.group()} peeled")
        seen.setdefault(peeled, steps)
    for rewrite, word in ((_dashed_date, "date rewritten"), (_dashed_version, "version rewritten")):
        for spelling, taken in list(seen.items()):
            other = rewrite(spelling)
            if other != spelling:
                seen.setdefault(other, (*taken, word))
    yield from seen.items()


def _dashed_date(name: str) -> str:
    """`-20251211` as `-2025-12-11`, where it is a date."""

    def dashed(found: re.Match[str]) -> str:
        try:
            day = date(int(found[1]), int(found[2]), int(found[3]))
        except ValueError:
            return found.group()
        return f"-{day.isoformat()}"

    return COMPACT_DATE.sub(dashed, name)


def _dashed_version(name: str) -> str:
    """`claude-3.5-sonnet` as `claude-3-5-sonnet`."""
    return DOTTED.sub("-", name)
