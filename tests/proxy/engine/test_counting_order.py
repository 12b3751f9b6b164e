"""A worker may be killed at any instruction: what a client has got must be on the board already."""

import pytest

from tests.proxy.engine.stage import GET, HEAD_OF_FIVE, MAX_BODY, NOT_FOUND, Stage


def test_a_response_in_one_piece(stage: Stage) -> None:
    stage.client.connection.data_received(GET)
    stage.upstream.data_received(HEAD_OF_FIVE + b"hello")
    stage.turn()
    assert [counted for counted, _ in stage.client.seen] == [1]


def test_a_response_in_several_pieces_is_counted_before_its_last(stage: Stage) -> None:
    stage.client.connection.data_received(GET)
    for piece in (HEAD_OF_FIVE + b"he", b"ll", b"o"):
        stage.upstream.data_received(piece)
    assert [counted for counted, _ in stage.client.seen] == [0, 0, 1]


def test_an_answer_of_the_edge_in_place_of_a_response(stage: Stage) -> None:
    body = b"x" * (MAX_BODY + 1)
    stage.client.connection.data_received(
        b"POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 11\r\n\r\n" + body
    )
    assert [(counted, data[9:12]) for counted, data in stage.client.seen] == [(1, b"413")]


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [(NOT_FOUND, b"404"), (b"no request at all\r\n\r\n", b"400")],
)
def test_a_request_that_goes_to_no_backend(
    stage: Stage, request_bytes: bytes, status: bytes
) -> None:
    stage.client.connection.data_received(request_bytes)
    assert [(counted, data[9:12]) for counted, data in stage.client.seen] == [(1, status)]
