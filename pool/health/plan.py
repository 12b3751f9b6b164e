"""Which backends are probed, and when: pure arithmetic over a snapshot.

Each backend has a grid of due times, `phase + k * period`, that follows from its
id alone. Nothing has to be agreed upon: whoever computes it gets the same times.
The phases follow the golden ratio, under which any run of ids is spread nearly
evenly over the period, and adding a backend moves no other one.
"""

import msgspec

from pool.addresses import HOST_OF_BACKEND
from pool.choices import AdminState, CircuitMode
from pool.circuits.records import Terms, terms_of
from pool.snapshot import HealthPolicy, Snapshot, TlsPolicy

_GOLDEN_RATIO = 0.6180339887498949
_GRACE = 5.0  # seconds beyond a probe's timeout after which its worker counts as gone


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """A backend that is to be probed. `host`: what to send as Host, "" for the backend's own."""

    backend_id: int
    origin: str
    name: str  # "pool/backend"
    policy: HealthPolicy
    tls: TlsPolicy = TlsPolicy()
    host: str = ""
    circuit: Terms | None = None  # None: it has none

    @property
    def period(self) -> float:
        """Never shorter than a probe may take, so that two of one backend do not overlap."""
        return max(self.policy.interval, self.policy.timeout)

    @property
    def phase(self) -> float:
        return self.backend_id * _GOLDEN_RATIO % 1.0 * self.period

    @property
    def lease(self) -> float:
        """Seconds for which a worker may keep a claim."""
        return self.policy.timeout + _GRACE


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """All targets of one snapshot. `idle` backends keep their state but are not probed."""

    version: str
    targets: dict[int, Target]
    idle: frozenset[int]


NO_PLAN = Plan(version="", targets={}, idle=frozenset())


def plan_of(snapshot: Snapshot) -> Plan:
    targets: dict[int, Target] = {}
    idle: set[int] = set()
    for pool in snapshot.pools:
        if not pool.health.enabled:
            continue
        host = "" if pool.headers.host == HOST_OF_BACKEND else pool.headers.host
        circuit = None if pool.circuit.mode is CircuitMode.OFF else terms_of(pool)
        for backend in pool.backends:
            if backend.admin_state is AdminState.MAINTENANCE:
                idle.add(backend.id)
                continue
            targets[backend.id] = Target(
                backend_id=backend.id,
                origin=backend.url,
                name=f"{pool.name}/{backend.name}",
                policy=pool.health,
                tls=pool.tls,
                host=host,
                circuit=circuit,
            )
    version = f"{snapshot.number}:{snapshot.content_hash}"
    return Plan(version=version, targets=targets, idle=frozenset(idle))
