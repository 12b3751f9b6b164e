"""Which backends are probed, and when: pure arithmetic over a snapshot.

Each backend has a grid of due times, `phase + k * period`, that follows from its
id alone. Nothing has to be agreed upon: whoever computes it gets the same times.
The phases follow the golden ratio, under which any run of ids is spread nearly
evenly over the period, and adding a backend moves no other one. The period changes
with where a backend stands, and the phase with it.
"""

from math import floor

import msgspec

from pool.addresses import HOST_OF_BACKEND, move_origin
from pool.choices import AdminState, CircuitMode, HealthState, ProbeKind
from pool.circuits.records import Terms, terms_of
from pool.health.hysteresis import Standing, in_transition
from pool.snapshot import BackendSpec, HealthPolicy, PoolSpec, Snapshot, TlsPolicy

_GOLDEN_RATIO = 0.6180339887498949
_GRACE = 5.0  # seconds beyond a probe's timeout after which its worker counts as gone


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """A backend that is to be probed. `host`: what to send as Host, "" for the backend's own."""

    backend_id: int
    origin: str  # where to probe
    name: str  # "pool/backend"
    policy: HealthPolicy
    tls: TlsPolicy = TlsPolicy()
    host: str = ""
    circuit: Terms | None = None  # None: it has none
    returns_to: int = 0  # the pool that a pass brings it back to if it was ejected; 0: none

    @property
    def period(self) -> float:
        """Seconds between two probes while nothing is amiss."""
        return self._apart(self.policy.interval)

    @property
    def phase(self) -> float:
        """Seconds from the beginning of each such period."""
        return self._part * self.period

    @property
    def jitter(self) -> float:
        """Share of a period by which a probe may be later."""
        return self.policy.jitter / 100

    @property
    def lease(self) -> float:
        """Seconds for which a worker may keep a claim."""
        return self.policy.timeout + _GRACE

    def period_after(self, standing: Standing) -> float:
        """Seconds between two probes for as long as it stands so, if they all take their time."""
        return self._apart(self._interval_after(standing))

    def hurries(self, standing: Standing) -> bool:
        """Whether the next probe is wanted sooner than this one might have ended."""
        interval = self._interval_after(standing)
        return interval < self.policy.interval and interval < self.policy.timeout

    def next_after(self, standing: Standing, now: float) -> float:
        """When to probe next if a probe has ended `now`: on the grid, and not at once again."""
        interval = self._interval_after(standing)
        return (floor(now / interval + 0.5 - self._part) + 1 + self._part) * interval

    @property
    def _part(self) -> float:
        return self.backend_id * _GOLDEN_RATIO % 1.0

    def _interval_after(self, standing: Standing) -> float:
        policy = self.policy
        if in_transition(standing):
            return policy.fast_interval or policy.interval
        if standing.state is HealthState.UNHEALTHY:
            return policy.down_interval or policy.interval
        return policy.interval

    def _apart(self, interval: float) -> float:
        """Never less than a probe may take, so that two of one backend overlap by jitter alone."""
        return max(interval, self.policy.timeout)


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
        for backend in pool.backends:
            if backend.admin_state is AdminState.MAINTENANCE:
                idle.add(backend.id)
            else:
                targets[backend.id] = _target(pool, backend)
    version = f"{snapshot.number}:{snapshot.content_hash}"
    return Plan(version=version, targets=targets, idle=frozenset(idle))


def _target(pool: PoolSpec, backend: BackendSpec) -> Target:
    policy = backend.health.over(pool.health)
    host = policy.host or pool.headers.host
    scheme = policy.kind.value if policy.kind in (ProbeKind.HTTP, ProbeKind.HTTPS) else ""
    return Target(
        backend_id=backend.id,
        origin=move_origin(backend.health.url or backend.url, scheme, policy.port),
        name=f"{pool.name}/{backend.name}",
        policy=policy,
        tls=pool.tls,
        host="" if host == HOST_OF_BACKEND else host,
        circuit=None if pool.circuit.mode is CircuitMode.OFF else terms_of(pool),
        returns_to=pool.id if pool.outlier.enabled and pool.outlier.probes_return else 0,
    )
