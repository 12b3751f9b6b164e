"""`X-LB-Explain`: a live request says why it went where it went, to those who may know."""

import json
import threading
import time
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from pool.bus import BackendLoad, load_key
from pool.choices import AdminState, StickyMode
from pool.snapshot import BalancingPolicy, HeaderPolicy, HeaderRule, StickyPolicy
from proxy.core.debug import DebugKey
from proxy.explain.answer import explain
from proxy.explain.question import Question
from tests.integration.edge.harness.backend import Backend, Call
from tests.integration.edge.harness.client import Client, Response, request_bytes
from tests.integration.edge.harness.processes import Edge
from tests.integration.edge.harness.waiting import wait_until

MakeBackend = Callable[..., Backend]
SECRET = "the installation's secret"
FAR = 4_000_000_000


def signed(expiry: int = FAR, secret: str = SECRET) -> str:
    return DebugKey(secret).sign(expiry)


def explanation(response: Response) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(response.headers["x-lb-explain"])
    return found


@pytest.fixture(scope="module")
def debugged(start_lasting_edge: Callable[..., Edge]) -> Edge:
    return start_lasting_edge(LB_SECRET_KEY=SECRET)


@pytest.fixture
def edge(debugged: Edge) -> Edge:
    debugged.redis.delete("lb:health")
    return debugged


def ask(edge: Edge, target: str = "/", **fields: str) -> Response:
    with Client(edge.port) as client:
        return client.get(target, X_LB_Debug=signed(), **fields)


def test_a_signed_request_is_explained(edge: Edge, backend: MakeBackend) -> None:
    a, b, c = backend("a"), backend("b"), backend("c")
    edge.serve(a.spec(), b.spec(admin_state=AdminState.DRAINING), c.spec(tier=1))
    response = ask(edge)
    told = explanation(response)
    assert response.backend == "a"
    assert (told["snapshot"], told["pool"]) == (edge.number, "shop")
    assert told["route"] == {"id": 1, "host": "", "path_prefix": "/"}
    assert told["algorithm"] == "weighted_round_robin"
    assert told["tries"] == [{"backend": "a"}]
    assert {one["name"]: one.get("passed_over") for one in told["backends"]} == {
        "a": None,
        "b": "draining",
        "c": "lower_tier",
    }


@pytest.mark.parametrize(
    "value",
    ["", "1", f"{FAR}.x", signed(secret="guessed"), signed(int(time.time()) - 1)],
    ids=["empty", "no signature", "malformed", "forged", "expired"],
)
def test_what_is_not_signed_or_over_is_ignored(
    edge: Edge, backend: MakeBackend, value: str
) -> None:
    a = backend("a")
    edge.serve(a.spec())
    with Client(edge.port) as client:
        response = client.get(X_LB_Debug=value)
    assert response.status == 200
    assert "x-lb-explain" not in response.headers
    assert "x-lb-debug" not in a.calls[-1].headers


def test_the_signature_never_reaches_a_backend(edge: Edge, backend: MakeBackend) -> None:
    a = backend("a")
    edge.serve(a.spec())
    ask(edge, x_lb_debug=signed(), X_lb_DEBUG="x", X_LB_DEBUG=signed())
    assert not [name for name in a.calls[-1].headers if "debug" in name]


def test_the_right_ends_while_the_connection_is_kept(edge: Edge, backend: MakeBackend) -> None:
    edge.serve(backend("a").spec())
    expiry = int(time.time()) + 3
    with Client(edge.port) as client:
        assert "x-lb-explain" in client.get(X_LB_Debug=signed(expiry)).headers
        wait_until("the signature is over", lambda: time.time() > expiry)
        assert "x-lb-explain" not in client.get(X_LB_Debug=signed(expiry)).headers


def test_requests_after_it_on_the_connection_are_not_explained(
    edge: Edge, backend: MakeBackend
) -> None:
    edge.serve(backend("a").spec())
    with Client(edge.port) as client:
        for _ in range(2):
            assert "x-lb-explain" in client.get(X_LB_Debug=signed()).headers
            assert "x-lb-explain" not in client.get().headers


