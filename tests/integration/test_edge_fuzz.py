"""Mutated messages from either side of the real edge: it ends every connection and garbles none."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.core.head.message import HEAD_END
from tests.integration.raw.case import Step, load
from tests.integration.raw.client import RawClient
from tests.integration.raw.judge import Judge, judging_an_edge
from tests.integration.raw.message import Message, read_response

NASTY = [
    *(b"\r", b"\n", b"\r\n", b"\r\n\r\n", b"\r\n ", b"\0", b"\x7f", b"\xff", b" ", b"\t", b":"),
    *(b",", b";", b"0", b"1", b"-", b"+", b"0x", b"f" * 16, b"9" * 20, b"chunked", b"HTTP/1.0"),
    *(b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n", b"Connection: close\r\n"),
]


def requests() -> list[bytes]:
    """What the corpus's clients send; a response to HEAD could not be told from a cut one."""
    cases = load(Path(__file__).parent.parent / "corpus")
    sent = {b"".join(step.data for step in case.client if step.kind == "send") for case in cases}
    return sorted(data for data in sent if len(data) < 2000 and b"HEAD" not in data)


def responses() -> list[bytes]:
    """What the corpus's backends answer."""
    cases = load(Path(__file__).parent.parent / "corpus")
    scripts = [script for case in cases for script in case.backend]
    sent = {b"".join(step.data for step in script if step.kind == "send") for script in scripts}
    return sorted(data for data in sent if len(data) < 2000)


REQUESTS = requests()
RESPONSES = responses()
# A method that is not tried again: what comes is the answer to the one that was mutated.
ASKING = b"POST /any/fuzz HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 2\r\n\r\nhi"
STATUS_WITHOUT_SPACE = re.compile(rb"(\AHTTP/1\.[01] \d{3}|(?<=\r\n\r\n)HTTP/1\.[01] \d{3})\r")
BODILESS = re.compile(rb"HTTP/1\.[01] (?:1\d\d|204)\b")
FRAMING = re.compile(rb"(?i)\r\n(?:content-length|transfer-encoding):[^\r\n]*")


@st.composite
def mutated(draw: st.DrawFn, originals: list[bytes]) -> bytes:
    data = draw(st.sampled_from(originals))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        patch = draw(st.sampled_from(NASTY) | st.binary(max_size=3))
        data = data[:at] + patch + data[at + draw(st.integers(0, 3)) :]
    return data


@pytest.fixture(scope="module")
def judge(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judge]:
    with judging_an_edge(redis_url, tmp_path_factory.mktemp("edge")) as judge:
        yield judge


def read_all(received: bytes) -> list[int]:
    """The statuses of the responses in `received`, each of which must be whole."""
    statuses = []
    while received:
        response = read_response(received, b"GET", ended=True)
        assert response is not None, received
        assert response.complete, received
        statuses.append(response.status)
        received = received[response.size :]
    return statuses


@given(data=mutated(REQUESTS), bytewise=st.booleans())
@settings(max_examples=200, deadline=None)
def test_every_connection_ends_in_whole_responses(
    judge: Judge, data: bytes, bytewise: bool
) -> None:
    record = judge.backend.begin([])
    client = RawClient(judge.address)
    try:
        client.play([Step("send", data), Step("half-close")], bytewise=bytewise)
        assert client.wait(lambda: client.ended), "the edge holds on to a half-closed connection"
    finally:
        client.close()
    assert judge.backend.settle()
    assert record.problems == []
    answered = read_all(client.received)
    complete = [exchange for exchange in record.exchanges if exchange.message.complete]
    assert len(complete) <= len(answered), (data, client.received)
    assert not {400, 431} & set(answered[:-1]), "a request was taken after a refused one"


def final_answer(received: bytes) -> Message:
    """The answer after the interim ones, with not a byte behind it. Raises `Malformed`."""
    while True:
        message = read_response(received, b"POST", ended=True)
        assert message is not None, received
        received = received[message.size :]
        if message.status >= 200 or message.status == 101:
            assert not (message.complete and received), received
            return message


@given(data=mutated(RESPONSES), bytewise=st.booleans())
@settings(max_examples=200, deadline=None)
def test_every_response_arrives_as_its_backend_meant_it_or_is_seen_to_be_broken(
    judge: Judge, data: bytes, bytewise: bool
) -> None:
    steps = [Step("send", data[at : at + 1]) for at in range(len(data))] if bytewise else []
    judge.backend.begin([[*(steps or [Step("send", data)]), Step("close")]])
    client = RawClient(judge.address)
    try:
        client.play([Step("send", ASKING), Step("half-close")], bytewise=False)
        assert client.wait(lambda: client.ended), "the edge holds on to a half-closed connection"
    finally:
        client.close()
    answer = final_answer(client.received)
    whole = answer.complete and not (answer.framing == "close" and client.was_reset)
    if whole and not answer.values(b"x-request-id"):  # which marks the edge's own
        meant = meant_by(data)
        assert (answer.status, answer.body) == (meant.status, meant.body), data
    assert judge.backend.settle(), "the edge holds on to a backend that was closed"
    assert list(judge.plain_problems()) == []


def meant_by(data: bytes) -> Message:
    """What the strict reader takes the backend's bytes for; what follows the answer is not its."""
    data = STATUS_WITHOUT_SPACE.sub(rb"\1 \r", data)
    while True:
        message = read_response(without_idle_framing(data), b"POST", ended=True)
        assert message is not None, data
        if message.status >= 200:
            assert message.complete, data
            return message
        data = data.partition(HEAD_END)[2]


def without_idle_framing(data: bytes) -> bytes:
    """`data` without what must not be in a 1xx or 204, and has no meaning there."""
    head, end, rest = data.partition(HEAD_END)
    if BODILESS.match(head):
        head = FRAMING.sub(b"", head)
    return head + end + rest
