"""Connections on both sides: kept, pipelined, half-closed, abandoned."""

import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress

import psutil

from pool.snapshot import TimeoutPolicy
from tests.integration.edge.harness.backend import Backend, Call
from tests.integration.edge.harness.client import Client, request_bytes
from tests.integration.edge.harness.load import Load
from tests.integration.edge.harness.processes import Edge
from tests.integration.edge.harness.waiting import wait_until

MakeBackend = Callable[..., Backend]


def test_connections_to_a_backend_are_kept_and_shared(edge: Edge, backend: MakeBackend) -> None:
    a = backend("a")
    edge.serve(a.spec())
    for _ in range(20):
        with Client(edge.port) as client:
            assert [client.get().status for _ in range(3)] == [200, 200, 200]
    assert (len(a.calls), a.connections) == (60, 1)


def test_no_more_connections_than_requests_at_a_time(edge: Edge, backend: MakeBackend) -> None:
    a = backend("a")
    edge.serve(a.spec())
    with Load(edge.port, threads=6) as load:
        load.go_on(0.5)
    assert load.failures == []
    assert a.connections <= 6


def test_a_backend_that_closes_after_each_answer_is_reconnected(
    edge: Edge, backend: MakeBackend
) -> None:
    def answer_and_close(call: Call) -> None:
        call.answer(b"bye", fields="Connection: close\r\n")
        call.cut()

    a = backend("a", answer_and_close)
    edge.serve(a.spec())
    with Client(edge.port) as client:
        answers = [client.get() for _ in range(5)]
        assert {(answer.status, answer.closes) for answer in answers} == {(200, False)}
    assert a.connections == 5


def test_200_requests_in_one_write_are_answered_in_order(edge: Edge, backend: MakeBackend) -> None:
    edge.serve(*(backend(name).spec() for name in "abc"))
    with Client(edge.port) as client:
        client.send(b"".join(request_bytes("GET", f"/{number}") for number in range(200)))
        targets = [client.response().json()["target"] for _ in range(200)]
    assert targets == [f"/{number}" for number in range(200)]


def test_pipelined_bodies_are_kept_apart(edge: Edge, backend: MakeBackend) -> None:
    edge.serve(backend("a").spec())
    with Client(edge.port) as client:
        bodies = [b"x" * size for size in (0, 1, 70_000, 3, 0, 100_000)]
        requests = b"".join(request_bytes("POST", "/", body) for body in bodies)
        sender = threading.Thread(target=client.send, args=(requests,))
        sender.start()
        assert [client.response().json()["size"] for _ in bodies] == [len(body) for body in bodies]
        sender.join(5)


def test_a_pipeline_longer_than_the_edge_holds_is_answered(
    edge: Edge, backend: MakeBackend
) -> None:
    edge.serve(backend("a").spec())
    padding = "x" * 4000
    with Client(edge.port) as client:
        requests = request_bytes("GET", "/", x_padding=padding) * 100
        sender = threading.Thread(target=client.send, args=(requests,))
        sender.start()
        assert {client.response().status for _ in range(100)} == {200}
        sender.join(5)


def test_a_client_that_closes_its_half_still_gets_its_answers(
    edge: Edge, backend: MakeBackend
) -> None:
    edge.serve(backend("a").spec())
    with Client(edge.port) as client:
        client.send(request_bytes("GET", "/1") + request_bytes("GET", "/2"))
        client.sock.shutdown(socket.SHUT_WR)
        assert [client.response().json()["target"] for _ in range(2)] == ["/1", "/2"]
        assert client.ends()


def test_connection_close_is_obeyed(edge: Edge, backend: MakeBackend) -> None:
    edge.serve(backend("a").spec())
    with Client(edge.port) as client:
        assert client.get(connection="close").closes
        assert client.ends()


