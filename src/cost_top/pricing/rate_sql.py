"""The SQL of the rate join: the arithmetic of `cost.price`, one projection per step.

Names in front: `r` the relation, `p` the pair table, `s` the slot table, `_ct_` our columns on the way. An amount that
overflows a BIGINT is NULL (`TRY`), as it is None in Python.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cost_top.model.modes import ANYWHERE, BOUNDED, MODE_OF_TIER, MODES, UNREADABLE_COUNT
from cost_top.pricing.cost import BELIEVABLE_MARGIN, BELIEVABLE_TIMES, TIMEOUTS
from cost_top.pricing.rates import Schedule

# Every column this adds on the way and takes out again.
_OURS = (
    "known", "input", "cached", "write", "write_1h", "output", "reasoning", "slot", "free", "override", "market",
    "prompt", "paid", "beside", "audio_in", "audio_cached", "audio_out", "image_out", "searches", "missing", "unrated",
    "stranger",
)  # fmt: skip

# The modes that have slots of their own: to interrupted requests the slots of their mode apply.
SLOT_MODES = (*MODES, *(word for word, (_, of_rounds, cut_off) in BOUNDED.items() if of_rounds and not cut_off))
_CUT_OFF = ", ".join(f"'{word}'" for word, (_, _, cut_off) in BOUNDED.items() if cut_off)

# Nothing negative, parts inside their wholes; parts that exceed the whole were not counted in it.
_CLEAN = """
SELECT *, _ct_reasoning_0 AS _ct_reasoning,
  CASE WHEN _ct_reasoning_0 > _ct_output_0 THEN TRY(_ct_output_0 + _ct_reasoning_0) ELSE _ct_output_0 END AS _ct_output,
  CASE WHEN _ct_parts > _ct_input_0 OR _ct_parts IS NULL THEN TRY(_ct_input_0 + _ct_parts) ELSE _ct_input_0 END
    AS _ct_input
FROM (
  SELECT *, TRY(_ct_cached + _ct_write) AS _ct_parts
  FROM (
    SELECT r.*,
      coalesce(r.input_tokens, r.cached_input_tokens, r.cache_creation_input_tokens, r.cache_creation_1h_tokens,
        r.output_tokens, r.reasoning_tokens) IS NOT NULL AS _ct_known,
      greatest(coalesce(r.input_tokens, 0), 0) AS _ct_input_0,
      greatest(coalesce(r.cached_input_tokens, 0), 0) AS _ct_cached,
      greatest(coalesce(r.cache_creation_input_tokens, 0), coalesce(r.cache_creation_1h_tokens, 0), 0) AS _ct_write,
      greatest(coalesce(r.cache_creation_1h_tokens, 0), 0) AS _ct_write_1h,
      greatest(coalesce(r.output_tokens, 0), 0) AS _ct_output_0,
      greatest(coalesce(r.reasoning_tokens, 0), 0) AS _ct_reasoning_0
    FROM {relation} r
  )
)
"""

# Audio, images and searches, which few rows have: nothing of it is worked out for the others.
_BESIDE = """
SELECT *,
  CASE WHEN _ct_beside THEN least(greatest(coalesce(image_output_tokens, 0), 0), _ct_spoken - _ct_audio_out)
    ELSE 0 END AS _ct_image_out,
  CASE WHEN _ct_beside THEN least(_ct_audio - _ct_audio_in, _ct_cached) ELSE 0 END AS _ct_audio_cached
