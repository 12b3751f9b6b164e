"""The pools behind a URL of a Django project, under gunicorn, over real backends."""

import json
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from pool import bus
from pool.bus import HealthChange, HealthStatus
from pool.choices import CircuitState, HealthState, StickyMode
from pool.circuits.records import Circuit, CircuitChange
from pool.outliers.records import Ejection, Ejections
from pool.snapshot import (
    CircuitPolicy,
    HeaderPolicy,
    LimitPolicy,
    OutlierPolicy,
    PoolSpec,
    RetryPolicy,
    StickyPolicy,
    TimeoutPolicy,
    build,
    encode,
)
from proxy.stores.timing import REREAD_INTERVAL
from tests.integration.edge.harness.backend import Backend, Call
from tests.integration.edge.harness.scripts import reset
from tests.integration.edge.harness.waiting import wait_until
from tests.integration.web import Answer, Web, start_webs

Make = Callable[..., Backend]
TRIPPING = CircuitPolicy(threshold=2, open_time=3.0, permits=1, successes=1, max_open=100)

PROJECT = """
from django.conf import settings
from django.urls import include, path
import os
settings.configure(
    SECRET_KEY="x" * 50, ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, USE_TZ=True,
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "pool", "proxy"],
    LB_REDIS_URL=os.environ["LB_REDIS_URL"], LB_PROXY_VIEW="public",
)
urlpatterns = [path("balanced/", include("proxy.urls"))]
from django.core.wsgi import get_wsgi_application
application = get_wsgi_application()
"""


@pytest.fixture(scope="module")
def start_web() -> Iterator[Callable[..., Web]]:
    with start_webs() as start:
        yield start


@pytest.fixture(scope="module")
def web(start_web: Callable[..., Web]) -> Web:
    return start_web()


# --- what goes through ---


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_every_method_is_forwarded_without_the_pools_name(
    web: Web, backend: Make, method: str
) -> None:
    web.serve(backend())
    body = b"x" * 100 if method in ("POST", "PUT", "PATCH") else None
    told = web.ask(method, "/lb/shop/a%20b/c?d=%2F&e", body).json()
    assert (told["method"], told["target"]) == (method, "/a%20b/c?d=%2F&e")
    assert told["size"] == len(body or b"")


def test_head_has_the_fields_and_no_body(web: Web, backend: Make) -> None:
    web.serve(backend("a", lambda call: call.answer(b"12345")))
    answer = web.ask("HEAD")
    assert (answer.status, answer.headers["content-length"], answer.body) == (200, "5", b"")


def test_backends_take_turns(web: Web, backend: Make) -> None:
    web.serve(backend("a"), backend("b"), algorithm="round_robin")
    assert sorted(web.ask().json()["backend"] for _ in range(6)) == ["a", "a", "a", "b", "b", "b"]


def test_the_backend_is_told_of_the_client_and_not_of_hop_by_hop_fields(
    web: Web, backend: Make
) -> None:
    web.serve(backend())
    told = web.ask(
        X_Forwarded_For="192.0.2.1",
        X_Real_Ip="192.0.2.1",
        Keep_Alive="5",
        Connection="X-Hop",
        X_Hop="1",
        X_Own="2",
    ).json()["headers"]
    assert told["x-forwarded-for"] == "127.0.0.1"
    assert told["x-forwarded-prefix"] == "/lb/shop"
    assert told["x-forwarded-proto"] == "http"
    assert told["host"] == told["x-forwarded-host"]
    assert "lbsite" in told["via"]
    assert told["x-own"] == "2"
    assert not {"keep-alive", "x-hop", "x-real-ip", "user-agent"} & told.keys()


@pytest.mark.parametrize("parent", ["00-" + "1" * 32 + "-" + "2" * 16 + "-01", "ff-xyz"])
def test_the_trace_context_passes_untouched(web: Web, backend: Make, parent: str) -> None:
    web.serve(backend())
    told = web.ask(Traceparent=parent, Tracestate="rojo=00f067aa0ba902b7,congo=t61").json()
    assert told["headers"]["traceparent"] == parent
    assert told["headers"]["tracestate"] == "rojo=00f067aa0ba902b7,congo=t61"


def test_backends_neither_see_nor_set_the_sites_own_cookies(web: Web, backend: Make) -> None:
    def answer(call: Call) -> None:
        names = ("lbsite_session", "one", "=lbsite_session", " = lbsite_csrf ", "two")
        cookies = "".join(f"Set-Cookie: {name}=evil\r\n" for name in names)
        call.answer(json.dumps(call.headers).encode(), fields=cookies)

    web.serve(backend("a", answer))
    answered = web.ask(Cookie=f"a=1; lbsite_session=secret; b=2; lbsite_csrf={'c' * 32}")
    assert answered.json()["cookie"] == "a=1; b=2"
    assert [value for _, value in answered.fields if "evil" in value] == ["one=evil", "two=evil"]
    assert "cookie" not in web.ask(Cookie="lbsite_session=secret").json()


