"""Bodies for each kind of receiver, with the names a stranger may choose."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from cloudevents.v1.http import from_http

from cost_top.alerts.event import Event, event_id, line
from cost_top.alerts.formats import body_of

HOSTILE = "<!channel> <@U1> & **b** @everyone [x](https://evil) \x1b[31m\u202e" + "y" * 900
AT = datetime(2026, 11, 20, 12, tzinfo=UTC)


def event(text: str = HOSTILE) -> Event:
    return Event(event_id("x"), "incident.opened", AT, "incident/1", line(text), {"value": text, "spent_usd": "0.1"})


def body(format: str, text: str = HOSTILE) -> tuple[str, dict]:
    content_type, content = body_of(event(text), format, "gateway.db")
    return content_type, json.loads(content)


def test_standard_webhooks_has_type_time_and_data():
    content_type, found = body("standard")
    assert content_type == "application/json"
    assert (found["type"], found["timestamp"]) == ("incident.opened", "2026-11-20T12:00:00Z")
    assert found["data"]["spent_usd"] == "0.1"


def test_the_library_of_cloudevents_reads_the_event():
    content_type, content = body_of(event(), "cloudevents", "gateway.db")
    read = from_http({"content-type": content_type}, content)
    assert (read["type"], read["id"], read["subject"]) == ("dev.cost-top.incident.opened", event_id("x"), "incident/1")
    assert (read["specversion"], read["source"]) == ("1.0", "/cost-top/gateway.db")
    assert read.data["spent_usd"] == "0.1"


def test_slack_sees_no_mention_and_no_link():
    _, found = body("slack")
    assert "<" not in found["text"]
    assert "&lt;!channel&gt;" in found["text"]
    assert all(block["text"]["type"] == "plain_text" for block in found["blocks"])
    assert not found["unfurl_links"]
    assert not found["unfurl_media"]


def test_discord_calls_nobody_and_is_short_enough():
    _, found = body("discord", "*" * 5000)
    assert found["allowed_mentions"] == {"parse": []}
    assert found["flags"] & 4  # no previews
    assert len(found["content"]) <= 2000
    assert "\\*\\*" in found["content"]


def test_teams_gets_a_card_whose_text_is_not_marked_up():
    _, found = body("teams")
    card = found["attachments"][0]["content"]
    assert card["type"] == "AdaptiveCard"
    assert card["body"][1]["type"] == "RichTextBlock"


@pytest.mark.parametrize("format", ["slack", "discord", "teams"])
def test_a_person_is_shown_one_clean_line(format):
    _, content = body_of(event(), format, "s")
    text = content.decode()
    assert "\\u001b" not in text
    assert "\u202e" not in text
    assert len(text) < 5000