FROM (
  SELECT *,
    CASE WHEN _ct_beside THEN least(_ct_audio, _ct_input - _ct_cached - _ct_write) ELSE 0 END AS _ct_audio_in,
    CASE WHEN _ct_beside THEN least(greatest(coalesce(audio_output_tokens, 0), 0), _ct_spoken)
      ELSE 0 END AS _ct_audio_out
  FROM (
    SELECT *, _ct_output - _ct_reasoning AS _ct_spoken, greatest(coalesce(web_search_count, 0), 0) AS _ct_searches,
      greatest(coalesce(audio_input_tokens, 0), 0) AS _ct_audio,
      coalesce(audio_input_tokens, audio_output_tokens, image_output_tokens, web_search_count) IS NOT NULL
        AS _ct_beside
    FROM ({clean})
  )
)
"""

_PARTS = "c.* EXCLUDE (_ct_parts, _ct_input_0, _ct_output_0, _ct_reasoning_0, _ct_spoken, _ct_audio)"

_SLOTTED = """
SELECT p.first IS NULL AS _ct_stranger, {parts},
  p.first + p.segment_step * ({segment}) + ({tier})
    + CASE WHEN c.mode IS NULL THEN 0 ELSE p.mode_step * {mode} END
    + CASE WHEN c.region IS NULL THEN 0 ELSE p.region_step * {region} END
    + CASE WHEN p.scheduled THEN {phase} ELSE 0 END AS _ct_slot
FROM ({beside}) c
LEFT JOIN {pairs} p ON c.provider IS NOT DISTINCT FROM p.provider AND c.model IS NOT DISTINCT FROM p.model
"""

_PRICED = """
SELECT t.*, {s}free AS _ct_free, {s}override AS _ct_override, {s}paid_of AS _ct_paid_of, {s}paid_per AS _ct_paid_per,
  {s}doubt AS _ct_unrated,
  CASE WHEN t.input_tokens IS NULL AND t._ct_output > 0 AND {s}input > 0 THEN 'input'
    WHEN t.mode IS NOT NULL AND {s}output > 0 AND lower(trim(t.mode, ' ')) IN ({cut_off}) THEN 'output'
    WHEN t._ct_beside AND {s}input IS NOT NULL THEN CASE
    WHEN t._ct_audio_in > 0 AND {s}audio_input IS NULL THEN 'audio_input'
    WHEN t._ct_audio_cached > 0 AND {s}audio_cached IS NULL THEN 'cached_audio_input'
    WHEN t._ct_audio_out > 0 AND {s}audio_output IS NULL THEN 'audio_output'
    WHEN t._ct_image_out > 0 AND {s}image_output IS NULL THEN 'image_output'
    WHEN t._ct_searches > 0 AND {s}web_search IS NULL THEN 'web_search' END END AS _ct_missing,
  CASE WHEN NOT t._ct_known THEN NULL WHEN t._ct_beside THEN TRY(
    (t._ct_input - t._ct_cached - t._ct_write - t._ct_audio_in) * {s}input
    + (t._ct_cached - t._ct_audio_cached) * {s}cached
    + (t._ct_write - t._ct_write_1h) * {s}write + t._ct_write_1h * {s}write_1h
    + (t._ct_output - t._ct_reasoning - t._ct_audio_out - t._ct_image_out) * {s}output
    + t._ct_reasoning * {s}reasoning + {s}request
    + t._ct_audio_in * coalesce({s}audio_input, 0) + t._ct_audio_cached * coalesce({s}audio_cached, 0)
    + t._ct_audio_out * coalesce({s}audio_output, 0) + t._ct_image_out * coalesce({s}image_output, 0)
    + t._ct_searches * coalesce({s}web_search, 0))
  ELSE TRY(
    (t._ct_input - t._ct_cached - t._ct_write) * {s}input + t._ct_cached * {s}cached
    + (t._ct_write - t._ct_write_1h) * {s}write + t._ct_write_1h * {s}write_1h
    + (t._ct_output - t._ct_reasoning) * {s}output + t._ct_reasoning * {s}reasoning + {s}request) END AS _ct_market,
  TRY(CASE WHEN t._ct_audio_cached > 0 THEN (t._ct_cached - t._ct_audio_cached) * ({s}input - {s}cached)
      + t._ct_audio_cached * (coalesce({s}audio_input, {s}input) - coalesce({s}audio_cached, {s}cached))
      ELSE t._ct_cached * ({s}input - {s}cached) END + (t._ct_write - t._ct_write_1h) * ({s}input - {s}write)
    + t._ct_write_1h * ({s}input - {s}write_1h)) AS _ct_prompt
