"""Databases to write a gateway's log into: one file or server's database each, and the statements run on them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from support.gateway_shapes import ENGINES, TYPES, Shape
from support.logical import Logical, Seen


class LogWriter:
    """A connection to write with, and the location cost-top is given."""

    def __init__(self, database: str, location: str, connection: Any, mark: str) -> None:
        self.database, self.location, self.connection, self._mark = database, location, connection, mark

    def quoted(self, name: str) -> str:
        quote = "`" if self.database == "mysql" else '"'
        return f"{quote}{name}{quote}"

    def run(self, sql: str, values: Sequence[Any] = ()) -> None:
        cursor = self.connection.cursor()
        cursor.execute(sql, tuple(values)) if values else cursor.execute(sql)
        cursor.close()
        self.connection.commit()

    def create(self, table: str, columns: Mapping[str, str], primary: str = "", index: str = "") -> None:
        types = TYPES[self.database]
        defined = [
            f"{self.quoted(name)} {types.get(kind, kind)}{' PRIMARY KEY' if name == primary else ''}"
            for name, kind in columns.items()
        ]
        self.run(f"CREATE TABLE {self.quoted(table)} ({', '.join(defined)})")
        if index:
            self.run(f"CREATE INDEX by_{index} ON {self.quoted(table)} ({self.quoted(index)})")

    def insert(self, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
        if not rows:
            return
        names = ", ".join(map(self.quoted, rows[0]))
        places = ", ".join([self._mark] * len(rows[0]))
        cursor = self.connection.cursor()
        values = [tuple(map(self._value, row.values())) for row in rows]
        cursor.executemany(f"INSERT INTO {self.quoted(table)} ({names}) VALUES ({places})", values)
        cursor.close()
        self.connection.commit()

    def write(self, shape: Shape, requests: Sequence[Logical]) -> list[tuple[Logical, Seen]]:
        """The gateway's tables with these requests; what of each is told."""
        self.create(shape.table, shape.columns, shape.primary, shape.index)
        for table, columns in shape.beside.items():
            self.create(table, columns)
        for table, rows in shape.names(list(requests)).items():
            self.insert(table, rows)
        return self.add(shape, requests)

    def add(self, shape: Shape, requests: Sequence[Logical]) -> list[tuple[Logical, Seen]]:
        written = [(request, *shape.write(request, self.database)) for request in requests]
        self.insert(shape.table, [row for _, row, _ in written])
        return [(request, seen) for request, _, seen in written]

    def _value(self, value: Any) -> Any:
        from decimal import Decimal

        return str(value) if isinstance(value, Decimal) and self.database == "sqlite" else value


@contextmanager
def sqlite_writer(folder: Path) -> Iterator[LogWriter]:
    path = folder / "gateway.db"
    connection = sqlite3.connect(path)
    yield LogWriter("sqlite", str(path), connection, "?")
    connection.close()


@contextmanager
def postgres_writer(server: Any) -> Iterator[LogWriter]:
    import psycopg

    name = server.create_database()
    with psycopg.connect(server.url(name)) as connection:
        yield LogWriter("postgresql", server.url(name), connection, "%s")
    server.drop_database(name)


@contextmanager
def mysql_writer(server: Any) -> Iterator[LogWriter]:
    name = server.create_database()
    connection = server.connect(name)
    yield LogWriter("mysql", server.url(name), connection, "%s")
    connection.close()
    server.drop_database(name)


class ClickhouseWriter(LogWriter):
    """Writes over HTTP, into a table as the shape's gateway makes it there."""

    def __init__(self, server: Any, name: str) -> None:
        super().__init__("clickhouse", server.url(name), None, "")
        self._server, self._name = server, name

    def run(self, sql: str, values: Sequence[Any] = ()) -> None:
        assert not values
        self._server.run(sql, self._name)

    def create(self, table: str, columns: Mapping[str, str], primary: str = "", index: str = "") -> None:
        types = TYPES["clickhouse"]
        defined = [f"`{name}` {types.get(kind, kind)}" for name, kind in columns.items()]
        engine = ENGINES.get((table, index), "MergeTree ORDER BY tuple()")
        if "(ver)" in engine:
            defined.append("ver DateTime64(9) DEFAULT now64(9)")
        self.run(f"CREATE TABLE `{table}` ({', '.join(defined)}) ENGINE = {engine}")

    def insert(self, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
        if not rows:
            return
        lines = "\n".join(json.dumps(dict(row), default=str) for row in rows)
        self.run(f"INSERT INTO `{table}` SETTINGS input_format_null_as_default = 1 FORMAT JSONEachRow\n{lines}")


@contextmanager
def clickhouse_writer(server: Any) -> Iterator[LogWriter]:
    name = server.create_database()
    yield ClickhouseWriter(server, name)
    server.drop_database(name)
