"""Servers and logs for every test: real ones, started here."""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

sys.path.insert(0, str(Path(__file__).parent))  # tests/support

from support.left_open import name_who_opened
from support.native_log import NativeLog
from support.required import REQUIRED, absent

# Programs of their own: one runs in the environment of the LiteLLM proxy alone.
collect_ignore = ["support/litellm_proxy_app.py", "support/chdb_http.py"]

# The same examples each time, however busy the machine is: what fails, fails again.
settings.register_profile("suite", derandomize=True, deadline=None)
settings.load_profile("suite")
name_who_opened()

# Nothing outside is asked, and the machine's hundreds of authorities take 30 ms to read, in each client and process.
os.environ["SSL_CERT_FILE"] = str(Path(__file__).parent / "support" / "authority.pem")

# What a program writes is buffered as at home: what must be read at once is flushed by it, or fails here.
os.environ.pop("PYTHONUNBUFFERED", None)

# What is collected stays to the end: looking it over for garbage, again and again, takes seconds.
gc.disable()


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


# A run in the background ignores these, and so would every process that it starts.
for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, usual)


@pytest.fixture
def sqlite_log(tmp_path: Path) -> Iterator[Callable[..., NativeLog]]:
    """Makes native logs in SQLite files: `sqlite_log()`, `sqlite_log("other.db", wal=False)`."""
    made: list[NativeLog] = []

    def make(name: str = "gateway.db", wal: bool = True) -> NativeLog:
        made.append(NativeLog(tmp_path / name, wal))
        return made[-1]

    yield make
    for log in made:
        log.close()


@pytest.fixture(scope="session")
def postgres_server():
    """A PostgreSQL of our own (`support.postgres_server.PostgresServer`)."""
    pytest.importorskip("psycopg") if not REQUIRED else None
    from support.postgres_server import NoServer, PostgresServer

    try:
        server = PostgresServer()
    except NoServer as error:
        absent(f"no PostgreSQL: {error}")
    yield server
    server.close()


@pytest.fixture(scope="module")
def postgres_url(postgres_server) -> Iterator[str]:
    """The superuser's URL of an empty database that the test module has for itself."""
    name = postgres_server.create_database()
    yield postgres_server.url(name)
    postgres_server.drop_database(name)


@pytest.fixture(scope="session")
def mariadb_server():
    """A MariaDB of our own (`support.mariadb_server.MariadbServer`)."""
    pytest.importorskip("pymysql") if not REQUIRED else None
    from support.mariadb_server import MariadbServer, NoServer

    try:
        server = MariadbServer()
    except NoServer as error:
        absent(f"no MariaDB: {error}")
    yield server
    server.close()


@pytest.fixture(scope="session")
def clickhouse_server():
    """ClickHouse's engine behind its HTTP interface (`support.clickhouse_server.ClickhouseServer`)."""
    from support.clickhouse_server import ClickhouseServer, NoServer

    try:
        server = ClickhouseServer()
    except NoServer as error:
        absent(f"no ClickHouse: {error}")
    yield server
    server.close()


@pytest.fixture(scope="session")
def litellm_template(postgres_server) -> str:
    """A database with LiteLLM's schema, to be copied."""
    from support.litellm_log import migrate

    name = postgres_server.create_database()
    try:
        migrate(postgres_server.url(name))
    except (LookupError, ImportError) as error:
        absent(str(error))
    return name


@pytest.fixture(scope="module")
def litellm_url(postgres_server, litellm_template) -> Iterator[str]:
    """The superuser's URL of a database with LiteLLM's schema that the test module has for itself."""
    name = postgres_server.create_database(litellm_template)
    yield postgres_server.url(name)
    postgres_server.drop_database(name)
