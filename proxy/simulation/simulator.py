"""Discrete events: the clock jumps from one to the next, and the core decides at each."""

from collections.abc import Callable, Iterator
from heapq import heappop, heappush
from itertools import cycle, islice
from math import inf
from typing import Any

from pool.bus import HealthStatus
from pool.choices import HealthState
from proxy.core.backend import Backend
from proxy.core.clock import Clock
from proxy.core.exchange import Exchange
from proxy.core.pool import Pool
from proxy.errors import NoBackend, ProxyError
from proxy.simulation.chance import chance
from proxy.simulation.circuits import Circuits
from proxy.simulation.fault import FaultKind
from proxy.simulation.outcome import Outcome, Tally
from proxy.simulation.scenario import CLIENTS, ClosedLoop, OpenLoop, RecordedLoad, Scenario
from proxy.simulation.server import PROMPT, Reply, Server
from proxy.simulation.workers import finish_work, make_pools, share_latencies
from proxy.stores.timing import BATCH

_SECOND = 1_000_000_000
_START = _SECOND  # of the clock: 0 stands for "never" in places
_SWEEP = _SECOND // 4  # between two looks at what changes by itself, as in the edge
_REPORT_EVERY = 10_000  # requests

_Arrival = tuple[int, bytes | None]  # nanoseconds after the start; what the hash key says
_Act = Callable[[Any], None]
Progress = Callable[[int], None]


class _Request:
    """`backend` and its `reply` are those of the last try."""

    __slots__ = ("arrived", "backend", "exchange", "pool", "reply")
    backend: Backend
    reply: Reply

    def __init__(self, pool: Pool, arrived: int, key: bytes | None) -> None:
        self.pool = pool
        self.arrived = arrived
        self.exchange = Exchange(pool, idempotent=True, key=key)


def simulate(
    scenario: Scenario, algorithm: str, seed: int = 0, progress: Progress | None = None
) -> Outcome:
    """One run. `progress` hears now and then how many requests have ended.

    Equal arguments give equal outcomes. `UnknownAlgorithm` if there is none of that name.
    """
    return _Simulation(scenario, algorithm, seed).run(progress or (lambda _ended: None))


