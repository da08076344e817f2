"""Why spend changed, as a tool for an assistant."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema

from cost_top.insight.why import DIMENSIONS
from cost_top.insight.why_asked import explained, parse_against, parse_drivers
from cost_top.insight.why_text import sentence, why_json
from cost_top.model.answers import Answers
from cost_top.model.filter import parse_filter
from cost_top.model.query import GROUPINGS, TIME_DIMENSIONS, ReportQuery
from cost_top.serve.mcp_tools import Since, Until, Where, listed, period_between

_DRIVERS = [name for name in GROUPINGS if name not in (*TIME_DIMENSIONS, "tag")]
By = Annotated[
    Sequence[str],
    BeforeValidator(listed),
    WithJsonSchema({"type": "array", "items": {"type": "string", "enum": _DRIVERS}, "uniqueItems": True}),
    Field(min_length=1, max_length=len(_DRIVERS), description="Dimensions that drivers are looked for in."),
]


class WhyTool:
    """One question over a source; asked one at a time."""

    def __init__(self, answers: Answers, zone: tzinfo) -> None:
        self._answers = answers
        self._zone = zone
        self._lock = threading.Lock()

    def why(
        self,
        since: Since = "24h",
        until: Until = "now",
        where: Where = "",
        against: Annotated[
            str,
            Field(
                max_length=100,
                description="What it is compared with, of equal length: previous, last-week, or a time it starts at.",
            ),
        ] = "previous",
        by: By = DIMENSIONS,
        top: Annotated[int, Field(ge=1, le=3, description="At most so many drivers.")] = 3,
    ) -> dict[str, Any]:
        """Why spend is up or down: one period compared with another, what changed, and who is behind it.

        `sentence` says it for people. `factors` split the change into requests, mix of models, size and price and add
        up to `change_usd`; each of `drivers` has its `share` of the change (1 is all) and factors of its own, `inside`
        is one level down. Money is USD as exact decimal text. Unpriced requests are counted and in no figure.
        """
        now = datetime.now(UTC)
        period = period_between(since, until, now, self._zone)
        dimensions = parse_drivers(",".join(by), "by")
        other, note = parse_against(against, period, now, self._zone, "against")
        condition = parse_filter(where)
        query = ReportQuery(period.start, period.end, dimensions, condition, self._zone)
        with self._lock:
            answer = explained(self._answers, query, other, note, top)
        said = sentence(answer, condition, self._zone, until.strip().lower() == "now")
        return {**why_json(answer, said), "source": self._answers.label}
