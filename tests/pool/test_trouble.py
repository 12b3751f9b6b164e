"""Troubles are logged when they begin and when they are over."""

import logging

import pytest

from pool.trouble import Trouble

log = logging.getLogger("lbsite.test")


def test_it_is_told_when_it_begins_and_when_it_ends_and_each_time_it_comes_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    trouble = Trouble(log, "%s is away: %s", "%s is back", level=logging.ERROR)
    for _ in range(2):
        trouble.over("Redis")
        trouble.met("Redis", "refused")
        trouble.met("Redis", "refused again")
        trouble.over("Redis")
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("ERROR", "Redis is away: refused"),
        ("WARNING", "Redis is back"),
    ] * 2


def test_an_end_without_words_is_not_told_and_is_an_end_all_the_same(
    caplog: pytest.LogCaptureFixture,
) -> None:
    trouble = Trouble(log, "nobody listens")
    for _ in range(2):
        trouble.met()
        trouble.over()
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", "nobody listens")
    ] * 2


def test_troubles_know_nothing_of_each_other(caplog: pytest.LogCaptureFixture) -> None:
    one, other = Trouble(log, "one"), Trouble(log, "other")
    one.met()
    other.met()
    assert [record.getMessage() for record in caplog.records] == ["one", "other"]


def test_the_record_tells_where_it_was_met(caplog: pytest.LogCaptureFixture) -> None:
    trouble = Trouble(log, "away", "back")
    trouble.met()
    trouble.over()
    assert {record.funcName for record in caplog.records} == {
        "test_the_record_tells_where_it_was_met"
    }
