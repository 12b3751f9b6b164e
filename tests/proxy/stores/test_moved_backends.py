"""A backend whose URL was changed is another server to a worker."""

import logging

import msgspec

from pool.choices import CircuitState
from pool.circuits.records import Circuit
from pool.snapshot import BackendSpec, CircuitPolicy, PoolSpec
from proxy.core.balancing import balancer_class
from proxy.core.pool import Pool
from proxy.core.steps import at_once
from proxy.core.succession import build_pool
from proxy.stores.agreement import Agreement

NOW = 1_700_000_000.0
POLICY = CircuitPolicy(threshold=2, open_time=600.0)


class Worker:
    """One that cannot reach Redis, and runs one backend at a URL."""

    def __init__(self) -> None:
        self.agreement = Agreement(lambda: None, lambda: NOW, logging.getLogger("test"))
        self.pool: Pool | None = None
        self.serve("http://old:80")

    def serve(self, url: str) -> None:
        spec = PoolSpec(
            id=1, name="shop", circuit=POLICY, backends=(BackendSpec(id=7, name="a", url=url),)
        )
        self.pool = build_pool(spec, balancer_class("round_robin"), self.pool, offset=0)
        self.agreement.configure([self.pool])
        self.backend = self.pool.backends[7]
        assert self.backend.breaker is not None
        self.breaker = self.backend.breaker

    def fail(self, times: int) -> None:
        for _ in range(times):
            self.breaker.failed(self.breaker.generation)

    def decide(self) -> None:
        self.agreement.decide_alone(self.agreement.steps(NOW), NOW)


def test_it_starts_with_a_closed_circuit() -> None:
    worker = Worker()
    worker.fail(2)
    worker.decide()
    assert worker.backend.out
    worker.serve("http://new:80")
    assert not worker.backend.out
    assert worker.breaker.circuit == Circuit()


def test_what_the_old_server_did_while_nobody_could_be_asked_is_not_laid_before_others() -> None:
    worker = Worker()
    worker.fail(2)
    worker.decide()
    worker.serve("http://new:80")
    closed = Circuit(generation=5, since=NOW, cause="its URL was changed")
    at_once(worker.agreement.take_all({b"7": msgspec.json.encode(closed)}))
    assert worker.agreement.steps(NOW) == []
    assert worker.breaker.circuit == closed


def test_calls_that_the_old_server_still_had_say_nothing_of_the_new_one() -> None:
    worker = Worker()
    old = worker.breaker
    worker.fail(1)
    worker.serve("http://new:80")
    for _ in range(3):
        old.failed(old.generation)
    worker.decide()
    assert worker.breaker.circuit.failures == 0
    assert worker.breaker.circuit.state is CircuitState.CLOSED


def test_the_same_url_keeps_its_circuit() -> None:
    worker = Worker()
    worker.fail(2)
    worker.decide()
    worker.serve("http://old:80")
    assert worker.backend.out


def test_one_that_has_left_is_not_among_those_of_which_only_so_many_may_be_out() -> None:
    def serve(*names: str, previous: Pool | None = None) -> Pool:
        backends = tuple(BackendSpec(id=ord(name), name=name, url="http://a") for name in names)
        spec = PoolSpec(id=1, name="shop", circuit=POLICY, backends=backends)
        pool = build_pool(spec, balancer_class("round_robin"), previous, offset=0)
        agreement.configure([pool])
        return pool

    def fail(pool: Pool, name: str) -> bool:
        breaker = pool.backends[ord(name)].breaker
        assert breaker is not None
        for _ in range(POLICY.threshold):
            breaker.failed(breaker.generation)
        agreement.decide_alone(agreement.steps(NOW), NOW)
        return breaker.out

    agreement = Agreement(lambda: None, lambda: NOW, logging.getLogger("test"))
    first = serve("a", "b")
    assert (fail(first, "a"), fail(first, "b")) == (True, False)
    assert fail(serve("b", "c", previous=first), "c")
