"""What dies under load is not noticed by clients, and nothing is missing from the counts."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.integration.load import Load
from tests.integration.product import Product

SUPERVISORCTL = Path(sys.executable).with_name("supervisorctl")


@pytest.fixture(scope="module")
def product(make_product: Callable[[], Product]) -> Product:
    return make_product().start("--demo", "--interval", "0.5").wait_until_running()


@pytest.fixture
def control(product: Product) -> Iterator[Callable[[str, str], None]]:
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


def health_of(product: Product, name: str) -> dict[str, Any]:
    return product.rest("GET", f"pools/demo/backends/{name}/")["health"]


def test_a_backend_that_is_stopped_on_request_costs_no_request_and_comes_back(
    product: Product, control: Any
) -> None:
    with Load(product.port) as load:
        load.wait_for_more(product)
        control("stop", "demo:demo-b")
        product.wait_until(
            lambda: health_of(product, "demo-b")["state"] == "unhealthy", "the probes to notice"
        )
        assert "refused" in health_of(product, "demo-b")["reason"].lower()
        load.wait_for_more(product)
        product.wait_for("demo-b was stopped on request")
        control("start", "demo:demo-b")
        product.wait_until(
            lambda: health_of(product, "demo-b")["state"] == "healthy", "the probes to notice"
        )
        load.wait_for_more(product)
    assert load.errors == []
    product.wait_until(lambda: product.get()[1] == "demo-b\n", "the backend to get traffic")


def test_nothing_but_the_edge_is_needed_and_no_request_stays_uncounted(
    product: Product,
) -> None:
    def counted() -> int:
        return product.rest("GET", "reports/traffic/?period=all")["totals"]["requests"]

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
    product.wait_for_the_admin()
    expected = before + len(load.statuses)
    product.wait_until(lambda: counted() >= expected, f"{expected} counted requests")
    product.settle(counted)
    assert counted() == expected


def test_an_edge_that_starts_without_redis_serves_from_its_file(
    product: Product, control: Any
) -> None:
    control("stop", "storage:redis")
    edge = product.program("edge")
    processes = [edge, *edge.children(recursive=True)]
    edge.kill()
    _, alive = psutil.wait_procs(processes, timeout=10)  # its workers serve until they notice
    assert not alive
    product.wait_until(product.serves, "the new edge")
