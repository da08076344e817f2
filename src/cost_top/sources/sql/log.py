"""A request log in an SQL database: found and recognised."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from cost_top.model.errors import SourceError, UserError
from cost_top.sources.base import LogSource, Statistics
from cost_top.sources.sql.databases import database_at
from cost_top.sources.sql.kept_log import KeptLog, kept_logs
from cost_top.sources.sql.reader import FoundLog, SqlLog, SqlLogReader
from cost_top.sources.sql.session import NOTHING_WITHHELD, Database, Session

if TYPE_CHECKING:
    from cost_top.sources.sql.recognition import Choice, Recognised

__all__ = ["FoundLog", "SqlLog", "SqlLogReader", "open_log", "recognised_log"]


def open_log(
    location: str, mapping: Path | str | None = None, *, names_url: str | None = None, statement_timeout: float = 60.0,
    cache: Path | None = None,
) -> LogSource:  # fmt: skip
    """Find and recognise the log at a database URL or a SQLite file's path.

    `mapping` is a mapping file, or the name of a built-in preset where a database holds several logs.
    `names_url` is the database that holds the gateway's names and settings where that is another one.
    `statement_timeout` is in seconds; in `cache` statements are kept for the next start. Raises `UserError` for
    everything a user can mend; nothing is retried.
    """
    beside = database_at(names_url, statement_timeout) if names_url else None
    database = database_at(location, statement_timeout)
    said = _said(mapping) if cache else ""
    return recognised_log(database, lambda: _choice(mapping), mapping is not None, beside, cache, said)


def recognised_log(
    database: Database, choice: Callable[[], Choice], chosen: bool, beside: Database | None = None,
    cache: Path | None = None, said: str = "",
) -> SqlLog:  # fmt: skip
    """The one log of a choice of presets in a database; `chosen` when a user named the preset. Raises `UserError`.

    What is kept in `cache` goes by `said`, whatever a user said of the presets.
    """
    kept = kept_logs(cache, database, said) if cache is not None and beside is None else None
    session = Session(database, Statistics())

    def compiled(given: Session | None = None) -> Recognised:
        from cost_top.sources.sql.recognition import recognised

        opened = given or Session(database, Statistics())
        try:
            return recognised(database, opened, choice(), beside, chosen)
        finally:
            if opened is not given:
                opened.close()

    try:
        session.open()
        log = kept.find(session) if kept is not None else None
        if log is not None:
            return _opened(database, session, log, compiled)
        found = compiled(session)
        if kept is not None:
            kept.keep(session, found)
        return _opened(database, session, KeptLog.of(found, database), lambda: found)
    except SourceError as error:
        raise UserError(f"{error}; check that the log can be reached and read") from None
    finally:
        session.close()


def _opened(
    database: Database, session: Session, log: KeptLog, compiled: Callable[[], Recognised]
) -> SqlLog:  # fmt: skip
    facts = log.facts
    if not database.read_only(session):
        raise UserError(f"{database.place}: the session is not read-only; connect to the database itself, not a pooler")
    evidence, shape = database.evidence(session, facts.schema, facts.table)
    newest = log.texts.fingerprints(datetime.now(UTC) - facts.overlap, None)
    withheld = getattr(database, "withheld", lambda *_: NOTHING_WITHHELD)(session, facts.schema, facts.table)
    found = FoundLog(evidence.place, shape, database.plan(session, newest)[0], log.notes, withheld)
    return SqlLog(database, log, found, compiled)


def _choice(mapping: Path | str | None) -> Choice:
    from cost_top.gateways.loader import builtin_presets, load_preset
    from cost_top.sources.sql.recognition import Choice

    if mapping is None:
        return Choice.ours()
    named = tuple(preset for preset in builtin_presets() if preset.name == str(mapping))
    return Choice.of(*named) if named and not Path(mapping).exists() else Choice.of(load_preset(Path(mapping)))


def _said(mapping: Path | str | None) -> str:
    """What decides which presets a log is read with, besides ours."""
    if mapping is None:
        return ""
    try:
        return f"{mapping}|{sha256(Path(mapping).read_bytes()).hexdigest()}"
    except OSError:
        return str(mapping)
