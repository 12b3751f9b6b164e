"""One balancer, many threads."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import requests

from proxy.client import LoadBalancer

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

    def ask(number: int) -> str:
        if number == 100:
            a.stop()
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
