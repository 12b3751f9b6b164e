"""One worker's breaker: whom it lets through, what it reports, and which permits it keeps."""

from collections.abc import Callable
from typing import Any

import pytest

from pool.choices import CircuitMode, CircuitState
from pool.circuits.records import Circuit, Lease, Operation, Report, Terms
from pool.snapshot import CircuitPolicy
from proxy.core.circuit.breaker import ASK_AGAIN, COUNT_INTERVAL, IDLE_LEASE, RENEWAL, Breaker
from proxy.stores.memory import MemoryCircuits

NOW = 1_700_000_000.0


class Worker:
    """A breaker, and a store that it may share with others."""

    def __init__(self, name: str, store: MemoryCircuits, **policy: Any) -> None:
        fields = {"threshold": 3, "open_time": 10.0, "permits": 3, "successes": 2} | policy
        self.terms = Terms(pool_id=1, limit=9, policy=CircuitPolicy(**fields))
        self.woken = 0
        self.store = store
        self.breaker = Breaker(1, self.terms, name, self._wake)

    def _wake(self, _: Breaker) -> None:
        self.woken += 1

    def agree(self, now: float) -> list[Operation]:
        """What its task does: send what there is, and take the answer up."""
        operations = self.breaker.operations(now)
        for operation in operations:
            circuit, _ = self.store.apply(1, operation, self.terms, now)
            self.breaker.take_up(circuit, now)
        return operations

    def take_up(self, now: float) -> None:
        self.breaker.take_up(self.store.get(1), now)

    def fail(self, times: int = 3) -> None:
        for _ in range(times):
            self.breaker.failed(self.breaker.generation)


@pytest.fixture
def worker() -> Callable[..., Worker]:
    store = MemoryCircuits()
    return lambda name="w", **policy: Worker(name, store, **policy)


@pytest.fixture
def half_open(worker: Callable[..., Worker]) -> Callable[..., Worker]:
    """A worker that has leased permits of a circuit that was open for long enough."""

    def build(**policy: Any) -> Worker:
        one = worker(**policy)
        one.fail()
        one.agree(NOW)
        one.agree(NOW + 10)
        return one

    return build


def test_healthy_calls_are_not_even_counted(worker: Callable[..., Worker]) -> None:
    breaker = worker().breaker
    assert not breaker.counts
    assert not breaker.close_watch
    assert not breaker.guards
    assert not breaker.due(NOW)
    assert breaker.operations(NOW) == []


def test_failures_are_reported_together_and_open(worker: Callable[..., Worker]) -> None:
    one = worker()
    one.fail()
    assert one.woken == 3
    [report] = one.agree(NOW)
    assert isinstance(report, Report)
    assert (report.failures, report.trailing) == (3, 3)
    assert one.breaker.out
    assert not one.breaker.admits()
    assert one.breaker.operations(NOW) == []


def test_the_success_after_a_failure_is_reported_once(worker: Callable[..., Worker]) -> None:
    one = worker()
    one.fail(1)
    one.agree(NOW)
    assert one.breaker.counts
    one.breaker.succeeded(0)
    [report] = one.agree(NOW)
    assert isinstance(report, Report)
    assert report.successes == 1
    assert not one.breaker.counts


def test_a_worker_that_hears_of_anothers_failures_tells_of_its_success(
    worker: Callable[..., Worker],
) -> None:
    one, other = worker("one"), worker("other")
    one.fail(2)
    one.agree(NOW)
    other.take_up(NOW)
    assert other.breaker.counts
    other.breaker.succeeded(0)
    other.agree(NOW)
    assert one.store.get(1).failures == 0


def test_results_of_an_older_generation_are_dropped(worker: Callable[..., Worker]) -> None:
    one = worker()
    one.fail()
    one.agree(NOW)
    one.breaker.failed(0)
    one.breaker.succeeded(0)
    one.breaker.excluded(0)
    assert one.breaker.operations(NOW) == []


def test_what_was_not_reported_before_a_change_is_void(worker: Callable[..., Worker]) -> None:
    one, other = worker("one"), worker("other")
    one.fail()
    other.fail(1)
    one.agree(NOW)
    other.take_up(NOW)
    assert other.breaker.operations(NOW) == []


def test_permits_are_leased_ahead_once_the_open_time_is_over(
    worker: Callable[..., Worker],
) -> None:
    one = worker()
    one.fail()
    one.agree(NOW)
    assert not one.breaker.due(NOW + 9.9)
    assert one.breaker.due(NOW + 10)
    assert one.agree(NOW + 10) == [Lease(permits=("w-1", "w-2"))]
    assert one.breaker.trial
    assert one.breaker.admits()


def test_each_call_takes_a_permit_and_none_goes_without(half_open: Callable[..., Worker]) -> None:
    one = half_open()
    one.breaker.begin()
    assert one.breaker.admits()
    one.breaker.begin()
    assert not one.breaker.admits()
    one.agree(NOW + 11)
    assert one.breaker.admits(), "there were three"
    one.breaker.begin()
    one.agree(NOW + 12)
    assert not one.breaker.admits()


