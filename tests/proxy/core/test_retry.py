"""What is tried again, how soon, and how much of it at a time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pool.snapshot import BackendSpec, PoolSpec, RetryPolicy
from proxy.core.balancing.weighted_round_robin import WeightedRoundRobin
from proxy.core.budget import ALWAYS, RetryBudget
from proxy.core.exchange import Exchange, Phase
from proxy.core.pool import Pool
from proxy.core.retry import backoff, may_retry
from proxy.core.succession import build_pool
from proxy.errors import (
    BackendReset,
    ConnectFailed,
    ConnectTimeout,
    ProxyError,
    TryTimeout,
    UnwantedStatus,
)


def pool_with(count: int, **fields: object) -> Pool:
    backends = tuple(
        BackendSpec(id=n, name=f"b{n}", url=f"http://10.0.0.{n}") for n in range(1, count + 1)
    )
    policy = RetryPolicy(**fields)  # type: ignore[arg-type]
    spec = PoolSpec(id=1, name="web", backends=backends, retry=policy)
    return build_pool(spec, WeightedRoundRobin, None, 0)


# --- switches ---


@pytest.mark.parametrize("idempotent", [True, False])
@pytest.mark.parametrize(
    ("error", "policy"),
    [
        (ConnectFailed(), RetryPolicy(on_connect_failure=False)),
        (ConnectTimeout(), RetryPolicy(on_connect_failure=False)),
        (BackendReset(), RetryPolicy(on_reset=False)),
    ],
)
def test_what_is_switched_off_is_not_tried_again(
    error: ProxyError, policy: RetryPolicy, idempotent: bool
) -> None:
    assert not may_retry(policy, error, attempts=1, idempotent=idempotent, replayable=True)


def test_a_try_that_took_too_long_is_tried_again_where_that_is_safe() -> None:
    for idempotent in (True, False):
        assert idempotent is may_retry(
            RetryPolicy(), TryTimeout(), attempts=1, idempotent=idempotent, replayable=True
        )


# --- back-off ---


@given(retry=st.integers(1, 9), chance=st.floats(0, 1, exclude_max=True))
def test_back_off_is_uniform_below_a_doubling_bound(retry: int, chance: float) -> None:
    seconds = backoff(retry, BackendReset(), lambda: chance)
    assert seconds == min(0.25, chance * (2**retry - 1) * 0.025)


def test_another_backend_is_tried_at_once_if_no_connection_was_made() -> None:
    assert backoff(5, ConnectFailed(), lambda: 0.9) == 0


def test_the_pause_has_an_end_however_many_tries_there_were() -> None:
    assert backoff(5000, BackendReset(), lambda: 0.9) == 0.25


# --- budget ---


@pytest.mark.parametrize(("active", "granted"), [(0, 3), (15, 3), (20, 4), (1000, 200)])
def test_a_fifth_of_the_active_requests_may_be_retries_and_three_always(
    active: int, granted: int
) -> None:
    budget = RetryBudget()
    assert sum(budget.take(20, active) for _ in range(1001)) == granted
    budget.give_back()
    assert budget.take(20, active)
    assert not budget.take(20, active)


def test_a_retry_is_in_progress_until_its_request_is_over() -> None:
    pool = pool_with(2)
    retried = [Exchange(pool, idempotent=True) for _ in range(ALWAYS)]
    for exchange in retried:
        exchange.choose()
        assert exchange.failed(BackendReset(), replayable=True)
        exchange.choose()
    late = Exchange(pool, idempotent=True)
    late.choose()
    assert not late.failed(BackendReset(), replayable=True), "the budget is used up"
    retried[0].responded(200)
    retried[0].finish(200)
    late = Exchange(pool, idempotent=True)
    late.choose()
    assert late.failed(BackendReset(), replayable=True)


def test_what_was_never_sent_goes_on_without_a_budget() -> None:
    pool = pool_with(2)
    for _ in range(2 * ALWAYS):
        exchange = Exchange(pool, idempotent=False)
        exchange.choose()
        assert exchange.failed(ConnectFailed(), replayable=True)
    assert pool.budget.taken == 0


def test_the_budget_outlives_a_configuration() -> None:
    pool = pool_with(2)
    assert build_pool(pool.spec, WeightedRoundRobin, pool, 0).budget is pool.budget


# --- statuses ---


def answered(pool: Pool, idempotent: bool = True) -> Exchange:
    exchange = Exchange(pool, idempotent)
    exchange.choose()
    return exchange


def test_an_unwanted_status_is_tried_at_another_backend() -> None:
    exchange = answered(pool_with(2, on_statuses="502-504"))
    first = exchange.backend
    assert exchange.declines(503, replayable=True)
    assert exchange.choose() is not first
    assert not exchange.declines(503, replayable=True), "the last answer is passed on"
    assert exchange.phase is Phase.TRYING


@pytest.mark.parametrize(
    ("pool", "idempotent", "replayable", "status"),
    [
        (pool_with(2, on_statuses="502-504"), False, True, 503),
        (pool_with(2, on_statuses="502-504"), True, False, 503),
        (pool_with(2, on_statuses="502-504"), True, True, 500),
        (pool_with(2, on_statuses="503", attempts=1), True, True, 503),
        (pool_with(1, on_statuses="503"), True, True, 503),
        (pool_with(2), True, True, 503),
    ],
    ids=["POST", "body sent", "other status", "one attempt", "nobody else", "by default"],
)
def test_an_answer_is_passed_on(
    pool: Pool, idempotent: bool, replayable: bool, status: int
) -> None:
    exchange = answered(pool, idempotent)
    assert not exchange.declines(status, replayable=replayable)
    assert pool.budget.taken == 0


def test_declined_answers_leave_their_reason() -> None:
    exchange = answered(pool_with(2, on_statuses="503"))
    assert exchange.declines(503, replayable=True)
    assert [type(error) for error in (exchange.tried or {}).values()] == [UnwantedStatus]


# --- hedging ---


def test_a_hedge_goes_to_another_backend_within_the_budget() -> None:
    pool = pool_with(2)
    first = answered(pool)
    second = first.hedge()
    assert second is not None
    assert second.backend not in (None, first.backend)
    assert (second.attempts, pool.budget.taken) == (2, 1)
    second.finish()
    first.finish()
    assert (pool.budget.taken, pool.active()) == (0, 0)


def test_there_is_no_hedge_without_another_backend_or_a_second_attempt() -> None:
    for pool in (pool_with(1), pool_with(2, attempts=1)):
        assert answered(pool).hedge() is None
        assert (pool.budget.taken, pool.active()) == (0, 1)
