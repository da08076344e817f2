"""Rows priced by lists of rates are priced as one by one, to the pico-dollar; and no column is read for nothing."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from cost_top.model.filter import Filter, parse_filter
from cost_top.monitor.cluster import rated
from cost_top.monitor.cluster.cluster import Cluster
from cost_top.monitor.cluster.newest import NewestRows
from cost_top.monitor.cluster.sheet import MOST_TOKENS, sheet_of
from cost_top.monitor.cluster.statements import micros_of
from cost_top.monitor.cluster.sums import TRUSTED, Sums
from cost_top.monitor.cluster.verdicts import A_PRICE, NO_PRICE, SECOND, UNSAID, VERDICTS
from cost_top.pricing.amount import Request
from cost_top.pricing.book import RateBook
from cost_top.pricing.cost import price
from cost_top.sources.sql.log import open_log
from monitor.test_cluster_equals_mirror import KEYS, TYPES
from support.gateway_shapes import BIFROST
from support.log_writers import clickhouse_writer

NOW = datetime.now(UTC).replace(microsecond=0)
MODELS = (("openai", "gpt-4o"), ("anthropic", "claude-sonnet-4-5"), ("nobody", "nothing"), (None, None),
          ("deepseek", "deepseek-chat"))  # fmt: skip
TOKENS = ((None, None, None, None), (0, 0, 0, 0), (300_000, 50_000, 9000, 700), (10, 4, 40, 90), (None, None, 8, None))
COSTS = (None, -5 * 10**9, 0, 7 * 10**9, 9 * 10**12)


def rows():
    kinds = product(MODELS, TOKENS, COSTS, (None, True), (None, "BYOK "), (200, 500, 504))
    for number, ((provider, model), tokens, cost, hit, credential, status) in enumerate(kinds):
        yield {
            "id": f"r{number}", "time_ms": int(NOW.timestamp() * 1000) - 86_400_000 * (1 + number % 5),
            "provider": provider, "model": model, "token": f"k{number}", "user_id": None if number % 3 else "u",
            "input_tokens": tokens[0], "cached_input_tokens": tokens[1], "output_tokens": tokens[2],
            "reasoning_tokens": tokens[3], "cost_pico_usd": cost, "cache_hit": hit, "credential_type": credential,
            "status": status, "mode": (None, "batch", "unheard", "rounds")[number % 4], "latency_ms": number % 4,
        }  # fmt: skip
    plain = {"id": "a", "time_ms": int(NOW.timestamp() * 1000) - 86_400_000, "provider": "openai", "model": "gpt-4o"}
    yield {**plain, "token": "audio", "input_tokens": 900, "audio_input_tokens": 100}
    yield {**plain, "id": "b", "token": "large", "input_tokens": MOST_TOKENS, "output_tokens": 5}
    yield {**plain, "id": "c", "token": "zeros", "input_tokens": 900, "audio_input_tokens": 0}


@pytest.fixture(scope="module")
def cluster(clickhouse_server):
    from cost_top.model import native

    name = clickhouse_server.create_database()
    kinds = native.COLUMN_TYPES
    defined = ", ".join(f"`{column}` {KEYS.get(column) or TYPES.get(kind, 'Nullable(String)')}"
                        for column, kind in kinds.items())  # fmt: skip
    clickhouse_server.run(f"CREATE TABLE cost_top_requests ({defined}) ENGINE = MergeTree ORDER BY (time_ms, id)", name)
    lines = "\n".join(map(json.dumps, rows()))
    clickhouse_server.run(f"INSERT INTO cost_top_requests FORMAT JSONEachRow\n{lines}", name)
    cluster = Cluster(open_log(clickhouse_server.url(name)), RateBook.load(None))
    yield cluster
    cluster.close()
    clickhouse_server.drop_database(name)


def asked(cluster, lenses):
    statements, ask = [], cluster.ask
    cluster.ask = lambda sql, parameters=None: statements.append(sql) or ask(sql, parameters)
    try:
        sums = Sums(cluster, timedelta(minutes=10), NewestRows(cluster))
        pieces = sums.pieces(NOW - timedelta(days=9), NOW)
        sums.build(Filter(), dict.fromkeys(pieces, (*lenses, TRUSTED)), float("inf"))
    finally:
        del cluster.ask
    return sums, pieces, statements


def test_rows_of_every_kind(cluster, monkeypatch):
    found, pieces, _ = asked(cluster, ("token", "tag"))
    monkeypatch.setattr(type(cluster.statements.spelled), "plain", None)
    wanted, _, _ = asked(cluster, ("token", "tag"))
    for piece in pieces:
        mine, other = (sums.groups(Filter(), "token", [piece]) for sums in (found, wanted))
        assert mine == other
        assert found.trust(Filter(), [piece]) == wanted.trust(Filter(), [piece])
    assert len(wanted.groups(Filter(), "token", pieces)) == len(list(rows()))


def test_what_no_list_tells_is_priced_one_by_one(cluster):
    _, _, statements = asked(cluster, ("token", "tag"))
    assert "WHERE ct_odd" in statements[-1]
    assert "WHERE ct_odd" not in statements[-2]


@pytest.fixture
def bifrost(clickhouse_server):
    """Requests of Bifrost, whose modes stand in JSON: an image shown to a model that prices them apart, and none."""

    class Asking(Cluster):
        def ask(self, sql, parameters=None):
            statements.append(sql)
            return super().ask(sql, parameters)

    statements = []
    with clickhouse_writer(clickhouse_server) as writer:
        writer.write(BIFROST, [])
        usages = [{}, {"prompt_tokens_details": {"image_tokens": 50}}]
        writer.insert("logs", [
            {"id": f"r{number}", "timestamp": (NOW - timedelta(days=2)).strftime("%Y-%m-%d %H:%M:%S"),
             "object_type": "chat.completion", "provider": "openai", "model": "gpt-image-1", "status": "success",
             "virtual_key_id": f"k{number}", "prompt_tokens": 900, "completion_tokens": 70,
             "token_usage": json.dumps(usage)}
            for number, usage in enumerate(usages)
        ])  # fmt: skip
        cluster = Asking(open_log(writer.location), RateBook.load(None))
        yield cluster, statements
        cluster.close()


def test_modes_that_are_costly_are_looked_for_once_rows_are_odd(bifrost, monkeypatch):
    cluster, statements = bifrost
    # Models of rows that still come are looked for at each look.
    monkeypatch.setattr(rated, "_SETTLED", timedelta(hours=2))
    found, pieces, _ = asked(cluster, ("token", "tag"))
    again, _, _ = asked(cluster, ("token", "tag"))
    looked = [sql for sql in statements if sql.startswith("SELECT DISTINCT")]
    assert ["token_usage" in sql for sql in looked] == [False, True]
    assert any("WHERE ct_odd" in sql for sql in statements)
    monkeypatch.setattr(type(cluster.statements.spelled), "plain", None)
    wanted, _, _ = asked(cluster, ("token", "tag"))
    assert sorted(key for (key,) in wanted.groups(Filter(), "token", pieces)) == ["k0", "k1"]
    for sums in (found, again):
        assert sums.groups(Filter(), "token", pieces) == wanted.groups(Filter(), "token", pieces)
        assert sums.trust(Filter(), pieces) == wanted.trust(Filter(), pieces)


def test_a_small_log_is_summed_by_one_statement(cluster, monkeypatch):
    def grouped():
        return [sql for sql in asked(cluster, ("model",))[2] if "GROUPING SETS" in sql]

    assert len(grouped()) == 1
    monkeypatch.setattr(cluster, "_is_small", False)
    assert len(grouped()) == 2


def test_a_lens_reads_what_it_is_made_of(cluster):
    _, _, statements = asked(cluster, ("model",))
    plain = next(sql for sql in statements if "GROUPING SETS" in sql)
    assert "cost_pico_usd" in plain
    for column in ("endpoint", "team", "client_ip", "user_agent", "token_name"):
        assert column not in plain


def test_rates_that_change_within_the_period_have_lines_of_their_own():
    book = RateBook.load(None)
    entry = book.entry("deepseek", "deepseek-chat")
    edge = datetime.fromtimestamp(entry.timeline.edges[-1], UTC)
    said = [(("deepseek", "deepseek-chat", None, None), ("deepseek", "deepseek-chat"))]
    assert sheet_of(said, book, [(edge - timedelta(days=1), None)]).cuts == (micros_of(edge),)
    assert sheet_of(said, book, [(edge, None)]).cuts == ()


@pytest.mark.parametrize("said", [None, True, False])
@pytest.mark.parametrize("status", [200, 500])
@pytest.mark.parametrize("tokens", [0, 7])
def test_a_zero_is_what_the_log_says_it_is(said, status, tokens):
    request = Request("openai", "gpt-4o", NOW, tokens, output_tokens=0, reported_cost=0, status=status,
                      zero_is_price=said)  # fmt: skip
    number = (tokens == 0) + 2 * (status == 500) + 16 * {None: UNSAID, True: A_PRICE, False: NO_PRICE}[said]
    found, wanted = VERDICTS[SECOND[number]], price(RateBook.load(None), request)
    assert (found.status, found.doubt) == (wanted.status, wanted.doubt)
    assert found.list_by_rates * 7 * 2_500_000 == (wanted.market_cost or 0) or not tokens


@pytest.mark.parametrize(
    ("where", "matches"),
    [("user:u", lambda user: user), ("user:nobody", lambda _: False), ("-user:nobody -team:nobody", lambda _: True),
     ("user:u,nobody -owner:x", lambda user: user), ("-nowhere", lambda _: True)],
)  # fmt: skip
def test_nothing_is_looked_for_in_an_empty_list(cluster, where, matches):
    source, condition, parameters = cluster.source([(NOW - timedelta(days=9), NOW)], parse_filter(where))
    assert [] not in parameters.values()
    assert " IN " not in condition
    counted = cluster.ask(f"SELECT count() FROM {source} WHERE {condition}", parameters)[0][0]
    assert counted == sum(bool(matches(row.get("user_id"))) for row in rows())
