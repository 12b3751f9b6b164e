"""A backend that its probes find well again has its circuit tried at once."""

import msgspec
import pytest

from pool.bus import (
    CIRCUIT_CHANNEL,
    CIRCUITS_KEY,
    EVENTS_FIELD,
    EVENTS_STREAM,
    SNAPSHOT_KEY,
    Happening,
)
from pool.choices import CircuitMode, CircuitState, ProbeResult
from pool.circuits.records import Circuit, CircuitChange
from pool.circuits.script import read_circuit
from pool.health.probe import Outcome
from pool.health.prober import Prober
from pool.snapshot import BackendSpec, CircuitPolicy, HealthPolicy, PoolSpec, build, encode

pytestmark = pytest.mark.django_db

PASSED = Outcome(result=ProbeResult.PASS, reason="status 200", status=200, latency_ms=1.5)
REFUSED = Outcome(result=ProbeResult.FAIL, reason="connection refused")
OPEN, FORCED = CircuitState.OPEN, CircuitState.FORCED_OPEN
START = 1_700_000_000.0


class Probes:
    """One backend, whose probes have the outcome that is set, in a time that they make pass."""

    def __init__(self, redis_client, policy):
        self.redis = redis_client
        self.now = START
        self.outcome = PASSED
        backend = BackendSpec(id=7, name="a", url="http://a:80")
        health = HealthPolicy(interval=2.0, rise=2, fall=2)
        pool = PoolSpec(id=1, name="shop", health=health, circuit=policy, backends=(backend,))
        redis_client.set(SNAPSHOT_KEY, encode(build(1, (pool,), ())))
        self.prober = Prober(
            redis_client, 1, probe=lambda *_: self.outcome, clock=lambda: self.now, sleep=self._pass
        )

    def _pass(self, seconds):
        self.now += seconds

    def go_on(self, seconds):
        end = self.now + seconds
        while self.now < end:
            started = self.now
            self.prober.tick()
            self.prober.settle()
            self.now = max(self.now, started + 1)

    def put(self, state):
        circuit = Circuit(state=state, generation=3, since=START, until=START + 600, wait=600.0)
        self.redis.hset(CIRCUITS_KEY, "7", msgspec.json.encode(circuit))

    @property
    def circuit(self):
        return read_circuit(self.redis.hget(CIRCUITS_KEY, "7"))

    @property
    def told(self):
        entries = self.redis.xrange(EVENTS_STREAM)
        found = [msgspec.json.decode(one[EVENTS_FIELD], type=Happening) for _, one in entries]
        return [one.message for one in found]


@pytest.fixture
def probes(redis_client):
    made = []

    def make(**policy):
        made.append(Probes(redis_client, CircuitPolicy(**policy)))
        return made[-1]

    yield make
    for one in made:
        one.prober.close()


@pytest.fixture
def recovering(probes):
    """Its probes have failed, and its circuit is open for ten minutes."""
    one = probes()
    one.go_on(4)
    one.outcome = REFUSED
    one.go_on(10)
    one.put(OPEN)
    return one


def test_an_open_circuit_is_tried_when_the_probes_pass_again(recovering, listen):
    announced = listen(CIRCUIT_CHANNEL)
    recovering.outcome = PASSED
    recovering.go_on(10)
    circuit = recovering.circuit
    assert (circuit.state, circuit.generation) == (CircuitState.HALF_OPEN, 4)
    assert circuit.cause == "probes pass again"
    assert recovering.told == ["circuit open → half open (probes pass again)"]
    ((_, data),) = announced()
    assert msgspec.json.decode(data, type=CircuitChange).circuit == circuit


def test_one_pass_of_two_shortens_nothing(recovering):
    recovering.outcome = PASSED
    while recovering.circuit.state is OPEN:
        before = recovering.now
        recovering.go_on(1)
    assert before - START >= 16  # the second of them, two seconds after the first


def test_passes_of_a_backend_that_was_well_all_along_shorten_nothing(probes):
    one = probes()
    one.go_on(4)
    one.put(OPEN)
    one.go_on(20)
    assert (one.circuit.state, one.told) == (OPEN, [])


def test_the_first_pass_of_all_shortens_nothing(probes):
    one = probes()
    one.put(OPEN)
    one.go_on(10)
    assert one.circuit.state is OPEN


def test_what_an_operator_has_forced_open_stays_so(recovering):
    recovering.put(FORCED)
    recovering.outcome = PASSED
    recovering.go_on(10)
    assert (recovering.circuit.state, recovering.told) == (FORCED, [])


def test_circuits_that_are_off_are_left_alone(probes):
    one = probes(mode=CircuitMode.OFF)
    one.outcome = REFUSED
    one.go_on(10)
    one.put(OPEN)
    one.outcome = PASSED
    one.go_on(10)
    assert one.circuit.state is OPEN
