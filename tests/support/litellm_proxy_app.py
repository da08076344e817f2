"""LiteLLM's own proxy application over a PostgreSQL, without Prisma's engine: run with LiteLLM's Python.

    python litellm_proxy_app.py postgresql://… PORT MASTER_KEY

Each line of its input names another database (`none`: no database) or is `licensed`, what an enterprise pays for,
or `unlicensed`; it is answered with the line `ready`.

Routes, authorisation, SQL and answers are LiteLLM's. `Engine` does what Prisma's query engine would: it runs the SQL
and the few table calls of the reading routes, and gives values in the types prisma-client-py gives them: times of raw
queries as RFC 3339 text, JSON of raw queries as text, both as objects in models.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import psycopg
import uvicorn
from litellm.proxy import proxy_server
from litellm.proxy.utils import PrismaClient
from psycopg.rows import dict_row
from psycopg.types.json import set_json_loads
from pydantic import BaseModel, ConfigDict

_OPERATORS = {"gte": ">=", "lte": "<=", "gt": ">", "lt": "<", "equals": "="}


class Model(BaseModel):
    """A row as a model of prisma-client-py: attributes, `model_dump`, `dict`."""

    model_config = ConfigDict(extra="allow", protected_namespaces=())


class Engine:
    """What LiteLLM calls `prisma_client.db`."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._tables: dict[str, str] = {}
        self._turn = asyncio.Lock()
        self._connection: psycopg.AsyncConnection[Any] | None = None

    async def query_raw(self, sql: str, *values: Any, model: Any = None) -> list[Any]:
        rows = [{name: _raw(value) for name, value in row.items()} for row in await self._run(sql, values)]
        return [model.model_validate(row) for row in rows] if model else rows

    async def query_first(self, sql: str, *values: Any, model: Any = None) -> Any:
        rows = [{name: _of_model(value) for name, value in row.items()} for row in await self._run(sql, values)]
        return (model.model_validate(rows[0]) if model else rows[0]) if rows else None

    async def execute_raw(self, sql: str, *values: Any) -> int:
        await self._run(sql, values)
        return 0

    @asynccontextmanager
    async def tx(self, **_: Any) -> AsyncIterator[Engine]:
        yield self

    engine_generation = 0  # it is never replaced

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("litellm_"):
            raise AttributeError(name)
        return Table(self, name)

    async def find(self, table: str, tail: str, values: Sequence[Any]) -> list[Model]:
        rows = await self._run(f"SELECT * FROM {await self._named(table)} {tail}", values)
        lists = await self._lists(table)
        return [
            Model(**{name: [] if value is None and name in lists else _of_model(value) for name, value in row.items()})
            for row in rows
        ]

    async def count(self, table: str, tail: str, values: Sequence[Any]) -> int:
        rows = await self._run(f"SELECT count(*) AS n FROM {await self._named(table)} {tail}", values)
        return int(rows[0]["n"])

    async def _lists(self, table: str) -> set[str]:
        """The list columns of a table: in Prisma they are never NULL."""
        sql = "SELECT column_name FROM information_schema.columns WHERE table_name = $1 AND data_type = 'ARRAY'"
        return {row["column_name"] for row in await self._run(sql, [(await self._named(table)).strip('"')])}

    async def _named(self, table: str) -> str:
        if not self._tables:
            for row in await self._run("SELECT tablename FROM pg_tables WHERE schemaname = 'public'", ()):
                self._tables[row["tablename"].lower()] = f'"{row["tablename"]}"'
        return self._tables[table]

    async def _run(self, sql: str, values: Sequence[Any]) -> list[dict[str, Any]]:
        async with self._turn:
            if self._connection is None:
                self._connection = await psycopg.AsyncConnection.connect(self._url, autocommit=True)
            async with psycopg.AsyncRawCursor(self._connection, row_factory=dict_row) as cursor:
                await cursor.execute(sql.encode(), [list(one) if isinstance(one, tuple) else one for one in values])
                return await cursor.fetchall() if cursor.description else []


