"""Requests through the proxy view are noted for the admin as those through an edge are."""

from collections.abc import Callable, Iterator

import msgspec
import pytest

from pool.bus import REQUESTS_FIELD, REQUESTS_STREAM, RequestBatch, RequestNote
from pool.snapshot import CircuitPolicy, RetryPolicy
from tests.integration.edge.harness.backend import Backend, Call
from tests.integration.edge.harness.waiting import wait_until
from tests.integration.web import Web, start_webs

Make = Callable[..., Backend]


@pytest.fixture(scope="module")
def web() -> Iterator[Web]:
    with start_webs() as start:
        yield start()


def notes(web: Web, path: str) -> list[RequestNote]:
    found = {}
    for _, entry in web.redis.xrange(REQUESTS_STREAM):
        batch = msgspec.msgpack.decode(entry[REQUESTS_FIELD], type=RequestBatch)
        found |= {note.key: note for note in batch.notes}
    return [note for note in found.values() if note.path == path]


def note_of(web: Web, path: str) -> RequestNote:
    wait_until("it is noted", lambda: notes(web, path))
    (note,) = notes(web, path)
    return note


def test_a_request_is_noted_with_all_that_is_known_of_it(web: Web, backend: Make) -> None:
    a = backend("a")
    web.serve(a)
    told = web.ask("POST", "/lb/shop/cart?secret=1", b"123").json()
    note = note_of(web, "/lb/shop/cart")
    assert note.request_id == told["headers"]["x-request-id"]
    assert (note.method, note.status, note.cause, note.notable) == ("POST", 200, "complete", False)
    assert (note.pool, note.backend, note.attempts, note.client) == ("shop", "a", 1, "127.0.0.1")
    assert note.snapshot == web.number
    assert note.queue is not None
    assert note.first_byte is not None
    assert 0 <= note.queue + note.first_byte <= note.total


def test_what_went_wrong_is_noted_with_its_cause(web: Web, backend: Make) -> None:
    def answer(call: Call) -> None:
        if call.target == "/cut":
            call.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf of it")
            call.reset()
        else:
            call.answer(status="500 Broken" if call.target == "/broken" else "200 OK")

    dead, alive = backend("dead"), backend("alive", answer)
    policies = {"circuit": CircuitPolicy(mode="off"), "retry": RetryPolicy(attempts=2)}
    web.serve(dead, alive, algorithm="first_available", **policies)
    dead.stop()
    causes = {}
    for name in ("retried", "broken", "cut"):
        web.ask(target=f"/lb/shop/{name}")
        note = note_of(web, f"/lb/shop/{name}")
        assert (note.notable, note.backend, note.attempts) == (True, "alive", 2)
        causes[name] = (note.status, note.cause)
    assert causes == {
        "retried": (200, "complete"),
        "broken": (500, "complete"),
        "cut": (200, "response_cut"),
    }


def test_what_no_backend_has_answered_is_found_by_the_id_that_its_client_was_told(
    web: Web, backend: Make
) -> None:
    web.serve(backend("a"))
    refused = web.ask(target="/lb/nowhere/at-all")
    note = note_of(web, "/lb/nowhere/at-all")
    assert (note.status, note.cause, note.backend) == (404, "no_route", "")
    assert note.request_id == refused.headers["x-request-id"]
