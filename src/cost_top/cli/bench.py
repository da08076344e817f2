"""`cost-top bench anomaly`: the rules and their rivals over invented shops with labelled incidents."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from cost_top.bench.log import Log
    from cost_top.bench.score import Score
    from cost_top.model.features import Features

# Seeds below were looked at while the rules were chosen; the benchmark begins here.
FIRST_SEED = 101


@click.command("bench")
@click.argument("what", type=click.Choice(["anomaly"]))
@click.option("--seeds", type=click.IntRange(1, 100), default=1, show_default=True, metavar="N",
              help="Logs of each of the three kinds of shop; a log takes about half a minute.")  # fmt: skip
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
def command(what: str, seeds: int, form: str) -> None:
    """Score the rules of `cost-top watch` on invented logs with fixed seeds, three rules of others beside them.

    \b
    Examples:
      cost-top bench anomaly
      cost-top bench anomaly --seeds 4 --format json
    """
    scores = measured(range(FIRST_SEED, FIRST_SEED + seeds))
    document = {
        "benchmark": what,
        "seeds": list(range(FIRST_SEED, FIRST_SEED + seeds)),
        "rules": [{"rule": name, **score.row()} for name, score in scores.items()],
        "classes": {
            name: {"incidents": int(values[0]), "found": int(values[1]),
                   "burnt": round(values[2] / values[3], 4) if values[3] else None}
            for name, values in sorted(scores["normal"].classes.items())
        },
    }  # fmt: skip
    click.echo(
        json.dumps(document, ensure_ascii=False, indent=2) if form == "json" else table(document), nl=form == "json"
    )


def measured(seeds: range) -> dict[str, Score]:
    """The scores by rule, over one log of each kind of shop and seed, each read as a user's log is."""
    from cost_top.bench.rivals import RIVALS, alarms
    from cost_top.bench.score import Score, score
    from cost_top.bench.shops import KINDS
    from cost_top.insight.levels import SENSITIVITIES

    scores = {name: Score() for name in (*SENSITIVITIES, *RIVALS)}
    for log, features in logs([(kind, seed) for kind in KINDS for seed in seeds]):
        for sensitivity in SENSITIVITIES:
            scores[sensitivity].add(score(log, ours(log, features, sensitivity)))
        for name, (rule, everything) in RIVALS.items():
            scores[name].add(score(log, alarms(features, log.shop.zone, rule, everything)))
    return scores


def ours(log: Log, features: Features, sensitivity: str) -> list[Any]:
    """The alarms of the rules that `cost-top watch` uses."""
    from cost_top.bench.score import Alarm
    from cost_top.insight.engine import run
    from cost_top.insight.levels import Rules

    engine = run(features, Rules(sensitivity), log.shop.zone, 0)
    return [
        Alarm(int(features.time(one.opened).timestamp() * 1000), one.first.kind, *one.part)
        for one in engine.incidents.all
    ]


def logs(wanted: list[tuple[Any, int]]) -> Iterator[tuple[Log, Features]]:
    """Each log, written as SQLite in the native schema, and its features as cost-top reads them."""
    from cost_top.bench.log import make_log, write_log
    from cost_top.model.query import ReportQuery
    from cost_top.model.windows import Period
    from cost_top.monitor.log.once import read_period
    from cost_top.pricing.book import RateBook
    from cost_top.sources.sql.log import open_log

    book = RateBook.load(None)
    with tempfile.TemporaryDirectory(prefix="cost-top-bench-") as folder:
        for kind, seed in wanted:
            path = Path(folder) / f"{kind.name}-{seed}.db"
            log = make_log(kind, seed)
            write_log(log, path)
            start, end = (datetime.fromtimestamp(at / 1000, UTC) for at in (log.start, log.end))
            mirror = read_period(open_log(str(path), None), book, None, Period(start, end))
            features = mirror.features(ReportQuery(start, end))
            mirror.close()
            path.unlink()
            yield log, features


def table(document: dict[str, Any]) -> str:
    """The figures for eyes."""
    lines = [f"{'rule':28} {'found':>9} {'$ burnt':>8} {'median':>8} {'false/week':>11} {'side/found':>11}"]
    for row in document["rules"]:
        burnt = "–" if row["burnt"] is None else f"{row['burnt'] * 100:.1f} %"
        median = "–" if row["median_hours"] is None else f"{row['median_hours']:.1f} h"
        side = "–" if row["side_per_found"] is None else f"{row['side_per_found']:.2f}"
        lines.append(
            f"{row['rule']:28} {row['found']:>4}/{row['incidents']:<4} {burnt:>8} {median:>8} "
            f"{row['false_per_week']:>11.2f} {side:>11}"
        )
    lines.append("")
    for name, values in document["classes"].items():
        burnt = "–" if values["burnt"] is None else f"{values['burnt'] * 100:.0f} %"
        lines.append(f"{name:28} {values['found']:>4}/{values['incidents']:<4} {burnt:>8}")
    return "\n".join(lines) + "\n"