class _Simulation:
    def __init__(self, scenario: Scenario, algorithm: str, seed: int) -> None:
        self._scenario = scenario
        self._algorithm = algorithm
        self._clock = Clock(_START)
        self._events: list[tuple[int, int, _Act, Any]] = []
        self._scheduled = 0
        self._tally = Tally()
        self._servers = self._make_servers(seed)
        self._pools = make_pools(scenario.pool, algorithm, scenario.workers, self._clock, seed)
        self._circuits = Circuits(self._pools, _START / _SECOND)
        self._look_at: float = inf  # when circuits are looked at next
        self._draw_pool = chance(seed, "workers").choice
        self._arrivals = islice(self._plan_arrivals(seed), scenario.requests)

    def run(self, progress: Progress) -> Outcome:
        self._begin()
        events, clock, tally = self._events, self._clock, self._tally
        wanted, report_at = self._scenario.requests, _REPORT_EVERY
        while tally.ended < wanted:
            clock.now, _, act, subject = heappop(events)
            act(subject)
            if self._circuits.news:
                self._plan_look(BATCH)
            if tally.ended >= report_at:
                progress(report_at)
                report_at += _REPORT_EVERY
        names = {backend.id: backend.name for backend in self._scenario.pool.backends}
        return tally.outcome(self._algorithm, clock.now - _START, names)

    # --- what there is at the start ---

    def _make_servers(self, seed: int) -> dict[int, Server]:
        scenario = self._scenario
        return {
            spec.id: Server(
                scenario.service_times[spec.id],
                chance(seed, f"server {spec.id}"),
                capacity=scenario.capacity.get(spec.id, 0),
                timeout=scenario.pool.timeouts.response * _SECOND,
                faults=scenario.faults.get(spec.id, ()),
            )
            for spec in scenario.pool.backends
        }

    def _plan_arrivals(self, seed: int) -> Iterator[_Arrival]:
        load, rng = self._scenario.load, chance(seed, "arrivals")
        if isinstance(load, RecordedLoad):
            yield from zip(load.arrivals, load.keys, strict=True)
            return
        at = 0.0
        while True:
            if isinstance(load, OpenLoop):
                at += rng.expovariate(load.rate) * _SECOND
            yield int(at), b"client %d" % (rng.random() * CLIENTS)

    def _begin(self) -> None:
        load = self._scenario.load
        if isinstance(load, ClosedLoop):  # connections are spread evenly over the workers
            for pool in islice(cycle(self._pools), load.concurrency):
                self._plan_next(pool)
        else:
            self._plan_next(self._draw_pool(self._pools))
        if self._scenario.pool.health.enabled:
            self._plan_health()
        if len(self._pools) > 1:
            self._at(_START + _SWEEP, self._tell_latencies, None)
        self._look_again()

    def _plan_next(self, pool: Pool) -> None:
        arrival = next(self._arrivals, None)
        if arrival is not None:
            at, key = arrival
            # In a closed loop they come when they are asked for.
            self._at(max(_START + at, self._clock.now), self._arrive, (pool, key))

    def _plan_health(self) -> None:
        """The probes notice after as many of them as the pool's policy says."""
        health = self._scenario.pool.health
        for backend_id, faults in self._scenario.faults.items():
            for fault in faults:
                noticed = fault.begin + health.fall * health.interval * _SECOND
                if fault.kind is FaultKind.SLOW or noticed >= fault.end:
                    continue
                self._plan_verdict(noticed, backend_id, HealthState.UNHEALTHY)
                recovered = fault.end + health.rise * health.interval * _SECOND
                self._plan_verdict(recovered, backend_id, HealthState.HEALTHY)

    def _plan_verdict(self, after: float, backend_id: int, state: HealthState) -> None:
        if after != inf:
            at = _START + int(after)
            self._at(at, self._set_health, (backend_id, HealthStatus(state=state, since=at / 1e9)))

    def _at(self, instant: int, act: _Act, subject: object) -> None:
        self._scheduled += 1  # equal instants in the order in which they were planned
        heappush(self._events, (instant, self._scheduled, act, subject))

    # --- a request's life ---

    def _arrive(self, arrival: tuple[Pool, bytes | None]) -> None:
        pool, key = arrival
        if not isinstance(self._scenario.load, ClosedLoop):
            self._plan_next(self._draw_pool(self._pools))
        self._try(_Request(pool, self._clock.now, key))

    def _try(self, request: _Request) -> None:
        now = self._clock.now
        try:
            backend = request.backend = request.exchange.choose()
        except NoBackend as error:
            self._at(now + PROMPT, self._unanswered, (request, request.exchange.answer(error)))
            return
        reply = request.reply = self._servers[backend.id].receive(now - _START)
        self._tally.try_sent(backend.id, reply.waited)
        self._at(now + reply.after, self._replied, request)

    def _replied(self, request: _Request) -> None:
        exchange, reply, now = request.exchange, request.reply, self._clock.now
        error = reply.error
        status = reply.status if error is None else error.status
        request.backend.observe_try(status, reply.after / 1000, now)
        if error is not None:
            if exchange.failed(error, replayable=True):
                self._try(request)
            else:
                self._unanswered((request, exchange.answer(error)))
            return
        if reply.status >= 500:
            self._tally.failed(f"status_{reply.status}")
        else:
            self._tally.succeeded(now - request.arrived)
        exchange.responded(reply.status)
        exchange.finish(reply.status)
        self._ended(request)

    def _unanswered(self, subject: tuple[_Request, ProxyError]) -> None:
        request, error = subject
        self._tally.failed(error.cause)
        self._ended(request)

    def _ended(self, request: _Request) -> None:
        self._tally.retries += max(0, request.exchange.attempts - 1)
        if isinstance(self._scenario.load, ClosedLoop):
            self._plan_next(request.pool)

    # --- what changes by itself ---

    def _set_health(self, verdict: tuple[int, HealthStatus]) -> None:
        for pool in self._pools:
            starting = pool.starting
            pool.set_health(*verdict)
            if pool.starting and not starting:
                self._at(self._clock.now + _SWEEP, self._let_grow, pool)
        finish_work(self._pools)

    def _let_grow(self, pool: Pool) -> None:
        pool.refresh()
        finish_work([pool])
        if pool.starting:
            self._at(self._clock.now + _SWEEP, self._let_grow, pool)

    def _tell_latencies(self, _: None) -> None:
        share_latencies(self._pools, self._clock.now)
        self._at(self._clock.now + _SWEEP, self._tell_latencies, None)

    def _plan_look(self, pause: float) -> None:
        at = self._clock.now + int(pause * _SECOND)
        if at < self._look_at:
            self._look_at = at
            self._at(at, self._look_at_circuits, at)

    def _look_at_circuits(self, planned: int) -> None:
        if planned == self._look_at:  # no earlier one has taken its place
            self._look_at = inf
            self._circuits.agree(self._clock.now / _SECOND)
            finish_work(self._pools)
            self._look_again()

    def _look_again(self) -> None:
        pause = self._circuits.pause(self._clock.now / _SECOND)
        if pause is not None:
            self._plan_look(pause)
