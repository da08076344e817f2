"""A LiteLLM proxy's request log over HTTP: per-request rows that feed the mirror as its database does.

source = open_litellm_api("https://llm.example.com", key)

Endpoints from the newest to the oldest version of LiteLLM: `/spend/logs/v2`, `/spend/logs/ui`, `/spend/logs`.
Any key may ask; one that is no admin's sees its owner's requests only.
"""

from __future__ import annotations

import hashlib
import threading
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from cost_top.gateways.instants import USABLE_FROM, micros
from cost_top.model.errors import SourceDenied, SourceError, SourceRefused, SourceThrottled, UserError, one_line
from cost_top.sources.base import LogSource, PresetId, Statistics
from cost_top.sources.litellm.client import Caller, SharedClient
from cost_top.sources.litellm.names import Activity, Names, has_activity, sees_everything
from cost_top.sources.litellm.pages import DAY, SECOND, DayLogs, Endpoint, PagedLogs, newest_row
from cost_top.sources.litellm.reader import LiteLLMReader
from cost_top.sources.litellm.rows import RowReader, litellm_preset

# With the rows of a page; what comes after them is `/spend/logs`.
_ENDPOINTS = (("/spend/logs/v2", 1000), ("/spend/logs/ui", 1000), ("/spend/logs/ui", 100))
# LiteLLM's words for having no database, in any of its error shapes.
_NO_DATABASE = ("prisma client is not initialized", "database not connected", "no db connected", "no connected db",
                "prisma client=none")  # fmt: skip
_QUIET = timedelta(hours=1)  # without rows, while sums grow
_LOOK_BACK = timedelta(days=30)
# What doctor holds against the documented shape: the last rows of the newest minutes.
_SAMPLE_SECONDS, _SAMPLE_ROWS = 600, 100


def open_litellm_api(base_url: str, key: str) -> LogSource:
    """Find out which endpoint the proxy has and what the key may see.

    `base_url` is the proxy's, `litellm+https://…` allowed. Raises `UserError` for everything a user can mend; nothing
    is retried.
    """
    shared = SharedClient(base_url.removeprefix("litellm+"), key)
    caller = shared.caller(Statistics())
    try:
        source = LiteLLMApi(base_url.removeprefix("litellm+"), key, shared)
        source.open(caller)
        return source
    except SourceError as error:
        raise UserError(_explained(error)) from None
    finally:
        caller.close()