def test_fields_of_the_response_are_passed_on_once(web: Web, backend: Make) -> None:
    fields = "Vary: Accept\r\nVary: Accept-Language\r\nServer: own\r\nDate: then\r\nX-A: \xe9\r\n"
    script = "Keep-Alive: 5\r\nConnection: X-Hop\r\nX-Hop: 1\r\n"
    web.serve(backend("a", lambda call: call.answer(fields=fields + script)))
    answer = web.ask()
    names = [name for name, _ in answer.fields]
    assert len(names) == len(set(names))
    assert "Accept, Accept-Language" in answer.headers["vary"]
    assert not {"keep-alive", "x-hop"} & set(names)


@pytest.mark.parametrize("size", [1000, 5_000_000])
def test_large_bodies_stream_both_ways(web: Web, backend: Make, size: int) -> None:
    def echo(call: Call) -> None:
        total = sum(len(piece) for piece in call.body())
        call.answer(b"y" * total)

    web.serve(backend("a", echo))
    answer = web.ask("POST", body=b"x" * size)
    assert answer.body == b"y" * size


def test_a_chunked_body_is_passed_on(web: Web, backend: Make) -> None:
    a = backend()
    web.serve(a)
    with closing(web.connect()) as connection:
        pieces = iter([b"one", b"two" * 1000])
        connection.request("POST", "/lb/shop/", pieces, encode_chunked=True)
        assert Answer(connection.getresponse()).json()["size"] == 3003
    assert "content-length" not in a.calls[-1].headers


def test_a_response_is_passed_on_as_it_comes(web: Web, backend: Make) -> None:
    go_on = threading.Event()

    def dribble(call: Call) -> None:
        call.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
        if call.method == "GET":
            go_on.wait(10)
        call.send(b"4\r\nlast\r\n0\r\n\r\n")

    web.serve(backend("a", dribble))
    with closing(web.connect()) as connection:
        connection.request("GET", "/lb/shop/")
        response = connection.getresponse()
        assert response.read1() == b"first"
        go_on.set()
        assert response.read() == b"last"


def test_the_time_for_a_try_is_not_the_time_between_two_pieces(web: Web, backend: Make) -> None:
    def pause(call: Call) -> None:
        call.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\nfirst")
        if call.method == "GET":
            time.sleep(1.2)  # longer than both of its times
        call.send(b"last")

    policies = {"retry": RetryPolicy(try_timeout=1.0), "timeouts": TimeoutPolicy(response=1.0)}
    web.serve(backend("a", pause), **policies)
    assert web.ask().body == b"firstlast"


def test_a_response_that_stops_is_broken_off(web: Web, backend: Make) -> None:
    def stop(call: Call) -> None:
        if call.method == "OPTIONS":
            return call.answer()
        call.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nfirst")
        assert call.client_has_left
        return None

    web.serve(backend("a", stop), timeouts=TimeoutPolicy(idle=0.2))
    assert not web.ask().complete


@pytest.mark.parametrize("begun", [b"5\r\nfirst\r\n", b""])
def test_a_response_that_breaks_off_never_looks_complete(
    begun: bytes, web: Web, backend: Make
) -> None:
    def break_off(call: Call) -> None:
        if call.method == "OPTIONS":
            return call.answer()
        call.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + begun)
        return call.cut()

    web.serve(backend("a", break_off))
    answer = web.ask()
    assert (answer.status, answer.complete) == (200, False)


def test_interim_responses_are_passed_over(web: Web, backend: Make) -> None:
    def hint(call: Call) -> None:
        call.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
        call.answer(call.target.encode())

    web.serve(backend("a", hint))
    answers = [web.ask(target=f"/lb/shop/{number}") for number in range(3)]
    assert [(one.status, one.body) for one in answers] == [(200, b"/0"), (200, b"/1"), (200, b"/2")]


def test_compressed_content_is_passed_on_as_it_is(web: Web, backend: Make) -> None:
    web.serve(
        backend("a", lambda call: call.answer(b"\x1f\x8bxx", fields="Content-Encoding: gzip\r\n"))
    )
    answer = web.ask(Accept_Encoding="gzip")
    assert (answer.headers["content-encoding"], answer.body) == ("gzip", b"\x1f\x8bxx")


def test_a_client_that_sticks_comes_back(web: Web, backend: Make) -> None:
    web.serve(backend("a"), backend("b"), sticky=StickyPolicy(mode=StickyMode.COOKIE, name="lb"))
    first = web.ask()
    mark = first.headers["set-cookie"].partition(";")[0]
    told = [web.ask(Cookie=mark).json() for _ in range(4)]
    assert {one["backend"] for one in told} == {first.json()["backend"]}
    assert "cookie" not in told[0]["headers"]


