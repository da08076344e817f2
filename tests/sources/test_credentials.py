"""Keys come from the environment or a private file, and never appear in what is said about them."""

from __future__ import annotations

import os

import pytest

from cost_top.model.errors import UserError
from cost_top.sources.credentials import KEY_VARIABLES, find_key, key_place

KEY = "vck_hunter2secret"


@pytest.fixture(autouse=True)
def no_keys(monkeypatch):
    for names in KEY_VARIABLES.values():
        for name in names:
            monkeypatch.delenv(name, raising=False)


def complaint(*arguments, **named):
    with pytest.raises(UserError) as caught:
        find_key(*arguments, **named)
    text = str(caught.value)
    assert text.isprintable()
    assert "hunter2" not in text
    return text


def key_file(tmp_path, content, mode=0o600):
    path = tmp_path / "vercel.key"
    path.write_bytes(content)
    path.chmod(mode)
    return path


@pytest.mark.parametrize("kind", KEY_VARIABLES)
def test_the_first_variable_that_is_set_is_used(kind, monkeypatch):
    for place, name in reversed(list(enumerate(KEY_VARIABLES[kind]))):
        monkeypatch.setenv(name, f"key-{place}")
        assert find_key(kind) == f"key-{place}"
        assert key_place(kind) == name


def test_an_empty_variable_is_passed_over(monkeypatch):
    monkeypatch.setenv("AI_GATEWAY_API_KEY", " ")
    assert "AI_GATEWAY_API_KEY is set but empty" in complaint("vercel")
    monkeypatch.setenv("VERCEL_OIDC_TOKEN", KEY)
    assert find_key("vercel") == KEY


@pytest.mark.parametrize("kind", [kind for kind in KEY_VARIABLES if kind != "cost-top"])
def test_no_key_names_the_variables(kind):
    text = complaint(kind)
    assert text.startswith(f"{kind}: no key")
    assert all(name in text for name in KEY_VARIABLES[kind])


def test_another_cost_top_may_need_no_key(monkeypatch):
    assert find_key("cost-top") == ""
    assert key_place("cost-top") == ""
    assert "MY_TOKEN" in complaint("cost-top", key_variable="MY_TOKEN")


def test_a_variable_of_ones_own_is_the_only_one(monkeypatch):
    monkeypatch.setenv("AI_GATEWAY_API_KEY", KEY)
    assert "MY_KEY" in complaint("vercel", key_variable="MY_KEY")
    monkeypatch.setenv("MY_KEY", "mine")
    assert find_key("vercel", key_variable="MY_KEY") == "mine"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (f"{KEY}\n", "line break"),
        (f"{KEY}\r\nX-Other: 1", "line break"),
        (f" {KEY}", "space"),
        (f"Bearer {KEY}", "without Bearer"),
        (f'"{KEY}"', "in quotes"),
        (f"{KEY}é", "no key has"),
        (f"{KEY}\u200b", "no key has"),
        (f"{KEY}\x07", "no key has"),
        (f"{KEY}\udcff", "no key has"),
        (f"{KEY}{'x' * 20_000}", "longer"),
    ],
)
def test_a_key_that_cannot_be_one_is_refused(value, said, monkeypatch, tmp_path):
    monkeypatch.setenv("AI_GATEWAY_API_KEY", value)
    text = complaint("vercel")
    assert text.startswith("AI_GATEWAY_API_KEY: ")
    assert said in text


def test_a_file_goes_first_and_its_first_line_is_the_key(monkeypatch, tmp_path):
    monkeypatch.setenv("AI_GATEWAY_API_KEY", "other")
    assert find_key("vercel", key_file(tmp_path, f"{KEY}\nof the team\n".encode())) == KEY
    assert find_key("vercel", key_file(tmp_path, f"{KEY}\r\n".encode())) == KEY
    assert find_key("vercel", key_file(tmp_path, KEY.encode(), 0o440)) == KEY
    assert key_place("vercel", tmp_path / "vercel.key") == str(tmp_path / "vercel.key")


@pytest.mark.parametrize("content", [b"", b"\n", b"  \n" + KEY.encode()])
def test_a_file_without_a_key_is_told(tmp_path, content):
    assert "first line is empty" in complaint("vercel", key_file(tmp_path, content))


def test_a_file_that_is_not_text_is_told(tmp_path):
    assert "no key has" in complaint("vercel", key_file(tmp_path, b"\xff\xfe\x00k"))


@pytest.mark.parametrize("mode", [0o604, 0o606, 0o644, 0o602])
def test_a_file_that_others_may_read_is_refused(tmp_path, mode):
    text = complaint("vercel", key_file(tmp_path, KEY.encode(), mode))
    assert "others may read" in text
    assert "chmod 600" in text


def test_a_file_that_is_not_there(tmp_path):
    assert "No such file" in complaint("vercel", tmp_path / "none")
    assert "cannot be read" in complaint("vercel", tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(tmp_path):
    assert "Permission denied" in complaint("vercel", key_file(tmp_path, KEY.encode(), 0o000))
