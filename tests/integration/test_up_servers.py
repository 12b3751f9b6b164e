"""Servers that know nothing of the product, behind it: some die, some are taken away."""

import json
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.integration.edge.harness.ports import ReservedPort
from tests.integration.load import Load
from tests.integration.product import Product


class Server:
    """`python -m http.server`, on a port that it keeps when it is started again."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self._port = ReservedPort()
        self.port = self._port.number
        self.url = f"http://127.0.0.1:{self.port}"
        self._folder = folder / name
        self._folder.mkdir()
        (self._folder / "index.html").write_text(name)
        self.start()

    def start(self) -> None:
        arguments = [str(self.port), "--bind", "127.0.0.1", "--directory", str(self._folder)]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "http.server", *arguments],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        Product.wait_until(self._listens, f"{self.name} to listen")

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def end(self) -> None:
        self.kill()
        self._port.release()

    def _listens(self) -> bool:
        with closing(socket.socket()) as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Server]]:
    folder = tmp_path_factory.mktemp("servers")
    servers = [Server(name, folder) for name in ("one", "two", "three", "four", "five")]
    yield servers
    for server in servers:
        server.end()


@pytest.fixture(scope="module")
def product(
    make_product: Callable[[], Product],
    servers: list[Server],
    tmp_path_factory: pytest.TempPathFactory,
) -> Product:
    config = tmp_path_factory.mktemp("config") / "servers.json"
    config.write_text(json.dumps([{"name": s.name, "url": s.url} for s in servers[:3]]))
    arguments = ("--config", str(config), "--interval", "0.5")
    return make_product().start(*arguments).wait_until_running()


def test_a_server_that_is_killed_costs_no_request_and_comes_back(
    product: Product, servers: list[Server]
) -> None:
    two = servers[1]

    def health() -> dict[str, str]:
        return product.rest("GET", "pools/default/backends/two/")["health"]

    with Load(product.port) as load:
        load.wait_for_more(product)
        two.kill()
        product.wait_until(lambda: health()["state"] == "unhealthy", "the probes to notice")
        assert health()["reason"] == "connection refused"
        load.wait_for_more(product)
        two.start()
        product.wait_until(lambda: health()["state"] == "healthy", "the probes to notice")
    assert load.errors == []
    product.wait_until(lambda: product.get()[1] == "two", "the server to get traffic")


def test_a_pool_made_over_rest_carries_traffic_and_loses_a_backend_without_a_failure(
    product: Product, servers: list[Server]
) -> None:
    four, five = servers[3:]
    product.rest("POST", "pools/", {"name": "shop", "algorithm": "round_robin"})
    for server in (four, five):
        body = {"name": server.name, "url": server.url}
        product.rest("POST", "pools/shop/backends/", body)
    product.rest("POST", "routes/", {"path_prefix": "/shop", "strip_prefix": True, "pool": "shop"})
    product.wait_until(
        lambda: {product.get("/shop/")[1] for _ in range(2)} == {"four", "five"}, "the new pool"
    )
    with Load(product.port, "/shop/") as load:
        load.wait_for_more(product)
        product.rest("DELETE", "pools/shop/backends/five/")
        load.wait_for_more(product)
    assert load.errors == []
    assert {product.get("/shop/")[1] for _ in range(4)} == {"four"}
