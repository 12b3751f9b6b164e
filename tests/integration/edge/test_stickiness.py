"""Clients that stay with their backend: what they are given, and what becomes of it."""

import signal
import socket
import time
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest

from pool.choices import AdminState, HealthState, StickyMode
from pool.snapshot import BackendSpec, StickyPolicy
from proxy.core.debug import DebugKey
from tests.integration.edge.harness.backend import Backend, Call
from tests.integration.edge.harness.backend_process import BackendProcess
from tests.integration.edge.harness.client import Client, Response, request_bytes
from tests.integration.edge.harness.processes import Edge, worker_of
from tests.integration.edge.harness.waiting import wait_until

MakeBackend = Callable[..., Backend]
StartEdge = Callable[..., Edge]

COOKIE = StickyPolicy(mode=StickyMode.COOKIE)
SECRET = {"LB_SECRET_KEY": "the same for every edge of the installation"}


@pytest.fixture(scope="module")
def _edge(start_lasting_edge: StartEdge) -> Edge:
    return start_lasting_edge("--workers", "2", **SECRET)


@pytest.fixture
def edge(_edge: Edge) -> Edge:
    """An edge of two workers."""
    _edge.redis.delete("lb:health")
    return _edge


@pytest.fixture
def trio(backend: MakeBackend) -> dict[str, Backend]:
    return {name: backend(name) for name in "abc"}


def specs(trio: dict[str, Backend], **changes: Any) -> tuple[BackendSpec, ...]:
    """`changes`: of the backend with that name, as in a={"weight": 0}."""
    return tuple(one.spec(**changes.get(name, {})) for name, one in trio.items())


def get(edge: Edge, **fields: str) -> Response:
    """Over a connection of its own: either worker may take it."""
    with Client(edge.port) as client:
        return client.get(**fields)


def cookie_of(response: Response) -> str:
    return response.headers["set-cookie"].partition(";")[0]


