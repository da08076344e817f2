"""The files of kept days: private, whole or not there, and known by a hash of what they are and hold.

A name is `DAY.KIND.RATES.READING.HASH.SUFFIX`: what the file is of, which reading of the log it holds, and a hash over
that and its bytes. A damaged file, one of another day or one made by somebody else is none of ours.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb

from cost_top.mirror.held import is_in_use
from cost_top.mirror.schema import schema_version
from cost_top.model.files import ANSWERS, read_sealed, remove, replace_sealed
from cost_top.model.hashed_file import STATEMENTS, is_whole, put
from cost_top.sources.base import Lookup

_STALE = 7 * 86400  # seconds: files of other rates are kept this long for an instance that still uses them
_UNCOMPARED = 35 * 86400  # days that nobody holds against the log any more are not kept
_PLACE = "log.json"
_WHOLE = "whole.json"
# A quarter less work than with the defaults, in as many bytes: a dictionary of a column of ids is given up early. A
# group of rows is in memory until it is written.
_FORMAT = (
    "FORMAT parquet, PARQUET_VERSION v2, COMPRESSION zstd, COMPRESSION_LEVEL 1, DICTIONARY_SIZE_LIMIT 2000, "
    "ROW_GROUP_SIZE 40960"
)
SUMS, FEATURES, FACTS, HOT = ".sums", ".features", ".facts", ".hot"
HOURS, NARROW, LEARNED = ".hours", ".narrow", ".learned"
_SUFFIXES = (".parquet", SUMS, FEATURES, FACTS, HOT, HOURS, NARROW, LEARNED)
# Of these damage shows later: a day is read through when it is held against the log, integers have sums of their own.
_SHOWS_LATER = (".parquet", FACTS)
_RUN = 8  # days whose integers stand in one file


class KeptFiles:
    """One log's files in the user's cache folder."""

    def __init__(self, folder: Path, log: str, place: str, rates: str) -> None:
        """Make the folder. What another file or table of the log's name left is removed. Raises `OSError`.

        `log` begins the folder's name and those of the same log's for other columns, mappings or versions.
        """
        self.folder = folder
        self.rates = rates
        self._beside = f"{log}-*"
        self._is_noted = True
        self._listed: tuple[int, dict[str, list[str]]] = 0, {}  # when the folder had changed, and its files by day
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self._note(folder / _PLACE).get("place") != place:
            for path in folder.iterdir():
                if not path.name.startswith("."):  # of others at work
                    remove(path)
            replace_sealed(folder / _PLACE, {"place": place})
        self._whole = _stamps(self._note(folder / _WHOLE))  # by file name
        self._seen: dict[str, tuple[int, ...]] = {}  # the same, of what this process has read through
        self._prune()

    def find(self, name: str, suffix: str) -> Path | None:
        """The whole file of a name without its hash.

        One that was whole before and was not touched since is not read through, where damage shows later.
        """
        for path in self._of_name(name, suffix):
            known = self._whole if suffix in _SHOWS_LATER else self._seen
            found = stamp(path)
            if found is not None and known.get(path.name) == found:
                return path
            if is_whole(path):
                if found is not None and found == stamp(path):
                    known[path.name] = found
                    self._is_noted &= known is self._seen
                return path
        return None

    def _of_name(self, name: str, suffix: str) -> list[Path]:
        """The files of a name without its hash, whole or not. Of many days in a row the folder is listed once."""
        try:
            changed = self.folder.stat().st_mtime_ns
            if changed != self._listed[0]:
                days: dict[str, list[str]] = {}
                for each in os.listdir(self.folder):
                    days.setdefault(each.partition(".")[0], []).append(each)
                self._listed = changed, days
        except OSError:
            return []
        there = self._listed[1].get(name.partition(".")[0], ())
        return [self.folder / each for each in there if each.startswith(f"{name}.") and each.endswith(suffix)]

    def note_whole(self) -> None:
        """Note which files were found whole, for the next start."""
        if not self._is_noted:
            self._is_noted = True
            there = set(os.listdir(self.folder))
            with suppress(OSError):
                replace_sealed(
                    self.folder / _WHOLE, {name: found for name, found in self._whole.items() if name in there}
                )

    def has(self, name: str, suffix: str) -> bool:
        """Whether there is a file of a name without its hash, whole or not."""
        return any(self.folder.glob(f"{name}.*{suffix}"))

    def of_other_rates(self, name: str, suffix: str) -> Iterator[Path]:
        """Whole files of `DAY.KIND.{rates}.READING` for other rates, oldest first."""
        found = (path for path in self.folder.glob(f"{name.format(rates='*')}.*{suffix}"))
        yield from (path for path in sorted(found, key=_age) if is_whole(path))

    def write(self, connection: duckdb.DuckDBPyConnection, select: str, name: str, suffix: str) -> Path:
        """Keep a statement's rows under a name, whole or not at all; the file's path."""

        def fill(made: Path) -> None:
            connection.execute(f"COPY ({select}) TO {_literal(str(made))} ({_FORMAT})")
            made.chmod(0o600)

        return self.fill(fill, name, suffix)

    def write_bytes(self, data: bytes, name: str, suffix: str) -> Path:
        """Keep some bytes under a name, whole or not at all; the file's path."""
        return self.fill(lambda made: made.write_bytes(data), name, suffix)

    def all_of(self, suffix: str) -> list[Path]:
        """The files of a kind, oldest first."""
        return sorted(self.folder.glob(f"[!.]*{suffix}"), key=_age)

    def fill(self, fill: Callable[[Path], object], name: str, suffix: str) -> Path:
        """Keep what is written into a new file under a name, whole or not at all; the file's path."""
        made = put(self.folder, fill, name, suffix)
        self._listed = 0, {}  # the clock of the folder's changes is too coarse to tell
        return made

    def forget_others(self, day: date, reading: str) -> None:
        """Remove what is kept of other readings of a day: what the log no longer says is on no disk of ours.

        That of other columns, mappings and versions too, unless somebody is at work on it: he compares his days.
        """
        for path in (*self.folder.glob(f"{day}.*"), *self.folder.glob(f"{first_of_run(day)}.*{FACTS}")):
            if path.suffix in _SUFFIXES and path.name.split(".")[3:4] != [reading]:
                remove(path)
        for path in self.all_of(LEARNED):  # from this day, too, where it was learned later
            if path.name > str(day):
                remove(path)
        for beside in self.folder.parent.glob(self._beside):
            if beside != self.folder and not is_in_use(beside):
                for path in beside.glob(f"{day}.*"):
                    remove(path)

    def forget_hot(self) -> None:
        """Remove what is kept of hot ends and for reports: the log was written to since, or may have been."""
        for suffix in (HOT, NARROW):
            for path in self.folder.glob(f"[!.]*{suffix}"):
                remove(path)

    def note(self, day: date) -> dict[str, Any]:
        """What was noted of a day; empty where nothing usable was."""
        return self._note(self.folder / f"{day}.json")

    def write_note(self, day: date, note: dict[str, Any]) -> None:
        """Note something of a day."""
        replace_sealed(self.folder / f"{day}.json", note)

    def said(self, name: str) -> dict[str, Any]:
        """What was noted of the whole log under a name; empty where nothing usable was."""
        return self._note(self.folder / f"{name}.json")

    def say(self, name: str, note: dict[str, Any]) -> None:
        """Note something of the whole log. Raises `OSError`."""
        replace_sealed(self.folder / f"{name}.json", note)

    @staticmethod
    def _note(path: Path) -> dict[str, Any]:
        note = read_sealed(path)
        return note if isinstance(note, dict) else {}

    def _prune(self) -> None:
        now = datetime.now(UTC).timestamp()
        log = self.folder.name.split("-", 1)[0]
        for other in self.folder.parent.glob(f"{log}-*"):
            # Of another version of cost-top or of the mapping: nobody compares its days any more.
            if other != self.folder and other.is_dir() and now - _newest(other) > _STALE:
                shutil.rmtree(other, ignore_errors=True)
        for path in (path for suffix in _SUFFIXES for path in self.folder.glob(f"*{suffix}")):
            if self.rates not in path.name and now - _age(path) > _STALE:
                remove(path)
        for path in self.folder.glob("[!.]*-*-*.*"):
            # Written last of a day's files, and again when the day was compared.
            note = self.folder / f"{path.name.split('.', 1)[0]}.json"
            if now - (_age(note) or _age(path)) > _UNCOMPARED:
                remove(path)
        for path in self.folder.glob(".new-*"):
            if now - _age(path) > 3600:
                remove(path)


