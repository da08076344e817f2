"""Which files a source's text means, and how each is now."""

from __future__ import annotations

import glob
import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from cost_top.model.errors import UserError

AGENTS = ("claude-code", "codex")  # sources whose files are in usual folders
SUFFIXES = (".jsonl", ".ndjson", ".json", ".csv", ".parquet")
_PACKED = re.compile(r"\.(?:gz|zst)$")
_PACKED_SIGNS = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd")  # gzip, zstd
_WILD = "*?["


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file as it is: where, which, how large, when it was last written and, which nobody can set, last changed."""

    path: str
    device: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int
    failed: str = ""  # why it cannot be looked at, or the folder that it is

    @property
    def changed_ns(self) -> int:
        """When it was last written or changed, nanoseconds since 1970."""
        return max(self.mtime_ns, self.ctime_ns)

    @property
    def form(self) -> str:
        """`jsonl`, `csv` or `parquet`."""
        return form_of(self.path)


def agent_folders(name: str, environment: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """The usual folders of a coding agent's sessions that are there. `UserError` where none is."""
    home = Path.home()
    if name == "codex":
        own, usual = environment.get("CODEX_HOME"), [home / ".codex"]
        inside: tuple[str, ...] = ("sessions", "archived_sessions")
    else:
        settings = Path(environment.get("XDG_CONFIG_HOME") or home / ".config")
        own, usual = environment.get("CLAUDE_CONFIG_DIR"), [settings / "claude", home / ".claude"]
        inside = ("projects",)
    places = [_at_home(part.strip(), home) for part in (own or "").split(",") if part.strip()] or usual
    places = [place.parent if place.name in inside and place.is_dir() else place for place in places]
    wanted = [str(place / folder) for place in dict.fromkeys(places) for folder in inside]
    found = [folder for folder in wanted if os.path.isdir(folder)]
    if not found:
        looked = ", ".join(str(place / inside[0]) for place in places)
        raise UserError(f"{name}: no sessions found (looked for {looked}); give their folder as the source")
    return tuple(found)


def _at_home(text: str, home: Path) -> Path:
    """A folder of which `~` may be the home: a shell leaves it as it is inside a list."""
    return home / text[1:].lstrip("/") if text == "~" or text.startswith("~/") else Path(text)


def places_of(source: str) -> tuple[str, ...]:
    """The folders, patterns or files of a source. `UserError` where a coding agent has none."""
    return agent_folders(source) if source in AGENTS else (source,)


def form_of(path: str) -> str:
    """How a file is written, by the end of its name.

    >>> form_of("a/b.JSONL.gz"), form_of("x.csv.zst"), form_of("log.ndjson")
    ('jsonl', 'csv', 'jsonl')
    """
    suffix = Path(_PACKED.sub("", path.lower())).suffix
    return suffix[1:] if suffix in (".csv", ".parquet") else "jsonl"


def is_files(text: str) -> bool:
    """Whether a source's text means files: a folder, a pattern, a name that ends like one of ours, or JSON lines."""
    path = Path(text).expanduser()
    if path.is_dir() or named_as_file(text):
        return True
    if any(sign in text for sign in _WILD) and "://" not in text and not path.exists():
        return True
    return _begins_as_lines(path)


def _begins_as_lines(path: Path) -> bool:
    """Whether a file of any name begins as JSON does, or is packed: access logs end in `.log` and `.1`."""
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            begin = file.read(64).removeprefix(b"\xef\xbb\xbf").lstrip()
    except (OSError, ValueError):  # whoever reads it says why
        return False
    return begin.startswith((b"{", b"[", *_PACKED_SIGNS))


def named_as_file(text: str) -> bool:
    """Whether a name ends like a file that is read here."""
    return _PACKED.sub("", text.lower()).endswith(SUFFIXES) and "://" not in text


def files_of(places: tuple[str, ...]) -> list[FoundFile]:
    """The files of folders (at any depth), patterns and paths, in the order of their names, each once.

    A file or folder that cannot be looked at is one that `failed`.
    """
    found: dict[tuple[int, int], FoundFile] = {}
    closed: list[OSError] = []
    for path in sorted({path for place in places for path in _paths(place, closed)}):
        try:
            here = os.stat(path)
        except FileNotFoundError:
            continue
        except OSError as error:
            closed.append(error)
            continue
        if not stat.S_ISREG(here.st_mode):
            continue  # a pipe would be waited for
        state = (here.st_dev, here.st_ino, here.st_size, here.st_mtime_ns, here.st_ctime_ns)
        found.setdefault((here.st_dev, here.st_ino), FoundFile(path, *state))
    failed = {str(error.filename): error.strerror or "cannot be read" for error in closed}
    return [*found.values(), *(FoundFile(path, 0, 0, 0, 0, 0, why) for path, why in sorted(failed.items()))]


def _paths(place: str, closed: list[OSError]) -> Iterator[str]:
    path = os.path.expanduser(place)
    if os.path.isdir(path):
        for folder, _, names in os.walk(path, onerror=closed.append):
            yield from (os.path.join(folder, name) for name in names if named_as_file(name))
    elif os.path.exists(path):
        yield path
    else:
        yield from (name for name in glob.glob(path, recursive=True) if os.path.isfile(name))
