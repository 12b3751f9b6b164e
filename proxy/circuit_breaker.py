"""A circuit breaker for any program: the same rules as the edge's, around a function.

    breaker = CircuitBreaker(failure_threshold=5, timeout=30)
    try:
        breaker.call(send, order)
    except CircuitOpen as error:
        ...  # not sent; worth another try in error.retry_after seconds

One object may be used from any number of threads. No Django.
"""

from collections.abc import Callable
from itertools import count
from threading import Lock
from time import monotonic
from typing import ParamSpec, TypeVar

from pool.choices import CircuitEvent, CircuitState
from pool.circuits.records import Circuit, Lease, Operation, Order, Report, Terms
from pool.snapshot import CircuitPolicy
from proxy.stores.memory import MemoryCircuits

P = ParamSpec("P")
T = TypeVar("T")

_ONLY = 0  # the id of the one circuit


class CircuitOpen(RuntimeError):
    """The function was not called. `retry_after`: seconds until a call may be let through."""

    def __init__(self, cause: str, retry_after: float) -> None:
        super().__init__(f"the circuit is open ({cause}); try again in {retry_after:.1f} s")
        self.retry_after = retry_after


class CircuitBreaker:
    """Opens after `failure_threshold` failures in a row; after `timeout` seconds one call tries.

    A failure is a call that raises an `Exception`. What ends a program, such as
    KeyboardInterrupt, says nothing of the function.
    """

    def __init__(
        self,
        failure_threshold: int = 5,
        timeout: float = 30.0,
        *,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        if failure_threshold < 1:
            raise ValueError(f"failure_threshold is {failure_threshold}: give at least 1")
        if timeout <= 0:
            raise ValueError(f"timeout is {timeout}: give more than 0 seconds")
        policy = CircuitPolicy(
            threshold=failure_threshold,
            open_time=timeout,
            max_open_time=timeout,
            permits=1,
            successes=1,
        )
        self._terms = Terms(pool_id=0, limit=1, policy=policy)
        self._clock = clock
        self._lock = Lock()
        self._store = MemoryCircuits()
        self._permits = count()

    @property
    def state(self) -> CircuitState:
        return self._circuit.state

    def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What `function` returns or raises; `CircuitOpen` if it is not to be called now."""
        generation, permits = self._enter()
        successes = failures = 0
        try:
            result = function(*args, **kwargs)
            successes = 1
            return result
        except Exception:
            failures = 1
            raise
        finally:
            report = Report(
                generation=generation,
                successes=successes,
                failures=failures,
                leading=failures,
                trailing=failures,
                longest=failures,
                returned=permits,
            )
            with self._lock:
                self._apply(report)

    def reset(self) -> None:
        """Close it, as if nothing had ever failed."""
        with self._lock:
            self._apply(Order(event=CircuitEvent.RESET, cause="reset"))

    def _enter(self) -> tuple[int, tuple[str, ...]]:
        """The circuit's generation, and the permit for the call if it takes one."""
        with self._lock:
            circuit = self._circuit
            if circuit.state is CircuitState.CLOSED:
                return circuit.generation, ()
            permit = str(next(self._permits))
            circuit = self._apply(Lease(permits=(permit,)))
            if permit in circuit.permits:
                return circuit.generation, (permit,)
            # Half-open: another call is trying, of which nobody knows how long it takes.
            raise CircuitOpen(circuit.cause, max(0.0, circuit.until - self._clock()))

    @property
    def _circuit(self) -> Circuit:
        return self._store.get(_ONLY)

    def _apply(self, operation: Operation) -> Circuit:
        return self._store.apply(_ONLY, operation, self._terms, self._clock())[0]
