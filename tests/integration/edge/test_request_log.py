"""What a running edge notes of its requests: so many and no more, and what went wrong all of it."""

import signal
import time
from collections.abc import Callable

import msgspec
import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIClient

from analytics.requests import store
from pool import bus
from pool.bus import RequestBatch, RequestNote
from pool.snapshot import LimitPolicy, PoolSpec, RetryPolicy, RouteSpec, TimeoutPolicy
from proxy.engine.request_log import BURST
from tests.integration.edge.harness.backend import Backend, Call
from tests.integration.edge.harness.client import Client, request_bytes
from tests.integration.edge.harness.load import Load
from tests.integration.edge.harness.processes import Edge
from tests.integration.edge.harness.scripts import DELAY, cut_short, slowly, stall
from tests.integration.edge.harness.waiting import wait_until

MakeBackend = Callable[..., Backend]
StartEdge = Callable[..., Edge]


class Log:
    """What is in the stream, each note once."""

    def __init__(self, edge: Edge) -> None:
        self._edge = edge

    def batches(self) -> list[RequestBatch]:
        entries = self._edge.redis.xrange(bus.REQUESTS_STREAM)
        decode = msgspec.msgpack.Decoder(RequestBatch).decode
        return [decode(fields[bus.REQUESTS_FIELD]) for _, fields in entries]

    def notes(self) -> list[RequestNote]:
        return [*{note.key: note for batch in self.batches() for note in batch.notes}.values()]

    def left_out(self) -> int:
        return sum(sum(batch.left_out.values()) for batch in self.batches())

    def of(self, path: str) -> RequestNote:
        """The note of the one request for `path`."""
        wait_until(f"{path} is noted", lambda: self._at(path))
        (note,) = self._at(path)
        return note

    def _at(self, path: str) -> list[RequestNote]:
        return [note for note in self.notes() if note.path == path]


@pytest.fixture(scope="module")
def _lasting(start_lasting_edge: StartEdge) -> Edge:
    return start_lasting_edge()


@pytest.fixture
def log(_lasting: Edge) -> Log:
    return Log(_lasting)


@pytest.fixture
def edge(_lasting: Edge) -> Edge:
    return _lasting


def test_a_request_with_all_that_is_told_of_it(edge: Edge, log: Log, backend: MakeBackend) -> None:
    slow = backend("slow", slowly)
    edge.serve(slow.spec())
    sent_at, begun = time.time(), time.monotonic()
    with Client(edge.port, source="127.0.0.9") as client:
        client.send(request_bytes("POST", "/all?token=s3cret", b"x" * 50, cookie="s3cret"))
        client.response()
    elapsed = (time.monotonic() - begun) * 1e6
    note = log.of("/all")
    assert note.request_id == slow.calls[0].headers["x-request-id"]
    assert (note.client, note.method, note.host) == ("127.0.0.9", "POST", "shop.test")
    assert (note.route_id, note.pool, note.backend, note.snapshot) == (
        1,
        "shop",
        "slow",
        edge.number,
    )
    assert (note.status, note.cause, note.attempts, note.notable) == (200, "complete", 1, False)
    assert abs(note.at / 1000 - sent_at) < elapsed / 1e6 + 0.002
    assert (note.queue, note.retries) == (0, 0)
    assert note.connect is not None
    assert note.connect > 0
    assert note.first_byte is not None
    assert note.first_byte >= DELAY * 1e6
    assert 2 * DELAY * 1e6 <= note.total <= elapsed
    assert b"s3cret" not in msgspec.msgpack.encode(log.batches())


def test_an_idle_connection_takes_no_time_to_make(
    edge: Edge, log: Log, backend: MakeBackend
) -> None:
    edge.serve(backend("a").spec())
    with Client(edge.port) as client:
        client.get("/first")
        client.get("/second")
    assert (log.of("/first").connect or 0) > 0
    assert log.of("/second").connect == 0


