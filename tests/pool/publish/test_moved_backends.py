"""Publishing another URL of a backend closes its circuit, and has it probed anew."""

import msgspec
import pytest

from pool.actor import acting_as
from pool.bus import (
    CIRCUIT_CHANNEL,
    CIRCUITS_KEY,
    EVENTS_FIELD,
    EVENTS_STREAM,
    HEALTH_KEY,
    OUT_CIRCUITS_KEY,
    SNAPSHOT_CHANNEL,
    SNAPSHOT_KEY,
    Happening,
)
from pool.choices import CircuitState
from pool.circuits.records import Circuit
from pool.circuits.script import read_circuit
from pool.health.schedule import DUE_KEY, STANDING_KEY
from pool.models import Backend


@pytest.fixture
def broken(web, one, commit, redis_client):
    """Two backends whose circuits are open, one of them by an operator's word."""
    with commit():
        two = Backend.objects.create(pool=web, name="two", url="http://127.0.0.1:9002")
    for backend, state in ((one, CircuitState.OPEN), (two, CircuitState.FORCED_OPEN)):
        circuit = Circuit(state=state, generation=3, since=1.0, wait=60.0)
        redis_client.hset(CIRCUITS_KEY, str(backend.pk), msgspec.json.encode(circuit))
    return one, two


@pytest.fixture
def circuit(redis_client):
    return lambda backend: read_circuit(redis_client.hget(CIRCUITS_KEY, str(backend.pk)))


def move(commit, *backends):
    with commit(), acting_as("anna"):
        for backend in backends:
            backend.url = f"http://127.0.0.1:{9500 + backend.pk}"
            backend.save()


def test_the_new_server_starts_with_a_closed_circuit(broken, commit, circuit, redis_client):
    move(commit, *broken)
    for backend in broken:
        closed = circuit(backend)
        assert (closed.state, closed.generation, closed.wait) == (CircuitState.CLOSED, 4, 0)
    entries = redis_client.xrange(EVENTS_STREAM)
    told = [msgspec.json.decode(one[EVENTS_FIELD], type=Happening) for _, one in entries]
    assert [(one.message, one.actor) for one in told] == [
        ("circuit open → closed (its URL was changed)", "anna"),
        ("circuit forced open → closed (its URL was changed)", "anna"),
    ]


def test_what_probes_said_of_the_old_server_is_forgotten(broken, commit, redis_client):
    one, _ = broken
    other = str(one.pk + 1000)
    for key in (HEALTH_KEY, STANDING_KEY):
        redis_client.hset(key, mapping={str(one.pk): b"ill", other: b"ill"})
    redis_client.zadd(DUE_KEY, {str(one.pk): 9e9, other: 9e9})
    move(commit, one)
    assert redis_client.hkeys(HEALTH_KEY) == [other.encode()]
    assert redis_client.hkeys(STANDING_KEY) == [other.encode()]
    assert redis_client.zscore(DUE_KEY, str(one.pk)) < 9e9
    assert redis_client.zscore(DUE_KEY, other) == 9e9


def test_other_changes_and_other_backends_keep_theirs(broken, commit, circuit):
    one, two = broken
    one.weight = 5
    move(commit, two)
    with commit():
        one.save()
    assert (circuit(one).state, circuit(one).generation) == (CircuitState.OPEN, 3)


def test_one_that_leaves_its_pool_takes_no_place_of_those_that_may_be_out(
    broken, commit, web, redis_client
):
    one, two = broken
    out = OUT_CIRCUITS_KEY % web.pk
    redis_client.sadd(out, one.pk, two.pk)
    with commit():
        one.delete()
    assert redis_client.smembers(out) == {str(two.pk).encode()}


def test_edges_know_the_new_server_before_its_circuit(broken, commit, listen):
    announced = listen(CIRCUIT_CHANNEL, SNAPSHOT_CHANNEL)
    move(commit, broken[0])
    assert [channel for channel, _ in announced()] == [SNAPSHOT_CHANNEL, CIRCUIT_CHANNEL]


@pytest.mark.parametrize("data", [b"", b"{", b'{"number": 1, "format": 99}'])
def test_a_snapshot_that_cannot_be_read_closes_nothing(
    broken, commit, circuit, published, redis_client, data
):
    redis_client.set(SNAPSHOT_KEY, data)
    move(commit, broken[0])
    assert circuit(broken[0]).state is CircuitState.OPEN
    assert published().pools[0].backends[0].url == broken[0].url
