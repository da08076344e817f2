"""An event as the bytes a receiver expects. Names are strangers' text: they mark nothing up and call nobody."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from cost_top.alerts.event import Event
from cost_top.model.budget_json import instant
from cost_top.model.text import clean

_TYPE_PREFIX = "dev.cost-top."
_DISCORD_LONGEST = 2000
_TEXT_LONGEST = 1500
_SUPPRESS_EMBEDS = 1 << 2
_TITLES = {
    "incident.opened": "Unusual spend", "incident.grown": "Unusual spend has grown", "incident.closed": "Over",
    "budget.threshold": "Budget", "budget.forecast": "Budget forecast", "budget.burning": "Budget burns fast",
    "budget.exhausted": "Budget used up", "source.stale": "The source does not answer",
    "source.recovered": "The source answers again", "receiver.test": "Test", "digest.daily": "Yesterday",
    "digest.weekly": "Last week",
}  # fmt: skip


def body_of(event: Event, format: str, source: str) -> tuple[str, bytes]:
    """Content type and body."""
    if format == "cloudevents":
        return "application/cloudevents+json", _dumps(_cloud(event, source))
    made = {"standard": _standard, "slack": _slack, "discord": _discord, "teams": _teams}[format](event)
    return "application/json", _dumps(made)


def _dumps(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def _standard(event: Event) -> dict[str, Any]:
    return event.body


def _cloud(event: Event, source: str) -> dict[str, Any]:
    """CloudEvents 1.0.2, structured mode."""
    return {
        "specversion": "1.0",
        "id": event.id,
        "source": f"/cost-top/{quote(clean(source) or 'source', safe='')}",
        "type": f"{_TYPE_PREFIX}{event.kind}",
        "time": instant(event.time),
        "subject": event.subject,
        "datacontenttype": "application/json",
        "data": event.data,
    }


def _told(event: Event) -> str:
    return event.text[:_TEXT_LONGEST]


def _slack(event: Event) -> dict[str, Any]:
    """`& < >` are all that Slack's markup begins with; a link or a mention needs `<`."""
    text = _told(event).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    title = _TITLES.get(event.kind, event.kind)
    header = {"type": "header", "text": {"type": "plain_text", "text": title}}
    section = {"type": "section", "text": {"type": "plain_text", "text": _told(event), "emoji": False}}
    # A name that is a URL is not fetched for a preview.
    return {
        "text": f"{title}: {text}", "blocks": [header, section], "unfurl_links": False, "unfurl_media": False,
    }  # fmt: skip


def _discord(event: Event) -> dict[str, Any]:
    """Mentions off, no previews of links; what marks up is escaped."""
    text = "".join(f"\\{letter}" if letter in "\\*_~`|>#[]()" else letter for letter in _told(event))
    content = f"**{_TITLES.get(event.kind, event.kind)}** {text}"
    return {"content": content[:_DISCORD_LONGEST], "allowed_mentions": {"parse": []}, "flags": _SUPPRESS_EMBEDS}


def _teams(event: Event) -> dict[str, Any]:
    """A message with an Adaptive Card, as workflows' webhooks take it. Text of a `RichTextBlock` is not marked up."""
    title = {"type": "TextBlock", "text": _TITLES.get(event.kind, event.kind), "weight": "bolder", "wrap": True}
    text = {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": _told(event)}]}
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": [title, text],
    }
    kind = "application/vnd.microsoft.card.adaptive"
    return {"type": "message", "attachments": [{"contentType": kind, "contentUrl": None, "content": card}]}
