"""`serve --tz`: the zone of live screens, of `since=` and of today's metrics; dates stay UTC days."""

from __future__ import annotations

import json
import re
import time
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from support.native_log import NativeLog
from support.served import served

# East of UTC: its day is UTC's for a part of the day only. One whose midnight is an hour away at least.
ZONE = "Asia/Tokyo" if datetime.now(UTC).hour in (9, 10) else "Pacific/Kiritimati"


def test_a_server_has_a_zone(tmp_path):
    log = NativeLog(tmp_path / "gateway.db")
    now = datetime.now(UTC)
    midnight = now.astimezone(ZoneInfo(ZONE)).replace(hour=0, minute=0, second=0, microsecond=0)
    moments = [midnight + timedelta(minutes=1), midnight - timedelta(minutes=1), now - timedelta(minutes=5)]
    for moment in moments:
        log.add(time_ms=int(moment.timestamp() * 1000), provider="openai", model="gpt-a", cost_pico_usd=10**12)
    today = sum(moment >= midnight for moment in moments)
    try:
        with served(tmp_path, log.path, "--tz", ZONE) as server:
            rows = server.get("/v1/report", since="2d", group_by="day").json()["results"]
            assert {row["day"] for row in rows} == {str(moment.astimezone(ZoneInfo(ZONE)).date()) for moment in moments}
            rows = server.get("/v1/report", since="2d", group_by="day", tz="UTC").json()["results"]
            in_utc = {str(moment.astimezone(UTC).date()) for moment in moments}
            assert {row["day"] for row in rows} == in_utc
            dates = {"start_date": min(in_utc), "end_date": max(in_utc), "group_by": "day"}
            assert {row["day"] for row in server.get("/v1/report", **dates).json()["results"]} == in_utc
            assert server.get("/v1/report", since="today").json()["totals"]["request_count"] == today
            end = time.monotonic() + 90
            found = None
            while found is None:
                text = server.get("/metrics").text
                found = re.search(r'cost_top_window_requests\{.*window="today"\} (\S+)', text)
                assert time.monotonic() < end
            assert float(found[1]) == today
            with server.client.stream("GET", "/v1/live", params={"window": "mtd"}) as stream:
                event = next(line for line in stream.iter_lines() if line.startswith("data: "))
            start = json.loads(event.removeprefix("data: "))["period"]["start"]
            assert datetime.fromisoformat(start).astimezone(ZoneInfo(ZONE)).time() == datetime.min.time()
    finally:
        log.close()
