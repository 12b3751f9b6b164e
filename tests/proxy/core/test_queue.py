"""Who waits: in order, not for ever, and never beside a free place."""

from dataclasses import dataclass, field

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from pool.snapshot import BackendSpec, LimitPolicy, PoolSpec
from proxy.core.balancing.weighted_round_robin import WeightedRoundRobin
from proxy.core.exchange import Exchange
from proxy.core.pool import Pool
from proxy.core.queue import Queue
from proxy.core.succession import build_pool
from proxy.errors import ConnectFailed, NoRoom

SECOND = 1_000_000_000


@dataclass(eq=False)
class Request:
    """As a transaction of the edge is one."""

    queue: Queue
    exchange: Exchange
    admitted: bool = False
    expired: bool = False

    @property
    def picky(self) -> bool:
        return bool(self.exchange.tried)

    def admit(self) -> bool:
        try:
            self.exchange.choose(waited=True)
        except NoRoom:
            return False
        self.queue.leave(self)
        self.admitted = True
        return True

    def expire(self) -> None:
        self.expired = True
        self.exchange.finish()


def pool_with(
    *max_connections: int, previous: Pool | None = None, **limits: float
) -> tuple[Pool, Queue]:
    backends = tuple(
        BackendSpec(id=n, name=f"b{n}", url=f"http://10.0.0.{n}", max_connections=most)
        for n, most in enumerate(max_connections, 1)
    )
    policy = LimitPolicy(**limits)  # type: ignore[arg-type]
    spec = PoolSpec(id=1, name="web", backends=backends, limits=policy)
    pool = build_pool(spec, WeightedRoundRobin, previous, 0)
    assert pool.queue is not None
    return pool, pool.queue


def waiting(pool: Pool, queue: Queue, now: int = 1) -> Request:
    request = Request(queue, Exchange(pool, idempotent=True))
    with pytest.raises(NoRoom):
        request.exchange.choose()
    assert queue.join(request, now)
    return request


def begun(pool: Pool) -> Exchange:
    exchange = Exchange(pool, idempotent=True)
    exchange.choose()
    return exchange


# --- one worker ---


def test_pools_without_limits_have_no_queue() -> None:
    spec = PoolSpec(id=1, name="web", backends=(BackendSpec(id=1, name="b", url="http://h"),))
    assert build_pool(spec, WeightedRoundRobin, None, 0).queue is None


def test_the_first_is_served_first_and_nobody_overtakes() -> None:
    pool, queue = pool_with(1)
    holder = begun(pool)
    first, second = waiting(pool, queue), waiting(pool, queue)
    holder.finish()
    with pytest.raises(NoRoom):
        begun(pool)  # there is a place, but it is another one's
    queue.turn(2)
    assert (first.admitted, second.admitted) == (True, False)


def test_whoever_gives_a_place_back_wakes_the_queue_and_nobody_is_woken_without_one() -> None:
    pool, queue = pool_with(1)
    woken: list[int] = []
    queue.wake = lambda: woken.append(1)
    begun(pool).finish()
    assert not woken
    holder = begun(pool)
    waiting(pool, queue)
    woken.clear()
    holder.finish()
    assert woken


def test_a_full_queue_refuses_and_a_queue_of_none_refuses_all() -> None:
    for room in (0, 2):
        pool, queue = pool_with(1, max_queue=room)
        begun(pool)
        for _ in range(room):
            waiting(pool, queue)
        assert not queue.join(Request(queue, Exchange(pool, idempotent=True)), 1)
        assert len(queue) == room


def test_who_waits_for_too_long_is_given_up_and_nobody_else() -> None:
    pool, queue = pool_with(1, queue_timeout=5.0)
    begun(pool)
    early, late = waiting(pool, queue, 1), waiting(pool, queue, SECOND)
    queue.turn(5 * SECOND)
    assert (early.expired, len(queue)) == (False, 2)
    queue.turn(5 * SECOND + 1)
    assert (early.expired, late.expired, len(queue)) == (True, False, 1)


def test_one_who_has_left_keeps_nobody_waiting() -> None:
    pool, queue = pool_with(1)
    holder = begun(pool)
    first, second = waiting(pool, queue), waiting(pool, queue)
    queue.leave(first)
    holder.finish()
    queue.turn(2)
    assert (first.admitted, second.admitted) == (False, True)


def test_a_retry_that_cannot_use_the_place_lets_the_next_one_have_it() -> None:
    pool, queue = pool_with(1, 1)
    held = {exchange.backend: exchange for exchange in (begun(pool), begun(pool))}
    first_backend = next(backend for backend in held if backend is not None)
    retry = Exchange(pool, idempotent=True)
    retry.tried = {first_backend: ConnectFailed()}
    picky = Request(queue, retry)
    assert queue.join(picky, 1)
    other = waiting(pool, queue)
    held[first_backend].finish()
    queue.turn(2)
    assert (picky.admitted, other.admitted) == (False, True)


def test_the_pools_own_limit_keeps_waiting_as_well() -> None:
    pool, queue = pool_with(0, 0, max_in_flight=2)
    holders = [begun(pool), begun(pool)]
    third = waiting(pool, queue)
    queue.turn(2)
    assert not third.admitted
    holders[0].finish()
    queue.turn(3)
    assert third.admitted


def test_a_higher_limit_lets_go_on_who_waited_under_the_old_one() -> None:
    pool, queue = pool_with(0, max_in_flight=1)
    begun(pool)
    request = waiting(pool, queue)
    pool_with(0, max_in_flight=2, previous=pool)
    queue.turn(2)
    assert request.admitted


