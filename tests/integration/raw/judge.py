"""Runs one case against a proxy and lists what differs from its verdict."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.integration.edge.harness.ports import ReservedPort
from tests.integration.raw import backend as scripted
from tests.integration.raw.backend import Exchange, Record, ScriptedBackend
from tests.integration.raw.case import Case, Expected, ExpectedField, Step
from tests.integration.raw.client import PATIENCE, RawClient
from tests.integration.raw.edge import LOG, corpus_snapshot, running_edge
from tests.integration.raw.message import Malformed, Message, read_response

PLAIN = b"GET /plain HTTP/1.1\r\nHost: shop.test\r\n\r\n"
QUIET = 0.02  # seconds in which nothing more must come
MAX_PROBLEM_BODY = 512  # the edge's own answers are short
# Said of the connection to the backend, which is the edge's own business.
CONNECTION_FIELDS = {(b"connection", b"close"), (b"connection", b"keep-alive")}


@dataclass
class Judge:
    address: tuple[str, int]
    backend: ScriptedBackend

    def run(self, case: Case, *, bytewise: bool = False) -> list[str]:
        """What is wrong, in words; nothing if the case holds."""
        record = self.backend.begin(case.backend)
        client = RawClient(self.address)
        try:
            client.play(case.client, bytewise=bytewise)
            problems = list(_answer_problems(case, client))
            problems += _backend_problems(case, record)
            problems += self._fate_problems(case, client)
        finally:
            client.close()
        if not self.backend.settle():
            problems.append("the proxy holds on to a backend connection that was closed")
        problems += record.problems
        problems += _leak_problems(case, record, bytewise=bytewise)
        return [*problems, *self.plain_problems()]

    def _fate_problems(self, case: Case, client: RawClient) -> Iterator[str]:
        if case.fate == "closed" and not client.wait(lambda: client.ended):
            yield "the client's connection was not closed"
        if case.fate != "open":
            return
        before = len(client.received)
        self.backend.begin([])
        client.play([Step("send", PLAIN)], bytewise=False)
        client.wait(lambda: client.ended or client.received[before:].endswith(b"ok"))
        if client.ended:
            yield "the client's connection was closed"
        elif not _is_ok(client.received[before:]):
            yield f"the connection's next answer was {client.received[before:][:300]!r}"

    def plain_problems(self) -> Iterator[str]:
        """The edge still serves, on a fresh connection, with a backend that behaves."""
        self.backend.begin([], default=scripted.LAST_OK)
        client = RawClient(self.address)
        client.play([Step("send", PLAIN)], bytewise=False)
        client.wait(lambda: client.ended or client.received.endswith(b"ok"))
        client.close()
        if not _is_ok(client.received):
            yield f"afterwards, a plain request got {client.received[:300]!r}"


@contextmanager
def judging_an_edge(redis_url: str, data_dir: Path) -> Iterator[Judge]:
    """A judge over a real edge, which must come to its end without having logged an exception."""
    backend = ScriptedBackend()
    dead = ReservedPort()
    published = corpus_snapshot(backend.port, dead.number)
    with running_edge(redis_url, published, data_dir) as address:
        yield Judge(address, backend)
    dead.release()
    backend.close()
    log = (data_dir / LOG).read_text()
    assert "Traceback" not in log, log[-5000:]


def _is_ok(received: bytes) -> bool:
    message = read_response(received, b"GET", ended=False)
    return bool(message and message.status == 200 and message.body == b"ok" and message.complete)


def _answer_problems(case: Case, client: RawClient) -> Iterator[str]:
    """The answers in order, and not a byte more."""
    at, problems = 0, list[str]()

    def everything_is_there() -> bool:
        nonlocal at
        try:
            at, problems[:] = _read_answers(case, client)
        except Malformed as error:
            problems[:] = [f"a malformed response: {error} in {client.received[:400]!r}"]
            return True
        return client.ended or not problems

    client.wait(everything_is_there)
    if not problems and not client.ended:
        client.wait(lambda: len(client.received) > at, QUIET)
    yield from problems
    if not problems and len(client.received) > at:
        yield f"more bytes than expected: {client.received[at:][:300]!r}"


def _read_answers(case: Case, client: RawClient) -> tuple[int, list[str]]:
    at = 0
    for number, expected in enumerate(case.answers, 1):
        message = read_response(client.received[at:], expected.method, ended=client.ended)
        if message is None:
            if expected.maybe and client.ended and not client.received[at:]:
                continue
            return at, [f"no answer {number}, but {client.received[at:][:300]!r}"]
        at += message.size
        problems = list(_compare_answer(case, expected, message, client))
        if problems:
            return at, [f"answer {number}: {problem}" for problem in problems]
    return at, []


def _compare_answer(
    case: Case, expected: Expected, message: Message, client: RawClient
) -> Iterator[str]:
    if message.status not in expected.statuses:
        yield f"{message.start!r} instead of {expected.statuses} {message.body[:200]!r}"
        return
    yield from _field_problems(expected.fields, message)
    if expected.cut and message.status < 500:
        # Without a length or chunks, only a reset tells the end from a beginning.
        told = client.was_reset if message.framing == "close" else not message.complete
        if not client.ended or not told:
            yield f"cut short it must be, but looks complete ({message.framing} framing)"
        if expected.body and not expected.body.startswith(message.body):
            yield f"body {message.body[:300]!r} is no beginning of {expected.body[:300]!r}"
        return
    if not message.complete:
        yield f"incomplete: {message.body[-100:]!r}"
    elif expected.body is not None and message.body != expected.body:
        yield f"body {message.body[:300]!r} instead of {expected.body[:300]!r}"
    if message.framing == "close" and client.was_reset:
        yield "complete it must be, but a reset says that it was cut short"
    if case.verdict != "forward" and message.status >= 400:
        yield from _own_answer_problems(case, message)


def _own_answer_problems(case: Case, message: Message) -> Iterator[str]:
    """What the edge says by itself is short text, or problem+json for who asks for it."""
    sent = b"".join(step.data for step in case.client).lower()
    wanted = b"application/problem+json" if b"accept: application/json" in sent else b"text/plain"
    kind = b"".join(message.values(b"content-type"))
    if not kind.startswith(wanted):
        yield f"content type {kind!r} instead of {wanted!r}"
    if len(message.values(b"x-request-id")) != 1:
        yield "an answer of the edge without an id by which its log line is found"
    if not 0 < len(message.body) <= MAX_PROBLEM_BODY:
        yield f"an answer of the edge with a body of {len(message.body)} bytes"


def _field_problems(fields: tuple[ExpectedField, ...], message: Message) -> Iterator[str]:
    for wanted in fields:
        found = message.values(wanted.name)
        if wanted.rule == "trailer":
            found = [value for name, value in message.trailers if name == wanted.name]
        if wanted.rule == "lacks" and found:
            yield f"unwanted field {wanted.name!r}: {found}"
        elif wanted.rule == "other" and (not found or wanted.value in found):
            yield f"field {wanted.name!r}: {found}, which must be there with another value"
        elif wanted.rule in ("has", "trailer") and (
            wanted.value not in found if wanted.value is not None else not found
        ):
            yield f"field {wanted.name!r}: {found} instead of {wanted.value!r}"


def _backend_problems(case: Case, record: Record) -> Iterator[str]:
    if not case.forwarded:
        return
    wanted = case.forwarded
    _eventually(lambda: _have_come(wanted, record.exchanges))
    for number, expected in enumerate(wanted, 1):
        if number > len(record.exchanges):
            yield f"forwarded {number} of {len(wanted)} is missing"
            return
        exchange = record.exchanges[number - 1]
        before = {other.connection for other in record.exchanges[: number - 1]}
        for problem in _compare_forwarded(expected, exchange, before):
            yield f"forwarded {number}: {problem}"
    if len(record.exchanges) > len(wanted):
        extra = [exchange.message.start for exchange in record.exchanges[len(wanted) :]]
        yield f"forwarded too much: {extra}"


def _have_come(wanted: list[Expected], exchanges: list[Exchange]) -> bool:
    return len(exchanges) >= len(wanted) and all(
        exchange.ended if expected.cut else exchange.message.complete
        for expected, exchange in zip(wanted, exchanges, strict=False)
    )


def _eventually(ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not ready() and time.monotonic() < deadline:
        time.sleep(0.001)


def _compare_forwarded(expected: Expected, exchange: Exchange, before: set[int]) -> Iterator[str]:
    message = exchange.message
    if message.start != expected.start:
        yield f"{message.start!r} instead of {expected.start!r}"
    if expected.connection and (expected.connection == "same") != (exchange.connection in before):
        yield f"not on a {expected.connection} connection"
    yield from _forwarded_field_problems(expected, message)
    if expected.cut:
        if message.complete or not exchange.ended:
            yield "cut short it must be, but " + ("is complete" if message.complete else "goes on")
    elif not message.complete:
        yield f"incomplete: {message.body[-100:]!r}"
    elif expected.body is not None and message.body != expected.body:
        yield f"body {message.body[:300]!r} instead of {expected.body[:300]!r}"


def _forwarded_field_problems(expected: Expected, message: Message) -> Iterator[str]:
    yield from _field_problems(expected.fields, message)
    wanted = [field for field in expected.fields if field.rule in ("has", "may", "other")]
    if expected.edge_fields:
        named = {field.name for field in expected.fields}
        added = [field for field in _edge_fields(message) if field.name not in named]
        yield from _field_problems(tuple(added), message)
        wanted += added
    allowed = {field.name for field in wanted}
    exact = Counter(field.name for field in wanted)
    for name, count in Counter(name for name, _ in message.fields).items():
        if name not in allowed and not _is_own_business(message, name):
            yield f"unwanted field {name!r}: {message.values(name)}"
        elif name in allowed and count > exact[name]:
            yield f"field {name!r} {count} times: {message.values(name)}"
    yield from _order_problems(wanted, message)


def _order_problems(wanted: list[ExpectedField], message: Message) -> Iterator[str]:
    """RFC 9110 §5.3: fields of one name keep their order."""
    for name in {field.name for field in wanted}:
        values = [field.value for field in wanted if field.name == name and field.rule == "has"]
        found = [value for value in message.values(name) if value in values]
        if None not in values and len(values) > 1 and found != values:
            yield f"field {name!r}: {found} is not in the order of {values}"


def _is_own_business(message: Message, name: bytes) -> bool:
    return all((name, value.lower()) in CONNECTION_FIELDS for value in message.values(name))


def _edge_fields(message: Message) -> list[ExpectedField]:
    """What the edge says of the request: a client on loopback that is not trusted."""
    host = b"".join(message.values(b"host"))
    via = b"1.0 lbsite" if message.values(b"via") == [b"1.0 lbsite"] else b"1.1 lbsite"
    return [
        ExpectedField(b"x-forwarded-for", b"127.0.0.1"),
        ExpectedField(b"x-forwarded-proto", b"http"),
        ExpectedField(b"x-forwarded-host", host),
        ExpectedField(b"x-request-id", None),
        ExpectedField(b"via", via),
    ]


def _leak_problems(case: Case, record: Record, *, bytewise: bool) -> Iterator[str]:
    """Asked last: every connection to the backend has ended by now."""
    complete = [exchange for exchange in record.exchanges if exchange.message.complete]
    if case.verdict == "abort" or (case.verdict == "refuse" and bytewise):
        # Byte by byte, a streaming proxy has passed on the head before the body goes wrong.
        if complete:
            yield f"a refused request was completed: {record.received[:400]!r}"
    elif case.verdict in ("refuse", "answer") and record.received:
        yield f"the backend got {record.received[:400]!r}"
