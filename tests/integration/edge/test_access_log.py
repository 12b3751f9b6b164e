"""The access log of a running edge: a line for each request, true to what happened."""

import json
import os
import re
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from pool.snapshot import LimitPolicy, PoolSpec, RetryPolicy, RouteSpec, TimeoutPolicy
from tests.integration.edge.harness.backend import Backend, Call
from tests.integration.edge.harness.client import Client, request_bytes
from tests.integration.edge.harness.load import Load
from tests.integration.edge.harness.processes import Edge
from tests.integration.edge.harness.scripts import DELAY, cut_short, slowly, stall
from tests.integration.edge.harness.waiting import wait_until

MakeBackend = Callable[..., Backend]
StartEdge = Callable[..., Edge]
PHASES = ("queue_ms", "retries_ms", "connect_ms", "response_header_ms")


@dataclass
class Log:
    edge: Edge
    path: Path

    def lines(self) -> list[dict[str, Any]]:
        if not self.path.exists():
            return []
        return [json.loads(line) for line in self.path.read_text().splitlines()]

    def of(self, path: str) -> dict[str, Any]:
        """The line of the one request for `path`."""
        wait_until(f"{path} is logged", lambda: [x for x in self.lines() if x["path"] == path])
        (line,) = [line for line in self.lines() if line["path"] == path]
        return line


@pytest.fixture(scope="module")
def log(start_lasting_edge: StartEdge, tmp_path_factory: pytest.TempPathFactory) -> Log:
    path = tmp_path_factory.mktemp("log") / "access.log"
    return Log(start_lasting_edge(LB_ACCESS_LOG=str(path), LB_REQUEST_HEAD_TIMEOUT="1"), path)


def test_a_request_with_all_that_is_told_of_it(log: Log, backend: MakeBackend) -> None:
    log.edge.serve(backend("slow", slowly).spec())
    sent_at, begun = time.time(), time.monotonic()
    with Client(log.edge.port, source="127.0.0.9") as client:
        request = request_bytes("POST", "/all?token=secret", b"x" * 50, cookie="secret")
        client.send(request)
        answer = client.response()
        assert answer.body == b"hello"
    line = log.of("/all")
    elapsed = (time.monotonic() - begun) * 1000
    times = {name: line.pop(name) for name in [*line] if name.endswith("_ms")}
    told_at = line.pop("time")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", told_at)
    assert 0 <= datetime.fromisoformat(told_at).timestamp() - sent_at + 0.001 < elapsed / 1000
    assert line.pop("bytes_out") > len("hello")
    assert len(line.pop("request_id")) == 32
    assert line == {
        "client": "127.0.0.9",
        "method": "POST",
        "host": "shop.test",
        "path": "/all",
        "protocol": "HTTP/1.1",
        "route": 1,
        "pool": "shop",
        "snapshot": log.edge.number,
        "status": 200,
        "cause": "complete",
        "bytes_in": len(request),
        "backend": "slow",
        "in_flight": 0,
        "attempts": 1,
        "reused": False,
    }
    assert "secret" not in log.path.read_text()
    assert {*times} == {*PHASES, "total_ms"}
    assert times["queue_ms"] >= 0
    assert times["retries_ms"] == 0
    assert times["connect_ms"] > 0
    assert times["response_header_ms"] >= DELAY * 1000
    assert sum(times[phase] for phase in PHASES) <= times["total_ms"] + 0.01
    assert 2 * DELAY * 1000 <= times["total_ms"] <= elapsed


def test_the_id_is_the_one_that_the_backend_was_told(log: Log, backend: MakeBackend) -> None:
    log.edge.serve(backend("a").spec())
    with Client(log.edge.port) as client:
        told = client.get("/id").json()["headers"]["x-request-id"]
        client.get("/again")
    assert log.of("/id")["request_id"] == told
    again = log.of("/again")
    assert (again["reused"], again["connect_ms"]) == (True, 0)


