"""One balancer, many threads."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from time import monotonic
from typing import Any

import pytest
import requests

from pool.snapshot import BackendSpec, LimitPolicy, PoolSpec, Snapshot
from proxy.client import LoadBalancer
from proxy.client.decisions import Decisions
from proxy.client.members import Members, circuit_policy
from proxy.core.exchange import Exchange
from proxy.errors import QueueTimeout
from tests.integration.edge.harness.backend import Call

Make = Callable[..., Any]
THREADS = 16


def test_turns_are_taken_by_all_threads_together(backend: Make, balancer: Make) -> None:
    lb = balancer(*[backend(name) for name in "abc"])
    with ThreadPoolExecutor(THREADS) as threads:
        answers = list(threads.map(lambda _: lb.get("/").json()["backend"], range(300)))
    assert Counter(answers) == {"a": 100, "b": 100, "c": 100}
    assert {host["in_flight"] for host in lb.stats().values()} == {0}
    assert sum(host["requests"] for host in lb.stats().values()) == 300


def test_no_thread_notices_that_a_host_dies(backend: Make, balancer: Make) -> None:
    a, b, c = (backend(name) for name in "abc")
    lb = balancer(a, b, c)
    dead = Event()

    def ask(number: int) -> str:
        if number == 100:
            a.stop()
            dead.set()
        elif number >= 200:
            assert dead.wait(60)
        return str(lb.get("/").json()["backend"])

    with ThreadPoolExecutor(THREADS) as threads:
        answers = list(threads.map(ask, range(400)))
    assert len(answers) == 400
    assert lb.get_unhealthy_hosts() == [a.url]
    assert set(answers[200:]) == {"b", "c"}


def test_hosts_may_change_while_requests_run(backend: Make, balancer: Make) -> None:
    a, b, c = (backend(name) for name in "abc")
    lb = balancer(a, b)

    def change(number: int) -> int:
        if number % 4 == 0:
            lb.add_host(c.url, weight=1 + number % 3)
        return int(lb.get("/").status_code)

    with ThreadPoolExecutor(THREADS) as threads:
        assert set(threads.map(change, range(200))) == {200}


def test_each_thread_has_a_session_and_close_ends_all(backend: Make) -> None:
    made: list[requests.Session] = []

    def make() -> requests.Session:
        made.append(requests.Session())
        return made[-1]

    a = backend("a")
    with ThreadPoolExecutor(4) as threads:
        with LoadBalancer([a.url], session_factory=make) as lb:
            list(threads.map(lambda _: lb.get("/"), range(40)))
            assert 1 <= len(made) <= 4
            assert a.open_connections == len(made)
        wait = [one.get_adapter(a.url).poolmanager.pools for one in made]
        assert [len(pools) for pools in wait] == [0] * len(made)


def test_threads_wait_while_all_hosts_are_full(backend: Make) -> None:
    """As a service's `max_connections` may want it."""
    most = 0

    def slowly(call: Call) -> None:
        nonlocal most
        most = max(most, decisions.configuration.pools[1].active())
        a.echo(call)

    a = backend("a", slowly)
    members = Members("round_robin", circuit_policy((), None), monotonic)
    decisions = members.decisions
    spec = BackendSpec(id=1, name=a.url, url=a.url, max_connections=2)
    with LoadBalancer() as lb:
        lb._members = members
        members.replace([spec])
        with ThreadPoolExecutor(THREADS) as threads:
            answers = list(threads.map(lambda _: lb.get("/").status_code, range(100)))
    assert answers == [200] * 100
    assert most == 2
    assert decisions.configuration.pools[1].active() == 0


def test_who_has_waited_for_too_long_is_told(backend: Make) -> None:
    a = backend("a", lambda call: bool(call.client_has_left))
    decisions = Decisions(monotonic, alone=True)
    limits = LimitPolicy(queue_timeout=0.1, max_queue=1)
    spec = BackendSpec(id=1, name="a", url=a.url, max_connections=1)
    pool = PoolSpec(id=1, name="p", backends=(spec,), limits=limits)
    decisions.configure(Snapshot(number=1, pools=(pool,)))
    busy, late = (Exchange(decisions.configuration.pools[1], True) for _ in range(2))
    decisions.choose(busy)
    with pytest.raises(QueueTimeout):
        decisions.choose(late)
    decisions.finish(busy)
    decisions.choose(Exchange(decisions.configuration.pools[1], True))
