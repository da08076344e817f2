"""JSON kept as text in a PostgreSQL that has no safe parser of it: scalars by their shape, never an error."""

from __future__ import annotations

import psycopg
import pytest
from sqlalchemy import literal_column

from cost_top.gateways.dialects.base import Cell
from cost_top.gateways.dialects.postgresql import PostgresSpelling

OLD = PostgresSpelling(version=150000)
TEXT = (
    r'{"claude": true, "cache_tokens" : 400, "path":"/v1/\"x\"", "none": null, "a": {"b": 1.5, "c": "d"}, '
    r'"z.y": 7}'
)


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        (("claude",), "true"), (("cache_tokens",), "400"), (("path",), '/v1/"x"'), (("none",), None),
        (("a", "b"), "1.5"), (("a", "c"), "d"), (("a", "x"), None), (("tokens",), None), (("z.y",), "7"),
        (("a",), None),
    ],
)  # fmt: skip
def test_a_scalar_is_found(postgres_url, path, wanted):
    value = OLD.json(Cell(literal_column("t"), "text"), path)
    with psycopg.connect(postgres_url) as connection:
        for text, expected in ((TEXT, wanted), ("", None), ("{broken", None), ("null", None), (None, None)):
            found = connection.execute(f"SELECT {OLD.spell(value)} FROM (SELECT %s::text AS t) x".replace("LIKE '\"%'",
                                       "LIKE '\"%%'"), (text,)).fetchone()  # fmt: skip
            assert found == (expected,)


def test_a_newer_server_parses_it_itself():
    assert PostgresSpelling(version=160000).json(Cell(literal_column("t"), "text"), ("a",)) is None
