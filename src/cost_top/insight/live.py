"""The rules over a log that grows: what has settled is judged once, what may still change anew at each look."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from cost_top.insight.calendar import DAY, HOUR
from cost_top.insight.engine import Engine, InOrder, pass_over
from cost_top.insight.levels import Rules
from cost_top.insight.replay import incident_json
from cost_top.model.features import BUCKET_SECONDS, Doubled, Features, LoopStep
from cost_top.model.money import usd_text

# The rules look back five weeks and a day.
HISTORY = timedelta(days=37)
# So far back an incident that is still open, or closed lately, may have begun.
LOOKBACK = timedelta(days=2)
# Rows may come, or change, so long after their time. What comes later is judged after the next start.
SETTLES = 2 * HOUR
# Rows of calls and doubles are told apart by what came before them.
_CONTEXT = 6 * HOUR
_KEPT = 41 * DAY
_BUCKET = timedelta(seconds=BUCKET_SECONDS)


class LiveRules:
    """Given features look by look; the same incidents whatever the steps.

    Memory is bounded by 41 days of what is watched: spend by five minutes of each slice, and, packed, by day of all
    that share their names.
    """

    def __init__(self, rules: Rules, zone: tzinfo) -> None:
        self._rules, self._zone = rules, zone
        self._origin = 0
        self._settled = 0  # buckets before it are judged for good
        self._first_tick = 0
        self._engine: Engine | None = None
        self._mark: tuple[object, ...] = ()  # how the engine was when the last look's news had settled
        self._doubled: list[Doubled] = []
        self._names: dict[str, str] = {}

    def wanted_from(self, now: datetime) -> datetime:
        """From when on `take` wants features, up to `now`, at a whole five minutes."""
        settled = self._time(self._settled)
        if self._engine is None or not settled <= now < settled + HISTORY:
            self._engine = None
            return now - LOOKBACK - HISTORY
        return settled - _CONTEXT * _BUCKET

    def take(self, features: Features) -> list[dict[str, Any]]:
        """The incidents of the last two days, in order of opening, as `insight.replay.incidents_json` has them and with
        `last_hour_usd`, what its slice spent in the last hour."""
        engine, self._engine = self._engine, None  # what breaks off here begins anew
        if engine is None:
            engine = self._begin(features)
        else:
            engine.back(self._mark)
        news = _News(features, (features.origin - self._origin) // BUCKET_SECONDS, self._settled)
        settles = max(self._settled, news.end - SETTLES)
        self._feed(engine, news, self._settled, settles)
        self._settle(engine, news, settles, features)
        self._feed(engine, news, settles, news.end)
        told = replace(
            features, origin=self._origin, count=news.end, cells=engine.standing.past,
            doubled=(*self._doubled, *(one for one in news.doubled if one.bucket >= settles)), token_names=self._names,
        )  # fmt: skip
        found = _listed(engine, told, news.end)
        self._engine = engine
        return found

    def _begin(self, features: Features) -> Engine:
        self._origin, self._settled = features.origin, 0
        self._doubled, self._names = [], {}
        self._first_tick = max(0, features.count - LOOKBACK // _BUCKET)
        return Engine(self._rules, features.origin, self._zone, features.dimensions)

    def _time(self, bucket: int) -> datetime:
        return datetime.fromtimestamp(self._origin + bucket * BUCKET_SECONDS, UTC)

    def _feed(self, engine: Engine, news: _News, start: int, end: int) -> None:
        judged = max(start, min(end, self._first_tick - 1))
        pass_over(engine, news, news.twice, start, judged)
        for bucket in range(judged, end):
            cells = news.of(bucket)
            if engine.standing.first >= 0 or cells:
                engine.feed(bucket, cells, news.loops.get(bucket, ()), news.twice.get(bucket))
            if bucket + 1 >= self._first_tick:
                engine.tick()

    def _settle(self, engine: Engine, news: _News, settles: int, features: Features) -> None:
        lately = settles - LOOKBACK // _BUCKET
        known = engine.incidents
        known.all = [one for one in known.all if one.closed is None or one.closed >= lately]
        begun = min((one.first.started for one in known.all), default=lately)
        if settles // DAY > self._settled // DAY:
            engine.forget(settles - _KEPT)
        engine.standing.fine_from = fine_from = min(begun, lately) - DAY
        self._doubled += [one for one in news.doubled if self._settled <= one.bucket < settles]
        self._doubled = [one for one in self._doubled if one.bucket >= fine_from]
        self._names |= features.token_names
        self._settled = settles
        self._mark = engine.mark()


class _News(InOrder):
    """What features tell from a bucket on, in the buckets of the state; cells are gone through once."""

    def __init__(self, features: Features, shift: int, start: int) -> None:
        self.end = features.count + shift
        found = features.between(start - shift, features.count)
        super().__init__((cell._replace(bucket=cell.bucket + shift) for cell in found) if shift else found)
        self.loops: dict[int, list[LoopStep]] = {}
        for step in features.loops:
            if step.bucket + shift >= start:
                self.loops.setdefault(step.bucket + shift, []).append(step._replace(bucket=step.bucket + shift))
        self.doubled = [one._replace(bucket=one.bucket + shift) for one in features.doubled
                        if one.bucket + shift >= start]  # fmt: skip
        self.twice = {one.bucket: one for one in self.doubled}


def _listed(engine: Engine, features: Features, end: int) -> list[dict[str, Any]]:
    lately, told = end - LOOKBACK // _BUCKET, []
    for incident in engine.incidents.all:
        if incident.closed is None or incident.closed >= lately:
            series = engine.standing.series.get(incident.part)
            spent = series.spent(end - HOUR, end) if series is not None else 0
            told.append({**incident_json(incident, engine, features), "last_hour_usd": usd_text(spent)})
    return told
