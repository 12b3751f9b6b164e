"""An operator resets, opens and releases a circuit; Redis is where that happens."""

import msgspec
import pytest
from django.core.exceptions import ValidationError
from redis import RedisError

from pool import bus
from pool.bus import Happening
from pool.choices import CircuitState
from pool.circuits import verbs
from pool.circuits.script import read_circuit
from pool.models import Backend


@pytest.fixture
def stored(redis_client, one):
    def read():
        return read_circuit(redis_client.hget(bus.CIRCUITS_KEY, str(one.pk)))

    return read


def test_open_keeps_it_open_until_it_is_released_or_reset(one, stored):
    assert verbs.force_open(one, "anna").state is CircuitState.FORCED_OPEN
    assert stored().state is CircuitState.FORCED_OPEN
    assert stored().cause == "forced open by anna"
    assert verbs.release(one, "anna").state is CircuitState.HALF_OPEN
    assert verbs.reset(one).state is CircuitState.CLOSED
    assert stored().generation == 3


def test_what_is_not_forced_open_cannot_be_released(one, redis_client):
    with pytest.raises(ValidationError, match="is closed, and not forced open"):
        verbs.release(one)


def test_where_circuits_are_off_nothing_is_ordered(one, redis_client):
    one.pool.circuit_mode = "off"
    with pytest.raises(ValidationError, match="put it into maintenance"):
        verbs.force_open(one)
    assert not redis_client.exists(bus.CIRCUITS_KEY)


def test_without_redis_nothing_is_promised(one, redis_away):
    with pytest.raises(RedisError):
        verbs.force_open(one)


def test_edges_and_the_timeline_are_told(one, redis_client, listen):
    announced = listen(bus.CIRCUIT_CHANNEL)
    verbs.force_open(one, "anna")
    ((_, data),) = announced()
    assert b'"forced_open"' in data
    [(_, entry)] = redis_client.xrange(bus.EVENTS_STREAM)
    happening = msgspec.json.decode(entry[bus.EVENTS_FIELD], type=Happening)
    assert happening.message == "circuit closed → forced open (forced open by anna)"
    assert happening.backend_id == Backend.objects.get().pk
