"""What becomes of clients while the worker drains."""

import socket

from proxy.engine.downstream import QUIET
from tests.proxy.engine.stage import NOT_FOUND, Stage


def test_a_connection_with_a_request_that_nobody_has_read_yet_is_not_idle(stage: Stage) -> None:
    client = stage.client
    client.transport.socket, other_end = socket.socketpair()
    stage.edge.now += QUIET
    with client.transport.socket, other_end:
        other_end.sendall(NOT_FOUND)
        client.connection.close_idle()
        assert not client.transport.closed
        stage.edge.start_draining()
        client.connection.data_received(client.transport.socket.recv(1000))
        assert client.statuses == [b"404"]
        assert client.transport.closed


def test_a_new_connection_is_given_time_for_its_first_request(stage: Stage) -> None:
    client = stage.client
    client.connection.close_idle()
    assert not client.transport.closed
    stage.edge.start_draining()
    client.connection.data_received(NOT_FOUND)
    assert client.statuses == [b"404"]
    assert client.transport.closed


def test_a_connection_that_was_used_lately_may_be_used_once_more(stage: Stage) -> None:
    client = stage.client
    stage.edge.now += QUIET
    client.connection.data_received(NOT_FOUND)
    client.connection.close_idle()
    assert not client.transport.closed
    stage.edge.now += QUIET
    client.connection.close_idle()
    assert client.transport.closed


def test_a_connection_on_which_nothing_has_come_is_closed(stage: Stage) -> None:
    client = stage.client
    stage.edge.now += QUIET
    client.transport.socket, other_end = socket.socketpair()
    with client.transport.socket, other_end:
        client.connection.close_idle()
        assert client.transport.closed
