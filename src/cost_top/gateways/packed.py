"""Rows whose texts come packed: those that go together in one column, so that each pack is cleaned once.

Few packs are many rows'. What comes of them is what `normalise` makes of the same rows; a stream with an id that is not
plain, or with a pack that does not come apart as it was put together, is left to it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from cost_top.gateways.made_counts import is_odd_count, odd_counts_sql
from cost_top.gateways.normalise import (
    DIRTY_RE2,
    EDGE,
    absent_texts,
    final_select,
    odd_cost_sql,
    tag_lists_select,
    value_sql,
)
from cost_top.gateways.raw_columns import printable_text, real_rows, safe_text, time_select
from cost_top.gateways.secrets import is_key_sql, public_key_sql
from cost_top.gateways.shape import RawShape, field_kind, pack_name
from cost_top.gateways.witnesses import SEPARATOR, hashes
from cost_top.model.record import LOWERED
from cost_top.model.text import TEXT_LIMIT

_INPUT = ("input_tokens", "cached_input_tokens", "cache_creation_input_tokens", "cache_creation_1h_tokens")
_SEPARATOR = f"chr({ord(SEPARATOR)})"


@dataclass(frozen=True, slots=True)
class PackedForm:
    """`sources.base.PackedForm` of one log."""

    shape: RawShape

    @property
    def packs(self) -> tuple[tuple[str, ...], ...]:
        """The fields of each pack."""
        return self.shape.packs

    @property
    def texts(self) -> tuple[str, ...]:
        """The packed fields that are texts."""
        return tuple(name for pack in self.packs for name in pack if field_kind(name) == "text")

    @property
    def absent(self) -> tuple[str, ...]:
        """Text fields that no row has."""
        return absent_texts(self.shape)

    def real_select(self, relation: str) -> str:
        """The raw rows of a stream."""
        return f"SELECT * FROM {relation} WHERE {real_rows(self.shape)}"

    def values_select(self, relation: str) -> str:
        """The distinct packs of raw rows: `place, pack, parts, texts`; what a pack was made of, and its fields."""
        distinct = " UNION ALL ".join(
            f'SELECT {place} AS place, "{pack_name(place)}" AS pack FROM {relation} GROUP BY pack'
            for place in range(len(self.packs))
        )
        dirty = f"strlen(text) > {TEXT_LIMIT} OR regexp_matches(replace(text, {_SEPARATOR}, '{EDGE}'), '{DIRTY_RE2}')"
        fields = " ".join(
            f"WHEN {place} THEN [{', '.join(self._field(name, number) for number, name in enumerate(pack, 1))}]"
            for place, pack in enumerate(self.packs)
        )
        return (
            f"SELECT place, pack, parts, CASE place {fields} END AS texts FROM (SELECT *, CASE WHEN {dirty} "
            f"THEN list_transform(parts, lambda text: {safe_text('text')}) ELSE parts END AS clean "
            f"FROM (SELECT *, string_split(text, {_SEPARATOR}) AS parts "
            f"FROM (SELECT *, {self._text('pack')} AS text FROM ({distinct}))))"
        )

    def odd_select(self, relation: str, values: str) -> str:
        """One number: raw rows and packs that only `normalise` reads."""
        packed = {name for pack in self.packs for name in pack}
        figure = f"({odd_cost_sql(self.shape)}) OR {odd_counts_sql(self.shape, {*self.shape.fields} - packed)}"
        odd = f"SELECT count(*) FROM {relation} WHERE {figure}"
        if self.shape.told is None:
            ids = f"(SELECT {self._text('id')} AS text, {figure} AS odd_figure FROM {relation})"
            odd_id = f"text = '' OR strlen(text) > {TEXT_LIMIT} OR regexp_matches(text, '{DIRTY_RE2}')"
            odd = f"SELECT count(*) FROM {ids} WHERE coalesce({odd_id}, true) OR odd_figure"
        width = " ".join(f"WHEN {place} THEN {len(pack)}" for place, pack in enumerate(self.packs))
        odd_parts = [
            f"place = {place} AND ({is_odd_count(f'TRY_CAST(parts[{number}] AS BIGINT)')})"
            for place, pack in enumerate(self.packs)
            for number, name in enumerate(pack, 1)
            if name in self.shape.counts
        ]
        odd_part = f"coalesce({' OR '.join(odd_parts) or 'false'}, false)"
        apart = f"coalesce(len(parts) <> CASE place {width} END, true)"
        return f"SELECT ({odd}) + (SELECT count(*) FROM {values} WHERE {odd_part} OR {apart})"

    def bounds_select(self, relation: str, packs: Sequence[str], unknown: Collection[str]) -> str:
        """One row of raw rows: their first and last time, and the most input tokens in all, as requests are priced."""
        tokens = {}
        for name in _INPUT:
            place = next((place for place, pack in enumerate(self.packs) if name in pack), None)
            told = name in self.shape.fields and name not in unknown
            tokens[name] = f"coalesce({value_sql(name, self.shape)}, 0)" if told else "0"
            if told and place is not None:
                relation += f' JOIN {packs[place]} USING ("{pack_name(place)}")'
        said, cached, write, write_1h = tokens.values()
        outside = f"{said} + {cached} + {write}"
        total = f"CASE WHEN {cached} + {write} > {said} THEN {outside} ELSE {said} END"
        total = total if self.shape.input_includes_cache else outside
        most = "max(CASE WHEN parts > total THEN total + parts ELSE total END)"
        return (
            f"SELECT min(moment), max(moment), coalesce({most}, 0) FROM ("
            f"SELECT {time_select(self.shape.time_kind)} AS moment, {total} AS total, "
            f"{cached} + greatest({write}, {write_1h}) AS parts FROM {relation})"
        )

    def pack_select(self, place: int, values: str, kinds: Mapping[str, str], unknown: Collection[str] = ()) -> str:
        """The packs of a place with their fields as columns, each of a kind of its own where `kinds` has one.

        Those that are `unknown` in every row are left out.
        """
        fields = "".join(
            f', CAST(texts[{number}] AS {kinds.get(name) or self._raw_kind(name)}) AS "{name}"'
            for number, name in enumerate(self.packs[place], 1)
            if name not in unknown
        )
        return f'SELECT pack AS "{pack_name(place)}"{fields} FROM {values} WHERE place = {place}'

    def tags_select(self, relation: str) -> str | None:
        """The distinct raw texts of tags with `all_tags` and `final_tags`; None of a log without."""
        if "tags" not in self.shape.fields:
            return None
        # Invalid UTF-8 keeps its row, as in `normalise`.
        said = f"nullif(coalesce({self._text('tags')}, CAST(tags AS VARCHAR)), '')"
        parsed = tag_lists_select(self.shape, "(SELECT DISTINCT said AS tags FROM found WHERE said IS NOT NULL)")
        return (
            f"WITH found AS MATERIALIZED (SELECT tags AS raw, {said} AS said FROM {relation} GROUP BY tags) "
            f"SELECT raw AS tags, all_tags, final_tags FROM found LEFT JOIN ({parsed}) p ON said = p.tags"
        )

    def witnesses_select(self, relation: str) -> str:
        """Time, `fingerprint` and `content` of raw rows."""
        time = time_select(self.shape.time_kind)
        return (
            f"SELECT {time} AS time, fingerprint, content FROM (SELECT *, {hashes(self.shape, True)} FROM {relation})"
        )

    def rows_select(
        self, relation: str, packs: Collection[str], tags: str, alike: Collection[int], absent: Mapping[str, str],
        unknown: Mapping[str, str], beside: Collection[str] = (),
    ) -> str:  # fmt: skip
        """The normal form of raw rows by a table for each pack and one of tags; `alike` ones are those of all rows.

        `absent` has other types for fields that no row has, `unknown` the types of those that none of these has.
        `beside` are columns of the packs' tables that are none of fields.
        """
        names = ", ".join(f'"{pack_name(place)}"' for place in range(len(self.packs)))
        joins = " ".join(
            f'CROSS JOIN (SELECT * EXCLUDE ("{pack_name(place)}") FROM {table})'
            if place in alike
            else f'JOIN {table} USING ("{pack_name(place)}")'
            for place, table in enumerate(packs)
            if not unknown.keys() >= set(self.packs[place])
        )
        if "tags" in self.shape.fields:
            joins += f" JOIN {tags} USING (tags)"
        # Constants, so that nothing is worked out from them row by row.
        nothing = "".join(f', CAST(NULL AS {kind}) AS "{name}"' for name, kind in unknown.items())
        # The id is plain where anybody asks for this.
        identity = f" REPLACE ({self._text('id')} AS id)" if self.shape.told is None else ""
        cleaned = f"(SELECT * EXCLUDE ({names}){identity}{nothing} FROM {relation} {joins})"
        # The user agent may be among the tags.
        ready = [name for name in self.texts if name != "user_agent" or not self.shape.user_agent_tag]
        if "tags" in self.shape.fields:
            ready.append("tags")
        return final_select(self.shape, cleaned, False, ready, absent, beside)

    def _field(self, name: str, number: int) -> str:
        """A field of a pack as the normal form has it."""
        if field_kind(name) != "text":
            return f"parts[{number}]"
        shown = f"clean[{number}]"
        if public := dict(self.shape.keys).get(name):
            raw = f"parts[{number}]"
            shown = f"CASE WHEN {is_key_sql(raw, public)} THEN {public_key_sql(printable_text(raw))} ELSE {shown} END"
        return f"lower(nullif({shown}, ''))" if name in LOWERED else f"nullif({shown}, '')"

    @staticmethod
    def _raw_kind(name: str) -> str:
        return "VARCHAR" if field_kind(name) == "text" else "BIGINT"

    def _text(self, column: str) -> str:
        """A raw column as text; NULL where it is none."""
        return f"TRY(decode({column}))" if self.shape.text_is_blob else column
