"""What happened to circuits stands on the timeline once, whatever dies or is away meanwhile."""

import json

import pytest
from django.db import DatabaseError, DataError

from pool import bus
from pool.circuits import events, verbs
from pool.models import Event
from tests.unreadable import UNREADABLE


@pytest.fixture
def opened(one, redis_client):
    verbs.force_open(one, "anna")
    return one


def test_a_transition_becomes_an_event(opened, redis_client):
    events.write_happenings(redis_client)
    event = Event.objects.get(kind="circuit_opened")
    assert event.message == "Backend web/one: circuit closed → forced open (forced open by anna)"
    assert (event.backend, event.pool, event.severity) == (opened, opened.pool, "warning")
    assert event.actor == "anna"
    assert (event.data["before"], event.data["after"]) == ("closed", "forced_open")
    assert (event.data["cause"], event.data["generation"]) == ("forced open by anna", 1)
    assert redis_client.xlen(bus.EVENTS_STREAM) == 0


def test_a_message_that_was_written_but_not_removed_is_not_written_again(opened, redis_client):
    [(_, entry)] = redis_client.xrange(bus.EVENTS_STREAM)
    events.write_happenings(redis_client)
    redis_client.xadd(bus.EVENTS_STREAM, entry)
    events.write_happenings(redis_client)
    assert Event.objects.filter(kind="circuit_opened").count() == 1


def test_it_waits_for_the_database_and_says_so_once(opened, redis_client, monkeypatch, caplog):
    def fail(*_, **__):
        raise DatabaseError("away")

    with monkeypatch.context() as patch:
        patch.setattr(Event.objects, "record", fail)
        events.write_happenings(redis_client)
        events.write_happenings(redis_client)
    assert redis_client.xlen(bus.EVENTS_STREAM) == 1
    assert [record.message for record in caplog.records] == [
        "what waits as Happening waits for the database: away"
    ]
    events.write_happenings(redis_client)
    assert Event.objects.filter(kind="circuit_opened").exists()


def test_what_is_malformed_or_of_a_deleted_backend_holds_nobody_up(opened, redis_client):
    verbs.release(opened)
    opened.delete()
    redis_client.xadd(bus.EVENTS_STREAM, {"e": "{}"})
    redis_client.xadd(bus.EVENTS_STREAM, {"x": "y"})
    for raw in UNREADABLE:
        redis_client.xadd(bus.EVENTS_STREAM, {"e": raw})
    events.write_happenings(redis_client)
    assert redis_client.xlen(bus.EVENTS_STREAM) == 0
    assert not Event.objects.filter(kind__startswith="circuit").exists()


@pytest.mark.parametrize(
    "what",
    [{"at": 1e300}, {"at": -1e15}, {"backend_id": 2**70}, {"message": "a\0b"}, {"kind": "?"}],
)
def test_what_no_row_can_hold_is_told_by_nobody_and_holds_nobody_up(opened, redis_client, what):
    happening = {"kind": "circuit_opened", "at": 1.0, "backend_id": opened.pk, "message": "opened"}
    redis_client.xadd(bus.EVENTS_STREAM, {"e": json.dumps(happening | what)})
    redis_client.xadd(bus.EVENTS_STREAM, {"e": json.dumps(happening | {"at": 2.0})})
    events.write_happenings(redis_client)
    assert redis_client.xlen(bus.EVENTS_STREAM) == 0
    assert Event.objects.filter(kind="circuit_opened", at__year=1970).exists()


def test_a_row_that_the_database_refuses_holds_nobody_up(opened, redis_client, monkeypatch):
    def refuse(*_, **__):
        raise DataError("value too long")

    monkeypatch.setattr(Event.objects, "record", refuse)
    events.write_happenings(redis_client)
    assert redis_client.xlen(bus.EVENTS_STREAM) == 0


def test_circuits_of_deleted_backends_are_forgotten(opened, redis_client):
    redis_client.hset(bus.CIRCUITS_KEY, "999999", "{}")
    events.forget_deleted(redis_client)
    assert redis_client.hkeys(bus.CIRCUITS_KEY) == [str(opened.pk).encode()]
