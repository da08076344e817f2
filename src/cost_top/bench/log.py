"""A whole log with its labels, and how it is written in the native schema."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path

from cost_top.bench.decoys import batches, busy_users, failures, large_requests, new_price, newcomer, one_off, outage
from cost_top.bench.incidents import HOUR, Label, Scene, plant
from cost_top.bench.shops import DAYS, PROVIDERS, Kind, Shop, open_shop
from cost_top.bench.traffic import Row, day_start, ordinary
from cost_top.model.native import DDL

HOURS = DAYS * 24


@dataclass(frozen=True, slots=True)
class Log:
    """One shop's 56 days. Times are Unix milliseconds; `mean_hour` in pico-dollars, without the incidents."""

    shop: Shop
    rows: list[Row]
    labels: list[Label]
    mean_hour: float
    start: int
    end: int
    outage: tuple[int, int]


def make_log(kind: Kind, seed: int) -> Log:
    """The log of a kind of shop and a seed, always the same."""
    shop = open_shop(kind, seed)
    start, end = day_start(shop, 0), day_start(shop, DAYS)
    rows = ordinary(shop)
    day_cost = sum(row.cost for row in rows) // DAYS
    rows += batches(shop, day_cost) + newcomer(shop, day_cost) + busy_users(shop, day_cost) + one_off(shop, day_cost)
    rows, down = outage(shop, rows)
    rows = new_price(shop, failures(shop, rows))
    scale = shop.spend * 1e12 * DAYS / sum(row.cost for row in rows)
    rows = [row._replace(cost=round(row.cost * scale)) for row in rows]
    mean_hour = sum(row.cost for row in rows) / HOURS
    rows += large_requests(shop, int(mean_hour))
    scene = Scene(shop, [row for row in rows if start <= row.time_ms < end], mean_hour, scale)
    labels = plant(scene, [down])
    replace_names(scene, labels)
    scene.rows.sort(key=lambda row: row.time_ms)
    return Log(shop, scene.rows, labels, mean_hour, start, end, down)


def replace_names(scene: Scene, labels: list[Label]) -> None:
    """A key is replaced by a new one, and a route gets a new name: the requests stay. Neither within an incident."""
    shop, draw = scene.shop, scene.draw
    token = draw.choice(shop.keys).token
    route = draw.choice(shop.routes).name
    renamed = {("token", token): token[:3] + f"{draw.getrandbits(40):010x}", ("endpoint", route): f"/v2{route}"}
    for (dimension, old), new in renamed.items():
        moments = [day_start(shop, draw.randint(12, 45)) + int(draw.uniform(9, 17) * HOUR) for _ in range(20)]
        free = [at for at in moments if not any(one.start - 24 * HOUR < at < one.end + 6 * HOUR for one in labels)]
        if not free:
            continue
        for place, row in enumerate(scene.rows):
            if row.time_ms >= free[0] and getattr(row, dimension) == old:
                scene.rows[place] = row._replace(token=new) if dimension == "token" else row._replace(endpoint=new)
        for label in labels:
            if label.start > free[0] and (dimension, old) in label.slices:
                label.slices[dimension, new] = label.slices.pop((dimension, old))


def write_log(log: Log, path: Path) -> None:
    """The log as a SQLite file in the native schema, costs reported."""
    connection = sqlite3.connect(path)
    connection.executescript(DDL)
    connection.executemany(
        "INSERT INTO cost_top_requests (id, time_ms, provider, model, endpoint, token, token_name, user_id, "
        "input_tokens, cached_input_tokens, output_tokens, cost_pico_usd, status) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (f"r{place:07d}", row.time_ms, PROVIDERS[row.model], row.model, row.endpoint, row.token, row.token_name,
             row.user, row.input, row.cached, row.output, row.cost, row.status)
            for place, row in enumerate(log.rows)
        ],
    )  # fmt: skip
    connection.commit()
    connection.close()
