"""The circuit breaker as a program uses it: around a function, from many threads."""

import threading
from concurrent.futures import ThreadPoolExecutor, as_completed
from itertools import islice

import pytest

from pool.choices import CircuitState
from proxy.circuit_breaker import CircuitBreaker, CircuitOpen


class Time:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def breaker(time: Time) -> CircuitBreaker:
    return CircuitBreaker(failure_threshold=3, timeout=30, clock=time)


def fail() -> None:
    raise OSError("no")


def fail_times(breaker: CircuitBreaker, times: int) -> None:
    for _ in range(times):
        with pytest.raises(OSError, match="no"):
            breaker.call(fail)


def test_what_the_function_returns_is_returned(breaker: CircuitBreaker) -> None:
    assert breaker.call(divmod, 7, 2) == (3, 1)
    assert breaker.call(int, "7", base=8) == 7


def test_it_opens_after_so_many_failures_in_a_row(breaker: CircuitBreaker) -> None:
    fail_times(breaker, 2)
    breaker.call(int)
    fail_times(breaker, 3)
    called: list[int] = []
    with pytest.raises(CircuitOpen, match="3 failures in a row") as refused:
        breaker.call(called.append, 1)
    assert refused.value.retry_after == 30
    assert not called


def test_one_call_tries_it_after_the_timeout(breaker: CircuitBreaker, time: Time) -> None:
    fail_times(breaker, 3)
    time.now = 29.9
    with pytest.raises(CircuitOpen):
        breaker.call(int)
    time.now = 30.0
    breaker.call(int)
    assert breaker.state is CircuitState.CLOSED


def test_a_failed_try_opens_it_for_as_long_again(breaker: CircuitBreaker, time: Time) -> None:
    fail_times(breaker, 3)
    time.now = 30.0
    fail_times(breaker, 1)
    time.now = 59.9
    with pytest.raises(CircuitOpen):
        breaker.call(int)
    time.now = 60.0
    breaker.call(int)


def test_nobody_else_gets_through_while_one_tries(breaker: CircuitBreaker, time: Time) -> None:
    fail_times(breaker, 3)
    time.now = 30.0

    def others_try() -> None:
        with pytest.raises(CircuitOpen):
            breaker.call(int)

    breaker.call(others_try)
    breaker.call(int)


def test_an_interrupted_try_gives_its_permit_back(breaker: CircuitBreaker, time: Time) -> None:
    fail_times(breaker, 3)
    time.now = 30.0

    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        breaker.call(interrupt)
    assert breaker.state is CircuitState.HALF_OPEN
    breaker.call(int)
    assert breaker.state is CircuitState.CLOSED


def test_a_late_result_changes_nothing(breaker: CircuitBreaker) -> None:
    def late() -> None:
        fail_times(breaker, 3)

    breaker.call(late)
    assert breaker.state is CircuitState.OPEN


def test_reset_closes_it(breaker: CircuitBreaker) -> None:
    fail_times(breaker, 3)
    breaker.reset()
    assert breaker.call(int) == 0


def test_threads_share_it() -> None:
    """Of many threads that all fail at once, exactly one tries it after the timeout."""
    time = Time()
    breaker = CircuitBreaker(failure_threshold=8, timeout=1, clock=time)
    together = threading.Barrier(8)

    def fail_together() -> None:
        together.wait(10)
        fail()

    def attempt(function: object) -> str:
        try:
            breaker.call(function)  # type: ignore[arg-type]
        except CircuitOpen:
            return "refused"
        except OSError:
            return "failed"
        return "called"

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(attempt, [fail_together] * 8)) == ["failed"] * 8
        assert list(threads.map(attempt, [int] * 8)) == ["refused"] * 8
        time.now = 1.0
        gate = threading.Event()
        tries = [threads.submit(attempt, lambda: gate.wait(10)) for _ in range(8)]
        refused = list(islice(as_completed(tries, timeout=10), 7))
        assert {one.result() for one in refused} == {"refused"}
        gate.set()
        assert sorted(one.result() for one in tries) == ["called"] + ["refused"] * 7


@pytest.mark.parametrize("wrong", [{"failure_threshold": 0}, {"timeout": 0}])
def test_what_makes_no_sense_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        CircuitBreaker(**wrong)  # type: ignore[arg-type]
