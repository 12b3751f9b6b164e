"""Who may be asked, and how each is doing: a pool of the core's that a program fills itself."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import count
from math import inf
from typing import Any

from pool.bus import HealthStatus
from pool.choices import CircuitEvent
from pool.circuits.records import Order
from pool.snapshot import BackendSpec, CircuitPolicy, PoolSpec, RetryPolicy, Snapshot, TierPolicy
from proxy.client.decisions import Decisions, is_well
from proxy.core.backend import Backend
from proxy.core.exchange import Exchange
from proxy.core.pool import Pool
from proxy.errors import ProxyError

_POOL = 1
_UNLIMITED = 10**9  # percent


class AllBackendsUnavailable(RuntimeError):
    """Nobody is left to ask. `errors`: the last one of each host, "" if it never had any."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        told = ", ".join(f"{host} ({error or 'out of service'})" for host, error in errors.items())
        super().__init__(f"no backend is available: {told or 'there are none'}")
        self.errors = dict(errors)


@dataclass
class Tally:
    """Of one host. `last_error` stays until its health is reset."""

    requests: int = 0
    failures: int = 0
    last_error: str = ""


def circuit_policy(
    statuses: Iterable[int], recovery_timeout: float | None, threshold: int = 1
) -> CircuitPolicy:
    """`threshold` failures in a row; after `recovery_timeout` seconds one tries, None: never."""
    if recovery_timeout is not None and recovery_timeout <= 0:
        raise ValueError(f"recovery_timeout is {recovery_timeout}: give more than 0 seconds")
    wait = inf if recovery_timeout is None else recovery_timeout
    return CircuitPolicy(
        threshold=threshold,
        statuses=",".join(map(str, sorted(statuses))),
        open_time=wait,
        max_open_time=wait,
        permits=1,
        successes=1,
        max_open=100,
    )


class Members:
    """By name, which is the host's URL. Changes hold from the next try on."""

    def __init__(self, algorithm: str, circuit: CircuitPolicy, now: Callable[[], float]) -> None:
        self.decisions = Decisions(now, alone=True)
        self.algorithm = algorithm
        self._circuit = circuit
        self._ids = count(1)
        self._specs: dict[str, BackendSpec] = {}
        self._tallies: dict[str, Tally] = {}

    # --- who there is ---

    def replace(self, specs: Iterable[BackendSpec], algorithm: str = "") -> None:
        """These, and nobody else; what is known of those that stay is kept.

        `id` and `backup_of` of `specs` are whatever they say. Raises `UnknownAlgorithm`.
        """
        with self.decisions.lock:
            self._apply({spec.name: spec for spec in specs}, algorithm or self.algorithm)

    def put(self, name: str, origin: str, weight: int = 1, tier: int = 0) -> None:
        """Add it, or give it another weight. Raises ValueError, or `UnknownAlgorithm`."""
        if isinstance(weight, bool) or not isinstance(weight, int) or weight < 0:
            raise ValueError(f"weight is {weight!r}: give a whole number from 0")
        with self.decisions.lock:
            known = self._specs.get(name)
            spec = BackendSpec(
                id=known.id if known is not None else next(self._ids),
                name=name,
                url=origin,
                weight=weight,
                tier=tier,
            )
            self._apply(self._specs | {name: spec}, self.algorithm)

    def remove(self, name: str) -> None:
        with self.decisions.lock:
            if name not in self._specs:
                raise ValueError(f"{name} is none of the hosts")
            specs = {other: spec for other, spec in self._specs.items() if other != name}
            self._apply(specs, self.algorithm)

    def _apply(self, specs: dict[str, BackendSpec], algorithm: str) -> None:
        pool = PoolSpec(
            id=_POOL,
            name="hosts",
            algorithm=algorithm,
            tiers=TierPolicy(panic_threshold=0),
            # One more try than there are hosts: it ends when nobody is left.
            retry=RetryPolicy(attempts=len(specs) + 1, budget=_UNLIMITED),
            circuit=self._circuit,
            backends=tuple(specs.values()),
        )
        self.decisions.configure(Snapshot(number=1, pools=(pool,)))
        self._specs, self.algorithm = specs, algorithm
        self._tallies = {name: self._tallies.get(name, Tally()) for name in specs}

    @property
    def pool(self) -> Pool:
        return self.decisions.configuration.pools[_POOL]

    # --- how they are doing ---

    def set_health(self, statuses: Mapping[str, HealthStatus], floor: int = 0) -> None:
        """What others know of them, and the tier from which on they may be asked."""
        with self.decisions.lock:
            self.pool.set_all_health(
                {spec.id: statuses[name] for name, spec in self._specs.items() if name in statuses}
            )
            self.pool.set_floor(floor)

    def reset(self) -> None:
        """As if none had ever failed."""
        with self.decisions.lock:
            self.decisions.order(Order(event=CircuitEvent.RESET, cause="reset"))
            for tally in self._tallies.values():
                tally.last_error = ""

    def names(self, *, well: bool) -> list[str]:
        """Of those that are well and in service, or of those that are not well."""
        with self.decisions.lock:
            return [
                backend.spec.name
                for backend in self.pool.backends.values()
                if is_well(backend) is well and (backend.eligible or not well)
            ]

    def stats(self) -> dict[str, dict[str, Any]]:
        with self.decisions.lock:
            return {backend.spec.name: self._told(backend) for backend in self._backends()}

    def _backends(self) -> list[Backend]:
        return list(self.pool.backends.values())

    def _told(self, backend: Backend) -> dict[str, Any]:
        spec, tally = backend.spec, self._tallies[backend.spec.name]
        return {
            "healthy": is_well(backend),
            "admin_state": spec.admin_state.value,
            "weight": spec.weight,
            "tier": spec.tier,
            "in_flight": backend.in_flight,
            "requests": tally.requests,
            "failures": tally.failures,
            "last_error": tally.last_error,
            "latency_ms": round(backend.latency.mean / 1000, 3),
        }

    # --- requests ---

    def exchange(self, idempotent: bool) -> Exchange:
        return Exchange(self.pool, idempotent)

    def tried(self, backend: Backend) -> None:
        with self.decisions.lock:
            tally = self._tallies.get(backend.spec.name)
            if tally is not None:
                tally.requests += 1

    def failed(self, backend: Backend, error: ProxyError) -> None:
        with self.decisions.lock:
            tally = self._tallies.get(backend.spec.name)
            if tally is not None:  # else it has been removed meanwhile
                tally.failures += 1
                tally.last_error = error.reason

    def unavailable(self) -> AllBackendsUnavailable:
        with self.decisions.lock:
            return AllBackendsUnavailable(
                {name: tally.last_error for name, tally in self._tallies.items()}
            )
