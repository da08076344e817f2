"""Texts that ClickHouse cleans are those that are shown, also where it sees at once that nothing is to be cleaned."""

from __future__ import annotations

import json

from cost_top.gateways.normalise_clickhouse import clean_sql
from cost_top.model.secret import public_text
from cost_top.model.text import clean

TEXTS = [
    "gpt-4o", "a", "user 7", "Ann B: c@d.example", "some.body@example.com", " blank", "blank ", "two  blanks", "a\tb",
    "0d6f1c5e-8f5b-4f0e-9d3c-aa11bb22cc33", "eyJa.12345678", "eyJab.c", "sk-ab", "sk-" + "a" * 17, "hf_" + "b" * 17,
    "user:eyJa.12345678", "x sk_" + "c" * 17, "AKIA" + "D" * 16, "task-" + "e" * 30, "é", "…", "\u202eabc", "a\nb",
    "long word " * 80, "\x7f", "npm_" + "a" * 16 + "@b", "a" * 12, "a" * 13, "", ":", "@", "'", "\\", "[]",
]  # fmt: skip


def test_cleaned_there_is_cleaned_here(clickhouse_server):
    name = clickhouse_server.create_database()
    clickhouse_server.run("CREATE TABLE t (n Int64, x String) ENGINE = MergeTree ORDER BY n", name)
    lines = "\n".join(json.dumps({"n": number, "x": text}) for number, text in enumerate(TEXTS))
    clickhouse_server.run(f"INSERT INTO t FORMAT JSONEachRow\n{lines}", name)
    told = clickhouse_server.run(f"SELECT {clean_sql('x')} AS y FROM t ORDER BY n FORMAT JSONEachRow", name)
    clickhouse_server.drop_database(name)
    assert [json.loads(line)["y"] for line in told.splitlines()] == [clean(public_text(text)) for text in TEXTS]
