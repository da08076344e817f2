"""Why, in one plain sentence and as JSON."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from fractions import Fraction
from typing import Any

from cost_top.insight.why import Driver, Side, Why
from cost_top.model.dimensions import dimension_named, word_of
from cost_top.model.errors import one_line
from cost_top.model.filter import Filter, Term
from cost_top.model.format import tail_of, with_tail
from cost_top.model.money import display_usd, usd_text

_WIDTH = 60
_CAUSE = 10  # a factor below this percentage of the change is no cause
_MOVED = 10  # points by which the cached share must move to be told


def sentence(answer: Why, where: Filter, zone: tzinfo, until_now: bool) -> str:
    """`/agent-proxy is up $96.00 (9.0×) since Mon 08:00: key agent-team-2 92 % of it, 9.0× the requests; size and price
    per token unchanged.`"""
    change = answer.change
    subject = subject_of(where, answer.key)
    when = _when(answer.after, zone, until_now)
    if answer.is_empty:
        told = f"no requests {when}, nor in the time before"
        if answer.before.unpriced or answer.after.unpriced:
            told = f"no request {when} has a price, nor one of the time before: whether spend changed is not known"
        return f"{subject}: {told}."
    if change == 0:
        return f"{subject} is unchanged {when}, at {display_usd(answer.after.cost)}."
    way = "up" if change > 0 else "down"
    head = f"{subject} is {way} {display_usd(abs(change))}{_ratio(answer.before.cost, answer.after.cost)} {when}"
    if not answer.drivers:
        return f"{head}: spread over many, none of them a tenth of it."
    first, *others = answer.drivers
    text = f"{head}: {_label(first, answer)} {_per_cent(first, answer)} % of it"
    if first.inside and first.inside[0].value is not None and first.inside[0].share * 100 >= 80:
        text += f" ({_label(first.inside[0], answer)})"
    text += "".join(f", {_label(one, answer)} {_per_cent(one, answer)} %" for one in others[:2])
    causes, rest = _causes(first, _swap(first, answer))
    if causes:
        text += ("; " if others else ", ") + ", ".join(causes)
    return text + (f"; {rest}" if rest else "") + "."


def subject_of(where: Filter, key: tuple[str, str] | None = None) -> str:
    """What a filter speaks of, as a person says it; `key` is the id and the name of a key."""
    if not where.terms:
        return "spend"
    term = where.terms[0]
    if where.terms == (Term(term.field, ("*",), negated=True),) and term.field is not None:
        return f"spend with {dimension_named(term.field).none}"
    if len(where.terms) == 1 and len(term.values) == 1 and _is_name(term):
        value = term.values[0]
        if term.field == "token" and key is not None and value == key[0]:
            value = key[1]
        value = one_line(value, _WIDTH)
        return value if value.startswith("/") or term.field is None else f"{word_of(term.field)} {value}"
    return f"spend of {one_line(where, _WIDTH)}"


def _is_name(term: Term) -> bool:
    """Whether a term with one value selects what is called so: no comparison, and not all that carry something."""
    return not term.negated and term.operator == "=" and term.values[0] != "*"


def twins_of(driver: Driver, answer: Why) -> list[str | None]:
    """The ids of other drivers that go by the same name."""
    drivers = (one for first in answer.drivers for one in (first, *first.inside))
    return [one.value for one in drivers if (one.dimension, one.name) == (driver.dimension, driver.name)]


def _label(driver: Driver, answer: Why) -> str:
    if driver.value is None:
        return f"no {word_of(driver.dimension)}"
    name, tail = one_line(driver.name or driver.value, _WIDTH), tail_of(driver.value, twins_of(driver, answer))
    return f"{word_of(driver.dimension)} {with_tail(name, one_line(tail, _WIDTH), 2 * _WIDTH)}"


def _per_cent(driver: Driver, answer: Why) -> int:
    return round(driver.share * 100) if answer.change else 0


def _ratio(before: int, after: int) -> str:
    """How many times; per cent below twice. Of what is below nothing no part can be told.

    >>> _ratio(100, 900), _ratio(100, 113), _ratio(0, 5), _ratio(100, 40)
    (' (9.0×)', ' (+13 %)', ' (new)', ' (-60 %)')
    >>> _ratio(-3 * 10**12, 5), _ratio(3 * 10**12, -5)
    (' (from -$3.00)', ' (from $3.00)')
    """
    if before < 0 or after < 0:
        return f" (from {display_usd(before)})"
    if before == 0:
        return " (new)" if after > 0 else ""
    if after >= 2 * before:
        return f" ({times(after, before)})"
    return f" ({(after - before) * 100 / before:+.0f} %)"


def times(after: float, before: float) -> str:
    """A ratio for eyes.

    >>> times(9, 1), times(124, 1)
    ('9.0×', '124×')
    """
    ratio = after / before
    return f"{ratio:.1f}×" if ratio < 100 else f"{ratio:,.0f}×"


def _when(side: Side, zone: tzinfo, until_now: bool) -> str:
    start, end = side.start.astimezone(zone), side.end.astimezone(zone)
    if until_now:
        form = "%a %H:%M" if (side.end - side.start).days < 7 else "%-d %b %H:%M"
        return f"since {start.strftime(form)}"
    return f"from {start.strftime('%-d %b %H:%M')} to {end.strftime('%-d %b %H:%M')}"


def _swap(first: Driver, answer: Why) -> tuple[str, str, str | None] | None:
    """One model in the place of another, where that is what moved the first driver."""
    if first.dimension == "model":
        return answer.swap if answer.swap is not None and first.value == answer.swap[1] else None
    return first.swap if abs(first.factors["mix"]) * 100 > _CAUSE * abs(first.change) else None


def _causes(driver: Driver, swap: tuple[str, str, str | None] | None) -> tuple[list[str], str]:
    """What moved the first driver, and what did not."""
    before, after, change = driver.before, driver.after, driver.change
    requests = driver.factors["requests"] + driver.factors["mix"]
    parts = {"requests": requests, "size": driver.factors["size"], "price": driver.factors["price"]}
    moved = {name for name, part in parts.items() if abs(part) * 100 > _CAUSE * abs(change)}
    causes = []
    if swap is not None:
        old, new, endpoint = (one_line(part, _WIDTH) if part is not None else None for part in swap)
        causes.append(f"{old} → {new}" + (f" on {endpoint}" if endpoint is not None else ""))
    if "requests" in moved and swap is None:
        more = "new requests" if not before.requests else "no requests any more" if not after.requests else _factor(
            Fraction(after.requests, before.requests), "{} the requests", "{} more requests", "{} fewer requests"
        )  # fmt: skip
        causes += [more] if more is not None else []
    if not before.requests or not after.requests or not before.tokens or not after.tokens:
        return causes + (["requests without any tokens"] if after.requests and before.tokens else []), ""
    factors = {
        "size": _factor(Fraction(after.tokens * before.requests, before.tokens * after.requests),
                        "requests {} the size", "requests {} larger", "requests {} smaller"),
        "price": _price(before, after),
    }  # fmt: skip
    told = {"size": "", "price": _cached(before, after)}
    # What is the same on the whole though its parts moved is neither a cause nor unchanged.
    causes += [f"{factor}{told[name]}" for name, factor in factors.items() if name in moved and factor is not None]
    still = {name: word for name, word in (("size", "size"), ("price", "price per token")) if name not in moved}
    if swap is not None or not still:
        return causes, ""
    hardly = any(abs(parts[name]) * 100 >= abs(change) for name in still)
    return causes, f"{' and '.join(still.values())} {'hardly changed' if hardly else 'unchanged'}"


def _price(before: Side, after: Side) -> str | None:
    if before.cost < 0 or after.cost < 0:
        return "refunds or corrections"
    if not before.cost:
        return "a new price per token"
    if not after.cost:
        return "nothing paid for it any more"
    ratio = Fraction(after.cost * before.tokens, before.cost * after.tokens)
    return _factor(ratio, "{} the price per token", "tokens {} dearer", "tokens {} cheaper")


def _factor(ratio: Fraction, much: str, more: str, less: str) -> str | None:
    """A ratio in words; per cent where it would read `1.0×`, None where it is not even one.

    >>> _factor(Fraction(9), "{} the size", "{} larger", "{} smaller"), _factor(Fraction(97, 100), "", "", "{} smaller")
    ('9.0× the size', '3 % smaller')
    >>> _factor(Fraction(1, 5000), "", "", "{} fewer requests")
    '99 % fewer requests'
    """
    if (told := times(ratio.numerator, ratio.denominator)) not in (times(1, 1), times(0, 1)):
        return much.format(told)
    percent = max(-99, round((ratio - 1) * 100))
    return (more if percent > 0 else less).format(f"{abs(percent)} %") if percent else None


def _cached(before: Side, after: Side) -> str:
    if not before.input or not after.input:
        return ""
    old, new = before.cached * 100 / before.input, after.cached * 100 / after.input
    return f" (cached input {old:.0f} % → {new:.0f} %)" if abs(new - old) >= _MOVED else ""


def why_json(answer: Why, text: str) -> dict[str, Any]:
    """The answer for programs: money as decimal strings in USD, shares as numbers, instants in UTC."""
    return {
        "before": _side_json(answer.before),
        "after": _side_json(answer.after),
        "change_usd": usd_text(answer.change),
        "factors": {name: usd_text(part) for name, part in answer.factors.items()},
        "drivers": [_driver_json(one) for one in answer.drivers],
        "notes": list(answer.notes),
        "sentence": text,
    }


def _side_json(side: Side) -> dict[str, Any]:
    return {
        "since": _instant(side.start),
        "until": _instant(side.end),
        "cost_usd": usd_text(side.cost),
        "requests": side.requests,
        "unpriced": side.unpriced,
    }


def _driver_json(driver: Driver) -> dict[str, Any]:
    found: dict[str, Any] = {
        "dimension": driver.dimension,
        "value": driver.value,
        "name": driver.name,
        "before_usd": usd_text(driver.before.cost),
        "after_usd": usd_text(driver.after.cost),
        "change_usd": usd_text(driver.change),
        "share": round(float(driver.share), 4),
        "requests": [driver.before.requests, driver.after.requests],
        "factors": {name: usd_text(part) for name, part in driver.factors.items()},
    }
    if driver.inside:
        found["inside"] = [_driver_json(one) for one in driver.inside]
    return found


def _instant(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def printed(parts: dict[str, int], places: int = 2) -> dict[str, str]:
    """Parts for eyes that add up as printed: rounded down, what is missing goes to the largest remainders.

    >>> printed({"a": 333 * 10**7, "b": 333 * 10**7, "c": 334 * 10**7})
    {'a': '+$0.00', 'b': '+$0.00', 'c': '+$0.01'}
    """
    unit = 10 ** (12 - places)
    floors = {name: part // unit for name, part in parts.items()}
    missing = (2 * sum(parts.values()) + unit) // (2 * unit) - sum(floors.values())
    for name in sorted(parts, key=lambda one: -(parts[one] % unit))[:missing]:
        floors[name] += 1
    return {
        name: f"{'-' if amount < 0 else '+'}${abs(amount) // 10**places:,}.{abs(amount) % 10**places:0{places}d}"
        for name, amount in floors.items()
    }
