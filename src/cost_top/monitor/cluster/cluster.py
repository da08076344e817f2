"""A log in its database: a connection, what is known beside its figures, its rows as a source of statements."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from cost_top.gateways.normalise_placed import TagLists
from cost_top.gateways.shape import RawShape
from cost_top.mirror.database import Database
from cost_top.mirror.names import NAMED
from cost_top.model.errors import CannotAnswer, SourceError
from cost_top.model.filter import Filter
from cost_top.monitor.cluster.place import Asked, asked_at, spelling_of
from cost_top.monitor.cluster.rated import Rated
from cost_top.monitor.cluster.sheet import Sheet
from cost_top.monitor.cluster.statements import Periods, Statements, filter_fields, instant_of
from cost_top.monitor.cluster.texts import Texts
from cost_top.pricing.book import RateBook
from cost_top.sources.sql.reader import SqlLog, SqlLogReader

_LEARNED = timedelta(days=7)  # rows say names as far back as this
_MOST_TAGS = 50_000
_LATELY = timedelta(days=1)
_UNTIMED, _UNTIMED_SHARE = 900.0, 0.001  # seconds between two counts, and the most of the log's time
_SMALL_ROWS = 3_000_000  # to take a statement apart takes longer than to sum a tenth of them


class Cluster:
    """A log on a connection of its own; used by one thread, `cancel` apart. Raises `SourceError`."""

    def __init__(self, log: SqlLog, book: RateBook) -> None:
        """`log` is in a database that `place` knows."""
        self.log, self.book = log, book
        self.recognised_at = time.monotonic()
        self.reader: SqlLogReader = log.connect()
        self.statistics = self.reader.statistics
        self._database = log.database
        self._connection: Asked | None = None
        # Names are looked up here, and the few newest rows summed.
        self.local = Database(book)
        self.local.use_threads(1)
        self.local.plan_as_written()
        self._scratch = self.local.connection
        self.names = self.local.names
        self.texts = Texts(log.columns.shape, self._scratch)
        self.statements = Statements(log.statements, self.local.rates, self._scratch, spelling_of(log))
        self._newest: datetime | None = None
        self.untimed: int | None = None  # rows that no period holds; None: not counted yet
        self._untimed_due = 0.0
        self._is_small: bool | None = None
        self._rated = Rated(self.ask, self.statements, self.texts, log.overlap)

    @property
    def shape(self) -> RawShape:
        """What rows tell."""
        return self.statements.shape

    def close(self) -> None:
        """Release the connection."""
        self.reader.close()
        if self._connection is not None:
            self._connection.close()
        self.local.close()

    def cancel(self) -> None:
        """Break off the statement under way, from any thread."""
        self.reader.cancel()
        if self._connection is not None:
            self._connection.cancel()

    def ask(self, sql: str, parameters: Mapping[str, object] | None = None) -> list[tuple[Any, ...]]:
        """A statement's rows."""
        started = time.perf_counter()
        try:
            if self._connection is None:
                self._connection = asked_at(self.log)
            rows = self._connection.rows(sql, parameters or {})
        except SourceError:
            raise
        except Exception as error:
            if not self._database.raised(error):
                raise
            with suppress(Exception):
                if self._connection is not None:
                    self._connection.close()
            self._connection = None
            raise self._database.failure(error) from None
        finally:
            self.statistics.queries += 1
            self.statistics.database_ms += (time.perf_counter() - started) * 1000
        self.statistics.rows_read += len(rows)
        return rows

    # What is known beside the figures

    @property
    def is_small(self) -> bool:
        """Whether all of the log is summed so soon that nothing has to be shown before."""
        if self._is_small is None:
            facts = self.log.facts
            rows = self._database.estimate(self.reader.session, facts.schema, facts.table)
            self._is_small = rows is not None and rows <= _SMALL_ROWS
        return self._is_small

    def newest(self) -> datetime | None:
        """Time of the newest request; looked for lately first, since all of the log may take long to look through."""
        since = min(self._newest or datetime.now(UTC), datetime.now(UTC)) - _LATELY
        found = self.ask(f"SELECT max(us) FROM ({self.statements.normal([(since, None)], ())}) AS told")
        told = found[0][0] if found else None
        self._newest = instant_of(int(told)) if told else self.reader.newest()
        return self._newest

    def oldest(self) -> datetime | None:
        """Time of the oldest one."""
        return self.reader.oldest()

    def count_untimed(self) -> None:
        """Count the rows without a usable time, where it is time; a comfort that may fail."""
        if time.monotonic() < self._untimed_due:
            return
        began = time.monotonic()
        with suppress(SourceError):
            self.untimed = self.reader.untimed()
        spent = time.monotonic() - began
        self._untimed_due = began + spent + max(_UNTIMED, spent / _UNTIMED_SHARE)

    def learn(self, now: datetime) -> None:
        """Read the names kept beside the log, and those that its newest rows say."""
        lookups = self.reader.lookups()
        self.local.set_lookups(lookups)
        self.texts.look_up(lookups)
        self.statements.lookups = self.texts.lookups
        for field, column in NAMED.items():
            if {field, column} <= set(self.shape.fields):
                self._learn_said(field, column, now)

    def _learn_said(self, field: str, column: str, now: datetime) -> None:
        normal = self.statements.normal([(now - _LEARNED, None)], (field, column), (field, column))
        named = self.statements.spelled.newest(f'"{column}"')
        rows = self.ask(
            f'SELECT "{field}", {named}, max(us) FROM ({normal}) AS told '
            f'WHERE "{field}" IS NOT NULL AND "{column}" IS NOT NULL GROUP BY "{field}"'
        )
        said = [(str(key), str(name), instant_of(int(us)).replace(tzinfo=None)) for key, name, us in rows]
        self._scratch.execute(
            f'CREATE OR REPLACE TEMP TABLE said ("{field}" VARCHAR, "{column}" VARCHAR, time TIMESTAMP)'
        )
        if said:
            self._scratch.executemany("INSERT INTO said VALUES (?, ?, ?)", said)
        others = ", ".join(f'NULL::VARCHAR AS "{name}"' for pair in NAMED.items() if pair[0] != field for name in pair)
        self.names.learn(self._scratch, f"(SELECT *, {others} FROM said)")

    def refuse(self, where: Filter) -> None:
        """Raise `CannotAnswer` for a filter that nothing here can answer."""
        if any(term.field == "late" for term in where.terms):
            raise CannotAnswer(f"{self.log.label} is asked where it lives: which requests came late is not told")

    def source(
        self, periods: Periods, where: Filter, keys: Collection[str] = (), shown: Collection[str] = (),
        odd: Sheet | None = None,
    ) -> tuple[str, str, dict[str, object]]:  # fmt: skip
        """Priced rows of some periods, the filter's condition over them and its parameters; `odd` ones of a sheet."""
        self.refuse(where)
        rates = self._rated.rates(periods, has_sheet=odd is not None)
        parameters: dict[str, object] = {}
        condition = self.statements.condition(where, parameters)
        tags = self._tag_lists(periods, {*shown, *filter_fields(where)}, keys)
        return self.statements.source(periods, rates, where, keys, shown, tags, odd), condition, parameters

    def sheet(self, periods: Periods) -> Sheet:
        """The rates of the models of some periods as lists."""
        return self._rated.sheet(periods)

    def look_for_modes(self) -> None:
        """Have the next sheets tell modes too."""
        self._rated.look_for_modes()

    def _tag_lists(self, periods: Periods, compared: Collection[str], keys: Collection[str]) -> TagLists | None:
        """The tags of every text in some periods, where the database has to be sent them."""
        statements = self.statements
        asked = "tags" in compared or statements.tells_agent({*compared, *keys})
        if not asked or "tags" not in self.shape.fields or not statements.spelled.takes_tag_lists:
            return None
        texts = [str(row[0]) for row in self.ask(statements.tag_texts(periods, _MOST_TAGS))]
        if len(texts) == _MOST_TAGS:
            raise CannotAnswer(
                f"{self.log.label} is asked where it lives, and more than {_MOST_TAGS} lists of tags are too many to "
                "take apart; ask for less time"
            )
        return self.texts.tag_lists(texts)