def test_a_backend_on_a_unix_socket_is_reached(web: Web, backend: Make, tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="lb-") as folder:
        web.serve(backend("here", path=f"{folder}/a.sock"))
        assert web.ask().json()["backend"] == "here"


@pytest.mark.parametrize("told", [True, False])
def test_clients_are_told_the_request_id_where_the_pool_says_so(
    web: Web, backend: Make, told: bool
) -> None:
    web.serve(
        backend(
            "a", lambda call: call.answer(fields=f"X-Seen: {call.headers['x-request-id']}\r\n")
        ),
        headers=HeaderPolicy(request_id=told),
    )
    answer = web.ask()
    assert ("x-request-id" in answer.headers) is told
    assert answer.headers.get("x-request-id", answer.headers["x-seen"]) == answer.headers["x-seen"]


def test_a_backends_own_request_id_gives_way(web: Web, backend: Make) -> None:
    own = backend("a", lambda call: call.answer(fields="X-Request-ID: own\r\n"))
    web.serve(own, headers=HeaderPolicy(request_id=True))
    found = [value for name, value in web.ask().fields if name == "x-request-id"]
    assert found == [own.calls[-1].headers["x-request-id"]]


# --- failures ---


def test_a_backend_that_refuses_is_left_for_another(web: Web, backend: Make) -> None:
    a, b = backend("a"), backend("b")
    web.serve(a, b)
    a.stop()
    for method in ("GET", "POST"):
        assert {web.ask(method, body=b"x").json()["backend"] for _ in range(3)} == {"b"}


def test_a_reset_sends_a_get_elsewhere_but_no_post(web: Web, backend: Make) -> None:
    a, b = backend("a"), backend("b")
    web.serve(a, b, algorithm="round_robin", circuit=CircuitPolicy(mode="off"))
    a.script = reset
    assert {web.ask().json()["backend"] for _ in range(4)} == {"b"}
    a.calls.clear()
    assert sorted(web.ask("POST", body=b"x").status for _ in range(4)) == [200, 200, 502, 502]
    assert len(a.calls) == 2


def test_statuses_are_those_of_the_edge(web: Web, backend: Make) -> None:
    a = backend()
    web.serve(a, timeouts=TimeoutPolicy(response=1.0), limits=LimitPolicy(max_body=10))
    assert web.ask("POST", body=b"x" * 11).status == 413
    assert web.ask(target="/lb/other/").status == 404
    assert web.ask(target="/lb/shop/a/%2e%2e/b").status == 400
    a.script = lambda call: bool(call.client_has_left)  # type: ignore[assignment]
    assert web.ask("POST").status == 504
    a.script = lambda call: call.send(b"nonsense\r\n\r\n")
    assert web.ask("POST").status == 502
    a.stop()
    answer = web.ask(Accept="application/json")
    assert answer.status == 502
    assert answer.headers["content-type"] == "application/problem+json"
    assert str(a.port).encode() not in answer.body


def test_statuses_that_the_pool_tries_again_are(web: Web, backend: Make) -> None:
    def busy(call: Call) -> None:
        call.answer(b"busy", status="503 Busy")

    a, b = backend("a"), backend("b")
    web.serve(a, b, retry=RetryPolicy(on_statuses="503"), circuit=CircuitPolicy(mode="off"))
    a.script = busy
    assert {web.ask().status for _ in range(4)} == {200}
    b.script = busy
    answer = web.ask()
    assert (answer.status, answer.body) == (503, b"busy")


def test_circuits_are_shared_through_redis(web: Web, backend: Make) -> None:
    a, b = backend("a"), backend("b")
    web.serve(a, b, circuit=TRIPPING)
    a.script = lambda call: call.answer(status="500 Broken")
    wait_until("it opens", lambda: web.ask() and web.circuit(a).state is not CircuitState.CLOSED)
    assert web.circuit(a).state is CircuitState.OPEN
    a.calls.clear()
    assert {web.ask().json()["backend"] for _ in range(4)} == {"b"}
    assert not a.calls
    a.script = a.echo
    wait_until("it is tried", lambda: web.ask().json()["backend"] == "a")
    wait_until("all know", lambda: web.circuit(a).state is CircuitState.CLOSED)


def test_what_others_have_found_is_heard(web: Web, backend: Make) -> None:
    a, b = backend("a"), backend("b")
    web.serve(a, b)
    status = HealthStatus(state=HealthState.UNHEALTHY, since=time.time())
    web.redis.hset(bus.HEALTH_KEY, str(a.id), msgspec.json.encode(status))
    wait_until("a is left alone", lambda: {web.ask().json()["backend"] for _ in range(4)} == {"b"})
    circuit = Circuit(state=CircuitState.FORCED_OPEN, generation=5, since=time.time())
    web.redis.hset(bus.CIRCUITS_KEY, str(b.id), msgspec.json.encode(circuit))
    # In panic a backend that is said to be ill is asked, and no circuit is passed over.
    wait_until("b is left alone", lambda: {web.ask().json()["backend"] for _ in range(4)} == {"a"})


