"""What looks odd and is none: batches, jobs, busy users, a new customer, single large requests, an outage with
catch-up, failures, a new price, a key replaced."""

from __future__ import annotations

from dataclasses import replace

from cost_top.bench.shops import DAYS, Shop
from cost_top.bench.traffic import Row, call, cost_of, day_start, pick, session

HOUR = 3_600_000


def batches(shop: Shop, day_cost: int) -> list[Row]:
    """Nightly evaluations, Saturday's re-index and the first of the month, each at its own hour of the local day."""
    draw = shop.draw
    plans: list[tuple[set[int], float, float]] = []
    for _ in range(shop.kind.batches):
        plans.append((set(range(DAYS)), draw.uniform(0.03, 0.1), draw.uniform(0.5, 4)))
    if shop.kind.saturday:
        plans.append(({day for day in range(DAYS) if day % 7 == 5}, draw.uniform(0.15, 0.35), draw.uniform(1, 6)))
    plans.append(({17, 48}, draw.uniform(0.2, 0.5), draw.uniform(6, 12)))  # 1 October and 1 November
    rows: list[Row] = []
    for days, share, hour in plans:
        key = draw.choice(shop.keys)
        route = pick(draw, key)
        if draw.random() < 0.5:
            route = replace(route, name=draw.choice(("/nightly", "/reindex", "/evaluate", "/digest")))
        length = draw.uniform(0.5, 2.5)
        for day in sorted(days):
            wanted, spent = share * day_cost * draw.lognormvariate(0, 0.12), 0
            fewest = 12 if shop.kind.name == "kiosk" else 25
            boost = 1.0
            while spent < wanted:
                tokens, hit, out = call(draw, route, route.input * boost * draw.lognormvariate(0, 0.5), route.cached)
                cost = cost_of(route.models[0], tokens, hit, out)
                if cost * fewest * 3 < wanted and boost < 12:
                    boost *= 1.5
                at = day_start(shop, day) + int((hour + draw.random() * length) * HOUR)
                rows.append(Row(at, route.models[0], route.name, key.token, key.name, None, tokens, hit, out, cost))
                spent += cost
    return rows


def newcomer(shop: Shop, day_cost: int) -> list[Row]:
    """A small customer with a key of its own that comes and stays, of a tenth of all spend at most."""
    draw = shop.draw
    pattern = draw.choice(shop.keys)
    key = replace(pattern, token=f"{shop.kind.name[:2]}_{draw.getrandbits(40):010x}", name=f"{shop.kind.name}-new",
                  users=[f"user-{draw.getrandbits(24):06x}" for _ in range(3)])  # fmt: skip
    rows: list[Row] = []
    for day in range(draw.randint(14, 40), DAYS):
        spent, sessions = 0, draw.randint(0, 5)
        for _ in range(sessions):
            at = day_start(shop, day) + int(draw.uniform(8, 20) * HOUR)
            calls = list(session(draw, shop, key, pick(draw, key), at, 0.0))
            spent += sum(row.cost for row in calls)
            if spent > day_cost // 10:
                break
            rows += calls
    return rows


def large_requests(shop: Shop, mean_hour: int) -> list[Row]:
    """Two single requests of two to four mean hours each."""
    draw = shop.draw
    rows = []
    for day in draw.sample(range(8, DAYS - 1), 2):
        key = draw.choice(shop.keys)
        route = pick(draw, key)
        cost = int(mean_hour * draw.uniform(2, 4))
        at = day_start(shop, day) + int(draw.uniform(9, 20) * HOUR)
        rows.append(
            Row(at, route.models[1], route.name, key.token, key.name, draw.choice(key.users), 900_000, 0, 30_000, cost)
        )
    return rows


def outage(shop: Shop, rows: list[Row]) -> tuple[list[Row], tuple[int, int]]:
    """Nothing for one to three hours; most of it comes later, in about the same time. With the span of the outage."""
    draw = shop.draw
    day = draw.choice([day for day in range(9, DAYS - 2) if day % 7 < 5])
    start = day_start(shop, day) + int(draw.uniform(9, 15) * HOUR)
    end = start + int(draw.uniform(1, 3) * HOUR)
    kept = []
    for row in rows:
        if start <= row.time_ms < end:
            if draw.random() < 0.7:
                kept.append(row._replace(time_ms=end + int((row.time_ms - start) * draw.uniform(0.7, 1.3))))
        else:
            kept.append(row)
    return kept, (start, end)


def new_price(shop: Shop, rows: list[Row]) -> list[Row]:
    """One model becomes dearer or cheaper by a fifth."""
    draw = shop.draw
    day = day_start(shop, draw.randint(15, 45))
    model = draw.choice(shop.routes).models[0]
    factor = draw.choice((0.8, 1.2))
    return [
        row._replace(cost=round(row.cost * factor)) if row.model == model and row.time_ms >= day else row
        for row in rows
    ]


def busy_users(shop: Shop, day_cost: int) -> list[Row]:
    """Users who for a day work on something large: many sessions, of half to one and a half mean hours in all."""
    draw = shop.draw
    rows: list[Row] = []
    for day in draw.sample(range(3, DAYS - 1), draw.randint(4, 9)):
        key = draw.choice(shop.keys)
        user, route = draw.choice(key.users), pick(draw, key)
        wanted, spent = day_cost / 24 * draw.uniform(0.5, 1.5), 0
        while spent < wanted:
            at = day_start(shop, day) + int(draw.uniform(9, 19) * HOUR)
            calls = list(session(draw, shop, key, route, at, key.second, user=user))
            spent += sum(row.cost for row in calls)
            rows += calls if spent < 2 * wanted else []
    return rows


def one_off(shop: Shop, day_cost: int) -> list[Row]:
    """A job that someone runs once: a mean hour or more within an hour or two, twice in a log."""
    draw = shop.draw
    rows: list[Row] = []
    for day in draw.sample(range(5, DAYS - 1), 2):
        key = draw.choice(shop.keys)
        route, user = pick(draw, key), draw.choice([None, *key.users])
        start, length = day_start(shop, day) + int(draw.uniform(7, 22) * HOUR), draw.uniform(1, 2.5)
        wanted, spent = day_cost / 24 * draw.uniform(0.8, 1.8), 0
        while spent < wanted:
            tokens, hit, out = call(draw, route, route.input * draw.lognormvariate(0, 0.4), route.cached)
            cost = cost_of(route.models[0], tokens, hit, out)
            at = start + int(draw.random() * length * HOUR)
            rows.append(Row(at, route.models[0], route.name, key.token, key.name, user, tokens, hit, out, cost))
            spent += cost
    return rows


def failures(shop: Shop, rows: list[Row]) -> list[Row]:
    """For an hour or so a third of the requests fail, cost nothing and are sent again."""
    draw = shop.draw
    start = day_start(shop, draw.randint(8, DAYS - 2)) + int(draw.uniform(8, 20) * HOUR)
    end = start + int(draw.uniform(0.5, 2) * HOUR)
    failed = [row for row in rows if start <= row.time_ms < end and draw.random() < 0.35]
    return rows + [
        row._replace(time_ms=row.time_ms - draw.randint(500, 5000), output=0, cached=0, cost=0, status=529)
        for row in failed
    ]