def test_a_wait_for_a_place_and_a_try_that_failed_are_told_apart(
    edge: Edge, log: Log, backend: MakeBackend
) -> None:
    def die_late(call: Call) -> None:
        time.sleep(DELAY)
        call.reset()

    slow = backend("slow", slowly)
    edge.serve(slow.spec(max_connections=1), limits=LimitPolicy(max_queue=1))
    with Client(edge.port) as first, Client(edge.port) as second:
        first.send(request_bytes("GET", "/first"))
        wait_until("it is served", lambda: slow.calls)
        second.get("/queued")
        first.response()
    queued = log.of("/queued")
    assert (queued.queue or 0) > 0
    assert (queued.first_byte or 0) >= DELAY * 1e6
    edge.serve(backend("dying", die_late).spec(), backend("alive").spec(), algorithm="round_robin")
    with Client(edge.port) as client:
        assert {client.get(f"/retried-{number}").status for number in range(2)} == {200}
    retried = max((log.of(f"/retried-{number}") for number in range(2)), key=lambda n: n.attempts)
    assert (retried.attempts, retried.backend, retried.notable) == (2, "alive", True)
    assert (retried.retries or 0) >= DELAY * 1e6


def test_a_second_try_beside_a_slow_one_is_no_failure(
    edge: Edge, log: Log, backend: MakeBackend
) -> None:
    slow, quick = backend("slow", stall), backend("quick")
    edge.serve(
        slow.spec(weight=1000), quick.spec(), retry=RetryPolicy(attempts=2, hedge_after=0.02)
    )
    with Client(edge.port) as client:
        assert client.get("/hedged").status == 200
    note = log.of("/hedged")
    assert (note.backend, note.attempts, note.notable) == ("quick", 2, False)
    assert (note.retries or 0) >= 18_000  # the loop's timers may be a millisecond early


@pytest.mark.parametrize(
    ("script", "status", "cause"),
    [
        (cut_short, 200, "response_cut"),
        (stall, 504, "response_timeout"),
        (Call.reset, 502, "backend_reset"),
    ],
)
def test_what_a_backend_does_wrong_is_found_by_the_id_that_the_client_has(
    edge: Edge,
    log: Log,
    backend: MakeBackend,
    script: Callable[[Call], None],
    status: int,
    cause: str,
) -> None:
    edge.serve(
        backend("bad", script).spec(),
        timeouts=TimeoutPolicy(response=1.0),
        retry=RetryPolicy(attempts=1),
    )
    with Client(edge.port) as client:
        answer = client.get(f"/{cause}")
    note = log.of(f"/{cause}")
    assert note.notable
    assert (note.status, note.cause, note.backend) == (status, cause, "bad")
    if status >= 500:
        assert note.request_id == answer.headers["x-request-id"]


def test_a_client_that_leaves_is_noted(edge: Edge, log: Log, backend: MakeBackend) -> None:
    a = backend("left", stall)
    edge.serve(a.spec())
    with Client(edge.port) as client:
        client.send(request_bytes("GET", "/left"))
        wait_until("the backend has it", lambda: a.calls)
        client.reset()
    note = log.of("/left")
    assert (note.status, note.cause, note.notable) == (499, "client_abort", True)
    assert note.first_byte is None


def test_what_the_edge_answers_itself_is_notable(
    edge: Edge, log: Log, backend: MakeBackend
) -> None:
    pool = PoolSpec(id=1, name="shop", backends=(backend("a").spec(),))
    pool = msgspec.structs.replace(pool, limits=LimitPolicy(max_body=10))
    routes = (
        RouteSpec(id=1, pool_id=1, path_prefix="/pool"),
        RouteSpec(id=2, pool_id=2, path_prefix="/empty"),
    )
    edge.publish((pool, PoolSpec(id=2, name="empty")), routes)
    with Client(edge.port) as client:
        answers = {path: client.get(path) for path in ("/nowhere", "/empty")}
        answers["/pool"] = client.request("POST", "/pool", b"x" * 11)
    with Client(edge.port) as client:
        malformed = client.get("bad target")
    for path, told in {
        "/nowhere": (404, "no_route", ""),
        "/empty": (503, "no_backend", "empty"),
        "/pool": (413, "body_too_large", "shop"),
    }.items():
        note = log.of(path)
        assert (note.status, note.cause, note.pool, note.notable) == (*told, True)
        assert note.request_id == answers[path].headers["x-request-id"]
        assert (note.backend, note.connect) == ("", None)
    wanted = malformed.headers["x-request-id"]
    wait_until("it is noted", lambda: any(note.request_id == wanted for note in log.notes()))
    (note,) = [note for note in log.notes() if note.request_id == wanted]
    assert (note.status, note.cause, note.path) == (400, "bad_request", "")


