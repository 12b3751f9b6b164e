"""Constant load on the whole product."""

import http.client
from threading import Event, Thread
from typing import Any

from tests.integration.product import Product


class Load:
    """Clients that send one GET after the other, each on a connection that stays open."""

    def __init__(self, port: int, path: str = "/", clients: int = 3) -> None:
        self.statuses: list[int] = []
        self.problems: list[str] = []
        self._port = port
        self._path = path
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
                connection.request("GET", self._path)
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

    def wait_for_more(self, product: Product, requests: int = 200) -> None:
        enough = len(self.statuses) + requests
        product.wait_until(lambda: len(self.statuses) >= enough, "more requests")
