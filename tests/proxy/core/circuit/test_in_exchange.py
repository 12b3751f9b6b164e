"""What a request tells the circuit of its backend, and what the circuit does to the choice."""

from typing import Any

import pytest

from pool.bus import HealthStatus
from pool.choices import CircuitMode, CircuitState, HealthState
from pool.circuits.records import Circuit, Report, terms_of
from pool.snapshot import BackendSpec, CircuitPolicy, PoolSpec
from proxy import errors
from proxy.core.balancing import balancer_class
from proxy.core.circuit.breaker import Breaker
from proxy.core.clock import Clock
from proxy.core.exchange import Exchange
from proxy.core.pool import Pool
from proxy.core.succession import build_pool
from proxy.errors import Blame, NoBackend, ProxyError

NOW = 1_700_000_000.0
ERRORS = [
    error
    for error in vars(errors).values()
    if isinstance(error, type) and issubclass(error, ProxyError) and error is not ProxyError
]


def make_pool(size: int = 1, **policy: Any) -> Pool:
    backends = tuple(
        BackendSpec(id=number, name=f"b{number}", url=f"http://10.0.0.{number}")
        for number in range(1, size + 1)
    )
    spec = PoolSpec(id=1, name="shop", backends=backends, circuit=CircuitPolicy(**policy))
    pool = build_pool(spec, balancer_class(spec.algorithm), None, 0, Clock(1))
    for backend in pool.backends.values():
        backend.set_breaker(Breaker(backend.id, terms_of(spec), "w", lambda _: None))
    return pool


def put(pool: Pool, backend_id: int, circuit: Circuit) -> None:
    backend = pool.backends[backend_id]
    assert backend.breaker is not None
    backend.breaker.take_up(circuit, NOW)
    backend.set_breaker(backend.breaker)
    pool.refresh()


def half_open(*permits: str) -> Circuit:
    expiry = dict.fromkeys(permits, NOW + 30)
    return Circuit(state=CircuitState.HALF_OPEN, generation=2, permits=expiry)


def reported(pool: Pool) -> tuple[int, int, int] | None:
    """Successes, failures and slow calls of the first backend; None: nothing is said."""
    breaker = pool.backends[1].breaker
    assert breaker is not None
    reports = [one for one in breaker.operations(NOW) if isinstance(one, Report)]
    return (reports[0].successes, reports[0].failures, reports[0].slow) if reports else None


def begin(pool: Pool) -> Exchange:
    exchange = Exchange(pool, idempotent=True)
    exchange.choose()
    return exchange


@pytest.mark.parametrize(
    ("status", "counted"), [(500, True), (503, True), (501, False), (200, False), (404, False)]
)
def test_the_policys_statuses_are_failures(status: int, counted: bool) -> None:
    pool = make_pool()
    exchange = begin(pool)
    exchange.responded(status)
    exchange.finish(status)
    assert reported(pool) == ((0, 1, 0) if counted else None)


@pytest.mark.parametrize("error", ERRORS)
def test_what_a_backend_is_to_blame_for_is_a_failure(error: type[ProxyError]) -> None:
    pool = make_pool()
    begin(pool).failed(error(), replayable=True)
    assert reported(pool) == ((0, 1, 0) if error.blame is Blame.BACKEND else None)


def test_a_response_that_is_cut_is_one_failure() -> None:
    pool = make_pool()
    exchange = begin(pool)
    exchange.responded(200)
    exchange.failed(errors.ResponseCut(), replayable=False)
    exchange.finish(200)
    assert reported(pool) == (0, 1, 0)


def test_a_client_that_goes_away_says_nothing() -> None:
    pool = make_pool(statuses="400-599")
    exchange = begin(pool)
    exchange.finish()
    exchange.finish(499)
    assert reported(pool) is None


def test_a_call_that_began_before_a_change_says_nothing() -> None:
    pool = make_pool()
    exchange = begin(pool)
    put(pool, 1, Circuit(state=CircuitState.CLOSED, generation=2))
    exchange.finish(500)
    assert reported(pool) is None


def test_a_second_try_speaks_of_its_own_backend() -> None:
    pool = make_pool(2)
    exchange = begin(pool)
    first = exchange.backend
    assert exchange.failed(errors.ConnectFailed(), replayable=True)
    assert exchange.choose() is not first
    exchange.finish(200)
    other = pool.backends[2 if first is pool.backends[1] else 1]
    assert other.breaker is not None
    assert other.breaker.operations(NOW) == []


@pytest.mark.parametrize("state", [CircuitState.OPEN, CircuitState.FORCED_OPEN])
def test_an_open_circuit_is_out_and_gets_nothing(state: CircuitState) -> None:
    pool = make_pool(2)
    put(pool, 1, Circuit(state=state, generation=1))
    assert pool.backends[1].out
    assert {begin(pool).backend for _ in range(6)} == {pool.backends[2]}


def test_not_even_in_panic() -> None:
    """The others are unhealthy, and nevertheless used; what is open would be left alone."""
    pool = make_pool(3)
    put(pool, 1, Circuit(state=CircuitState.OPEN, generation=1))
    for number in (2, 3):
        pool.set_health(number, HealthStatus(state=HealthState.UNHEALTHY, since=0.0))
    assert pool.backends[1] not in {begin(pool).backend for _ in range(6)}
    pool = make_pool(1)
    put(pool, 1, Circuit(state=CircuitState.FORCED_OPEN, generation=1))
    with pytest.raises(NoBackend):
        begin(pool)


def test_a_half_open_circuit_serves_as_many_as_it_has_permits() -> None:
    pool = make_pool()
    put(pool, 1, half_open("w-1", "w-2"))
    begin(pool)
    begin(pool)
    with pytest.raises(NoBackend):
        begin(pool)


def test_a_trial_succeeds_with_its_head_however_long_the_response_is() -> None:
    pool = make_pool()
    put(pool, 1, half_open("w-1"))
    exchange = begin(pool)
    exchange.responded(200)
    assert reported(pool) == (1, 0, 0)
    exchange.finish(200)
    assert reported(pool) is None


def test_a_trial_fails_by_its_status() -> None:
    pool = make_pool()
    put(pool, 1, half_open("w-1"))
    exchange = begin(pool)
    exchange.responded(503)
    exchange.finish(503)
    assert reported(pool) == (0, 1, 0)


@pytest.mark.parametrize(("took", "slow"), [(0.4, 0), (0.6, 1)])
def test_slow_is_who_takes_too_long_for_the_head(took: float, slow: int) -> None:
    pool = make_pool(mode=CircuitMode.SLOW_RATIO, slow_call=0.5)
    exchange = begin(pool)
    pool.clock.now += int(took * 1e9)
    exchange.responded(200)
    pool.clock.now += 3_600_000_000_000  # the client is in no hurry
    exchange.finish(200)
    assert reported(pool) == ((0, 0, 1) if slow else None)


def test_a_limit_and_a_circuit_hold_together() -> None:
    pool = make_pool()
    backend = pool.backends[1]
    backend.configure(BackendSpec(id=1, name="b1", url="http://10.0.0.1", max_connections=1))
    exchange = begin(pool)
    with pytest.raises(NoBackend):
        begin(pool)
    exchange.finish(200)
    put(pool, 1, Circuit(state=CircuitState.OPEN, generation=1))
    with pytest.raises(NoBackend):
        begin(pool)
