"""Answers of report APIs that are kept: closed ones outlive the process, open ones do not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cost_top.mirror.kept import damaged
from cost_top.model.filter import parse_filter
from cost_top.model.query import Measures, known_measures
from cost_top.monitor.api.kept import KeptAnswers
from cost_top.monitor.api.questions import Wanted
from cost_top.sources.report_api import Answer, ApiQuery, Bucket

DAY = timedelta(days=1)
FIRST = datetime(2026, 11, 1, tzinfo=UTC)
AS_OF = datetime(2026, 11, 25, 14, tzinfo=UTC)


def by_day(first: int, last: int, where: str = "") -> Wanted:
    question = ApiQuery(FIRST + first * DAY, FIRST + last * DAY, None, "day", parse_filter(where))
    return Wanted(f"closed {first} {last} {where}", question, True)


def by_model(closed: bool = True) -> Wanted:
    return Wanted("models", ApiQuery(FIRST, FIRST + DAY, "model"), closed)


MODELS = Answer(
    (
        Bucket(None, ("acme/x-1",), known_measures(2**70, request_count=7)),
        Bucket(None, (None,), known_measures(5, unpriced_count=2, input_tokens=3)),
    ),
    AS_OF,
    ("a note",),
)


def test_closed_answers_survive_a_restart_exactly(tmp_path: Path):
    KeptAnswers(tmp_path, "identity").keep(by_model(), MODELS, 0.0)
    again = KeptAnswers(tmp_path, "identity").answer(by_model())
    assert again == MODELS
    assert KeptAnswers(tmp_path, "another key").answer(by_model()) is None


def test_open_answers_are_of_this_run_only(tmp_path: Path):
    kept = KeptAnswers(tmp_path, "identity")
    kept.keep(by_model(closed=False), MODELS, 12.0)
    assert kept.answer(by_model(closed=False)) == MODELS
    assert kept.asked_at(by_model(closed=False)) == 12.0
    assert KeptAnswers(tmp_path, "identity").answer(by_model(closed=False)) is None


def test_days_are_kept_one_by_one(tmp_path: Path):
    kept = KeptAnswers(tmp_path, "identity")
    assert kept.missing(by_day(0, 10)) == by_day(0, 10)
    answer = Answer((Bucket(FIRST + 2 * DAY, (), known_measures(7)),), AS_OF)
    kept.keep(by_day(0, 10), answer, 0.0)
    # A window that moves on asks for the day that lacks alone, also after a restart.
    again = KeptAnswers(tmp_path, "identity")
    assert again.missing(by_day(1, 11)).question.start == FIRST + 10 * DAY
    assert again.missing(by_day(1, 11)).question.end == FIRST + 11 * DAY
    assert again.answer(by_day(1, 11)) is None
    again.keep(again.missing(by_day(1, 11)), Answer((), AS_OF), 0.0)
    found = again.answer(by_day(1, 11))
    assert found is not None
    assert [bucket.measures for bucket in found.buckets] == [Measures(), known_measures(7), *[Measures()] * 8]
    # Other filters are other days.
    assert again.answer(by_day(1, 11, "user:acme")) is None


def test_damaged_files_are_asked_again(tmp_path: Path):
    KeptAnswers(tmp_path, "identity").keep(by_model(), MODELS, 0.0)
    (file,) = (path for path in tmp_path.rglob("*.json"))
    assert file.stat().st_mode & 0o077 == 0
    whole = file.read_text()
    # 1180591620717411303424 pico-dollars: with one digit changed they are money as well.
    for text in ("", "{", '{"key": "models"}', whole.replace("1180591620", "1180591621"), whole.replace("[5,", "[4,")):
        assert text != whole
        file.write_text(text)
        assert KeptAnswers(tmp_path, "identity").answer(by_model()) is None
        assert damaged(tmp_path) == [file]


def test_another_answer_s_file_is_none(tmp_path: Path):
    kept = KeptAnswers(tmp_path, "identity")
    kept.keep(by_model(), MODELS, 0.0)
    (file,) = tmp_path.rglob("*.json")
    file.rename(file.with_name("0" * 32 + ".json"))
    assert damaged(tmp_path) != []


def test_an_unwritable_folder_is_done_without(tmp_path: Path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    kept = KeptAnswers(blocked, "identity")
    kept.keep(by_model(), MODELS, 0.0)
    assert kept.answer(by_model()) == MODELS