def test_a_backend_cannot_explain_in_its_place(edge: Edge, backend: MakeBackend) -> None:
    def lying(call: Call) -> None:
        call.answer(b"x", fields="X-LB-Explain: trust me\r\n")

    edge.serve(backend("a", lying).spec())
    with Client(edge.port) as client:
        client.send(request_bytes("GET", X_LB_Debug=signed()))
        head = b"".join(iter(client.stream.readline, b"\r\n"))
    assert head.lower().count(b"x-lb-explain:") == 1
    assert b"trust me" not in head


def test_the_pool_s_own_rules_still_apply(edge: Edge, backend: MakeBackend) -> None:
    rules = (HeaderRule(action="set", name="X-Frame-Options", value="DENY"),)
    edge.serve(backend("a").spec(), headers=HeaderPolicy(response_rules=rules))
    response = ask(edge)
    assert response.headers["x-frame-options"] == "DENY"
    assert "x-lb-explain" in response.headers


def test_failed_tries_are_told(edge: Edge, backend: MakeBackend) -> None:
    dead, alive = backend("dead"), backend("alive")
    edge.serve(dead.spec(), alive.spec(), algorithm="round_robin")
    dead.stop()
    with Client(edge.port) as client:
        told = [explanation(client.get(X_LB_Debug=signed())) for _ in range(2)]
    failed = next(one for one in told if len(one["tries"]) > 1)
    assert failed["tries"] == [
        {"backend": "dead", "error": "connect_failed"},
        {"backend": "alive"},
    ]
    passed_over = {one["name"]: one.get("passed_over") for one in failed["backends"]}
    assert passed_over == {"alive": None, "dead": "tried"}


def test_a_503_says_why_nobody_was_left(edge: Edge, backend: MakeBackend) -> None:
    edge.serve(backend("a").spec(admin_state=AdminState.MAINTENANCE), backend("b").spec(weight=0))
    response = ask(edge)
    assert response.status == 503
    told = explanation(response)
    assert told["tries"] == []
    assert {one["name"]: one["passed_over"] for one in told["backends"]} == {
        "a": "maintenance",
        "b": "weight_0",
    }


def test_it_shows_what_is_in_flight(edge: Edge, backend: MakeBackend) -> None:
    go_on = threading.Event()

    def slow(call: Call) -> None:
        go_on.wait(20)
        call.answer(b"x")

    a, b = backend("a", slow), backend("b")
    edge.serve(a.spec(), b.spec(weight=0))
    with Client(edge.port) as waiting:
        waiting.send(request_bytes("GET"))
        wait_until("it has come", lambda: a.calls)
        edge.serve(a.spec(), b.spec(), algorithm="least_connections")
        with Client(edge.port) as client:
            told = explanation(client.get(X_LB_Debug=signed()))
        go_on.set()
        assert waiting.response().status == 200
    assert {one["name"]: (one["in_flight"], one["score"]) for one in told["backends"]} == {
        "a": (1, 1.0),
        "b": (0, 0.0),
    }


def test_many_long_names_stay_within_two_kibibytes_of_ascii(
    edge: Edge, backend: MakeBackend
) -> None:
    a = backend("ä" * 100)
    others = [a.spec(id=100_000 + n, name="\x7fö" * 40 + str(n), weight=0) for n in range(200)]
    edge.serve(a.spec(), *others)
    response = ask(edge)
    value = response.headers["x-lb-explain"]
    assert len(value) <= 2048
    assert all(" " <= character <= "~" for character in value)
    told = explanation(response)
    assert told["backends"][0]["name"].startswith("ä")
    assert len(told["backends"]) + told["more"] == 201


def test_marks_keys_and_latencies_are_told(edge: Edge, backend: MakeBackend) -> None:
    specs = [backend(name).spec() for name in "abc"]
    edge.serve(
        *specs,
        algorithm="ring_hash",
        balancing=BalancingPolicy(hash_key="header:X-User"),
        sticky=StickyPolicy(mode=StickyMode.COOKIE, name="lb"),
    )
    first = ask(edge, X_User="olga")
    told = explanation(first)
    assert (told["algorithm"], told["key"]) == ("ring_hash", "olga")
    assert "sticks_to" not in told
    cookie = first.headers["set-cookie"].partition(";")[0]
    again = explanation(ask(edge, X_User="olga", Cookie=cookie))
    assert again["sticks_to"] == first.backend
    assert again["backends"][0]["name"] == first.backend
    assert again["backends"][0]["latency_ms"] > 0


