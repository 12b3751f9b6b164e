"""Real backends on loopback ports, and balancers over them."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from proxy.client import LoadBalancer
from tests.integration.edge.harness.backend import Backend, Call, Script, start_backends


class Time:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def backend() -> Iterator[Callable[..., Backend]]:
    """Start a backend: `backend("a")`, or with a script instead of the echo."""
    with start_backends() as start:
        yield start


@pytest.fixture
def balancer(time: Time) -> Iterator[Callable[..., LoadBalancer]]:
    """`balancer(a, b, …)`: over these backends, on the test's clock."""
    made: list[LoadBalancer] = []

    def make(*backends: Backend, **options: Any) -> LoadBalancer:
        hosts = [backend.url for backend in backends]
        made.append(LoadBalancer(hosts, **({"clock": time} | options)))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def answering() -> Callable[[int], Script]:
    """A backend that answers everything with this status."""

    def script(status: int) -> Script:
        def answer(call: Call) -> None:
            for _ in call.body():
                pass
            call.answer(f"{status}".encode(), status=f"{status} Told")

        return answer

    return script


@pytest.fixture
def dying() -> Script:
    """Take the request, body and all, and reset."""

    def die(call: Call) -> None:
        for _ in call.body():
            pass
        call.reset()

    return die