@pytest.mark.django_db
def test_the_id_that_a_client_was_told_finds_its_request_over_rest(
    edge: Edge, backend: MakeBackend
) -> None:
    dead = backend("dead")
    dead.stop()
    edge.serve(dead.spec())
    with Client(edge.port) as client:
        told = client.get("/lost?token=s3cret").headers["x-request-id"]
    rest = APIClient()
    rest.force_authenticate(User.objects.create_superuser("olga"))

    def found() -> bool:
        store.keep(edge.redis)
        return rest.get(f"/api/v1/reports/requests/{told}/").status_code == 200

    wait_until("it is found", found)
    row = rest.get(f"/api/v1/reports/requests/{told}/").json()
    assert (row["status"], row["cause"], row["backend"]) == (502, "connect_failed", "dead")
    assert row["path"] == "/lost"


# --- bounds ---


def test_under_load_no_more_is_noted_than_may_be(
    start_edge: StartEdge, backend: MakeBackend
) -> None:
    begun = time.monotonic()
    edge = start_edge(LB_REQUEST_LOG_PER_SECOND="4")

    def allowed() -> float:
        return 4 * (BURST + time.monotonic() - begun)

    edge.serve(backend("a").spec())
    with Load(edge.port, rate=600) as load:
        wait_until("many more are answered", lambda: load.answered > 5 * allowed())
    edge.stop()
    assert load.failures == []
    assert 4 * BURST <= len(Log(edge).notes()) <= allowed()


def test_every_error_is_noted_or_counted(start_edge: StartEdge, backend: MakeBackend) -> None:
    edge = start_edge(LB_REQUEST_LOG_PER_SECOND="0", LB_REQUEST_LOG_ERRORS_PER_SECOND="10")
    edge.serve(backend("bad", lambda call: call.answer(status="500 Oops")).spec())
    with Client(edge.port) as client:
        assert {client.get("/error").status for _ in range(200)} <= {500, 503}
    edge.stop()
    log = Log(edge)
    assert len(log.notes()) >= 10 * BURST
    assert log.left_out() > 0
    assert len(log.notes()) + log.left_out() == 200


def test_what_is_noted_while_redis_is_away_comes_when_it_is_back(
    start_edge: StartEdge, backend: MakeBackend
) -> None:
    edge = start_edge()
    edge.publish((), ())
    edge.redis_server.kill()
    with Client(edge.port) as client:
        wanted = {client.get("/nowhere").headers["x-request-id"] for _ in range(20)}
    edge.redis_server.start()
    log = Log(edge)
    wait_until("all arrive", lambda: len(log.notes()) == 20)
    assert wanted == {note.request_id for note in log.notes()}


def test_a_redis_that_hangs_slows_no_request(start_edge: StartEdge, backend: MakeBackend) -> None:
    edge = start_edge()
    edge.serve(backend("a").spec())
    edge.redis_server.process.send_signal(signal.SIGSTOP)
    with Load(edge.port) as load:
        load.go_on(1.5)
    edge.redis_server.process.send_signal(signal.SIGCONT)
    assert load.failures == []
    wait_until("what was noted arrives", lambda: len(Log(edge).notes()) >= 20)


def test_a_worker_that_leaves_sends_what_it_has(
    start_edge: StartEdge, backend: MakeBackend
) -> None:
    edge = start_edge()
    edge.serve(backend("a").spec())
    with Client(edge.port) as client:
        client.get("/last")
    edge.stop()
    assert [note.path for note in Log(edge).notes()] == ["/last"]
