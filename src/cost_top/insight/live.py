"""The rules over a log that grows: what has settled is judged once, what may still change anew at each look."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from cost_top.insight.calendar import DAY, HOUR
from cost_top.insight.engine import Engine, pass_over
from cost_top.insight.learned import Shelf, begin
from cost_top.insight.levels import Rules
from cost_top.insight.news import News
from cost_top.insight.replay import incident_json
from cost_top.model.features import BUCKET_SECONDS, Doubled, Features
from cost_top.model.money import usd_text
from cost_top.model.windows import local_midnight

# The rules look back five weeks and a day.
HISTORY = timedelta(days=37)
# Incidents that are over are told of today and so many days before it: on a Monday, at any hour, those of Friday.
_DAYS_TOLD = 3
# Rows may come, or change, so long after their time. What comes later is judged after the next start.
SETTLES = 2 * HOUR
# Rows of calls and doubles are told apart by what came before them.
_CONTEXT = 6 * HOUR
_KEPT = 42 * DAY
_BUCKET = timedelta(seconds=BUCKET_SECONDS)


class LiveRules:
    """Given features look by look; the same incidents whatever the steps.

    Memory is bounded by 42 days of what is watched: spend by five minutes of each slice, and, packed, by day of all
    that share their names.
    """

    def __init__(self, rules: Rules, zone: tzinfo, shelf: Shelf | None = None) -> None:
        """`shelf` keeps what was learned of days that are over, for the next start."""
        self._rules, self._zone, self._shelf = rules, zone, shelf
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
            return _midnight(told_from(now, self._zone)) - HISTORY
        start = settled - _CONTEXT * _BUCKET
        # Of a day that is over all of it is kept, and read sooner than a part.
        return start if _midnight(start) == _midnight(now) else _midnight(start)

    def take(self, features: Features) -> list[dict[str, Any]]:
        """The incidents of today and the three days before it, in order of opening.

        As `insight.replay.incidents_json` has them and with `last_hour_usd`, what its slice spent in the last hour.
        """
        engine, self._engine = self._engine, None  # what breaks off here begins anew
        if engine is None:
            engine = self._begin(features)
        else:
            engine.back(self._mark)
        news = News(features, self._origin, self._settled)
        settles = max(self._settled, news.end - SETTLES)
        self._feed(engine, news, self._settled, settles)
        self._settle(engine, news, settles, features)
        self._feed(engine, news, settles, news.end)
        told = replace(
            features, origin=self._origin, count=news.end, cells=engine.standing.past,
            doubled=(*self._doubled, *(one for one in news.doubled if one.bucket >= settles)), token_names=self._names,
        )  # fmt: skip
        found = _listed(engine, told, news.end, self._told_from(news.end))
        engine.rest(settles)
        self._engine = engine
        return found

    def _begin(self, features: Features) -> Engine:
        """An engine that was fed the days before those of which incidents are told."""
        end = datetime.fromtimestamp(features.origin + features.count * BUCKET_SECONDS, UTC)
        lookback = (end - told_from(end, self._zone)) // _BUCKET
        first_tick = max(0, features.count - lookback)
        before = max(0, first_tick - 1) // DAY * DAY
        engine = begin(self._rules, self._zone, features, before, self._shelf)
        self._origin = engine.origin
        shift = (features.origin - engine.origin) // BUCKET_SECONDS
        self._first_tick, self._settled = first_tick + shift, before + shift
        self._doubled = [one._replace(bucket=one.bucket + shift) for one in features.doubled if one.bucket < before]
        self._names = {}
        return engine

    def _time(self, bucket: int) -> datetime:
        return datetime.fromtimestamp(self._origin + bucket * BUCKET_SECONDS, UTC)

    def _told_from(self, end: int) -> int:
        """The bucket from which on incidents are told that are over, where the log goes to `end`."""
        now = self._time(end)
        return end - (now - told_from(now, self._zone)) // _BUCKET

    def _feed(self, engine: Engine, news: News, start: int, end: int) -> None:
        judged = max(start, min(end, self._first_tick - 1))
        pass_over(engine, news, news.twice, start, judged)
        for bucket in range(judged, end):
            cells = news.of(bucket)
            if engine.standing.first >= 0 or cells:
                engine.feed(bucket, cells, news.loops.get(bucket, ()), news.twice.get(bucket))
            if bucket + 1 >= self._first_tick:
                engine.tick()

    def _settle(self, engine: Engine, news: News, settles: int, features: Features) -> None:
        lately = self._told_from(settles)
        known = engine.incidents
        known.all = [one for one in known.all if one.closed is None or one.closed >= lately]
        begun = min((one.first.started for one in known.all), default=lately)
        if settles // DAY > self._settled // DAY:
            engine.forget(settles - _KEPT)
        engine.standing.fine_from = fine_from = min(begun, lately) - DAY
        self._doubled += [one for one in news.doubled if self._settled <= one.bucket < settles]
        self._doubled = [one for one in self._doubled if one.bucket >= fine_from]
        self._names |= features.token_names
        self._settled = engine.standing.sure = settles
        self._mark = engine.mark()


def told_from(now: datetime, zone: tzinfo) -> datetime:
    """From when on incidents are told that are over."""
    return local_midnight(now.astimezone(zone).date() - timedelta(days=_DAYS_TOLD), zone)


def _midnight(moment: datetime) -> datetime:
    """When its day (UTC) began."""
    return moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def _listed(engine: Engine, features: Features, end: int, lately: int) -> list[dict[str, Any]]:
    told = []
    for incident in engine.incidents.all:
        if incident.closed is None or incident.closed >= lately:
            series = engine.standing.series.get(incident.part)
            spent = series.spent(end - HOUR, end) if series is not None else 0
            told.append({**incident_json(incident, engine, features), "last_hour_usd": usd_text(spent)})
    return told
