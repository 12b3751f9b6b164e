"""While the database or Redis cannot be used, people and logs are told so, briefly."""

import logging
from threading import Event, Thread

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError
from django.test import Client
from redis import ConnectionError as RedisConnectionError

from lbsite.celery import PERIODIC_TASKS, app
from pool import publish
from pool.health.tasks import tick
from pool.tasks import republish
from tests.lbsite.test_settings import run


def failing(error):
    def fail(*_, **__):
        raise error

    return fail


@pytest.fixture
def client(db):
    client = Client(raise_request_exception=False)
    client.force_login(User.objects.create_superuser("boss"))
    return client


@pytest.mark.parametrize(
    ("path", "where"),
    [
        ("/api/v1/pools/", "pool.api.views.PoolViewSet.list"),
        ("/admin/pool/pool/", "pool.admin.pools.PoolAdmin.get_queryset"),
    ],
)
@pytest.mark.parametrize(
    ("error", "told", "logged"),
    [
        (OperationalError("no\nroute to db1"), "The database cannot", "DATABASE_URL: the database"),
        (RedisConnectionError("no\nroute to db1"), "Redis cannot", "LB_REDIS_URL: Redis"),
    ],
)
def test_a_page_says_so_and_the_log_why(
    client, monkeypatch, caplog, path, where, error, told, logged
):
    monkeypatch.setattr(where, failing(error))
    answer = client.get(path)
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    text = answer.json()["detail"] if "/api/" in path else answer.content.decode()
    assert text.startswith(told)
    assert "db1" not in text
    (record,) = [one for one in caplog.records if one.name == "lbsite.unavailable"]
    assert record.getMessage() == f"GET {path}: {logged} cannot be used: no route to db1"


def test_a_fault_of_ours_is_still_an_error(client, monkeypatch):
    monkeypatch.setattr("pool.api.views.PoolViewSet.list", failing(KeyError("x")))
    assert client.get("/api/v1/pools/").status_code == 500


def test_a_task_that_waits_says_so_once_and_when_it_goes_on(monkeypatch, caplog):
    caplog.set_level(logging.WARNING)
    for error in (OperationalError("away"), OperationalError("away"), None):
        monkeypatch.setattr(publish, "republish_if_lost", failing(error) if error else lambda: None)
        republish.apply()
    republish.apply()
    assert [record.getMessage() for record in caplog.records] == [
        f"{republish.name} waits. DATABASE_URL: the database cannot be used: away",
        f"{republish.name} goes on",
    ]
    assert "Traceback" not in caplog.text


def test_a_task_that_hangs_takes_one_thread_and_is_not_said_to_go_on(monkeypatch, caplog):
    caplog.set_level(logging.WARNING)
    hangs, let_go = Event(), Event()

    def hang():
        hangs.set()
        let_go.wait(20)
        raise OperationalError("locked")

    monkeypatch.setattr(publish, "republish_if_lost", failing(OperationalError("locked")))
    republish.apply()
    monkeypatch.setattr(publish, "republish_if_lost", hang)
    first = Thread(target=republish.apply)
    first.start()
    assert hangs.wait(20)
    assert republish.apply().state == "IGNORED"  # at once
    let_go.set()
    first.join()
    assert [record.getMessage() for record in caplog.records] == [
        f"{republish.name} waits. DATABASE_URL: the database cannot be used: locked"
    ]


def test_there_is_a_thread_for_each_task_that_hangs_and_ticks_of_probing_overlap():
    assert app.conf.worker_concurrency > len(PERIODIC_TASKS)
    assert tick.overlaps
    assert not republish.overlaps


def test_a_fault_of_ours_in_a_task_is_told_with_its_traceback(monkeypatch, caplog):
    monkeypatch.setattr(publish, "republish_if_lost", failing(KeyError("x")))
    republish.apply()
    assert "Traceback" in caplog.text


def test_a_command_says_so_in_one_line(tmp_path):
    away = {"DATABASE_URL": "postgres://me:hunter2@127.0.0.1:1/x"}
    told = run(tmp_path, "token", "admin", **away)
    assert told.returncode == 1
    assert told.stderr.startswith("lb: DATABASE_URL: the database cannot be used: ")
    assert told.stderr.count("\n") == 1
    assert "hunter2" not in told.stderr
    assert "Traceback" in run(tmp_path, "token", "admin", "--traceback", **away).stderr


def test_preparing_without_redis_says_that_edges_have_to_wait(tmp_path):
    told = run(tmp_path, "prepare", LB_REDIS_URL="redis://127.0.0.1:1/0")
    assert told.returncode == 0
    assert "Revision 1 is saved, but Redis is away" in told.stderr
