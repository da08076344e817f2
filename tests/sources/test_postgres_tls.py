"""PostgreSQL by TLS: read right, and what is wrong with a certificate said in one line."""

from __future__ import annotations

from urllib.parse import quote

import psycopg
import pytest

from cost_top.model import native
from cost_top.model.errors import UserError
from cost_top.sources.sql.log import open_log
from support.reading import records
from support.tls_front import TlsFront, certificate


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    places = {"here": "IP:127.0.0.1", "other": "IP:127.0.0.1", "elsewhere": "DNS:db.example.com"}
    return {name: certificate(folder, name, names) for name, names in places.items()}


@pytest.fixture(scope="module")
def fronts(certificates, postgres_server):
    found = {name: TlsFront(certificates[name], postgres_server.port) for name in ("here", "elsewhere")}
    yield found
    for front in found.values():
        front.close()


@pytest.fixture(scope="module")
def log_url(postgres_url):
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(native.DDL)
        connection.execute(
            f"INSERT INTO {native.TABLE} (id, time_ms, cost_pico_usd) "
            "SELECT 'r' || n, 1800000000000 + n, n FROM generate_series(1, 3000) n"
        )
    return postgres_url


def through(log_url, port, mode, root=None):
    place, _, name = log_url.rpartition("/")
    trusted = f"&sslrootcert={quote(str(root), safe='')}" if root else ""
    return f"{place.rpartition(':')[0]}:{port}/{name}?sslmode={mode}{trusted}"


@pytest.mark.parametrize("mode", ["verify-full", "verify-ca", "require"])
def test_a_log_is_read_by_tls(log_url, fronts, certificates, mode):
    fronts["here"].encrypted.clear()
    found = records(open_log(through(log_url, fronts["here"].port, mode, certificates["here"])))
    assert (len(found), sum(row["reported_cost"] for row in found)) == (3000, 3000 * 3001 // 2)
    assert {text[:3] for text in fronts["here"].encrypted if text} == {"TLS"}


@pytest.mark.parametrize(
    ("front", "mode", "root", "words"),
    [
        ("here", "verify-full", "other", "certificate verify failed.*sslrootcert=FILE"),
        ("here", "verify-ca", "other", "certificate verify failed.*sslrootcert=FILE"),
        ("elsewhere", "verify-full", "elsewhere", 'certificate for "db.example.com".* not match host name "127.0.0.1"'),
        ("here", "verify-full", "absent", "root certificate file .* does not exist"),
        (None, "require", None, "server does not support SSL, but SSL was required"),
    ],
)
def test_what_is_wrong_with_tls_is_one_line_without_the_password(
    log_url, fronts, certificates, postgres_server, tmp_path, front, mode, root, words
):
    port = fronts[front].port if front else postgres_server.port
    trusted = certificates.get(root, tmp_path / "absent.pem") if root else None
    with pytest.raises(UserError, match=words) as raised:
        open_log(through(log_url, port, mode, trusted))
    told = str(raised.value)
    assert "\n" not in told
    assert len(told) < 350
    assert postgres_server.password not in told
