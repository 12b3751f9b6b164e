"""A worker that cannot reach Redis: what it goes through meanwhile, and what it tells later."""

import logging

import msgspec

from pool.choices import CircuitState
from pool.circuits.records import Merge, Operation
from pool.snapshot import BackendSpec, CircuitPolicy, PoolSpec
from proxy.core.balancing import balancer_class
from proxy.core.circuit.breaker import Breaker
from proxy.core.steps import at_once
from proxy.core.succession import build_pool
from proxy.stores.agreement import Agreement
from proxy.stores.memory import MemoryCircuits

NOW = 1_700_000_000.0
POLICY = CircuitPolicy(threshold=2, open_time=10.0, successes=1, permits=1, max_open=50)
CLOSED, OPEN, HALF_OPEN, _ = CircuitState


class Worker:
    """Of two backends one may be out; and Redis may be away. `breaker`: of the first."""

    def __init__(self, redis: MemoryCircuits) -> None:
        self._redis = redis
        self._now = NOW
        spec = PoolSpec(
            id=1,
            name="shop",
            circuit=POLICY,
            backends=(
                BackendSpec(id=7, name="a", url="http://a:80"),
                BackendSpec(id=8, name="b", url="http://b:80"),
            ),
        )
        pool = build_pool(spec, balancer_class("round_robin"), None, offset=0)
        self.agreement = Agreement(lambda: None, lambda: self._now, logging.getLogger("test"))
        self.agreement.configure([pool])
        breaker, other = (backend.breaker for backend in pool.backends.values())
        assert breaker is not None
        assert other is not None
        self.breaker, self.other = breaker, other

    def fail(self, breaker: Breaker | None = None) -> None:
        one = breaker or self.breaker
        for _ in range(2):
            one.failed(one.generation)

    def succeed(self) -> None:
        self.breaker.begin()
        self.breaker.succeeded(self.breaker.generation)

    def alone(self, seconds: float) -> CircuitState:
        """Its task's turn while Redis is away."""
        self._now = NOW + seconds
        self.agreement.decide_alone(self.agreement.steps(self._now), self._now)
        return self.breaker.circuit.state

    def agree(self, seconds: float) -> list[Operation]:
        """Redis is there, and has been read: what the worker tells it."""
        records = self._redis.circuits.items()
        shared = {str(key).encode(): msgspec.json.encode(c) for key, c in records}
        at_once(self.agreement.take_all(shared))
        return self.tell(seconds)

    def tell(self, seconds: float) -> list[Operation]:
        self._now = NOW + seconds
        steps = self.agreement.steps(self._now)
        circuits = [self._redis.apply(*step, self._now)[0] for step in steps]
        self.agreement.agreed(steps, circuits)
        return [operation for _, operation, _ in steps]


def test_it_tells_of_each_change_and_not_only_of_the_last_one() -> None:
    redis = MemoryCircuits()
    worker = Worker(redis)
    worker.fail()
    assert worker.alone(0) is OPEN
    assert worker.alone(10) is HALF_OPEN
    worker.succeed()
    assert worker.alone(11) is CLOSED
    [merge] = worker.agree(60)
    assert isinstance(merge, Merge)
    assert [(one.after, one.at) for one in merge.untold] == [
        (OPEN, NOW),
        (HALF_OPEN, NOW + 10),
        (CLOSED, NOW + 11),
    ]
    assert redis.get(7).generation == 3
    assert worker.agree(61) == [], "once"


def test_of_very_many_changes_it_keeps_the_last_ones() -> None:
    worker = Worker(MemoryCircuits())
    worker.fail()
    worker.alone(0)
    seconds = 0.0
    while worker.breaker.generation < 300:
        seconds += worker.breaker.circuit.wait
        worker.alone(seconds)
        worker.breaker.begin()
        worker.breaker.failed(worker.breaker.generation)
        worker.alone(seconds)
    [merge] = worker.agree(seconds)
    assert isinstance(merge, Merge)
    assert len(merge.untold) == 100
    assert merge.untold[-1].generation == worker.breaker.generation


def test_after_its_clock_was_set_back_it_tries_an_open_one_as_soon_as_before() -> None:
    worker = Worker(MemoryCircuits())
    worker.fail()
    assert worker.alone(3600) is OPEN
    assert worker.alone(3601) is OPEN
    assert worker.alone(0) is HALF_OPEN, "it opened an hour from now: that cannot be"


def test_a_clock_that_is_adjusted_a_little_changes_nothing() -> None:
    worker = Worker(MemoryCircuits())
    worker.fail()
    assert worker.alone(5) is OPEN
    assert worker.alone(4.5) is OPEN
    assert worker.alone(14.9) is OPEN
    assert worker.alone(15) is HALF_OPEN


def test_a_redis_that_has_lost_one_circuit_gets_all_back_before_another_can_open() -> None:
    redis = MemoryCircuits()
    worker = Worker(redis)
    worker.fail(worker.other)
    worker.tell(0)
    worker.tell(10)
    worker.other.begin()
    worker.other.succeeded(worker.other.generation)
    worker.tell(10)
    assert (worker.other.generation, worker.other.circuit.state) == (3, CLOSED)
    worker.fail()
    worker.tell(11)
    assert worker.breaker.circuit.state is OPEN
    for number in (7, 8):
        redis.forget(number)
    worker.fail(worker.other)
    worker.tell(12)
    worker.fail(worker.other)
    worker.tell(12)
    assert (redis.get(7).state, redis.get(8).state) == (OPEN, CLOSED)
