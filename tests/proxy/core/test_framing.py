"""Where a body ends: the same place however the bytes are cut, and never past a doubt."""

from collections.abc import Callable, Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.framing import (
    LAST_CHUNK,
    MAX_CHUNK_LINE,
    MAX_TRAILERS,
    BodyReader,
    ChunkedReader,
    CloseReader,
    LengthReader,
    chunk,
    response_reader,
)
from proxy.errors import BadRequest, BadResponse

NEXT = b"GET /next HTTP/1.1\r\n"  # what follows the body on the connection


def feed(reader: BodyReader, pieces: Iterable[bytes]) -> tuple[bytes, bytes]:
    """(what belongs to the body, its content), fed as a connection would feed it."""
    raw, payload = b"", list[bytes]()
    for piece in pieces:
        taken = reader.feed(piece, payload)
        raw += piece[:taken]
        if reader.done:
            break
        assert taken == len(piece), "an unfinished body takes all there is"
    return raw, b"".join(payload)


def one_by_one(data: bytes) -> list[bytes]:
    return [data[place : place + 1] for place in range(len(data))]


def chunked() -> ChunkedReader:
    return ChunkedReader(BadRequest)


# --- accepted ---

BODIES = {
    "empty": (b"0\r\n\r\n", b""),
    "one chunk": (b"5\r\nhello\r\n0\r\n\r\n", b"hello"),
    "two chunks": (b"5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n", b"hello!"),
    "upper and lower hex": (b"a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n", b"0123456789" * 2),
    "leading zeros": (b"0005\r\nhello\r\n000\r\n\r\n", b"hello"),
    "crlf inside": (b"4\r\n\r\n\r\n\r\n0\r\n\r\n", b"\r\n\r\n"),
    "last chunk inside": (b"5\r\n0\r\n\r\n\r\n0\r\n\r\n", b"0\r\n\r\n"),
    "extension": (b"5;a\r\nhello\r\n0\r\n\r\n", b"hello"),
    "extensions": (b'5;a=b;c="d;e" ; f\r\nhello\r\n0;g\r\n\r\n', b"hello"),
    "trailers": (b"0\r\nX-Sum: abc\r\nX-Empty:\r\n\r\n", b""),
}


