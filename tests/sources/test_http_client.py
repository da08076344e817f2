"""The client against a real server that does everything a server must not."""

from __future__ import annotations

import gzip
import json
import shutil
import socket
import ssl
import subprocess
import threading
import tracemalloc
import zlib
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import format_datetime

import pytest

from cost_top.model.errors import SourceDenied, SourceError, SourceRefused, SourceThrottled, UserError
from cost_top.sources.http.body import unpack
from cost_top.sources.http.client import ApiClient
from cost_top.sources.http.events import EventParser
from support.raw_server import answer, raw_server
from support.required import absent

KEY = "vck_0123456789abcdefSECRET"
HEADERS = {"Authorization": f"Bearer {KEY}"}
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"


@contextmanager
def client_of(server, **options):
    client = ApiClient(server.url, name="vercel", headers=HEADERS, secrets=(KEY,), **options)
    try:
        yield client
    finally:
        client.close()


def asked(script, tls=None, **options):
    """What asking such a server once comes to."""
    with raw_server(script, tls) as server, client_of(server, **options) as client:
        return client.get("/v1/report", {"start_date": "2026-11-01"})


def failure(script, kind=SourceError, tls=None, **options):
    """The message of the error that asking such a server ends as; of exactly this kind, one line, without the key."""
    with pytest.raises(kind) as caught:
        asked(script, tls, **options)
    assert type(caught.value) is kind
    text = str(caught.value)
    assert text.isprintable()
    assert KEY not in text
    assert "start_date" not in text
    assert len(text) < 400
    return text


def drip(server, connection, content):
    for place in range(len(content)):
        connection.sendall(content[place : place + 1])
        if server.wait(0.02):
            return


# -- answers


def test_a_fraction_is_exact_and_a_whole_number_is_whole():
    found = asked(answer('{"total_cost": 0.1234567890123456789, "n": 3, "e": 1e-9}', 200, "X-Thing: Yes"))
    assert found.value == {"total_cost": Decimal("0.1234567890123456789"), "n": 3, "e": Decimal("1e-9")}
    assert isinstance(found.value["n"], int)
    assert found.headers["x-thing"] == "Yes"


def test_what_is_sent():
    with raw_server(answer("{}")) as server, client_of(server) as client:
        client.get("/v1/x", [("group_by[]", "a b"), ("group_by[]", "c&d")])
        client.post("/v1/y", {"limit": 1}, {"q": "ü"})
    first, second = server.heads
    assert first.startswith("GET /v1/x?group_by%5B%5D=a+b&group_by%5B%5D=c%26d HTTP/1.1")
    assert f"Authorization: Bearer {KEY}" in first
    assert "\r\nUser-Agent: cost-top/" in first
    assert second.startswith("POST /v1/y?q=%C3%BC HTTP/1.1")
    assert server.bodies == [b"", b'{"limit": 1}']


def test_one_connection_serves_several_questions_and_statistics_count():
    body = b'{"x": 1}'
    with raw_server(answer(body)) as server, client_of(server) as client:
        for _ in range(3):
            client.get("/a")
        assert server.connections == 1
        assert client.statistics.queries == 3
        assert client.statistics.bytes_read == 3 * len(body)
        assert client.statistics.database_ms > 0


def test_a_path_in_the_address_is_kept():
    with raw_server(answer("{}")) as server:
        client = ApiClient(f"{server.url}/proxy/", name="litellm", headers=HEADERS)
        client.get("/spend")
        client.close()
    assert server.heads[0].startswith("GET /proxy/spend HTTP/1.1")


def test_cookies_are_not_given_back():
    with raw_server(answer("{}", 200, "Set-Cookie: session=1; Path=/")) as server, client_of(server) as client:
        client.get("/a")
        client.get("/a")
    assert not any("cookie" in head.lower() for head in server.heads)


def test_a_packed_answer_is_unpacked():
    assert asked(answer(gzip.compress(b'{"x": 1}'), 200, "Content-Encoding: gzip")).value == {"x": 1}


