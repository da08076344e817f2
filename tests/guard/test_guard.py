"""The guard's decisions in memory: what fits a budget, what is set aside, and what unknown figures answer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cost_top.guard.guard import Guard
from cost_top.guard.question import Question, compiled
from cost_top.guard.reservations import Reservation, Reservations
from cost_top.guard.standings import BudgetState, Published
from cost_top.guard.words import body_of, headers_of
from cost_top.insight.budgets import period_of
from cost_top.mirror.names import Names
from cost_top.mirror.where import condition
from cost_top.model.budgets import Budget, Standing, parse_period
from cost_top.model.filter import parse_filter

USD = 10**12
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
KEY = "sk-proj-Ab3dEf6hIj9kLmNo"
HASH = sha256(KEY.encode()).hexdigest()


class Clock:
    seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        return NOW + timedelta(seconds=self.seconds - 1000)


def budget(name: str = "acme-month", **given) -> Budget:
    period = parse_period(given.pop("period", "month"))
    where = parse_filter(given.pop("where", ""))
    return Budget(**{"name": name, "limit": 200 * USD, "mode": "hard", **given}, period=period, where=where)


def state(of: Budget, spent: dict[str | None, int | None], unpriced: int = 0) -> BudgetState:
    start, end = period_of(of, NOW)
    values = {
        value: Standing(of, start, end, NOW, amount, unpriced, value=value) for value, amount in spent.items()
    }  # fmt: skip
    return BudgetState(of, end, values)


def guard_of(*states: BudgetState, clock: Clock | None = None, amounts=None, **more) -> Guard:
    clock = clock or Clock()
    guard = Guard(tuple(one.budget for one in states), clock=clock, now=clock.now, **more)
    guard.publish(Published(states, clock(), amounts or {}))
    return guard


def asked(cost: str | None = None, **values) -> Question:
    identity = values.pop("id", None)
    tags = values.pop("tags", None)
    return Question(values, tags, None if cost is None else int(float(cost) * USD), identity)


def test_what_is_left_may_be_spent_and_no_more():
    guard = guard_of(state(budget(), {None: 170 * USD}))
    verdict = guard.ask(asked("30"))
    assert verdict.refused is None
    assert verdict.certain
    again = guard.ask(asked("0.01"))
    assert (again.reason, again.refused.left) == ("would_exceed", 0)
    guard.release(verdict.reservation)
    assert guard.ask(asked("0.01")).refused is None


def test_a_budget_that_is_used_up_refuses_also_what_costs_nothing_known():
    verdict = guard_of(state(budget(), {None: 200 * USD})).ask(asked())
    assert verdict.reason == "exhausted"
    error = body_of(verdict)["error"]
    assert error == {
        "type": "budget_exhausted", "code": "422", "param": None, "budget": "acme-month", "reason": "exhausted",
        "message": "budget acme-month is used up: $200.00 of $200.00, resets Tue 1 Dec 00:00 UTC",
        "limit_usd": "200", "spent_usd": "200", "reserved_usd": "0", "resets_at": "2026-12-01T00:00:00Z",
        "certain": True,
    }  # fmt: skip
    headers = headers_of(verdict, NOW)
    assert headers == {
        "X-Cost-Top-Guard": "fresh", "X-Cost-Top-Budget": "acme-month", "X-Cost-Top-Left-Usd": "0",
        "X-Cost-Top-Resets": "2026-12-01T00:00:00Z", "x-should-retry": "false",
    }  # fmt: skip


def test_a_soft_budget_never_refuses_but_is_told():
    verdict = guard_of(state(budget(mode="soft"), {None: 300 * USD})).ask(asked())
    assert verdict.refused is None
    assert body_of(verdict)["budgets"][0]["left_usd"] == "-100"


def test_a_public_id_that_looks_like_a_key_is_refused_as_the_log_tells_it():
    public = "pg_live_xy7k2mq9"
    one = guard_of(state(budget(where=f"token:{public}"), {None: 200 * USD}))
    assert one.ask(asked(token=public)).reason == "exhausted"
    assert one.ask(asked(token="pg_live_other1q9")).refused is None
    each = guard_of(state(budget(each="token", limit=USD), {public: USD}))
    assert each.ask(asked(token=public)).reason == "exhausted"
    other = each.ask(asked(token="pg_live_other1q9"))
    assert other.refused is None
    assert "other1q9" not in str(body_of(other)), "what may be a key itself is not told back"


def test_a_client_is_told_to_wait_only_where_the_wait_is_short():
    verdict = guard_of(state(budget(), {None: 200 * USD})).ask(asked())
    ends = datetime(2026, 12, 1, tzinfo=UTC)
    assert headers_of(verdict, ends - timedelta(seconds=30))["Retry-After"] == "31"
    assert "Retry-After" not in headers_of(verdict, ends - timedelta(seconds=90))


def test_each_value_has_its_own_budget_and_one_that_spent_nothing_the_whole():
    guard = guard_of(state(budget(each="user", limit=USD), {"ann": USD, None: USD}))
    assert guard.ask(asked(user="ann")).reason == "exhausted"
    assert guard.ask(asked(user="bob")).refused is None
    assert guard.ask(asked(user=None)).reason == "exhausted"  # known to have none
    unsaid = guard.ask(asked())
    assert unsaid.refused is None
    assert body_of(unsaid)["not_matched"] == [{"name": "acme-month", "needs": "user"}]


def test_a_budget_of_what_the_call_does_not_carry_is_not_matched_and_said():
    guard = guard_of(state(budget(where="endpoint:/agent"), {None: 300 * USD}))
    assert guard.ask(asked(endpoint="/agent")).reason == "exhausted"
    assert guard.ask(asked(endpoint="/chat")).needs == ()
    assert guard.ask(asked(user="ann")).needs == (("acme-month", "endpoint"),)
    late = guard_of(state(budget(where="cost:>1"), {None: 300 * USD}))
    assert late.ask(asked(user="ann")).needs == (("acme-month", "cost"),)


def test_each_tag_of_a_call_counts():
    guard = guard_of(state(budget(each="tag", limit=USD), {"a": USD // 2, "b": USD}))
    assert guard.ask(asked(tags=("a", "b"))).refused.value == "b"
    assert guard.ask(asked(tags=("a",))).refused is None
    assert guard.ask(asked(tags=())).budgets[0].value is None


@pytest.mark.parametrize(
    "form", [f"sk-proj-…{sha256(KEY.encode()).hexdigest()[:12]}", sha256(KEY.encode()).hexdigest()]
)
def test_a_raw_key_is_known_by_whichever_form_the_log_has(form):
    guard = guard_of(state(budget(each="token", limit=USD), {form: USD}))
    verdict = guard.ask(asked(token=KEY))
    assert verdict.refused.value == form
    assert KEY not in str(body_of(verdict))
    assert guard_of(state(budget(where=f'token:"{form}"'), {None: 200 * USD})).ask(asked(token=KEY)).reason


@pytest.mark.parametrize(("when_unknown", "reason"), [("allow", None), ("refuse", "unknown")])
def test_stale_figures_answer_as_the_budget_says_and_say_so(when_unknown, reason):
    clock = Clock()
    guard = guard_of(state(budget(when_unknown=when_unknown), {None: 300 * USD}), clock=clock)
    assert guard.ask(asked()).reason == "exhausted"
    clock.seconds += 31
    verdict = guard.ask(asked())
    assert (verdict.reason, verdict.certain) == (reason, False)
    assert headers_of(verdict, NOW)["X-Cost-Top-Guard"] == "stale"
    body = body_of(verdict)
    assert body.get("error", body)["certain"] is False


def test_figures_never_read_or_of_a_period_that_has_ended_are_not_known():
    of = budget(when_unknown="refuse")
    assert Guard((of,)).ask(asked()).reason == "unknown"
    clock = Clock()
    guard = guard_of(state(of, {None: 0}), clock=clock, max_age=timedelta(days=40))
    assert guard.ask(asked()).reason is None
    clock.seconds += 11 * 86400
    assert guard.ask(asked()).reason == "unknown"


def test_requests_without_a_price_refuse_where_the_budget_says_so():
    assert guard_of(state(budget(unpriced="refuse"), {None: 0}, 3)).ask(asked()).reason == "unpriced"
    assert guard_of(state(budget(), {None: 0}, 3)).ask(asked()).reason is None


def test_what_such_calls_cost_is_set_aside_where_no_estimate_is_given():
    guard = guard_of(state(budget(), {None: 0}), amounts={("/a", "m"): 5 * USD})
    guard.ask(asked(endpoint="/a", model="m"))
    assert guard.totals()[0] == 5 * USD
    guard.ask(asked(endpoint="/b", model="m"))
    assert guard.totals()[0] == 5 * USD
    assert list(guard.wanted) == [("/b", "m")]
    fixed = guard_of(state(budget(), {None: 0}), fixed=USD)
    fixed.ask(asked(endpoint="/b"))
    assert fixed.totals()[:2] == (USD, 1)


def test_a_reservation_ends_by_its_row_by_one_alike_or_by_itself():
    clock = Clock()
    one = state(budget(), {None: 0})
    guard = guard_of(one, clock=clock)
    guard.ask(asked("1", id="call-1"))
    guard.ask(asked("2", endpoint="/a", user="ann"))
    guard.ask(asked("4", endpoint="/b", user=None))
    assert guard.totals()[0] == 7 * USD
    at = clock.now()
    guard.publish(guard.published, [("call-1", at, ("k", "/z", "x", "m"))])
    assert guard.totals()[0] == 6 * USD
    guard.publish(guard.published, [("row-2", at, ("k", "/a", "bob", "m"))])
    assert guard.totals()[0] == 6 * USD  # another user's
    guard.publish(guard.published, [("row-3", at - timedelta(minutes=1), ("k", "/a", "ann", "m"))])
    assert guard.totals()[0] == 6 * USD  # of a call before it was asked for
    guard.publish(guard.published, [("row-4", at, ("k", "/a", "ann", "m"))])
    assert guard.totals()[0] == 4 * USD
    clock.seconds += 61
    assert guard.totals() == (0, 0, 0)


def test_an_id_that_is_empty_is_none():
    guard = guard_of(state(budget(), {None: 0}))
    guard.ask(asked("2", id="", endpoint="/a"))
    guard.publish(guard.published, [("row-1", Clock().now(), ("k", "/a", "ann", "m"))])
    assert guard.totals() == (0, 0, 0)


def test_the_same_id_asked_again_is_set_aside_once():
    guard = guard_of(state(budget(), {None: 0}))
    for _ in range(3):
        guard.ask(asked("1", id="call-1"))
    assert guard.totals()[:2] == (USD, 1)


def test_the_oldest_of_too_many_is_dropped_and_counted():
    guard = guard_of(state(budget(), {None: 0}), most=2)
    for number in range(3):
        guard.ask(asked(str(number + 1), id=f"call-{number}"))
    assert guard.totals() == (5 * USD, 2, 1)


def test_only_its_owner_ends_a_reservation():
    guard = guard_of(state(budget(), {None: 0}))
    verdict = guard.ask(asked("1"), "a")
    assert not guard.release(verdict.reservation, "b")
    assert guard.release(verdict.reservation, "a")
    assert not guard.release(verdict.reservation, "a")


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 99), st.sampled_from(["add", "end", "row", "expire"]))))
def test_sums_of_reservations_are_those_of_what_is_held(steps):
    held = Reservations(most=5)
    clock = 0.0
    for identity, amount, step in steps:
        clock += 1
        keys = (("b", None), ("c", str(identity % 2)))
        traits = ((str(identity % 3),), None, (None,), None)
        if step == "add":
            held.add(Reservation(str(identity), amount, keys, NOW, clock + 8, traits, "", identity % 2 == 0))
        elif step == "end":
            held.end(str(identity))
        elif step == "row":
            held.match_off([(f"x{identity}", NOW, (str(identity % 3), "/a", None, "m"))])
        else:
            held.expire(clock)
        assert held.reserved(("b", None)) == held.total
        assert held.reserved(("c", "0")) + held.reserved(("c", "1")) == held.total
        assert len(held) <= 5


# Filters fit a call as they fit its row in the log.

_FILTERS = (
    "provider:OpenAI", "-provider:OPEN*",
    "", "user:ann", "user:a*", "-user:ann", "user:*", "-user:*", "tag:prod", "-tag:dev", "tag:p*,x", "endpoint:/a,/b",
    'user:"a*b"', "model:gpt-4_*", "ann", "-nobody", "user:ann tag:prod", "tag:prod tag:dev",
)  # fmt: skip


@given(
    st.sampled_from(_FILTERS),
    st.fixed_dictionaries(
        {
            "user": st.sampled_from([None, "ann", "anna", "a*b", "a%"]),
            "endpoint": st.sampled_from([None, "/a", "/c"]),
            "model": st.sampled_from([None, "gpt-4_o", "gpt-4xo"]),
            "provider": st.sampled_from([None, "openai", "xai"]),
        }
    ),
    st.lists(st.sampled_from(["prod", "dev", "x"]), unique=True),
)
def test_a_filter_fits_a_call_as_it_fits_its_row(text, values, tags):
    import duckdb

    where = parse_filter(text)
    told = dict.fromkeys(("token", "token_name", "provider", "team", "session", "owner", "prompt"))
    found = compiled(where)(Question({**told, **values}, tuple(tags)))
    sql, parameters = condition(where)
    columns = {**told, **values, "credential_type": None, "prompt": None, "team_name": None}
    listed = ", ".join(f'${number + 1 + len(parameters)}::VARCHAR AS "{name}"' for number, name in enumerate(columns))
    numbered = sql
    for number in range(len(parameters)):
        numbered = numbered.replace("?", f"${number + 1}", 1)
    database = duckdb.connect()
    Names(database)  # of a log that keeps none
    row = database.execute(
        f"SELECT {numbered} FROM (SELECT {listed}, ${len(parameters) + len(columns) + 1}::VARCHAR[] AS tags)",
        [*parameters, *columns.values(), tags],
    ).fetchone()
    assert found is row[0]


def test_a_budget_of_a_provider_is_of_it_however_it_is_spelled():
    told = dict.fromkeys(("token", "token_name", "team", "session", "owner", "prompt", "user", "endpoint", "model"))
    for text in ("provider:OpenAI", "provider:OPEN*", "-provider:Anthropic"):
        assert compiled(parse_filter(text))(Question({**told, "provider": "openai"}, ())) is True
