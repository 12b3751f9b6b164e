"""`POST /api/v1/explain/`: where a request would go, and why."""

import time

import msgspec
import pytest
from django.conf import settings
from redis import RedisError
from rest_framework.test import APIClient

from pool.bus import CIRCUITS_KEY, EJECTIONS_KEY, FAILOVER_KEY, FailoverState
from pool.choices import AdminState, CircuitState, HealthState, StickyMode
from pool.circuits.records import Circuit
from pool.outliers.records import Ejection, Ejections
from pool.snapshot import BalancingPolicy, OutlierPolicy, RouteSpec, StickyPolicy
from proxy.core.backend import Backend
from proxy.core.marks import Marks
from proxy.core.secret import derive_key
from proxy.core.sticky import KEY_PURPOSE


def backends(answer):
    return {backend["name"]: backend for backend in answer["pool"]["backends"]}


def passed_over(answer):
    return {name: backend["passed_over"] for name, backend in backends(answer).items()}


def test_the_route_the_pool_and_the_snapshot_are_told(ask, publish, specs):
    routes = (
        RouteSpec(id=1, pool_id=1),
        RouteSpec(id=2, pool_id=1, host="*.test", path_prefix="/api"),
        RouteSpec(id=3, pool_id=1, host="other.test"),
    )
    publish(*specs("a"), routes=routes)
    answer = ask(host="Shop.TEST:8000", path="/api/users?page=2")
    assert answer["snapshot"] == 7
    assert [(route["id"], route["lost_by"]) for route in answer["routes"]] == [
        (2, ""),
        (1, "any host is less specific than *.test"),
    ]
    assert (answer["pool"]["name"], answer["pool"]["algorithm"]) == ("shop", "weighted_round_robin")


def test_no_route_is_an_answer_too(ask, publish, specs):
    publish(*specs("a"), routes=(RouteSpec(id=1, pool_id=1, host="other.test"),))
    answer = ask()
    assert (answer["routes"], answer["pool"], answer["choice"]) == ([], None, None)
    assert not answer["answered_by_edge"]


def test_the_edge_s_own_path_goes_nowhere(ask, publish, specs):
    publish(*specs("a"))
    assert ask(path="/-/health")["answered_by_edge"]


def test_health_is_that_of_now(ask, publish, specs, say_health):
    publish(*specs("a", "b"))
    assert passed_over(ask()) == {"a": None, "b": None}
    say_health(1, HealthState.UNHEALTHY, "Status 503")
    answer = ask()
    assert passed_over(answer) == {"a": "unhealthy", "b": None}
    assert backends(answer)["a"]["detail"] == "Status 503"
    assert answer["choice"] == {"by": "only", "backend": "b", "shares": {"b": 100.0}, "picks": 2000}


def test_who_is_ejected_is_passed_over_for_as_long_as_that_lasts(ask, publish, specs, redis_client):
    policy = OutlierPolicy(enabled=True)
    publish(*specs("a", "b", "c", "d"), outlier=policy)
    now = time.time()
    one = Ejection(since=now - 60, until=now + 60, times=1, cause="5 failures in a row")
    over = msgspec.structs.replace(one, until=now - 30)
    back = msgspec.structs.replace(one, ended=now - 30)
    record = msgspec.json.encode(Ejections(by_id={1: one, 2: over, 3: back}))
    redis_client.hset(EJECTIONS_KEY, "1", record)
    answer = ask()
    assert passed_over(answer) == {"a": "ejected", "b": None, "c": None, "d": None}
    assert backends(answer)["a"]["detail"] == "5 failures in a row"
    publish(*specs("a", "b", "c", "d"), outlier=OutlierPolicy())
    assert passed_over(ask())["a"] is None