def test_half_a_character_is_replaced():
    value = asked(answer(r'{"model": "a\ud800b", "\udc00": ["\ud83d\ude00"], "plain": "\\ud800"}')).value
    assert value["model"] == "a\ufffdb"
    assert value["\ufffd"] == ["😀"]
    assert value["plain"] == r"\ud800"
    json.dumps(value, ensure_ascii=False).encode()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "answered with nothing"),
        (b"   \n", "answered with nothing"),
        (b"\n<!DOCTYPE html><html><body>Sign in</body></html>", "a web page instead of JSON"),
        (b'{"results": [', "not JSON"),
        (b"\x00\xff\xfe garbage", "not JSON"),
        (b'{"x": NaN}', "not JSON"),
        (b'{"x": -Infinity}', "not JSON"),
        (b'{"x": 1e99999999999999999999}', "not JSON"),
        (b'{"x": 1e5000}', "not JSON"),
        (b'{"x": -1e-5000}', "not JSON"),
        (b'{"x": ' + b"9" * 1000 + b"}", "not JSON"),
        (b'{"x": ' + b"9" * 5000 + b"}", "not JSON"),
        (b"[" * 100_000, "nested too deep"),
        (b"[" * 5000 + b"]" * 5000, "nested too deep"),
        (b'{"a":' * 5000 + b"1" + b"}" * 5000, "nested too deep"),
        ("{}".encode("utf-16"), "not JSON"),
    ],
)
def test_what_is_not_json_is_said(body, said):
    assert said in failure(answer(body))


# -- bounds


def test_an_endless_answer_is_bounded():
    def pour(connection):
        connection.sendall(CHUNKED + b"\r\n")
        piece = b"10000\r\n" + b" " * 65536 + b"\r\n"
        for _ in range(10_000):
            connection.sendall(piece)

    assert "larger than 256 KiB" in failure(pour, max_bytes=256 * 1024)


def test_an_answer_of_the_largest_size_is_taken():
    body = b'"' + b"x" * 998 + b'"'
    assert len(asked(answer(body), max_bytes=1000).value) == 998
    assert "larger than" in failure(answer(body), max_bytes=999)


def test_a_packed_bomb_is_bounded():
    packer = zlib.compressobj(9, wbits=31)
    bomb = b"".join(packer.compress(b" " * 1024 * 1024) for _ in range(200)) + packer.flush()
    assert len(bomb) < 1024 * 1024
    assert "larger than 1,024 KiB" in failure(answer(bomb, 200, "Content-Encoding: gzip"), max_bytes=1024 * 1024)


def test_a_packed_bomb_is_never_unpacked_whole():
    packer = zlib.compressobj(9, wbits=31)
    bomb = b"".join(packer.compress(b" " * 1024 * 1024) for _ in range(100)) + packer.flush()
    tracemalloc.start()
    try:
        content, _ = unpack([bomb], packed=True, limit=1024)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(content) == 1025
    assert peak < 10 * 1024 * 1024


def test_a_packing_that_was_not_asked_for_is_refused():
    assert "encoding" in failure(answer(b"{}", 200, "Content-Encoding: br"))


@pytest.mark.parametrize("body", [gzip.compress(b'{"x": 1}' * 9)[:-12], b"\x1f\x8bgarbage"], ids=["cut", "garbage"])
def test_a_broken_packing_is_said(body):
    assert failure(answer(body, 200, "Content-Encoding: gzip"))


@pytest.mark.parametrize("part", ["head", "body", "error body"])
def test_a_dripping_server_is_left(part):
    status = 500 if part == "error body" else 200
    whole = answer(b" " * 600 + b"{}", status, "X-Long: " + "x" * 600)
    head, _, body = whole.partition(b"\r\n\r\n")

    with raw_server(lambda connection: None) as server:

        def script(connection):
            if part != "head":
                connection.sendall(head + b"\r\n\r\n")
            drip(server, connection, whole if part == "head" else body)

        server._script = script
        with client_of(server, timeout=0.5) as client:
            with pytest.raises(SourceError, match=r"no whole answer within 0\.5 s"):
                client.get("/v1/report")
            # The next question is asked over a new connection.
            server._script = lambda connection: connection.sendall(answer("{}"))
            assert client.get("/v1/report").value == {}