def test_a_client_that_leaves_before_the_answer_is_no_error_of_the_backend(
    edge: Edge, backend: MakeBackend
) -> None:
    left = threading.Event()

    def wait_for_client(call: Call) -> None:
        if call.client_has_left:
            left.set()

    a = backend("left", wait_for_client)
    edge.serve(a.spec())
    with Client(edge.port) as client:
        client.send(request_bytes("GET"))
        wait_until("the backend has it", lambda: a.calls)
        client.reset()
    assert left.wait(20), "the edge keeps a request alive that nobody waits for"
    wait_until("it is counted", lambda: sum(row.requests for row in edge.rows_of(a)) == 1)
    rows = edge.rows_of(a)
    assert sum(row.client_aborts for row in rows) == 1
    assert sum(row.errors for row in rows) == 0


def test_a_client_that_leaves_in_the_middle_of_its_answer_frees_the_backend(
    edge: Edge, backend: MakeBackend
) -> None:
    cut_off = threading.Event()

    def pour(call: Call) -> None:
        call.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        try:
            while True:
                call.send(b"4000\r\n" + bytes(0x4000) + b"\r\n")
        except OSError:
            cut_off.set()

    edge.serve(backend("a", pour).spec())
    with Client(edge.port) as client:
        client.send(request_bytes("GET"))
        assert client.head()[0] == 200
        client.stream.read(200_000)
    assert cut_off.wait(20)


def test_a_client_that_leaves_in_the_middle_of_its_body_leaves_no_half_request(
    edge: Edge, backend: MakeBackend
) -> None:
    a = backend("a")
    edge.serve(a.spec())
    with Client(edge.port) as client:
        client.send(request_bytes("POST", "/", b"x" * 1000)[:-500])
        wait_until("the backend has the head", lambda: a.calls)
    wait_until("its connection is gone", lambda: not a.open_connections)
    with Client(edge.port) as client:
        assert client.get().status == 200


