"""A second try that takes the place of the first."""

import gc

import pytest
from msgspec.structs import replace

from pool.snapshot import BackendSpec, PoolSpec, RetryPolicy, RouteSpec, build
from proxy.core.backend import Backend
from proxy.engine.upstream import UpstreamConnection
from tests.proxy.engine.stage import GET, HEAD_OF_FIVE, Stage, Transport

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
HEDGED = PoolSpec(
    id=1,
    name="shop",
    retry=RetryPolicy(attempts=2, hedge_after=5.0),
    backends=tuple(
        BackendSpec(id=number, name=f"b{number}", url=f"http://127.0.0.1:{number}")
        for number in (8, 9)
    ),
)


def connect(stage: Stage, pool: PoolSpec = HEDGED) -> dict[Backend, UpstreamConnection]:
    """An idle connection to each of the pool's backends."""
    edge = stage.edge
    edge.apply(build(2, (pool,), (RouteSpec(id=1, pool_id=1, host="shop.test"),)))
    idle = {}
    for backend, connections in edge.connections.items():
        idle[backend] = UpstreamConnection(connections)
        idle[backend].connection_made(Transport())
        connections.give_back(idle[backend])
    return idle


def test_a_response_that_is_malformed_right_after_its_head_ends_the_request(
    stage: Stage,
) -> None:
    edge, client = stage.edge, stage.client
    idle = connect(stage)
    client.connection.data_received(GET)
    transaction = client.connection._transaction
    assert transaction is not None
    assert transaction.backend is not None
    del idle[transaction.backend]
    (second,) = idle.values()
    transaction.tries.watch.begin_hedge()
    second.data_received(CHUNKED + b"no size\r\n")
    stage.turn()
    assert transaction.done
    assert [backend.in_flight for backend in edge.connections] == [0, 0]


def test_the_second_try_has_a_time_of_its_own_when_the_first_one_fails(stage: Stage) -> None:
    retry = RetryPolicy(attempts=2, hedge_after=5.0, try_timeout=9.0)
    idle = connect(stage, replace(HEDGED, retry=retry))
    stage.client.connection.data_received(GET)
    transaction = stage.client.connection._transaction
    assert transaction is not None
    assert transaction.backend is not None
    watch = transaction.tries.watch
    firsts = list(watch._timers)
    watch.begin_hedge()
    idle[transaction.backend].connection_lost(ConnectionResetError())
    assert [timer.cancelled() for timer in firsts] == [True, True]
    assert [timer.cancelled() for timer in watch._timers] == [False]


@pytest.mark.parametrize("hedged", [False, True])
def test_a_request_that_was_watched_leaves_no_garbage(stage: Stage, hedged: bool) -> None:
    idle = connect(stage)
    gc.collect()
    gc.disable()
    try:
        _serve(stage, idle, hedged)
        assert gc.collect() == 0
    finally:
        gc.enable()


def _serve(stage: Stage, idle: dict[Backend, UpstreamConnection], hedged: bool) -> None:
    """One request, by the first backend; with `hedged` the second one is asked as well."""
    client = stage.client.connection
    client.data_received(GET)
    transaction = client._transaction
    assert transaction is not None
    assert transaction.backend is not None
    if hedged:
        transaction.tries.watch.begin_hedge()
    idle[transaction.backend].data_received(HEAD_OF_FIVE + b"hello")
    stage.turn()
    assert stage.client.statuses == [b"200"]
