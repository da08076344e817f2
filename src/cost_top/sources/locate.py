"""What a source's text means: a database, files, a gateway's report API, a LiteLLM proxy, another cost-top."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from cost_top.model.errors import UserError, one_line
from cost_top.sources.credentials import find_key, find_password, key_place, password_in
from cost_top.sources.files.found import AGENTS, is_files

if TYPE_CHECKING:
    from cost_top.pricing.book import RateBook
    from cost_top.sources.base import LogSource
    from cost_top.sources.cost_top.client import CostTopClient
    from cost_top.sources.report_api import ReportApi

# Kinds that are asked for sums: the module and class of each. Those that price usage themselves need the rates.
_REPORT_APIS: Mapping[str, tuple[str, str, bool]] = {
    "vercel": ("cost_top.sources.apis.vercel", "VercelApi", False),
    "openrouter": ("cost_top.sources.apis.openrouter", "OpenRouterApi", False),
    "openai": ("cost_top.sources.apis.openai", "OpenAiApi", True),
    "anthropic": ("cost_top.sources.apis.anthropic", "AnthropicApi", True),
}
REPORT_APIS = tuple(_REPORT_APIS)
# LiteLLM writes its rows every 2 to 30 s (SPEND_LOG_QUEUE_POLL_INTERVAL): asking more often would find little.
_LITELLM_SECONDS = 10.0
LITELLM, COST_TOP, DATABASE, FILES = "litellm", "cost-top", "database", "files"


@dataclass(frozen=True, slots=True)
class Place:
    """A kind of source and where it is: a database URL or path, or an API's base URL ("" for its usual one)."""

    kind: str
    url: str = field(repr=False)
    key_file: Path | None = None
    key_variable: str | None = None
    key_command: str | None = None

    @property
    def is_report_api(self) -> bool:
        """Whether it is asked for sums."""
        return self.kind in _REPORT_APIS

    @property
    def is_cluster(self) -> bool:
        """Whether it is a database that is asked for answers, not copied."""
        return self.kind == DATABASE and self.url.partition("://")[0].lower() in ("clickhouse", "clickhouses")

    @property
    def is_postgresql(self) -> bool:
        """Whether it is a PostgreSQL database."""
        scheme, separator, _ = self.url.partition("://")
        return self.kind == DATABASE and bool(separator) and scheme.lower() in ("postgresql", "postgres")

    @property
    def usual_interval(self) -> float | None:
        """Seconds between polls where they are others than for a log."""
        return _LITELLM_SECONDS if self.kind == LITELLM else None

    def key(self) -> str:
        """The key to ask with; `UserError` says where it is looked for."""
        return find_key(self.kind, self.key_file, self.key_variable, self.key_command)

    def database_url(self) -> str:
        """The URL of a database, with the password that the config says where to find."""
        if self.key_file is None and self.key_variable is None and self.key_command is None:
            return self.url
        if "://" not in self.url:
            raise UserError(f"{one_line(self.url, 60)}: a file needs no key; leave key_file and the like out")
        return password_in(self.url, find_password(self.key_file, self.key_variable, self.key_command))

    @property
    def key_from(self) -> str:
        """Where the key was found, for people; never the key."""
        if self.key_command is not None and self.key_file is None:
            return "key_command"
        return key_place(self.kind, self.key_file, self.key_variable)

    def report_api(self, load_book: Callable[[], RateBook]) -> ReportApi:
        """The adapter of a report API, not asked yet."""
        module_name, class_name, prices = _REPORT_APIS[self.kind]
        module = import_module(module_name)
        adapter = getattr(module, class_name)
        url = self.url or module.BASE_URL
        api: ReportApi = adapter(url, self.key(), load_book) if prices else adapter(url, self.key())
        return api

    def litellm(self) -> LogSource:
        """The requests of a LiteLLM proxy as a log."""
        from cost_top.sources.litellm.log import open_litellm_api

        return open_litellm_api(self.url, self.key())

    def files(self, mapping: Path | None, cache: Path | None) -> LogSource:
        """Files as a log; their index is kept in `cache`."""
        from cost_top.sources.files.log import open_files

        return open_files(self.url, mapping, cache)

    def cost_top(self) -> CostTopClient:
        """Another cost-top."""
        from cost_top.sources.cost_top.client import CostTopClient

        return CostTopClient(self.url, self.key())


def _path(text: str) -> str:
    """A path without the `file:` or `sqlite:` before it; anything else as it is.

    >>> _path("file:///var/log/a%20b.db?mode=ro"), _path("sqlite:a.db"), _path("sqlite:///a.db")
    ('/var/log/a b.db', 'a.db', 'sqlite:///a.db')
    """
    scheme, colon, rest = text.partition(":")
    if not colon or not (scheme == "file" or (scheme == "sqlite" and not rest.startswith("//"))):
        return text
    from urllib.parse import unquote

    return unquote(rest.removeprefix("//").partition("?")[0])


def locate(
    text: str, key_file: Path | None = None, key_variable: str | None = None, key_command: str | None = None
) -> Place:
    """`vercel`; `litellm+https://proxy`; `https://host` is a cost-top; `claude-code`, `logs/*.jsonl`; else a database.

    >>> [locate(text).kind for text in ("vercel", "litellm+https://proxy", "https://spend.example", "a.csv", "a.db")]
    ['vercel', 'litellm', 'cost-top', 'files', 'database']
    """
    text = _path(text)
    keys = (key_file, key_variable, key_command)
    if text in _REPORT_APIS:
        return Place(text, "", *keys)
    scheme, separator, rest = text.partition("://")
    kind, plus, transport = scheme.lower().partition("+")
    if separator and kind in ("http", "https") and not plus:
        return Place(COST_TOP, text, *keys)
    if separator and plus and transport in ("http", "https"):
        if kind not in (*_REPORT_APIS, LITELLM, COST_TOP):
            known = ", ".join((LITELLM, *_REPORT_APIS))
            raise UserError(f"{one_line(scheme, 30)}:// is no API that cost-top reads; known are {known}")
        return Place(kind, f"{transport}://{rest}", *keys)
    if text == LITELLM and not Path(text).exists():
        raise UserError("litellm needs the proxy's address: cost-top litellm+https://HOST")
    if text in AGENTS or is_files(text):
        return Place(FILES, text)
    return Place(DATABASE, text, *keys)