class LiteLLMApi:
    """`LogSource` over a LiteLLM proxy."""

    def __init__(self, base_url: str, key: str, shared: SharedClient) -> None:
        self._base_url = base_url.rstrip("/")
        self._key_hash = hashlib.sha256(f"{self._base_url}|{key}".encode()).hexdigest()
        self._shared = shared
        self._notes: dict[str, str] = {}
        self._guard = threading.Lock()
        self.endpoint: Endpoint = PagedLogs(*_ENDPOINTS[0], self.note)
        self.admin: bool | None = None
        self.rows = RowReader(litellm_preset())
        self.activity = Activity()
        self.names = Names()

    def __repr__(self) -> str:
        return f"LiteLLMApi({self.label})"

    @property
    def label(self) -> str:
        """See `LogSource`."""
        return f"litellm@{one_line(urlsplit(self._base_url).hostname or '', 60)}"

    @property
    def identity(self) -> str:
        """See `LogSource`. What a key of less than an admin sees is a log of its own; no key can be read from it."""
        where = self._base_url if self.admin else f"{self._base_url}|{self._key_hash}"
        return hashlib.sha256(where.encode("utf-8", "surrogateescape")).hexdigest()[:24]

    @property
    def place(self) -> str:
        """See `LogSource`. An API does not tell."""
        return ""

    @property
    def preset(self) -> PresetId:
        """See `LogSource`."""
        return PresetId("litellm", self.rows.version(self.endpoint.name))

    @property
    def overlap(self) -> timedelta:
        """See `LogSource`."""
        return self.rows.preset.overlap

    @property
    def overlap_share(self) -> float:
        """See `LogSource`: time on the network is not the proxy's."""
        return 0.05

    @property
    def costly(self) -> tuple[str, ...]:
        """See `LogSource`. Everything comes in one answer."""
        return ()

    @property
    def untold(self) -> frozenset[str]:
        """See `LogSource`. Rows of the proxy tell all."""
        return frozenset()

    @property
    def rows_unique(self) -> bool:
        """See `LogSource`. A call of LiteLLM is known by its id and its start."""
        return True

    @property
    def indexed(self) -> bool:
        """See `LogSource`."""
        return True

    @property
    def reads_whole(self) -> bool:
        """See `LogSource`."""
        return True

    @property
    def notes(self) -> tuple[str, ...]:
        """See `LogSource`. They may grow while the log is read."""
        with self._guard:
            return tuple(self._notes.values())

    def connect(self) -> LiteLLMReader:
        """See `LogSource`. All readers share one connection."""
        statistics = Statistics()
        return LiteLLMReader(self, self._shared.caller(statistics), statistics)

    def note(self, about: str, line: str | None) -> None:
        """Tell readers of the figures something, or take it back (None). For any thread."""
        with self._guard:
            if line is None:
                self._notes.pop(about, None)
            else:
                self._notes[about] = line

    def open(self, caller: Caller) -> None:
        """Find the endpoint and the scope of the key. Raises `SourceError`."""
        self.endpoint = self._found(caller)
        if self.endpoint.name != "/spend/logs/v2":
            small = f"{self.endpoint.page_size} a page" if isinstance(self.endpoint, PagedLogs) else "whole days only"
            self.note("endpoint", f"this LiteLLM has no /spend/logs/v2: rows come from {self.endpoint.name}, {small}")
        self.admin = sees_everything(caller)
        if self.admin is False:
            self.note("scope", "the key is no admin's: it may see the requests of its own user and teams only")
        self.look_for_silence(caller)

    def look_for_silence(self, caller: Caller) -> None:
        """Note it when the proxy counts spend but writes no rows. Raises `SourceError`."""
        now = datetime.now(UTC)
        newest = newest_row(self.endpoint, caller, now)
        if newest is not None and newest > now - _QUIET:
            self.note("silence", None)
            return
        first = max(now - _LOOK_BACK, newest + timedelta(days=1) if newest else USABLE_FROM).date()
        days = self.activity.days(caller, first, now.date()) if first <= now.date() else {}
        if any(has_activity(metrics) for day, metrics in days.items() if day >= first):
            since = f"since {newest:%Y-%m-%d %H:%M} UTC" if newest else f"since {first}"
            self.note(
                "silence",
                f"the proxy counts spend but has written no rows {since}: {self.rows.preset.advice['empty']}",
            )
        else:
            self.note("silence", None)

    def drift(self) -> tuple[str, ...]:
        """What the newest rows say otherwise than is documented, one line each. Raises `SourceError`."""
        from cost_top.sources.litellm.shapes import drift_of

        caller = self._shared.caller(Statistics())
        try:
            newest = newest_row(self.endpoint, caller, datetime.now(UTC))
            if newest is None:
                return ()
            end = micros(newest) + SECOND
            # A page may be a day: one that ended before has none of the newest rows.
            start = max(end - _SAMPLE_SECONDS * SECOND, micros(newest) // DAY * DAY)
            rows = next(iter(self.endpoint.pages(caller, start, end)), ())
            return drift_of(self.endpoint.name, rows[-_SAMPLE_ROWS:])
        finally:
            caller.close()

    def _found(self, caller: Caller) -> Endpoint:
        """The newest endpoint that answers. A version without one says 404; some say 400."""
        first: SourceError | None = None
        for name, page_size in _ENDPOINTS:
            endpoint = PagedLogs(name, page_size, self.note)
            try:
                endpoint.answers(caller)
                return endpoint
            except SourceRefused as error:
                first = first or error
        today = micros(datetime.now(UTC)) // DAY
        days = DayLogs(self.note)
        try:
            days.days(caller, today, today + 1)
        except SourceRefused:
            raise first or SourceError("no endpoint answers") from None
        return days


def _explained(error: SourceError) -> str:
    text = str(error)
    if any(words in text.lower() for words in _NO_DATABASE):
        place = text.partition(": ")[0]
        return f"{place}: the proxy has no database, so it keeps no requests; set DATABASE_URL for it (LiteLLM's docs)"
    if isinstance(error, SourceThrottled):
        return f"{text}; try again " + (f"in {error.wait:.0f} s" if error.wait else "later")
    if isinstance(error, SourceDenied):
        return f"{text}; give a LiteLLM admin key in LITELLM_API_KEY"
    return f"{text}; check that this is a LiteLLM proxy that can be reached"