def test_a_silent_server_is_left():
    with raw_server(lambda connection: server.wait(20)) as server, client_of(server, timeout=0.3) as client:
        with pytest.raises(SourceError, match="answer"):
            client.get("/")
        assert client.statistics.queries == 1


def test_a_server_that_does_not_greet_in_tls_is_left():
    with raw_server(lambda connection: server.wait(20)) as server:
        client = ApiClient(f"https://127.0.0.1:{server.port}", name="x", headers={}, timeout=0.5)
        with pytest.raises(SourceError, match=r"in time|within"):
            client.get("/")
        client.close()


@pytest.mark.parametrize(
    "script",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}",
        CHUNKED + b"\r\n5\r\n{}",
        CHUNKED + b"\r\nzz\r\n{}",
        b"",
        b"SSH-2.0-OpenSSH_9\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 300_000,
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
        b"\x15\x03\x01\x00\x02\x02\x46",
    ],
)
def test_a_broken_answer_is_one_line(script):
    def send(connection):
        connection.sendall(script)
        connection.shutdown(1)

    assert "broke off" in failure(send)


# -- cancel


def test_cancel_breaks_off_from_another_thread():
    reached = threading.Event()

    def stall(connection):
        connection.sendall(CHUNKED + b"\r\n1\r\n \r\n")
        reached.set()
        server.wait(60)

    with raw_server(stall) as server, client_of(server, timeout=50) as client:
        outcome: list[BaseException] = []

        def ask():
            try:
                client.get("/")
            except SourceError as error:
                outcome.append(error)

        thread = threading.Thread(target=ask)
        thread.start()
        assert reached.wait(90)
        client.cancel()
        thread.join(90)
        assert [str(error).partition(": ")[2] for error in outcome] == ["asking was broken off"]
        server._script = lambda connection: connection.sendall(answer("[1]"))
        client.cancel()  # nothing is under way: harmless
        assert client.get("/").value == [1]


def test_cancel_before_there_is_a_connection(monkeypatch):
    resolve = socket.getaddrinfo
    with raw_server(answer("{}")) as server, client_of(server) as client:

        def cancelling(*arguments, **named):
            client.cancel()
            return resolve(*arguments, **named)

        monkeypatch.setattr(socket, "getaddrinfo", cancelling)
        with pytest.raises(SourceError, match="asking was broken off"):
            client.get("/")
    assert server.heads == []


def test_cancel_is_for_what_is_under_way_not_for_what_waits():
    reached = threading.Event()

    def script(connection):
        if "/first" in server.heads[-1]:
            reached.set()
            server.wait(60)
        else:
            connection.sendall(answer("[2]"))

    with raw_server(script) as server, client_of(server, timeout=50) as client:
        outcome = {}

        def ask(path):
            try:
                outcome[path] = client.get(path).value
            except SourceError as error:
                outcome[path] = str(error).partition(": ")[2]

        first = threading.Thread(target=ask, args=("/first",))
        first.start()
        assert reached.wait(90)
        second = threading.Thread(target=ask, args=("/second",))
        second.start()
        second.join(0.1)  # it waits by now, most likely; what must hold does so anyway
        client.cancel()
        first.join(90)
        second.join(90)
    assert outcome == {"/first": "asking was broken off", "/second": [2]}


