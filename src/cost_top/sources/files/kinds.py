"""Which kind of files they are: told by their content, or by a mapping."""

from __future__ import annotations

from collections.abc import Sequence

from cost_top.gateways.preset import Preset
from cost_top.model.errors import UserError, one_line
from cost_top.sources.files.claude_code import ClaudeCode
from cost_top.sources.files.codex import Codex
from cost_top.sources.files.content import Record, head_of
from cost_top.sources.files.exports import EXPORTS
from cost_top.sources.files.found import FoundFile
from cost_top.sources.files.mapped import Mapped
from cost_top.sources.files.records import Kind

_LOOKED_AT = 25  # files whose beginning is read to tell the kind


def kind_of(files: Sequence[FoundFile], shown: str, mapping: Preset | None) -> Kind:
    """The kind of these files. `UserError` where it is unknown, or where they are of several kinds."""
    if not files:
        raise UserError(f"{shown}: holds no .jsonl, .csv or .parquet file; give a folder, a file or a quoted pattern")
    heads = heads_of(files)
    if mapping is not None:
        return Mapped(mapping, (record for head in heads.values() for record in head))
    kinds: dict[str, Kind] = {}
    for head in heads.values():
        for record in head:
            if ClaudeCode.recognises(record):
                kinds["claude-code"] = ClaudeCode()
            elif Codex.recognises(record):
                kinds["codex"] = Codex()
            else:
                kinds |= {export.name: export for export in EXPORTS if export.recognises(record)}
    if len(kinds) == 1:
        return next(iter(kinds.values()))
    if kinds:
        raise UserError(
            f"{shown}: holds files of several kinds ({', '.join(sorted(kinds))}); give a pattern of one kind"
        )
    names = sorted({name for head in heads.values() for record in head for name in record})
    told = f"; columns found: {', '.join(one_line(name, 30) for name in names[:12])}" if names else ""
    raise UserError(f"{shown}: no kind of log that cost-top knows by its content; map it with --mapping FILE{told}")


def agent_kind(name: str) -> Kind:
    """The sessions of a coding agent, whatever else its folders hold."""
    return ClaudeCode() if name == ClaudeCode.name else Codex()


def heads_of(files: Sequence[FoundFile]) -> dict[str, list[Record]]:
    """The first records of a few files, spread over all of them. `UserError` where none of all can be read."""
    written = [file for file in files if file.size]  # empty ones tell nothing
    some = written[:: max(1, len(written) // _LOOKED_AT)]
    heads: dict[str, list[Record]] = {}
    failed = [f"{file.path}: {file.failed}" for file in files if file.failed]
    for file in (*some, *written):
        if heads and len(heads) + len(failed) >= len(some):
            break  # the rest is looked through only where these could not be read
        try:
            heads.setdefault(file.path, head_of(file.path))
        except OSError as error:
            failed.append(f"{file.path}: {error.strerror}")
    if not heads and failed:
        raise UserError(f"{one_line(failed[0], 300)}; give files that this user may read")
    return heads
