"""Raw rows as a log's stream gives them, tame and hostile, for contracts between the forms that read them."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import duckdb

from cost_top.gateways.shape import COUNTS, UNREADABLE_COUNT, RawShape, field_kind, pack_name
from cost_top.gateways.witnesses import SEPARATOR
from cost_top.model.record import FIELD_NAMES

PRICED_HERE = tuple(name for name in FIELD_NAMES[2:] if name != "reported_market_cost")
SHAPE = RawShape(
    fields=PRICED_HERE, plain=("input_tokens", "reported_cost", "status"), identity_fields=("input_tokens",),
    time_kind="micros", text_is_blob=True, cost_kind="integer", pico_per_unit=(1, 1), input_includes_cache=True,
    user_agent_tag=None,
)  # fmt: skip
SHAPES = {
    "pico": SHAPE,
    "cents": replace(SHAPE, pico_per_unit=(10**10, 3)),
    "dollars": replace(SHAPE, fields=FIELD_NAMES[2:], cost_kind="double", pico_per_unit=(10**12, 1),
                       input_includes_cache=False),
    "texts": replace(SHAPE, fields=FIELD_NAMES[2:], cost_kind="text", pico_per_unit=(10**12, 1), text_is_blob=False,
                     time_kind="timestamp", input_includes_cache=None),
    "keys": replace(SHAPE, keys=(("token", "[0-9a-f]{8}|hashed-.*"),), user_agent_tag="User-Agent: "),
    "few": replace(SHAPE, fields=("provider", "input_tokens", "output_tokens"), plain=("input_tokens",)),
}  # fmt: skip
TEXTS = [
    "", "plain", "Größe", "two words", " led", "trailed ", "\u00a0wide", "a\x1b[31mb", "b\u202ec", "x" * 512, "x" * 513,
    "sk-ant-abc123def456ghi789", "ask-me", "Bearer maxkey123", "a| b", "İstanbul", "UPPER", "deadbeef", "hashed-1",
    "\U0001f600", "AKIAABCDEFGHIJKLMNOP", "eyJhbGciOi.eyJzdWIiOi.c2lnbmF0dXJl", "'quoted'", "tab\there", "new\nline",
]  # fmt: skip
TAGS = [
    "", "[]", "{}", "null", '["a"]', '["b", "a", "b"]', '["a\\u0007b", ""]', '{"k": "v"}', "loose, text", '["x", 1]',
    '["Ünï", "z"]', '[" led"]', '"[\\"inner\\"]"', '["\\ud800"]', '["a",', '["User-Agent: curl", "a"]', "[null]",
    '["sk-ant-abc123def456ghi789"]', '[["a"]]', '["User-Agent: curl", "b", "User-Agent: curl/8 x"]',
    '["User-Agent:  z"]', '{"k": "v", "User-Agent": " curl", "e": "", "k2": "w"}', '{"k": "v", "k": "w"}',
    '{"a.b": "c"}', '{"k": 1, "n": null}', '[{"k": "v"}]', '{"k": {"l": "v"}}',
    '{"n": "Gr\\u00f6\u00dfe", "f": "a\\/b", "k": "v", "a": ""}',
]  # fmt: skip
NUMBERS = [0, 1, 7, 400, 999, 1000, 12345, -1, 10**15 - 1, 10**15, 2**62, -(2**62), UNREADABLE_COUNT]
DOUBLES = [0.0, 1.5, 1e-05, 0.0003275000000000001, -2.5, 5e-13, 4.9e-13, 1e7, 1e8, 9e99, float("nan"), 123456.789]
DECIMALS = [
    "", "0", "1.5", "-0.000001", "0.0000000000005", "99999999.5", "1e-5", "abc", "123456789", " 1", "00.1",
    "1234567.1234567890124999999999999",
]  # fmt: skip


def value(draw: random.Random, name: str, shape: RawShape, tame: bool) -> Any:
    kind = field_kind(name)
    if kind in ("text", "tags"):
        usual = ['["a"]', ""] if kind == "tags" else ["deadbeef", ""]
        text = draw.choice(usual if tame else TAGS if kind == "tags" else TEXTS)
        if not shape.text_is_blob:
            return text
        return b"\xff\xfe" if not tame and draw.random() < 0.03 else text.encode("utf-8", "surrogatepass")
    if kind == "boolean":
        return draw.choice([None, 0, 1, 2, -1])
    if kind == "amount":
        return draw.choice([None, "1.5", "-0.25"] if tame else DECIMALS)
    if kind == "money":
        lists: dict[str, list[Any]] = {"integer": [*NUMBERS, -(2**63) + 1], "double": DOUBLES, "text": DECIMALS}
        return draw.choice([None, *lists[shape.cost_kind][: 3 if tame else None]])
    return draw.choice([None, *NUMBERS[: 9 if tame and name in COUNTS else None]])


def column_type(name: str, shape: RawShape) -> str:
    text = "BLOB" if shape.text_is_blob else "VARCHAR"
    if name in ("id", "time"):
        return text if name == "id" else "BIGINT" if shape.time_kind == "micros" else "TIMESTAMP"
    kind = field_kind(name)
    if kind == "money":
        return {"integer": "BIGINT", "double": "DOUBLE", "text": "VARCHAR"}[shape.cost_kind]
    return text if kind in ("text", "tags") else "VARCHAR" if kind == "amount" else "BIGINT"


def raw_table(duck: duckdb.DuckDBPyConnection, shape: RawShape, draw: random.Random, odd_ids: bool = True) -> int:
    """The table `raw` of that shape; its rows' number. One hostile value in a row that is tame otherwise."""
    names = ["id", "time", *shape.fields, *(["input_includes_cache"] if shape.input_includes_cache is None else [])]
    rows = []
    for number in range(400):
        tame, odd = draw.random() < 0.5, draw.randrange(len(names))
        ids = (
            f"r{number:05}"
            if number % 20 or not odd_ids
            else draw.choice([f"{number} \x07", f"sk-ant-abc123def456ghi{number:05}"])
        )
        row: list[Any] = [ids.encode() if shape.text_is_blob else ids, 1_790_000_000_000_000 + number * 7]
        for place, name in enumerate(shape.fields, 2):
            row.append(value(draw, name, shape, tame or place != odd))
        if shape.input_includes_cache is None:
            row.append(draw.choice([None, 0, 1, -1]))
        rows.append(row)
    kinds = [*(column_type(name, shape) for name in ["id", "time", *shape.fields]), "BIGINT"][: len(names)]
    unnested = ", ".join(
        (f"make_timestamp(unnest(${place}::BIGINT[]))" if kind == "TIMESTAMP" else f"unnest(${place}::{kind}[])")
        + f' AS "{name}"' for place, (name, kind) in enumerate(zip(names, kinds, strict=True), 1)
    )  # fmt: skip
    duck.execute(f"CREATE TABLE raw AS SELECT {unnested}", [list(column) for column in zip(*rows, strict=True)])
    return len(rows)


def pack_table(duck: duckdb.DuckDBPyConnection, shape: RawShape) -> None:
    """The table `packed` of the rows of `raw`, of which a count that is unknown is spelled as a stream spells it."""
    kind = "BLOB" if shape.text_is_blob else "VARCHAR"
    packs, between = "", f" || '{SEPARATOR}'::{kind} || "
    for place, pack in enumerate(shape.packs):
        counts = [name for name in pack if field_kind(name) != "text"]
        for name in counts:
            duck.execute(f'UPDATE raw SET "{name}" = -1 WHERE "{name}" IS NULL')
        parts = (f'"{name}"::VARCHAR::{kind}' if name in counts else f'"{name}"' for name in pack)
        packs += f', {between.join(parts)} AS "{pack_name(place)}"'
    duck.execute(f"CREATE TABLE packed AS SELECT *{packs} FROM raw")