def test_one_question_at_a_time():
    under_way = []
    most = []

    def slow(connection):
        under_way.append(1)
        most.append(len(under_way))
        server.wait(0.05)
        under_way.pop()
        connection.sendall(answer("{}"))

    with raw_server(slow) as server, client_of(server) as client:
        threads = [threading.Thread(target=client.get, args=("/",)) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(90)
    assert most == [1] * 6


# -- refusals


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_told_and_not_followed(status):
    with raw_server(answer('{"stolen": 1}')) as other:
        target = f"http://localhost:{other.port}/v1/report?key={KEY}"
        text = failure(answer("", status, f"Location: {target}"))
        assert f"redirects to localhost ({status})" in text
        assert other.heads == []
        assert other.connections == 0


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, SourceRefused), (401, SourceDenied), (402, SourceDenied), (403, SourceDenied), (404, SourceRefused),
        (405, SourceRefused), (408, SourceError), (409, SourceError), (410, SourceRefused), (422, SourceRefused),
        (429, SourceThrottled), (500, SourceError), (502, SourceError), (503, SourceError), (504, SourceError),
        (529, SourceError), (599, SourceError), (304, SourceError), (700, SourceError),
    ],
)  # fmt: skip
def test_each_status_is_the_right_error(status, kind):
    text = failure(answer('{"error": "why"}', status), kind)
    assert str(status) in text


MESSAGES = [
    ('{"error": {"message": "the why", "type": "forbidden"}}', "the why"),
    ('{"error": {"message": null, "type": "forbidden"}}', "forbidden"),
    ('{"error": "the_why"}', "the_why"),
    ('{"detail": "the why"}', "the why"),
    ('{"detail": {"error": "the why"}}', "the why"),
    ('{"detail": {"error": {"message": "the why"}}}', "the why"),
    ('{"detail": [{"loc": ["query", "limit"], "msg": "too much", "type": "x"}, {"msg": "b"}]}', "limit: too much; b"),
    ('{"success": false, "errors": [{"code": 7003, "message": "the why"}]}', "the why"),
    ('{"type": "error", "error": {"type": "authentication_error", "message": "the why"}}', "the why"),
    ('{"message": "the why"}', "the why"),
    ("the why, plainly\n\nand more", "the why, plainly and more"),
    ("<html><title>502</title></html>", ""),
    ("", ""),
    ("[1, 2", ""),
    ('{"error": {"deep": {"deeper": 1}}}', ""),
    ("[" * 50_000, ""),
    ('{"error":' * 300 + '"x"' + "}" * 300, ""),
    ('{"error": ["a", 1, null, {"message": "b"}]}', "a; b"),
]


@pytest.mark.parametrize(("body", "said"), MESSAGES)
def test_every_shape_of_error_is_read(body, said):
    text = failure(answer(body, 401), SourceDenied)
    assert text.endswith(f"refuses the key (401): {said}" if said else "refuses the key (401)")


def test_an_error_body_cannot_write_to_the_terminal():
    text = failure(answer(json.dumps({"error": "a\x1b[2Jb\u202ec\r\nd"}), 400), SourceRefused)
    assert text.endswith("a[2Jbc d")


@pytest.mark.parametrize(
    "body",
    [
        json.dumps({"error": {"message": f"Incorrect API key provided: {KEY}."}}),
        json.dumps({"error": f"{KEY[:9]}\x1b{KEY[9:]}"}),
        f"Authorization: Bearer {KEY}",
        json.dumps({"error": "x" * 230 + KEY}),
        "y" * 65_530 + KEY,
    ],
)
def test_a_key_in_an_error_body_is_blotted_out(body):
    text = failure(answer(body, 401), SourceDenied)
    assert KEY[:10] not in text


