"""Rows of an index that tell of a request which another row, of another id, tells of too."""

from __future__ import annotations

import sqlite3

from cost_top.sources.files.index_file import quoted
from cost_top.sources.files.records import Kind


def newest(database: sqlite3.Connection, kind: Kind) -> int:
    """The place of the row that was added last."""
    found: tuple[int] = database.execute(f"SELECT coalesce(max(rowid), 0) FROM {quoted(kind.table)}").fetchone()
    return found[0]


def without_repeats(database: sqlite3.Connection, kind: Kind, after: int) -> bool:
    """Remove what repeats another row, as far as one of the two was added after a place; whether there was any.

    Their files are noted beside the rows that stay: they are read again when the file of these goes.
    """
    if kind.repeats is None:
        return False
    table, key, mark = quoted(kind.table), quoted(kind.key), quoted(kind.repeats)

    def alike(row: str, of: str) -> str:  # its id begins as that of the other does
        begin = f"rtrim({of}.{key}, replace({of}.{key}, ':', ''))"
        end = f"substr({begin}, 1, length({begin}) - 1) || ';'"
        return f"{row}.{key} >= {begin} AND {row}.{key} < {end} AND {row}.{key} <> {of}.{key}"

    stays = (
        f"(SELECT p.{key} FROM {table} p WHERE {alike('p', 's')} AND (NOT p.{mark} OR p.rowid < s.rowid) "
        f"ORDER BY p.{mark}, p.rowid LIMIT 1)"
    )
    fresh = f"SELECT s.{key}, s.file, {stays} AS stays FROM {table} s WHERE s.{mark} AND s.rowid > :after"
    old = (
        f"SELECT s.{key}, s.file, p.{key} FROM {table} p CROSS JOIN {table} s "
        f"WHERE p.rowid > :after AND NOT p.{mark} AND s.{mark} AND s.rowid <= :after AND {alike('s', 'p')}"
    )
    found = [row for row in database.execute(fresh, {"after": after}) if row[2] is not None]
    if after:
        found += database.execute(old, {"after": after}).fetchall()
    for repeated, file, kept in found:
        database.execute("UPDATE OR IGNORE also SET id = ? WHERE id = ?", (kept, repeated))
        database.execute("INSERT OR IGNORE INTO also VALUES (?, ?)", (kept, file))
        database.execute(f"DELETE FROM {table} WHERE {key} = ?", (repeated,))
    return bool(found)
