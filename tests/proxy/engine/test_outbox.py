"""Messages wait for the end of the loop's turn, and nothing overtakes them."""

import pytest

from proxy.engine.downstream import QUIET
from proxy.engine.flow import PEER_FULL
from proxy.engine.outbox import LARGE
from proxy.engine.upstream import UpstreamConnection
from tests.proxy.engine.stage import GET, HEAD_OF_FIVE, NOT_FOUND, Client, Stage

HELLO = HEAD_OF_FIVE + b"hello"
CLOSING = GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")


def ask(stage: Stage, client: Client, request: bytes = GET) -> UpstreamConnection:
    """Send a request over a connection to the backend of its own."""
    upstream = stage.connect()
    client.connection.data_received(request)
    return upstream


def test_a_response_is_sent_at_the_end_of_the_turn(stage: Stage) -> None:
    client = stage.client
    ask(stage, client).data_received(HELLO)
    assert client.seen == []
    stage.turn()
    assert client.statuses == [b"200"]
    stage.turn()
    assert client.statuses == [b"200"]


def test_those_of_a_turn_are_sent_together(stage: Stage) -> None:
    clients = [Client(stage.edge) for _ in range(3)]
    for client in clients:
        ask(stage, client).data_received(HELLO)
    assert [client.seen for client in clients] == [[], [], []]
    stage.turn()
    assert [client.statuses for client in clients] == [[b"200"]] * 3


def test_a_long_response_does_not_wait(stage: Stage) -> None:
    client = stage.client
    body = b"x" * LARGE
    ask(stage, client).data_received(HEAD_OF_FIVE.replace(b" 5", b" %d" % len(body)) + body)
    assert client.statuses == [b"200"]


def test_an_answer_of_the_edge_does_not_overtake_the_response_before_it(stage: Stage) -> None:
    client = stage.client
    ask(stage, client).data_received(HELLO)
    client.connection.data_received(NOT_FOUND)
    assert client.statuses == [b"200", b"404"]


def test_what_is_malformed_is_refused_behind_the_response_before_it(stage: Stage) -> None:
    client = stage.client
    ask(stage, client).data_received(HELLO)
    client.connection.data_received(b"no request at all\r\n\r\n")
    stage.turn()
    assert client.statuses == [b"200", b"400"]


def test_a_response_in_pieces_does_not_overtake_the_one_before_it(stage: Stage) -> None:
    client = stage.client
    ask(stage, client).data_received(HELLO)
    second = ask(stage, client)
    second.data_received(HEAD_OF_FIVE.replace(b"200 OK", b"203 OK") + b"he")
    second.data_received(b"llo")
    stage.turn()
    assert client.statuses[:2] == [b"200", b"203"]
    assert b"".join(data for _, data in client.seen).endswith(b"hello")


def test_two_responses_of_a_turn_keep_their_order(stage: Stage) -> None:
    client = stage.client
    ask(stage, client).data_received(HELLO)
    ask(stage, client).data_received(HELLO.replace(b"200 OK", b"203 OK"))
    stage.turn()
    sent = b"".join(data for _, data in client.seen)
    assert sent.count(b"hello") == 2
    assert sent.index(b" 200 ") < sent.index(b" 203 ")


def test_the_connection_closes_after_its_last_response(stage: Stage) -> None:
    client = stage.client
    ask(stage, client, CLOSING).data_received(HELLO)
    stage.turn()
    assert client.statuses == [b"200"]
    assert client.transport.closed
    assert not client.transport.aborted


@pytest.mark.parametrize("tls", [False, True])
def test_a_client_that_closes_its_half_has_its_response(stage: Stage, tls: bool) -> None:
    client = stage.client
    client.transport.tls = tls
    ask(stage, client).data_received(HELLO)
    if not client.connection.eof_received():  # then a loop closes it
        client.transport.close()
    stage.turn()
    assert client.statuses == [b"200"]


