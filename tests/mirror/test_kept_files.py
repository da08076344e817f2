"""Files of kept days: a damaged or foreign one is none, and the day is read from the log again."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from cost_top.mirror import kept as kept_module
from cost_top.mirror.days import Rung
from cost_top.mirror.held import HeldFiles
from cost_top.mirror.kept import KeptFiles, damaged
from cost_top.mirror.schema import schema_version
from cost_top.model import code
from cost_top.model.hashed_file import is_whole
from cost_top.model.query import ReportQuery
from cost_top.model.windows import Period
from cost_top.monitor.log.once import read_period
from cost_top.pricing.book import RateBook
from cost_top.sources.sql.log import open_log
from support.followed import Followed

DAYS = range(3, 9)


@pytest.fixture
def kept(sqlite_log, tmp_path: Path):
    """A log of 1 + 2 + … dollars a day whose days are kept."""
    log = sqlite_log()
    now = datetime.now(UTC)
    for day in DAYS:
        log.add(
            time_ms=int((now - timedelta(days=day)).timestamp() * 1000), model=f"m{day}", user_id=f"u{day}",
            cost_pico_usd=day, input_tokens=day,
        )  # fmt: skip
    total(log.path, tmp_path)
    return log


def total(path: Path, folder: Path) -> tuple[int, list[str]]:
    now = datetime.now(UTC)
    period = Period(now - timedelta(days=20), now)
    mirror = read_period(open_log(str(path)), RateBook.load(None), folder / "cache", period)
    try:
        report = mirror.report(ReportQuery(period.start, period.end, group_by=("user",)), now)
        return report.totals.total_cost, sorted(str(row.key[0]) for row in report.rows)
    finally:
        mirror.close()


RIGHT = (sum(DAYS), sorted(f"u{day}" for day in DAYS))


def files(folder: Path, suffix: str = "parquet") -> list[Path]:
    return sorted((folder / "cache").rglob(f"*.{suffix}"))


@pytest.mark.parametrize("place", [0, 1, 7, 40, 100, 300, 600, 900, -60, -9, -1])
def test_one_flipped_byte_anywhere_changes_no_figure(kept, tmp_path: Path, place: int) -> None:
    path = files(tmp_path)[2]
    held = bytearray(path.read_bytes())
    held[place] ^= 0xFF
    path.write_bytes(bytes(held))
    assert damaged(tmp_path / "cache") == [path]
    assert total(kept.path, tmp_path) == RIGHT
    assert damaged(tmp_path / "cache") == []


def test_a_file_of_another_day_or_maker_is_none(kept, tmp_path: Path) -> None:
    first, second, third, *_ = files(tmp_path)
    swapped = first.read_bytes()
    shutil.copy(second, first)
    second.write_bytes(swapped)
    duckdb.sql(f"COPY (SELECT * REPLACE (cost + 7 AS cost) FROM read_parquet('{third}')) TO '{third}.new'")
    Path(f"{third}.new").replace(third)
    assert total(kept.path, tmp_path) == RIGHT


def test_a_kept_day_under_anothers_name_is_none(kept, tmp_path: Path) -> None:
    first, second, *_ = files(tmp_path)
    day = second.name.split(".", 1)[0]
    first.rename(first.with_name(first.name.replace(first.name.split(".", 1)[0], day)))
    second.unlink()
    assert total(kept.path, tmp_path) == RIGHT


@pytest.mark.parametrize("text", ["", "{", "[]", '{"row_count": "x"}', "null", "[" * 200_000, "SEALED"])
def test_a_damaged_note_is_none(kept, tmp_path: Path, text: str) -> None:
    for path in files(tmp_path, "json"):
        # A time without its zone, in a note that is JSON as it should be.
        path.write_text(path.read_text().replace("+00:00", "") if text == "SEALED" else text)
    assert total(kept.path, tmp_path) == RIGHT


@pytest.mark.parametrize("thing", ["folder", "pipe", "link to a device", "link to nothing"])
@pytest.mark.parametrize("suffix", ["json", "parquet"])
def test_what_stands_in_a_file_s_place_is_no_file_and_gives_way(kept, tmp_path: Path, thing: str, suffix: str) -> None:
    paths = files(tmp_path, suffix)
    for path in paths:
        path.unlink()
        if thing == "folder":
            path.mkdir()
            (path / "x").write_text("x")
        elif thing == "pipe":
            os.mkfifo(path)
        else:
            path.symlink_to("/dev/zero" if "device" in thing else tmp_path / "nothing")
    assert damaged(tmp_path / "cache") == paths
    assert total(kept.path, tmp_path) == RIGHT
    assert damaged(tmp_path / "cache") == []
    assert all(path.is_file() and not path.is_symlink() for path in files(tmp_path, suffix))


@pytest.mark.parametrize("damage", ["flipped", "gone", "other columns"])
def test_a_file_damaged_while_it_is_served_is_read_again(kept, tmp_path: Path, damage: str) -> None:
    watched = Followed(open_log(str(kept.path)), tmp_path / "cache")
    try:
        path = files(tmp_path)[2]
        if damage == "flipped":
            held = bytearray(path.read_bytes())
            held[len(held) // 2] ^= 0xFF
            path.write_bytes(bytes(held))
        elif damage == "gone":
            path.unlink()
        else:
            duckdb.sql(f"COPY (SELECT 1 AS id) TO '{path}' (FORMAT parquet)")
        watched.run(6.0)  # a question before would be answered once the day is read again
        assert watched.differences() == []
    finally:
        watched.close()


def kept_files(folder: Path) -> KeptFiles:
    return KeptFiles(folder, "log", "place", "rates")


def test_a_file_that_was_whole_is_read_through_again_only_where_it_was_touched(tmp_path: Path, monkeypatch) -> None:
    first = kept_files(tmp_path)
    path = first.write_bytes(b"of a day", "2026-01-01.plain", ".parquet")
    assert first.find("2026-01-01.plain", ".parquet") == path
    first.note_whole()
    looked: list[Path] = []
    monkeypatch.setattr(kept_module, "is_whole", lambda path: looked.append(path) or is_whole(path))
    assert kept_files(tmp_path).find("2026-01-01.plain", ".parquet") == path
    assert not looked
    path.write_bytes(b"of a dog")
    os.utime(path, (touched := path.stat().st_mtime + 1, touched))
    assert kept_files(tmp_path).find("2026-01-01.plain", ".parquet") is None
    assert looked == [path]


@pytest.mark.parametrize("suffix", [".sums", ".features", ".hot"])
def test_what_is_never_held_against_the_log_is_read_through_each_time(tmp_path: Path, suffix: str) -> None:
    first = kept_files(tmp_path)
    path = first.write_bytes(b"of a day", "2026-01-01.plain", suffix)
    assert first.find("2026-01-01.plain", suffix) == path
    first.note_whole()
    there = path.stat()
    path.write_bytes(b"of a dog")
    os.utime(path, ns=(there.st_atime_ns, there.st_mtime_ns))
    assert kept_files(tmp_path).find("2026-01-01.plain", suffix) is None


def test_a_day_is_read_through_when_it_is_held_against_the_log(kept, tmp_path: Path) -> None:
    source = open_log(str(kept.path))
    watched = Followed(source, tmp_path / "cache")
    try:
        mirror = watched.history.mirror
        day = next(day for day in mirror.closed.values() if day.row_count)
        assert day.path is not None
        there, held = day.path.stat(), bytearray(day.path.read_bytes())
        held[40] ^= 0xFF
        day.path.write_bytes(bytes(held))
        os.utime(day.path, ns=(there.st_atime_ns, there.st_mtime_ns))
        cursor, reader = mirror.database.cursor(), source.connect()
        again, anew = mirror.days.compare(cursor, reader, day, Rung.ALL, doubting=False)
        assert anew
        assert again.path is not None
        assert is_whole(again.path)
        assert not mirror.days.compare(cursor, reader, again, Rung.ALL, doubting=False)[1]
        reader.close()
    finally:
        watched.close()


def test_another_file_under_the_name_leaves_nothing_of_the_former(kept, tmp_path: Path) -> None:
    before = files(tmp_path)
    path = kept.path
    kept.close()
    moved = path.with_name("other.db")
    shutil.copy(path, moved)
    moved.replace(path)
    assert total(path, tmp_path) == RIGHT
    assert all(old.stat().st_mtime_ns > 0 for old in files(tmp_path))
    assert {old.name for old in before} == {new.name for new in files(tmp_path)}, "the same rows, read anew"


def test_what_former_versions_kept_is_no_damage_and_goes_in_time(kept, tmp_path: Path) -> None:
    (folder,) = {path.parent for path in files(tmp_path)}
    former = folder.with_name(folder.name.rsplit("-", 2)[0] + "-1")
    former.mkdir()
    (former / "2026-11-01.details.0123456789ab.parquet").write_bytes(b"PAR1")
    assert damaged(tmp_path / "cache") == []
    assert total(kept.path, tmp_path) == RIGHT
    assert former.exists()
    # And what a process that was killed left of a day that nobody asks for any more.
    orphan = folder / "2020-01-01.details.0123456789ab.0123456789ab.0123456789abcdef.parquet"
    orphan.write_bytes(b"PAR1")
    os.utime(orphan, (1_000_000_000, 1_000_000_000))
    for path in (former / "2026-11-01.details.0123456789ab.parquet", former):
        os.utime(path, (1_000_000_000, 1_000_000_000))
    total(kept.path, tmp_path)
    assert not former.exists()
    assert not orphan.exists()


def test_what_is_kept_under_other_columns_forgets_as_well(kept, tmp_path: Path) -> None:
    (former,) = {path.parent for path in files(tmp_path)}
    kept.run("UPDATE cost_top_requests SET user_id = 'nobody'")
    kept.run("ALTER TABLE cost_top_requests DROP COLUMN region")
    working = HeldFiles(former)
    assert total(kept.path, tmp_path) == (RIGHT[0], ["nobody"])
    assert len(files(tmp_path)) > len({path.name.split(".", 1)[0] for path in files(tmp_path)}), "of one at work"
    working.close()
    kept.run("UPDATE cost_top_requests SET user_id = 'x'")
    total(kept.path, tmp_path)
    users = {user for path in files(tmp_path) for (user,) in duckdb.sql(f"SELECT \"user\" FROM '{path}'").fetchall()}
    assert users == {"x"}


def test_days_that_other_code_has_made_are_read_again(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(code, "_ROOT", tmp_path)
    (tmp_path / "pricing").mkdir()
    (tmp_path / "pricing" / "cost.py").write_text("PER = 1_000_000\n")
    hashes = set()
    for text in ("PER = 1_000_000\n", "PER = 1_000\n"):
        (tmp_path / "pricing" / "cost.py").write_text(text)
        code.code_hash.cache_clear()
        hashes.add(schema_version())
    code.code_hash.cache_clear()
    assert len(hashes) == 2
