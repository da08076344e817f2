"""`cost-top price`, run as a user runs it."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cost_top.cli.price import command
from cost_top.model.errors import UserError

TRUTH = Path(__file__).with_name("pricing-truth.csv")
EXAMPLE = ("--provider", "anthropic", "--model", "claude-3-5-sonnet", "--input", "14320", "--output", "642")


@pytest.fixture(autouse=True)
def no_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "config.toml"
    config.touch()
    monkeypatch.setenv("COST_TOP_CONFIG", str(config))


def run(*arguments: str) -> Result:
    result = CliRunner().invoke(command, arguments)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_the_example() -> None:
    result = run(*EXAMPLE)
    assert result.exit_code == 0
    lines = result.output.splitlines()
    assert lines[0].startswith("0.05259 USD   anthropic/claude-3-5-sonnet   standard")
    assert lines[1].split() == ["input", "14,320", "x", "$3/M", "0.04296"]
    assert lines[2].split() == ["output", "642", "x", "$15/M", "0.00963"]
    assert "genai-prices" in result.output
    assert "exact 'claude-3-5-sonnet'" in result.output


def test_json_has_the_parts_and_the_rate() -> None:
    result = json.loads(run(*EXAMPLE, "--mode", "batch", "--at", "2025-01-15T12:00:00Z", "--format", "json").output)
    assert (result["status"], result["cost_usd"], result["cost_pico_usd"]) == ("priced", "0.026295", 26_295_000_000)
    assert result["parts"][0] == {"part": "input", "tokens": 14320, "usd_per_million": "1.5", "usd": "0.02148"}
    assert result["matched_model"] == "anthropic/claude-3-5-sonnet"
    assert result["rate_source"].startswith("correction anthropic-batch-half")


def test_every_part_can_be_given() -> None:
    result = run(
        *("--model", "claude-opus-4-1", "--input", "50100", "--cached", "20", "--cache-creation", "50000"),
        *("--cache-creation-1h", "40000", "--output", "200", "--reasoning", "100", "--at", "2025-10-01"),
    )
    # 80 x 15 + 20 x 1.5 + 10000 x 18.75 + 40000 x 30 + 200 x 75
    assert result.output.startswith("1.40373 USD")


def test_an_unknown_model_says_what_would_price_it() -> None:
    result = run("--provider", "acme", "--model", "zork", "--input", "1")
    assert result.exit_code == 0
    assert result.output.startswith("unpriced   acme/zork")
    assert '[[price]]\nprovider = "acme"\nmodel = "zork"' in result.output


def test_overrides_apply(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text('[[paid]]\nprovider = "anthropic"\nfactor = "0.85"\n')
    output = run(*EXAMPLE, "--overrides", str(own)).output
    assert output.startswith("0.0447015 USD")
    assert "0.05259 USD at market price" in output


def test_a_file_is_priced_row_by_row() -> None:
    result = run("--batch", str(TRUTH))
    rows = list(csv.DictReader(io.StringIO(result.output)))
    given = list(csv.DictReader(io.StringIO(TRUTH.read_text("utf-8"))))
    assert len(rows) == len(given)
    checked = 0
    for row, before in zip(rows, given, strict=True):
        assert {name: row[name] for name in before if name != "note"} == {
            name: value for name, value in before.items() if name != "note"
        }
        if before["needs_override"]:
            continue
        assert row["status"] == before["expected_status"], row["case_id"]
        if before["expected_pico_usd"]:
            assert row["cost_pico_usd"] == before["expected_pico_usd"], row["case_id"]
            checked += 1
    assert checked > 60
    first = rows[0]
    assert (first["cost_usd"], first["market_cost_usd"], first["saved_by_cache_usd"]) == ("0.05259", "0.05259", "0")
    assert (first["matched_model"], first["rate_source"]) == ("anthropic/claude-3-5-sonnet", "genai-prices 0.2.3")


def write(path: Path, *lines: str) -> str:
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def test_what_was_written_to_the_cache_and_read_from_it_is_paid_once(tmp_path: Path) -> None:
    """As in a log: OpenAI counts a prefix as written that was read in part, Claude's input leaves both out."""
    name = write(
        tmp_path / "in.csv", "model,input_tokens,cached_input_tokens,cache_creation_input_tokens",
        "gpt-5.6-sol,1000,800,900", "gpt-5.6-sol,1000,800,200", "claude-sonnet-4-5,1000,800,900",
        "claude-sonnet-4-5,2700,800,900",
    )  # fmt: skip
    first, alike, claude, whole = (row["cost_usd"] for row in csv.DictReader(io.StringIO(run("--batch", name).stdout)))
    assert first == alike
    assert claude == whole