@pytest.mark.parametrize("algorithm", ["ring_hash", "maglev"])
def test_what_is_explained_beforehand_is_what_happens(
    edge: Edge, backend: MakeBackend, algorithm: str
) -> None:
    specs = [backend(name).spec(weight=weight) for name, weight in (("a", 1), ("b", 2), ("c", 1))]
    policy = BalancingPolicy(hash_key="cookie:user", bounded_load=0)
    edge.serve(*specs, algorithm=algorithm, balancing=policy)
    cookies = [f"x=1; user=u{number}" for number in range(20)]
    foreseen = []
    for cookie in cookies:
        question = Question("shop.test", headers={"Cookie": cookie})
        choice = explain(question, edge.redis, SECRET).choice
        foreseen.append(choice.backend if choice is not None else None)
    assert len(set(foreseen)) > 1
    # The edge makes its table in the background, and has part of the last one until then.
    wait_until(
        "it happens as foreseen",
        lambda: foreseen == [ask(edge, Cookie=cookie).backend for cookie in cookies],
    )


def test_every_worker_reports_until_it_leaves(
    start_edge: Callable[..., Edge], backend: MakeBackend
) -> None:
    edge = start_edge("--workers", "2")
    a = backend("a")
    edge.serve(a.spec(), workers=2)
    keys = {load_key(report.worker_id) for report in edge.reports(edge.number)}
    wait_until("both", lambda: all(edge.redis.hexists(key, str(a.id)) for key in keys))
    assert len(keys) == 2
    edge.stop()
    assert not any(edge.redis.exists(key) for key in keys)


def test_without_a_secret_nothing_is_explained(
    start_edge: Callable[..., Edge], backend: MakeBackend
) -> None:
    edge = start_edge()
    edge.serve(backend("a").spec())
    assert "x-lb-explain" not in ask(edge).headers


def test_with_an_access_log_both_work(
    start_edge: Callable[..., Edge], backend: MakeBackend
) -> None:
    edge = start_edge(LB_SECRET_KEY=SECRET, LB_ACCESS_LOG="-")
    edge.serve(backend("a").spec())
    assert explanation(ask(edge))["tries"] == [{"backend": "a"}]
    wait_until("it is logged", lambda: '"backend":"a"' in edge.log.replace(" ", ""))


def loads(edge: Edge) -> dict[int, BackendLoad]:
    found: dict[int, BackendLoad] = {}
    for report in edge.reports(edge.number):
        for number, load in edge.redis.hgetall(load_key(report.worker_id)).items():
            found[int(number)] = msgspec.json.decode(load, type=BackendLoad)
    return found


def test_workers_tell_what_they_have_on_each_backend(edge: Edge, backend: MakeBackend) -> None:
    go_on = threading.Event()

    def held(call: Call) -> None:
        go_on.wait(20)
        call.answer(b"x")

    a, b = backend("a", held), backend("b")
    edge.serve(a.spec(), b.spec(weight=0))
    with Client(edge.port) as client:
        client.send(request_bytes("GET"))
        wait_until(
            "in flight",
            lambda: loads(edge).get(a.id, BackendLoad(in_flight=0, weight=1)).in_flight == 1,
        )
        assert loads(edge)[b.id].in_flight == 0
        go_on.set()
        assert client.response().status == 200
    wait_until("ended", lambda: loads(edge)[a.id].in_flight == 0)


def test_figures_come_again_when_redis_has_lost_them(edge: Edge, backend: MakeBackend) -> None:
    a = backend("a")
    edge.serve(a.spec())
    wait_until("told", lambda: set(loads(edge)) == {a.id})
    [report] = edge.reports(edge.number)
    edge.redis.delete(load_key(report.worker_id))
    wait_until("told again", lambda: set(loads(edge)) == {a.id})
    assert 0 < edge.redis.ttl(load_key(report.worker_id)) <= 10
