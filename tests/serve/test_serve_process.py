"""The command: what it prints, how it ends, what it says when it cannot begin."""

from __future__ import annotations

import shutil
import signal
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator

import httpx
import pytest

from cost_top.model.engine import RequestPage
from cost_top.model.errors import Broken, CannotAnswer, SourceError, SourceRefused, SourceThrottled
from cost_top.model.query import Report, ReportQuery
from cost_top.serve.errors import harmless
from cost_top.serve.run import resolve_host
from support.native_log import NativeLog
from support.required import absent
from support.served import command, environment, refused, served, write_traffic
from support.served_double import HubDouble, app_of

TOKEN = "a-token-of-some-length"


@pytest.fixture
def log(tmp_path) -> Iterator[NativeLog]:
    made = NativeLog(tmp_path / "gateway.db")
    write_traffic(made, 60)
    yield made
    made.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_one_line_at_the_start_and_none_at_the_end(log, tmp_path, number):
    with served(tmp_path, log.path) as server:
        assert server.line == f"cost-top serve: {server.url} over gateway.db (docs at /docs)\n"
        assert server.url.startswith("http://127.0.0.1:")
        assert server.get("/v1/report", since="1d").status_code == 200
        assert server.end(number) == 0
        assert server.stderr == ""


def test_an_access_log_names_no_value(log, tmp_path):
    with served(tmp_path, log.path, "--access-log") as server:
        server.get("/v1/report", since="1d", user_id="secret-user")
        server.get("/v1/keys/secret-key/usage")
        server.get("/v1/report", sinse="secret")
        server.end()
        lines = [line.rsplit(" ", 2)[0] for line in server.stderr.splitlines() if "/healthz" not in line]
    assert lines == ["GET /v1/report 200", "GET /v1/keys/{id}/usage 404", "GET /v1/report 400"]


