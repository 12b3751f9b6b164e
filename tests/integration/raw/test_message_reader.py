"""The judge's reader: strict, or it would let pass what the corpus is there to find."""

import pytest

from tests.integration.raw.message import Malformed, read_request, read_response

OK = b"HTTP/1.1 200 OK\r\n"


def test_a_body_of_a_length_ends_there() -> None:
    message = read_request(b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcGET")
    assert message is not None
    assert (message.body, message.complete, message.size) == (b"abc", True, 41)


def test_a_head_without_its_end_is_no_message_yet() -> None:
    assert read_request(b"GET / HTTP/1.1\r\nHost: a\r\n") is None


def test_chunks_and_trailers_are_taken_apart() -> None:
    body = b"1;a=b\r\na\r\n2 ;a\r\nbc\r\n0\r\nX-A: b\r\n\r\n"
    message = read_response(OK + b"Transfer-Encoding: chunked\r\n\r\n" + body, b"GET", ended=False)
    assert message is not None
    assert (message.body, message.trailers) == (b"abc", [(b"x-a", b"b")])
    assert message.complete


@pytest.mark.parametrize("body", [b"3\r\nab", b"3\r\nabc\r\n", b"3\r\nabc\r\n0\r\n", b""])
def test_a_body_that_was_cut_is_not_complete(body: bytes) -> None:
    data = OK + b"Transfer-Encoding: chunked\r\n\r\n" + body
    message = read_response(data, b"GET", ended=True)
    assert message is not None
    assert not message.complete


def test_a_body_without_framing_ends_with_the_connection() -> None:
    for ended in (False, True):
        message = read_response(OK + b"\r\nabc", b"GET", ended=ended)
        assert message is not None
        assert (message.body, message.framing, message.complete) == (b"abc", "close", ended)


@pytest.mark.parametrize("method", [b"HEAD", b"GET"])
def test_the_method_decides_about_the_body(method: bytes) -> None:
    message = read_response(OK + b"Content-Length: 5\r\n\r\n", method, ended=False)
    assert message is not None
    assert message.complete == (method == b"HEAD")


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 20 OK\r\n\r\n",
        b"HTTP/2 200 OK\r\n\r\n",
        OK + b"X-A : b\r\n\r\n",
        OK + b"X-A: b\0c\r\n\r\n",
        OK + b"X-A: b\nX-B: c\r\n\r\n",
        OK + b"X-A: b\r\n c\r\n\r\n",
        OK + b"no colon\r\n\r\n",
        OK + b"Content-Length: 5, 5\r\n\r\n",
        OK + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\n",
        OK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n3 \r\nabc\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n",
        b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
    ],
)
def test_what_is_malformed_is_never_taken(head: bytes) -> None:
    with pytest.raises(Malformed):
        read_response(head, b"GET", ended=False)
