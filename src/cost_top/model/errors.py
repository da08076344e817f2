"""The two ways things go wrong: what a user can mend, and what a source does by itself."""

from __future__ import annotations

_JOINERS = "\u200c\u200d"  # part of a name, as `clean` has it


class UserError(Exception):
    """Bad input. `str(error)` is one line: the thing, what is wrong, what to do. Exit code 2, no traceback."""


class CannotAnswer(UserError):
    """A question that this source has no answer to, however often it is asked: `str(error)` says why in one line."""


class SourceError(Exception):
    """A source that cannot answer now (gone, slow, locked); trying again later may help."""


class SourceDenied(SourceError):
    """The log refuses: no permission, or a password that is no longer right. Trying again alone will not help.

    `final`: an HTTP API refused the key, and is not to be asked again and again with it.
    """

    def __init__(self, message: str, final: bool = False) -> None:
        super().__init__(message)
        self.final = final


class SourceRefused(SourceError):
    """The source says the question is wrong (400, 404, 422): asking the same again will not help."""


class SourceThrottled(SourceError):
    """The source asks for patience. `wait` is in seconds, None where it named no usable time."""

    def __init__(self, message: str, wait: float | None = None) -> None:
        super().__init__(message)
        self.wait = wait


class SourceChanged(SourceError):
    """The log changed under a statement in a way that voids its answer; asking again at once will do."""


class SourceReplaced(SourceError):
    """Another file or table has taken the log's name, or its columns are others: everything read of it is void."""


class Broken(SourceError):
    """cost-top itself failed at a question. What it says is for its developers, not for strangers."""


def one_line(text: object, limit: int = 300) -> str:
    """`text` without line breaks and control characters, cut to `limit` characters.

    >>> one_line("a\\n  b\\x1b[0m")
    'a b [0m'
    """
    words = "".join(c if c.isprintable() or c in _JOINERS else " " for c in str(text)).split()
    line = " ".join(words)
    return line if len(line) <= limit else line[: limit - 1] + "…"


def named(source: str, error: Exception) -> str:
    """What went wrong with a source, in one line that names it once."""
    told = one_line(error)
    return told if source.rpartition("@")[2] in told else f"{source}: {told}"