def test_figures_of_all_workers_count_and_their_age_is_told(ask, publish, specs, report):
    publish(*specs("a", "b"), algorithm="least_connections")
    report("w1", {1: (2, 1000), 2: (0, 0)})
    report("w2", {1: (1, 3000)}, age=3)
    report("dead", {1: (50, 0)}, age=60)
    answer = ask()
    a, b = backends(answer)["a"], backends(answer)["b"]
    assert (a["in_flight"], a["latency_ms"], a["score"]) == (3, 2.0, 3.0)
    assert (b["in_flight"], b["latency_ms"], b["score"]) == (0, None, 0.0)
    assert answer["workers"] == 2
    assert 3 <= answer["age"] < 10
    assert answer["choice"]["backend"] == "b"


def test_full_backends_are_full_by_what_all_workers_have(ask, publish, specs, report):
    publish(*specs("b", a={"max_connections": 3}))
    report("w1", {2: (2, 0)})
    assert passed_over(ask())["a"] is None
    report("w2", {2: (1, 0)})
    assert passed_over(ask())["a"] == "full"


def test_turns_tell_the_next_and_the_long_run(ask, publish, specs):
    publish(*specs(a={"weight": 3}, b={"weight": 1}))
    choice = ask()["choice"]
    assert (choice["by"], choice["backend"]) == ("turn", "a")
    assert choice["shares"] == {"a": 75.0, "b": 25.0}


@pytest.mark.parametrize("algorithm", ["random", "power_of_two"])
def test_chance_tells_probabilities_and_no_next(ask, publish, specs, algorithm):
    publish(*specs("a", "b"), algorithm=algorithm)
    choice = ask()["choice"]
    assert (choice["by"], choice["backend"]) == ("chance", None)
    assert choice["shares"]["a"] == pytest.approx(50, abs=8)


def test_nobody_left_is_told_with_all_the_reasons(ask, publish, specs):
    publish(*specs(a={"weight": 0}, b={"admin_state": AdminState.DRAINING}))
    answer = ask()
    assert answer["choice"]["by"] == "nobody"
    assert passed_over(answer) == {"a": "weight_0", "b": "draining"}


def test_a_mark_decides_even_for_one_that_drains(ask, publish, specs, say_health):
    both = specs("a", b={"admin_state": AdminState.DRAINING})
    publish(*both, sticky=StickyPolicy(mode=StickyMode.COOKIE, name="lb"))
    backend = Backend(both[1])
    mark = Marks(derive_key(settings.SECRET_KEY, KEY_PURPOSE), 1, [backend]).of(backend)
    answer = ask(headers={"Cookie": f"x=1; lb={mark.decode()}"})
    assert answer["sticks_to"] == "b"
    assert (answer["choice"]["by"], answer["choice"]["backend"]) == ("mark", "b")
    say_health(2, HealthState.UNHEALTHY)
    answer = ask(headers={"Cookie": f"lb={mark.decode()}"})
    assert answer["sticks_to"] == "b"
    assert (answer["choice"]["by"], answer["choice"]["backend"]) == ("only", "a")


@pytest.mark.parametrize(
    ("question", "field"),
    [
        ({"host": ""}, "host"),
        ({"host": "a b"}, "host"),
        ({"host": "a\r\nX: y"}, "host"),
        ({"host": "bücher.test"}, "host"),
        ({"host": "a:99999"}, "host"),
        ({"path": "x"}, "path"),
        ({"path": "/a b"}, "path"),
        ({"path": "/../x"}, "path"),
        ({"path": "/x HTTP/1.1\r\nHost: evil"}, "path"),
        ({"method": "TRACE"}, "method"),
        ({"method": "GE(T"}, "method"),
        ({"headers": {"a b": "x"}}, "headers"),
        ({"headers": {"X": "y\r\nZ: 1"}}, "headers"),
        ({"headers": {"Host": "x"}}, "headers"),
        ({"headers": {"Content-Length": "x"}}, "headers"),
        ({"headers": ["x"]}, "headers"),
        ({"client": "somebody"}, "client"),
        ({"client": "fe80::1%ü"}, "client"),
    ],
)
def test_an_error_names_the_field(ask, publish, specs, question, field):
    publish(*specs("a"))
    assert list(ask(400, **question)) == [field]


def test_nothing_published_is_said(ask):
    assert "Nothing has been published" in ask(409)["detail"]