def test_an_error_body_is_bounded():
    def pour(connection):
        connection.sendall(b"HTTP/1.1 500 X\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(10_000):
            connection.sendall(b"10000\r\n" + b"e" * 65536 + b"\r\n")

    assert failure(pour).endswith("failed (500)")


NOW = datetime(2026, 11, 25, 12, 0, 0, tzinfo=UTC)
DATE = f"Date: {format_datetime(NOW, usegmt=True)}"
RESET = int(NOW.timestamp()) + 90


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        (["Retry-After: 7"], 7),
        (["Retry-After: 2.5"], 2.5),
        (["Retry-After: 0"], 1),
        (["Retry-After: 100000"], 86400),
        (["Retry-After: 99999999999999"], None),
        (["Retry-After: -5"], None),
        (["Retry-After: soon"], None),
        (["Retry-After: nan"], None),
        (["Retry-After: Infinity"], None),
        (["Retry-After: 1_0"], None),
        (["Retry-After: 5, 10"], None),
        (["Retry-After: Wed, 99 Foo 2026 99:99:99 GMT", DATE], None),
        ([f"Retry-After: {format_datetime(NOW + timedelta(seconds=45), usegmt=True)}", DATE], 45),
        (["Retry-After: Wednesday, 25-Nov-26 12:00:45 GMT", DATE], 45),
        (["Retry-After: Wed Nov 25 12:00:45 2026", DATE], 45),
        ([f"Retry-After: {format_datetime(NOW - timedelta(days=3), usegmt=True)}", DATE], 1),
        ([f"Retry-After: {format_datetime(NOW + timedelta(days=3), usegmt=True)}", DATE], 86400),
        (["Retry-After:", f"X-RateLimit-Reset: {RESET}", DATE], 90),
        ([f"X-RateLimit-Reset: {RESET}", DATE], 90),
        ([f"X-RateLimit-Reset: {RESET}000", DATE], 90),
        ([f"X-RateLimit-Reset: {RESET - 600}", DATE], 1),
        (["X-RateLimit-Reset: 30", DATE], 30),
        (["X-RateLimit-Reset: tomorrow"], None),
        (["X-RateLimit-Reset: -1"], None),
        (["Retry-After: 3", "X-RateLimit-Reset: 60"], 3),
        ([], None),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_how_long_to_wait(headers, wait, status):
    if status == 503 and not any(line.startswith("Retry-After") for line in headers):
        failure(answer("{}", status, *headers))
        return
    with pytest.raises(SourceThrottled) as caught:
        asked(answer("{}", status, *headers))
    assert caught.value.wait == wait


# -- addresses and keys


@pytest.mark.parametrize(
    "url",
    [
        "http://gateway.example.com", "http://10.0.0.1:4000", "http://127.0.0.1.example.com", "http://localhost.x",
        "ftp://gateway.example.com", "gateway.example.com", "https://", "https:///v1", "", "https://[::1",
        "https://a b",
        "https://a\u202eb.example.com",
        "https://x:99999", "https://x\n.example.com", "https://x.example.com\\@evil.example.com", "file:///etc/passwd",
    ],
)  # fmt: skip
def test_an_address_that_may_not_be_asked(url):
    with pytest.raises(UserError) as caught:
        ApiClient(url, name="vercel", headers=HEADERS)
    assert str(caught.value).isprintable()
    assert "https://" in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "https://hunter2secret@gateway.example.com",
        "https://me:hunter2secret@gateway.example.com/v1",
        "https://gateway.example.com?api_key=hunter2secret",
        "https://gateway.example.com/#hunter2secret",
        "https://gateway.example.com/sk-hunter2secrethunter2secret/v1",
        "http://me:hunter2secret@127.0.0.1:1",
    ],
)
def test_a_secret_in_an_address_is_refused_and_not_repeated(url):
    with pytest.raises(UserError) as caught:
        ApiClient(url, name="vercel", headers=HEADERS)
    assert "hunter2" not in str(caught.value)
    assert "AI_GATEWAY_API_KEY" in str(caught.value)


@pytest.mark.parametrize(
    "url",
    ["http://localhost:1", "http://127.0.0.9:1", "http://[::1]:1", "https://x.example.com/skeleton-of-a-gateway/"],
)
def test_an_address_that_may_be_asked(url):
    ApiClient(url, name="vercel", headers=HEADERS).close()


@pytest.mark.parametrize("value", ["Bearer hunter2\r\nX: y", "Bearer hunter2\x00", "", "Bearer hunter2é", " "])
def test_a_header_that_cannot_be_sent_is_refused_and_not_repeated(value):
    with pytest.raises(UserError) as caught:
        ApiClient("https://x.example.com", name="vercel", headers={"Authorization": value})
    assert "hunter2" not in str(caught.value)


