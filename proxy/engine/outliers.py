"""Outlier detection in one worker: suspects become ejections, which all workers share.

Each worker judges by the requests that it has passed on; whom it suspects is ejected for
all of them, unless as many are out as the pool may lack. The circuits' task does this
beside its own. Redis may be away: then the worker ejects for itself, and lays what still
holds before the others when they can be asked again.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from time import time
from typing import Any, NamedTuple

import msgspec
from redis.exceptions import RedisError

from pool.bus import MALFORMED, Happening
from pool.outliers.records import Ejections, EjectionsChange, eject, end, read_ejections, tidy
from pool.outliers.script import encode
from pool.outliers.words import tell_back, tell_ejected
from proxy.core.backend import Backend
from proxy.core.configuration import Configuration
from proxy.core.ejected import show_ejected
from proxy.core.outlier import Monitor, far_below
from proxy.core.pool import Pool
from proxy.core.steps import Steps, in_parts
from proxy.stores.ejections import RedisEjections
from proxy.stores.timing import PATIENCE, RETRY

ATTEMPTS = 5  # each failed one means that another worker has changed the record

log = logging.getLogger("lbsite.edge")


class Watch:
    """One pool's outliers. `alone`: whether `state` holds what Redis was not told.

    `suspects`: what speaks against a backend, by its id; `returns`: why one is to be
    brought back before its time.
    """

    def __init__(self, pool: Pool, wake: Callable[[], None], previous: "Watch | None") -> None:
        self.pool = pool
        self._wake = wake
        self.state = Ejections()
        self.raw = b""
        self.alone = False
        self.suspects: dict[int, str] = {}
        self.returns: dict[int, str] = {}
        self._sweep_at = 0.0
        self._previous = previous
        if previous is not None:
            self._compare(previous.pool.backends)

    def _compare(self, known: Mapping[int, Backend]) -> None:
        backends = self.pool.backends
        for number in backends.keys() & known.keys():
            if backends[number] is not known[number]:
                self.returns[number] = "its URL was changed"

    def take_over(self) -> None:
        """Go on from the previous one, also with what was not settled when this one came."""
        previous, self._previous = self._previous, None
        if previous is None:
            return
        self.state, self.raw, self.alone = previous.state, previous.raw, previous.alone
        self._sweep_at = previous._sweep_at
        if previous.returns or previous.suspects:
            stay = self.pool.backends.keys() - self.returns.keys()
            self.suspects = {one: why for one, why in previous.suspects.items() if one in stay}
            self.returns |= {one: why for one, why in previous.returns.items() if one in stay}

    def suspect(self, backend_id: int, cause: str) -> None:
        self.suspects[backend_id] = cause
        self._wake()

    def sweep(self, now: float) -> None:
        """At the end of an interval, compare the success rates of those in service."""
        interval = self.pool.spec.outlier.interval
        if now < self._sweep_at <= now + interval:
            return
        first = not self._sweep_at
        self._sweep_at = now + interval
        counts = {
            backend.id: backend.monitor.begin_interval()
            for backend in self.pool.backends.values()
            if backend.monitor is not None and backend.ejection is None
        }
        if not first:
            self.suspects |= far_below(counts, self.pool.spec.outlier)

    def decide(self, now: float) -> tuple[Ejections, list[Happening]]:
        """The ejections as they should be now, `state` itself if they are so."""
        spec, after, told = self.pool.spec, self.state, []
        over = {
            number: f"its {one.until - one.since:g} s are over"
            for number, one in after.by_id.items()
            if one.until <= now
        }
        for number, why in (over | self.returns).items():
            back = end(after, number, now)
            if back is not None:
                after = back
                told.append(tell_back(number, back.by_id[number], why))
        for number, cause in self.suspects.items():
            more = eject(after, spec, number, cause, now)
            if more is not None:
                after = more
                told.append(tell_ejected(number, more.by_id[number]))
        return (self.state if after is self.state else tidy(after, spec, now)), told

    def settled(self) -> None:
        self.suspects.clear()
        self.returns.clear()

    def hear(self, state: Ejections, raw: bytes) -> None:
        """What all workers have agreed on."""
        if self.alone:
            self.alone = False
            for number, one in self.state.by_id.items():
                if not one.ended:
                    self.suspect(number, one.cause)
        self.take(state, raw)

    def take(self, state: Ejections, raw: bytes) -> None:
        self.state, self.raw = state, raw
        self.show()

    def show(self) -> None:
        """Choose among those that are not ejected."""
        ejections = self.state.by_id.items()
        show_ejected(self.pool, {number: one for number, one in ejections if not one.ended})


class Watches(NamedTuple):
    """`gone`: servers that leave. What is under way there must not speak against others."""

    by_pool: dict[int, Watch]
    gone: list[Backend]


class Outliers:
    """`wake` is called when there is something to agree on."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._watches: dict[int, Watch] = {}
        self._retry_at = 0.0  # the loop's time

    def prepare(self, configuration: Configuration) -> Steps[Watches]:
        """Make watches for these pools, beside those of now."""
        watches = Watches({}, [])
        for pools in in_parts(configuration.pools.items()):
            for number, pool in pools:
                if pool.spec.outlier.enabled:
                    known = self._watches.get(number)
                    watches.by_pool[number] = Watch(pool, self._wake, known)
            yield
        for part in in_parts(self._watches.items()):
            for number, watch in part:
                watches.gone.extend(_gone(watch.pool, configuration.pools.get(number)))
            yield
        return watches

    def take_over(self, watches: Watches) -> dict[int, Watch]:
        """Watch by these from now on; by which it was until now.

        Not in steps: who has agreed on an ejection afterwards refreshes the pool as it is now.
        """
        known, self._watches = self._watches, watches.by_pool
        for watch in self._watches.values():
            watch.take_over()
        for backend in watches.gone:
            backend.monitor = None
        return known

    def settle(self, configuration: Configuration, known: Mapping[int, Watch]) -> Steps[None]:
        """Equip the backends for it, each for itself: other workers do at other times."""
        for number, pool in configuration.pools.items():
            watch = self._watches.get(number)
            if watch is None and number in known:
                _let_go(pool)
            elif watch is not None:
                for part in in_parts(pool.backends.values()):
                    for backend in part:
                        self._equip(backend, pool)
                    yield
                watch.show()
            yield

    def _equip(self, backend: Backend, pool: Pool) -> None:
        # Not told to one watch: that goes with its configuration.
        suspect = partial(self._suspect, pool.spec.id, backend.id)
        if backend.monitor is None:
            backend.monitor = Monitor(pool.spec.outlier, suspect)
        else:
            backend.monitor.configure(pool.spec.outlier, suspect)

    def _suspect(self, pool_id: int, backend_id: int, cause: str) -> None:
        watch = self._watches.get(pool_id)
        if watch is not None:
            watch.suspect(backend_id, cause)

    def hear(self, message: bytes) -> None:
        """An announcement."""
        try:
            change = msgspec.json.decode(message, type=EjectionsChange)
        except MALFORMED as error:
            log.error("an announcement of ejections is malformed: %s", error)
            return
        watch = self._watches.get(change.pool_id)
        if watch is not None:
            watch.hear(change.ejections, encode(change.ejections))

    def take_all(self, records: Mapping[Any, Any]) -> None:
        """All that Redis has, by the pools' ids."""
        for number, watch in self._watches.items():
            raw = records.get(str(number).encode(), b"")
            if watch.alone or raw != watch.raw:
                watch.hear(read_ejections(raw), raw)

    async def agree(self, shared: RedisEjections) -> None:
        """Bring all pools up to now."""
        now = time()
        for watch in list(self._watches.values()):
            if not self._is_over(watch):  # since another one was settled: its successor sweeps
                watch.sweep(now)
                await self._settle(watch, shared, now)

    async def _settle(self, watch: Watch, shared: RedisEjections, now: float) -> None:
        for _ in range(ATTEMPTS):
            after, told = watch.decide(now)
            if after is watch.state:
                break
            try:
                reply = await self._ask(watch, shared, after, told)
            except (RedisError, OSError, TimeoutError) as error:
                if self._is_over(watch):
                    return
                log.debug("ejections are decided without Redis: %s", error)
                watch.alone = True
                watch.take(after, watch.raw)
                break
            if self._is_over(watch):
                return
            if reply is None:
                watch.take(after, encode(after))
                break
            watch.take(read_ejections(reply), reply)
        watch.settled()

    def _is_over(self, watch: Watch) -> bool:
        """Whether a configuration has come meanwhile: another watch has gone on from this one.

        Two configurations of a pool have their algorithms in common, and this one's members
        are not those of now.
        """
        return self._watches.get(watch.pool.spec.id) is not watch

    async def _ask(
        self, watch: Watch, shared: RedisEjections, after: Ejections, told: list[Happening]
    ) -> bytes | None:
        """As `RedisEjections.replace`; raises what Redis does while it is away."""
        clock = asyncio.get_running_loop().time
        if watch.alone or clock() < self._retry_at:
            raise TimeoutError
        try:
            async with asyncio.timeout(PATIENCE):
                return await shared.replace(watch.pool.spec.id, watch.raw, after, told)
        except (RedisError, OSError, TimeoutError):
            self._retry_at = clock() + RETRY
            raise


def _gone(before: Pool, now: Pool | None) -> Iterator[Backend]:
    if now is before:
        return
    stay = now.backends if now is not None else {}
    for number, backend in before.backends.items():
        if stay.get(number) is not backend:
            yield backend


def _let_go(pool: Pool) -> None:
    """Outliers are looked for no more."""
    for backend in pool.backends.values():
        backend.monitor = backend.ejection = None
    pool.refresh()
