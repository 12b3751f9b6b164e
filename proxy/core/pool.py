"""A pool as one worker runs it: its live backends and the algorithm over them."""

from collections.abc import Container, Mapping

from pool.bus import HealthStatus
from pool.snapshot import PoolSpec
from proxy.core.backend import Backend
from proxy.core.balancing import Balancer
from proxy.core.balancing.base import NOTHING
from proxy.core.clock import Clock


class Pool:
    """`backends` by id. `refresh()` must follow each change of a backend's eligibility."""

    def __init__(self, spec: PoolSpec, backends: dict[int, Backend], balancer: Balancer) -> None:
        self.spec = spec
        self.backends = backends
        self.balancer = balancer
        self.refresh()

    def refresh(self) -> None:
        """Give the algorithm the eligible backends of the lowest tier that has any."""
        eligible = [backend for backend in self.backends.values() if backend.eligible]
        tier = min((backend.spec.tier for backend in eligible), default=0)
        self.balancer.update([backend for backend in eligible if backend.spec.tier == tier])

    def choose(
        self, excluded: Container[Backend] = NOTHING, key: bytes | None = None
    ) -> Backend | None:
        """A backend for the next try; `key`: what the pool's hash key says of the request."""
        return self.balancer.pick(excluded, key)

    def set_health(self, backend_id: int, status: HealthStatus | None) -> None:
        backend = self.backends.get(backend_id)
        if backend is not None and backend.set_health(status):
            self.refresh()

    def set_all_health(self, statuses: Mapping[int, HealthStatus]) -> None:
        """Take what is known of the backends.

        Of one that is missing nothing is known any more if it is not probed. If it
        is, Redis has lost it: the last verdict holds until the probes have spoken
        again, or an outage of Redis would bring dead backends back.
        """
        forget = not self.spec.health.enabled
        changed = [
            backend.set_health(statuses.get(backend_id))
            for backend_id, backend in self.backends.items()
            if forget or backend_id in statuses
        ]
        if any(changed):
            self.refresh()


def build_pool(
    spec: PoolSpec,
    algorithm: type[Balancer],
    previous: Pool | None,
    offset: int,
    clock: Clock | None = None,
) -> Pool:
    """The pool of `spec`; backends and balancer of `previous` live on where they fit."""
    known = previous.backends if previous is not None else {}
    backends: dict[int, Backend] = {}
    for backend_spec in spec.backends:
        backend = known.get(backend_spec.id)
        # Another URL is another server: nothing that is known of the old one holds for it.
        if backend is not None and backend.spec.url == backend_spec.url:
            backend.configure(backend_spec)
        else:
            backend = Backend(backend_spec)
        backends[backend_spec.id] = backend
    if (
        previous is not None
        and type(previous.balancer) is algorithm
        and previous.spec.balancing == spec.balancing
    ):
        return Pool(spec, backends, previous.balancer)
    return Pool(spec, backends, algorithm((), offset, policy=spec.balancing, clock=clock))