def test_a_customers_own_key_costs_nothing_and_parts_above_their_whole_are_told(tmp_path: Path) -> None:
    name = write(
        tmp_path / "parts.csv",
        "model,input_tokens,cache_creation_input_tokens,cache_creation_1h_tokens,credential_type",
        "claude-sonnet-4-5,1000,600,500,byok",
        "claude-sonnet-4-5,1000,100,500,system",
        "claude-sonnet-4-5,1000,500,500,",
    )
    result = run("--batch", name)
    own, raised, whole = csv.DictReader(io.StringIO(result.stdout))
    assert (own["cost_usd"], own["market_cost_usd"]) == ("0", "0.004575")
    assert raised["cost_usd"] == whole["cost_usd"] == "0.0045"
    assert result.stderr == (
        "note: 1 row has parts that are more than the count they are in, which is taken as more: line 3\n"
    )


def test_cells_that_look_like_formulas_are_defused(tmp_path: Path) -> None:
    name = write(tmp_path / "in.csv", "model,note,delta", "gpt-4o,=1+1,-5", '"@x","\t=2",+1e3')
    rows = list(csv.reader(io.StringIO(run("--batch", name).output)))
    assert [row[:3] for row in rows[1:]] == [["gpt-4o", "'=1+1", "-5"], ["'@x", "'\t=2", "+1e3"]]


def test_a_file_needs_only_models(tmp_path: Path) -> None:
    name = write(tmp_path / "in.csv", "\ufeffmodel,input_tokens", "gpt-4o,1000000", "nope,1")
    rows = list(csv.DictReader(io.StringIO(run("--batch", name).output)))
    assert [(row["status"], row["cost_usd"]) for row in rows] == [("priced", "2.5"), ("unpriced", "")]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (("provider,input_tokens", "openai,1"), "no column `model`"),
        (("model,input_tokens", "gpt-4o,many"), "line 2: input_tokens 'many' must be a whole number"),
        (("model,input_tokens", "gpt-4o,1", "gpt-4o,-1"), "line 3: input_tokens '-1'"),
        (("model,ts_utc", "gpt-4o,yesterday"), "line 2: ts_utc: 'yesterday' is no time"),
        (("model,mode", "gpt-4o,slow"), "line 2: mode 'slow' must be one of"),
        (("model,gateway_cache_hit", "gpt-4o,maybe"), "line 2: gateway_cache_hit 'maybe'"),
        (("model,mode", "gpt-4o"), "line 2: has another number of cells"),
        (("model", "gpt-4o,batch"), "line 2: has another number of cells"),
        (("model,credential_type", "gpt-4o,mine"), "line 2: credential_type 'mine' must be system or byok"),
        ((), "no column `model`"),
    ],
)
def test_a_bad_file_names_line_and_column(tmp_path: Path, lines: tuple[str, ...], message: str) -> None:
    name = write(tmp_path / "in.csv", *lines)
    with pytest.raises(UserError, match=r"in\.csv") as caught:
        run("--batch", name)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "--model"),
        (("--model", "gpt-4o", "--at", "soon"), "--at: 'soon' is no time"),
        (("--batch", "/no/such.csv"), "/no/such.csv: cannot be read"),
        (("--batch", "x.csv", "--format", "json"), "--batch: takes no"),
        (("--models", "no such model"), "--models: no model has"),
        (("--model", "gpt-4o", "--overrides", "/no/such.toml"), "/no/such.toml: No such file"),
    ],
)
def test_bad_input_is_one_line(arguments: tuple[str, ...], message: str) -> None:
    with pytest.raises(UserError) as caught:
        run(*arguments)
    assert message in str(caught.value)


def test_a_negative_count_is_refused() -> None:
    assert run("--model", "gpt-4o", "--input", "-1").exit_code == 2


def test_models_are_listed_with_their_tiers() -> None:
    output = run("--models", "anthropic/claude-sonnet-4-5").output
    lines = [line.split() for line in output.splitlines()]
    assert ["anthropic/claude-sonnet-4-5", "3", "0.3", "3.75", "6", "15"] in lines
    assert ["anthropic/claude-sonnet-4-5", ">", "200,000", "6", "0.6", "7.5", "12", "22.5"] in lines
    assert len(run("--models").output.splitlines()) > 2000
    listed = json.loads(run("--models", "anthropic/claude-sonnet-4-5", "--format", "json").output)
    assert listed["usd_per_million"][1]["above_input_tokens"] == 200_000


def test_help_explains_every_option() -> None:
    output = run("--help").output
    for option in ("--provider", "--cache-creation-1h", "--reasoning", "--mode", "--at", "--batch", "--overrides"):
        assert option in output
    assert "--input 14320 --output 642" in output


def test_the_rates_need_only_the_standard_library() -> None:
    code = (
        "import sys; import cost_top.pricing.book as b; b.RateBook.load(); "
        "print([m for m in ('duckdb', 'click', 'pydantic', 'genai_prices', 'tomllib', 'textual') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
