"""Views and snapshots over the wire: what arrives is what was sent, and what a hostile peer sends does no harm."""

from __future__ import annotations

import json
import types
from contextlib import suppress
from dataclasses import MISSING, asdict, fields, is_dataclass, replace
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any, Union, get_args, get_origin, get_type_hints
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cost_top.cli.overview import overview_text
from cost_top.demo.log import create_log
from cost_top.demo.traffic import Traffic
from cost_top.model.errors import SourceError, UserError
from cost_top.model.feed import Found, UnpricedModel
from cost_top.model.filter import FILTER_FIELDS, MONEY, NUMBER, TEXT, Filter, Term, parse_filter, value_term
from cost_top.model.query import Measures, Report, ReportRow
from cost_top.model.snapshot import Burn, Lens, Live, Snapshot, Spend, Stale
from cost_top.model.text import clean
from cost_top.model.view import Crumb, View
from cost_top.model.windows import WINDOW_NAMES, Period
from cost_top.model.wire import (
    LENS_NAMES,
    LENS_SORTS,
    found_from_json,
    found_to_json,
    snapshot_from_json,
    snapshot_to_json,
    unpriced_from_json,
    unpriced_to_json,
    view_from_json,
    view_to_json,
)
from cost_top.monitor.log.once import read_period
from cost_top.pricing.book import RateBook
from cost_top.sources.sql.log import open_log
from support.composed import composed

