"""A worker whose Redis answers but takes no writes waits, longer each time, and says so once."""

import logging

import pytest
from celery.exceptions import WorkerShutdown
from celery.worker import state
from redis import ConnectionError as RedisAway
from redis import ReadOnlyError

from lbsite import consumer
from lbsite.consumer import LONGEST, SHORTEST, PatientConsumer

READ_ONLY = ReadOnlyError("You can't write against a read only replica.")


@pytest.fixture
def waiting(monkeypatch: pytest.MonkeyPatch) -> PatientConsumer:
    """Not connected to anything."""
    return PatientConsumer.__new__(PatientConsumer)


@pytest.fixture
def pauses(waiting: PatientConsumer, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Those that were made; time itself stands still."""
    made: list[float] = []
    monkeypatch.setattr(waiting, "_sleep", made.append)
    return made


def refuse(monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    answers = iter([*[False] * times, True])
    monkeypatch.setattr(consumer, "_takes_writes", lambda: next(answers))


def test_it_looks_again_less_and_less_often(
    waiting: PatientConsumer, pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse(monkeypatch, 6)
    waiting._wait(READ_ONLY)
    assert pauses[0] == SHORTEST
    assert pauses == sorted(pauses)
    assert pauses[-2:] == [LONGEST, LONGEST]


def test_what_is_refused_again_at_once_is_told_once_and_waited_for_longer(
    waiting: PatientConsumer,
    pauses: list[float],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """As where it takes writes, but none of Celery's."""
    for _ in range(3):
        refuse(monkeypatch, 0)
        waiting._wait(READ_ONLY)
    assert pauses == [SHORTEST, 2 * SHORTEST, 4 * SHORTEST]
    (told,) = [one for one in caplog.records if one.levelno == logging.ERROR]
    assert told.getMessage().startswith("no task is taken. LB_REDIS_URL: Redis cannot be used: ")


def test_a_redis_that_is_away_is_celerys_own_to_wait_for(
    waiting: PatientConsumer, pauses: list[float]
) -> None:
    waiting._wait(RedisAway())
    assert pauses == []


def test_a_worker_that_waits_can_be_ended(
    waiting: PatientConsumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state, "should_stop", 0)
    with pytest.raises(WorkerShutdown):
        waiting._wait(READ_ONLY)