def test_tries_that_failed_are_told_apart_from_the_last_one(log: Log, backend: MakeBackend) -> None:
    def die_late(call: Call) -> None:
        time.sleep(DELAY)
        call.reset()

    dying, alive = backend("dying", die_late), backend("alive")
    log.edge.serve(dying.spec(), alive.spec(), algorithm="round_robin")
    with Client(log.edge.port) as client:
        for number in range(2):
            assert client.get(f"/retried-{number}").status == 200
    lines = [log.of(f"/retried-{number}") for number in range(2)]
    line = max(lines, key=lambda line: line["attempts"])
    assert line["attempts"] == 2
    assert (line["status"], line["cause"], line["backend"]) == (200, "complete", "alive")
    assert line["retries_ms"] >= DELAY * 1000
    assert sum(line[phase] for phase in PHASES) <= line["total_ms"] + 0.01


def malformed(call: Call) -> None:
    call.send(b"what?\r\n\r\n")


@pytest.mark.parametrize(
    ("script", "status", "cause"),
    [
        (cut_short, 200, "response_cut"),
        (stall, 504, "response_timeout"),
        (malformed, 502, "bad_response"),
        (Call.reset, 502, "backend_reset"),
    ],
)
def test_the_cause_of_an_end_that_was_the_backends(
    log: Log, backend: MakeBackend, script: Callable[[Call], None], status: int, cause: str
) -> None:
    log.edge.serve(
        backend("bad", script).spec(),
        timeouts=TimeoutPolicy(response=1.0),
        retry=RetryPolicy(attempts=1),
    )
    with Client(log.edge.port) as client:
        assert client.get(f"/{cause}").status == status
    line = log.of(f"/{cause}")
    assert (line["status"], line["cause"], line["backend"]) == (status, cause, "bad")


def test_a_client_that_leaves_is_told_as_such(log: Log, backend: MakeBackend) -> None:
    a = backend("left", stall)
    log.edge.serve(a.spec())
    with Client(log.edge.port) as client:
        client.send(request_bytes("GET", "/left"))
        wait_until("the backend has it", lambda: a.calls)
        client.reset()
    line = log.of("/left")
    assert (line["status"], line["cause"], line["bytes_out"]) == (499, "client_abort", 0)
    assert line["response_header_ms"] is None


def test_what_the_edge_answers_itself_is_logged(log: Log, backend: MakeBackend) -> None:
    a = backend("a")
    pool = PoolSpec(id=1, name="shop", backends=(a.spec(),), limits=LimitPolicy(max_body=10))
    empty = PoolSpec(id=2, name="empty")
    routes = (
        RouteSpec(id=1, pool_id=1, path_prefix="/pool"),
        RouteSpec(id=2, pool_id=2, path_prefix="/empty"),
    )
    log.edge.publish((pool, empty), routes)
    with Client(log.edge.port) as client:
        answers = {path: client.get(path) for path in ("/nowhere", "/empty")}
        answers["/pool"] = client.request("POST", "/pool", b"x" * 11)
    expected = {
        "/nowhere": (404, "no_route", None),
        "/empty": (503, "no_backend", "empty"),
        "/pool": (413, "body_too_large", "shop"),
    }
    for path, told in expected.items():
        line, answer = log.of(path), answers[path]
        assert (line["status"], line["cause"], line["pool"]) == told
        assert line["request_id"] == answer.headers["x-request-id"]
        assert line["status"] == answer.status
        assert (line["backend"], line["connect_ms"]) == (None, None)