NOW = datetime(2026, 11, 21, 14, 3, 22, 123456, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")
HUGE = 2**127 - 1


def wired(value: Any) -> Any:
    """What the peer reads."""
    return json.loads(json.dumps(value, ensure_ascii=False, allow_nan=False))


# Values of every kind that the annotations name

texts = st.text(max_size=30).map(clean)
instants = st.datetimes(datetime(1970, 1, 2), datetime(8999, 12, 30), timezones=st.just(UTC))
names = st.one_of(texts.filter(bool), st.sampled_from(["a*b", 'quo"te', "back\\slash", "com,ma", "-x", ">1", "a b"]))
amounts = st.decimals(0, 10**6, places=6).map(str)


@st.composite
def terms(draw: Any) -> Term:
    field = draw(st.sampled_from([None, *FILTER_FIELDS]))
    kind = FILTER_FIELDS.get(field or "")
    negated = draw(st.booleans())
    if kind == TEXT:
        known = [
            value_term(field, draw(st.one_of(names, st.just("")))).values[0] for _ in range(draw(st.integers(1, 3)))
        ]
        return Term(field, tuple(known), negated=negated)
    if kind in (NUMBER, MONEY):
        return Term(field, (draw(amounts),), draw(st.sampled_from(["=", ">", "<", ">=", "<="])), negated)
    if kind is None:
        return Term(None, value_term("user", draw(names)).values, negated=negated)
    return Term(field, (draw(st.sampled_from(["yes", "no"])),), negated=negated)


filters = st.lists(terms(), max_size=4).map(lambda found: Filter(tuple(found)))
LEAVES: dict[Any, st.SearchStrategy[Any]] = {
    str: texts, int: st.integers(-HUGE - 1, HUGE), bool: st.booleans(), datetime: instants, Filter: filters,
    float: st.floats(0, 1e12, allow_nan=False), date: st.dates(), Term: terms(), type(None): st.none(),
    timedelta: st.timedeltas(timedelta(0), timedelta(days=3650)),
}  # fmt: skip


def of(kind: Any) -> st.SearchStrategy[Any]:
    """Any value of an annotation."""
    if kind in LEAVES:
        return LEAVES[kind]
    parts = get_args(kind)
    if get_origin(kind) is tuple:
        if parts[-1] is Ellipsis:
            return st.lists(of(parts[0]), max_size=3).map(tuple)
        return st.tuples(*map(of, parts))
    if get_origin(kind) in (Union, types.UnionType):
        return st.one_of(*map(of, parts))
    if kind is Lens:
        return lenses()
    assert is_dataclass(kind), kind
    return st.deferred(lambda: st.builds(kind, **{name: of(hint) for name, hint in hints(kind).items()}))


def hints(kind: Any) -> dict[str, Any]:
    known = {each.name for each in fields(kind)}
    return {name: hint for name, hint in get_type_hints(kind).items() if name in known}


@st.composite
def lenses(draw: Any) -> Lens:
    count = draw(st.integers(0, 3))
    columns = tuple(draw(st.lists(texts, min_size=1, max_size=2)))
    key = st.tuples(*[st.none() | texts] * len(columns))
    row = st.builds(ReportRow, key=key, measures=of(Measures))
    report = draw(st.builds(
        Report, columns=st.just(columns), rows=st.lists(row, min_size=count, max_size=count).map(tuple),
        totals=of(Measures), row_count=st.integers(0, HUGE), as_of=instants, notes=of(tuple[str, ...]),
    ))  # fmt: skip
    entries = st.integers(-HUGE, HUGE)
    return Lens(
        draw(texts), draw(of(Period)), report,
        draw(st.lists(st.lists(entries, max_size=2).map(tuple), min_size=count, max_size=count).map(tuple)),
        draw(st.lists(entries | st.none(), min_size=count, max_size=count).map(tuple)),
        draw(st.sampled_from([(), (5,) * count])),
    )  # fmt: skip


views = st.builds(
    View, window=st.sampled_from(WINDOW_NAMES), filter=filters, tab=st.sampled_from(LENS_NAMES),
    end=st.none() | st.datetimes(datetime(1970, 1, 2), datetime(2026, 1, 1), timezones=st.just(UTC)),
    crumbs=st.lists(st.builds(Crumb, texts, texts, terms()), max_size=3).map(tuple),
    lenses=st.lists(st.sampled_from(LENS_NAMES), unique=True).map(tuple),
    sort=st.lists(st.tuples(st.sampled_from(LENS_NAMES), st.sampled_from(LENS_SORTS), st.booleans()),
                  unique_by=lambda entry: entry[0], max_size=3).map(tuple),
    row_limit=st.integers(1, 1000), mark=st.none() | instants,
    weekly=st.lists(st.sampled_from(LENS_NAMES), unique=True).map(tuple),
)  # fmt: skip
QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@QUICK
@given(of(Snapshot))
def test_a_snapshot_arrives_as_it_was_sent(snapshot: Snapshot) -> None:
    arrived = snapshot_from_json(wired(snapshot_to_json(snapshot)))
    assert arrived == snapshot
    assert asdict(arrived) == asdict(snapshot), "what does not count for equality arrives as well"
    for name in ("period", "load"):
        assert getattr(arrived, name) == getattr(snapshot, name)


@settings(QUICK, max_examples=200)
@given(views)
def test_a_view_arrives_as_it_was_sent(view: View) -> None:
    assert view_from_json(wired(view_to_json(view))) == view


@QUICK
@given(st.lists(of(Found), max_size=4), st.lists(of(UnpricedModel), max_size=4))
def test_pickers_and_unpriced_models_arrive_as_they_were_sent(found: list[Found], models: list[UnpricedModel]) -> None:
    assert found_from_json(wired(found_to_json(found))) == tuple(found)
    several = [replace(model, override=f'[[price]]\nmodel = "x"\n\n{model.override}') for model in models]
    assert unpriced_from_json(wired(unpriced_to_json(several))) == tuple(several)


def test_every_field_travels_although_none_is_named_in_the_codec() -> None:
    sent = snapshot_to_json(Snapshot(View(), "log", Period(NOW, NOW), Spend(Measures()), Burn()))
    assert set(sent) == {each.name for each in fields(Snapshot)}
    assert all(
        each.default is not MISSING or each.default_factory is not MISSING or each.name in sent
        for each in fields(Snapshot)
    )


def test_a_filter_may_be_written_as_text() -> None:
    asked = view_from_json({"filter": 'tag:prod -model:gpt-4o* cost:>0.05 "two words"', "window": "7d"})
    assert asked.filter == parse_filter('tag:prod -model:gpt-4o* cost:>0.05 "two words"')
    assert asked.lenses == View().lenses


def test_a_new_field_that_is_not_used_does_not_trouble_an_older_server() -> None:
    assert set(view_to_json(View())) == {"window", "tab", "lenses", "row_limit"}
    assert view_to_json(View(lenses=()))["lenses"] == [], "what was emptied is said"


# Real figures


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = tmp_path_factory.mktemp("demo") / "demo.db"
    end = datetime.now(UTC)
    create_log(path, Traffic(7).history(int(end.timestamp() * 1000), 2))
    mirror = read_period(open_log(str(path), None), RateBook.load(None), None, Period(end - timedelta(days=8), end))
    yield mirror, end
    mirror.close()


@pytest.mark.parametrize(
    "view",
    [
        View(window="24h"),
        View(window="7d", filter=parse_filter("-tag:batch status:<400"), lenses=LENS_NAMES, row_limit=5),
        View(
            window="1h",
            sort=(("endpoint", "key", False),),
            crumbs=(Crumb("provider", "anthropic", value_term("provider", "anthropic")),),
        ),
        View(window="mtd", mark=datetime.now(UTC) - timedelta(hours=5)),
    ],
    ids=lambda view: view.window,
)
def test_the_demo_looks_the_same_from_afar(demo: Any, view: View) -> None:
    mirror, now = demo
    snapshot = composed(mirror, view, now, BERLIN, label="demo")
    snapshot = replace(snapshot, state=Live(now))
    arrived = snapshot_from_json(wired(snapshot_to_json(snapshot)))
    assert snapshot.spend.measures.total_cost > 0
    assert asdict(arrived) == asdict(snapshot)
    assert overview_text(arrived, BERLIN) == overview_text(snapshot, BERLIN)
    asked_again = view_from_json(wired(view_to_json(view)))
    assert asked_again == view


def test_only_what_changed_need_be_sent() -> None:
    first = Snapshot(View(), "log", Period(NOW, NOW), Spend(Measures(total_cost=2**60 + 1)), Burn(), log_rows=4)
    stale = Stale(NOW, "gone", NOW + timedelta(seconds=4))
    fields_of_next = wired({"state": snapshot_to_json(replace(first, state=stale))["state"], "log_rows": 5})
    following = snapshot_from_json(fields_of_next, first)
    assert following == replace(first, state=stale, log_rows=5)
    assert following.spend is first.spend


# Strangers


PLAIN = Snapshot(
    View(), "log", Period(NOW - timedelta(days=1), NOW), Spend(Measures()), Burn(),
    lenses=(
        Lens("user", Period(NOW, NOW), Report(("user",), (ReportRow(("acme",), Measures()),), Measures(), 1, NOW)),
    ),
)  # fmt: skip


def broken(path: str, value: Any) -> dict[str, Any]:
    """The plain snapshot on the wire with another value at `a.b.0.c`."""
    sent = wired(snapshot_to_json(PLAIN))
    place: Any = sent
    *steps, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    for step in steps:
        place = place[step]
    place[last] = value
    return sent


def test_fields_of_a_newer_server_are_passed_over() -> None:
    sent = broken("forecast", {"end": 5})
    sent["spend"]["measures"]["carbon_grams"] = 12
    assert snapshot_from_json(sent) == PLAIN


def test_what_an_older_server_does_not_tell_has_its_default() -> None:
    sent = wired(snapshot_to_json(PLAIN))
    del sent["trust"], sent["spend"]["measures"]["reasoning_tokens"], sent["lenses"][0]["report"]["notes"]
    assert snapshot_from_json(sent) == PLAIN
    del sent["spend"]
    with pytest.raises(SourceError, match="malformed snapshot: spend is missing"):
        snapshot_from_json(sent)


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("spend.measures.total_cost", "12", "spend.measures.total_cost: a text where a whole number belongs"),
        ("spend.measures.total_cost", 1.5, "a fraction where a whole number"),
        ("spend.measures.total_cost", True, "true or false where a whole number"),
        ("spend.measures.total_cost", None, "nothing where a whole number"),
        ("spend.measures.total_cost", 10**60, "too large"),
        ("spend.measures", [], "spend.measures: a list where an object"),
        ("spend", None, "spend: nothing where an object"),
        ("burn.requests_per_minute", "nan", "a text where a number"),
        ("burn.requests_per_minute", float("nan"), "too large"),
        ("burn.minutes", "123", "burn.minutes: a text where a list"),
        ("burn.minutes", [0] * 10_001, "at most 10000"),
        ("period.start", "2026-11-21T14:03:22", "period.start: an instant without its offset"),
        ("period.start", "yesterday", "'yesterday' is no time"),
        ("period.start", 0, "a number where a time"),
        ("period.start", "0001-01-01T00:00:00+14:00", "too far away|too large|out of range"),
        ("rates_date", "2026-13-01", "no time in ISO"),
        ("lateness", 1e300, "too large"),
        ("lateness", 1e20, "too long"),
        ("state", {"since": "x"}, "state: `kind` is none of live, stale"),
        ("state", {"kind": ["live"]}, "`kind` is none of"),
        ("state", {"kind": "live"}, "polled_at is missing"),
        ("state", "live", "a text where an object"),
        ("source", 5, "source: a number where a text"),
        ("lenses.0.report.columns", {"a": 1}, "an object where a list"),
        ("source", None, "nothing where a text"),
        ("lenses.0.previous", [1, 2], "lenses: previous does not fit the rows"),
        ("lenses.0.trends", [[1], [2]], "lenses: trends does not fit"),
        ("lenses.0.report.rows.0.key", [], "key does not fit"),
        ("lenses.0.report.columns", [], "key does not fit"),
        ("chart", [[[[[[]]]]]], "a list where an object"),
        ("view.filter", {"terms": [{"field": "no such", "values": ["x"]}]}, "unknown field .such."),
    ],
)  # fmt: skip
def test_malformed_snapshots_are_refused_in_one_line(path: str, value: Any, said: str) -> None:
    with pytest.raises(SourceError, match=said) as refused:
        snapshot_from_json(broken(path, value))
    assert str(refused.value).startswith("malformed snapshot: ")
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 400


