"""Routes that take so many requests and no more: one worker, two, and two edges."""

from collections.abc import Callable

import pytest

from pool.choices import RateScope
from pool.snapshot import PoolSpec, RateLimitPolicy, RouteSpec
from proxy.engine.rates import IDLE
from tests.integration.edge.harness.backend import Backend
from tests.integration.edge.harness.client import Client
from tests.integration.edge.harness.processes import Edge
from tests.integration.edge.harness.waiting import wait_until

MakeBackend = Callable[..., Backend]
StartEdge = Callable[..., Edge]

HOUR = 3600.0


def serve(edge: Edge, backend: Backend, workers: int = 1, **limit: object) -> None:
    """The limit is on /limited; the pool has another route without one."""
    policy = RateLimitPolicy(**limit)  # type: ignore[arg-type]
    edge.publish(
        (PoolSpec(id=1, name="shop", backends=(backend.spec(),)),),
        (
            # A number of its own: counters outlive a configuration, and tests share an edge.
            RouteSpec(id=1000 + backend.id, pool_id=1, path_prefix="/limited", rate_limit=policy),
            RouteSpec(id=2, pool_id=1),
        ),
        workers=workers,
    )


def ask(edge: Edge, times: int, **fields: str) -> list[int]:
    """Each on a connection of its own, so that any worker may get it."""
    statuses = []
    for _ in range(times):
        with Client(edge.port) as client:
            statuses.append(client.get("/limited", **fields).status)
    return statuses


def test_more_than_the_route_takes_is_429_and_says_when_to_come_again(
    edge: Edge, backend: MakeBackend
) -> None:
    a = backend("a")
    serve(edge, a, requests=3, period=HOUR)
    with Client(edge.port) as client:
        assert [client.get("/limited").status for _ in range(3)] == [200] * 3
        refused = client.get("/limited", accept="application/json")
        assert refused.status == 429
        assert (refused.json()["status"], "x-request-id" in refused.headers) == (429, True)
        headers = refused.headers
        assert 1190 <= int(headers["retry-after"]) <= 1200
        assert (headers["ratelimit-limit"], headers["ratelimit-remaining"]) == ("3", "0")
        assert 3590 <= int(headers["ratelimit-reset"]) <= 3600
        assert client.get("/other").status == 200, "on the same connection, by another route"
    assert len(a.calls) == 4


def test_what_is_refused_is_counted_apart(edge: Edge, backend: MakeBackend) -> None:
    a = backend("a")
    serve(edge, a, requests=1, period=HOUR)
    ask(edge, 4)

    def rejected() -> int:
        rows = [row for row in edge.traffic() if row.route_id == 1000 + a.id]
        return sum(
            row.rejected_rate_limit for row in rows if row.backend_id == 0 and row.status_4xx
        )

    wait_until("three are counted", lambda: rejected() == 3)


def test_a_body_of_a_refused_request_is_not_taken_for_the_next_one(
    edge: Edge, backend: MakeBackend
) -> None:
    serve(edge, backend("a"), requests=1, period=HOUR)
    with Client(edge.port) as client:
        client.get("/limited")
        refused = client.request("POST", "/limited", b"GET /smuggled HTTP/1.1\r\n\r\n")
        assert (refused.status, refused.closes) == (429, True)
        assert client.ends()


@pytest.mark.parametrize(
    ("key", "field"),
    [("header:x-user", "x_user"), ("cookie:sid", "cookie")],
)
def test_each_client_has_its_own(edge: Edge, backend: MakeBackend, key: str, field: str) -> None:
    serve(edge, backend("a"), requests=2, period=HOUR, key=key)
    for who in ("sid=ann", "sid=bob"):
        assert ask(edge, 3, **{field: who}) == [200, 200, 429]
    assert ask(edge, 3) == [200, 200, 429], "those without one count together"


def test_clients_are_told_apart_by_their_address(edge: Edge, backend: MakeBackend) -> None:
    serve(edge, backend("a"), requests=1, period=HOUR, key="client_ip")
    for source in ("127.0.0.5", "127.0.0.6"):
        with Client(edge.port, source=source) as client:
            assert [client.get("/limited").status for _ in range(2)] == [200, 429]


def test_it_is_let_through_again_with_time(edge: Edge, backend: MakeBackend) -> None:
    serve(edge, backend("a"), requests=2, period=2.0)
    with Client(edge.port) as client:
        wait_until("it is too much", lambda: client.get("/limited").status == 429)
        wait_until("it is not any more", lambda: client.get("/limited").status == 200)


def test_the_workers_of_a_machine_count_together(
    start_edge: StartEdge, backend: MakeBackend
) -> None:
    edge = start_edge("--workers", "2")
    serve(edge, backend("a"), workers=2, requests=20, period=HOUR)
    assert ask(edge, 40).count(200) == 20


def test_a_new_configuration_and_a_new_worker_forget_nothing(
    start_edge: StartEdge, backend: MakeBackend
) -> None:
    edge, a = start_edge(), backend("a")
    serve(edge, a, requests=3, period=HOUR)
    assert ask(edge, 3) == [200] * 3
    serve(edge, a, requests=4, period=HOUR)
    edge.stop()
    edge.start()
    edge.wait_for(edge.number)
    assert ask(edge, 3).count(200) <= 1


# --- shared by edges ---


def test_two_edges_of_two_workers_take_together_what_a_shared_limit_says(
    start_edge: StartEdge, backend: MakeBackend
) -> None:
    one = start_edge("--workers", "2")
    other = start_edge("--workers", "2", beside=one)
    a = backend("a")
    serve(one, a, workers=2, requests=20, period=HOUR, scope=RateScope.SHARED)
    other.wait_for(one.number, workers=2)
    assert ask(one, 15) == [200] * 15
    other.wait_for_workers_to_go_on(3 * IDLE)  # by then they have looked
    assert ask(other, 10).count(200) == 5
    assert len(a.calls) == 20


def test_a_client_that_goes_from_edge_to_edge_does_not_begin_anew(
    start_edge: StartEdge, backend: MakeBackend
) -> None:
    one = start_edge()
    other = start_edge(beside=one)
    a = backend("a")
    serve(one, a, requests=5, period=HOUR, key="header:x-user", scope=RateScope.SHARED)
    other.wait_for(one.number)
    assert ask(one, 8, x_user="ann").count(200) == 5
    wait_until("they have told Redis", lambda: one.redis.keys("lb:rate:*"))
    wait_until("it is known there", lambda: ask(other, 1, x_user="ann") == [429])
    assert len(a.calls) <= 10, "what the other edge let through before it knew"
    assert ask(other, 1, x_user="bob") == [200]


def test_while_redis_is_away_each_edge_limits_by_itself(
    start_edge: StartEdge, backend: MakeBackend
) -> None:
    edge = start_edge()
    serve(edge, backend("a"), requests=5, period=HOUR, scope=RateScope.SHARED)
    edge.redis_server.kill()
    assert ask(edge, 10) == [200] * 5 + [429] * 5
