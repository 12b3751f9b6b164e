"""Where a backend listens, and how a connection to it is made."""

import asyncio
from collections.abc import Callable
from functools import lru_cache
from ipaddress import ip_address
from typing import NamedTuple, TypeVar
from urllib.parse import urlsplit

from pool.snapshot import TlsPolicy
from pool.tls import client_context
from proxy.engine.resolver import Resolver

P = TypeVar("P", bound=asyncio.Protocol)


# One for all backends that trust the same; bounded, since authorities are replaced in time.
_tls_context = lru_cache(256)(client_context)


class Address(NamedTuple):
    """`path` is set for a unix socket, `host` and `port` otherwise."""

    host: str
    port: int
    tls: bool
    path: str

    @classmethod
    def parse(cls, url: str) -> "Address":
        """The address in a backend's URL, which the control plane has checked."""
        if url.startswith("unix:"):
            return cls("", 0, False, url.removeprefix("unix:"))
        parts = urlsplit(url)
        tls = parts.scheme == "https"
        return cls(parts.hostname or "", parts.port or (443 if tls else 80), tls, "")

    async def connect(
        self,
        loop: asyncio.AbstractEventLoop,
        factory: Callable[[], P],
        resolver: Resolver,
        policy: TlsPolicy,
        timeout: float,
    ) -> P:
        """A connection to the first of the host's addresses that takes one. Raises OSError."""
        if self.path:
            return (await loop.create_unix_connection(factory, self.path))[1]
        if not self.is_name:
            return await self._first((self.host,), loop, factory, policy, timeout)
        addresses = await resolver.addresses(self.host)
        try:
            return await self._first(addresses, loop, factory, policy, timeout)
        except OSError:
            # They may be those of a while ago: the name was perhaps given to another machine.
            renewed = await resolver.renewed(self.host)
            if set(renewed) <= set(addresses):
                raise
        return await self._first(renewed, loop, factory, policy, timeout)

    @property
    def is_name(self) -> bool:
        """Whether the host has to be looked up."""
        return not self.path and not is_literal(self.host)

    async def _first(
        self,
        addresses: tuple[str, ...],
        loop: asyncio.AbstractEventLoop,
        factory: Callable[[], P],
        policy: TlsPolicy,
        timeout: float,
    ) -> P:
        """No address may use up the time of those after it."""
        context = _tls_context(policy.verify, policy.ca) if self.tls else None
        name = (policy.server_name or self.host) if self.tls else None
        failure: OSError = OSError("no address")
        for address in addresses:
            try:
                async with asyncio.timeout(timeout / len(addresses)):
                    _, protocol = await loop.create_connection(
                        factory, address, self.port, ssl=context, server_hostname=name
                    )
            except OSError as error:  # TimeoutError is one
                failure = error
            else:
                return protocol
        raise failure


@lru_cache(4096)
def is_literal(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