def first_of_run(day: date) -> date:
    """The first of the days whose integers stand in one file; its name begins with it."""
    return date.fromordinal(day.toordinal() // _RUN * _RUN)


def damaged(folder: Path) -> list[Path]:
    """The kept files below a cache folder that do not hold what was written."""
    files = [path for suffix in _SUFFIXES for path in folder.glob(f"*-{schema_version()}/[!.]*{suffix}")]
    files += folder.glob(f"{STATEMENTS}/[!.]*")
    wrong = [path for path in files if not is_whole(path)]
    for pattern in (f"*-{schema_version()}/[!.]*.json", *ANSWERS):
        wrong += [path for path in folder.glob(pattern) if read_sealed(path) is None]
    return sorted(path for path in wrong if os.path.lexists(path))


def stamp(path: Path) -> tuple[int, int, int] | None:
    """What changes when a file is written or replaced; None where it is gone."""
    try:
        here = path.stat()
    except OSError:
        return None
    return here.st_ino, here.st_size, here.st_mtime_ns


def _stamps(note: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    try:
        return {name: tuple(map(int, found)) for name, found in note.items()}
    except (TypeError, ValueError):
        return {}


def beside(lookups: Iterable[Lookup]) -> list[tuple[str, str, list[tuple[str, str]]]]:
    """The names beside a log that rows were read with, in one order, for `hash_of`."""
    return [(each.field, each.by, sorted(each.names.items())) for each in lookups]


def hash_of(*said: object) -> str:
    """A part of a file's name that is another where something else is said."""
    return hashlib.sha256(repr(said).encode("utf-8", "surrogateescape")).hexdigest()[:12]


def scan(path: Path) -> str:
    """The relation of one file."""
    return f"read_parquet({_literal(str(path))})"


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _newest(folder: Path) -> float:
    return max((_age(path) for path in folder.iterdir()), default=_age(folder))


def _age(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
