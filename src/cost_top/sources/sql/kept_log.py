"""A log as it was recognised and compiled before, for as long as its tables and our mappings are the same.

Compiling takes half a second of a start. What is kept is private to the user, of one version of cost-top and of its
mappings, and is used only while the database's catalog says of the tables what it said then.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from time import time
from typing import TYPE_CHECKING, Any

from cost_top.gateways.detect import FoundTable, UniqueKey
from cost_top.gateways.instants import TimeText
from cost_top.gateways.shape import RawShape
from cost_top.gateways.texts import HEADS, KeptTexts, LogFacts, LogTexts
from cost_top.model.code import FIGURES, code_hash
from cost_top.model.errors import UserError
from cost_top.model.files import private_folder
from cost_top.model.hashed_file import STATEMENTS, find_whole, put
from cost_top.model.secret import RULES
from cost_top.sources.sql.name_texts import NameText
from cost_top.sources.sql.session import Database, Session

if TYPE_CHECKING:
    from cost_top.sources.sql.recognition import Recognised

_SUFFIX = ".texts"
_STALE = 35 * 86400  # seconds: of another version of cost-top, or of a log that nobody looks at
_VERSION = 2


@dataclass(frozen=True, slots=True)
class KeptLog:
    """All that following a log needs: what is known of it, its statements, and those of the names beside it."""

    facts: LogFacts
    texts: LogTexts
    names: tuple[NameText, ...]
    names_database: Database | None  # where the names are, if not beside the log
    notes: tuple[str, ...]  # of other tables that it might have been

    @classmethod
    def of(cls, found: Recognised, database: Database) -> KeptLog:
        """What was just compiled."""
        names = found.names
        beside = names.database if names.database is not database else None
        return cls(found.statements.facts, found.statements, names.texts, beside, found.notes)


def kept_logs(folder: Path, database: Database, said: str) -> KeptLogs | None:
    """What is kept of a database's log; None where nothing can be. `said` is what a user said of its mapping."""
    place = folder / STATEMENTS
    try:
        private_folder(place, folder)
    except (OSError, UserError):
        return None
    told = f"{_VERSION}|{code_hash(*FIGURES)}|{RULES}|{database.name}|{database.identity}|{said}"
    return KeptLogs(place, database, sha256(told.encode("utf-8", "surrogateescape")).hexdigest()[:24])


class KeptLogs:
    """The file of one log."""

    def __init__(self, folder: Path, database: Database, name: str) -> None:
        self._folder = folder
        self._database = database
        self._name = name

    def find(self, session: Session) -> KeptLog | None:
        """The log, if its tables are what they were. Raises `SourceError`."""
        path = find_whole(self._folder, self._name, _SUFFIX)
        if path is None:
            return None
        try:
            kept = json.loads(path.read_text("utf-8"))
            facts = _facts(kept["facts"])
            names = tuple(NameText(**each) for each in kept["names"])
            texts = KeptTexts(self._database.name, kept["heads"], TimeText(*kept["time"]), kept["conditions"])
            wanted, setting, catalog = set(kept["wanted"]), kept["setting"], kept["catalog"]
        except (OSError, ValueError, KeyError, TypeError):
            return None
        database = self._database
        tables = database.tables(session, wanted)
        keys = database.keys(session, facts.schema, facts.table)
        if self._catalog(session, tables, keys, setting) != catalog:
            return None
        return KeptLog(facts, texts, names, None, ())

    def keep(self, session: Session, found: Recognised) -> None:
        """Write what was compiled, where the catalog alone decided it; without a place for it, it is compiled again."""
        texts = found.statements.kept()
        if texts is None or not found.is_only:
            return
        facts, moment = found.statements.facts, found.statements.columns.time_text
        kept = {
            "facts": {**asdict(facts), "overlap": facts.overlap.total_seconds()},
            "names": [asdict(each) for each in found.names.texts],
            "heads": {name: head for name in HEADS if (head := texts.head(name)) is not None},
            "time": [moment.value, moment.declared, moment.unit], "conditions": texts.conditions(),
            "wanted": sorted(found.wanted), "setting": found.setting,
            "catalog": self._catalog(session, found.tables, found.keys, found.setting),
        }  # fmt: skip
        data = json.dumps(kept).encode()
        with suppress(OSError):
            made = put(self._folder, lambda path: path.write_bytes(data), self._name, _SUFFIX)
            for other in self._folder.iterdir():
                if other != made and (other.name.startswith(self._name) or time() - other.stat().st_mtime > _STALE):
                    other.unlink(missing_ok=True)

    def _catalog(
        self, session: Session, tables: Iterable[FoundTable], keys: Iterable[UniqueKey], setting: Any
    ) -> str:  # fmt: skip
        """What decides which log it is and how it is read, as the database has it now."""
        found = sorted((table.schema or "", table.name, list(table.columns.items())) for table in tables)
        unique = [(key.columns, key.nullable) for key in keys]
        set_to = session.values(*setting) if setting else []
        told = repr((self._database.traits(session), found, unique, set_to))
        return sha256(told.encode("utf-8", "surrogateescape")).hexdigest()


def _facts(kept: dict[str, Any]) -> LogFacts:
    shape = RawShape(**{name: _tuples(value) for name, value in kept["shape"].items()})
    told = {name: _tuples(value) for name, value in kept.items()}
    return LogFacts(**{**told, "shape": shape, "overlap": timedelta(seconds=kept["overlap"])})


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
