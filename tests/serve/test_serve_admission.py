"""Tokens, scopes, rates and bounds: what is not meant for someone does not reach them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from cost_top.model.filter import parse_filter
from cost_top.serve.tokens import Token, digest_of
from support.native_log import NativeLog
from support.served import Served, bearer, refused, served, write_traffic
from support.served_double import HubDouble, app_of

ALL, ACME, PROD = "everything-0123456789", "only-acme-0123456789", "only-prod-0123456789"
EVER = {"since": "2020-01-01", "group_by": "user"}


def block(name: str, token: str, where: str | None = None) -> str:
    lines = f'[[tokens]]\nname = "{name}"\nsha256 = "{digest_of(token).hex()}"\n'
    return lines + (f"where = {json.dumps(where)}\n" if where else "")


def write_tokens(folder: Path, text: str, mode: int = 0o600) -> Path:
    path = folder / "tokens.toml"
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("admission")
    log = NativeLog(folder / "gateway.db")
    write_traffic(log)
    text = block("all", ALL) + block("acme", ACME, "user:acme") + block("prod", PROD, "tag:prod")
    with served(folder, log.path, "--tokens", write_tokens(folder, text), "--rate-limit", 100_000) as running:
        yield running
    log.close()


def count(response: httpx.Response) -> int:
    assert response.status_code == 200, response.text
    number: int = response.json()["totals"]["request_count"]
    return number


# Who may come in


HEADERS = [
    None, "", "Bearer", "Bearer ", f"Basic {ALL}", f"Bearer {ALL}x", f"Bearer {ALL[:-1]}", "Bearer é",
    "Bearer " + "x" * 5000, ALL,
]  # fmt: skip


@pytest.mark.parametrize("header", HEADERS)
async def test_without_a_token_nothing_is_told(header):
    headers = {} if header is None else {"Authorization": header.encode()}
    async with client_of(app_of(HubDouble(), (Token("all", digest_of(ALL)),))) as client:
        for path in ("/v1/report", "/metrics", "/v1/live", "/nothing", "/v1/keys/k1/usage"):
            response = await client.get(path, headers=headers)
            assert (response.status_code, response.json()["error"]["type"]) == (401, "authentication_error")
            assert response.headers["www-authenticate"].startswith("Bearer")
            assert response.headers["x-content-type-options"] == "nosniff"


def test_health_and_docs_need_none_and_tell_nothing(server):
    assert server.get("/healthz").json() == {"ready": True, "stale": False}
    assert server.get("/healthz", auth="wrong" * 5).json() == {"ready": True, "stale": False}
    assert server.get("/healthz", auth=ACME).json() == {"ready": True, "stale": False}
    assert server.get("/healthz", auth=ALL).json()["source"] == "gateway.db"
    assert server.get("/docs").status_code == server.get("/openapi.json").status_code == 200


# Scopes


def test_a_scope_shows_its_part_and_nothing_else(server):
    everything = {row.get("user"): row for row in server.get("/v1/report", auth=ALL, **EVER).json()["results"]}
    acme = server.get("/v1/report", auth=ACME, **EVER).json()
    assert acme["results"] == [everything["acme"]]
    assert {"user": "acme", **acme["totals"]} == everything["acme"]
    prod = server.get("/v1/requests", auth=PROD, since="2020-01-01", limit=1000).json()["data"]
    assert prod
    assert all("prod" in row["tags"] for row in prod)
    assert count(server.get("/v1/report", auth=PROD, **EVER)) == len(prod)


ESCAPES: list[dict[str, str]] = [
    {"user_id": "beta"}, {"user_id": "*"}, {"where": "user:beta"}, {"where": "-user:acme"}, {"where": "user:beta,a*me"},
    {"where": "user:*"}, {"where": 'user:"ac*me"'}, {"where": 'user:"acme"'}, {"where": "-user:beta"},
    {"where": '"x" user:beta,acme'}, {"where": 'user:acme","beta'}, {"where": "beta"}, {"where": "-acme"},
    {"where": "-user:*"}, {"where": "a* user:a*"}, {"where": "cost:>=0 -nothing"}, {"where": "user:a\\*me,beta"},
    {"tags": "prod,dev"}, {"tags": "prod,dev", "tags_match": "all"}, {"tags": "*"}, {"where": "tag:* -tag:prod"},
    {"where": "tag:dev,prod user:beta,acme,ac*"}, {"api_key_name": "name of k1"}, {"token": "k2"},
    {"endpoint": "/chat"},
]  # fmt: skip


@pytest.mark.parametrize("asked", ESCAPES, ids=str)
def test_no_filter_leaves_the_scope(server, asked):
    """What a scoped token gets is what the whole one gets for the same filter and the scope."""
    for auth, scope, inside in ((ACME, "user:acme", lambda row: row["user"] == "acme"),
                                (PROD, "tag:prod", lambda row: "prod" in row["tags"])):  # fmt: skip
        rows = server.get("/v1/requests", auth=auth, since="2020-01-01", limit=1000, **asked).json()["data"]
        assert all(inside(row) for row in rows)
        own = {**asked, "where": f"{asked.get('where', '')} {scope}"}
        whole = server.get("/v1/report", auth=ALL, **EVER, **own).json()
        mine = server.get("/v1/report", auth=auth, **EVER, **asked).json()
        assert (mine["results"], mine["totals"]) == (whole["results"], whole["totals"])
        assert mine["totals"]["request_count"] == len(rows)


def test_a_cursor_opens_nothing(server):
    page = server.get("/v1/requests", auth=ALL, since="2020-01-01", limit=5).json()
    rest = server.get("/v1/requests", auth=ACME, since="2020-01-01", limit=1000, cursor=page["next_cursor"]).json()[
        "data"
    ]
    assert rest
    assert {row["user"] for row in rest} == {"acme"}


def test_a_key_s_usage_is_of_the_scope(server):
    whole = server.get("/v1/keys/k1/usage", auth=ALL).json()["totals"]["request_count"]
    part = server.get("/v1/keys/k1/usage", auth=ACME).json()
    only = server.get("/v1/report", auth=ALL, since="30d", token="k1", user_id="acme").json()["totals"]["request_count"]
    assert part["totals"]["request_count"] == only < whole
    assert sum(row["request_count"] for row in part["by_day"]) == only


@pytest.mark.parametrize("dimension", ["user", "tag", "model", "token", "owner", "status"])
def test_pickers_and_unpriced_are_of_the_scope(server, dimension):
    view = {"filter": {"terms": []}, "window": "30d"}
    found = server.post("/v1/find", {"view": view, "dimension": dimension, "text": ""}, auth=ACME).json()["results"]
    report = server.get("/v1/report", auth=ALL, since="30d", group_by=dimension, user_id="acme").json()["results"]
    assert {row["value"]: row["request_count"] for row in found} == {
        row.get(dimension): row["request_count"] for row in report
    }
    unpriced = server.post("/v1/unpriced", {"view": view}, auth=ACME).json()["results"]
    models = server.get("/v1/report", auth=ALL, since="30d", where="unpriced:yes user:acme").json()["totals"]
    assert sum(row["request_count"] for row in unpriced) == models["request_count"] > 0


def first_snapshot(server: Served, auth: str, body: dict[str, Any] | None = None, **query: str) -> dict[str, Any]:
    method = "GET" if body is None else "POST"
    with server.client.stream(method, "/v1/live", params=query, json=body, headers=bearer(auth)) as response:
        assert response.status_code == 200, response.read()
        fields: dict[str, Any] = {}
        for line in response.iter_lines():
            if line.startswith("data: "):
                fields |= json.loads(line.removeprefix("data: "))
                if fields["filling"] is None:
                    return fields
    raise AssertionError("the stream ended")


@pytest.mark.parametrize("term", [None, {"field": "user", "values": ["beta"], "operator": "=", "negated": False},
                                  {"field": "user", "values": ["acme"], "operator": "=", "negated": True}])  # fmt: skip
def test_a_live_view_is_of_the_scope(server, term):
    view: dict[str, Any] = {"window": "30d", "lenses": ["user", "model"], "row_limit": 1000}
    view["filter"] = {"terms": [term] if term else []}
    shown = first_snapshot(server, ACME, {"view": view})
    users = {row["key"][0] for lens in shown["lenses"] if lens["dimension"] == "user" for row in lens["report"]["rows"]}
    assert users == (set() if term else {"acme"})
    expected = 0 if term else count(server.get("/v1/report", auth=ALL, since="30d", user_id="acme"))
    assert shown["spend"]["measures"]["request_count"] == expected
    # Nothing about others' requests, and the view is told as it was asked for.
    assert (shown["log_rows"], shown["newest"], shown["lateness"]) == (expected, None, None)
    assert shown["view"]["filter"] == view["filter"]


def test_a_drill_does_not_leave_the_scope(server):
    term = {"field": "user", "values": ["beta"], "operator": "=", "negated": False}
    view = {"window": "30d", "crumbs": [{"dimension": "user", "label": "beta", "term": term}]}
    shown = first_snapshot(server, ACME, {"view": view})
    assert shown["spend"]["measures"]["request_count"] == 0


def test_what_is_about_the_whole_source_is_forbidden(server):
    for response in (server.get("/v1/credits", auth=ACME), server.get("/metrics", auth=PROD),
                     server.post("/v1/refresh", auth=ACME)):  # fmt: skip
        assert (response.status_code, response.json()["error"]["type"]) == (403, "forbidden")
    assert server.post("/v1/refresh", auth=ALL).status_code == 202
    assert server.get("/metrics", auth=ALL).status_code == 200


# Rates and bounds


def client_of(app: Any, **options: Any) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, **options)
    return httpx.AsyncClient(transport=transport, base_url="http://testserver")


async def test_a_token_may_ask_so_often_and_another_is_not_held_back():
    tokens = (Token("a", digest_of("a" * 16)), Token("b", digest_of("b" * 16)))
    async with client_of(app_of(HubDouble(), tokens, rate=3)) as client:
        codes = [(await client.get("/v1/credits", headers=bearer("a" * 16))).status_code for _ in range(4)]
        assert codes == [404, 404, 404, 429]
        refusal = await client.get("/v1/credits", headers=bearer("a" * 16))
        assert refusal.json()["error"]["type"] == "rate_limit_exceeded"
        assert 1 <= int(refusal.headers["retry-after"]) <= 60
        assert (await client.get("/v1/credits", headers=bearer("b" * 16))).status_code == 404
        assert {(await client.get("/healthz")).status_code for _ in range(9)} == {200}


async def test_wrong_tokens_are_limited_and_do_not_lock_out_the_right_one():
    tokens = (Token("a", digest_of("a" * 16)),)
    async with client_of(app_of(HubDouble(), tokens, rate=2)) as client:
        codes = [(await client.get("/v1/report", headers=bearer(f"wrong-{n}"))).status_code for n in range(4)]
        assert codes == [401, 401, 429, 429]
        assert (await client.get("/v1/credits", headers=bearer("a" * 16))).status_code == 404


async def test_without_tokens_each_address_may_ask_so_often():
    app = app_of(HubDouble(), rate=2)
    async with client_of(app, client=("10.0.0.1", 1)) as one, client_of(app, client=("10.0.0.2", 1)) as other:
        assert [(await one.get("/v1/credits")).status_code for _ in range(3)] == [404, 404, 429]
        assert (await other.get("/v1/credits")).status_code == 404
    async with client_of(app, client=("2001:db8::1", 1)) as one, client_of(app, client=("2001:db8::2", 1)) as other:
        codes = [(await client.get("/v1/credits")).status_code for client in (one, other, one)]
    assert codes == [404, 404, 429]


@pytest.mark.parametrize(("host", "status"), [("testserver", 404), ("localhost:8377", 404), ("127.0.0.1", 404),
                                              ("[::1]:80", 404), ("127.9.9.9:1", 404), ("evil.example", 403),
                                              ("localhost.evil.example", 403), ("127.0.0.1.evil.example", 403),
                                              ("10.0.0.1", 403), ("", 403), ("[::1]evil", 403)])  # fmt: skip
async def test_without_tokens_only_names_of_this_machine_are_answered(host, status):
    async with client_of(app_of(HubDouble())) as client:
        response = await client.get("/v1/credits", headers={"Host": host})
    assert response.status_code == status


async def test_pages_of_other_sites_may_not_post():
    async with client_of(app_of(HubDouble())) as client:
        for origin, status in (("http://testserver", 202), ("https://evil.example", 403), ("null", 403)):
            assert (await client.post("/v1/refresh", headers={"Origin": origin})).status_code == status
        body, plain = b'{"dimension": "user", "text": ""}', {"Content-Type": "text/plain"}
        for of_a_page, status in (({"Sec-Fetch-Site": "cross-site"}, 415), ({"Origin": "http://testserver"}, 415),
                                  ({}, 200)):  # fmt: skip
            answer = await client.post("/v1/find", content=body, headers=plain | of_a_page)
            assert answer.status_code == status, "only a browser's page needs a type that asks before it is sent"
        assert "access-control-allow-origin" not in answer.headers


async def test_urls_headers_and_bodies_are_bounded():
    async with client_of(app_of(HubDouble(), largest_body=1000)) as client:
        assert (await client.get("/v1/report", params={"where": "x" * 9000})).status_code == 414
        assert (await client.get("/v1/credits", headers={"X-Long": "x" * 20_000})).status_code == 431
        assert (await client.get("/v1/credits", headers={f"X-{n}": "x" for n in range(120)})).status_code == 431
        json_type = {"Content-Type": "application/json"}
        assert (await client.post("/v1/find", content=b" " * 1001, headers=json_type)).status_code == 413
        for body in (b"", b"{", b"[]", b"1", b"\xff", b"[" * 900, b'{"other": 1}', b'{"view": 1}', b'{"tz": 1}',
                     b'{"dimension": "day"}', b'{"view": {"window": "2y"}}',
                     b'{"dimension": "user", "text": 5}'):  # fmt: skip
            response = await client.post("/v1/find", content=body, headers=json_type)
            assert (response.status_code, response.json()["error"]["type"]) == (400, "invalid_request_error"), body


async def test_a_body_that_does_not_come_is_not_waited_for():
    async def never():
        import asyncio

        yield b"{"
        await asyncio.sleep(60)

    async with client_of(app_of(HubDouble(), body_seconds=0.01)) as client:
        response = await client.post("/v1/find", content=never(), headers={"Content-Type": "application/json"})
    assert response.status_code == 408


# The file and the command

GOOD = block("a", "a" * 16)
MISTAKES = [
    ("", "holds no [[tokens]]"),
    ("tokens = []", "holds no [[tokens]]"),
    ("tokens = 1", "tokens.toml:1: tokens: must be written [[tokens]]"),
    ("[[tokens]", "tokens.toml: is not TOML"),
    ("[[token]]", "tokens.toml:1: token: unknown key, did you mean 'tokens'?"),
    ("[[tokens]]\nnaem = 'a'", "tokens.toml:2: tokens.naem: unknown key, did you mean 'name'?"),
    ("[[tokens]]\nname = 1", "tokens.toml:2: tokens.name: must be a name in quotes"),
    ("[[tokens]]\nname = 'a'", "tokens.toml:1: tokens.a.sha256: is missing: give the 64 hexadecimal digits"),
    ("[[tokens]]\nname = 'a'\nsha256 = 'secret-token-itself'", "tokens.toml:3: tokens.a.sha256: must be the 64"),
    ("[[tokens]]\nsha256 = '" + "0" * 64 + "'", "tokens.toml:1: tokens.name: is missing"),
    (GOOD + "where = ''", ": tokens.a.where: is empty"),
    (GOOD + "where = 'colour:red'", ": tokens.a.where: filter: unknown field 'colour'"),
    (GOOD + "permissions = ['write']", ": tokens.a.permissions: must be a list of"),
    (GOOD + block("a", "b" * 16), "tokens.toml:5: tokens.a.name: 'a' is there twice"),
    (GOOD + block("b", "a" * 16), "tokens 'a' and 'b' are the same"),
]


@pytest.mark.parametrize(("text", "told"), MISTAKES, ids=[told for _, told in MISTAKES])
def test_a_mistake_in_the_file_is_named(tmp_path, text, told):
    from cost_top.model.errors import UserError
    from cost_top.serve.tokens import load_tokens

    with pytest.raises(UserError) as caught:
        load_tokens(write_tokens(tmp_path, text))
    assert told in str(caught.value)
    assert "tokens" in str(caught.value)
    assert "secret-token-itself" not in str(caught.value)


def test_the_command_refuses_what_is_unsafe(tmp_path):
    path = write_tokens(tmp_path, GOOD, mode=0o644)
    log = NativeLog(tmp_path / "gateway.db")
    log.close()
    for arguments, env, told in (
        (("--tokens", path), {}, f"run: chmod 600 {path}"),
        (("--tokens", tmp_path / "none.toml"), {}, "none.toml: No such file"),
        (("--host", "0.0.0.0"), {}, "needs a token: COST_TOP_SERVE_TOKEN or --tokens"),
        (("--host", "::"), {}, "needs a token"),
        ((), {"COST_TOP_SERVE_TOKEN": "short"}, "must be 16 to 512"),
        ((), {"COST_TOP_SERVE_TOKEN": "sha256:12"}, "64 hexadecimal"),
        (("--scope", "user:a"), {}, "--new-token"),
        (("--tls-key", path), {}, "needs --tls-cert"),
        (("--tls-cert", path), {}, "no certificate"),
        (("--host", "no.such.host.invalid"), {}, "no such address"),
    ):
        code, text = refused(tmp_path, log.path, *arguments, env=env)
        assert (code, text.count("\n")) == (2, 1), text
        assert told in text


def test_a_token_made_by_the_command_opens_the_server(tmp_path):
    import subprocess

    from support.served import command, environment

    arguments = command("--new-token", "grafana é", "--scope", 'user:acme tag:"a b"')
    made = subprocess.run(arguments, capture_output=True, text=True, check=True, env=environment(tmp_path))
    token = made.stderr.split("shown only now: ")[1].split()[0]
    path = write_tokens(tmp_path, made.stdout)
    from cost_top.serve.tokens import find_token, load_tokens

    (loaded,) = load_tokens(path)
    assert (loaded.name, loaded.scope) == ("grafana é", parse_filter('user:acme tag:"a b"'))
    assert find_token((loaded,), token) is loaded
    assert find_token((loaded,), token[:-1]) is None
    assert token not in made.stdout


def test_the_environment_s_token_is_taken_out_of_it(monkeypatch):
    import os

    from cost_top.serve.tokens import find_token, load_tokens

    for value in ("plain-token-0123456789", f"sha256:{digest_of('plain-token-0123456789').hex()}"):
        monkeypatch.setenv("COST_TOP_SERVE_TOKEN", value)
        tokens = load_tokens(None)
        assert "COST_TOP_SERVE_TOKEN" not in os.environ
        assert find_token(tokens, "plain-token-0123456789") is tokens[0]
        assert "plain" not in repr(tokens)