@pytest.mark.parametrize("end", ["succeeded", "excluded"])
def test_a_permit_is_free_for_the_next_call_when_one_ends(
    half_open: Callable[..., Worker], end: str
) -> None:
    one = half_open(permits=1)
    one.breaker.begin()
    assert not one.breaker.admits()
    getattr(one.breaker, end)(one.breaker.generation)
    assert one.breaker.admits()


def test_enough_successes_close(half_open: Callable[..., Worker]) -> None:
    one = half_open()
    for _ in range(2):
        one.breaker.begin()
        one.breaker.succeeded(one.breaker.generation)
    one.agree(NOW + 11)
    assert one.breaker.circuit.state is CircuitState.CLOSED
    assert not one.breaker.guards


def test_a_failure_opens_again(half_open: Callable[..., Worker]) -> None:
    one = half_open()
    one.breaker.begin()
    one.breaker.failed(one.breaker.generation)
    one.agree(NOW + 11)
    assert one.breaker.out
    assert one.breaker.circuit.until == NOW + 31


def test_a_permit_in_use_is_renewed_before_it_expires(half_open: Callable[..., Worker]) -> None:
    one = half_open(permits=10)
    one.breaker.begin()
    now = NOW + 11
    while now < NOW + 100:
        one.agree(now)
        now += RENEWAL / 2
    assert len(one.store.get(1).permits) == 3, "one in use, two ready"


def test_a_worker_without_requests_makes_room_for_one_with_them(
    half_open: Callable[..., Worker], worker: Callable[..., Worker]
) -> None:
    idle, busy = half_open(permits=1), worker("busy", permits=1)
    busy.take_up(NOW + 10)
    now = NOW + 10
    while not busy.breaker.admits() and now < NOW + 10 + 3 * IDLE_LEASE:
        now += ASK_AGAIN
        busy.agree(now)
        idle.agree(now)
    assert busy.breaker.admits()
    assert not idle.breaker.admits()


def test_permits_that_nobody_else_lacks_are_kept(half_open: Callable[..., Worker]) -> None:
    one = half_open(permits=10)
    for step in range(100):
        one.agree(NOW + 11 + step * ASK_AGAIN)
        assert one.breaker.admits()


RATIO = {"mode": CircuitMode.FAILURE_RATIO, "minimum_calls": 10, "window": 10.0}


def test_calls_before_the_first_failure_are_told_with_it(worker: Callable[..., Worker]) -> None:
    one = worker(**RATIO)
    for second in range(12):
        one.breaker.succeeded(0)
        assert one.breaker.operations(NOW + second) == []
    one.fail(1)
    [report] = one.agree(NOW + 12)
    assert isinstance(report, Report)
    assert sum(calls for calls, _, _ in report.window.values()) == 10, "of ten seconds"
    assert sum(failed for _, failed, _ in report.window.values()) == 1


def test_while_a_backend_is_watched_all_tell_of_their_calls(worker: Callable[..., Worker]) -> None:
    one, other = worker("one", **RATIO), worker("other", **RATIO)
    other.breaker.succeeded(0)
    assert other.agree(NOW) == []
    one.fail(1)
    one.agree(NOW)
    other.take_up(NOW)
    assert len(other.agree(NOW + 1)) == 1
    other.breaker.succeeded(0)
    assert other.agree(NOW + 1) == [], "not at once again"
    assert len(other.agree(NOW + 1 + COUNT_INTERVAL)) == 1
    assert sum(calls for calls, _, _ in one.store.get(1).window.values()) == 3
    other.breaker.succeeded(0)
    assert other.agree(NOW + 20) == [], "not watched any more"


def test_slow_calls_are_told_apart(worker: Callable[..., Worker]) -> None:
    one = worker(**{**RATIO, "mode": CircuitMode.SLOW_RATIO}, slow_call=0.5)
    assert one.breaker.close_watch
    assert not one.breaker.is_slow(500_000_000)
    assert one.breaker.is_slow(500_000_001)
    one.breaker.succeeded(0, slow=True)
    [report] = one.agree(NOW)
    assert isinstance(report, Report)
    assert (report.slow, report.successes) == (1, 0)


def test_a_forced_one_asks_for_nothing(worker: Callable[..., Worker]) -> None:
    one = worker()
    one.breaker.take_up(Circuit(state=CircuitState.FORCED_OPEN, generation=1), NOW)
    assert one.breaker.out
    assert not one.breaker.due(NOW + 999)
    assert one.breaker.operations(NOW + 999) == []


def test_it_is_tried_in_time_although_it_opened_by_a_clock_that_was_wrong(
    worker: Callable[..., Worker],
) -> None:
    ahead, right = worker("ahead"), worker("right")
    ahead.fail()
    ahead.agree(NOW + 3600)
    right.take_up(NOW)
    assert not right.breaker.due(NOW + 9.9)
    right.agree(NOW + 10)
    assert right.breaker.trial
