"""Bodies of any size pass through a worker of one size."""

import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress

import psutil

from pool.snapshot import TimeoutPolicy
from tests.integration.edge.harness.backend import Backend, Call
from tests.integration.edge.harness.client import Client, request_bytes
from tests.integration.edge.harness.processes import Edge
from tests.integration.edge.harness.waiting import wait_until, wait_until_still

MakeBackend = Callable[..., Backend]
MIB = 1 << 20
PIECE = bytes(range(256)) * 256  # 64 KiB
LARGE = 1600 * len(PIECE)  # 100 MiB


class Memory:
    """The worker's resident memory, while the block runs."""

    grown = 0

    def __init__(self, edge: Edge) -> None:
        (pid,) = edge.workers
        self._process = psutil.Process(pid)
        self._before = self._process.memory_info().rss

    def look(self) -> None:
        self.grown = max(self.grown, self._process.memory_info().rss - self._before)


@contextmanager
def watched_memory(edge: Edge) -> Iterator[Memory]:
    memory = Memory(edge)
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.02):
            memory.look()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    yield memory
    over.set()
    thread.join(5)


def test_a_slow_reader_holds_the_backend_up_and_not_the_memory(
    edge: Edge, backend: MakeBackend
) -> None:
    sent = 0

    def pour(call: Call) -> None:
        nonlocal sent
        call.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % LARGE)
        for _ in range(LARGE // len(PIECE)):
            call.send(PIECE)
            sent += len(PIECE)

    edge.serve(backend("a", pour).spec())
    with watched_memory(edge) as memory, Client(edge.port) as client:
        client.send(request_bytes("GET"))
        assert client.head()[0] == 200
        wait_until_still("the backend's sending", lambda: sent)
        assert sent < 30 * MIB  # what the kernel's buffers on the way hold
        received = 0
        while received < LARGE:
            received += len(client.stream.read(MIB))
            if received % (20 * MIB) == 0:
                time.sleep(0.1)  # a reader that is slow
    assert received == sent == LARGE
    assert memory.grown < 16 * MIB


def test_a_reader_that_is_slow_but_reads_is_not_given_up(edge: Edge, backend: MakeBackend) -> None:
    """The kernel wants no more of the edge until a third of its megabytes is gone."""
    body = PIECE * 320
    edge.serve(
        backend("a", lambda call: call.answer(body)).spec(), timeouts=TimeoutPolicy(idle=1.0)
    )
    with Client(edge.port, receive_buffer=4096) as client:
        client.send(request_bytes("GET"))
        assert client.head()[0] == 200
        received = 0
        begun = time.monotonic()
        while time.monotonic() < begun + 3:
            received += len(client.stream.read(8192))
            time.sleep(0.05)  # a reader that is slow
        received += len(client.stream.read(len(body) - received))
    assert received == len(body)


def test_a_reader_that_stops_is_given_up(edge: Edge, backend: MakeBackend) -> None:
    left = threading.Event()

    def pour(call: Call) -> None:
        call.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % LARGE)
        try:
            for _ in range(LARGE // len(PIECE)):
                call.send(PIECE)
        except OSError:
            left.set()

    edge.serve(backend("a", pour).spec(), timeouts=TimeoutPolicy(idle=0.5))
    with Client(edge.port, receive_buffer=4096) as client:
        client.send(request_bytes("GET"))
        assert client.head()[0] == 200
        assert left.wait(20), "the backend is held by a client that reads nothing"


def test_a_slow_backend_holds_the_sender_up_and_not_the_memory(
    edge: Edge, backend: MakeBackend
) -> None:
    sent = 0
    go_on = threading.Event()

    def sip(call: Call) -> None:
        go_on.wait(60)
        a.echo(call)

    def pour(client: Client) -> None:
        nonlocal sent
        client.send(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % LARGE)
        for _ in range(LARGE // len(PIECE)):
            client.send(PIECE)
            sent += len(PIECE)

    a = backend("a", sip)
    edge.serve(a.spec())
    with watched_memory(edge) as memory, Client(edge.port) as client:
        sender = threading.Thread(target=pour, args=(client,), daemon=True)
        sender.start()
        wait_until_still("the client's sending", lambda: sent)
        assert sent < 30 * MIB
        go_on.set()
        answer = client.response().json()
        sender.join(20)
    expected = 0
    for _ in range(LARGE // len(PIECE)):
        expected = zlib.crc32(PIECE, expected)
    assert (answer["size"], answer["crc"]) == (LARGE, expected)
    assert memory.grown < 16 * MIB


def test_a_backend_that_has_answered_and_reads_no_more_keeps_no_connection(
    edge: Edge, backend: MakeBackend
) -> None:
    """What it has not taken of the body would wait for it in the edge, for ever."""
    sent = 0
    answer, over = threading.Event(), threading.Event()

    def refuse(call: Call) -> None:
        answer.wait(60)
        call.answer(b"too large", status="413 Content Too Large")
        over.wait(60)

    def pour(client: Client) -> None:
        nonlocal sent
        client.send(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % LARGE)
        with suppress(OSError):
            while True:
                client.send(PIECE)
                sent += len(PIECE)

    a = backend("a", refuse)
    edge.serve(a.spec())
    (worker,) = map(psutil.Process, edge.workers)
    before = worker.num_fds()
    with Client(edge.port) as client:
        sender = threading.Thread(target=pour, args=(client,), daemon=True)
        sender.start()
        wait_until_still("the client's sending", lambda: sent)
        answer.set()
        assert client.response().status == 413
        client.reset()
        sender.join(20)
    wait_until("the connection is given up", lambda: worker.num_fds() <= before)
    over.set()


def test_nine_slow_clients_get_three_megabytes_each_again_and_again(
    edge: Edge, backend: MakeBackend
) -> None:
    """A connection to the backend that was paused for one client must serve the next one."""
    body = PIECE * 48

    a = backend("a", lambda call: call.answer(body))
    edge.serve(a.spec())
    wrong: list[str] = []

    def read_slowly() -> None:
        with Client(edge.port, receive_buffer=16384) as client:
            for _ in range(3):
                client.send(request_bytes("GET"))
                _, headers = client.head()
                received = b""
                while len(received) < int(headers["content-length"]):
                    received += client.stream.read(96 * 1024)
                    time.sleep(0.001)  # a reader that is slow
                if received != body:
                    wrong.append(f"{len(received)} bytes")

    threads = [threading.Thread(target=read_slowly, daemon=True) for _ in range(9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    assert wrong == []
    assert len(a.calls) == 27
    assert a.connections <= 9


def test_chunks_pass_both_ways_as_they_come(edge: Edge, backend: MakeBackend) -> None:
    """Nothing is held until a body is complete: each piece is answered before the next is sent."""

    def converse(call: Call) -> None:
        call.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for piece in call.body():
            call.send(b"%x\r\n%b\r\n" % (len(piece), piece.upper()))
        call.send(b"0\r\n\r\n")

    edge.serve(backend("a", converse).spec())
    with Client(edge.port) as client:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        assert client.head()[0] == 200
        for word in (b"one", b"two", b"three"):
            client.send(b"%x\r\n%b\r\n" % (len(word), word))
            assert client.stream.readline() == b"%x\r\n" % len(word)
            assert client.stream.readline() == word.upper() + b"\r\n"
        client.send(b"0\r\n\r\n")
        assert client.stream.readline() + client.stream.readline() == b"0\r\n\r\n"


def test_a_chunked_upload_keeps_the_connection_for_the_next_request(
    edge: Edge, backend: MakeBackend
) -> None:
    a = backend("a")
    edge.serve(a.spec())
    with Client(edge.port) as client:
        for size in (0, 1, 100_000):
            body = b"%x\r\n%b\r\n" % (size, b"x" * size) if size else b""
            head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
            client.send(head + body + b"0\r\n\r\n")
            assert client.response().json()["size"] == size
    assert a.connections == 1


def test_a_body_without_length_ends_with_the_backends_connection(
    edge: Edge, backend: MakeBackend
) -> None:
    """The client's goes on: what it gets are chunks, or else HTTP/1.0."""

    def until_close(call: Call) -> None:
        call.send(b"HTTP/1.1 200 OK\r\n\r\n")
        call.send(PIECE)
        call.cut()

    edge.serve(backend("a", until_close).spec())
    with Client(edge.port) as client:
        for _ in range(2):
            answer = client.get()
            assert (answer.body, answer.closes, answer.complete) == (PIECE, False, True)
    with Client(edge.port) as client:
        client.send(b"GET / HTTP/1.0\r\nHost: shop.test\r\nConnection: keep-alive\r\n\r\n")
        answer = client.response()
        assert (answer.body, answer.closes, answer.complete) == (PIECE, True, True)
        assert "transfer-encoding" not in answer.headers


def test_events_arrive_one_by_one(edge: Edge, backend: MakeBackend) -> None:
    """Server-sent events: the next one is not sent before the last one has arrived."""
    arrived = threading.Event()

    def tell(call: Call) -> None:
        call.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
        for number in range(5):
            call.send(b"data: %d\n\n" % number)
            assert arrived.wait(20)
            arrived.clear()
        call.cut()

    edge.serve(backend("a", tell).spec())
    with Client(edge.port) as client:
        client.send(request_bytes("GET", accept="text/event-stream"))
        assert client.head()[1]["content-type"] == "text/event-stream"
        for number in range(5):
            assert client.chunk() == b"data: %d\n\n" % number
            arrived.set()
        assert client.chunk() == b""


def test_clients_that_pipeline_and_never_read_cost_a_bounded_amount(
    edge: Edge, backend: MakeBackend
) -> None:
    """Not each answer lets in another piece of the pipeline: it waits in the client."""
    a = backend("a", lambda call: call.answer(PIECE))
    edge.serve(a.spec())
    with watched_memory(edge) as memory, ExitStack() as stack:
        clients = [stack.enter_context(Client(edge.port, receive_buffer=4096)) for _ in range(20)]
        for client in clients:
            client.sock.setblocking(False)
            with suppress(BlockingIOError):
                while True:
                    client.sock.send(request_bytes("GET") * 100)
        wait_until("some are begun", lambda: a.calls)
        wait_until_still("what is begun", lambda: len(a.calls))
    assert memory.grown < 20 * 2 * MIB
