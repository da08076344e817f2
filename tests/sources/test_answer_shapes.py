"""Answers of report APIs against their declared shapes: what is otherwise is read as far as it can be, and told."""

from __future__ import annotations

import pytest

from cost_top.sources.apis.admin_wire import Wire
from cost_top.sources.apis.shapes import Count, NeededCount, Shape, Text, Unread


class Inner(Shape):
    tokens: Count = None


class Row(Shape):
    model: Text = None
    count: NeededCount = None
    other: Count = None
    inner: Inner | None = None
    unread: Unread = None


def read(value):
    wire = Wire("acme")
    return wire.read("/usage", Row, value), [line.removeprefix("acme: /usage: ") for line in wire.drift()]


def test_what_is_as_documented_is_read_and_nothing_is_told():
    row, drift = read({"model": " m\x1b[1m", "count": "12", "other": 3, "inner": {"tokens": 4}, "unread": [1]})
    assert (row.model, row.count, row.other, row.inner.tokens) == ("m[1m", 12, 3, 4)
    assert drift == []


def test_a_field_that_is_not_documented_is_let_through_and_told():
    row, drift = read({"count": 1, "mood\x1b": "good"})
    assert row.count == 1
    assert drift == ["unknown field mood"]


@pytest.mark.parametrize("value", [-1, 1.5, "many", True, [], 10**30, "nan"])
def test_a_count_that_is_none_is_unknown_and_told(value):
    row, drift = read({"count": 1, "other": value})
    assert (row.count, row.other) == (1, None)
    assert drift == ["other is no count"]


def test_a_field_that_is_needed_is_missed():
    assert read({})[1] == ["no count"]
    assert read({"count": None})[1] == ["no count"]


def test_an_object_that_is_none_is_unknown_and_told():
    row, drift = read({"count": 1, "inner": "x"})
    assert row.inner is None
    assert drift == ["inner is of another kind"]


def test_what_is_told_has_an_end():
    wire = Wire("acme")
    for number in range(100):
        wire.read("/usage", Row, {"count": 1, f"field{number}": 1})
    assert len(wire.drift()) == 20
