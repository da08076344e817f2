"""The mirror's DuckDB itself."""

from __future__ import annotations

from cost_top.mirror.database import Database
from cost_top.pricing.book import RateBook


def test_what_is_planned_as_it_is_written_is_joined_all_the_same():
    database = Database(RateBook.load(None))
    database.plan_as_written()
    run = database.connection.execute
    run("CREATE TABLE few AS SELECT range AS key, '' AS name FROM range(10)")
    said = "(SELECT unnest($keys) AS key, unnest($names) AS name) n"
    plan = run(f"EXPLAIN UPDATE few SET name = n.name FROM {said} WHERE few.key = n.key", {"keys": [1], "names": ["a"]})
    assert "HASH JOIN" in plan.fetchall()[0][1].upper().replace("_", " ")
    (others,) = run("SELECT current_setting('disabled_optimizers')").fetchall()[0]
    assert {"statistics_propagation", "filter_pushdown"} & {*others.lower().split(",")} == {"statistics_propagation"}
    database.close()