FROM {slotted}
"""

# A paid factor is applied to the whole request and rounded half-even once; the product needs 128 bits.
_FACTORED = """
CASE WHEN _ct_paid_of IS NULL THEN _ct_market ELSE TRY_CAST(
  _ct_market::HUGEINT * _ct_paid_of // _ct_paid_per
  + CASE WHEN 2 * (_ct_market::HUGEINT * _ct_paid_of % _ct_paid_per) > _ct_paid_per
      OR (2 * (_ct_market::HUGEINT * _ct_paid_of % _ct_paid_per) = _ct_paid_per
        AND (_ct_market::HUGEINT * _ct_paid_of // _ct_paid_per) % 2 = 1) THEN 1 ELSE 0 END AS BIGINT) END
"""

# What decides a row, as numbers, which compare faster than words.
_STEPS = (
    "hit", "own_key", "no_usage", "unknown", "tokens", "refund", "charged", "nothing", "given", "error", "own_price",
    "doubtful",
)  # fmt: skip

_VERDICT = """
SELECT * EXCLUDE ({ours}, _ct_paid_of, _ct_paid_per, _ct_step, _ct_list, _ct_owner),
  CASE _ct_step
    WHEN {hit} THEN CASE WHEN _ct_owner THEN 0 ELSE coalesce(reported_cost, 0) END
    WHEN {own_price} THEN _ct_paid WHEN {tokens} THEN _ct_paid
    WHEN {unknown} THEN NULL WHEN {no_usage} THEN NULL WHEN {own_key} THEN 0 ELSE reported_cost END AS cost,
  _ct_list AS market_cost,
  CASE _ct_step
    WHEN {hit} THEN _ct_market - CASE WHEN _ct_owner THEN 0 ELSE greatest(coalesce(reported_cost, 0), 0) END
    WHEN {unknown} THEN NULL WHEN {no_usage} THEN NULL
    ELSE 0 END AS saved_by_cache,
  CASE _ct_step
    WHEN {hit} THEN CASE WHEN _ct_market IS NOT NULL THEN 0 END WHEN {unknown} THEN NULL WHEN {no_usage} THEN NULL
    WHEN {error} THEN 0 WHEN {nothing} THEN 0 WHEN {refund} THEN 0
    ELSE CASE WHEN _ct_market IS NOT NULL THEN _ct_prompt END END AS prompt_cache_savings,
  CASE _ct_step
    WHEN {hit} THEN CASE WHEN _ct_market IS NOT NULL OR NOT _ct_known THEN 'cache_hit' ELSE 'unpriced' END
    WHEN {tokens} THEN CASE WHEN _ct_missing IS NOT NULL THEN 'unpriced' WHEN _ct_free THEN 'free' ELSE 'priced' END
    WHEN {unknown} THEN 'unpriced' WHEN {no_usage} THEN 'no_usage'
    WHEN {own_price} THEN CASE WHEN _ct_missing IS NOT NULL THEN 'unpriced' ELSE 'priced' END
    WHEN {nothing} THEN 'free' WHEN {doubtful} THEN 'unpriced'
    ELSE 'reported' END AS price_status,
  CASE _ct_step
    WHEN {tokens} THEN _ct_missing WHEN {own_price} THEN _ct_missing
    WHEN {hit} THEN CASE WHEN _ct_missing IS NOT NULL AND _ct_market IS NOT NULL THEN 'list_price' END
    WHEN {unknown} THEN CASE WHEN _ct_stranger THEN 'model' ELSE coalesce(_ct_unrated, 'time') END
    WHEN {doubtful} THEN 'zero'
    WHEN {error} THEN CASE WHEN status IN ({timeouts}) THEN 'timeout' WHEN {odd_count} THEN 'count' END
    ELSE CASE WHEN _ct_step IN ({own_key}, {given}) AND _ct_missing IS NOT NULL AND _ct_market IS NOT NULL
      AND greatest(coalesce(reported_cost, 0), coalesce(reported_market_cost, 0)) <= 0 THEN 'list_price'
      WHEN {odd_count} AND _ct_step IN ({charged}, {own_key}, {given}, {refund}) THEN 'count'
      WHEN _ct_step IN ({charged}, {own_key}) AND _ct_market > 0 AND _ct_missing IS NULL
      AND reported_cost // {times} > _ct_market AND reported_cost - _ct_market > {margin} THEN 'cost' END END AS doubt
FROM (
  SELECT *,
    CASE WHEN _ct_step IN ({charged}, {own_key}, {given}) AND reported_market_cost > 0 THEN reported_market_cost
      WHEN _ct_step = {refund} AND reported_market_cost < 0 THEN reported_market_cost
      ELSE CASE _ct_step
      WHEN {hit} THEN coalesce(_ct_market, CASE WHEN NOT _ct_owner AND reported_cost > 0 THEN reported_cost END)
      WHEN {charged} THEN CASE WHEN reported_cost > 0 AND (coalesce(_ct_market, 0) = 0 OR _ct_missing IS NOT NULL)
        THEN reported_cost ELSE _ct_market END
      WHEN {own_key} THEN CASE WHEN reported_cost > 0 THEN reported_cost ELSE _ct_market END
      WHEN {refund} THEN reported_cost
      WHEN {unknown} THEN NULL WHEN {no_usage} THEN NULL WHEN {error} THEN 0 WHEN {nothing} THEN 0
      ELSE _ct_market END END AS _ct_list
  FROM (
    SELECT *,
      CASE
        WHEN cache_hit THEN {hit}
        WHEN _ct_owner AND (reported_cost IS NOT NULL OR _ct_known) THEN {own_key}
        WHEN reported_cost IS NULL THEN
          CASE WHEN NOT _ct_known THEN {no_usage} WHEN _ct_paid IS NULL THEN {unknown} ELSE {tokens} END
        WHEN reported_cost < 0 THEN {refund}
        WHEN reported_cost <> 0 THEN {charged}
        WHEN greatest(coalesce(_ct_input, 1), coalesce(_ct_output, 1), coalesce(_ct_searches, 0)) = 0 THEN
          CASE WHEN zero_is_price IS FALSE AND NOT coalesce(status >= 400, FALSE) THEN {no_usage} ELSE {charged} END
        WHEN _ct_free AND _ct_market IS NOT NULL THEN {nothing}
        WHEN zero_is_price THEN {given}
        WHEN status >= 400 THEN {error}
        WHEN _ct_override AND _ct_paid IS NOT NULL THEN {own_price}
        ELSE {doubtful} END AS _ct_step
    FROM (
      SELECT *, {paid} AS _ct_paid, coalesce(lower(trim(credential_type)) = 'byok', FALSE) AS _ct_owner
      FROM ({priced})
    )
  )
)
"""


# In front of the columns of `RATED` that a relation brings itself.
RATE = "_ct_rate_"


def statement(
    relation: str,
    pairs: str,
    slots: str,
    edges: int,
    tiers: int,
    schedules: Sequence[Schedule],
    regions: Sequence[str],
    discounts: bool,
) -> str:
    """The whole query over `relation`, for tables with that many edge and tier columns."""
    segment = " + ".join(f"(c.time > p.edge{number})::INTEGER" for number in range(edges)) or "0"
    tier = " + ".join(f"(c._ct_input > p.start{number})::INTEGER" for number in range(tiers))
    phase = " + ".join(f"p.phase{number} * ({_active(item)})::INTEGER" for number, item in enumerate(schedules))
    slotted = _SLOTTED.format(
        parts=_PARTS,
        segment=segment,
        tier=tier,
        mode=mode_number("c.mode"),
        region=region_number("c.region", regions),
        phase=phase or "0",
        beside=_beside(relation),
        pairs=pairs,
    )
    return _verdict(f"({slotted}) t LEFT JOIN {slots} s ON t._ct_slot = s.slot", "s.", _OURS, discounts)


def rated_statement(relation: str, rates: Sequence[str], discounts: bool) -> str:
    """As `statement`, where each row of `relation` brings its rates, `_ct_rate_*`, and `_ct_stranger`."""
    ours = [name for name in _OURS if name != "slot"]
    return _verdict(f"(SELECT {_PARTS} FROM ({_beside(relation)}) c) t", f"t.{RATE}",
                    [*ours, *(f"rate_{name}" for name in rates)], discounts)  # fmt: skip


def _beside(relation: str) -> str:
    return _BESIDE.format(clean=_CLEAN.format(relation=relation))


def _verdict(slotted: str, s: str, ours: Sequence[str], discounts: bool) -> str:
    """The prices of rows whose rates are columns in front of which `s` is written."""
    steps = {name: number for number, name in enumerate(_STEPS)}
    bounds = {"times": BELIEVABLE_TIMES, "margin": BELIEVABLE_MARGIN, "timeouts": ", ".join(map(str, TIMEOUTS))}
    return _VERDICT.format(
        ours=", ".join(f"_ct_{name}" for name in ours),
        paid=_FACTORED if discounts else "_ct_market",
        priced=_PRICED.format(slotted=slotted, s=s, cut_off=_CUT_OFF),
        odd_count=f"mode = '{UNREADABLE_COUNT}'",
        **steps,
        **bounds,
    )


def mode_number(mode: str) -> str:
    """SQL of the place of a logged mode, which is not NULL, among `SLOT_MODES`; behind them any other word's."""
    numbers = {tier: MODES.index(mode) for tier, mode in MODE_OF_TIER.items()}
    bounded = {word: MODES.index(mode) + len(MODES) * of_rounds for word, (mode, of_rounds, _) in BOUNDED.items()}
    return f"CASE lower(trim({mode}, ' ')) {_numbered({**numbers, **bounded}, len(SLOT_MODES))} END"


def region_number(region: str, regions: Sequence[str]) -> str:
    """SQL of the place of a logged region, which is not NULL: 0 for any, then those with prices, then all others."""
    listed = {**dict.fromkeys(sorted(ANYWHERE), 0), **{region: number for number, region in enumerate(regions, 1)}}
    return f"CASE lower(trim({region}, ' ')) {_numbered(listed, len(regions) + 1)} END"


def _numbered(words: Mapping[str, int], other: int) -> str:
    """The arms of a CASE that numbers words of our own tables; any other word has a number of its own."""
    return " ".join(f"WHEN '{word}' THEN {number}" for word, number in words.items()) + f" ELSE {other}"


def _active(schedule: Schedule) -> str:
    """Whether a schedule holds at `c.time`."""
    local = "c.time" if schedule.zone == "UTC" else f"timezone('{schedule.zone}', timezone('UTC', c.time))"
    minute = f"(date_part('hour', {local}) * 60 + date_part('minute', {local}))"
    windows = " OR ".join(
        f"({minute} >= {start} {'AND' if start < end else 'OR'} {minute} < {end})" for start, end in schedule.windows
    )
    if not schedule.days:
        return f"({windows})"
    # A set of days as bits: `IN` would be planned as one more join, over every row.
    days = sum(1 << day for day in schedule.days)
    return f"({windows}) AND (({days} >> (date_part('isodow', {local}) - 1)::INTEGER) & 1) = 1"
