"""What a guard is asked, by headers and by a body."""

from __future__ import annotations

import json
from typing import Any

import pytest
from starlette.datastructures import Headers, QueryParams

from cost_top.serve.errors import Problem
from cost_top.serve.routes.guard import _deny, _question_in, _question_of

LONGEST = "x" * 512


def by_headers(rest: str = "", **headers: bytes) -> Any:
    named = [(name.replace("_", "-").encode(), value) for name, value in headers.items()]
    return _question_in(Headers(raw=named), rest)


@pytest.mark.parametrize("spelled", ["maría".encode(), "maría".encode("latin-1")])
def test_texts_in_headers_are_utf_8_or_else_latin_1(spelled: bytes) -> None:
    told = by_headers(x_cost_top_user=spelled, x_cost_top_tags=spelled, x_cost_top_id=spelled, x_original_uri=spelled)
    assert (told.values, told.tags, told.id) == ({"user": "maría", "endpoint": "maría"}, ("maría",), "maría")


@pytest.mark.parametrize(
    ("rest", "headers", "endpoint"),
    [
        ("agent", {}, "/agent"), ("agent", {"x_original_uri": b"/chat?key=1"}, "/chat"),
        ("agent", {"x_cost_top_endpoint": b"/own?key=1", "x_original_uri": b"/chat"}, "/own"),
        ("agent", {"x_cost_top_endpoint": b"?key=1"}, None), ("agent", {"x_original_uri": b"?key=1"}, None),
        # However long what follows it is, and no more of it than of any text.
        ("", {"x_original_uri": b"/chat?" + b"k" * 9000}, "/chat"), (f"{LONGEST}yz", {}, f"/{LONGEST[1:]}"),
    ],
)  # fmt: skip
def test_an_endpoint_is_told_by_the_header_else_the_address_else_the_path(
    rest: str, headers: dict[str, bytes], endpoint: str | None
) -> None:
    assert by_headers(rest, **headers).values == {"endpoint": endpoint}


def test_what_is_not_told_is_not_there() -> None:
    told = by_headers(x_cost_top_estimated_cost=b"")
    assert (told.values, told.tags, told.estimated_cost, told.id) == ({}, None, None, None)
    told = by_headers(x_cost_top_tags=b"", x_cost_top_user=b"")
    assert (told.values, told.tags) == ({"user": None}, ())
    told = _question_of({"user": "", "tags": None, "estimated_cost": None})
    assert (told.values, told.tags, told.estimated_cost) == ({"user": None}, None, None)


@pytest.mark.parametrize(
    ("spelled", "tags"),
    [
        ("prod, plan:free,,", ("prod", "plan:free")),
        (' ["a,b", "c"]', ("a,b", "c")),
        (",".join("ab" * 60), ("a", "b") * 50),
    ],
)
def test_tags_are_a_list_of_words_or_json(spelled: str, tags: tuple[str, ...]) -> None:
    assert by_headers(x_cost_top_tags=spelled.encode()).tags == tags


@pytest.mark.parametrize("spelled", ["[", "[1", '{"a": 1}]', "[" * 100_000])
def test_tags_that_are_no_json_are_refused_or_words(spelled: str) -> None:
    if spelled.startswith("{"):
        assert by_headers(x_cost_top_tags=spelled.encode()).tags == (spelled,)
        return
    with pytest.raises(Problem, match="no JSON list"):
        by_headers(x_cost_top_tags=spelled.encode())


def test_texts_and_lists_are_as_long_as_they_may_be() -> None:
    tags = [str(number) for number in range(100)]
    told = _question_of({"user": LONGEST, "id": " Ré\u200b ", "tags": tags, "provider": "OpenAI"})
    assert told.values == {"user": LONGEST, "provider": "openai"}
    assert (told.tags, told.id) == (tuple(tags), " Ré\u200b ")
    assert _question_of({"endpoint": "/chat?key=sk-1"}).values == {"endpoint": "/chat"}
    assert _question_of({"endpoint": "?key=sk-1"}).values == {"endpoint": None}
    for body in ({"user": f"{LONGEST}x"}, {"tags": [*tags, "x"]}, {"tags": [f"{LONGEST}x"]}, {"id": 7}):
        with pytest.raises(Problem, match="must be a"):
            _question_of(body)


@pytest.mark.parametrize(
    ("given", "pico"), [("0", 0), ("0.05", 5 * 10**10), (3, 3 * 10**12), ("999999999999.999999999999", 10**24 - 1)]
)
def test_an_amount_is_exact(given: object, pico: int) -> None:
    assert _question_of({"estimated_cost": given}).estimated_cost == pico


@pytest.mark.parametrize("given", ["-1", "1000000000000", True, False, 0.5, "0." + "0" * 39, "much", [1]])
def test_what_is_no_amount_is_refused(given: object) -> None:
    with pytest.raises(Problem, match="is no amount"):
        _question_of(json.loads(json.dumps({"estimated_cost": given})))


def test_a_refusal_has_the_status_that_is_asked_for() -> None:
    assert [_deny(QueryParams(query)) for query in ("", "deny=403", "deny=422")] == [422, 403, 422]
    for query in ("deny=404", "deny=", "deny=0403"):
        with pytest.raises(Problem):
            _deny(QueryParams(query))
