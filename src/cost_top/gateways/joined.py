"""Tables beside a log in ClickHouse that know more of its rows: the newest version of each, joined to the log.

Elsewhere a subquery in a mapping's `sql` does it; ClickHouse knows no subquery that looks at the row around it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from sqlalchemy import ColumnElement, FromClause, column, literal_column, text

from cost_top.gateways.dialects.base import Dialect
from cost_top.gateways.preset import Expression, JoinedTable
from cost_top.gateways.texts import WITHIN


def named_joins(joins: Iterable[JoinedTable], items: Iterable[Expression], database: str) -> list[JoinedTable]:
    """The tables that the SQL of some expressions names."""
    spelled = " ".join(item.sql.get(database, "") for item in items)
    return [each for each in joins if re.search(rf"\b{re.escape(each.name)}\.", spelled)]


def newest_rows(joined: JoinedTable, log: str, dialect: Dialect) -> tuple[FromClause, ColumnElement[bool]]:
    """The relation, which has one row for each key, and how the log's rows find theirs."""
    quoted = dialect.quoted
    own, theirs = list(map(quoted, joined.on)), list(map(quoted, joined.on.values()))
    # As a tuple, since argMax would pass over a NULL to an older version's value.
    figures = [f"argMax(tuple({name}), {quoted(joined.newest)}).1 AS {name}" for name in map(quoted, joined.columns)]
    keys = f"({', '.join(own)})" if len(own) > 1 else own[0]
    sql = (
        f"SELECT {', '.join([*own, *figures])} FROM {quoted(joined.table)} "
        f"WHERE {keys} IN (SELECT {', '.join(theirs)} FROM {quoted(log)} WHERE {WITHIN}) GROUP BY {', '.join(own)}"
    )
    relation = text(sql.replace(":", "\\:")).columns(*map(column, (*joined.on, *joined.columns))).subquery(joined.name)
    same = (f"{joined.name}.{mine} = {quoted(log)}.{other}" for mine, other in zip(own, theirs, strict=True))
    return relation, literal_column(f"({' AND '.join(same)})")
