"""The config file: paths beside it, mistakes with file, line and key, and a command that tells them all."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from cost_top.cli import COMMANDS
from cost_top.cli.config import command
from cost_top.config import COMMAND_NAMES, Config, SourceSettings, load_config
from cost_top.model.errors import UserError


def write(folder: Path, text: str) -> Path:
    path = folder / "config.toml"
    path.write_text(text)
    return path


def test_paths_are_beside_the_file_and_numbers_may_be_whole(tmp_path):
    config = load_config(
        write(tmp_path, 'interval = 3\noverrides = "own.toml"\n[sources.p]\nurl = "x.db"\nmapping = "/m"\n')
    )
    assert config.overrides == tmp_path / "own.toml"
    assert (config.interval, type(config.interval)) == (3.0, float)
    assert config.sources == {"p": SourceSettings("x.db", Path("/m"))}


def test_every_command_is_a_name_that_no_source_may_have():
    assert set(COMMANDS) <= set(COMMAND_NAMES)


def test_no_file_says_nothing_unless_it_was_named(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("COST_TOP_CONFIG", raising=False)
    assert load_config() == Config()
    monkeypatch.setenv("COST_TOP_CONFIG", str(tmp_path / "none.toml"))
    with pytest.raises(UserError, match=r"config file .*none\.toml: No such file"):
        load_config()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('default = "prdo"\n[sources.prod]\nurl = "x"',
         "1: default: no [sources.prdo] in the file (there: prod), did you mean 'prod'?"),
        ('[sources.prod]\nmapping = "x"', "1: sources.prod.url: is missing: give a database URL or a path"),
        ('[sources.prod]\nurl = "x"\nintervall = 3',
         "3: sources.prod.intervall: unknown key, did you mean 'interval'"),
        ('[sources]\nprod = "x"', "2: sources.prod: must be a table: [sources.prod]"),
        ("interval = 0.5", "1: interval: must be a number of seconds from 1 to 86,400"),
        ('tz = "Mars/Base"', "1: tz: unknown time zone 'Mars/Base'"),
        ('window = "30"', "1: window: must be one of 1h, "),
        ("theme = 'drak'", "1: theme: must be one of dark, light, did you mean 'dark'?"),
        ("mouse = 1", "1: mouse: must be true or false"),
        ('tz = "UTC"\n[sources.watch]\nurl = "x.db"', "2: sources.watch: watch is a command: choose another name"),
        ('[sources.codex]\nurl = "x.db"', "1: sources.codex: codex is a source by itself: choose another name"),
    ],
)  # fmt: skip
def test_a_mistake_names_file_line_and_key(tmp_path, text, told):
    path = write(tmp_path, text)
    with pytest.raises(UserError) as caught:
        load_config(path)
    assert str(caught.value).startswith(f"config file {path}:{told}")


def test_the_check_tells_every_mistake(tmp_path):
    path = write(tmp_path, "mouse = 1\ntheme = 'grey'\n")
    ran = CliRunner().invoke(command, ["--check", str(path)])
    assert isinstance(ran.exception, UserError)
    told = [*ran.stderr.splitlines(), str(ran.exception)]
    assert [line.partition(f"{path}:")[2].rpartition(": ")[0] for line in told] == [
        "1: mouse", "2: theme",
    ]  # fmt: skip
    assert ran.stdout == ""


def test_the_check_of_a_good_file_says_so(tmp_path):
    path = write(tmp_path, "[sources.p]\nurl = 'postgresql://me:secret@db/x'\n")
    ran = CliRunner().invoke(command, ["--check", str(path)])
    assert (ran.exit_code, ran.stdout) == (0, f"config file {path}: no mistake; sources: p\n")


def test_the_place_of_the_file(tmp_path, monkeypatch):
    monkeypatch.setenv("COST_TOP_CONFIG", str(tmp_path / "c.toml"))
    assert CliRunner().invoke(command).stdout == f"{tmp_path / 'c.toml'} (not there)\n"
