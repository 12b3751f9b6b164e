"""What a failure to connect is called, and whose it is."""

import asyncio
import errno
import os
import socket
from typing import Any

import pytest
import uvloop

from pool.snapshot import BackendSpec, TlsPolicy
from proxy.core.backend import Backend
from proxy.core.clock import Clock
from proxy.engine.address import Address
from proxy.engine.connections import ConnectionPool
from proxy.engine.known_heads import KnownHeads
from proxy.engine.resolver import Resolver
from proxy.engine.upstream import UpstreamConnection
from proxy.errors import ConnectFailed, ConnectTimeout, OutOfSockets, ProxyError


class Waiting:
    """Wants a connection, and is told that there is none."""

    def __init__(self) -> None:
        self.failed: asyncio.Future[ProxyError] = asyncio.get_running_loop().create_future()

    def connected(self, connection: UpstreamConnection) -> None:
        pytest.fail("connected")

    def try_failed(
        self, error: ProxyError, *, untouched: bool = False, stale: bool = False
    ) -> None:
        assert untouched
        assert not stale
        self.failed.set_result(error)


async def failure_of(error: Exception, monkeypatch: pytest.MonkeyPatch) -> ProxyError:
    async def connect(*_: Any) -> None:
        raise error

    monkeypatch.setattr(Address, "connect", connect)
    loop = asyncio.get_running_loop()
    backend = Backend(BackendSpec(id=1, name="a", url="http://127.0.0.1:1"))
    waiting = Waiting()
    pool = ConnectionPool(backend, TlsPolicy(), loop, Resolver(loop), Clock(), KnownHeads())
    pool.connect(waiting, 1)
    return await waiting.failed


def test_a_name_that_was_given_to_another_machine_is_found_there() -> None:
    """The first request after the old machine has gone meets its address once more."""
    told = ["127.0.0.2"]

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        resolver = Resolver(loop, lambda host: tuple(told))
        server = await loop.create_server(asyncio.Protocol, "127.0.0.3", 0)
        port = server.sockets[0].getsockname()[1]
        address = Address.parse(f"http://moving.test:{port}")
        await resolver.addresses("moving.test")
        told[:] = ["127.0.0.3"]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("proxy.engine.resolver.FRESH", 0.0)
            await address.connect(loop, asyncio.Protocol, resolver, TlsPolicy(), 5.0)
        server.close()
        resolver.close()

    asyncio.run(scenario())


def test_a_pool_tells_when_its_name_has_lost_an_address() -> None:
    told = ["10.0.0.1", "10.0.0.2"]

    async def scenario() -> list[bool]:
        loop = asyncio.get_running_loop()
        resolver = Resolver(loop, lambda host: tuple(told))
        backend = Backend(BackendSpec(id=1, name="a", url="http://moving.test"))
        pool = ConnectionPool(backend, TlsPolicy(), loop, resolver, Clock(), KnownHeads())
        seen = [pool.has_moved()]  # nothing is known yet
        for addresses in (told[:], ["10.0.0.2", "10.0.0.1", "10.0.0.3"], ["10.0.0.3"]):
            told[:] = addresses
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr("proxy.engine.resolver.FRESH", 0.0)
                await resolver.addresses("moving.test")
                await resolver.renewed("moving.test")
            seen.append(pool.has_moved())
        resolver.close()
        return seen

    assert asyncio.run(scenario()) == [False, False, False, True]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "refused"), ConnectFailed),
        (OSError(errno.ENETUNREACH, "unreachable"), ConnectFailed),
        (TimeoutError(), ConnectTimeout),
        (OSError(errno.EMFILE, "too many open files"), OutOfSockets),
        (OSError(errno.EADDRNOTAVAIL, "no port is left"), OutOfSockets),
        (RuntimeError("a defect"), ConnectFailed),
    ],
)
def test_what_this_machine_lacks_is_no_fault_of_the_backend(
    error: Exception, kind: type[ProxyError], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert type(asyncio.run(failure_of(error, monkeypatch))) is kind


def test_a_connection_that_nobody_waits_for_any_more_is_given_up() -> None:
    """Its descriptor with it: a backend may be silent for all of the connect time-out."""

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        with socket.create_server(("127.0.0.1", 0), backlog=0) as silent:
            address = silent.getsockname()
            crowd = [socket.socket() for _ in range(3)]  # more than its backlog takes
            for one in crowd:
                one.setblocking(False)
                one.connect_ex(address)
            backend = Backend(BackendSpec(id=1, name="a", url=f"http://127.0.0.1:{address[1]}"))
            pool = ConnectionPool(backend, TlsPolicy(), loop, Resolver(loop), Clock(), KnownHeads())
            tickets = [pool.connect(Waiting(), 60) for _ in range(5)]
            await turns()
            meanwhile = descriptors()
            for ticket in tickets:
                ticket.give_up()
            await turns()
            assert descriptors() == meanwhile - len(tickets)
            for one in crowd:
                one.close()

    uvloop.run(scenario())


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


async def turns() -> None:
    for _ in range(10):
        await asyncio.sleep(0)