def served_by(edge: Edge, requests: int = 12, **fields: str) -> set[str]:
    with edge.client_of_each_worker() as clients:
        responses = [client.get(**fields) for client in clients for _ in range(requests // 2)]
    assert {response.status for response in responses} == {200}
    return {response.backend for response in responses}


def stays(edge: Edge, first: Response) -> bool:
    """Whether all further requests of this client go where the first one went."""
    return served_by(edge, cookie=cookie_of(first)) == {first.backend}


# --- a cookie of the edge's own ---


def test_the_cookie_is_set_once_and_followed_by_both_workers(
    edge: Edge, trio: dict[str, Backend]
) -> None:
    edge.serve(*specs(trio), workers=2, sticky=COOKIE)
    first = get(edge)
    assert "; Path=/; SameSite=Lax; HttpOnly" in first.headers["set-cookie"]
    assert first.headers["cache-control"] == "private"
    workers: set[str] = set()

    def both_have_followed_it() -> bool:
        again = get(edge, cookie=f"x=1; {cookie_of(first)}; y=2")
        told = again.json()["headers"]
        assert (again.backend, told["cookie"]) == (first.backend, "x=1; y=2")
        assert not {"set-cookie", "cache-control"} & again.headers.keys()
        workers.add(worker_of(told["x-request-id"]))
        return len(workers) == 2

    wait_until("both workers have answered", both_have_followed_it)
    assert "cookie" not in get(edge, cookie=cookie_of(first)).json()["headers"]


def test_clients_on_one_connection_to_the_backend_get_each_their_own(
    edge: Edge, backend: MakeBackend
) -> None:
    only = backend("a")
    edge.serve(only.spec(), workers=2, sticky=COOKIE)
    # The same head comes back for both: what is remembered of it must not be mixed up.
    with Client(edge.port) as known, Client(edge.port) as new:
        cookie = cookie_of(known.get())
        for _ in range(4):
            assert "set-cookie" not in known.get(cookie=cookie).headers
            assert cookie_of(new.get()) == cookie


def test_a_forged_cookie_is_replaced(edge: Edge, trio: dict[str, Backend]) -> None:
    edge.serve(*specs(trio), workers=2, sticky=COOKIE)
    response = get(edge, cookie="lb=AAAAAAAAAAAAAAAAAAAAAAAA")
    assert "cookie" not in response.json()["headers"]
    assert stays(edge, response)


def test_the_cookie_outlives_the_edge_and_is_good_at_another(
    start_edge: StartEdge, trio: dict[str, Backend]
) -> None:
    edge = start_edge(**SECRET)
    edge.serve(*specs(trio), sticky=COOKIE)
    first = get(edge)
    other = start_edge(beside=edge, **SECRET)
    other.wait_for(edge.number)
    assert stays(other, first)
    edge.stop()
    edge.start()
    edge.wait_for(edge.number)
    assert stays(edge, first)
    assert stays(edge, get(other))


def test_a_reload_keeps_clients(start_edge: StartEdge, trio: dict[str, Backend]) -> None:
    edge = start_edge(**SECRET)
    edge.serve(*specs(trio), sticky=COOKIE)
    first = get(edge)
    before = edge.workers
    edge.signal(signal.SIGHUP)
    wait_until("new workers serve", lambda: edge.workers and not set(edge.workers) & set(before))
    edge.wait_for(edge.number)
    assert stays(edge, first)


def test_the_lifetime_starts_again_with_each_response(edge: Edge, trio: dict[str, Backend]) -> None:
    policy = StickyPolicy(mode=StickyMode.COOKIE, name="S", lifetime=60)
    edge.serve(*specs(trio), workers=2, sticky=policy)
    first = get(edge)
    again = get(edge, cookie=cookie_of(first))
    assert again.headers["set-cookie"] == first.headers["set-cookie"]
    assert "; Max-Age=60;" in first.headers["set-cookie"]


# --- who keeps clients ---


@pytest.mark.parametrize(
    "change", [{"admin_state": AdminState.DRAINING}, {"weight": 0}, {"tier": 1}]
)
def test_who_gets_no_new_clients_keeps_those_it_has(
    edge: Edge, trio: dict[str, Backend], change: dict[str, Any]
) -> None:
    edge.serve(*specs(trio), workers=2, sticky=COOKIE)
    first = get(edge)
    edge.serve(*specs(trio, **{first.backend: change}), workers=2, sticky=COOKIE)
    assert stays(edge, first)
    assert served_by(edge) == set(trio) - {first.backend}


def test_who_is_in_maintenance_loses_clients(edge: Edge, trio: dict[str, Backend]) -> None:
    edge.serve(*specs(trio), workers=2, sticky=COOKIE)
    first = get(edge)
    out = {first.backend: {"admin_state": AdminState.MAINTENANCE}}
    edge.serve(*specs(trio, **out), workers=2, sticky=COOKIE)
    moved = get(edge, cookie=cookie_of(first))
    assert moved.backend != first.backend
    assert stays(edge, moved)


@pytest.mark.parametrize("draining", [False, True])
def test_who_is_unhealthy_loses_clients(
    edge: Edge, trio: dict[str, Backend], draining: bool
) -> None:
    edge.serve(*specs(trio), workers=2, sticky=COOKIE)
    first = get(edge)
    if draining:
        change = {first.backend: {"admin_state": AdminState.DRAINING}}
        edge.serve(*specs(trio, **change), workers=2, sticky=COOKIE)
    edge.say_health(trio[first.backend].spec(), HealthState.UNHEALTHY)
    wait_until(
        "both workers know",
        lambda: first.backend not in served_by(edge, cookie=cookie_of(first)),
    )
    moved = get(edge, cookie=cookie_of(first))
    assert moved.backend != first.backend
    assert stays(edge, moved)


def test_a_backend_that_cannot_be_reached_loses_the_client_in_the_same_request(
    edge: Edge, processes: list[BackendProcess]
) -> None:
    edge.serve(*(process.spec for process in processes), workers=2, sticky=COOKIE)
    first = get(edge)
    next(process for process in processes if process.spec.name == first.backend).kill()
    moved = get(edge, cookie=cookie_of(first))
    assert (moved.status, moved.backend != first.backend) == (200, True)
    assert stays(edge, moved)


def test_a_backend_that_is_gone_is_forgotten(edge: Edge, trio: dict[str, Backend]) -> None:
    edge.serve(*specs(trio), workers=2, sticky=COOKIE)
    first = get(edge)
    del trio[first.backend]
    edge.serve(*specs(trio), workers=2, sticky=COOKIE)
    assert stays(edge, get(edge, cookie=cookie_of(first)))


# --- kinds of messages ---


def raw(edge: Edge, request: bytes) -> bytes:
    """All that comes back until the edge closes."""
    with socket.create_connection(("127.0.0.1", edge.port), timeout=10) as sock:
        sock.sendall(request)
        received = b""
        while piece := sock.recv(65536):
            received += piece
        return received


@pytest.mark.parametrize("head", [b"GET / HTTP/1.0", b"HEAD / HTTP/1.0", b"POST / HTTP/1.0"])
def test_old_clients_and_heads_without_bodies_get_the_cookie(
    edge: Edge, trio: dict[str, Backend], head: bytes
) -> None:
    edge.serve(*specs(trio), workers=2, sticky=COOKIE)
    assert raw(edge, head + b"\r\n\r\n").count(b"\r\nSet-Cookie: lb=") == 1


def hinting(call: Call) -> None:
    call.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
    call.answer(b"done")


def test_an_interim_response_sets_no_cookie(edge: Edge, backend: MakeBackend) -> None:
    edge.serve(backend("a", script=hinting).spec(), workers=2, sticky=COOKIE)
    interim, _, final = raw(edge, request_bytes("GET", connection="close")).partition(
        b"HTTP/1.1 200"
    )
    assert b"103" in interim
    assert b"Set-Cookie" not in interim
    assert final.count(b"\r\nSet-Cookie: lb=") == 1


def switching(call: Call) -> None:
    call.send(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n")
    call.cut()


def test_a_tunnel_is_sticky_too(edge: Edge, backend: MakeBackend) -> None:
    edge.serve(backend("a", script=switching).spec(), workers=2, sticky=COOKIE)
    answer = raw(edge, request_bytes("GET", connection="Upgrade", upgrade="echo"))
    assert answer.startswith(b"HTTP/1.1 101")
    assert answer.count(b"\r\nSet-Cookie: lb=") == 1


def test_the_edges_own_answers_set_no_cookie(edge: Edge, processes: list[BackendProcess]) -> None:
    edge.serve(*(process.spec for process in processes), workers=2, sticky=COOKIE)
    for process in processes:
        process.kill()
    response = get(edge)
    assert response.status >= 500
    assert "set-cookie" not in response.headers


def test_it_goes_together_with_an_explanation(edge: Edge, trio: dict[str, Backend]) -> None:
    edge.serve(*specs(trio), workers=2, sticky=COOKIE)
    signed = DebugKey(SECRET["LB_SECRET_KEY"]).sign(int(time.time()) + 60)
    headers = get(edge, x_lb_debug=signed).headers
    assert {"set-cookie", "x-lb-explain"} <= headers.keys()


# --- what backends issue ---


class Sessions:
    """A backend that keeps sessions in its memory, and tells how often it has seen one."""

    def __init__(self, name: str, read: str, issue: str) -> None:
        """`read`: the request's field. `issue`: the response's line, for a new session."""
        self.name = name
        self.seen: dict[str, int] = {}
        self._read = read
        self._issue = issue
        self._numbers = count(1)

    def __call__(self, call: Call) -> None:
        session = call.headers.get(self._read, "")
        fields = f"X-Backend: {self.name}\r\n"
        if session not in self.seen:
            session = self._session(next(self._numbers))
            fields += self._issue.format(session)
        self.seen[session] = self.seen.get(session, 0) + 1
        call.answer(str(self.seen[session]).encode(), fields=fields)

    def _session(self, number: int) -> str:
        session = f"{self.name}-{number}"
        return f"JSESSIONID={session}" if self._read == "cookie" else session


def keep_sessions(
    edge: Edge, backend: MakeBackend, read: str, issue: str, policy: StickyPolicy
) -> None:
    script = [Sessions(name, read, issue) for name in "abc"]
    edge.serve(*(backend(one.name, script=one).spec() for one in script), workers=2, sticky=policy)


def test_a_session_in_a_cookie_of_the_backends_goes_on(edge: Edge, backend: MakeBackend) -> None:
    policy = StickyPolicy(mode=StickyMode.APP_COOKIE, name="JSESSIONID")
    keep_sessions(edge, backend, "cookie", "Set-Cookie: {}; Path=/; HttpOnly\r\n", policy)
    firsts = [get(edge) for _ in range(3)]
    for first in firsts:
        mark, _, session = cookie_of(first).removeprefix("JSESSIONID=").partition("~")
        assert len(mark) == 24
        assert session.startswith(first.backend)
        assert first.headers["set-cookie"].endswith("; Path=/; HttpOnly")
    for visit in range(2, 6):
        for first in firsts:
            again = get(edge, cookie=cookie_of(first))
            assert (again.backend, again.body) == (first.backend, str(visit).encode())


def test_a_session_in_a_header_field_goes_on(edge: Edge, backend: MakeBackend) -> None:
    policy = StickyPolicy(mode=StickyMode.HEADER, name="Mcp-Session-Id")
    keep_sessions(edge, backend, "mcp-session-id", "Mcp-Session-Id: {}\r\n", policy)
    firsts = [get(edge) for _ in range(3)]
    for visit in range(2, 6):
        for first in firsts:
            again = get(edge, mcp_session_id=first.headers["mcp-session-id"])
            assert (again.backend, again.body) == (first.backend, str(visit).encode())


# --- without a secret ---


def test_an_edge_without_the_secret_serves_and_says_what_is_missing(
    start_edge: StartEdge, trio: dict[str, Backend]
) -> None:
    edge = start_edge(LB_SECRET_KEY="")
    for _ in range(3):
        edge.serve(*specs(trio), sticky=COOKIE)
    response = get(edge, cookie="lb=x")
    assert (response.status, "set-cookie" in response.headers) == (200, False)
    assert response.json()["headers"]["cookie"] == "lb=x"
    message = "No stickiness in shop: this edge needs the LB_SECRET_KEY of the others."
    assert [report.error for report in edge.reports(edge.number)] == [message]
    assert edge.log.count(message) == 1
    edge.serve(*specs(trio))
    assert [report.error for report in edge.reports(edge.number)] == [""]
