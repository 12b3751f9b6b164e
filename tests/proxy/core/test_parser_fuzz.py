"""Random and mutated bytes into the parsers: refused by name, or read as anybody would.

The reader that judges the corpus is the second opinion: what the edge takes, that
strict reader has to take too, and to mean the same by it.
"""

import re
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.core.framing import (
    MAX_CHUNK_LINE,
    MAX_TRAILERS,
    ChunkedReader,
    LengthReader,
    response_reader,
)
from proxy.core.head.message import HEAD_END
from proxy.core.head.request import check_unfinished, parse_request_head
from proxy.core.head.response import parse_response_head
from proxy.errors import BadRequest, BadResponse, HeadTooLarge, ProxyError, TargetTooLong
from tests.integration.raw.case import Step, load
from tests.integration.raw.message import read_request, read_response

CASES = load(Path(__file__).parents[2] / "corpus")
MAX_SEED = 2000

# What has fooled a parser before.
NASTY = [
    *(b"\r", b"\n", b"\r\n", b"\n\n", b"\r\n\r\n", b"\r\n ", b"\r\n\t", b"\0", b"\x0b", b"\x7f"),
    *(b" ", b"\t", b":", b",", b";", b"=", b'"', b"\\", b"/", b"?", b"#", b"@", b"[", b"]", b"*"),
    *(
        b"+",
        b"-",
        b"_",
        b"0x",
        b"0",
        b"00",
        b"1",
        b"f" * 16,
        b"9" * 20,
        b"\x80",
        b"\xff",
        b"\xc2\xa0",
    ),
    *(b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n", b"Host: other.test\r\n"),
    *(b"chunked", b"identity", b"HTTP/1.0", b"HTTP/1.1", b"Connection: host\r\n", b"\xef\xbc\x95"),
]

EXAMPLES = settings(max_examples=250, deadline=None)


def sent(steps: list[Step]) -> bytes:
    return b"".join(step.data for step in steps if step.kind == "send")


def seeds(scripts: list[list[Step]]) -> list[bytes]:
    return sorted({data for steps in scripts if 0 < len(data := sent(steps)) <= MAX_SEED})


REQUESTS = seeds([case.client for case in CASES])
RESPONSES = seeds([steps for case in CASES for steps in case.backend])
CHUNKED_BODIES = sorted(
    {
        data.partition(HEAD_END)[2]
        for data in REQUESTS + RESPONSES
        if b"chunked" in data.partition(HEAD_END)[0].lower()
    }
)


@st.composite
def mutated(draw: st.DrawFn, originals: list[bytes]) -> bytes:
    """A message of the corpus in which some places were overwritten, cut out or added to."""
    data = draw(st.sampled_from(originals))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(data)))
        replaced = draw(st.integers(0, 3))
        patch = draw(st.sampled_from(NASTY) | st.binary(max_size=3))
        data = data[:at] + patch + data[at + replaced :]
    return data


def any_of(originals: list[bytes]) -> st.SearchStrategy[bytes]:
    return mutated(originals) | st.binary(max_size=200)


def first_head(data: bytes) -> bytes:
    """`data` as far as its first head, with the end that the shell has seen before it parses."""
    return (data + HEAD_END).partition(HEAD_END)[0] + HEAD_END


def origin_form(method: bytes, target: bytes) -> bytes:
    """What a proxy makes of the target (RFC 9112 §3.2.1, §3.2.4)."""
    if target.startswith((b"/", b"*")):
        return target
    rest = re.sub(rb"(?i)^https?://[^/?]+", b"", target)
    if not rest:
        return b"*" if method == b"OPTIONS" else b"/"
    return rest if rest.startswith(b"/") else b"/" + rest


@given(any_of(REQUESTS))
@EXAMPLES
def test_a_request_head_is_refused_or_means_what_it_says(data: bytes) -> None:
    raw = first_head(data)
    try:
        head = parse_request_head(raw)
    except ProxyError:
        return
    judged = read_request(raw)
    assert judged is not None
    assert judged.size == len(raw)
    method, target, _ = judged.start.split(b" ")
    assert head.method == method
    assert head.target == origin_form(method, target)
    assert head.chunked == (judged.framing == "chunked")
    assert [b"%d" % head.content_length] == [
        value.lstrip(b"0") or b"0" for value in judged.values(b"content-length") or [b"0"]
    ]
    assert len(judged.values(b"host")) <= 1


@given(any_of(REQUESTS))
@EXAMPLES
def test_a_head_that_is_taken_whole_is_not_refused_half_way(data: bytes) -> None:
    raw = first_head(data)
    try:
        parse_request_head(raw)
    except ProxyError:
        return
    for end in range(len(raw)):
        check_unfinished(raw[:end])


