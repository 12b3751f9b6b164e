"""What dies under load is not noticed by clients, and nothing is missing from the counts."""

import http.client
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event, Thread
from typing import Any

import psutil
import pytest

SUPERVISORCTL = Path(sys.executable).with_name("supervisorctl")


class Load:
    """Clients that send one GET after the other, each on a connection that stays open."""

    def __init__(self, port: int, clients: int = 3) -> None:
        self.statuses: list[int] = []
        self.problems: list[str] = []
        self._port = port
        self._ended = Event()
        self._threads = [Thread(target=self._client) for _ in range(clients)]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _client(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        while not self._ended.wait(0.005):
            try:
                connection.request("GET", "/")
                response = connection.getresponse()
                response.read()
            except (OSError, http.client.HTTPException) as error:
                self.problems.append(repr(error))
                connection.close()
            else:
                self.statuses.append(response.status)
        connection.close()

    @property
    def errors(self) -> list[Any]:
        return self.problems + [status for status in self.statuses if status != 200]

    def wait_for_more(self, product: Any, requests: int = 200) -> None:
        enough = len(self.statuses) + requests
        product.wait_until(lambda: len(self.statuses) >= enough, "more requests")


@pytest.fixture(scope="module")
def product(make_product: Callable[[], Any]) -> Any:
    return make_product().start("--demo", "--interval", "0.5").wait_until_running()


@pytest.fixture(scope="module")
def api(product: Any) -> Callable[[str], Any]:
    token = product.manage("token", "admin").strip()

    def get(path: str) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", product.admin_port, timeout=10)
        connection.request("GET", f"/api/v1/{path}", headers={"Authorization": f"Token {token}"})
        response = connection.getresponse()
        body = response.read()
        connection.close()
        assert response.status == 200, body
        return json.loads(body)

    return get


@pytest.fixture
def control(product: Any) -> Iterator[Callable[[str, str], None]]:
    """supervisorctl; what a test has stopped is started again at its end."""
    stopped: list[str] = []

    def run(action: str, name: str) -> None:
        configuration = product.folder / "supervisor.conf"
        subprocess.run(
            [SUPERVISORCTL, "-c", configuration, action, name], check=True, capture_output=True
        )
        (stopped.append if action == "stop" else stopped.remove)(name)

    yield run
    for name in [*stopped]:
        run("start", name)


def health_of(api: Callable[[str], Any], name: str) -> dict[str, Any]:
    return api(f"pools/demo/backends/{name}/")["health"]


def test_a_backend_that_is_killed_costs_no_request_and_comes_back(
    product: Any, api: Any, control: Any
) -> None:
    with Load(product.port) as load:
        load.wait_for_more(product)
        control("stop", "demo:demo-b")
        product.wait_until(
            lambda: health_of(api, "demo-b")["state"] == "unhealthy", "the probes to notice"
        )
        assert "refused" in health_of(api, "demo-b")["reason"].lower()
        load.wait_for_more(product)
        assert "demo-b was stopped on request" in product.output
        control("start", "demo:demo-b")
        product.wait_until(
            lambda: health_of(api, "demo-b")["state"] == "healthy", "the probes to notice"
        )
        load.wait_for_more(product)
    assert load.errors == []
    product.wait_until(lambda: product.get()[1] == "demo-b\n", "the backend to get traffic")


def test_nothing_but_the_edge_is_needed_and_no_request_stays_uncounted(
    product: Any, api: Any
) -> None:
    def counted() -> int:
        return api("reports/traffic/?period=all")["totals"]["requests"]

    product.settle(counted)
    before = counted()
    with Load(product.port) as load:
        for name in ("redis", "web", "worker", "beat"):
            load.wait_for_more(product)
            product.program(name).kill()
        for name in ("redis", "web", "worker", "beat"):
            product.wait_for(f"{name} runs again")
        load.wait_for_more(product)
    assert load.errors == []
    expected = before + len(load.statuses)
    product.wait_until(lambda: counted() >= expected, f"{expected} counted requests")
    product.settle(counted)
    assert counted() == expected


def test_an_edge_that_starts_without_redis_serves_from_its_file(product: Any, control: Any) -> None:
    control("stop", "storage:redis")
    edge = product.program("edge")
    edge.kill()
    psutil.wait_procs([edge], timeout=10)
    product.wait_until(lambda: answers(product), "the new edge")
    assert product.program("edge").pid != edge.pid


def answers(product: Any) -> bool:
    try:
        return product.get()[0] == 200
    except OSError:
        return False
