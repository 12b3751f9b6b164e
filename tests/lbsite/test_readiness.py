"""/healthz and /readyz: one line for each thing that must be there, for anybody who asks."""

import time

import pytest
from django.db import OperationalError, connection
from django.test import Client

from lbsite import seen
from pool.bus import SNAPSHOT_KEY
from pool.connection import redis_client as product_redis_client

pytestmark = pytest.mark.django_db


@pytest.fixture
def running(redis_client):
    """Everything is as it should be."""
    redis_client.set(SNAPSHOT_KEY, b"{}")
    seen.Pulse().say(redis_client, seen.BEAT_KEY)
    seen.Pulse().say(redis_client, seen.WORKERS_KEY, "celery@here")
    return redis_client


@pytest.fixture
def redis_away(settings):
    settings.LB_REDIS_URL = "redis://:hunter2@127.0.0.1:1/0"
    product_redis_client.cache_clear()
    yield
    product_redis_client.cache_clear()


def ask(path="/readyz", **extra):
    response = Client().get(path, **extra)
    lines = dict(line.split(": ", 1) for line in response.content.decode().splitlines())
    return response.status_code, lines


def test_it_is_ready_when_all_is_there(running):
    status, lines = ask()
    assert status == 200
    assert list(lines) == ["database", "redis", "snapshot", "beat", "workers"]
    assert all(words.startswith("ok, ") for words in lines.values())


def test_a_redis_that_takes_no_writes_is_told(running):
    running.config_set("maxmemory-policy", "noeviction")
    running.config_set("maxmemory", 1)
    try:
        status, lines = ask()
    finally:
        running.config_set("maxmemory", 0)
    assert (status, lines["redis"][:26]) == (503, "FAILED, it answers, but ta")
    assert lines["snapshot"].startswith("ok, ")


def test_without_a_snapshot_it_is_not_ready(running):
    running.delete(SNAPSHOT_KEY)
    status, lines = ask()
    assert (status, lines["redis"]) == (503, "ok, it answers")
    assert lines["snapshot"].startswith("FAILED, none is published")


def test_a_beat_that_is_silent_is_told(running):
    running.set(seen.BEAT_KEY, time.time() - 60)
    status, lines = ask()
    assert status == 503
    assert lines["beat"].startswith("FAILED, seen ")


def test_a_beat_that_says_nonsense_was_never_seen(running):
    running.set(seen.BEAT_KEY, b"\xff")
    status, lines = ask()
    assert (status, lines["beat"][:18]) == (503, "FAILED, never seen")


def test_workers_that_are_silent_are_told(running):
    running.zadd(seen.WORKERS_KEY, {"celery@here": time.time() - 60})
    assert ask()[1]["workers"].startswith("FAILED, the last one was seen ")
    running.delete(seen.WORKERS_KEY)
    assert ask()[1]["workers"] == "FAILED, none was ever seen"


def test_redis_that_is_away_is_told_without_its_password(redis_away):
    status, lines = ask()
    assert status == 503
    assert lines["database"] == "ok, it answers"
    assert lines["redis"] == "FAILED, it cannot be reached"
    assert "hunter2" not in str(lines)


def test_a_database_that_is_away_is_told(running, monkeypatch):
    def away():
        raise OperationalError("password authentication failed for user boss")

    monkeypatch.setattr(connection, "cursor", away)
    status, lines = ask()
    assert (status, lines["database"]) == (503, "FAILED, it cannot be reached")


def test_being_alive_needs_nothing(redis_away, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert Client().get("/healthz").status_code == 200


def test_whoever_asks_needs_no_host_name_that_is_allowed(running, settings):
    settings.SECURE_SSL_REDIRECT = True
    assert ask(headers={"host": "10.0.0.7:8001"})[0] == 200


def test_readiness_is_cheap(running, django_assert_num_queries):
    with django_assert_num_queries(1):
        ask()


def test_nothing_can_be_sent_there(running):
    assert Client().post("/readyz").status_code == 404


def test_a_pulse_is_not_told_with_every_task(redis_client):
    pulse = seen.Pulse()
    pulse.say(redis_client, seen.WORKERS_KEY, "celery@here", now=100.0)
    pulse.say(redis_client, seen.WORKERS_KEY, "celery@here", now=101.0)
    assert seen.workers_seen(redis_client) == [100.0]
    pulse.say(redis_client, seen.WORKERS_KEY, "celery@here", now=103.0)
    assert seen.workers_seen(redis_client) == [103.0]


def test_workers_that_are_long_gone_are_forgotten(redis_client):
    seen.Pulse().say(redis_client, seen.WORKERS_KEY, "celery@old", now=100.0)
    seen.Pulse().say(redis_client, seen.WORKERS_KEY, "celery@new", now=5000.0)
    assert seen.workers_seen(redis_client) == [5000.0]
