"""What people call the values of dimensions that are grouped by id: teams, users, owners; and keys, by their id."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import duckdb

from cost_top.model.query import Report
from cost_top.model.request_row import RequestRow
from cost_top.sources.base import Lookup

# Each with the column in which a row itself may say the name.
NAMED: Mapping[str, str] = {"team": "team_name", "user": "user_name", "owner": "owner_name"}
TABLE = "cost_top_names"


class Names:
    """Names and labels by id, in Python and as the table `TABLE` for filters. Several threads may use it.

    A label is the name, or `NAME (ID)` where two ids share the name or it is another's id. Keys have their names beside
    their ids and no label: a name that stands beside the log goes before the one that a row carries.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        connection.execute(f"CREATE TABLE {TABLE} (field VARCHAR, id VARCHAR, name VARCHAR, label VARCHAR)")
        self._lock = threading.Lock()
        self._kept: dict[str, dict[str, str]] = {field: {} for field in NAMED}
        # What rows tell, each with the time (naive UTC) of the newest row that says so.
        self._told: dict[str, dict[str, tuple[datetime, str]]] = {field: {} for field in NAMED}
        self._labels: dict[str, dict[str, str]] = {field: {} for field in NAMED}
        self._tokens: dict[str, str] = {}
        self.version = 0  # rises when the table says something else

    def set_lookups(self, connection: duckdb.DuckDBPyConnection, lookups: Sequence[Lookup]) -> bool:
        """The names kept beside the log's rows; of several for one id the first holds. Whether any is new."""
        kept: dict[str, dict[str, str]] = {field: {} for field in NAMED}
        for lookup in lookups:
            if is_naming(lookup):
                for key, name in lookup.names.items():
                    kept[lookup.field].setdefault(key, name)
        tokens: dict[str, str] = {}
        for lookup in lookups:
            if (lookup.field, lookup.by) == ("token_name", "token"):
                tokens |= lookup.names
        with self._lock:
            if is_new := (kept, tokens) != (self._kept, self._tokens):
                self._kept, self._tokens = kept, tokens
                self._write(connection)
        return is_new

    def learn(
        self, connection: duckdb.DuckDBPyConnection, relation: str, told: Collection[str] | None = None
    ) -> None:  # fmt: skip
        """The names that rows tell themselves; the newest of an id holds, those kept beside the log go before.

        `told` are the columns that the rows have; None: all of them.
        """
        named = [field for field, column in NAMED.items() if told is None or {field, column} <= {*told}]
        if not named:
            return
        found = connection.execute(
            " UNION ALL ".join(
                f"SELECT '{field}', id, name, time FROM ({said_names(field, relation)})" for field in named
            )
        ).fetchall()
        self.hear(connection, found)

    def hear(self, connection: duckdb.DuckDBPyConnection, said: Iterable[tuple[str, str, str, datetime]]) -> None:
        """As `learn`, of what rows said: field, id, name and the time (naive UTC) of the newest row that says so."""
        with self._lock:
            is_new = False
            for field, key, name, moment in said:
                before = self._told[field].get(key)
                if before is None or moment >= before[0]:
                    self._told[field][key] = moment, name
                    is_new |= before is None or name != before[1]
            if is_new:
                self._write(connection)

    def forget(self, connection: duckdb.DuckDBPyConnection, start: datetime, end: datetime) -> bool:
        """Forget what rows of `[start, end)` (naive UTC) said, as they are others now; whether they said any of it."""
        with self._lock:
            gone = [
                (field, key) for field, told in self._told.items() for key, (moment, _) in told.items()
                if start <= moment < end
            ]  # fmt: skip
            for field, key in gone:
                del self._told[field][key]
            if gone:
                self._write(connection)
        return bool(gone)

    def knows(self, row: Mapping[str, Any]) -> bool:
        """Whether the names that a row tells itself are those that are held."""
        return all(
            row[field] is None or row[column] in (None, self._told[field].get(row[field], (None, None))[1])
            for field, column in NAMED.items()
        )

    def label(self, field: str, value: str | None) -> str | None:
        """What a value of a dimension is called."""
        labels = self._labels.get(field)
        return value if value is None or not labels else labels.get(value, value)

    def named(self, report: Report) -> Report:
        """A report with labels in its keys."""
        columns = report.columns
        places = [place for place, column in enumerate(columns) if self._labels.get(column)]
        token = columns.index("token") if self._tokens and {"token", "token_name"} <= set(columns) else None
        if not places and token is None:
            return report
        rows = []
        for row in report.rows:
            key = list(row.key)
            for place in places:
                key[place] = self.label(columns[place], key[place])
            if token is not None:
                name = columns.index("token_name")
                key[name] = self.token_name(key[token], key[name])
            rows.append(row if (named := tuple(key)) == row.key else replace(row, key=named))
        return replace(report, rows=tuple(rows))

    def labels(self, field: str) -> Mapping[str, str]:
        """What the values of a dimension are called that are called otherwise; it does not change."""
        return self._labels.get(field, {})

    def token_names(self, names: Mapping[str, str]) -> dict[str, str]:
        """The display names of keys: the name that stands beside the log by now, else what rows say."""
        return dict(names) | self._tokens

    def token_name(self, token: str | None, name: str | None) -> str | None:
        """The display name of a key: the name that stands beside the log by now, else what its rows say.

        Rows that came before the name was looked up do not carry it.
        """
        return self._tokens.get(token, name) if token is not None else name

    def with_key_names(self, relation: str) -> str:
        """A relation of rows that carry the names which keys have by now."""
        if not self._tokens:
            return relation
        return (
            f"(SELECT r.* REPLACE (coalesce(n.name, r.token_name) AS token_name) FROM {relation} r "
            f"LEFT JOIN (SELECT id, name FROM {TABLE} WHERE field = 'token') n ON n.id = r.token)"
        )

    def named_requests(self, rows: Sequence[RequestRow]) -> list[RequestRow]:
        """Single requests with labels."""
        if not self._tokens and not any(self._labels.values()):
            return list(rows)
        return [
            replace(
                row,
                team=self.label("team", row.team),
                user=self.label("user", row.user),
                owner=self.label("owner", row.owner),
                token_name=self.token_name(row.token, row.token_name),
            )
            for row in rows
        ]

    def _write(self, connection: duckdb.DuckDBPyConnection) -> None:
        fields: list[str] = []
        columns: tuple[list[str], list[str], list[str]] = ([], [], [])
        labels: dict[str, dict[str, str]] = {}
        for field in NAMED:
            names = {key: name for key, (_, name) in self._told[field].items()} | self._kept[field]
            labels[field] = _labels(names)
            for key, name in names.items():
                fields.append(field)
                for column, text in zip(columns, (key, name, labels[field][key]), strict=True):
                    column.append(text)
        for key, name in self._tokens.items():
            fields.append("token")
            for column, text in zip(columns, (key, name, name), strict=True):
                column.append(text)
        connection.execute("BEGIN")
        connection.execute(f"DELETE FROM {TABLE}")
        connection.execute(
            f"INSERT INTO {TABLE} SELECT unnest($1::VARCHAR[]), unnest($2::VARCHAR[]), unnest($3::VARCHAR[]), "
            "unnest($4::VARCHAR[])",
            [fields, *columns],
        )
        connection.execute("COMMIT")
        self._labels = labels
        self.version += 1


def said_names(field: str, relation: str) -> str:
    """SQL of `id`, `name` and `time`: what rows call the values of a dimension, as the newest of them says."""
    column = NAMED[field]
    return (
        f'SELECT "{field}" AS id, arg_max("{column}", time) AS name, max(time) AS time FROM {relation} '
        f'WHERE "{field}" IS NOT NULL AND "{column}" IS NOT NULL GROUP BY ALL'
    )


def is_naming(lookup: Lookup) -> bool:
    """Whether a lookup names the values of a dimension, rather than filling one field from another."""
    return lookup.field == lookup.by and lookup.field in NAMED


def _labels(names: Mapping[str, str]) -> dict[str, str]:
    shared = Counter(names.values())
    return {
        key: f"{name} ({key})" if shared[name] > 1 or (name in names and name != key) else name
        for key, name in names.items()
    }
