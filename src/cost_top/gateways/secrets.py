"""Keys in a log's columns, spelled for DuckDB: the rules are those of `model.secret`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cost_top.model.secret import BEARER_RE2, KEY_RE2, KIND_RE2, public_re2

if TYPE_CHECKING:
    from cost_top.gateways.preset import Preset


def key_fields(preset: Preset, fields: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Those of `fields` that may hold raw keys, each with the pattern (RE2) of what may be shown of it."""
    found = []
    for name in fields:
        secret = [item for item in preset.fields[name] if item.secret]
        if secret:
            found.append((name, public_re2(marker for item in secret for marker in item.public)))
    return tuple(found)


def public_text_sql(text: str) -> str:
    """`text` with every key in it replaced; planning it is dear, so it stands where few rows come."""
    # A key that another begins with is replaced after it.
    keys = f"list_reverse_sort(regexp_extract_all({text}, '{KEY_RE2}', 2))"
    return f"list_reduce({keys}, lambda told, key: replace(told, key, {_public('key')}), {text})"


def is_key_sql(column: str, public: str) -> str:
    """Whether a column's text is a key: whatever does not match `public`."""
    shown = public.replace("'", "''")
    return f"({column} <> '' AND NOT regexp_full_match({column}, '{shown}'))"


def public_key_sql(key: str) -> str:
    """The kind and hash of a column's text, which is a key."""
    bare = f"regexp_replace(trim({key}), '{BEARER_RE2}', '')"
    return f"list_transform([{bare}], lambda key: {_public('key')})[1]"


def _public(key: str) -> str:
    kind = f"regexp_extract({key}, '^(?:{KIND_RE2})')"
    prefix = f"CASE WHEN length({key}) >= 3 * length({kind}) THEN {kind} ELSE '' END"
    return f"{prefix} || '…' || left(sha256({key}), 12)"
