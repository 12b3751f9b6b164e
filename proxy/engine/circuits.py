"""Circuits in one worker: breakers for its backends, and one task that agrees with the others.

Failures wait for a few milliseconds and go to Redis together; what is decided
there, for all workers of all edges, is announced to each. While Redis is away the
same rules run on this worker's own copies, and what they have led to is laid
before Redis when it is back: the later change holds.
"""

import asyncio
import contextlib
import logging
from collections.abc import Iterable, Mapping
from secrets import token_hex
from time import time
from typing import Any

import msgspec
from redis.exceptions import RedisError

from pool.choices import CircuitMode
from pool.circuits.records import Circuit, CircuitChange, Merge, Terms, terms_of
from pool.circuits.script import read_circuit
from proxy.core.backend import Backend
from proxy.core.circuit.breaker import Breaker
from proxy.core.configuration import Configuration
from proxy.core.pool import Pool
from proxy.stores.memory import MemoryCircuits
from proxy.stores.redis import RedisCircuits, Step

BATCH = 0.02  # seconds in which results are collected before they are sent
TICK = 0.05  # between two looks while a circuit is not closed
IDLE_TICK = 0.25  # and otherwise
PATIENCE = 0.5  # with Redis
RETRY = 0.5  # seconds until Redis is tried again

log = logging.getLogger("lbsite.edge")