def test_redis_away_is_said(ask, monkeypatch):
    def away(*_):
        raise RedisError("gone")

    monkeypatch.setattr("proxy.explain.answer.read_snapshot", away)
    assert "Redis cannot be reached" in ask(503)["detail"]


def test_records_of_another_version_are_left_out(ask, publish, specs, report, redis_client):
    publish(*specs("a"))
    report("w1", {1: (2, 0)})
    redis_client.hset("lb:health", "1", b"{}")
    redis_client.hset("lb:load:w1", "1", b"[]")
    redis_client.hset("lb:edges", "w2", b"junk")
    assert backends(ask())["a"]["in_flight"] == 0


def test_who_may_not_view_backends_may_not_ask(half_reader, publish, specs, redis_client):
    publish(*specs("a"))
    question = {"host": "shop.test"}
    assert half_reader.post("/api/v1/explain/", question).status_code == 403
    assert APIClient().post("/api/v1/explain/", question).status_code == 401


@pytest.mark.parametrize("algorithm", ["ring_hash", "maglev"])
def test_the_hash_key_and_its_value_are_told(ask, publish, specs, algorithm):
    policy = BalancingPolicy(hash_key="cookie:session")
    publish(*specs(*"abcdef"), algorithm=algorithm, balancing=policy)
    answers = [ask(headers={"Cookie": f"session=s{number}"}) for number in range(8)]
    pool = answers[3]["pool"]
    assert (pool["algorithm"], pool["hash_key"], pool["key"]) == (
        algorithm,
        "cookie:session",
        "s3",
    )
    assert {answer["choice"]["by"] for answer in answers} == {"key"}
    assert all(
        answer["choice"]["shares"] == {answer["choice"]["backend"]: 100.0} for answer in answers
    )
    assert len({answer["choice"]["backend"] for answer in answers}) > 1


def test_without_the_key_the_fallback_chooses(ask, publish, specs):
    policy = BalancingPolicy(hash_key="client_ip", fallback="round_robin")
    publish(*specs("a", "b"), algorithm="ring_hash", balancing=policy)
    answer = ask()
    assert (answer["pool"]["algorithm"], answer["pool"]["key"]) == ("round_robin", None)
    assert answer["choice"]["by"] == "turn"
    assert ask(client="192.0.2.7")["pool"]["key"] == "192.0.2.7"


def test_after_a_failover_the_floor_is_told(ask, publish, specs, redis_client):
    publish(*specs(a={"tier": 0}, b={"tier": 1}))
    redis_client.hset(FAILOVER_KEY, "1", msgspec.json.encode(FailoverState(floor=1)))
    answer = ask()
    assert answer["pool"]["floor"] == 1
    assert passed_over(answer) == {"a": "lower_tier", "b": None}
    assert backends(answer)["a"]["detail"] == "After a failover, tiers from 1 on serve."


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (CircuitState.OPEN, "circuit_open"),
        (CircuitState.FORCED_OPEN, "circuit_open"),
        (CircuitState.HALF_OPEN, "circuit_half_open"),
        (CircuitState.CLOSED, None),
    ],
)
def test_circuits_are_those_of_now(ask, publish, specs, redis_client, state, reason):
    publish(*specs("a", "b"))
    circuit = Circuit(state=state, generation=3, cause="5 failures in a row")
    redis_client.hset(CIRCUITS_KEY, "1", msgspec.json.encode(circuit))
    answer = ask()
    assert passed_over(answer) == {"a": reason, "b": None}
    if reason == "circuit_open":
        assert backends(answer)["a"]["detail"] == "5 failures in a row"


def test_a_slow_start_shows_in_the_weight_and_the_share(ask, publish, specs, report):
    publish(*specs("a", "b"), balancing=BalancingPolicy(slow_start=60))
    report("w1", {1: (0, 0), 2: (0, 0)}, weights={1: 0.25})
    answer = ask()
    assert backends(answer)["a"]["weight"] == 0.25
    assert answer["choice"]["shares"] == {"b": 80.0, "a": 20.0}
