"""`X-LB-Explain`: what it holds, and that it is a header whatever it is to hold."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pool.bus import HealthStatus
from pool.choices import HealthState
from pool.snapshot import BackendSpec, PoolSpec, RouteSpec
from proxy.core.balancing import balancer_class
from proxy.core.explain import explain_pool
from proxy.core.explain_header import MAX_BYTES, explanation_header
from proxy.core.pool import Pool
from proxy.core.routing import Route
from proxy.core.succession import build_pool
from proxy.errors import ConnectFailed

texts = st.text(max_size=300)


def pool_named(*names: str, algorithm: str = "ring_hash") -> Pool:
    backends = tuple(
        BackendSpec(id=number, name=name, url=f"http://b{number}")
        for number, name in enumerate(names, 1)
    )
    spec = PoolSpec(id=1, name=names[0] if names else "", algorithm=algorithm, backends=backends)
    return build_pool(spec, balancer_class(algorithm), None, 0, None, balancer_class("random"))


def header_of(pool: Pool, key: bytes | None = None, chosen: int = 0, tried: int = 0) -> str:
    route = Route(RouteSpec(id=1, pool_id=1, host="h" * 250, path_prefix="/" + "p" * 500), pool)
    backends = list(pool.backends.values())
    failed = {backend: ConnectFailed("x") for backend in backends[:tried]}
    backend = pool.backends.get(chosen)
    return explanation_header(7, route, explain_pool(pool, key, failed), failed, backend, backend)


@given(st.lists(texts, max_size=40), st.none() | st.binary(max_size=300), st.integers(0, 9))
def test_it_is_a_header_whatever_it_holds(names, key, tried):
    value = header_of(pool_named(*names), key, chosen=1, tried=tried)
    assert len(value) <= MAX_BYTES
    assert all(" " <= character <= "~" for character in value)
    told = json.loads(value)
    assert told["snapshot"] == 7
    assert told.get("more", 0) + len(told["backends"]) == len(names)


@pytest.mark.parametrize("count", [1000])
def test_of_many_backends_the_chosen_and_the_best_are_told(count):
    pool = pool_named(*(f"backend-{n}" for n in range(count)), algorithm="least_connections")
    for backend in pool.backends.values():
        backend.in_flight = 0 if backend.id == 777 else 5
    told = json.loads(header_of(pool, chosen=500))
    assert [one["name"] for one in told["backends"][:2]] == ["backend-499", "backend-776"]
    assert told["more"] == count - len(told["backends"])


def test_the_last_tries_are_told():
    told = json.loads(header_of(pool_named(*"abcdefgh"), chosen=8, tried=7))
    assert [one["backend"] for one in told["tries"]] == list("defgh")
    assert told["tries"][0]["error"] == "connect_failed"
    assert "error" not in told["tries"][-1]


def test_why_a_backend_is_out_is_told():
    pool = pool_named("a", "b", "c")
    pool.set_health(1, HealthStatus(state=HealthState.UNHEALTHY, since=0, reason="Status 503"))
    told = json.loads(header_of(pool, chosen=2))
    assert told["backends"][-1] == {
        "name": "a",
        "in_flight": 0,
        "passed_over": "unhealthy",
        "detail": "Status 503",
    }


def test_a_key_that_lacks_is_null_and_none_is_needed_is_nothing():
    assert json.loads(header_of(pool_named("a")))["key"] is None
    assert json.loads(header_of(pool_named("a"), b"k"))["key"] == "k"
    assert "key" not in json.loads(header_of(pool_named("a", algorithm="random")))


def test_where_not_even_the_tries_fit_they_are_left_out_and_the_pool_is_told():
    told = json.loads(header_of(pool_named(*["🦀" * 300] * 9), chosen=9, tried=8))
    assert (told["backends"], told["more"]) == ([], 9)
    assert "tries" not in told
    assert told["pool"].startswith("🦀")