def test_a_question_that_cannot_be_sent_is_refused():
    with raw_server(answer("{}")) as server, client_of(server) as client:
        with pytest.raises(SourceRefused):
            client.get("/v1", {"user": "\ud800"})
        with pytest.raises(SourceRefused):
            client.get("/v1/\x00")
        assert client.get("/v1").value == {}


def test_nobody_listens():
    with raw_server(b"") as server:
        pass
    with client_of(server) as client:
        with pytest.raises(SourceError, match="connection is refused"):
            client.get("/")
        assert client.statistics.queries == 0


def test_a_host_that_does_not_exist():
    client = ApiClient("https://cost-top.invalid", name="vercel", headers=HEADERS)
    with pytest.raises(SourceError, match="no host of this name"):
        client.get("/")
    client.close()


def test_a_proxy_is_not_used_for_loopback(monkeypatch):
    with raw_server(answer('{"proxy": 1}')) as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        assert asked(answer("{}")).value == {}
        assert proxy.connections == 0


def test_a_proxy_is_used_for_others_is_bounded_and_sees_no_key(monkeypatch):
    with raw_server(lambda connection: drip(proxy, connection, b"HTTP/1.1 200 " + b"x" * 600)) as proxy:
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        client = ApiClient("https://gateway.example.com", name="vercel", headers=HEADERS, timeout=0.5)
        with pytest.raises(SourceError, match="within"):
            client.get("/")
        client.close()
    (head,) = proxy.heads
    assert head.startswith("CONNECT gateway.example.com:443 ")
    assert KEY not in head


def test_a_proxy_that_cannot_be_is_told_without_its_password(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "gopher://me:hunter2secret@proxy.example.com")
    client = ApiClient("https://gateway.example.com", name="vercel", headers=HEADERS)
    with pytest.raises(UserError, match="HTTPS_PROXY") as caught:
        client.get("/")
    assert "hunter2" not in str(caught.value)
    client.close()


# -- TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A self-signed certificate for 127.0.0.1, and its key."""
    if shutil.which("openssl") is None:
        absent("no openssl command")
    folder = tmp_path_factory.mktemp("tls")
    paths = folder / "certificate.pem", folder / "key.pem"
    subprocess.run(
        [
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-days", "2",
            "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-out", paths[0], "-keyout", paths[1],
        ],
        check=True, capture_output=True,
    )  # fmt: skip
    return paths


