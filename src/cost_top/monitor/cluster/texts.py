"""Texts of a log as they are shown: clean, without keys, by the names that the log keeps beside its rows."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import duckdb

from cost_top.gateways.normalise import agent_from_tags, tag_lists_select
from cost_top.gateways.normalise_placed import LOWER, TagLists
from cost_top.gateways.shape import RawShape
from cost_top.mirror.names import is_naming
from cost_top.model.secret import public_value
from cost_top.model.text import clean
from cost_top.sources.base import Lookup

_MOST_TEXTS = 200_000
_TEXTS = "(SELECT unnest($1::VARCHAR[]) AS tags)"


class Texts:
    """What texts were shown as is remembered, up to a bound."""

    def __init__(self, shape: RawShape, scratch: duckdb.DuckDBPyConnection) -> None:
        self.shape, self._scratch = shape, scratch
        self.lookups: Mapping[tuple[str, str], Mapping[str, str]] = {}
        self.version = 0  # rises with every change of the names kept beside the log
        self._texts: dict[tuple[str, str], str | None] = {}
        self._tags: dict[str, tuple[str, ...]] = {}

    def look_up(self, lookups: Sequence[Lookup]) -> None:
        """Take the names kept beside the log."""
        found = {(each.field, each.by): each.names for each in lookups if not is_naming(each)}
        if found != self.lookups:
            self.lookups = found
            self._texts.clear()
            self.version += 1

    def shown(self, field: str, raw: str | None) -> str | None:
        """A text of the log as it is shown: clean, without a key, by the log's own names."""
        if raw is None:
            return None
        known = self._texts.get((field, raw), ...)
        if known is not ...:
            return known
        text = clean(public_value(raw, dict(self.shape.keys).get(field)))
        if field in LOWER:
            text = text.lower()
        text = self.lookups.get((field, field), {}).get(text, text)
        if len(self._texts) > _MOST_TEXTS:
            self._texts.clear()
        self._texts[field, raw] = text or None
        return text or None

    def named_by(self, field: str, by: str, key: str | None) -> str | None:
        """The name that the log keeps of a field by another one's value."""
        return self.lookups.get((field, by), {}).get(key) if key is not None else None

    def tag_lists(self, texts: Collection[str]) -> TagLists:
        """Raw texts with the tags and the user agent in each, by the mirror's own rules."""
        agent = agent_from_tags(self.shape.user_agent_tag) if self.shape.user_agent_tag else "NULL::VARCHAR"
        found = self._scratch.execute(
            f"SELECT tags, final_tags, {agent} FROM ({tag_lists_select(self.shape, _TEXTS)})", [list(texts)]
        ).fetchall()
        return [(text, tuple(tags or ()), told) for text, tags, told in found]

    def tags(self, texts: Collection[str]) -> Mapping[str, tuple[str, ...]]:
        """The tags in raw texts, by the mirror's own rule."""
        unknown = [text for text in dict.fromkeys(texts) if text not in self._tags]
        if unknown:
            if len(self._tags) > _MOST_TEXTS:
                self._tags.clear()
            found = self._scratch.execute(
                f"SELECT tags, final_tags FROM ({tag_lists_select(self.shape, _TEXTS)})",
                [[text for text in unknown if text]],
            ).fetchall()
            self._tags.update(dict.fromkeys(unknown, ()))
            self._tags.update({text: tuple(tags or ()) for text, tags in found})
        return self._tags