@given(st.binary(max_size=300) | mutated(REQUESTS))
@EXAMPLES
def test_an_unfinished_head_raises_nothing_but_refusals(data: bytes) -> None:
    with suppress(BadRequest, TargetTooLong, HeadTooLarge):
        check_unfinished(data)


@given(any_of(RESPONSES))
@EXAMPLES
def test_a_response_head_is_refused_or_means_what_it_says(data: bytes) -> None:
    raw = first_head(data)
    try:
        head = parse_response_head(raw)
    except BadResponse:
        return
    if head.status < 200 or head.status == 204:
        return  # the judge looks at their framing, which is not the head parser's to refuse
    # Widely sent without the space that RFC 9112 §4 wants behind the status.
    judged = read_response(re.sub(rb"\A([^\r ]+ \d+)\r", rb"\1 \r", raw), b"GET", ended=False)
    assert judged is not None
    assert judged.status == head.status
    assert head.chunked == (judged.framing == "chunked" or b"chunked" in _codings(judged.fields))
    lengths = judged.values(b"content-length")
    assert head.content_length == (int(lengths[0]) if lengths else -1)


def _codings(fields: list[tuple[bytes, bytes]]) -> list[bytes]:
    """A 304 may name a coding that it does not use."""
    return [value.lower() for name, value in fields if name == b"transfer-encoding"]


def read_chunks(pieces: list[bytes], error: type[ProxyError]) -> tuple[str, bytes, int]:
    """(verdict, content, bytes taken) of a chunked body that comes in these pieces."""
    reader = ChunkedReader(error)
    payload: list[bytes] = []
    taken = 0
    try:
        for piece in pieces:
            taken += reader.feed(piece, payload)
            if reader.done:
                return "done", b"".join(payload), taken
    except error:
        return "refused", b"", 0
    return "unfinished", b"".join(payload), taken


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


@pytest.mark.parametrize("error", [BadRequest, BadResponse])
@given(body=any_of(CHUNKED_BODIES), places=st.lists(st.integers(0, MAX_SEED), max_size=8))
@EXAMPLES
def test_chunks_mean_the_same_however_they_are_cut(
    error: type[ProxyError], body: bytes, places: list[int]
) -> None:
    whole = read_chunks([body], error)
    assert read_chunks(cut(body, places), error) == whole
    assert read_chunks([body[at : at + 1] for at in range(len(body))], error) == whole


@given(any_of(CHUNKED_BODIES))
@EXAMPLES
def test_chunks_are_refused_or_mean_what_they_say(body: bytes) -> None:
    verdict, content, taken = read_chunks([body], BadRequest)
    if verdict == "refused":
        return
    head = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    judged = read_request(head + body)
    assert judged is not None
    assert judged.complete == (verdict == "done")
    assert judged.body == content
    assert verdict == "unfinished" or judged.size - len(head) == taken


def feed_on(reader: ChunkedReader, piece: bytes, times: int) -> None:
    for _ in range(times):
        reader.feed(piece)


@pytest.mark.parametrize("start", [b"", b"3;a=", b"3\r\nabc", b"0\r\n", b"0\r\nX: "])
@pytest.mark.parametrize(
    "piece", [b"0", b";a", b" ", b"\r", b"3;a=", b"X: y", b"X: y\r\n", b"\xff"]
)
def test_no_line_of_the_chunked_coding_is_waited_for_without_end(
    start: bytes, piece: bytes
) -> None:
    """Whatever is repeated: refused before more than a limit's worth is held."""
    reader = ChunkedReader(BadRequest)
    reader.feed(start)
    with pytest.raises(BadRequest):
        feed_on(reader, piece, MAX_CHUNK_LINE + MAX_TRAILERS + 10)


@given(
    st.integers(0, 1000),
    st.lists(st.binary(max_size=50), max_size=30),
    st.sampled_from([b"GET", b"HEAD", b"POST"]),
    st.integers(200, 599),
)
@EXAMPLES
def test_a_length_takes_its_bytes_and_not_one_more(
    length: int, pieces: list[bytes], method: bytes, status: int
) -> None:
    for reader in (
        LengthReader(length),
        response_reader(method, status, length, False, BadResponse),
    ):
        bodiless = not isinstance(reader, LengthReader) or reader.done
        wanted = 0 if bodiless else length
        taken = sum(reader.feed(piece) for piece in pieces)
        assert taken == min(wanted, sum(map(len, pieces)))
        assert reader.done == (taken == wanted)