@pytest.fixture
def tls(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    return context


def test_a_certificate_nobody_vouches_for_is_refused(tls, monkeypatch):
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    with raw_server(answer("{}"), tls) as server, client_of(server) as client:
        with pytest.raises(SourceError, match="certificate is not trusted: self-signed certificate"):
            client.get("/")
        assert server.heads == []


def test_a_certificate_of_an_own_authority_is_taken(certificate, tls, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    assert asked(answer('{"x": 1}'), tls).value == {"x": 1}


def test_a_certificate_for_another_host_is_refused(certificate, tls, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    with raw_server(answer("{}"), tls) as server:
        client = ApiClient(f"https://localhost:{server.port}", name="vercel", headers=HEADERS)
        with pytest.raises(SourceError, match="certificate is not trusted"):
            client.get("/")
        client.close()
        assert server.heads == []


def test_a_dripping_server_is_left_in_tls(certificate, tls, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    with raw_server(lambda connection: drip(server, connection, answer(b" " * 600 + b"{}")), tls) as server:
        client = ApiClient(server.url, name="vercel", headers=HEADERS, timeout=1.0)
        with pytest.raises(SourceError, match="no whole answer within 1 s"):
            client.get("/")
        client.close()


def test_authorities_that_cannot_be_read_are_told(tmp_path, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    client = ApiClient("https://gateway.example.com", name="vercel", headers=HEADERS)
    with pytest.raises(UserError, match="SSL_CERT_FILE"):
        client.get("/")
    client.close()


# -- live streams

STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n\r\n"


def test_a_live_stream_is_read_and_ends():
    def script(connection):
        connection.sendall(
            STREAM + b": hello\n\nevent: snapshot\ndata: {\ndata: }\nid: 1\n\ndata: plain\n\nevent: lost\n"
        )
        connection.shutdown(1)

    with raw_server(script) as server, client_of(server) as client:
        events = list(client.events("/v1/live", {"window": "7d"}))
    assert events == [("", ""), ("snapshot", "{\n}"), ("message", "plain")]
    assert server.heads[0].startswith("POST /v1/live ")
    assert server.bodies == [b'{"window": "7d"}']


def test_an_event_is_told_before_the_stream_ends():
    def script(connection):
        connection.sendall(STREAM + b"event: a\ndata: 1\n\n")
        server.wait(60)

    with raw_server(script) as server, client_of(server) as client:
        stream = client.events("/", {})
        assert next(stream) == ("a", "1")
        stream.close()
        server._script = lambda connection: connection.sendall(answer("{}"))
        assert client.get("/").value == {}


def test_a_live_stream_outlives_the_bound_of_an_answer():
    def script(connection):
        connection.sendall(STREAM)
        for number in range(8):
            server.wait(0.1)
            connection.sendall(b"data: %d\n\n" % number)
        connection.shutdown(1)

    with raw_server(script) as server, client_of(server, timeout=0.3) as client:
        assert [data for _, data in client.events("/", {})] == list("01234567")


@pytest.mark.parametrize("end", ["cancel", "close"])
def test_a_live_stream_is_broken_off_from_another_thread(end):
    def script(connection):
        connection.sendall(STREAM + b"data: 1\n\n")
        server.wait(60)

    with raw_server(script) as server, client_of(server) as client:
        stream = client.events("/", {})
        assert next(stream) == ("message", "1")
        threading.Timer(0.1, getattr(client, end)).start()
        with pytest.raises(SourceError, match="broken off"):
            next(stream)


def test_a_stream_left_standing_does_not_hold_up_closing():
    with raw_server(STREAM + b"data: 1\n\n") as server, client_of(server) as client:
        stream = client.events("/", {})
        next(stream)
        client.close()
        stream.close()


def test_a_broken_live_stream_is_an_error():
    def script(connection):
        connection.sendall(
            STREAM.replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n") + b"9\r\ndata: 1\n\n\r\n"
        )
        connection.shutdown(1)

    with raw_server(script) as server, client_of(server) as client:
        stream = client.events("/", {})
        assert next(stream) == ("message", "1")
        with pytest.raises(SourceError, match="broke off"):
            next(stream)


def test_an_event_is_bounded():
    def script(connection):
        connection.sendall(STREAM)
        for _ in range(1000):
            connection.sendall(b"data: " + b"x" * 2000 + b"\n")

    with raw_server(script) as server, client_of(server, max_bytes=50_000) as client:
        with pytest.raises(SourceError, match="larger than 48 KiB"):
            list(client.events("/", {}))
        assert client.statistics.bytes_read < 1_000_000


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        (answer("{}", 200, "Content-Type: application/json"), SourceError),
        (answer('{"detail": "no"}', 401), SourceDenied),
        (answer("", 404), SourceRefused),
        (answer("", 429, "Retry-After: 3"), SourceThrottled),
    ],
)
def test_what_is_not_a_live_stream(script, kind):
    with raw_server(script) as server, client_of(server) as client:
        with pytest.raises(kind) as caught:
            list(client.events("/", {}))
        assert type(caught.value) is kind


def test_events_are_the_same_however_they_are_cut():
    whole = (
        "\ufeff: c\r\n\r\nevent:näme\r\ndata:  a\r\ndata\r\n\r\nretry: 5\rdata: ü😀\r\rdata: x\n\r\n: k\r\nid: 3\n\n"
    ).encode()
    expected = [("", ""), ("näme", " a\n"), ("message", "ü😀"), ("message", "x"), ("", "")]
    assert EventParser(1000).feed(whole) == expected
    for size in (1, 2, 3, 5, 7):
        parser = EventParser(1000)
        pieces = [whole[place : place + size] for place in range(0, len(whole), size)]
        assert [event for piece in pieces for event in parser.feed(piece)] == expected
