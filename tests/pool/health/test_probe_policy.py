"""What a probe asks, and by what the answer is judged."""

import socket
import time

import pytest

from pool.choices import HeaderAction, ProbeKind, ProbeMethod, ProbeResult
from pool.health.pattern import SEARCHED, compile_pattern
from pool.health.probe import probe
from pool.snapshot import HeaderRule, HealthPolicy
from tests.integration.edge.harness.ports import ReservedPort

PASS, SLOW, FAIL = ProbeResult.PASS, ProbeResult.SLOW, ProbeResult.FAIL


def response(body, status="200 OK"):
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def field(name, value):
    return HeaderRule(action=HeaderAction.SET, name=name, value=value)


# --- what is asked ---


@pytest.mark.parametrize("method", list(ProbeMethod))
def test_the_method_is_the_policys(backend, answer, method):
    received = []
    data = response(b"") if method is not ProbeMethod.HEAD else response(b"12345")[:-5]
    outcome = probe(backend(answer(data, received)).origin, HealthPolicy(method=method))
    assert outcome.result is PASS
    assert received[0].startswith(f"{method} / HTTP/1.1\r\n".encode())


def test_header_fields_are_sent_in_place_of_the_probes_own(backend, answer):
    received = []
    policy = HealthPolicy(headers=(field("user-agent", "probe"), field("X-Probe", "1")))
    probe(backend(answer(response(b""), received)).origin, policy)
    lines = received[0].decode().lower().split("\r\n")
    assert {"user-agent: probe", "x-probe: 1", "connection: close"} <= set(lines)
    assert len([line for line in lines if line.startswith("user-agent:")]) == 1


# --- TCP ---


def test_a_connection_is_enough_for_tcp(backend):
    server = backend(lambda connection: connection.recv(1))
    outcome = probe(server.origin, HealthPolicy(kind=ProbeKind.TCP))
    assert (outcome.result, outcome.reason, outcome.status) == (PASS, "connected", None)
    assert outcome.latency_ms > 0


def test_tcp_says_who_refuses():
    port = ReservedPort()
    outcome = probe(f"http://127.0.0.1:{port.number}", HealthPolicy(kind=ProbeKind.TCP))
    port.release()
    assert (outcome.result, outcome.reason) == (FAIL, "connection refused")


def test_tcp_says_which_name_does_not_resolve():
    outcome = probe("http://nowhere.invalid:80", HealthPolicy(kind=ProbeKind.TCP))
    assert outcome.reason == "name does not resolve: nowhere.invalid"


def test_tcp_reaches_a_unix_socket(tmp_path):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "app.sock"))
        listener.listen()
        origin = f"unix:{tmp_path / 'app.sock'}"
        assert probe(origin, HealthPolicy(kind=ProbeKind.TCP)).result is PASS


# --- the body ---


@pytest.mark.parametrize(
    ("pattern", "body", "result"),
    [
        ("ready", b"all ready now", PASS),
        ('"status": *"(ok|green)"', b'{"status": "green"}', PASS),
        ("^ok$", b"not ok", FAIL),
        ("größe", "größe".encode(), PASS),
        ("ok", b"\xff\xfe ok", PASS),
        ("ok", b"", FAIL),
    ],
)
def test_the_body_has_to_match(backend, answer, pattern, body, result):
    outcome = probe(backend(answer(response(body))).origin, HealthPolicy(body=pattern))
    assert outcome.result is result
    if result is FAIL:
        assert outcome.reason == f"status 200, but the body does not contain {pattern}"


@pytest.mark.parametrize(("before", "result"), [(SEARCHED - 3, PASS), (SEARCHED - 2, FAIL)])
def test_the_first_part_of_a_body_is_searched(backend, answer, before, result):
    body = b"x" * before + b"end" + b"x" * 10_000
    outcome = probe(backend(answer(response(body))).origin, HealthPolicy(body="end"))
    assert outcome.result is result


def test_the_status_is_judged_before_the_body(backend, answer):
    data = response(b"ready", "503 Service Unavailable")
    outcome = probe(backend(answer(data)).origin, HealthPolicy(body="ready"))
    assert outcome.reason == "status 503, expected 200-399"


def test_no_pattern_keeps_a_probe_busy():
    pattern = compile_pattern(r"(a+)+$|(a|a)*b|(.*a){20}x")
    started = time.thread_time()
    pattern.search("a" * SEARCHED + "!")
    assert time.thread_time() - started < 1  # Python's own would take years


@pytest.mark.parametrize("text", ["(a", r"(a)\1", "(?=a)", "((a{1000}){1000})"])
def test_what_re2_does_not_take_is_refused_with_the_reason(text):
    with pytest.raises(ValueError, match="Correct the regular expression"):
        compile_pattern(text)


# --- latency ---


def test_a_late_pass_is_slow_and_says_by_how_much(backend, answer):
    promptly = answer(response(b""))

    def late(connection):
        time.sleep(0.06)  # a backend that is slow
        promptly(connection)

    outcome = probe(backend(late).origin, HealthPolicy(degraded_latency=0.05))
    assert outcome.result is SLOW
    assert outcome.reason.startswith("status 200, but only after 0.")
    assert outcome.reason.endswith(" s (limit 0.05 s)")


@pytest.mark.parametrize("limit", [0.0, 2.0])
def test_a_pass_in_time_is_a_pass(backend, answer, limit):
    outcome = probe(backend(answer(response(b""))).origin, HealthPolicy(degraded_latency=limit))
    assert (outcome.result, outcome.reason) == (PASS, "status 200")
