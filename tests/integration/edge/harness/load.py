"""Constant load from clients that behave: keep-alive, and `Connection: close` is followed."""

import threading
import time
from collections import Counter
from typing import Self

from tests.integration.edge.harness.client import Client, Response, request_bytes

KEPT = 0.5  # seconds; a worker that leaves closes connections that nobody has used for one


class Load:
    """Requests from `threads` connections, `rate` a second in all, until the block ends.

    `failures` tells of each request that was not answered by a complete 200.
    """

    def __init__(self, port: int, *, rate: int = 300, threads: int = 6) -> None:
        self.answered = 0
        self.backends: Counter[str] = Counter()
        self.failures: list[str] = []
        self._port = port
        self._pause = threads / rate
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(threads)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(15)

    def go_on(self, seconds: float) -> None:
        """Let it run for so long, unless something has failed already."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and not self.failures:
            time.sleep(0.02)

    def _run(self) -> None:
        client: Client | None = None
        request = request_bytes("GET", "/load")
        due = used = time.monotonic()
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            due = max(due + self._pause, time.monotonic() - 1)
            if client is not None and time.monotonic() - used > KEPT:
                client.close()
                client = None
            try:
                client = client or Client(self._port)
                client.send(request)
                response = client.response()
            except OSError as error:
                self._failed(repr(error))
                client = None
                continue
            used = time.monotonic()
            self._note(response)
            if response.closes or not response.complete:
                client.close()
                client = None
        if client is not None:
            client.close()

    def _note(self, response: Response) -> None:
        if response.status != 200 or not response.complete:
            self._failed(f"{response.status} complete={response.complete} {response.body[:80]!r}")
            return
        with self._lock:
            self.answered += 1
            self.backends[response.backend] += 1

    def _failed(self, what: str) -> None:
        with self._lock:
            self.failures.append(what)
