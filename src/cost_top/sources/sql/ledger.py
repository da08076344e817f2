"""The gateway's own books beside its log, read into sums; a running balance is checked row by row."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from cost_top.gateways.beside import LEDGER_READ, NATIVE_LEDGER, ledger_statement
from cost_top.gateways.dialects.base import Dialect
from cost_top.gateways.preset import LedgerPart
from cost_top.gateways.raw_columns import text_select
from cost_top.model.filter import Term, pattern
from cost_top.model.ledger import Ledger, LedgerEntry, LedgerQuery, LedgerSum
from cost_top.model.native import TABLE
from cost_top.model.secret import key_forms
from cost_top.model.text import clean
from cost_top.sources.sql.session import Database, Session

if TYPE_CHECKING:
    import duckdb

    from cost_top.sources.sql.reader import SqlLogReader

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NAMED = 3
# Milliseconds since 1970 of a part's moment.
_MOMENTS = {
    "epoch_ms": "TRY_CAST(moment AS BIGINT)",
    "epoch_s": "TRY_CAST(CAST(TRY_CAST(moment AS BIGINT) AS HUGEINT) * 1000 AS BIGINT)",
    "naive_utc": "TRY(epoch_ms(TRY_CAST(moment AS TIMESTAMP)))",
}  # fmt: skip
# A decimal of so many places without its point is a whole number of the last place.
_USD = "TRY_CAST(replace(CAST(TRY_CAST({0} AS DECIMAL(38, 12)) AS VARCHAR), '.', '') AS HUGEINT)"
_MILLIONTHS = "TRY_CAST(replace(CAST(TRY_CAST({0} AS DECIMAL(38, 6)) AS VARCHAR), '.', '') AS HUGEINT)"
_POINTS = (
    f"TRY(sign({_MILLIONTHS}) * ((abs({_MILLIONTHS}) * 2 * {{1}}::HUGEINT + {{2}}::HUGEINT * 1000000) "
    "// ({2}::HUGEINT * 2000000)))"
)
# Pico-dollars are whole: an amount in them with a fraction is none.
_PICO = "CASE WHEN TRY_CAST({0} AS DECIMAL(38, 6)) = TRY_CAST({0} AS HUGEINT) THEN TRY_CAST({0} AS HUGEINT) END"
# Entries of one instant may stand in any order: it is enough that one of theirs goes on from one before them.
_BREAKS = """
WITH running AS (
  SELECT *, sum(amount) OVER (PARTITION BY {part} ORDER BY ms RANGE UNBOUNDED PRECEDING) AS total FROM ledger
), instants AS (
  SELECT {part} AS part, ms, max(id) AS id, count(*) AS entries, list(balance - total) AS offsets,
    arg_max(balance - total, id) AS last_offset
  FROM running WHERE balance IS NOT NULL GROUP BY ALL
), followed AS (SELECT *, lag(offsets) OVER (PARTITION BY part ORDER BY ms) AS before FROM instants),
marked AS (SELECT *, coalesce(NOT list_has_any(offsets, before), FALSE) AS is_break FROM followed)
SELECT coalesce(sum(entries), 0)::BIGINT, count(*) FILTER (is_break),
  coalesce(list(id ORDER BY ms, id) FILTER (is_break), []),
  (SELECT sum(each)::HUGEINT FROM (SELECT arg_max(last_offset, ms) AS each FROM marked GROUP BY part)) FROM marked
