"""SQL that is written for DuckDB, once, as ClickHouse spells it: the few constructs in which the two differ.

It is for SQL of our own (rates, measures, filters), whose literals hold no word of these constructs.
"""

from __future__ import annotations

import re

from cost_top.gateways.dialects.words import closing

_TOKEN = re.compile(r"'(?:[^']|'')*'|\"[^\"]*\"|\w+|::|//|<>|[<>!]=|\s+|.", re.DOTALL)
_WORDS = {"lower": "lowerUTF8", "EXCLUDE": "EXCEPT", "len": "length", "//": "DIV"}
# Phrases, after everything else.
_PHRASES = (
    (r"FILTER \((?!WHERE )", "FILTER (WHERE "),
    (r"(\"?[\w.]+\"?) IS NOT TRUE", r"(NOT coalesce(\1, false))"),
    (r"(\"?[\w.]+\"?) IS NOT FALSE", r"coalesce(\1, true)"),
    (r"(\"?[\w.]+\"?) IS FALSE", r"(NOT coalesce(\1, true))"),
    (r"(\"?[\w.]+\"?) IS DISTINCT FROM ('[^']*')", r"(coalesce(\1, '') <> \2)"),
    (r"IS NOT DISTINCT FROM", "<=>"),
    (r"timezone\(('[^']+'), timezone\('UTC', ([\w.]+)\)\)", r"toTimeZone(\2, \1)"),
    (r"\(\((\d+) >> \(date_part\('isodow', (.*?)\) - 1\)::Int32\) & 1\) = 1", r"bitTest(\1, toDayOfWeek(\2) - 1)"),
    (r"date_part\('hour', ", "toHour("),
    (r"date_part\('minute', ", "toMinute("),
)
_CONSTANT = {"WHEN": re.compile("'[^'\\\\]*'"), "THEN": re.compile(r"\d+"), "ELSE": re.compile(r"\d+")}
_TYPES = {"INTEGER": "Int32", "HUGEINT": "Int128", "BIGINT": "Int64"}


def clickhouse_sql(sql: str) -> str:
    """The same in ClickHouse.

    >>> clickhouse_sql("SELECT * EXCLUDE (a), TRY(b * c) FROM t")
    "SELECT * EXCEPT (a), accurateCastOrNull(b * c, 'Int64') FROM t"
    >>> clickhouse_sql("CASE x WHEN 1 THEN CASE WHEN y THEN 2 END ELSE 3 END")
    'CASE WHEN x = 1 THEN CASE WHEN y THEN 2 END ELSE 3 END'
    >>> clickhouse_sql("CASE x WHEN 'a' THEN 1 WHEN 'b' THEN 2 ELSE 3 END")
    "transform(ifNull(x, '\\\\x01'), ['a', 'b'], [1, 2], 3)"
    """
    found = "".join(_spelled(_TOKEN.findall(re.sub(r"\s+", " ", sql))))
    for pattern, spelled in _PHRASES:
        found = re.sub(pattern, spelled, found)
    return found


def _spelled(words: list[str]) -> list[str]:
    out: list[str] = []
    place = 0
    while place < len(words):
        word = words[place]
        if word in ("TRY", "TRY_CAST", "trim", "sum") and place + 1 < len(words) and words[place + 1] == "(":
            end = closing(words, place + 1)
            out += _call(word, words[place + 2 : end])
            place = end + 1
        elif word == "CASE":
            end = _end_of_case(words, place)
            out += _case(words[place + 1 : end])
            place = end + 1
        elif word == "::":
            kind = words[place + 1]
            out += ["::", _TYPES.get(kind, kind)]
            place += 2
        else:
            out.append(_WORDS.get(word, word))
            place += 1
    return out


def _call(name: str, inside: list[str]) -> list[str]:
    if name == "sum":
        # A BIGINT's sum is wider there; here it would wrap around.
        return ["sum(toInt128(", *_spelled(inside), "))"]
    if name == "trim":
        parts = _arguments(inside)
        if len(parts) == 1:
            return ["trimBoth(", *_spelled(inside), ")"]
        return ["trim(BOTH ", *_spelled(parts[1]), " FROM ", *_spelled(parts[0]), ")"]
    if name == "TRY_CAST":
        place = max(number for number, word in enumerate(inside) if word == "AS")
        inside = inside[:place]
    return ["accurateCastOrNull(", *_trimmed(_spelled(inside)), ", 'Int64')"]


def _trimmed(words: list[str]) -> list[str]:
    text = "".join(words).strip()
    return [text]


def _case(inside: list[str]) -> list[str]:
    """A CASE with a subject compares it in each arm."""
    depth, arms, first = 0, [], None
    for place, word in enumerate(inside):
        if word in ("(", "CASE"):
            depth += 1
        elif word in (")", "END"):
            depth -= 1
        elif depth == 0 and word in ("WHEN", "THEN", "ELSE"):
            first = place if first is None else first
            arms.append((word, place))
    subject = "".join(_spelled(inside[:first])).strip()
    ends = [*(place for _, place in arms[1:]), len(inside)]
    told = [
        (arm, "".join(_spelled(inside[place + 1 : end])).strip())
        for (arm, place), end in zip(arms, ends, strict=True)
    ]  # fmt: skip
    if subject and all(_CONSTANT[arm].fullmatch(text) for arm, text in told) and told[-1][0] == "ELSE":
        # As one look into a list: dozens of comparisons take long to take apart.
        listed = (", ".join(text for arm, text in told if arm == kind) for kind in ("WHEN", "THEN"))
        return [f"transform(ifNull({subject}, '\\x01'), [{'], ['.join(listed)}], {told[-1][1]})"]
    arms_of = (f" {arm} {f'{subject} = ' if arm == 'WHEN' and subject else ''}{text}" for arm, text in told)
    return ["CASE", *arms_of, " END"]


def _arguments(words: list[str]) -> list[list[str]]:
    depth, parts = 0, [[]]  # type: tuple[int, list[list[str]]]
    for word in words:
        depth += (word == "(") - (word == ")")
        if word == "," and depth == 0:
            parts.append([])
        else:
            parts[-1].append(word)
    return [part[1:] if part and part[0] == " " else part for part in parts]


def _end_of_case(words: list[str], start: int) -> int:
    depth = 0
    for place in range(start, len(words)):
        depth += (words[place] == "CASE") - (words[place] == "END")
        if depth == 0:
            return place
    raise ValueError("a CASE is not ended")