def test_it_says_in_one_line_why_it_cannot_begin(log, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, told = refused(tmp_path, log.path, "--port", port)
        assert (code, told) == (2, f"cost-top: port {port} of 127.0.0.1 cannot be used (Address already in use); "
                                   "choose another with --port\n")  # fmt: skip
    other = tmp_path / "other.db"
    other.write_bytes(b"no database at all, but long enough to be looked at" * 50)
    for source in (tmp_path / "missing.db", other, "postgresql://u:hunter2@127.0.0.1:1/x", "nosuchname"):
        code, told = refused(tmp_path, source, "--port", 0)
        assert (code, told.count("\n"), told.startswith("cost-top: ")) == (2, 1, True), told
        assert "hunter2" not in told
    code, told = refused(tmp_path)
    assert (code, told.startswith("cost-top: no source")) == (2, True)


def test_a_missing_extra_is_named(log, tmp_path):
    hide = (
        "import importlib.util as u; real = u.find_spec\n"
        "u.find_spec = lambda name, package=None: None if name == 'limits' else real(name, package)"
    )
    program = command(log.path, patch=hide)
    done = subprocess.run(program, capture_output=True, text=True, check=False, env=environment(tmp_path))
    assert done.returncode == 2
    assert done.stderr == "cost-top: serve needs the extra: pip install 'cost-top[serve]'\n"


def test_beyond_loopback_it_warns_of_plain_http(log, tmp_path):
    with served(tmp_path, log.path, "--host", "0.0.0.0", env={"COST_TOP_SERVE_TOKEN": TOKEN}, ready=False) as server:
        port = server.url.rsplit(":", 1)[1]
        url = f"http://127.0.0.1:{port}/v1/report?since=1d"
        assert httpx.get(url, headers={"Host": "any.example"}, trust_env=False).status_code == 401
        with_token = {"Host": "any.example", "Authorization": f"Bearer {TOKEN}"}
        assert httpx.get(url, headers=with_token, timeout=180, trust_env=False).status_code == 200
        assert server.end() == 0
        assert server.stderr.count("\n") == 1
        assert "plain HTTP beyond this machine" in server.stderr


def test_it_speaks_tls(log, tmp_path):
    openssl = shutil.which("openssl")
    if openssl is None:
        absent("no openssl command")
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    command = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, "-days", "2",
               "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)
    trust = ssl.create_default_context(cafile=str(cert))
    options = ["--tls-cert", cert, "--tls-key", key]
    with served(tmp_path, log.path, *options, ready=False, verify=trust) as server:
        assert server.url.startswith("https://127.0.0.1:")
        server.wait_ready()
        assert server.end() == 0
    code, told = refused(tmp_path, log.path, "--tls-cert", cert, "--tls-key", cert)
    assert (code, told.count("\n")) == (2, 1)


def test_ipv6_loopback_needs_no_token(log, tmp_path):
    with socket.socket(socket.AF_INET6) as probe:
        try:
            probe.bind(("::1", 0))
        except OSError:
            pytest.skip("no IPv6 here")
    with served(tmp_path, log.path, "--host", "::1") as server:
        assert server.url.startswith("http://[::1]:")


@pytest.mark.parametrize(("host", "loopback"), [("127.0.0.1", True), ("localhost", True), ("127.1.2.3", True),
                                                ("0.0.0.0", False), ("10.1.2.3", False)])  # fmt: skip
def test_what_is_loopback(host, loopback):
    assert resolve_host(host, 1).is_loopback == loopback


def test_a_log_that_goes_away_leaves_the_last_figures_and_says_so(log, tmp_path):
    import time

    with served(tmp_path, log.path, "--interval", 1, "--rate-limit", 100_000) as server:
        before = server.get("/v1/report", since="30d").json()
        log.path.rename(tmp_path / "moved.db")
        deadline = time.monotonic() + 180
        while not server.get("/healthz").json()["stale"]:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert server.get("/healthz").status_code == 503
        after = server.get("/v1/report", since="30d").json()
        assert after["totals"] == before["totals"]
        assert after["notes"] != before["notes"]
        assert str(tmp_path) not in server.get("/v1/report", since="30d").text
        assert "cost_top_source_up 0.0" in server.get("/metrics").text


def test_a_source_that_breaks_for_good_ends_the_server(log, tmp_path):
    broken = (
        "import os\n"
        "from cost_top.monitor.log.history import History\n"
        "step = History.step\n"
        "def broken(*given):\n"
        "    if os.path.exists('break'): raise RuntimeError('out of order')\n"
        "    return step(*given)\n"
        "History.step = broken"
    )
    with served(tmp_path, log.path, patch=broken) as server:
        with server.client.stream("GET", "/v1/live") as response:
            lines = response.iter_lines()
            next(lines)
            (tmp_path / "break").touch()
            *_, last = lines
        assert "the server ends" in "".join([last, *_])
        assert server.process.wait(90) == 2
        assert server.stderr == "cost-top: failed: RuntimeError: out of order\n"


def test_a_view_that_fails_ends_alone(log, tmp_path):
    broken = (
        "from cost_top.monitor.log.screens import LogScreens\n"
        "compose = LogScreens.compose\n"
        "def broken(screens, watch, *more):\n"
        "    if watch.view.window == '1h': raise RuntimeError('out of order')\n"
        "    return compose(screens, watch, *more)\n"
        "LogScreens.compose = broken"
    )
    with served(tmp_path, log.path, patch=broken) as server:
        with server.client.stream("GET", "/v1/live?window=1h") as response:
            told = "\n".join(response.iter_lines())
        assert "event: error" in told
        assert "the server failed" in told
        assert "out of order" not in told
        with server.client.stream("GET", "/v1/live?window=24h") as response:
            assert next(response.iter_lines()) == "event: snapshot"
        assert server.client.get("/healthz").status_code == 200


# Failures


async def get(app, path: str = "/v1/report?since=1d") -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://testserver") as client:
        return await client.get(path)


async def test_what_a_source_says_becomes_the_right_error(capsys):
    cases = [
        (CannotAnswer("days only"), 400, "invalid_request_error", "days only"),
        (SourceError("history is still being read: 3 of 31 days; ask again"), 503, "internal_server_error", "3 of 31"),
        (SourceThrottled("vercel: too many questions", 17.2), 503, "internal_server_error", "vercel: too many"),
        (SourceRefused("vercel: no such model"), 400, "invalid_request_error", "vercel: no such model"),
        (SourceError("/srv/db/x.db: gone SELECT secret FROM t"), 503, "internal_server_error", "x.db: gone"),
        (Broken("cost-top failed: BinderException: LINE 1: SELECT"), 500, "internal_server_error", "its log"),
        (RuntimeError("password=hunter2"), 500, "internal_server_error", "its log"),
    ]
    for error, status, kind, told in cases:

        def fail(_: ReportQuery, error: Exception = error) -> Report:
            raise error

        response = await get(app_of(HubDouble(answer=fail)))
        body = response.json()["error"]
        assert (response.status_code, body["type"]) == (status, kind)
        assert told in body["message"]
        assert not {"SELECT", "/srv", "hunter2"} & set(response.text.replace('"', " ").split())
        waits = "18" if isinstance(error, SourceThrottled) else "5" if status == 503 else None
        assert response.headers.get("retry-after") == waits
    told = capsys.readouterr().err
    assert "RuntimeError in" in told
    assert "hunter2" not in told
    assert "SELECT" not in told


async def test_a_slow_question_does_not_hold_up_the_others():
    release = threading.Event()
    hub = HubDouble(answer=lambda query: (release.wait(30), Report((), (), query, 0, hub.now))[1])  # type: ignore[arg-type]
    app = app_of(hub, repeat_seconds=0.05, question_threads=1, questions_waiting=2)
    slow = await get(app)
    assert (slow.status_code, slow.json()["error"]["type"]) == (503, "internal_server_error")
    assert slow.headers["retry-after"]
    assert (await get(app, "/healthz")).status_code == 200
    # Its thread still counts, so the next question waits for it and is told to come again.
    assert (await get(app, "/v1/requests?since=1d")).status_code == 503
    assert len(hub.asked) == 1
    release.set()
    hub.answer = None
    while (await get(app)).status_code != 200:
        pass
    assert isinstance(hub.requests(hub.asked[0]), RequestPage)


async def test_a_reply_that_does_not_come_is_not_waited_for():
    hub = HubDouble(replies=False)
    app = app_of(hub, repeat_seconds=0.05)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://testserver") as client:
        assert (await client.post("/v1/find", json={"dimension": "user"})).status_code == 503
        assert (await client.post("/v1/unpriced", json={})).status_code == 503
        hub.replies = True
        found = await client.post("/v1/find", json={"dimension": "user", "text": "a"})
    assert found.json() == {"results": [{"value": "a", "name": None, "cost": 1, "request_count": 1}]}


@pytest.mark.parametrize(("text", "left"), [
    ("/var/lib/x/gateway.db: is locked", "gateway.db: is locked"),
    ("~/logs/a.db: gone", "a.db: gone"),
    ("litellm@db.example.com: permission denied", "litellm@db.example.com: permission denied"),
    ("postgresql://me:p@w@db.example.com:5432/x: no", "db.example.com:5432/x: no"),
    ("x: bad\nLINE 1: SELECT a", "x: bad"),
    ("SELECT 1", "the source does not answer"),
    ("312 requests unpriced (a/b-model): total_cost is a lower bound", None),
    ("tags overlap: a request counts in the row of each of its tags", None),
])  # fmt: skip
def test_a_source_s_line_is_made_harmless(text, left):
    assert harmless(text) == (text if left is None else left)