"""


def read_ledger(reader: SqlLogReader, query: LedgerQuery) -> Ledger | None:
    """What is asked of the ledger; None where there is none that may be read. Raises `SourceError`.

    Books of a gateway in which nothing was ever bought or given are none: its log alone is no ledger.
    """
    source, session = reader.source, reader.session
    columns, names = source.columns, source.names
    preset = columns.preset
    parts = (NATIVE_LEDGER,) if preset.table == TABLE else preset.ledger
    if not parts:
        return None
    reading = _Reading(session, preset.pico_per_unit)
    taken = reading.take_all(source.database, session, columns.schema, parts)
    if names.database is not source.database:
        beside = Session(names.database, reader.statistics)
        try:
            left = [part for part in parts if part.name not in taken]
            taken |= reading.take_all(names.database, beside, names.schema, left)
        finally:
            beside.close()
    ledger = reading.ledger(query)
    if NATIVE_LEDGER.name in taken:
        return ledger
    # A gateway's debits are those of its whole log, whatever was bought first.
    return replace(ledger, starts_with_debit=True) if reading.has_credit else None


def _readable(
    database: Database, session: Session, schema: str | None, parts: Iterable[LedgerPart]
) -> list[tuple[LedgerPart, set[str]]]:
    """Of each name the first part whose tables can be read, with the columns of its first table."""
    parts = tuple(parts)
    tables = database.tables(session, {table for part in parts for table in part.reads}) if parts else []
    found = {table.name: set(table.columns) for table in tables if table.schema == schema}
    chosen: dict[str, tuple[LedgerPart, set[str]]] = {}
    for part in parts:
        if all(table in found and found[table] >= set(columns) for table, columns in part.reads.items()):
            chosen.setdefault(part.name, (part, found[next(iter(part.reads))]))
    return list(chosen.values())


class _Reading:
    """Entries of several parts, perhaps of several databases, gathered in one place."""

    def __init__(self, session: Session, pico_per_unit: tuple[int, int]) -> None:
        self._duck, self._units = session.scratch, pico_per_unit
        self.has_credit = False  # anything but debits
        labels = ", ".join(f"{label} VARCHAR" for label in LEDGER_READ)
        self._duck.execute(f"CREATE OR REPLACE TEMP TABLE ledger_texts ({labels}, ms BIGINT, is_told BOOLEAN)")

    def take_all(
        self, database: Database, session: Session, schema: str | None, parts: Iterable[LedgerPart]
    ) -> set[str]:  # fmt: skip
        """Read what can be read of the parts; their names. Raises `SourceError`."""
        found = _readable(database, session, schema, parts)
        for part, columns in found:
            self._take(session, database.spelling(session), schema, part, columns)
        return {part.name for part, _ in found}

    def _take(
        self, session: Session, dialect: Dialect, schema: str | None, part: LedgerPart, columns: Collection[str]
    ) -> None:  # fmt: skip
        moment = _MOMENTS[part.time_unit]
        # What a gateway says is left; the kinds of a native ledger are its owner's own words.
        told = "FALSE" if part is NATIVE_LEDGER else "kind = 'balance'"
        with session.stream(ledger_statement(dialect, schema, part, columns)) as answer:  # noqa: F841
            session.scratch.execute(
                f"CREATE OR REPLACE TEMP TABLE ledger_part AS SELECT *, {moment} AS ms, {told} AS is_told FROM "
                f"(SELECT {text_select(dialect, LEDGER_READ)} FROM answer) "
                "WHERE concat(id, moment, amount, points) <> ''"
            )
        if session.scratch is self._duck:
            self._duck.execute("INSERT INTO ledger_texts FROM ledger_part")
        else:
            rows = session.scratch.execute("FROM ledger_part").fetchall()
            if rows:
                places = ", ".join("?" * len(rows[0]))
                self._duck.executemany(f"INSERT INTO ledger_texts VALUES ({places})", rows)
        session.scratch.execute("DROP TABLE ledger_part")

    def ledger(self, query: LedgerQuery) -> Ledger:
        """What is asked of what was taken."""
        own = _PICO if self._units == (1, 1) else _POINTS
        points, balance = (own.format(label, *self._units) for label in ("points", "balance"))
        self._duck.execute(
            f"CREATE OR REPLACE TEMP TABLE ledger AS SELECT id, kind, token, note, ms, is_told, "
            f"coalesce({points}, {_USD.format('amount')}) AS amount, "
            f"CASE WHEN points <> '' THEN {balance} ELSE {_USD.format('balance')} END AS balance "
            f"FROM ledger_texts WHERE is_told OR ms BETWEEN 1 AND 253000000000000"
        )
        try:
            found = self._duck.execute("SELECT count(*) FROM ledger WHERE kind <> 'usage_debit' AND NOT is_told "
                                       "AND amount IS NOT NULL").fetchall()  # fmt: skip
            self.has_credit = bool(found[0][0])
            return _ledger(self._duck, query)
        finally:
            self._duck.execute("DROP TABLE ledger_texts; DROP TABLE ledger")


def _ledger(duck: duckdb.DuckDBPyConnection, query: LedgerQuery) -> Ledger:
    _show_keys(duck)
    told = duck.execute("SELECT sum(amount)::HUGEINT FROM ledger WHERE is_told").fetchall()[0][0]
    entries = duck.execute("SELECT count(*) FROM ledger_texts WHERE NOT is_told").fetchall()[0][0]
    duck.execute("DELETE FROM ledger WHERE is_told OR amount IS NULL")
    (every,) = duck.execute("SELECT count(*) FROM ledger").fetchall()[0]
    # One balance for all, or one for each key: whichever the entries follow.
    checks = [duck.execute(_BREAKS.format(part=part)).fetchall()[0] for part in ("1", "coalesce(token, '')")]
    checked, breaks, broken, offset = min(checks, key=lambda check: check[1])
    if query.end is not None:
        later = duck.execute("DELETE FROM ledger WHERE ms >= ? RETURNING id", [_milliseconds(query.end)]).fetchall()
        told = None if later else told
    (amount,) = duck.execute("SELECT sum(amount)::HUGEINT FROM ledger").fetchall()[0]
    running = int(offset + (amount or 0)) if offset is not None else None
    balance = running if told is None else int(told)
    if query.start is not None:
        duck.execute("DELETE FROM ledger WHERE ms < ?", [_milliseconds(query.start)])
    for term in query.where.terms:
        _narrow(duck, term)
    sums = duck.execute(
        "SELECT kind, count(*), sum(amount)::HUGEINT FROM ledger GROUP BY kind ORDER BY kind"
    ).fetchall()
    first, last_debit, first_kind = duck.execute(
        "SELECT min(ms), max(ms) FILTER (kind = 'usage_debit'), "
        "arg_min(kind = 'usage_debit', (ms, kind = 'usage_debit', id)) FROM ledger"
    ).fetchall()[0]
    found = duck.execute(
        f"SELECT id, ms, kind, amount, balance, token, note FROM ledger ORDER BY ms DESC, id DESC LIMIT {query.newest}"
    ).fetchall()
    return Ledger(
        tuple(LedgerSum(clean(kind or ""), count, int(total)) for kind, count, total in sums),
        None if query.where else balance, checked, breaks,
        tuple(clean(one) for one in broken[:_NAMED]), entries - every, _time(first), _time(last_debit),
        bool(first_kind),
        tuple(
            LedgerEntry(clean(id_), _EPOCH + timedelta(milliseconds=ms), clean(kind or ""), int(total), balance,
                        token or None, clean(note) if note else None)
            for id_, ms, kind, total, balance, token, note in found
        ),
    )  # fmt: skip


def _show_keys(duck: duckdb.DuckDBPyConnection) -> None:
    """Spell keys as the log's own are shown: that is what an entry tells, and what it is asked for by."""
    found = duck.execute("SELECT DISTINCT token FROM ledger WHERE token <> ''").fetchall()
    hidden = [(token, shown) for (token,) in found if (shown := clean(token)) != token]
    if hidden:
        duck.execute(
            "UPDATE ledger SET token = shown FROM (SELECT unnest(?) AS told, unnest(?) AS shown) WHERE token = told",
            [list(column) for column in zip(*hidden, strict=True)],
        )


def _narrow(duck: duckdb.DuckDBPyConnection, term: Term) -> None:
    """Leave the entries of a term's keys, or the others."""
    patterns = [pattern(value) for value in term.values]
    match = " OR ".join(
        r"token LIKE ? ESCAPE '\'" if is_pattern else "list_contains(?, token)" for _, is_pattern in patterns
    )
    keep = f"coalesce({match}, FALSE)"
    values = [text if is_pattern else [*key_forms(text)] for text, is_pattern in patterns]
    duck.execute(f"DELETE FROM ledger WHERE {keep if term.negated else f'NOT {keep}'}", values)


def _milliseconds(moment: datetime) -> int:
    """Of the first entry that is not before a moment."""
    return -((_EPOCH - moment) // timedelta(milliseconds=1))


def _time(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else _EPOCH + timedelta(milliseconds=milliseconds)
