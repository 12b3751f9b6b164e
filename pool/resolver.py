"""Name resolution that gives up in time: getaddrinfo() itself cannot be interrupted."""

import socket
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock
from typing import Any

# As getaddrinfo() returns them: family, type, protocol, canonical name, socket address (a unix
# socket's is its path).
Address = tuple[socket.AddressFamily, socket.SocketKind, int, str, tuple[Any, ...] | str]


class Resolver:
    """Looks names up in threads of its own, one look-up at a time for a name.

    A name whose servers are silent keeps one thread busy for as long as the
    system's resolver insists, however many probes wait for it meanwhile.
    """

    def __init__(self, threads: int = 32) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="resolve")
        self._lock = Lock()
        self._running: dict[tuple[str, int], Future[list[Address]]] = {}

    def resolve(self, host: str, port: int, timeout: float) -> list[Address]:
        """The addresses of `host`; TimeoutError if that takes longer, OSError if it fails."""
        try:
            return _look_up(host, port, socket.AI_NUMERICHOST)
        except socket.gaierror:
            return self._join(host, port).result(timeout)

    def _join(self, host: str, port: int) -> Future[list[Address]]:
        key = (host, port)
        with self._lock:
            if key in self._running:
                return self._running[key]
            future = self._running[key] = self._executor.submit(_look_up, host, port)
        future.add_done_callback(lambda _: self._forget(key))
        return future

    def _forget(self, key: tuple[str, int]) -> None:
        with self._lock:
            self._running.pop(key, None)


def _look_up(host: str, port: int, flags: int = 0) -> list[Address]:
    return list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags))
