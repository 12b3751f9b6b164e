"""Names to addresses, without waiting on the request's path where it can be helped.

The system's resolver may block for as long as it likes. Each name therefore has
at most one look-up under way, in a thread: those that do not resolve hold up
nobody else. An address that was known stays in use while the name cannot be
looked up: a resolver's outage is not the backends'.
"""

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from pool.resolver import Lanes

FRESH = 10.0  # seconds; also the time for which a failure is remembered
PATIENCE = 1.0  # seconds for new addresses, where no old one takes a connection

UNUSED = 3600.0  # seconds without a look-up, after which a name is forgotten
MANY = 1000  # names, from which on it is looked whether there are such

LookUp = Callable[[str], tuple[str, ...]]  # may block; raises OSError


class Resolver:
    def __init__(self, loop: asyncio.AbstractEventLoop, look_up: LookUp | None = None) -> None:
        self._loop = loop
        self._ask = look_up or _getaddrinfo
        self._known: dict[str, tuple[str, ...]] = {}
        self._looked_up_at: dict[str, float] = {}
        self._failures: dict[str, OSError] = {}
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._lanes = Lanes()
        self._many = MANY

    async def addresses(self, host: str) -> tuple[str, ...]:
        """The IP addresses of `host`, one or more. Raises OSError."""
        known = self._known.get(host)
        if not self._is_fresh(host):
            task = self._under_way.get(host) or self._start(host)
            if known is None:
                # Shielded: the one who waits may give up, the look-up serves others too.
                await asyncio.shield(task)
                known = self._known.get(host)
        if known is None:
            raise OSError(f"the name {host} does not resolve: {self._failures.get(host)}")
        return known

    async def renewed(self, host: str) -> tuple[str, ...]:
        """The addresses after the look-up that is under way, if there is one; none: unknown."""
        task = self._under_way.get(host)
        if task is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE):
                    await asyncio.shield(task)
        return self._known.get(host, ())

    def watch(self, host: str) -> tuple[str, ...]:
        """The addresses that are known of a name in use, which is looked up again in its time."""
        known = self._known.get(host, ())
        if known and host not in self._under_way and not self._is_fresh(host):
            self._start(host)
        return known

    def _is_fresh(self, host: str) -> bool:
        return self._loop.time() - self._looked_up_at.get(host, -FRESH) < FRESH

    def _start(self, host: str) -> asyncio.Task[None]:
        if len(self._looked_up_at) >= self._many:
            self._forget_unused()
        task = self._under_way[host] = self._loop.create_task(self._look_up(host))
        return task

    async def _look_up(self, host: str) -> None:
        try:
            found = await asyncio.wrap_future(self._lanes.submit(host, partial(self._ask, host)))
        except OSError as error:
            self._failures[host] = error
        else:
            self._known[host] = found
            self._failures.pop(host, None)
        finally:
            self._looked_up_at[host] = self._loop.time()
            del self._under_way[host]

    def _forget_unused(self) -> None:
        """Backends come and go; the name of one that has connections is asked for all the time."""
        before = self._loop.time() - UNUSED
        for host in [host for host, at in self._looked_up_at.items() if at < before]:
            del self._looked_up_at[host]
            self._known.pop(host, None)
            self._failures.pop(host, None)
            self._lanes.forget(host)
        self._many = max(MANY, 2 * len(self._looked_up_at))

    def close(self) -> None:
        self._lanes.close()


def _getaddrinfo(host: str) -> tuple[str, ...]:
    try:
        infos = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except UnicodeError as error:  # a label that is too long
        raise OSError(str(error)) from error
    return tuple(dict.fromkeys(str(info[4][0]) for info in infos))
