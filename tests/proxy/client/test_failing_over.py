"""Where a request goes when a host fails, and what the caller gets."""

from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any

import pytest
import requests

from proxy.client import AllBackendsUnavailable, LoadBalancer
from tests.integration.edge.harness.backend import Backend, Call, Script

Make = Callable[..., Any]


def names(lb: LoadBalancer, count: int, method: str = "GET", **options: Any) -> list[str]:
    return [lb.request(method, "/", **options).json()["backend"] for _ in range(count)]


def test_hosts_take_turns(backend: Make, balancer: Make) -> None:
    lb = balancer(backend("a"), backend("b"), backend("c"))
    assert names(lb, 6) == ["a", "b", "c", "a", "b", "c"]


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_a_host_that_refuses_is_left_for_another(
    backend: Make, balancer: Make, method: str
) -> None:
    dead, alive = backend("dead"), backend("alive")
    lb = balancer(dead, alive)
    dead.stop()
    assert names(lb, 3, method, data=b"body") == ["alive"] * 3
    assert lb.get_unhealthy_hosts() == [dead.url]
    assert lb.get_healthy_hosts() == [alive.url]
    assert lb.stats()[dead.url]["last_error"] == "connection refused"
    assert lb.stats()[dead.url]["requests"] == 1


@pytest.mark.parametrize("status", [500, 502, 503, 504])
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_an_error_status_sends_an_idempotent_request_elsewhere(
    backend: Make, balancer: Make, answering: Make, method: str, status: int
) -> None:
    failing, alive = backend("failing", answering(status)), backend("alive")
    lb = balancer(failing, alive)
    assert names(lb, 3, method) == ["alive"] * 3
    assert len(failing.calls) == 1
    assert lb.stats()[failing.url]["last_error"] == f"answered {status}"


@pytest.mark.parametrize("parent", ["00-" + "1" * 32 + "-" + "2" * 16 + "-01", "ff-xyz"])
def test_each_try_carries_the_callers_trace_context(
    backend: Make, balancer: Make, answering: Make, parent: str
) -> None:
    failing = backend("failing", answering(500))
    context = {"traceparent": parent, "tracestate": "rojo=00f067aa0ba902b7,congo=t61"}
    told = balancer(failing, backend("alive")).get("/", headers=context).json()
    assert told["backend"] == "alive"
    assert context.items() <= told["headers"].items()
    assert context.items() <= failing.calls[0].headers.items()


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_a_request_that_was_answered_is_not_sent_again(
    backend: Make, balancer: Make, answering: Make, method: str
) -> None:
    failing, alive = backend("failing", answering(500)), backend("alive")
    lb = balancer(failing, alive)
    answer = lb.request(method, "/", json={"order": 1})
    assert (answer.status_code, answer.text) == (500, "500")
    assert (len(failing.calls), len(alive.calls)) == (1, 0)
    assert lb.get_unhealthy_hosts() == [failing.url]
    assert names(lb, 2, method) == ["alive", "alive"]


def test_it_is_sent_again_if_the_caller_wants_it(
    backend: Make, balancer: Make, answering: Make
) -> None:
    failing, alive = backend("failing", answering(503)), backend("alive")
    lb = balancer(failing, alive, retry_non_idempotent=True)
    answer = lb.post("/", json={"order": 1}).json()
    assert (answer["backend"], answer["size"]) == ("alive", 12)
    assert answer["headers"]["content-type"] == "application/json"


def test_a_status_that_is_no_error_code_is_the_hosts_answer(
    backend: Make, balancer: Make, answering: Make
) -> None:
    lb = balancer(backend("a", answering(500)), backend("b"), error_codes={503})
    assert lb.get("/").status_code == 500
    assert lb.get_unhealthy_hosts() == []


def test_a_reset_sends_a_get_elsewhere_but_no_post(
    backend: Make, balancer: Make, dying: Script
) -> None:
    broken, alive = backend("broken", dying), backend("alive")
    assert names(balancer(broken, alive), 2) == ["alive", "alive"]
    lb = balancer(broken, alive)
    with pytest.raises(requests.ConnectionError):
        lb.post("/", data=b"order")
    assert lb.get_unhealthy_hosts() == [broken.url]
    assert names(lb, 1, "POST") == ["alive"]
    assert len([call for call in broken.calls if call.method == "POST"]) == 1


def test_a_stalled_host_is_left_when_time_is_up(backend: Make, balancer: Make) -> None:
    stalling = backend("stalling", lambda call: bool(call.client_has_left))
    lb = balancer(stalling, backend("alive"))
    assert names(lb, 2, timeout=0.3) == ["alive", "alive"]
    assert len(stalling.calls) == 1
    lb = balancer(stalling)
    with pytest.raises(requests.ReadTimeout):
        lb.post("/", timeout=(1, 0.3))


