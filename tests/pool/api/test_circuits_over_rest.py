"""A backend's circuit is shown with it, and moved by orders."""

import time

import msgspec
import pytest

from pool import bus
from pool.choices import CircuitState
from pool.circuits.records import Circuit
from pool.circuits.script import read_circuit

URL = "/api/v1/pools/web/backends/one/"


def test_nothing_has_happened_yet(boss, one, redis_client):
    assert boss.get(URL).json()["circuit"] == {
        "state": "closed",
        "since": None,
        "until": None,
        "cause": "",
        "failures": 0,
        "successes": 0,
        "calls": 0,
        "bad": 0,
    }


def test_what_redis_knows_is_shown(boss, one, redis_client):
    now = time.time()
    circuit = Circuit(
        state=CircuitState.OPEN,
        generation=3,
        since=now,
        until=now + 30,
        cause="5 failures in a row",
        window={"1": (10, 2, 1), "2": (5, 1, 0)},
    )
    redis_client.hset(bus.CIRCUITS_KEY, str(one.pk), msgspec.json.encode(circuit))
    shown = boss.get(URL).json()["circuit"]
    assert (shown["state"], shown["cause"]) == ("open", "5 failures in a row")
    assert (shown["calls"], shown["bad"]) == (15, 4)
    assert shown["until"] > shown["since"]
    pool = boss.get("/api/v1/pools/web/").json()
    assert pool["backends"][0]["circuit"] == shown


def test_nobody_knows_without_redis_or_where_it_is_off(boss, one, redis_away):
    assert boss.get(URL).json()["circuit"] is None


@pytest.mark.parametrize(
    ("orders", "state"),
    [
        (["open"], "forced_open"),
        (["open", "release"], "half_open"),
        (["open", "reset"], "closed"),
        (["reset"], "closed"),
    ],
)
def test_orders(boss, one, redis_client, orders, state):
    for order in orders:
        answer = boss.post(f"{URL}circuit/", {"action": order}, format="json")
        assert answer.status_code == 200
    assert answer.json()["circuit"]["state"] == state
    record = redis_client.hget(bus.CIRCUITS_KEY, str(one.pk))
    assert read_circuit(record).state == state


@pytest.mark.parametrize("body", [{}, {"action": "close"}, {"action": None}])
def test_an_order_that_is_none_is_refused(boss, one, redis_client, body):
    answer = boss.post(f"{URL}circuit/", body, format="json")
    assert answer.status_code == 400
    assert set(answer.json()) == {"action"}
    assert not redis_client.exists(bus.CIRCUITS_KEY)


def test_what_cannot_be_released_is_told(boss, one, redis_client):
    answer = boss.post(f"{URL}circuit/", {"action": "release"}, format="json")
    assert answer.status_code == 400
    assert "not forced open" in answer.json()["action"][0]


def test_without_redis_an_order_is_not_accepted(boss, one, redis_away):
    assert boss.post(f"{URL}circuit/", {"action": "open"}, format="json").status_code == 503


def test_only_those_who_may_change_backends_give_orders(reader, one, redis_client):
    assert reader.get(URL).status_code == 200
    assert reader.post(f"{URL}circuit/", {"action": "open"}, format="json").status_code == 403
