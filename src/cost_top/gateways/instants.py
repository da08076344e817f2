"""Instants as SQL text, each database its own way: the conditions of a period and of single times."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

# Times outside are garbage of a clock or of a wrong unit: such rows belong to no period.
USABLE_FROM = datetime(2000, 1, 1, tzinfo=UTC)
USABLE_UNTIL = datetime(2200, 1, 1, tzinfo=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROS_PER_UNIT = {"epoch_s": 1_000_000, "epoch_ms": 1000, "epoch_us": 1}
# Microseconds of a second, a millisecond and a microsecond: numbers of these units never meet between 2000 and 2200.
SIZES = (1_000_000, 1000, 1)

POSTGRESQL_INTEGERS = ("smallint", "integer", "bigint")
_DATE_AND_TIME = (
    "^[12][0-9]{3}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])[T ]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]+)?"
)
# A text in UTC, and one that says how far it is from there.
ISO_IN_UTC = f"{_DATE_AND_TIME}(Z|[+]00:00)?$"
ISO_ZONED = f"{_DATE_AND_TIME} ?[-+][0-9]{{2}}(:?[0-9]{{2}})?$"
MYSQL_INTEGERS = ("tinyint", "smallint", "mediumint", "int", "bigint")
MYSQL_DATES = ("datetime", "timestamp")
# How far the clock of a place is from UTC at most.
_ZONES = timedelta(hours=14)
ZONES_APART = 28  # hours between the clocks of two places at most
_SQLITE_ISO = "[12][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9][T ][0-2][0-9]:[0-5][0-9]:[0-5][0-9]*"


@dataclass(frozen=True, slots=True)
class TimeText:
    """The column that says when, as SQL text; `unit` is one of `preset.TIME_UNITS`, or `iso_zoned`."""

    value: str
    declared: str  # its type as the catalog gives it
    unit: str


def micros(instant: datetime) -> int:
    """Microseconds since the epoch; a naive instant is UTC."""
    aware = instant if instant.tzinfo else instant.replace(tzinfo=UTC)
    delta = aware - EPOCH
    return (delta.days * 86400 + delta.seconds) * 1_000_000 + delta.microseconds


def iso(instant: datetime, separator: str = " ") -> str:
    """`2026-11-01 09:30:00`, with a fraction only where there is one."""
    aware = instant if instant.tzinfo else instant.replace(tzinfo=UTC)
    return aware.astimezone(UTC).replace(tzinfo=None).isoformat(separator).rstrip("0" if aware.microsecond else "")


def text_literal(text: str) -> str:
    """A text of a preset or of the catalog as an SQL literal; never a text from a log."""
    return "'" + text.replace("\x00", "").replace("'", "''") + "'"


def period_within(database: str, time: TimeText, start: datetime, end: datetime) -> list[str]:
    """The conditions of `[start, end)`, served by an index on the column. Only of `SPELLED` databases."""
    if time.unit == "epoch_any":
        return [_any_unit_within(time.value, start, end)]
    return _WITHIN[database](time, start, end)


def at_times(database: str, time: TimeText, times: Sequence[datetime]) -> str:
    """Rows at any of these times; rows next to them may be among them. Only of `SPELLED` databases."""
    if time.unit == "epoch_any":
        return any_unit_at(time.value, times)
    return _AT[database](time, times)


def both(conditions: Iterable[str]) -> str:
    """All of the conditions as one."""
    return " AND ".join(conditions)


def any_of(conditions: Sequence[str]) -> str:
    """One of the conditions, as one that stands beside others."""
    return f"({' OR '.join(conditions)})"


def _any_unit_within(value: str, start: datetime, end: datetime) -> str:
    """`[start, end)` in each unit, so that an index on the column serves it."""
    first, last = max(start, USABLE_FROM), min(end, USABLE_UNTIL)
    bounds = [(-(-micros(first) // size), -(-micros(last) // size)) for size in SIZES]
    return any_of([f"{value} >= {low} AND {value} < {high}" for low, high in bounds])


def outside(database: str, time: TimeText) -> str:
    """The texts that no period holds, NULL apart. Only of `SPELLED` databases."""
    usable = both(period_within(database, time, USABLE_FROM, USABLE_UNTIL))
    return f"({time.value} IS NOT NULL AND ({usable}) IS NOT TRUE)"


def any_unit_beyond(value: str) -> list[str]:
    """Rows outside of the usable times in each unit, each condition served by an index on the column."""
    within = [(-(-micros(USABLE_FROM) // size), -(-micros(USABLE_UNTIL) // size)) for size in SIZES]
    ends = zip((high for _, high in within), (low for low, _ in within[1:]), strict=False)
    gaps = [f"{value} >= {high} AND {value} < {low}" for high, low in ends]
    return [f"{value} IS NULL", f"{value} < {within[0][0]}", *gaps, f"{value} >= {within[-1][1]}"]


def any_unit_at(value: str, times: Sequence[datetime]) -> str:
    """Rows at any of these times of a number in seconds, milliseconds or microseconds."""
    return _one_of(value, sorted({micros(instant) // size for instant in times for size in SIZES}))


def _one_of(value: str, numbers: Iterable[int]) -> str:
    return f"{value} IN ({', '.join(map(str, numbers))})"


def decimal_text(value: int, size: int) -> str:
    """`value / size` exactly; `size` is a power of ten."""
    whole, rest = divmod(value, size)
    return f"{whole}.{str(rest).rjust(len(str(size)) - 1, '0')}" if rest else str(whole)


def _between(value: str, low: str, high: str) -> list[str]:
    return [f"{value} >= {low}", f"{value} < {high}"]


def _sqlite_within(time: TimeText, start: datetime, end: datetime) -> list[str]:
    value = time.value
    if time.unit in MICROS_PER_UNIT:
        size = MICROS_PER_UNIT[time.unit]
        return _between(value, decimal_text(micros(start), size), decimal_text(micros(end), size))
    if time.unit == "iso_zoned":
        # A fraction has any number of digits: whatever begins with the last microsecond's six is within.
        second, _, micros_of_it = iso(end - timedelta(microseconds=1)).partition(".")
        last = f"{second}.{micros_of_it:0<6}~"
        return [
            *_zoned_around(value, start, end),
            f"{zoned_in_utc(value)} BETWEEN {text_literal(iso(start))} AND {text_literal(last)}",
        ]
    plain = f"replace(rtrim(replace({value}, 'T', ' '), 'Z'), '+00:00', '')"
    # The first two are served by an index whichever separator is used; the others are exact.
    return [
        *_between(value, text_literal(iso(start)), text_literal(iso(end, "T"))),
        *_between(plain, text_literal(iso(start)), text_literal(iso(end))),
        *sqlite_readable(value, time.unit),
    ]


def sqlite_readable(value: str, unit: str) -> list[str]:
    """The conditions that a text is a time of `unit`, `iso_utc` or `iso_zoned`."""
    if unit == "iso_zoned":
        return [f"{zoned_in_utc(value)} IS NOT NULL"]
    zone = f"substr({value}, 20)"
    return [
        f"{value} GLOB {text_literal(_SQLITE_ISO)}",
        any_of([f"NOT ({zone} GLOB '*[-+]*')", f"{zone} GLOB '*+00:00'"]), f"julianday({value}) IS NOT NULL",
    ]  # fmt: skip


def sqlite_in_utc(value: str) -> str:
    """The condition that a text is in UTC, as far as it shows at once."""
    return f"substr({value}, 20) NOT GLOB '*[-+]*' OR substr({value}, -6) = '+00:00'"


def _zoned_around(value: str, start: datetime, end: datetime) -> list[str]:
    """Wherever `[start, end)` may stand as the time of a place: what an index serves.

    Texts in UTC, which most are, are not asked twice.
    """
    start, end = max(start, USABLE_FROM), min(end, USABLE_UNTIL)
    around = _between(value, text_literal(iso(start - _ZONES)), text_literal(iso(end + _ZONES, "T")))
    inside = _between(value, text_literal(iso(start)), text_literal(iso(end, "T")))
    return [*around, any_of([both(inside), f"substr({value}, 20) NOT GLOB '*+00[:0]0*'"])]


def zoned_in_utc(value: str) -> str:
    """A text with or without an offset (`+08:00`, `+0800`, `+08`, Go's `+0800 CST m=+1.5`) as one in UTC, else NULL."""
    rest = f"substr({value}, 20)"
    zone = f"ltrim(ltrim({rest}, '.0123456789'))"
    fraction = f"substr({rest}, 1, length({rest}) - length(ltrim({rest}, '.0123456789')))"
    digits = f"replace(substr({zone}, 2, 6), ':', '')"
    offset = f"(substr({digits}, 1, 2) * 3600 + substr({digits}, 3, 2) * 60)"
    sign = f"CASE substr({zone}, 1, 1) WHEN '+' THEN '-' ELSE '+' END"
    return (
        f"CASE WHEN {value} NOT GLOB {text_literal(_SQLITE_ISO)} THEN NULL "
        f"WHEN {zone} IN ('', 'Z', 'z', 'UTC', 'GMT', '+00:00') THEN datetime(substr({value}, 1, 19)) || {fraction} "
        f"WHEN {zone} GLOB '[-+][0-9][0-9]:[0-9][0-9]' OR {zone} GLOB '[-+][0-9][0-9]' "
        f"OR {zone} || ' ' GLOB '[-+][0-9][0-9][0-9][0-9] *' "
        f"THEN datetime(substr({value}, 1, 19), {sign} || {offset} || ' seconds') || {fraction} END"
    )


def _zoned_at(value: str, seconds: Sequence[datetime]) -> str:
    around = _zoned_around(value, seconds[0], seconds[-1] + timedelta(seconds=1))
    told = ", ".join(text_literal(iso(instant)) for instant in seconds)
    return f"({both(around)} AND substr({zoned_in_utc(value)}, 1, 19) IN ({told}))"


def _sqlite_at(time: TimeText, times: Sequence[datetime]) -> str:
    seconds = sorted({instant.replace(microsecond=0) for instant in times})
    if time.unit == "iso_zoned":
        return _zoned_at(time.value, seconds)
    if time.unit not in MICROS_PER_UNIT:
        return any_of([both(_sqlite_within(time, s, s + timedelta(seconds=1))) for s in seconds])
    size = MICROS_PER_UNIT[time.unit]
    values = sorted({micros(instant) for instant in times})
    whole = [value // size for value in values if value % size == 0] if not _is_real(time.declared) else []
    loose = [value for value in values if value % size or _is_real(time.declared)]
    # A real number's microseconds are rounded, so a little around them is read too.
    ranges = [both(_between(time.value, decimal_text(v - 2, size), decimal_text(v + 3, size))) for v in loose]
    return any_of([*([_one_of(time.value, whole)] if whole else []), *ranges])


def _is_real(declared: str) -> bool:
    return affinity(declared) == "real"


def affinity(declared: str) -> str:
    """SQLite's own rule from declared type to `integer`, `text`, `blob` (also none), `real` or `numeric`.

    >>> affinity("BIGINT"), affinity("VARCHAR(20)"), affinity(""), affinity("DOUBLE"), affinity("BOOLEAN")
    ('integer', 'text', 'blob', 'real', 'numeric')
    """
    name = declared.upper()
    if "INT" in name:
        return "integer"
    if any(part in name for part in ("CHAR", "CLOB", "TEXT")):
        return "text"
    if not name or "BLOB" in name:
        return "blob"
    return "real" if any(part in name for part in ("REAL", "FLOA", "DOUB")) else "numeric"


def _texts_within(
    time: TimeText, start: datetime, end: datetime, matches: str, plain: str, zoned: str
) -> list[str]:  # fmt: skip
    """Of a column of texts: `plain` spells those in UTC, `zoned` those with an offset too."""
    bounds = text_literal(iso(start)), text_literal(iso(end))
    if time.unit == "iso_zoned":
        return _between(zoned, *bounds)
    return [f"{time.value} {matches} {text_literal(ISO_IN_UTC)}", *_between(plain, *bounds)]


def _in_utc(value: str, matches: str, plain: str, moved: str) -> str:
    """A text in UTC as `plain`, one with an offset as `moved`, else NULL."""
    return (
        f"CASE WHEN {value} {matches} {text_literal(ISO_IN_UTC)} THEN {plain} "
        f"WHEN {value} {matches} {text_literal(ISO_ZONED)} THEN {moved} END"
    )


def _postgresql_within(time: TimeText, start: datetime, end: datetime) -> list[str]:
    if time.declared.startswith("timestamp"):
        return _between(
            time.value, postgresql_timestamp(start, time.declared), postgresql_timestamp(end, time.declared)
        )
    if time.unit in MICROS_PER_UNIT:
        low, high = (postgresql_epoch(instant, time.declared, time.unit) for instant in (start, end))
        return _between(time.value, low, high)
    plain, zoned = (f'(({text}) COLLATE "C")' for text in (_postgresql_plain(time.value), postgresql_zoned(time.value)))
    return _texts_within(time, start, end, "~", plain, zoned)


def _postgresql_plain(value: str) -> str:
    return f"replace(rtrim(replace({value}, 'T', ' '), 'Z'), '+00:00', '')"


def postgresql_zoned(value: str) -> str:
    """A text with or without an offset (`+08:00`, `+0800`, `+08`) as one in UTC, else NULL; never an error."""
    digits = f"replace(substring({value} FROM '[-+][0-9:]+$'), ':', '')"
    minutes = f"substr({digits}, 2, 2)::int * 60 + coalesce(nullif(substr({digits}, 4, 2), ''), '0')::int"
    sign = f"CASE left({digits}, 1) WHEN '-' THEN 1 ELSE -1 END"
    # A day that no month has is one of the next.
    days = f"(left({value}, 8) || '01')::timestamp + (substr({value}, 9, 2)::int - 1) * interval '1 day'"
    moment = f"{days} + substr({value}, 12, 8)::interval + {sign} * ({minutes}) * interval '1 minute'"
    fraction = f"coalesce(substring({value} FROM '[.][0-9]+'), '')"
    moved = f"to_char({moment}, 'YYYY-MM-DD HH24:MI:SS') || {fraction}"
    return _in_utc(value, "~", _postgresql_plain(value), moved)


def _postgresql_at(time: TimeText, times: Sequence[datetime]) -> str:
    if time.declared.startswith("timestamp"):
        spelled = (postgresql_timestamp(instant, time.declared) for instant in sorted(set(times)))
        return f"{time.value} IN ({', '.join(spelled)})"
    if time.unit in MICROS_PER_UNIT and time.declared in POSTGRESQL_INTEGERS:
        size = MICROS_PER_UNIT[time.unit]
        return _one_of(time.value, sorted({micros(instant) // size for instant in times}))
    around = timedelta(microseconds=3) if time.unit in MICROS_PER_UNIT else timedelta(seconds=1)
    return any_of([both(_postgresql_within(time, t - around, t + around)) for t in sorted(set(times))])


def postgresql_timestamp(instant: datetime, declared: str) -> str:
    """A literal of the column's own type."""
    zoned = declared.endswith("with time zone")
    return f"TIMESTAMPTZ '{iso(instant)}+00'" if zoned else f"TIMESTAMP '{iso(instant)}'"


def postgresql_epoch(instant: datetime, declared: str, unit: str) -> str:
    """A number of units, for a column of that type."""
    value, size = micros(instant), MICROS_PER_UNIT[unit]
    if declared in POSTGRESQL_INTEGERS:
        return str(-(-value // size))  # the next whole unit bounds whole numbers exactly and keeps the index
    return f"{value}::{'numeric' if declared.startswith('numeric') else 'float8'} / {size}"


def _mysql_within(time: TimeText, start: datetime, end: datetime) -> list[str]:
    if mysql_kind(time.declared) in MYSQL_DATES:
        return _between(time.value, f"TIMESTAMP'{iso(start)}'", f"TIMESTAMP'{iso(end)}'")
    if time.unit in MICROS_PER_UNIT:
        low, high = (mysql_epoch(instant, time.declared, time.unit) for instant in (start, end))
        return _between(time.value, low, high)
    return _texts_within(time, start, end, "REGEXP", _mysql_plain(time.value), f"({mysql_zoned(time.value)})")


def _mysql_plain(value: str) -> str:
    return f"replace(replace(replace({value}, 'T', ' '), 'Z', ''), '+00:00', '')"


def mysql_zoned(value: str) -> str:
    """As `postgresql_zoned`; a day that no month has is NULL."""
    digits = f"replace(regexp_substr({value}, '[-+][0-9:]+$'), ':', '')"
    minutes = f"substr({digits}, 2, 2) * 60 + coalesce(nullif(substr({digits}, 4, 2), ''), 0)"
    sign = f"CASE left({digits}, 1) WHEN '-' THEN 1 ELSE -1 END"
    moment = f"CAST(replace(left({value}, 19), 'T', ' ') AS DATETIME) + INTERVAL ({sign} * ({minutes})) MINUTE"
    fraction = f"coalesce(regexp_substr({value}, '[.][0-9]+'), '')"
    moved = f"concat(CAST({moment} AS CHAR(19)), {fraction})"
    return _in_utc(value, "REGEXP", _mysql_plain(value), moved)


def _mysql_at(time: TimeText, times: Sequence[datetime]) -> str:
    instants = sorted(set(times))
    if mysql_kind(time.declared) in MYSQL_DATES:
        moments = (f"TIMESTAMP'{iso(instant)}'" for instant in instants)
        return f"{time.value} IN ({', '.join(moments)})"
    if time.unit in MICROS_PER_UNIT and mysql_kind(time.declared) in MYSQL_INTEGERS:
        size = MICROS_PER_UNIT[time.unit]
        return _one_of(time.value, sorted({micros(instant) // size for instant in times}))
    around = timedelta(microseconds=3) if time.unit in MICROS_PER_UNIT else timedelta(seconds=1)
    return any_of([both(_mysql_within(time, t - around, t + around)) for t in instants])


def mysql_epoch(instant: datetime, declared: str, unit: str) -> str:
    """A number of units, for a column of that type."""
    value, size = micros(instant), MICROS_PER_UNIT[unit]
    if mysql_kind(declared) in MYSQL_INTEGERS:
        return str(-(-value // size))  # the next whole unit bounds whole numbers exactly and keeps the index
    return decimal_text(value, size)


def mysql_kind(declared: str) -> str:
    """The type without its length.

    >>> mysql_kind("bigint(20) unsigned"), mysql_kind("decimal(20,10)"), mysql_kind("datetime(6)"), mysql_kind("real")
    ('bigint', 'decimal', 'datetime', 'double')
    """
    kind = declared.lower().partition("(")[0].partition(" ")[0]
    return {"integer": "int", "real": "double", "numeric": "decimal"}.get(kind, kind)


_WITHIN: dict[str, Callable[[TimeText, datetime, datetime], list[str]]] = {
    "sqlite": _sqlite_within, "postgresql": _postgresql_within, "mysql": _mysql_within,
}  # fmt: skip
_AT: dict[str, Callable[[TimeText, Sequence[datetime]], str]] = {
    "sqlite": _sqlite_at, "postgresql": _postgresql_at, "mysql": _mysql_at,
}  # fmt: skip
SPELLED = frozenset(_WITHIN)
