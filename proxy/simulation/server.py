"""A backend that is made up: what becomes of a request that is sent to it.

All of that is known when the request arrives, since the service time is drawn then
and the faults are planned: so an answer needs no more than one event.
"""

from collections.abc import Sequence
from heapq import heappush, heapreplace
from math import inf
from random import Random
from typing import NamedTuple

from proxy.errors import BackendReset, ConnectFailed, ProxyError, ResponseTimeout
from proxy.simulation.fault import Fault, FaultKind
from proxy.simulation.service_time import ServiceTime

PROMPT = 1_000_000  # nanoseconds until a refusal, or an error that needs no work


class Reply(NamedTuple):
    """`after` and `waited` (for a slot) in nanoseconds; `error` None: a response with `status`."""

    after: int
    waited: int = 0
    error: ProxyError | None = None
    status: int = 200


class Server:
    """Works on `capacity` requests at once (0: on any number); others queue, first come first."""

    def __init__(
        self,
        service_time: ServiceTime,
        rng: Random,
        *,
        capacity: int = 0,
        timeout: float = inf,
        faults: Sequence[Fault] = (),
    ) -> None:
        """`timeout`: nanoseconds after which nobody waits for the answer any more."""
        self._service_time = service_time
        self._rng = rng
        self._capacity = capacity
        self._timeout = timeout
        self._faults = faults
        self._free_at: list[float] = []  # a heap: when each slot that was used is free again

    def receive(self, now: int) -> Reply:
        """A request has come, `now` nanoseconds after the start."""
        # Drawn in any case: the same requests cost the same under each algorithm.
        work = self._service_time.draw(self._rng)
        dies = inf
        for fault in self._faults:
            if now < fault.begin:
                if fault.kind is FaultKind.REFUSES:
                    dies = min(dies, fault.begin)
            elif now < fault.end:
                if fault.kind is FaultKind.REFUSES:
                    return Reply(PROMPT, error=ConnectFailed())
                if fault.kind is FaultKind.ERRORS:
                    return Reply(PROMPT, status=500)
                work *= fault.factor
        return self._work(now, work, dies)

    def _work(self, now: int, work: float, dies: float) -> Reply:
        start = self._next_slot(now)
        end = min(start + work, dies)
        if self._capacity:
            self._occupy(end)
        waited = int(min(start, dies) - now)
        if min(end, dies) - now > self._timeout:
            timeout = int(self._timeout)
            return Reply(timeout, min(waited, timeout), ResponseTimeout())
        if end == dies:
            return Reply(int(end - now), waited, BackendReset())
        return Reply(int(end - now), waited)

    def _next_slot(self, now: int) -> float:
        if not self._capacity or len(self._free_at) < self._capacity:
            return now
        return max(now, self._free_at[0])

    def _occupy(self, end: float) -> None:
        if len(self._free_at) < self._capacity:
            heappush(self._free_at, end)
        else:
            heapreplace(self._free_at, end)
