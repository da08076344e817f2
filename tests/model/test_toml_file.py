"""A file of settings: what is right is read without pydantic, what is wrong is told with file, line and key."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal

import pytest

from cost_top.model.declared import SETTINGS, Name, Rule, Wrong, keys_among, one_of, read_plainly, within
from cost_top.model.errors import UserError
from cost_top.model.toml_check import checked
from cost_top.model.toml_file import parse_toml, read_toml


def to_date(value: str | date) -> date:
    try:
        return date.fromisoformat(str(value)[:10])
    except ValueError:
        raise UserError("is no date") from None


@dataclass(frozen=True, slots=True)
class Part:
    __pydantic_config__ = SETTINGS
    column: Name = "c"
    path: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Span:
    __pydantic_config__ = SETTINGS
    name: Name
    amount: Annotated[Decimal, within(0, 10**9)] = Decimal(0)
    from_: Annotated[str | date | datetime, Rule("a date or a time", to_date)] | None = None
    to: Annotated[str | date | datetime, Rule("a date or a time", to_date)] | None = None

    def __post_init__(self) -> None:
        if self.from_ and self.to and self.to <= self.from_:
            raise Wrong("must be after from", "to")


Source = Annotated[str | Part, Rule("a column's name or {column = …}")]
Sources = Annotated[str | Part | tuple[Source, ...], Rule("a column or several")]


@dataclass(frozen=True, slots=True)
class Settings:
    __pydantic_config__ = SETTINGS
    mode: Literal["fast", "slow"] = "fast"
    kind: Annotated[str, one_of(("red", "green"))] = "red"
    on: bool = True
    count: Annotated[int, within(1, 9, "days")] = 1
    share: float = 0.5
    file: Path | None = None
    fields: Annotated[Mapping[str, Sources], keys_among(("model", "user"))] = field(default_factory=dict)
    spans: tuple[Span, ...] = ()
    maybe: Sources | None = None


GOOD = """\
mode = "slow"
kind = "green"
on = false
count = 9
share = 1
file = "a/b"
[fields]
model = "m"
user = ["u", {column = "v", path = ["x", "y"]}]
[[spans]]
name = "one"
amount = "0.25"
from = 2026-01-01
to = "2026-02-01"
[[spans]]
name = "two"
amount = 3
"""


def test_what_is_right_is_read_alike_by_both():
    file = parse_toml(GOOD, "settings mine.toml")
    plain = read_plainly(Settings, file.document)
    assert plain == file.read_as(Settings)
    assert checked(file, Settings) == (plain, [])
    assert plain.spans == (
        Span("one", Decimal("0.25"), date(2026, 1, 1), date(2026, 2, 1)), Span("two", Decimal(3)),
    )  # fmt: skip
    assert plain.fields["user"] == ("u", Part("v", ("x", "y")))
    assert (plain.share, type(plain.share), plain.file) == (1.0, float, Path("a/b"))
    assert parse_toml("", "x").read_as(Settings) == Settings()


def test_what_is_right_is_read_without_pydantic(tmp_path):
    config = tmp_path / "config.toml"
    config.write_text('default = "p"\ntz = "Europe/Berlin"\ninterval = 3\n[sources.p]\nurl = "x.db"\n')
    code = (
        "import sys, pathlib\nfrom cost_top.config import load_config\n"
        "print(load_config(pathlib.Path(sys.argv[1])).default, 'pydantic' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code, str(config)], capture_output=True, text=True, check=True)
    assert ran.stdout == "p False\n"


# Each a text, and what is said of it after the name of the file.
MISTAKES = [
    ("moed = 'slow'", "1: moed: unknown key, did you mean 'mode'?"),
    ("zzz = 1", "1: zzz: unknown key; known are mode, kind, on, count, share, file, fields, spans, maybe"),
    ("mode = 'slwo'", "1: mode: must be one of fast, slow, did you mean 'slow'?"),
    ("\n\nkind = 'gren'", "3: kind: must be one of red, green, did you mean 'green'?"),
    ("on = 1", "1: on: must be true or false"),
    ("on = 'yes'", "1: on: must be true or false"),
    ("count = 10", "1: count: must be a number of days from 1 to 9"),
    ("count = true", "1: count: must be a number of days from 1 to 9"),
    ("count = 2.5", "1: count: must be a number of days from 1 to 9"),
    ("share = '0.5'", "1: share: must be a number"),
    ("file = 3", "1: file: must be a path in quotes"),
    ("fields = 3", "1: fields: must be a table"),
    ("[fields]\nmodle = 'm'", "2: fields.modle: unknown key, did you mean 'model'?"),
    ("[fields]\nmodel = 3", "2: fields.model: must be a column or several"),
    ("[fields]\nmodel = {colum = 'm'}", "2: fields.model.colum: unknown key, did you mean 'column'?"),
    ("[fields]\nmodel = {column = ' '}", "2: fields.model.column: is empty"),
    ("[fields]\nmodel = ['a',\n  {path = 'x'}]", "2: fields.model.path: must be a list"),
    ("[fields.model]\n# why\npath = [3]", "3: fields.model.path: must be a text in quotes"),
    ("maybe = [1]", "1: maybe: must be a column's name or {column = …}"),
    ("maybe = [{colum = 'x'}]", "1: maybe.colum: unknown key, did you mean 'column'?"),
    ("spans = 1", "1: spans: must be written [[spans]]"),
    ("[spans]\nname = 'x'", "1: spans: must be written [[spans]]"),
    ("spans = [1]", "1: spans: must be a table: [[spans]]"),
    ("[[spans]]\n", "1: spans.name: is missing: give a text in quotes"),
    ("[[spans]]\nname='a'\n[[spans]]\n\nname=''", "5: spans.name: is empty"),
    ("[[spans]]\nname='a'\n[[spans]]\nnaem='b'", "4: spans.naem: unknown key, did you mean 'name'?"),
    ("[[spans]]\nname='a'\namount='cheap'", "3: spans.a.amount: must be a number from 0 to 1,000,000,000"),
    ("[[spans]]\nname='a'\namount=-1", "3: spans.a.amount: must be a number from 0 to 1,000,000,000"),
    ("[[spans]]\nname='a'\namount='nan'", "3: spans.a.amount: must be a number from 0 to 1,000,000,000"),
    ("[[spans]]\nname='a'\nfrom='soon'", "3: spans.a.from: is no date"),
    ("[[spans]]\nname='a'\nfrom=3", "3: spans.a.from: must be a date or a time"),
    ("[[spans]]\nname='a'\nfrom=2026-02-01\nto=2026-01-01", "4: spans.a.to: must be after from"),
    ('"a\\u001b[31m" = 1', "1: a [31m: unknown key; known are mode, kind"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "told"), MISTAKES, ids=[text for text, _ in MISTAKES])
def test_a_mistake_is_one_line_with_file_line_and_key(text, told):
    with pytest.raises(UserError) as caught:
        parse_toml(text, "settings mine.toml").read_as(Settings)
    assert str(caught.value).startswith(f"settings mine.toml:{told}")
    assert str(caught.value).isprintable()


def test_every_mistake_of_a_file_is_told_in_the_order_of_the_lines_but_a_wrong_name_first():
    text = 'on = 3\ncount = 0\nmoed = "slow"\n[[spans]]\nnaem = "a"\n'
    told = parse_toml(text, "mine.toml").mistakes(Settings)
    assert [" ".join(line.split(": ")[:2]) for line in told] == [
        "mine.toml:3 moed", "mine.toml:5 spans.naem", "mine.toml:1 on", "mine.toml:2 count", "mine.toml:4 spans.name",
    ]  # fmt: skip


# What else stands in a file: none of it may be taken for the key.
AROUND = '''\
# count = 3
text = """
count = 3
[fields]
"""
list = [
  "count = 4", # ]
  "x",
]
[other]
count = 5
inline = {count = 6, deep = {count = 7}}
[[many]]
count = 8
  [[many.inner]]
  "count" = 9
[[many]]
dotted.count = 10
'quo"ted' . "ke.y" = 11
'''


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        (("text",), 2), (("list", 1), 6), (("other", "count"), 11), (("other", "inline", "deep", "count"), 12),
        (("many", 0, "count"), 14), (("many", 0, "inner", 0, "count"), 16), (("many", 1), 17),
        (("many", 1, "dotted", "count"), 18), (("many", 1, 'quo"ted', "ke.y"), 19),
        (("many", 1, "missing"), 17), (("missing",), None), (("other", "missing", "deeper"), 10),
    ],
)  # fmt: skip
def test_the_line_of_a_key_is_found_whatever_stands_around_it(keys, line):
    assert parse_toml(AROUND, "x").line_of(keys) == line


def test_a_long_file_is_searched_at_once():
    text = "".join(f"[t{number}]\nvalue = {number}\n" for number in range(3000))
    assert parse_toml(text, "x").line_of(("t2000", "value")) == 4002


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "settings FILE: No such file or directory"), (b"\xff\xfe\x00", "settings FILE: is not UTF-8 text"),
        (b"a = \n", "settings FILE: is not TOML: Invalid value (at line 1"),
    ],
)  # fmt: skip
def test_a_file_that_is_none(tmp_path, content, told):
    path = tmp_path / "file.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        read_toml(path, "settings")
    assert str(caught.value).startswith(told.replace("FILE", str(path)))


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(UserError, match="Is a directory; give the path"):
        read_toml(tmp_path, "settings")
