"""SQL that is written for DuckDB, once, as PostgreSQL spells it: the few constructs in which the two differ.

It is for SQL of our own (rates, measures, filters), whose literals hold no word of these constructs.
"""

from __future__ import annotations

import re

from cost_top.gateways.dialects.words import closing

_TOKEN = re.compile(r"'(?:[^']|'')*'|\"[^\"]*\"|\w+|\s+|.", re.DOTALL)
_LEAST, _MOST = -(2**63), 2**63 - 1
# A relation in parentheses is followed by these, or by the name it has.
_NEXT = ("WHERE", "GROUP", "ORDER", "LEFT", "CROSS", "LIMIT", "OFFSET", "UNION")
_PHRASES = (
    (r"\* EXCLUDE \([^()]*\)", "*"),  # what is left over has names of its own
    (r"(\w+)::HUGEINT \* (\w+) // (\w+)", r"div(\1::HUGEINT * \2, \3)"),
    (r"::HUGEINT", "::numeric"),
    (r"//", "/"),
    (r"FILTER \((?!WHERE )", "FILTER (WHERE "),
    (r"\blen\(tags\)", "cardinality(tags)"),
    # So that it is a hash join: no text is empty.
    (r"([\w.]+) IS NOT DISTINCT FROM ([\w.]+)", r"coalesce(\1, '') = coalesce(\2, '')"),
)


def postgresql_sql(sql: str) -> str:
    """The same in PostgreSQL.

    >>> postgresql_sql("SELECT * EXCLUDE (a), b // 2 FROM (SELECT * FROM t)")
    'SELECT *, b / 2 FROM (SELECT * FROM t OFFSET 0) AS q'
    >>> postgresql_sql("sum(cost) FILTER (cache_hit IS NOT TRUE)")
    'sum(cost) FILTER (WHERE cache_hit IS NOT TRUE)'
    """
    found = re.sub(r"\s+", " ", sql).strip()
    for pattern, spelled in _PHRASES:
        found = re.sub(pattern, spelled, found)
    return "".join(_spelled(_TOKEN.findall(found)))


def bigint_or_null(value: str) -> str:
    """A numeric where a BIGINT holds it, else NULL; the value is worked out once."""
    inside = f"least(greatest({value}, {_LEAST - 1}), {_MOST + 1})"
    return f"nullif(nullif({inside}, {_LEAST - 1}), {_MOST + 1})"


def _spelled(words: list[str]) -> list[str]:
    out: list[str] = []
    place = 0
    while place < len(words):
        word, following = words[place], words[place + 1 : place + 3]
        if word in ("TRY", "TRY_CAST") and following[:1] == ["("]:
            end = closing(words, place + 1)
            inside = words[place + 2 : end]
            if word == "TRY_CAST":
                inside = inside[: max(number for number, each in enumerate(inside) if each == "AS")]
            # An integer that is too large is an error here, a numeric is none.
            out.append(bigint_or_null(_widened("".join(_spelled(inside)).strip())))
            place = end + 1
        elif word == "FROM" and following == [" ", "("] and "SELECT" in words[place + 3 : place + 5]:
            # A relation of its own (OFFSET): otherwise each expression would be put in wherever its name stands.
            end = closing(words, place + 2)
            named = [each for each in words[end + 1 : end + 3] if each != " "][:1]
            alias = "" if named and re.match(r"\w", named[0]) and named[0] not in _NEXT else " AS q"
            out += ["FROM (", "".join(_spelled(words[place + 3 : end])).strip(), f" OFFSET 0){alias}"]
            place = end + 1
        else:
            out.append(word)
            place += 1
    return out


def _widened(value: str) -> str:
    """Products and sums as numerics; the rates are numerics already."""
    return re.sub(r"^([\w.]+) \+ ", r"\1::numeric + ", value)
