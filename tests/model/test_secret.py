"""What is a key in a text, and what stands for it."""

from __future__ import annotations

from hashlib import sha256

import pytest

from cost_top.gateways.secrets import is_key_sql, public_key_sql, public_text_sql
from cost_top.model.errors import UserError
from cost_top.model.filter import parse_filter
from cost_top.model.secret import MAYBE_KEY_RE2, has_key, public_key, public_re2, public_text
from cost_top.model.text import clean
from support.scratch import scratch

BODY = "FAKEfake0123456789FAKEfake0123456789FAKE"
KEYS = [
    f"sk-{BODY}", f"sk-proj-{BODY}", f"sk-ant-api03-{BODY}", f"sk-or-v1-{BODY}", "sk-abcdefghijklmnopq",
    f"sk_live_{BODY}",
    f"AIza{BODY}"[:39], "AKIAIOSFODNN7EXAMPLE", f"ghp_{BODY}"[:40], f"github_pat_{BODY}", f"glpat-{BODY}"[:26],
    f"gsk_{BODY}", f"hf_{BODY}", f"xai-{BODY}", f"xoxb-{BODY}", f"nvapi-{BODY}", f"sess-{BODY}", f"ya29.{BODY}",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJmYWtlIn0.c2lnbmF0dXJlLWZha2U", "eyJhbGciOiJkaXIifQ..SXY.Y2lwaGVy.dGFn",
]  # fmt: skip
NAMES = [
    "pg_live_xy7k2mq9", "0b1f9c52-6f39-4b7e-9a52-6dbe7e4bb001", "anna.long-name-of-a-person@example.com", "0f" * 32,
    "user_7f3kq9zx81mm4v2c0pd1", "chatcmpl-9f8e7d6c5b4a39281706", "xai-grok-4-fast-non-reasoning", "sk-short",
    "task-summarise-all-customer-tickets", "pplx-embed-large-2026-online", "sess-12345678",
    "eyJkZXZpY2VfaWQiOiJhYmMifQ",
    "hf_meta-llama-3-70b-instruct-awq", "sk-…0123456789ab", "Bearer of good news for the team",
]  # fmt: skip


@pytest.fixture(scope="module")
def duck():
    with scratch() as connection:
        yield connection


def in_duck(duck, expression, *texts):
    values = ", ".join(f"({text!r})" for text in texts)
    return [row[0] for row in duck.execute(f"SELECT {expression} FROM (VALUES {values}) v(text)").fetchall()]


@pytest.mark.parametrize("key", KEYS)
def test_a_key_becomes_its_kind_and_hash(duck, key):
    digest = sha256(key.encode()).hexdigest()[:12]
    shown = public_text(key)
    kind, _, tail = shown.partition("…")
    assert tail == digest
    assert key.startswith(kind)
    assert len(kind) <= len(key) / 3
    assert public_text(shown) == shown
    inside = f"see {kind} and https://example.com/v1?key={key}, {KEYS[0]}; Bearer {key}"
    for text in (key, inside):
        assert has_key(text)
        assert key not in public_text(text)
        assert clean(f"\x1b{text}\u200b") == public_text(text)
        assert in_duck(duck, public_text_sql("text"), text) == [public_text(text)], "both paths show the same"
        assert in_duck(duck, f"regexp_matches(text, '{MAYBE_KEY_RE2}')", text) == [True]


@pytest.mark.parametrize("name", NAMES)
def test_what_merely_looks_random_stays(duck, name):
    assert not has_key(name)
    assert public_text(name) == name
    assert in_duck(duck, public_text_sql("text"), name) == [name]


def test_two_keys_in_one_text_of_which_one_begins_the_other(duck):
    text = f"{KEYS[0]} {KEYS[0]}xyz"
    assert public_text(text) == f"{public_key(KEYS[0])} {public_key(KEYS[0] + 'xyz')}"
    assert in_duck(duck, public_text_sql("text"), text) == [public_text(text)]


def test_in_a_column_of_keys_everything_but_hashes_and_markers_is_one(duck):
    public = public_re2(["litellm_proxy_master_key", "hashed-jwt-{sha256}"])
    stay = ["0f" * 32, "litellm_proxy_master_key", f"hashed-jwt-{'0f' * 32}", "sk-…0123456789ab"]
    keys = ["maxkey123", "corp-session-9f8e7d6c5b4a39281706f5e4d3c2b1a0", "Bearer maxkey123", "a", "0f" * 31]
    assert in_duck(duck, is_key_sql("text", public), *stay, *keys) == [False] * len(stay) + [True] * len(keys)
    assert in_duck(duck, public_key_sql("text"), *keys) == [public_key(key) for key in keys]
    assert public_key("Bearer maxkey123") == public_key("maxkey123"), "one key is one token"


def test_a_filter_never_holds_a_raw_key():
    key = KEYS[1]
    digest = sha256(key.encode()).hexdigest()
    assert str(parse_filter(f"token:{key}")) == f"token:sk-proj-…{digest[:12]},{digest}"
    assert str(parse_filter(f"-key:other,{key}")) == f"-token:other,sk-proj-…{digest[:12]},{digest}"
    assert str(parse_filter(f"user:{key} {key}")) == f"user:sk-proj-…{digest[:12]} {digest[:12]}"
    assert str(parse_filter("token:pg_live_xy7k2mq9")) == "token:pg_live_xy7k2mq9"
    with pytest.raises(UserError, match="part of a key") as refused:
        parse_filter(f"token:{key}*")
    assert key not in str(refused.value)
