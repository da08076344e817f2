"""Incidents as every face and receiver gets them: plain values for JSON."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from cost_top.insight.describe import describe
from cost_top.insight.engine import Engine
from cost_top.insight.incidents import UNPAID_KINDS, Incident
from cost_top.model.features import BUCKET_SECONDS, Features
from cost_top.model.money import usd_text

_PLACES = 12


def incidents_json(engine: Engine, features: Features) -> list[dict[str, Any]]:
    """Every incident of an engine that was fed `features`, in order of opening. Money as decimal strings in USD."""
    return [incident_json(incident, engine, features) for incident in engine.incidents.all]


def incident_json(incident: Incident, engine: Engine, features: Features) -> dict[str, Any]:
    """One incident under its id."""
    first = incident.first
    told = describe(incident, engine.standing, features)
    return {
        "id": incident_id(incident, features),
        "kind": first.kind,
        "dimension": first.dimension,
        "value": first.value,
        "name": features.token_names.get(first.value or "", first.value) if first.dimension == "token" else first.value,
        "started": instant(features.time(first.started)),
        "opened": instant(features.time(incident.opened)),
        "closed": instant(features.time(incident.closed)) if incident.closed is not None else None,
        "window_seconds": first.window * BUCKET_SECONDS,
        "spent_usd": usd_text(first.spent),
        "usual_usd": usd_text(first.usual),
        "excess_usd_at_open": usd_text(first.excess if first.kind not in UNPAID_KINDS else 0),
        "excess_usd": usd_text(told.excess),
        "peak_usd_per_hour": usd_text(incident.peak),
        "also": [list(part) for part in incident.also],
        "drivers": [
            {"dimension": share.dimension, "value": share.value, "share": round(float(share.share), 4)}
            for share in told.drivers
        ],
        "factors": {name: usd_text(part) for name, part in told.factors.items()},
        "sentence": told.sentence,
    }


def incident_id(incident: Incident, features: Features) -> str:
    """When it began, and a little of what it is: safe in a file's name, a header and a URL.

    Of rule, slice and beginning only: wherever a run over a log begins, it tells the same incident by the same id.
    """
    began = features.time(incident.began).strftime("%Y-%m-%dT%H:%MZ")
    dimension, value = incident.part
    name = re.sub(r"[^A-Za-z0-9._-]+", "", (value or "").lstrip("/").replace("/", "-"))[:7]
    what = sha256("\x00".join((incident.first.kind, dimension, value or "")).encode("utf-8", "replace")).hexdigest()[:6]
    return "-".join(part for part in (began, dimension, name, what) if part)


def instant(moment: datetime) -> str:
    """An instant in UTC as it stands in JSON.

    >>> instant(datetime(2026, 10, 14, 23, 5, tzinfo=UTC))
    '2026-10-14T23:05:00Z'
    """
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