HOSTILE = "a\x1b]0;owned\x07\x1b[31m\u202eb\u200b\n\ud83d" + "c" * 5000


@pytest.mark.parametrize(
    "path",
    ["source", "lenses.0.dimension", "lenses.0.report.rows.0.key.0", "lenses.0.report.columns.0",
     "lenses.0.report.notes.0"],
)  # fmt: skip
def test_no_escape_sequence_reaches_the_terminal(path: str) -> None:
    sent = broken("lenses.0.report.notes", ["note"])
    place: Any = sent
    *steps, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    for step in steps:
        place = place[step]
    place[last] = HOSTILE
    arrived = asdict(snapshot_from_json(json.loads(json.dumps(sent))))
    for step in (*steps, last):
        arrived = arrived[step]
    assert arrived == "a]0;owned[31mb" + "c" * (512 - 14)


def test_hostile_texts_of_pickers_and_overrides_are_cleaned() -> None:
    (found,) = found_from_json([{"value": "a\x1b[2J", "name": None, "cost": 1, "request_count": 1}])
    assert found.value == "a[2J"
    (model,) = unpriced_from_json([
        {"provider": "p\u202e", "model": None, "request_count": 1, "input_tokens": 1, "output_tokens": 1,
         "override": "[[price]]\n\x1b[31mmodel = 1\r\n" + "x\n" * 1000}
    ])  # fmt: skip
    assert model.provider == "p"
    assert model.override.split("\n")[:3] == ["[[price]]", "[31mmodel = 1", "x"]
    assert model.override.count("\n") < 100
    for malformed in ({}, None, "x", [1], [{"value": 1}], [{"value": "x"}]):
        with pytest.raises(SourceError, match="malformed answer to a search"):
            found_from_json(malformed)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (None, "view: nothing where an object"),
        ([], "a list where an object"),
        ("window", "a text where an object"),
        ({"windo": "7d"}, "unknown field windo"),
        ({"window": "5y"}, "unknown window '5y'"),
        ({"window": None}, "window: nothing where a text"),
        ({"tab": "day"}, "unknown lens 'day'"),
        ({"lenses": ["provider", "1); DROP TABLE hot"]}, "unknown lens"),
        ({"lenses": ["provider", "provider"]}, "names a lens twice"),
        ({"lenses": "provider"}, "a text where a list"),
        ({"sort": [["model", "total_cost; --", True]]}, "unknown sort"),
        ({"sort": [["model", "latency_p99", True]]}, "unknown sort 'latency_p99'"),
        ({"sort": [["cost", "total_cost", True]]}, "unknown lens 'cost'"),
        ({"sort": [["model", "total_cost"]]}, "a list of 2 where one of 3"),
        ({"sort": [["model", "total_cost", True], ["model", "key", True]]}, "names a lens twice"),
        ({"row_limit": 0}, "row_limit 0 is out of range"),
        ({"row_limit": 1001}, "row_limit 1001"),
        ({"row_limit": True}, "true or false where a whole number"),
        ({"weekly": ["cost"]}, "unknown lens 'cost'"),
        ({"requests_open": True}, "unknown field requests_open"),
        ({"end": "2026-11-21T14:00:00"}, "end: an instant without its offset"),
        ({"end": "8000-01-01T00:00:00Z"}, "end lies in the future"),
        ({"mark": "0001-01-01T00:00:00Z"}, "too far away"),
        ({"filter": "no_such:x"}, "unknown field 'no_such'"),
        ({"filter": "x " * 20_000}, "at most"),
        ({"filter": {"term": []}}, "unknown field term"),
        ({"filter": {"terms": [{"values": ["a", "b"]}]}}, "no term of a filter"),
        ({"filter": {"terms": [{"values": [""]}]}}, "no term of a filter"),
        ({"filter": {"terms": [{"values": []}]}}, "no term of a filter|empty"),
        ({"filter": {"terms": [{"field": "status", "values": ["1 OR 1=1"]}]}}, "not a number"),
        ({"filter": {"terms": [{"field": "status", "values": ["1"], "operator": "<> 0 OR"}]}}, "not a number"),
        ({"filter": {"terms": [{"field": "user", "values": ["x"], "operator": ">"}]}}, "no term"),
        ({"filter": {"terms": [{"field": "user", "values": ["x"], "negated": "no"}]}}, "a text where true or false"),
        ({"filter": {"terms": [{"field": "1=1 --", "values": ["x"]}]}}, "no term|unknown field"),
        ({"filter": {"terms": [{"field": "cost", "values": ["1e999999"], "operator": ">"}]}}, "not a number"),
        ({"filter": {"terms": [{"field": "user", "values": ["x" * 5000]}]}}, "too long"),
        ({"filter": {"terms": [{"field": "user", "values": ["\ud83d"]}]}}, "no text"),
        ({"filter": {"terms": [{"field": "user", "values": "abc"}]}}, "a text where a list"),
        ({"filter": {"terms": [{"field": ["user"], "values": ["x"]}]}}, "are texts"),
        ({"filter": {"terms": [{"field": "user", "values": ["x"], "colour": 1}]}}, "unknown field colour"),
        ({"filter": {"terms": [{"values": ["x"]}] * 101}}, "at most 100"),
        ({"crumbs": [{"dimension": "user", "label": "x"}]}, "term is missing"),
        ({"crumbs": [{"dimension": "user", "label": "x", "term": {"values": ["x"]}}] * 51}, "too many"),
        ({"crumbs": {"dimension": "user"}}, "an object where a list"),
    ],
)
def test_a_view_that_is_none_is_refused_in_one_line(asked: Any, said: str) -> None:
    with pytest.raises(UserError, match=said) as refused:
        view_from_json(asked)
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 400


@QUICK
@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["window", "filter", "terms", "field", "values", "crumbs", "term", "sort", "end", "spend",
                         "view", "period", "state", "kind", "burn", "lenses", "source"]), inner, max_size=5),
))  # fmt: skip
def test_whatever_is_sent_ends_in_a_value_or_in_one_line(value: Any) -> None:
    with suppress(UserError):
        assert isinstance(view_from_json(value), View)
    if isinstance(value, dict):
        with pytest.raises(SourceError, match="malformed snapshot"):
            snapshot_from_json(value)
        with suppress(SourceError):
            assert isinstance(snapshot_from_json(value, PLAIN), Snapshot)


def test_other_offsets_arrive_in_utc() -> None:
    there = NOW.astimezone(timezone(timedelta(hours=-9)))
    assert view_from_json({"end": there.isoformat()}).end == NOW
    assert view_from_json({"end": there.isoformat()}).end.utcoffset() == timedelta(0)  # type: ignore[union-attr]