@pytest.mark.parametrize(
    "head",
    [b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", b"nonsense\r\n\r\n"],
    ids=["cut short", "no HTTP"],
)
def test_half_an_answer_is_none(backend: Make, balancer: Make, head: bytes) -> None:
    def break_off(call: Call) -> None:
        call.send(head + b"half")
        call.cut()

    lb = balancer(backend("broken", break_off), backend("alive"))
    assert names(lb, 2) == ["alive", "alive"]


def test_an_answer_of_two_lengths_is_none(backend: Make, balancer: Make) -> None:
    def answer(call: Call) -> None:
        call.answer(b"ok", fields="Content-Length: 3\r\n")

    torn, alive = backend("torn", answer), backend("alive")
    lb = balancer(torn, alive)
    assert names(lb, 3) == ["alive"] * 3
    assert lb.get_unhealthy_hosts() == [torn.url]
    with pytest.raises(requests.ConnectionError):
        balancer(torn).post("/", data=b"order")


def test_when_none_is_left_each_hosts_error_is_told(
    backend: Make, balancer: Make, answering: Make
) -> None:
    failing, dead = backend("failing", answering(502)), backend("dead")
    dead.stop()
    lb = balancer(failing, dead)
    for _ in range(2):  # also while nobody is asked any more
        with pytest.raises(AllBackendsUnavailable) as caught:
            lb.get("/")
        assert isinstance(caught.value, RuntimeError)
        assert caught.value.errors == {
            failing.url: "answered 502",
            dead.url: "connection refused",
        }
        assert f"{failing.url} (answered 502)" in str(caught.value)
    assert len(failing.calls) == 1


def test_without_hosts_nobody_is_left() -> None:
    with LoadBalancer() as lb, pytest.raises(AllBackendsUnavailable, match="there are none"):
        lb.get("/")


def test_a_host_that_is_out_stays_out_without_a_recovery_timeout(
    backend: Make, balancer: Make, time: Any
) -> None:
    a, b = backend("a"), backend("b")
    lb = balancer(a, b)
    a.stop()
    assert names(lb, 1) == ["b"]
    a.start()
    time.now += 10_000_000
    assert names(lb, 2) == ["b", "b"]
    lb.reset_health()
    assert lb.get_unhealthy_hosts() == []
    assert sorted(names(lb, 2)) == ["a", "b"]


def test_a_host_that_was_out_and_is_gone_keeps_no_other_one_in(
    backend: Make, balancer: Make, answering: Make
) -> None:
    gone, last = backend("gone", answering(500)), backend("last")
    lb = balancer(gone, last)
    assert names(lb, 2) == ["last", "last"]
    lb.remove_host(gone.url)
    last.script = answering(500)
    with pytest.raises(AllBackendsUnavailable):
        lb.get("/")
    assert lb.get_unhealthy_hosts() == [last.url]


def test_after_the_recovery_timeout_one_request_tries(
    backend: Make, balancer: Make, time: Any
) -> None:
    a, b = backend("a"), backend("b")
    lb = balancer(a, b, recovery_timeout=30)
    a.stop()
    assert names(lb, 2) == ["b", "b"]
    time.now += 29
    assert names(lb, 2) == ["b", "b"]
    time.now += 2
    assert names(lb, 4) == ["b"] * 4  # it is tried, and still refuses: nobody notices
    assert lb.stats()[a.url]["requests"] == 2
    a.start()
    time.now += 31
    assert sorted(names(lb, 4)) == ["a", "a", "b", "b"]
    assert lb.get_unhealthy_hosts() == []


# --- bodies ---


def test_a_file_is_rewound_to_where_it_was(backend: Make, balancer: Make, answering: Make) -> None:
    lb = balancer(backend("failing", answering(500)), backend("alive"))
    file = BytesIO(b"skipped|content")
    file.read(8)
    assert lb.put("/", data=file).json()["size"] == 7


def test_a_form_with_files_goes_to_another_host_as_it_was(
    backend: Make, balancer: Make, answering: Make
) -> None:
    failing, alive = backend("failing", answering(500)), backend("alive")
    lb = balancer(failing, alive)
    answer = lb.put("/", data={"a": "b"}, files={"f": BytesIO(b"x" * 1000)}).json()
    assert answer["size"] > 1000
    sent, first = alive.calls[0].headers, failing.calls[0].headers
    assert sent["content-type"] == first["content-type"]
    assert sent["content-length"] == first["content-length"]


def pieces() -> Iterator[bytes]:
    yield b"one"
    yield b"two"


def test_what_can_be_read_once_is_sent_once(backend: Make, balancer: Make, answering: Make) -> None:
    failing, alive = backend("failing", answering(500)), backend("alive")
    lb = balancer(failing, alive)
    assert lb.put("/", data=pieces()).status_code == 500
    assert not alive.calls


def test_it_goes_to_another_host_if_nothing_of_it_was_sent(backend: Make, balancer: Make) -> None:
    dead, alive = backend("dead"), backend("alive")
    lb = balancer(dead, alive)
    dead.stop()
    assert lb.post("/", data=pieces()).json()["size"] == 6


# --- kept connections ---


def test_a_kept_connection_that_the_host_has_closed_is_no_failure(
    backend: Make, balancer: Make
) -> None:
    def answer_once(call: Call) -> None:
        if len([one for one in a.calls if one.connection == call.connection]) > 1:
            call.reset()
        else:
            a.echo(call)

    a: Backend = backend("a", answer_once)
    lb = balancer(a)
    assert names(lb, 2) == ["a", "a"]
    assert lb.get_unhealthy_hosts() == []
    assert [call.connection for call in a.calls] == [1, 1, 2]


def test_connections_to_many_hosts_are_kept(backend: Make, balancer: Make) -> None:
    hosts = [backend(str(number)) for number in range(12)]  # urllib3 keeps those to 10
    lb = balancer(*hosts)
    for _ in range(3 * len(hosts)):
        assert lb.get("/").ok
    assert [host.connections for host in hosts] == [1] * len(hosts)
