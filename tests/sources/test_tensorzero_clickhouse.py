"""TensorZero's own table in ClickHouse: several calls of one inference, tags beside, unknown tokens and costs."""

from __future__ import annotations

from datetime import UTC, datetime

from cost_top.sources.sql.log import open_log
from support.gateway_shapes import TENSORZERO
from support.log_writers import clickhouse_writer
from support.logical import requests
from support.reading import records

END = datetime(2026, 10, 8, tzinfo=UTC)


def test_user_and_tags_come_from_the_inference_without_losing_or_doubling_calls(clickhouse_server):
    with clickhouse_writer(clickhouse_server) as writer:
        chat, answer, alone = requests(3, END)
        writer.write(TENSORZERO, [])
        for table, rows in TENSORZERO.names([chat, answer]).items():
            writer.insert(table, [*rows, *rows])  # written twice after a retry: one inference all the same
        rows = [TENSORZERO.write(request, "clickhouse")[0] for request in (chat, chat, answer, alone)]
        unknown = {"input_tokens": None, "output_tokens": None, "cost": None, "response_time_ms": None}
        changes = [{}, {"cached": True, "cost": "0"}, unknown, {"cost": "0.123456789", "function_name": ""}]
        ids = ["018f0000-0000-7000-8000-00000000000" + str(number) for number in range(4)]
        writer.insert(
            "ModelInference",
            [{**row, **change, "id": identity} for row, change, identity in zip(rows, changes, ids, strict=True)],
        )
        source = open_log(writer.location)
        found = {row["id"]: row for row in records(source)}
    assert source.preset.name == "tensorzero-clickhouse"
    calls = [found[identity] for identity in ids]
    assert [row["user"] for row in calls] == [chat.user.name, chat.user.name, answer.user.name, None]
    assert [row["tags"] for row in calls][1:] == [
        sorted([f"env:{chat.tag}", f"user_id:{chat.user.name}"]),
        sorted([f"env:{answer.tag}", f"user_id:{answer.user.name}"]), None,
    ]  # fmt: skip
    assert [row["reported_cost"] for row in calls][1:] == [0, None, 123_456_789_000]
    assert (calls[2]["input_tokens"], calls[2]["latency_ms"], calls[3]["endpoint"]) == (None, None, None)
    assert [row["cache_hit"] for row in calls] == [chat.hit, True, answer.hit, alone.hit]
    assert {row["time"].replace(tzinfo=None) for row in calls} == {datetime(2024, 4, 21, 9, 32, 31)}  # as the ids say