def test_what_is_announced_is_taken_up_soon(web: Web, backend: Make) -> None:
    a, b = backend("a"), backend("b")
    web.serve(a, b)

    def tell(state: HealthState) -> None:
        status = HealthStatus(state=state, since=time.time())
        change = HealthChange(backend_id=a.id, status=status)
        web.redis.hset(bus.HEALTH_KEY, str(a.id), msgspec.json.encode(status))
        web.redis.publish(bus.HEALTH_CHANNEL, msgspec.json.encode(change))

    def serving() -> set[str]:
        return {web.ask().json()["backend"] for _ in range(4)}

    patience = time.monotonic() + 2 * REREAD_INTERVAL  # a change that is only read takes one
    for _ in range(4):
        tell(HealthState.UNHEALTHY)
        wait_until("a is left", lambda: serving() == {"b"}, patience - time.monotonic())
        tell(HealthState.HEALTHY)
        wait_until("a is back", lambda: serving() == {"a", "b"}, patience - time.monotonic())
    # This one is nowhere but in the announcement.
    circuit = Circuit(state=CircuitState.FORCED_OPEN, generation=5, since=time.time())
    change = CircuitChange(backend_id=a.id, circuit=circuit)
    web.redis.publish(bus.CIRCUIT_CHANNEL, msgspec.json.encode(change))
    wait_until("the circuit is open", lambda: serving() == {"b"})


def test_who_edges_have_ejected_is_left_alone(web: Web, backend: Make) -> None:
    a, b = backend("a"), backend("b")
    web.serve(a, b, outlier=OutlierPolicy(enabled=True))
    now = time.time()
    out = Ejection(since=now, until=now + 60, times=1, cause="5 failures in a row")
    web.redis.hset(bus.EJECTIONS_KEY, "1", msgspec.json.encode(Ejections(by_id={a.id: out})))
    web.redis.publish(bus.EJECTIONS_CHANNEL, b"")
    wait_until("a is left alone", lambda: {web.ask().json()["backend"] for _ in range(4)} == {"b"})
    web.redis.delete(bus.EJECTIONS_KEY)
    web.redis.publish(bus.EJECTIONS_CHANNEL, b"")
    wait_until("a is back", lambda: {web.ask().json()["backend"] for _ in range(4)} == {"a", "b"})


def test_started_without_redis_it_says_that_it_cannot_serve_yet(
    start_web: Callable[..., Web], backend: Make
) -> None:
    web = start_web()
    web.redis_server.kill()
    answer = web.ask()
    assert (answer.status, answer.headers["retry-after"]) == (503, "5")
    web.redis_server.start()
    web.serve(backend("a"))
    assert web.ask().status == 200
    assert web.ask(target="/lb/other/").status == 404


def test_without_redis_the_last_configuration_runs_on(
    start_web: Callable[..., Web], backend: Make
) -> None:
    web = start_web()
    a, b = backend("a"), backend("b")
    web.serve(a, b, circuit=TRIPPING)
    web.redis_server.kill()
    assert sorted({web.ask().json()["backend"] for _ in range(6)}) == ["a", "b"]
    a.script = lambda call: call.answer(status="500 Broken")

    def all_well() -> bool:
        return {web.ask().status for _ in range(4)} == {200}

    wait_until("the circuit opens nevertheless", all_well)


# --- who may ---


def test_it_is_off_unless_it_is_turned_on(start_web: Callable[..., Web], backend: Make) -> None:
    web = start_web(access="")
    assert web.ask().status == 404


def test_staff_alone_may_use_it_if_so_set(start_web: Callable[..., Web], backend: Make) -> None:
    assert start_web(access="staff").ask("POST").status in (302, 403)


def test_a_project_of_ones_own_hooks_it_in_where_it_likes(
    start_web: Callable[..., Web], backend: Make
) -> None:
    web = start_web(project=PROJECT)
    a = backend()
    pool = PoolSpec(id=1, name="shop", backends=(a.spec(),))
    web.redis.set(bus.SNAPSHOT_KEY, encode(build(1, (pool,), ())))
    wait_until("it is served", lambda: web.ask(target="/balanced/shop/x").status == 200)
    told = web.ask("POST", "/balanced/shop/x", b"abc").json()
    assert (told["target"], told["size"]) == ("/x", 3)
    assert told["headers"]["x-forwarded-prefix"] == "/balanced/shop"
