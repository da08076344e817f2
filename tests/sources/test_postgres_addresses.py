"""PostgreSQL addressed as libpq addresses it: by socket, by service, with PG* and .pgpass; every session read-only."""

from __future__ import annotations

from urllib.parse import urlsplit

import psycopg
import pytest

from cost_top.model import native
from cost_top.model.errors import UserError
from cost_top.sources.sql.log import open_log
from support.reading import records


@pytest.fixture(scope="module")
def log_url(postgres_url):
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(native.DDL)
        connection.execute(f"INSERT INTO {native.TABLE} (id, time_ms, model) VALUES ('a', 1800000000000, 'gpt-5-mini')")
    return postgres_url


@pytest.fixture
def parts(log_url, monkeypatch):
    for name in ("PGHOST", "PGPORT", "PGUSER", "PGPASSWORD", "PGDATABASE", "PGSERVICE"):
        monkeypatch.delenv(name, raising=False)
    return urlsplit(log_url)


def read(url):
    source = open_log(url)
    with source.connect() as reader:
        assert source.database.read_only(reader.session)
    return [row["id"] for row in records(source)]


def test_by_socket_with_the_environments_user_and_password(parts, postgres_server, monkeypatch):
    monkeypatch.setenv("PGUSER", parts.username)
    monkeypatch.setenv("PGPASSWORD", parts.password)
    assert read(f"postgresql://{parts.path}?host={postgres_server.home}&port={parts.port}") == ["a"]
    monkeypatch.setenv("PGHOST", str(postgres_server.home))
    monkeypatch.setenv("PGPORT", str(parts.port))
    assert read(f"postgresql://{parts.path}") == ["a"]


def test_by_service_with_a_password_file(parts, tmp_path, monkeypatch):
    services = tmp_path / "services"
    services.write_text(
        f"[spend]\nhost=127.0.0.1\nport={parts.port}\nuser={parts.username}\ndbname={parts.path.lstrip('/')}\n"
    )
    passwords = tmp_path / "pgpass"
    passwords.write_text(f"127.0.0.1:{parts.port}:*:{parts.username}:{parts.password}\n")
    passwords.chmod(0o600)
    monkeypatch.setenv("PGSERVICEFILE", str(services))
    monkeypatch.setenv("PGPASSFILE", str(passwords))
    assert read("postgresql://?service=spend") == ["a"]
    assert read("postgresql:///?service=spend") == ["a"]


def test_several_hosts_are_tried_in_turn(log_url, parts):
    here = f"127.0.0.1:{parts.port}"
    assert read(log_url.replace(here, f"127.0.0.1:1,{here}")) == ["a"]
    with pytest.raises(UserError, match="the URL cannot be read"):
        open_log(log_url.replace(here, f"127.0.0.1:port,{here}"))


def test_a_schema_without_a_log_is_named(log_url):
    with pytest.raises(UserError, match=r"knows in the schema LiteLLM \(looked for .*give another \?schema=NAME"):
        open_log(f"{log_url}?schema=LiteLLM")


def test_a_driver_in_the_scheme_is_no_matter(log_url):
    assert read(log_url.replace("postgresql://", "postgresql+psycopg2://")) == ["a"]
    assert read(log_url.replace("postgresql://", "postgres://")) == ["a"]
