"""A log that was opened before: its statements are there, for as long as its tables and the mapping are the same."""

from __future__ import annotations

import json
import shutil
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from cost_top.gateways.mapping import LogStatements
from cost_top.gateways.texts import KeptTexts
from cost_top.mirror.kept import damaged
from cost_top.sources.sql.log import SqlLog, open_log
from support.reading import records

NOW = datetime.now(UTC)


@pytest.fixture
def opened(sqlite_log, tmp_path: Path) -> Callable[..., SqlLog]:
    """Opens a log of one request with a cache, again and again."""
    log = sqlite_log(wal=False)
    log.add(time_ms=int(NOW.timestamp() * 1000), provider="a", model="m", cost_pico_usd=7)

    def opening(**options: Any) -> SqlLog:
        source = open_log(str(log.path), cache=tmp_path / "cache", **options)
        assert isinstance(source, SqlLog)
        assert [row["reported_cost"] for row in records(source)] == [7]
        return source

    return opening


def is_kept(source: SqlLog) -> bool:
    """Whether a source was opened without compiling."""
    return isinstance(source.kept.texts, KeptTexts) and source._recognised is None


def kept_file(folder: Path) -> Path:
    (path,) = (folder / "cache" / "statements").iterdir()
    return path


def test_a_second_start_compiles_nothing(opened, tmp_path: Path) -> None:
    first, second = opened(), opened()
    assert (is_kept(first), is_kept(second)) == (False, True)
    assert kept_file(tmp_path).stat().st_mode & 0o777 == 0o600
    same = ("label", "identity", "place", "preset", "overlap", "costly", "untold", "rows_unique", "indexed", "notes")
    assert [getattr(first, name) for name in same] == [getattr(second, name) for name in same]
    assert second.facts == first.facts
    # What is not kept is compiled when it is asked for.
    assert second.columns.mapped == first.columns.mapped


def test_readers_that_ask_at_once_have_a_statement_compiled_once(opened) -> None:
    """Two that compiled what columns share ended the process."""
    statements, made = LogStatements(opened().columns), []
    both = threading.Barrier(2)
    make = statements._makers["rows True"]

    def making() -> str | None:
        made.append(threading.get_ident())
        with suppress(threading.BrokenBarrierError):
            both.wait(0.1)  # for one that must not come
        return make()

    statements._makers["rows True"] = making
    with ThreadPoolExecutor(2) as readers:
        one, other = readers.map(statements.head, ["rows True"] * 2)
    assert one == other
    assert len(made) == 1


def test_another_table_is_compiled_anew(opened, tmp_path: Path) -> None:
    opened()
    assert is_kept(opened())
    with sqlite3.connect(tmp_path / "gateway.db") as connection:
        connection.execute("ALTER TABLE cost_top_requests RENAME COLUMN team TO other")
    changed = opened()
    assert not is_kept(changed)
    assert "team" in changed.facts.missing
    assert is_kept(opened())


def test_another_mapping_is_compiled_anew(opened, tmp_path: Path) -> None:
    opened()
    mapping = tmp_path / "own.toml"
    mapping.write_text((files("cost_top.gateways") / "presets" / "cost-top.toml").read_text())
    assert not is_kept(opened(mapping=mapping))
    assert is_kept(opened(mapping=mapping))
    mapping.write_text(mapping.read_text() + "# another text\n")
    assert not is_kept(opened(mapping=mapping))


@pytest.mark.parametrize("harm", ["flipped", "cut off", "foreign"])
def test_a_damaged_file_is_told_and_made_anew(opened, tmp_path: Path, harm: str) -> None:
    opened()
    path = kept_file(tmp_path)
    data = path.read_bytes()
    if harm == "flipped":
        path.write_bytes(data.replace(b"cost_pico_usd", b"input_tokens", 1))
    elif harm == "cut off":
        path.write_bytes(data[:100])
    else:  # well made, of another name
        name, _, rest = path.name.partition(".")
        path.rename(path.with_name(f"{name[::-1]}.{rest}"))
        shutil.copy(path.with_name(f"{name[::-1]}.{rest}"), path)
        path.write_text(json.dumps({**json.loads(data), "heads": {}}))
    assert path in damaged(tmp_path / "cache")
    assert not is_kept(opened())
    assert is_kept(opened())


def test_another_version_is_ignored(opened, monkeypatch) -> None:
    opened()
    monkeypatch.setattr("cost_top.sources.sql.kept_log.code_hash", lambda *_: "another")
    assert not is_kept(opened())
    assert is_kept(opened())