class Table:
    """The calls of a Prisma table that read."""

    def __init__(self, engine: Engine, name: str) -> None:
        self._engine = engine
        self._name = name

    async def find_many(
        self, where: Any = None, order: Any = None, take: int | None = None, skip: int | None = None,
        include: Any = None, **_: Any,
    ) -> list[Model]:  # fmt: skip
        values: list[Any] = []
        tail = _where(where, values)
        for item in order if isinstance(order, list) else [order] if order else []:
            tail += f"{' ORDER BY' if 'ORDER BY' not in tail else ','} " + ", ".join(
                f'"{name}" {direction}' for name, direction in item.items()
            )
        tail += f" LIMIT {int(take)}" if take is not None else ""
        tail += f" OFFSET {int(skip)}" if skip else ""
        rows = await self._engine.find(self._name, tail, values)
        if include and include.get("litellm_budget_table"):
            for row in rows:
                found = await self._engine.find("litellm_budgettable", 'WHERE "budget_id" = $1', [row.budget_id])
                row.litellm_budget_table = found[0] if found else None
        return rows

    async def find_first(self, where: Any = None, **more: Any) -> Model | None:
        rows = await self.find_many(where=where, take=1, order=more.get("order"), include=more.get("include"))
        return rows[0] if rows else None

    find_unique = find_first

    async def count(self, where: Any = None, **_: Any) -> int:
        values: list[Any] = []
        return await self._engine.count(self._name, _where(where, values), values)

    async def group_by(self, **_: Any) -> list[Any]:
        return []


def _where(where: Mapping[str, Any] | None, values: list[Any]) -> str:
    return f"WHERE {_condition(where, values)}" if where else ""


def _condition(where: Mapping[str, Any], values: list[Any]) -> str:
    parts = []
    for name, wanted in where.items():
        if name in ("AND", "OR"):
            items = wanted if isinstance(wanted, (list, tuple)) else [wanted]
            joined = f" {name} ".join(_condition(item, values) for item in items if item)
            parts.append(f"({joined or 'true'})")
        elif name == "NOT":
            parts.append(f"NOT ({_condition(wanted, values)})")
        elif isinstance(wanted, dict):
            parts += [_compared(name, operator, value, values) for operator, value in wanted.items()]
        else:
            parts.append(_compared(name, "equals", wanted, values))
    return " AND ".join(parts) or "true"


def _compared(name: str, operator: str, value: Any, values: list[Any]) -> str:
    if operator == "not":
        return f'"{name}" IS NOT NULL' if value is None else f"NOT {_compared(name, 'equals', value, values)}"
    if value is None:
        return f'"{name}" IS NULL'
    if operator == "in":
        values.append(list(value))
        return f'"{name}" = ANY(${len(values)})'
    if name.endswith("Time") and isinstance(value, str):
        value = datetime.fromisoformat(value).astimezone(UTC).replace(tzinfo=None)
    values.append(value)
    return f'"{name}" {_OPERATORS[operator]} ${len(values)}'


class _Json(str):
    """JSON as the database spells it."""


def _raw(value: Any) -> Any:
    if isinstance(value, datetime):
        moment = value if value.tzinfo else value.replace(tzinfo=UTC)
        return moment.isoformat(timespec="milliseconds" if moment.microsecond else "seconds")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return float(value)
    return str(value) if isinstance(value, _Json) else value


def _of_model(value: Any) -> Any:
    if isinstance(value, _Json):
        return json.loads(value)
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) and value.tzinfo is None else value


def client(url: str) -> PrismaClient | None:
    """LiteLLM's own client on our engine; None for a proxy without a database."""
    made = object.__new__(PrismaClient)
    made.db = Engine(url)
    made.proxy_logging_obj = proxy_server.proxy_logging_obj
    return made if url != "none" else None


def obey() -> None:
    """Each line names another database, or is `licensed` or `unlicensed`."""
    for line in sys.stdin:
        if line.strip() in ("licensed", "unlicensed"):
            proxy_server.premium_user = line.strip() == "licensed"
        else:
            proxy_server.prisma_client = client(line.strip())
            for cache in (proxy_server.user_api_key_cache, proxy_server.spend_counter_cache):
                cache.flush_cache()  # another database's keys and users
        print("ready", flush=True)


def main() -> None:
    """Serve until the process is ended."""
    url, port, master_key = sys.argv[1:4]
    set_json_loads(lambda text: _Json(text.decode() if isinstance(text, bytes) else text))
    proxy_server.prisma_client = client(url)
    proxy_server.master_key = master_key
    proxy_server.general_settings = {}
    threading.Thread(target=obey, daemon=True).start()
    uvicorn.run(proxy_server.app, host="127.0.0.1", port=int(port), lifespan="off", log_level="warning")


main()