@pytest.mark.parametrize(
    ("head", "status", "cause"),
    [
        (b"GET / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n", 400, "bad_request"),
        (b"GET / HTTP/1.1\r\nHost: a\r\n", 408, "request_timeout"),
        (b"GET /%b HTTP/1.1\r\nHost: a\r\n\r\n" % (b"x" * 9000), 414, "target_too_long"),
    ],
)
def test_a_head_that_could_not_be_read_is_logged_without_what_it_said(
    log: Log, head: bytes, status: int, cause: str
) -> None:
    with Client(log.edge.port, source="127.0.0.8") as client:
        client.send(head)
        assert client.response().status == status
    wait_until("it is logged", lambda: any(line["cause"] == cause for line in log.lines()))
    (line,) = [line for line in log.lines() if line["cause"] == cause]
    assert (line["client"], line["status"], line["bytes_in"]) == ("127.0.0.8", status, len(head))
    assert (line["method"], line["path"], line["backend"]) == (None, None, None)


def test_usr1_goes_on_in_a_new_file_and_loses_no_line(log: Log, backend: MakeBackend) -> None:
    log.edge.serve(backend("a").spec())
    with Client(log.edge.port) as client:
        client.get("/before")
    log.of("/before")
    moved = log.path.with_suffix(".1")
    with Load(log.edge.port) as load:
        load.go_on(0.4)
        log.path.rename(moved)
        log.edge.signal(signal.SIGUSR1)
        wait_until("there is a new one", log.path.exists)
        load.go_on(0.4)
    assert load.failures == []

    def loaded() -> int:
        texts = moved.read_text() + log.path.read_text()
        return sum(json.loads(line)["path"] == "/load" for line in texts.splitlines())

    wait_until("each request has its line", lambda: loaded() == load.answered)
    assert "/before" in moved.read_text()
    assert log.lines(), "the new one is in use"


def test_two_workers_append_whole_lines_to_one_file(
    start_edge: StartEdge, backend: MakeBackend, tmp_path: Path
) -> None:
    path = tmp_path / "access.log"
    edge = start_edge("--workers", "2", LB_ACCESS_LOG=str(path))
    edge.serve(backend("a").spec(), workers=2)
    with Load(edge.port, rate=600) as load:
        load.go_on(1.0)
    edge.stop()
    assert load.failures == []
    lines = Log(edge, path).lines()
    assert sum(line["path"] == "/load" for line in lines) == load.answered
    assert len({line["request_id"] for line in lines}) == len(lines)


def test_of_a_sample_of_none_only_what_went_wrong_is_logged(
    start_edge: StartEdge, backend: MakeBackend, tmp_path: Path
) -> None:
    path = tmp_path / "access.log"
    edge = start_edge(LB_ACCESS_LOG=str(path), LB_ACCESS_LOG_SAMPLE="0")
    good, bad = backend("good"), backend("bad", cut_short)
    edge.serve(good.spec())
    with Client(edge.port) as client:
        assert {client.get("/good").status for _ in range(50)} == {200}
        edge.serve(bad.spec())
        assert not client.get("/bad").complete
    edge.stop()
    assert [line["path"] for line in Log(edge, path).lines()] == ["/bad"]


@pytest.mark.parametrize("unwritable", ["/dev/full", "missing/access.log"])
def test_a_log_that_cannot_be_written_harms_no_request_and_is_told_once(
    start_edge: StartEdge, backend: MakeBackend, tmp_path: Path, unwritable: str
) -> None:
    edge = start_edge(LB_ACCESS_LOG=str(tmp_path / unwritable))
    edge.serve(backend("a").spec())
    with Load(edge.port) as load:
        load.go_on(1.2)
    assert load.failures == []
    wait_until("all are counted", lambda: edge.counted() == load.answered)
    edge.stop()
    assert edge.log.count("The access log cannot be written") == 1


def test_a_reader_of_the_log_that_hangs_holds_up_nobody(
    start_edge: StartEdge, backend: MakeBackend, tmp_path: Path
) -> None:
    """stdout is a pipe in containers: nothing but the log may wait for who reads it."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    edge = start_edge(LB_ACCESS_LOG=str(pipe))
    edge.serve(backend("a").spec())
    with Load(edge.port, rate=600) as load:
        load.go_on(1.5)  # more lines than a pipe holds
    assert load.failures == []
    edge.stop()
    os.close(reader)
    assert "WORKER TIMEOUT" not in edge.log