# --- workers of a machine ---


@dataclass
class Worker:
    pool: Pool
    queue: Queue
    requests: list[Request] = field(default_factory=list)


def workers(count: int, *max_connections: int, **limits: float) -> list[Worker]:
    made = [Worker(*pool_with(*max_connections, **limits)) for _ in range(count)]
    for one in made:
        others = [other for other in made if other is not one]
        one.queue.elsewhere = [other.queue.cell for other in others]
        for number, backend in one.pool.backends.items():
            backend.elsewhere = [other.pool.backends[number].cell for other in others]
    return made


def test_a_worker_lets_another_ones_request_go_first_that_came_before() -> None:
    a, b = workers(2, 1)
    holder = begun(a.pool)
    elder = waiting(b.pool, b.queue, 1)
    younger = waiting(a.pool, a.queue, 2)
    holder.finish()
    a.queue.turn(3)
    with pytest.raises(NoRoom):
        begun(a.pool)
    assert not younger.admitted
    b.queue.turn(3)
    assert elder.admitted


def test_nobody_waits_for_a_worker_that_hangs() -> None:
    a, b = workers(2, 1, queue_timeout=5.0)
    holder = begun(a.pool)
    waiting(b.pool, b.queue, 1)
    younger = waiting(a.pool, a.queue, 3 * SECOND)
    holder.finish()
    a.queue.turn(6 * SECOND + 1)
    assert younger.admitted


class ManyWorkers(RuleBasedStateMachine):
    """Two workers, two backends of two places each, and a limit of three for the pool."""

    def __init__(self) -> None:
        super().__init__()
        self.workers = workers(2, 2, 2, max_in_flight=3, max_queue=5, queue_timeout=60)
        self.woken: set[int] = set()
        for number, worker in enumerate(self.workers):
            worker.queue.wake = lambda number=number: self.woken.add(number)  # type: ignore[misc]
        self.now = 1

    @rule(number=st.integers(0, 1))
    def come(self, number: int) -> None:
        worker = self.workers[number]
        self.now += 1
        worker.pool.clock.now = self.now
        request = Request(worker.queue, Exchange(worker.pool, idempotent=True))
        try:
            request.exchange.choose()
        except NoRoom:
            if not worker.queue.join(request, self.now):
                request.exchange.finish()
                return
        else:
            request.admitted = True
        worker.requests.append(request)

    @rule(number=st.integers(0, 1), data=st.data())
    def go(self, number: int, data: st.DataObject) -> None:
        worker = self.workers[number]
        if worker.requests:
            request = data.draw(st.sampled_from(worker.requests))
            worker.requests.remove(request)
            worker.queue.leave(request)
            request.exchange.finish()

    @rule()
    def turn_the_woken(self) -> None:
        self.now += 1
        while self.woken:
            self.workers[self.woken.pop()].queue.turn(self.now)

    @rule()
    def look(self) -> None:
        """What an edge does every few milliseconds; twice, for the elder may be the other's."""
        for worker in self.workers * 2:
            worker.queue.turn(self.now)
        self.woken.clear()
        assert not (self._waiting() and self._free()), "a place is free and somebody waits"

    def _waiting(self) -> list[Request]:
        return [one for worker in self.workers for one in worker.requests if not one.admitted]

    def _free(self) -> bool:
        return sum(worker.queue.in_flight for worker in self.workers) < 3

    @invariant()
    def limits_hold(self) -> None:
        assert sum(worker.queue.in_flight for worker in self.workers) <= 3
        for number in (1, 2):
            assert sum(one.pool.backends[number].in_flight for one in self.workers) <= 2

    def teardown(self) -> None:
        for worker in self.workers:
            for request in worker.requests:
                worker.queue.leave(request)
                request.exchange.finish()
            assert (worker.queue.in_flight, len(worker.queue), worker.queue.cell[1]) == (0, 0, 0)


TestManyWorkers = ManyWorkers.TestCase


class OneWorker(RuleBasedStateMachine):
    """Turned only when it is woken: no wake-up may be missing, and the order holds."""

    def __init__(self) -> None:
        super().__init__()
        self.pool, self.queue = pool_with(1, 1, max_queue=50, queue_timeout=60)
        self.woken = False
        self.queue.wake = self._wake
        self.requests: list[Request] = []
        self.in_order: list[Request] = []  # who waits
        self.now = 1

    def _wake(self) -> None:
        self.woken = True

    @rule()
    def come(self) -> None:
        request = Request(self.queue, Exchange(self.pool, idempotent=True))
        self.now += 1
        try:
            request.exchange.choose()
            request.admitted = True
        except NoRoom:
            if not self.queue.join(request, self.now):
                return
            self.in_order.append(request)
        self.requests.append(request)
        self._turn_if_woken()

    @rule(data=st.data())
    def go(self, data: st.DataObject) -> None:
        if self.requests:
            request = data.draw(st.sampled_from(self.requests))
            self.requests.remove(request)
            self.in_order = [one for one in self.in_order if one is not request]
            self.queue.leave(request)
            request.exchange.finish()
            self._turn_if_woken()

    def _turn_if_woken(self) -> None:
        while self.woken:
            self.woken = False
            self.queue.turn(self.now)

    @invariant()
    def a_free_place_is_taken_by_the_first(self) -> None:
        admitted = [one.admitted for one in self.in_order]
        assert admitted == sorted(admitted, reverse=True), "in their order"
        assert self.pool.active() == min(2, len(self.requests))


TestOneWorker = OneWorker.TestCase