def test_no_request_is_begun_for_a_client_that_does_not_read_the_last_response(
    stage: Stage,
) -> None:
    client = stage.client
    ask(stage, client).data_received(HELLO)
    client.transport.on_write = lambda data: client.connection.pause_writing()
    second = ask(stage, client)
    assert not second.used
    assert client.connection._transaction is None
    client.connection.resume_writing()
    assert client.connection._transaction is not None


def test_a_backend_is_held_back_whose_client_stopped_reading_before_it_was_connected(
    stage: Stage,
) -> None:
    client = stage.client
    upstream = ask(stage, client)
    client.connection.write_paused = True
    upstream.data_received(HEAD_OF_FIVE + b"he")
    assert upstream.gate.closed_for(PEER_FULL)


def test_a_worker_that_drains_sends_what_waits_before_it_closes(stage: Stage) -> None:
    client = stage.client
    ask(stage, client).data_received(HELLO)
    stage.edge.now += QUIET
    stage.edge.close_idle_clients()
    assert client.statuses == [b"200"]
    assert client.transport.closed


def test_a_client_that_has_gone_costs_no_other_its_response(stage: Stage) -> None:
    gone, other = Client(stage.edge), Client(stage.edge)
    for client in (gone, other):
        ask(stage, client).data_received(HELLO)
    gone.transport.abort()
    gone.connection.connection_lost(None)
    stage.turn()
    assert (gone.seen, other.statuses) == ([], [b"200"])


def test_a_write_that_fails_costs_no_other_its_response(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(data: bytes) -> None:
        raise RuntimeError("a defect")

    broken, other = Client(stage.edge), Client(stage.edge)
    for client in (broken, other):
        ask(stage, client).data_received(HELLO)
    broken.transport.on_write = fail
    stage.turn()
    assert broken.transport.aborted
    assert other.statuses == [b"200"]
    assert "a response could not be sent" in caplog.text


# --- requests ---


def test_requests_are_sent_at_the_end_of_the_turn_before_the_responses(stage: Stage) -> None:
    order: list[str] = []
    client, other = Client(stage.edge), Client(stage.edge)
    client.transport.on_write = lambda data: order.append("response")
    ask(stage, client).data_received(HELLO)
    ask(stage, other).transport.on_write = lambda data: order.append("request")  # type: ignore[attr-defined]
    assert (stage.sent, order) == ([], [])
    stage.turn()
    assert (len(stage.sent), order) == (1, ["request", "response"])


def test_a_long_request_does_not_wait(stage: Stage) -> None:
    ask(stage, stage.client, GET.replace(b"Host", b"X: " + b"x" * LARGE + b"\r\nHost"))
    assert len(stage.sent) == 1


def test_a_request_does_not_wait_for_its_body(stage: Stage) -> None:
    post = b"POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 5\r\n\r\n"
    ask(stage, stage.client, post)
    assert len(stage.sent) == 1
    stage.client.connection.data_received(b"hello")
    assert stage.sent[1:] == [b"hello"]


def test_a_request_whose_client_has_gone_is_not_sent(stage: Stage) -> None:
    gone, other = Client(stage.edge), Client(stage.edge)
    for client in (gone, other):
        ask(stage, client)
    gone.connection.connection_lost(None)
    stage.turn()
    assert len(stage.sent) == 1


def test_a_request_whose_connection_was_closed_meanwhile_is_told_by_it(stage: Stage) -> None:
    upstream = ask(stage, stage.client, GET.replace(b"GET", b"POST"))
    upstream.transport.close()
    stage.turn()
    assert (stage.sent, stage.client.seen) == ([], [])
    upstream.connection_lost(None)
    assert stage.client.statuses == [b"502"]


def test_a_request_that_cannot_be_written_costs_no_other_anything(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(data: bytes) -> None:
        raise RuntimeError("a defect")

    broken = ask(stage, Client(stage.edge))
    broken.transport.on_write = fail  # type: ignore[attr-defined]
    ask(stage, Client(stage.edge)).data_received(HELLO)
    stage.turn()
    assert len(stage.sent) == 1
    assert broken.transport.is_closing()
    assert "a request could not be sent" in caplog.text
