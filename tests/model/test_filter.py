"""The filter language: what people write, what is refused and how, and that spelling is lossless."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cost_top.model.errors import UserError
from cost_top.model.filter import MOST_TERMS, MOST_WORDS, Filter, Term, parse_filter, pattern, value_term


def test_the_example_of_the_design() -> None:
    where = parse_filter(
        "tag:prod user:acme -model:gpt-4o* provider:openai,anthropic status:>=400 cost:>0.05 unpriced:yes"
    )
    assert where.terms == (
        Term("tag", ("prod",)),
        Term("user", ("acme",)),
        Term("model", ("gpt-4o*",), negated=True),
        Term("provider", ("openai", "anthropic")),
        Term("status", ("400",), ">="),
        Term("cost", ("0.05",), ">"),
        Term("unpriced", ("yes",)),
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("colour:red", "unknown field 'colour'"),
        ("user:", "has no value"),
        ("status:many", "not a number"),
        ("cost:>1,2", "takes one number"),
        ("unpriced:perhaps", "neither yes nor no"),
        ('user:"acme', "a quote is not closed"),
        ("-", "is empty"),
        ("cost:nan", "not a number in USD"),
        ("-user:a " * (MOST_TERMS + 1), "more than 100 terms"),
        ("word " * (MOST_WORDS + 1), "more than 20 words"),
        ("(" * 3_000, "longer than any text of a log"),
        ("user:a," + "b" * 3_000, "longer than any text of a log"),
    ],
)
def test_a_bad_expression_names_its_term(text: str, says: str) -> None:
    with pytest.raises(UserError, match=says) as caught:
        parse_filter(text)
    assert "\n" not in str(caught.value)


names = st.text(min_size=1, max_size=12).filter(str.strip)


@given(names)
def test_any_value_can_be_drilled_into_and_spelled(value: str) -> None:
    term = value_term("user", value)
    assert pattern(term.values[0]) == (value, False)
    assert parse_filter(str(term)).terms == (term,)


@given(st.text(max_size=30))
def test_parsing_never_fails_otherwise_and_spelling_is_stable(text: str) -> None:
    try:
        where = parse_filter(text)
    except UserError:
        return
    assert parse_filter(str(where)) == where


def test_none_is_a_value() -> None:
    assert str(value_term("user", None)) == "-user:*"


def test_terms_are_not_repeated() -> None:
    where = parse_filter("tag:a")
    assert where.with_term(Term("tag", ("a",))) is where
    assert where.both(parse_filter("tag:a tag:b")) == parse_filter("tag:a tag:b")
    assert not Filter()
