"""What doctor says of report APIs that are right, of keys that may not, and of answers that have changed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from cost_top.cli.doctor_api import doctor_report_api
from cost_top.model.errors import UserError
from cost_top.sources.apis.openrouter import OpenRouterApi
from cost_top.sources.apis.vercel import VercelApi
from cost_top.sources.report_api import Capabilities
from support.openrouter_server import MANAGEMENT, ORDINARY, Call, OpenRouterServer
from support.vercel_server import Failure, SpentRequest, VercelServer

NOW = datetime(2026, 11, 25, 14, 3, 22, tzinfo=UTC)


@pytest.fixture
def server():
    with VercelServer([SpentRequest(NOW - timedelta(days=day), Decimal("1.25")) for day in range(20)]) as server:
        yield server


@pytest.fixture
def openrouter():
    now = datetime.now(UTC)
    server = OpenRouterServer([Call(now, usage=Decimal("0.75"))])
    yield server
    server.close()


def examined(server, key=None):
    api = VercelApi(server.url, key or server.key, clock=lambda: NOW)
    return doctor_report_api(api, "AI_GATEWAY_API_KEY", clock=lambda: NOW)


def said(facts):
    """Facts as text by name; lines without a name belong to the one above."""
    texts: dict[str, str] = {}
    last = ""
    for name, text in facts:
        last = name or last
        texts[last] = f"{texts[last]}\n{text}" if last in texts else text
        assert text.isprintable()
    return texts


def test_a_healthy_api(server):
    facts, problems = examined(server)
    texts = said(facts)
    assert problems == []
    assert texts["source"] == "report API of vercel"
    assert texts["key"] == "from AI_GATEWAY_API_KEY"
    assert texts["balance"] == "$95.50 left, $4.50 used so far"
    assert "model (per day)" in texts["groups by"]
    assert "one thing in a question" in texts["groups by"]
    assert texts["filters by"] == "credential_type, model, provider, tag, user"
    assert texts["totals"].startswith("by hour")
    assert texts["behind by"] == "about 3 min; a day's figures settle 2 h after its end"
    assert texts["price"].startswith("$0.0050 a question, $5.00 for 1,000; the screen stays below $")
    assert "endpoint: Vercel does not report endpoints" in texts["cannot"].splitlines()
    assert texts["tried"].startswith(
        "the total of 7 d (UTC): $8.75, $8.75 at market, 7 requests; the question was $0.0050"
    )
    assert server.queries == 1
    assert not any(server.key in text for text in texts.values())


def test_a_wrong_key_cannot_be_examined(server):
    with pytest.raises(UserError, match=r"refuses the key \(401\): Invalid API key"):
        examined(server, "vck_wrong_0123456789")
    assert server.queries == 0


def test_nobody_at_the_address():
    api = VercelApi("http://127.0.0.1:1", "vck_x")
    with pytest.raises(UserError, match="connection is refused"):
        doctor_report_api(api)


def test_a_plan_without_reports_is_a_problem_with_advice(server):
    server.has_reports = False
    facts, problems = examined(server)
    assert said(facts)["balance"].startswith("$95.50")
    ((problem, advice),) = problems
    assert "Pro or Enterprise" in problem
    assert "plan" in advice


@pytest.mark.parametrize(
    ("failure", "advice"),
    [
        (Failure(429, headers={"Retry-After": "120"}), "ask again in 2 min"),
        (Failure(429), "ask again;"),
        (Failure(400), "check the address"),
        (Failure(500), "ask again later"),
        (Failure(200, b"<html></html>"), "ask again later"),
    ],
)
def test_a_question_that_fails_is_a_problem_with_advice(server, failure, advice):
    good = server.answer

    def answer(path, pairs, authorization):
        if path == "/v1/report":
            server.failures.append(failure)
        return good(path, pairs, authorization)

    server.answer = answer
    _, ((problem, advised),) = examined(server)
    assert problem.startswith("a question is not answered: 127.0.0.1")
    assert advised.startswith(advice)


def test_a_balance_that_fails_is_a_problem(server):
    # The first asking for it opens the API.
    good, asked = server.answer, []

    def answer(path, pairs, authorization):
        asked.append(path)
        if asked.count("/v1/credits") == 2 and path == "/v1/credits":
            server.failures.append(Failure(500))
        return good(path, pairs, authorization)

    server.answer = answer
    facts, ((problem, _),) = examined(server)
    assert problem.startswith("the balance cannot be read")
    assert "$8.75" in said(facts)["tried"]


def test_no_balance_is_no_problem(server):
    server.credits = None
    facts, problems = examined(server)
    assert said(facts)["balance"] == "this API tells none"
    assert problems == []


def test_no_spend_is_a_problem(server):
    server.requests.clear()
    facts, ((problem, advice),) = examined(server)
    assert "$0.00" in said(facts)["tried"]
    assert problem == "no spend in the last 7 d"
    assert "right team" in advice


def test_own_keys_alone_are_spend(server):
    server.requests = [SpentRequest(NOW, Decimal(2), credential_type="byok")]
    facts, problems = examined(server)
    assert problems == []
    assert "$0.00, $2.00 at market, 1 request;" in said(facts)["tried"]
    assert "BYOK" in said(facts)["tried"]


def test_a_changed_schema_is_a_problem(server):
    server.edit = lambda answer: {"results": [{**row, "carbon\x1b": 1} for row in answer["results"]]}
    _, ((problem, advice),) = examined(server)
    assert problem == "otherwise than documented: vercel: /v1/report: unknown field carbon"
    assert "newer cost-top" in advice


def test_many_changes_are_cut(server):
    new = {f"field_{number}": 1 for number in range(15)}
    server.edit = lambda answer: {"results": [{**row, **new} for row in answer["results"]]}
    _, problems = examined(server)
    assert len(problems) == 11
    assert problems[-1][0] == "otherwise than documented: 5 more"


def test_an_ordinary_key_is_tried_with_what_it_may_ask(openrouter):
    facts, problems = doctor_report_api(OpenRouterApi(openrouter.url, ORDINARY))
    texts = said(facts)
    assert problems == []
    assert "key" not in texts
    assert texts["groups by"] == "nothing: totals only"
    assert texts["filters by"] == "nothing"
    assert "management key" in texts["cannot"]
    assert "$0.75" in texts["tried"]
    assert "the question was free" in texts["tried"]
    assert texts["price"] == "questions are free"


def test_a_management_key_may_more(openrouter):
    facts, problems = doctor_report_api(OpenRouterApi(openrouter.url, MANAGEMENT))
    assert problems == []
    assert "over time as well" in said(facts)["groups by"]
    assert said(facts)["balance"] == "$74.75 left, $25.75 used so far"


def test_an_api_that_refuses_every_question_says_why():
    class Shut(VercelApi):
        capabilities = Capabilities(
            totals="day", dimensions={}, joint=False, filters=frozenset(), measures=frozenset(),
            lag=timedelta(hours=1), interval=60, shortest_interval=60, settles=timedelta(minutes=90),
        )  # fmt: skip

        def refuses(self, question):
            return "this key may ask nothing"

    with VercelServer() as server:
        facts, ((problem, _),) = doctor_report_api(Shut(server.url, server.key))
        assert problem == "no question to try: this key may ask nothing"
        assert said(facts)["behind by"] == "about 1 h; a day's figures settle 90 min after its end"
        assert server.queries == 0
