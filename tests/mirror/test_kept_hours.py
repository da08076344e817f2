"""The hours of the hot end that a follower kept: the next one reads what came since, and is never wrong for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cost_top.mirror.kept import HOURS, damaged
from cost_top.mirror.kept_hours import keep_hours, kept_hours
from cost_top.mirror.tail import Tail
from cost_top.sources.base import Lookup
from cost_top.sources.sql.log import open_log
from support.followed import Followed
from support.scratch import scratch

# Long enough after midnight for hours to be kept, whenever the test runs.
NOW = (datetime.now(UTC) - timedelta(days=3)).replace(hour=13, minute=30, second=0, microsecond=0)
ROWS = 26  # one an hour, and one more in the hour that is not over


class Kept:
    """A log that is followed, left and followed again."""

    def __init__(self, log: Any, folder: Path) -> None:
        self.log, self.folder = log, folder
        for number in range(ROWS):
            self.add(f"r{number}", NOW - timedelta(hours=number, minutes=1))
        self.add("newest", NOW - timedelta(seconds=5))

    def add(self, name: str, moment: datetime) -> None:
        self.log.add(
            id=name, time_ms=int(moment.timestamp() * 1000), provider="a", model="m", token="k", token_name="key",
            tags='["prod"]', input_tokens=100, output_tokens=len(name), cost_pico_usd=10**9 + len(name),
        )  # fmt: skip

    @contextmanager
    def followed(self, now: datetime = NOW) -> Iterator[Followed]:
        followed = Followed(open_log(str(self.log.path)), self.folder, now)
        try:
            yield followed
        finally:
            followed.close()

    @property
    def files(self) -> list[Path]:
        return sorted(self.folder.glob("*/[!.]*.hours"))


@pytest.fixture
def kept(sqlite_log: Any, tmp_path: Path) -> Kept:
    made = Kept(sqlite_log(), tmp_path / "cache")
    with made.followed() as followed:
        followed.run(2)
    assert len(made.files) == 1
    return made


@pytest.fixture
def filled(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many rows each piece of a hot end held that was read."""
    counts: list[int] = []
    fill = Tail.fill

    def counted(tail: Tail, start: datetime, end: datetime | None) -> int:
        counts.append(fill(tail, start, end))
        return counts[-1]

    monkeypatch.setattr(Tail, "fill", counted)
    return counts


def test_the_next_start_reads_what_came_since(kept: Kept, filled: list[int]) -> None:
    (path,) = kept.files
    assert path.name.startswith(f"{NOW.date()}.until-13.")
    assert path.stat().st_mode & 0o777 == 0o600
    kept.add("since", NOW + timedelta(hours=2))
    with kept.followed(NOW + timedelta(hours=2, minutes=1)) as followed:
        assert followed.differences() == []
        # The last hours, and those between them and what was kept.
        assert sum(filled) == 3
        followed.run(2)
        assert [other.name.split(".")[1] for other in kept.files] == ["until-15"]


def test_hours_that_did_not_end_since_are_read_nevertheless(kept: Kept, filled: list[int]) -> None:
    with kept.followed() as followed:
        assert followed.differences() == []
        assert sum(filled) == 3  # from twelve o'clock on


@pytest.mark.parametrize("change", ["late", "value", "gone", "two that make up for each other"])
def test_what_changed_meanwhile_is_read_again(kept: Kept, filled: list[int], change: str) -> None:
    if change == "late":
        kept.add("late", NOW - timedelta(hours=6))
    elif change == "value":
        kept.log.run("UPDATE cost_top_requests SET model = 'other' WHERE id = 'r5'")
    elif change == "gone":
        kept.log.run("DELETE FROM cost_top_requests WHERE id = 'r5'")
    else:
        kept.log.run("UPDATE cost_top_requests SET input_tokens = 99 WHERE id = 'r5'")
        kept.log.run("UPDATE cost_top_requests SET input_tokens = 101 WHERE id = 'r6'")
    before = kept.files
    with kept.followed() as followed:
        assert followed.differences() == []
        assert sum(filled) >= 14
        assert not set(before) & set(kept.files)


@pytest.mark.parametrize("harm", ["cut off", "gone"])
def test_a_damaged_file_is_told_and_read_again(kept: Kept, harm: str) -> None:
    (path,) = kept.files
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    assert damaged(kept.folder) == [path]
    if harm == "gone":
        path.unlink()
    with kept.followed() as followed:
        assert followed.differences() == []


def test_a_file_of_other_costs_is_none_though_its_rows_are_the_log_s(kept: Kept) -> None:
    (path,) = kept.files
    with scratch() as duck:
        rows = f"SELECT * REPLACE (cost + 1 AS cost) FROM read_parquet('{path}')"
        duck.execute(f"COPY ({rows}) TO '{path}.new' (FORMAT parquet)")
    path.with_name(f"{path.name}.new").replace(path)
    with kept.followed() as followed:
        assert followed.differences() == []


def test_what_was_read_with_other_names_beside_the_log_is_not_taken(kept: Kept) -> None:
    midnight = NOW.replace(hour=0, minute=0, tzinfo=None)
    with kept.followed() as followed:
        mirror = followed.history.mirror
        found = kept_hours(mirror, midnight)
        assert found is not None
        files, name = mirror.days.files, found.path.name.rsplit(".", 2)[0]
        assert files is not None
        files.write(mirror.database.connection, "SELECT 1 AS one", name.replace("until-13", "until-12"), HOURS)
        assert kept_hours(mirror, midnight) == found, "what goes further is taken"
        mirror.database.set_lookups((Lookup("provider", "provider", {"a": "alpha"}),))
        assert kept_hours(mirror, midnight) is None


def test_the_names_that_kept_rows_say_are_known(kept: Kept) -> None:
    until = NOW.replace(hour=13, minute=0, tzinfo=None)
    with kept.followed() as followed:
        mirror = followed.history.mirror
        mirror.database.connection.execute(f"UPDATE {mirror.hot.table} SET team = 't1', team_name = 'Team'")
        keep_hours(mirror, until)
    with kept.followed() as followed:
        assert followed.history.mirror.database.names.label("team", "t1") == "Team"


def test_a_folder_in_the_place_of_a_file_ends_nothing(kept: Kept) -> None:
    (path,) = kept.files
    (path.with_name(f"{path.name}.hours") / "deeper").mkdir(parents=True)
    kept.log.run("UPDATE cost_top_requests SET model = 'other' WHERE id = 'r5'")
    with kept.followed() as followed:
        assert followed.differences() == []
    assert path not in kept.files


def test_what_the_log_no_longer_says_is_on_no_disk(kept: Kept) -> None:
    with kept.followed() as followed:
        assert kept.files
        kept.add("new", NOW + timedelta(seconds=1))
        followed.run(60)
        assert kept.files  # it has what it had of those hours
        kept.log.run("UPDATE cost_top_requests SET token = 'unnamed' WHERE id = 'r4'")
        followed.run(60)
        assert followed.differences() == []
        assert not kept.files
