"""Connections that leave HTTP: WebSocket and its like."""

import base64
import os
import socket
import threading
import time
from collections.abc import Callable

import pytest

from pool.snapshot import TimeoutPolicy
from tests.integration.edge.harness.backend import Backend, Call
from tests.integration.edge.harness.client import Client, request_bytes
from tests.integration.edge.harness.processes import Edge
from tests.integration.edge.harness.waiting import wait_until

MakeBackend = Callable[..., Backend]
HANDSHAKE = (
    b"GET /chat HTTP/1.1\r\nHost: shop.test\r\nConnection: keep-alive, Upgrade\r\n"
    b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %b\r\n\r\n"
)


def parrot(call: Call) -> None:
    """Switch, greet, and send everything back in capitals until the other side ends."""
    assert call.headers["upgrade"] == "websocket"
    call.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n")
    call.send(b"Sec-WebSocket-Accept: yes\r\n\r\nhello")
    while data := call.receive():
        call.send(data.upper())
    call.send(b"bye")
    call.cut()


def shake_hands(client: Client) -> None:
    client.send(HANDSHAKE % base64.b64encode(os.urandom(16)))
    status, headers = client.head()
    assert (status, headers["upgrade"]) == (101, "websocket")
    assert headers["connection"].lower() == "upgrade"
    assert headers["sec-websocket-accept"] == "yes"
    assert client.stream.read(5) == b"hello"


def say(client: Client, data: bytes) -> None:
    client.send(data)
    assert client.stream.read(len(data)) == data.upper()


def test_bytes_pass_both_ways_at_once(edge: Edge, backend: MakeBackend) -> None:
    edge.serve(backend("a", parrot).spec())
    with Client(edge.port) as client:
        shake_hands(client)
        for data in (b"\x81\x85abcde", b"x", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"):
            say(client, data)


def test_large_messages_pass_both_ways(edge: Edge, backend: MakeBackend) -> None:
    edge.serve(backend("a", parrot).spec())
    data = b"abcdefgh" * (1 << 19)
    with Client(edge.port) as client:
        shake_hands(client)
        sender = threading.Thread(target=client.send, args=(data,), daemon=True)
        sender.start()
        assert client.stream.read(len(data)) == data.upper()
        sender.join(5)


def test_what_is_sent_before_the_switch_reaches_the_other_side(
    edge: Edge, backend: MakeBackend
) -> None:
    edge.serve(backend("a", parrot).spec())
    with Client(edge.port) as client:
        client.send(HANDSHAKE % b"eager" + b"early")
        assert client.head()[0] == 101
        assert client.stream.read(10) == b"helloEARLY"


def test_the_end_of_one_half_is_passed_on(edge: Edge, backend: MakeBackend) -> None:
    edge.serve(backend("a", parrot).spec())
    with Client(edge.port) as client:
        shake_hands(client)
        client.sock.shutdown(socket.SHUT_WR)
        assert client.stream.read() == b"bye"


def test_the_backends_end_ends_the_connection(edge: Edge, backend: MakeBackend) -> None:
    def switch_and_end(call: Call) -> None:
        call.send(b"HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello")
        call.cut()

    edge.serve(backend("a", switch_and_end).spec())
    with Client(edge.port) as client:
        client.send(HANDSHAKE % b"x")
        assert client.head()[0] == 101
        assert client.stream.read() == b"hello"


def test_a_backend_that_declines_answers_as_ever(edge: Edge, backend: MakeBackend) -> None:
    edge.serve(backend("a").spec())
    with Client(edge.port) as client:
        for _ in range(2):
            client.send(HANDSHAKE % b"x")
            assert client.response().status == 200


@pytest.mark.parametrize(
    "fields", ["Connection: Upgrade\r\nUpgrade: other\r\n", "Connection: Upgrade\r\n"]
)
def test_a_switch_to_what_was_not_asked_for_is_a_502(
    edge: Edge, backend: MakeBackend, fields: str
) -> None:
    def switch(call: Call) -> None:
        call.send(f"HTTP/1.1 101 Switching Protocols\r\n{fields}\r\n".encode())

    edge.serve(backend("a", switch).spec())
    with Client(edge.port) as client:
        client.send(HANDSHAKE % b"x")
        assert client.response().status == 502


def test_what_follows_a_refused_switch_reaches_nobody(edge: Edge, backend: MakeBackend) -> None:
    """Neither as this answer nor as the next one, on this connection or another."""

    def switch(call: Call) -> None:
        if call.target == "/chat":
            call.send(b"HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: other\r\n\r\n")
            call.send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged" * 2)
            assert call.client_has_left
        else:
            call.answer(b"honest")

    a = backend("a", switch)
    edge.serve(a.spec())
    with Client(edge.port) as client:
        for _ in range(3):
            client.send(HANDSHAKE % b"x" + request_bytes("GET", "/"))
            assert client.response().status == 502
            assert client.response().body == b"honest"
    assert a.connections >= 4


def test_a_tunnel_is_in_flight_until_it_ends(edge: Edge, backend: MakeBackend) -> None:
    edge.serve(backend("a", parrot).spec(max_connections=1))
    with Client(edge.port) as client:
        shake_hands(client)
        with Client(edge.port) as other:
            assert other.get().status == 503
            client.close()

            def is_free() -> bool:
                other.send(HANDSHAKE % b"x")
                status, headers = other.head()
                if status == 503:
                    other.stream.read(int(headers["content-length"]))
                return status == 101

            wait_until("it is over", is_free)


def test_the_pools_times_are_not_the_tunnels(
    start_edge: Callable[..., Edge], backend: MakeBackend
) -> None:
    """A tunnel that is used lasts; one that is not ends with LB_TUNNEL_TIMEOUT."""
    edge = start_edge(LB_TUNNEL_TIMEOUT="2")
    a = backend("quiet", parrot)
    edge.serve(a.spec(), timeouts=TimeoutPolicy(response=1.0, idle=0.3, request=1.0))
    with Client(edge.port) as client:
        shake_hands(client)
        for _ in range(5):
            time.sleep(0.6)  # for longer than the pool allows, and in all than a tunnel that idles
            begun = time.monotonic()
            say(client, b"still here")
        assert client.ends()
        assert time.monotonic() - begun > 1.9
    wait_until("the backend is let go of", lambda: not a.open_connections)
    wait_until("it is counted", lambda: sum(row.requests for row in edge.rows_of(a)) == 1)
    assert sum(row.errors for row in edge.rows_of(a)) == 0


def test_tunnels_last_while_a_worker_drains_and_end_before_it_is_killed(
    start_edge: Callable[..., Edge], backend: MakeBackend
) -> None:
    a = backend("tunnelled", parrot)
    edge = start_edge("--graceful-timeout", "6")
    edge.serve(a.spec())
    with Client(edge.port) as client:
        shake_hands(client)
        edge.process.terminate()
        wait_until("it has begun to drain", lambda: edge.health() == -1)
        say(client, b"one more word")
        assert client.stream.read() == b"", "an end in the regular way, not a reset"
    edge.process.wait(20)
    wait_until("the backend is let go of", lambda: not a.open_connections)
    assert sum(row.requests for row in edge.rows_of(a)) == 1
    assert "WORKER TIMEOUT" not in edge.log
