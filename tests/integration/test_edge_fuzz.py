"""Mutated requests against the real edge: it ends every connection and garbles none."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.integration.raw.case import Step, load
from tests.integration.raw.client import RawClient
from tests.integration.raw.judge import Judge, judging_an_edge
from tests.integration.raw.message import read_response

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


REQUESTS = requests()


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    data = draw(st.sampled_from(REQUESTS))
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


@given(data=mutated(), bytewise=st.booleans())
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
