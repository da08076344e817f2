"""What people type first at a command line they do not know yet."""

from __future__ import annotations

import pytest
from click.testing import CliRunner, Result

from cost_top import __version__
from cost_top.cli import _told, group
from cost_top.model.errors import UserError


def run(*arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(group, list(arguments), prog_name="cost-top", env=environment, standalone_mode=False)


@pytest.mark.parametrize("words", [["version"], ["-V"], ["--version"]])
def test_which_version_it_is(words: list[str]) -> None:
    assert run(*words).output == f"cost-top {__version__}\n"


@pytest.mark.parametrize(
    ("shell", "asks"), [("bash", "bash_complete"), ("zsh", "zsh_complete"), ("fish", "fish_complete")]
)
def test_the_lines_for_a_shell_are_printed_for_the_one_named_or_used(shell: str, asks: str) -> None:
    told = run("completion", shell).output
    assert asks in told
    assert "cost-top" in told
    assert run("completion", SHELL=f"/usr/bin/{shell}").output == told


def test_a_shell_that_is_not_known_is_asked_for() -> None:
    failed = run("completion", SHELL="/bin/tcsh").exception
    assert isinstance(failed, UserError)
    assert str(failed) == "which shell? cost-top completion bash|zsh|fish"


def test_a_model_is_priced_by_its_name_alone() -> None:
    rest = ("--input", "1000", "--at", "2026-11-01T00:00:00Z")
    by_name = run("price", "gpt-4o", *rest)
    assert by_name.exception is None
    assert "0.0025" in by_name.output
    assert run("price", "--model", "gpt-4o", *rest).output == by_name.output


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["price"], "which model? cost-top price MODEL; price --models lists the names"),
        (["price", "a", "--model", "b"], "a: the model is given by --model already; leave one out"),
        (["price", "a", "--input", "5", "--cached", "6"], "--input 5 is less than its parts: --cached 6"),
        (
            ["price", "a", "--input", "9", "--cached", "6", "--cache-creation", "4"],
            "--input 9 is less than its parts: --cached 6 and --cache-creation 4",
        ),
        (
            ["price", "a", "--input", "9", "--cache-creation", "4", "--cache-creation-1h", "5"],
            "--cache-creation 4 is less than its parts: --cache-creation-1h 5",
        ),
        (["price", "a", "--reasoning", "1"], "--output 0 is less than its parts: --reasoning 1"),
    ],
)
def test_a_model_is_named_once_and_its_counts_can_be(words: list[str], line: str) -> None:
    failed = run(*words).exception
    assert isinstance(failed, UserError)
    assert str(failed) == line


def test_an_option_without_its_value_is_looked_up_in_the_help_of_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["requests", "--waste"]
    monkeypatch.setattr("sys.argv", ["cost-top", *words])
    failed = run(*words).exception
    assert isinstance(failed, Exception)
    assert _told(failed) == "Option '--waste' requires an argument. (see cost-top requests --help)"


@pytest.mark.parametrize("command", ["report", "requests"])
def test_days_can_be_named(command: str) -> None:
    assert "today, yesterday" in " ".join(run(command, "--help").output.split())
