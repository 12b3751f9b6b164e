"""The connections to one backend: those that are idle, and those under way."""

import asyncio
import errno
import logging
from typing import Protocol

from pool.snapshot import TlsPolicy
from proxy.core.backend import Backend
from proxy.core.clock import Clock
from proxy.engine.address import Address
from proxy.engine.descriptors import NONE_LEFT
from proxy.engine.known_heads import KnownHeads
from proxy.engine.resolver import Resolver
from proxy.engine.upstream import UpstreamConnection
from proxy.errors import ConnectFailed, ConnectTimeout, OutOfSockets, ProxyError

log = logging.getLogger("lbsite.edge")

IDLE = 60 * 10**9  # nanoseconds; a connection that was not used for so long is closed
_OUT_OF_SOCKETS = NONE_LEFT | {errno.EADDRNOTAVAIL}


class Waiter(Protocol):
    """Whoever waits for a connection."""

    def connected(self, connection: UpstreamConnection) -> None:
        """Here it is."""

    def try_failed(
        self, error: ProxyError, *, untouched: bool = False, stale: bool = False
    ) -> None:
        """There is none."""


class ConnectionPool:
    """The idle connections to one backend; the one used last is used first."""

    __slots__ = (
        "_addresses",
        "_clock",
        "_closed",
        "_failure",
        "_loop",
        "_resolver",
        "_tasks",
        "address",
        "backend",
        "heads",
        "idle",
        "last",
        "named",
        "tls",
    )

    def __init__(
        self,
        backend: Backend,
        tls: TlsPolicy,
        loop: asyncio.AbstractEventLoop,
        resolver: Resolver,
        clock: Clock,
        heads: KnownHeads,
    ) -> None:
        self.backend = backend
        self.tls = tls
        self.heads = heads
        self._resolver = resolver
        self.address = Address.parse(backend.spec.url)
        self.named = self.address.is_name
        self._addresses: frozenset[str] = frozenset()  # of the name, when it was first known
        # The last one stands apart: most have no other, and a list for it would cost a
        # backend among thousands more than all else here.
        self.last: UpstreamConnection | None = None
        self.idle: list[UpstreamConnection] = []  # the others, the oldest first
        self._loop = loop
        self._clock = clock
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False
        self._failure = ""  # why no connection could be made, until one can

    def take(self) -> UpstreamConnection | None:
        connection = self.last
        if connection is not None:
            self.last = None
            if not connection.transport.is_closing():
                return connection
        while self.idle:
            connection = self.idle.pop()
            if not connection.transport.is_closing():
                return connection
        return None

    def give_back(self, connection: UpstreamConnection) -> None:
        if self._closed:
            connection.transport.close()
            return
        connection.idle_since = self._clock.now
        before, self.last = self.last, connection
        if before is not None:
            self.idle.append(before)

    def forget(self, connection: UpstreamConnection) -> None:
        if connection is self.last:
            self.last = None
        elif connection in self.idle:
            self.idle.remove(connection)

    def connect(self, waiter: Waiter, timeout: float) -> "Connecting":
        """Make a connection and hand it to `waiter`, or tell it why there is none."""
        ticket = Connecting(waiter)
        task = ticket.task = self._loop.create_task(self._connect(ticket, timeout))
        self._tasks.add(task)  # the loop itself keeps only a weak reference
        task.add_done_callback(self._tasks.discard)
        return ticket

    async def _connect(self, ticket: "Connecting", timeout: float) -> None:
        try:
            async with asyncio.timeout(timeout):
                connection = await self.address.connect(
                    self._loop, lambda: UpstreamConnection(self), self._resolver, self.tls, timeout
                )
        except TimeoutError:
            self._tell(f"not within {timeout:g} s")
            ticket.failed(ConnectTimeout())
        except OSError as error:
            self._tell(str(error) or type(error).__name__)
            own_fault = error.errno in _OUT_OF_SOCKETS
            ticket.failed(OutOfSockets() if own_fault else ConnectFailed(str(error)))
        except Exception as error:  # the request must not wait for a time-out because of a defect
            log.exception("connecting to backend %s failed", self.backend.spec.name)
            ticket.failed(ConnectFailed(str(error)))
        else:
            self._failure = ""
            ticket.connected(connection)

    def _tell(self, failure: str) -> None:
        """Log why there is no connection: the client is not told. Once, not for each request."""
        if failure != self._failure:
            self._failure = failure
            log.warning("no connection to backend %s: %s", self.backend.spec.name, failure)

    def close_idle(self, before: int) -> None:
        """Close connections that were given back before `before` (`Clock.now`)."""
        while self.idle and self.idle[0].idle_since < before:
            self.idle.pop(0).transport.close()
        if self.last is not None and self.last.idle_since < before:
            self.last.transport.close()
            self.last = None

    def has_moved(self) -> bool:
        """Whether the backend's name has lost an address since this was first asked."""
        known = self._resolver.watch(self.address.host)
        if known and not self._addresses:
            self._addresses = frozenset(known)
        return bool(known) and not self._addresses.issubset(known)

    def close(self) -> None:
        """The backend is gone: close what is idle; requests that run finish."""
        self._closed = True
        for connection in (*self.idle, self.last):
            if connection is not None:
                connection.transport.close()
        self.idle.clear()
        self.last = None


class Connecting:
    """A connection under way. `waiter` is None once nobody waits for it."""

    __slots__ = ("task", "waiter")

    task: asyncio.Task[None]

    def __init__(self, waiter: Waiter) -> None:
        self.waiter: Waiter | None = waiter

    def connected(self, connection: UpstreamConnection) -> None:
        if connection.transport.is_closing():  # as a TLS peer does that wants a certificate
            self.failed(ConnectFailed("The backend closed the connection at once."))
        elif self.waiter is not None:
            self.waiter.connected(connection)
        else:
            connection.release()

    def give_up(self) -> None:
        """Nobody waits any more: clients that come and go could take all descriptors.

        As many as come while a backend that is silent has its time to answer.
        """
        self.waiter = None
        self.task.cancel()

    def failed(self, error: ProxyError) -> None:
        if self.waiter is not None:
            self.waiter.try_failed(error, untouched=True)
