"""A backend that answers before it has read the request."""

from tests.proxy.engine.stage import HEAD_OF_FIVE, Stage

POST = b"POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 5\r\n\r\n"


def test_a_connection_that_takes_nothing_is_given_to_no_other_request(stage: Stage) -> None:
    """What that would send is kept in memory: only once is it told that the connection is full."""
    client, upstream = stage.client, stage.upstream
    client.connection.data_received(POST + b"hello")
    upstream.pause_writing()
    upstream.data_received(HEAD_OF_FIVE + b"world")
    stage.turn()
    assert client.statuses == [b"200"]
    assert upstream.transport.is_closing()
    assert not client.transport.closed


def test_one_that_has_taken_all_by_then_serves_on(stage: Stage) -> None:
    client, upstream = stage.client, stage.upstream
    for _ in range(2):
        client.connection.data_received(POST + b"hello")
        upstream.pause_writing()
        upstream.resume_writing()
        upstream.data_received(HEAD_OF_FIVE + b"world")
    assert not upstream.transport.is_closing()