@pytest.mark.parametrize(("raw", "content"), BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("cut", [lambda data: [data], one_by_one], ids=["whole", "byte by byte"])
def test_chunked_bodies_end_where_they_end(
    raw: bytes, content: bytes, cut: Callable[[bytes], list[bytes]]
) -> None:
    reader = chunked()
    assert feed(reader, cut(raw + NEXT)) == (raw, content)
    assert reader.done


@given(
    chunks=st.lists(st.binary(min_size=1, max_size=300), max_size=8),
    trailers=st.lists(st.sampled_from([b"X-A: b", b"X-Sum: \xff", b"x:"]), max_size=3),
    cuts=st.lists(st.integers(0, 3000), max_size=12),
)
def test_random_cuts_change_nothing(
    chunks: list[bytes], trailers: list[bytes], cuts: list[int]
) -> None:
    raw = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    raw += b"0\r\n" + b"".join(line + b"\r\n" for line in trailers) + b"\r\n"
    data = raw + NEXT
    places = sorted({0, len(data), *(cut % len(data) for cut in cuts)})
    pieces = [data[start:end] for start, end in pairwise(places)]
    reader = chunked()
    assert feed(reader, pieces) == (raw, b"".join(chunks))
    assert reader.done


@given(length=st.integers(0, 500), cuts=st.lists(st.integers(0, 600), max_size=8))
def test_a_length_is_counted_out(length: int, cuts: list[int]) -> None:
    data = bytes(length) + NEXT
    places = sorted({0, len(data), *(cut % len(data) for cut in cuts)})
    reader = LengthReader(length)
    pieces = [data[start:end] for start, end in pairwise(places)]
    assert feed(reader, pieces) == (bytes(length), bytes(length))
    assert reader.done


def test_a_body_until_the_close_never_ends_by_itself() -> None:
    reader = CloseReader()
    assert feed(reader, [b"a", b"0\r\n\r\n"]) == (b"a0\r\n\r\n", b"a0\r\n\r\n")
    assert not reader.done


def test_content_is_not_collected_unless_asked_for() -> None:
    assert chunked().feed(b"5\r\nhello\r\n0\r\n\r\nrest") == 15


# --- refused ---

REFUSED = {
    "no size": b"\r\nhello",
    "size of an extension alone": b";a\r\nhello",
    "not hex": b"g\r\n",
    "0x": b"0x5\r\nhello",
    "sign": b"+5\r\nhello",
    "negative": b"-5\r\nhello",
    "underscore": b"1_0\r\n",
    "space before": b" 5\r\nhello",
    "space after": b"5 \r\nhello",
    "overflow": b"10000000000000005\r\nhello",
    "many zeros": b"0" * 16 + b"5\r\nhello",
    "two numbers": b"5 5\r\nhello",
    "bare lf after the size": b"5\nhello\r\n0\r\n\r\n",
    "bare cr after the size": b"5\rhello\r\n0\r\n\r\n",
    "bare lf in an extension": b"5;a\nhello\r\n0\r\n\r\n",
    "bare cr in an extension": b"5;a\rb\r\nhello\r\n",
    "nul in an extension": b"5;\x00\r\nhello",
    "extension without a name": b"5;=a\r\nhello",
    "unclosed quote": b'5;a="b\r\nhello',
    "quoted pair": b'5;a="\\""\r\nhello',
    "data too long": b"5\r\nhello!\r\n0\r\n\r\n",
    "data without crlf": b"5\r\nhello0\r\n\r\n",
    "data with lf": b"5\r\nhello\n0\r\n\r\n",
    "data with cr": b"5\r\nhello\r0\r\n\r\n",
    "two other bytes for crlf": b"5\r\nhelloXX0\r\n\r\n",
    "bare lf after the last chunk": b"0\n\r\n",
    "bare lf at the end": b"0\r\n\n",
    "garbage after the last chunk": b"0\r\nGET / HTTP/1.1\r\n\r\n",
    "folded trailer": b"0\r\nX-A: b\r\n c\r\n\r\n",
    "space before a trailer's colon": b"0\r\nX-A : b\r\n\r\n",
    "nul in a trailer": b"0\r\nX-A: \x00\r\n\r\n",
    "bare cr in a trailer": b"0\r\nX-A: b\rc\r\n\r\n",
    "nameless trailer": b"0\r\n: b\r\n\r\n",
}


@pytest.mark.parametrize("raw", REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("cut", [lambda data: [data], one_by_one], ids=["whole", "byte by byte"])
def test_what_another_parser_could_read_differently_is_refused(
    raw: bytes, cut: Callable[[bytes], list[bytes]]
) -> None:
    with pytest.raises(BadRequest):
        feed(chunked(), cut(raw))


@pytest.mark.parametrize(
    "name",
    [
        *(b"Content-Length", b"Transfer-Encoding", b"Host", b"Connection", b"Trailer", b"TE"),
        *(b"Upgrade", b"Expect", b"Authorization", b"Cookie", b"Set-Cookie", b"Content-Type"),
        *(b"Content-Encoding", b"Content-Range", b"Via", b"X-Request-Id", b"Forwarded"),
        *(b"X-Forwarded-For", b"X-Forwarded-Proto", b"X-Forwarded-Host", b"X-Forwarded-Prefix"),
        *(b"X-Real-Ip", b"content-LENGTH"),
    ],
)
def test_trailers_that_frame_route_or_authenticate_are_refused(name: bytes) -> None:
    with pytest.raises(BadRequest):
        chunked().feed(b"0\r\n" + name + b": 1\r\n\r\n")


@pytest.mark.parametrize("cut", [lambda data: [data], one_by_one], ids=["whole", "byte by byte"])
@pytest.mark.parametrize(
    ("before", "filler"),
    [(b"5;a=", b"b" * MAX_CHUNK_LINE), (b"0\r\nX-A: ", b"b" * MAX_TRAILERS)],
    ids=["chunk line", "trailer"],
)
def test_an_endless_line_is_refused_before_it_ends(
    before: bytes, filler: bytes, cut: Callable[[bytes], list[bytes]]
) -> None:
    with pytest.raises(BadRequest):
        feed(chunked(), cut(before + filler))


def test_trailers_are_limited_in_their_sum() -> None:
    line = b"X-A: " + b"b" * 1000 + b"\r\n"
    with pytest.raises(BadRequest):
        chunked().feed(b"0\r\n" + line * (MAX_TRAILERS // 1000 + 1))


def test_a_response_s_malformed_chunk_is_the_backend_s_fault() -> None:
    with pytest.raises(BadResponse):
        ChunkedReader(BadResponse).feed(b"x\r\n")


# --- which framing a response has (RFC 9112 §6.3) ---


@pytest.mark.parametrize(
    ("method", "status", "length", "is_chunked", "kind", "done"),
    [
        (b"HEAD", 200, 5, False, LengthReader, True),
        (b"HEAD", 200, -1, True, LengthReader, True),
        (b"HEAD", 200, -1, False, LengthReader, True),
        (b"GET", 204, 5, False, LengthReader, True),
        (b"GET", 304, 5, False, LengthReader, True),
        (b"GET", 304, -1, True, LengthReader, True),
        (b"GET", 200, -1, True, ChunkedReader, False),
        (b"GET", 200, 0, False, LengthReader, True),
        (b"GET", 200, 5, False, LengthReader, False),
        (b"GET", 500, -1, False, CloseReader, False),
    ],
)
def test_the_framing_of_a_response(
    method: bytes,
    status: int,
    length: int,
    is_chunked: bool,
    kind: type[BodyReader],
    done: bool,
) -> None:
    reader = response_reader(method, status, length, is_chunked, BadResponse)
    assert type(reader) is kind
    assert reader.done is done
    assert reader.until_close is (kind is CloseReader)


# --- made ---


@given(st.lists(st.binary(max_size=40)))
def test_what_is_framed_in_chunks_is_read_as_it_was(pieces: list[bytes]) -> None:
    raw = b"".join(map(chunk, pieces)) + LAST_CHUNK
    assert feed(chunked(), [raw + NEXT]) == (raw, b"".join(pieces))