class Circuits:
    """Works from the first `configure()` on; agrees with others while it is `run()`."""

    def __init__(self) -> None:
        self._name = token_hex(6)  # of this worker, whose permits are called after it
        self._copies = MemoryCircuits()
        self._breakers: dict[int, tuple[Breaker, Backend, Pool]] = {}
        self._awake: set[Breaker] = set()
        self._news = asyncio.Event()
        self._untold: set[int] = set()  # what changed while Redis was away
        self._to_merge: set[int] = set()
        self._retry_at = 0.0  # the loop's time

    def configure(self, configuration: Configuration) -> None:
        """Give each backend its breaker; one that stays keeps what it knows."""
        known, self._breakers = self._breakers, {}
        for pool in configuration.pools.values():
            terms = terms_of(pool.spec)
            before = [backend.out for backend in pool.backends.values()]
            for backend in pool.backends.values():
                self._equip(backend, pool, terms, known)
            if before != [backend.out for backend in pool.backends.values()]:
                pool.refresh()

    def _equip(
        self,
        backend: Backend,
        pool: Pool,
        terms: Terms,
        known: Mapping[int, tuple[Breaker, Backend, Pool]],
    ) -> None:
        if terms.policy.mode is CircuitMode.OFF:
            backend.set_breaker(None)
            return
        if backend.id in known:
            breaker = known[backend.id][0]
            breaker.configure(terms)
        else:
            breaker = Breaker(backend.id, terms, self._name, self._wake)
            breaker.take_up(self._copies.get(backend.id), time())
        backend.set_breaker(breaker)
        self._breakers[backend.id] = breaker, backend, pool

    def _wake(self, breaker: Breaker) -> None:
        self._awake.add(breaker)
        self._news.set()

    # --- what others have decided ---

    def hear(self, message: bytes) -> None:
        """An announcement."""
        try:
            change = msgspec.json.decode(message, type=CircuitChange)
        except msgspec.DecodeError as error:
            log.error("a circuit's announcement is malformed: %s", error)
            return
        if change.circuit.generation >= self._copies.get(change.backend_id).generation:
            self._take(change.backend_id, change.circuit)

    def take_all(self, records: Mapping[Any, Any]) -> None:
        """All that Redis has, by the backends' ids."""
        for backend_id in self._breakers:
            try:
                record = records.get(str(backend_id).encode())
                circuit = read_circuit(record) if record is not None else Circuit()
            except msgspec.DecodeError as error:
                log.error("the circuit of backend %d is malformed: %s", backend_id, error)
            else:
                self._compare(backend_id, circuit)

    def _compare(self, backend_id: int, circuit: Circuit) -> None:
        """Take up what Redis has, unless it does not know of what has happened here."""
        older = circuit.generation < self._copies.get(backend_id).generation
        if older or backend_id in self._untold:
            self._to_merge.add(backend_id)
            self._news.set()
        else:
            self._take(backend_id, circuit)

    def _take(self, backend_id: int, circuit: Circuit) -> None:
        equipped = self._breakers.get(backend_id)
        if equipped is None:
            return
        breaker, backend, pool = equipped
        now = time()
        changed = circuit.generation != breaker.generation
        out = backend.out
        self._copies.put(backend_id, pool.spec.id, circuit)
        breaker.take_up(circuit, now)
        backend.set_breaker(breaker)
        if backend.out is not out:
            pool.refresh()
        if changed:
            log.warning(
                "circuit of backend %s/%s: %s (%s), generation %d, %.1f ms after it was decided",
                pool.spec.name,
                backend.spec.name,
                circuit.state,
                circuit.cause,
                circuit.generation,
                (now - circuit.since) * 1000,
            )

    # --- what this worker has to say ---

    async def run(self, shared: RedisCircuits) -> None:
        """Report and agree until cancelled."""
        while True:
            await self._wait()
            try:
                await self._agree(shared)
            except Exception:  # a defect in one must not end the agreement on all others
                log.exception("circuits could not be brought up to date")
                await asyncio.sleep(RETRY)

    async def _wait(self) -> None:
        breakers = [breaker for breaker, _, _ in self._breakers.values()]
        pause = TICK if any(breaker.guards for breaker in breakers) else IDLE_TICK
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await self._news.wait()
        if self._news.is_set():
            await asyncio.sleep(BATCH)
            self._news.clear()

    async def _agree(self, shared: RedisCircuits) -> None:
        now = time()
        steps = self._merges()
        due = {breaker for breaker, _, _ in self._breakers.values() if breaker.due(now)}
        for breaker in due | self._awake:
            if breaker.backend_id in self._breakers:
                steps += [
                    (breaker.backend_id, operation, breaker.terms)
                    for operation in breaker.operations(now)
                ]
        self._awake.clear()
        if not steps:
            return
        answers = await self._ask(shared, steps, now)
        if answers is None:
            self._decide_alone(steps, now)
            return
        merged = {backend_id for backend_id, operation, _ in steps if is_merge(operation)}
        self._untold -= merged
        self._to_merge -= merged
        for (backend_id, _, _), circuit in zip(steps, answers, strict=True):
            self._compare(backend_id, circuit)

    def _merges(self) -> list[Step]:
        steps: list[Step] = []
        for backend_id in self._to_merge & self._breakers.keys():
            merge = Merge(circuit=self._copies.get(backend_id), untold=backend_id in self._untold)
            steps.append((backend_id, merge, self._breakers[backend_id][0].terms))
        return steps

    async def _ask(
        self, shared: RedisCircuits, steps: Iterable[Step], now: float
    ) -> list[Circuit] | None:
        """What Redis says; None while it is away."""
        clock = asyncio.get_running_loop().time
        if clock() < self._retry_at:
            return None
        steps = list(steps)
        try:
            async with asyncio.timeout(PATIENCE):
                answers = await shared.apply(steps, now)
        except (RedisError, OSError, TimeoutError) as error:
            log.debug("circuits are decided without Redis: %s", error)
            self._retry_at = clock() + RETRY
            return None
        return [circuit for circuit, _ in answers]

    def _decide_alone(self, steps: Iterable[Step], now: float) -> None:
        for backend_id, operation, terms in steps:
            if is_merge(operation):
                continue
            circuit, told = self._copies.apply(backend_id, operation, terms, now)
            if told is not None:
                self._untold.add(backend_id)
            self._take(backend_id, circuit)


def is_merge(operation: object) -> bool:
    return isinstance(operation, Merge)