def test_clients_that_leave_while_the_edge_connects_leave_nothing_behind(
    edge: Edge, backend: MakeBackend
) -> None:
    """An address that does not answer: the backlog of its listener is full."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        port = full.getsockname()[1]
        fillers = [socket.socket() for _ in range(3)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        a = backend("full")
        edge.serve(a.spec(url=f"http://127.0.0.1:{port}"), timeouts=TimeoutPolicy(connect=60.0))
        for _ in range(5):
            with Client(edge.port) as client:
                client.send(request_bytes("GET"))
                wait_until("the edge connects", lambda: connections(edge, port) == 1)
                client.reset()
            wait_until("it has given up", lambda: connections(edge, port) == 0)
        for filler in fillers:
            filler.close()
    edge.serve(a.spec())
    with Client(edge.port) as client:
        assert client.get().status == 200
    wait_until("they are counted", lambda: sum(r.client_aborts for r in edge.rows_of(a)) == 5)


def connections(edge: Edge, port: int) -> int:
    """How many the edge has to the port, or is making."""
    (worker,) = edge.workers
    every = psutil.Process(worker).net_connections("tcp")
    return sum(bool(one.raddr) and one.raddr.port == port for one in every)


def test_keep_alive_goes_on_after_head_204_and_304(edge: Edge, backend: MakeBackend) -> None:
    def answer(call: Call) -> None:
        if call.target == "/304":
            call.send(b'HTTP/1.1 304 Not Modified\r\nETag: "x"\r\nContent-Length: 5\r\n\r\n')
        elif call.target == "/204":
            call.send(b"HTTP/1.1 204 No Content\r\n\r\n")
        else:
            call.answer(b"hello")

    a = backend("a", answer)
    edge.serve(a.spec())
    with Client(edge.port) as client:
        assert client.request("HEAD", "/").headers["content-length"] == "5"
        assert client.get("/204").status == 204
        assert client.get("/304").headers["etag"] == '"x"'
        assert client.get("/").body == b"hello"
    assert a.connections == 1


def test_an_answer_before_the_body_has_ended_reaches_the_client(
    edge: Edge, backend: MakeBackend
) -> None:
    def refuse(call: Call) -> None:
        call.answer(b"too large", status="413 Content Too Large")

    a = backend("a", refuse)
    edge.serve(a.spec())
    with Client(edge.port) as client:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000\r\n\r\nbegin")
        answer = client.response()
        assert (answer.status, answer.body, answer.closes) == (413, b"too large", True)
    with Client(edge.port) as client:
        assert client.get().status == 413


def test_a_refusal_reaches_the_client_although_the_backend_leaves_in_the_middle_of_the_body(
    edge: Edge, backend: MakeBackend
) -> None:
    """Closing with bytes unread resets the connection: a write may meet that before a read does."""

    def refuse_and_leave(call: Call) -> None:
        call.answer(b"too large", status="413 Content Too Large", fields="Connection: close\r\n")
        call.leave()

    edge.serve(backend("leaving", refuse_and_leave).spec())
    upload = request_bytes("POST", "/", bytes(3_000_000))
    for _ in range(40):
        with Client(edge.port) as client:
            sender = threading.Thread(target=send_in_vain, args=(client, upload), daemon=True)
            sender.start()
            answer = client.response()
            sender.join(5)
        assert (answer.status, answer.body) == (413, b"too large")


def send_in_vain(client: Client, data: bytes) -> None:
    with suppress(OSError):
        client.send(data)


def test_a_refusal_is_there_for_a_client_that_sends_all_before_it_reads(
    edge: Edge, backend: MakeBackend
) -> None:
    edge.serve(backend("a", lambda call: call.answer(b"no", status="413 No")).spec())
    piece = bytes(10_000)
    with Client(edge.port) as client:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000\r\n\r\n")
        for _ in range(8):  # for longer than a silent client is given
            client.send(piece)
            time.sleep(0.4)
        assert client.response().status == 413


def test_after_an_early_answer_the_rest_of_the_connection_is_never_taken_for_a_request(
    edge: Edge, backend: MakeBackend
) -> None:
    seen = threading.Event()

    def answer_early(call: Call) -> None:
        call.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nearly")
        for _ in call.body():
            pass
        assert seen.wait(20)
        call.send(b" late")

    a = backend("a", answer_early)
    edge.serve(a.spec())
    with Client(edge.port) as client:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nbegin")
        status, headers = client.head()
        assert (status, headers["connection"], client.stream.read(5)) == (200, "close", b"early")
        client.send(b"ended" + request_bytes("GET", "/next"))
        seen.set()
        assert client.stream.read(5) == b" late"
        assert client.ends()
    assert [call.target for call in a.calls] == ["/"]


def test_an_http_1_0_client_gets_a_plain_body_and_the_end(edge: Edge, backend: MakeBackend) -> None:
    def chunked(call: Call) -> None:
        call.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        call.send(b"5\r\nhello\r\n")
        call.send(b"6\r\n world\r\n0\r\n\r\n")

    edge.serve(backend("a", chunked).spec())
    with Client(edge.port) as client:
        client.send(b"GET / HTTP/1.0\r\n\r\n")
        answer = client.response()
        assert "transfer-encoding" not in answer.headers
        assert answer.body == b"hello world"


def test_an_http_1_0_client_that_asks_for_it_is_kept(edge: Edge, backend: MakeBackend) -> None:
    edge.serve(backend("a").spec())
    with Client(edge.port) as client:
        for _ in range(3):
            client.send(b"GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n")
            answer = client.response()
            assert (answer.status, answer.headers["connection"]) == (200, "keep-alive")


def test_a_backend_is_told_of_the_client(edge: Edge, backend: MakeBackend) -> None:
    edge.serve(backend("a").spec())
    with Client(edge.port) as client:
        answer = client.get("/path?query", x_forwarded_for="6.6.6.6", connection="x-hop", x_hop="1")
    headers = answer.json()["headers"]
    assert headers["host"] == "shop.test"
    assert headers["x-forwarded-for"] == "127.0.0.1"
    assert headers["x-forwarded-proto"] == "http"
    assert headers["via"] == "1.1 lbsite"
    assert headers["x-request-id"]
    assert "x-hop" not in headers
