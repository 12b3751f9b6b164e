"""A snapshot made ready to run: routes compiled, live state of what stays kept."""

from pool.snapshot import EMPTY, Snapshot
from proxy.core.balancing import UnknownAlgorithm, balancer_class
from proxy.core.clock import Clock
from proxy.core.pool import Pool, build_pool
from proxy.core.routing import Route, Router
from proxy.core.sticky import Stickiness, build_stickiness, is_sticky
from proxy.errors import NoBackend, NoRoute, ProxyError


class Configuration:
    """What one worker runs between two snapshots. Requests keep the one they started with."""

    def __init__(
        self,
        snapshot: Snapshot = EMPTY,
        previous: "Configuration | None" = None,
        offset: int = 0,
        clock: Clock | None = None,
        sticky_key: bytes | None = None,
    ) -> None:
        """Raises `UnknownAlgorithm` if the snapshot needs one that is not installed, or unfit.

        `sticky_key`: what clients' marks are made with; without it no pool is sticky.

        Whatever can fail comes before the first pool is built: that changes live
        state which the previous configuration goes on using. Each algorithm is
        looked up once, for it means a search through the installed packages.
        """
        known = previous.pools if previous is not None else {}
        names = {spec.algorithm for spec in snapshot.pools}
        names |= {spec.balancing.fallback for spec in snapshot.pools}
        algorithms = {name: balancer_class(name) for name in names}
        for spec in snapshot.pools:
            if algorithms[spec.balancing.fallback].needs_key:
                raise UnknownAlgorithm(
                    f"{spec.balancing.fallback!r} needs a key itself: it cannot be the fallback "
                    f"of pool {spec.name!r}"
                )
        self.snapshot = snapshot
        self.pools: dict[int, Pool] = {
            spec.id: build_pool(
                spec,
                algorithms[spec.algorithm],
                known.get(spec.id),
                offset,
                clock,
                fallback=algorithms[spec.balancing.fallback],
            )
            for spec in snapshot.pools
        }
        self.sticky: dict[int, Stickiness] = {}
        if sticky_key is not None:
            self.sticky = {
                number: build_stickiness(pool, sticky_key)
                for number, pool in self.pools.items()
                if is_sticky(pool.spec)
            }
        self.pool_of_backend: dict[int, Pool] = {
            backend_id: pool for pool in self.pools.values() for backend_id in pool.backends
        }
        self.routes = [
            Route(spec, self.pools[spec.pool_id])
            for spec in snapshot.routes
            if spec.pool_id in self.pools
        ]
        self.router = Router(self.routes)

    def no_route(self) -> ProxyError:
        """What a request is told that none matches. Before the first snapshot one may yet come."""
        return NoRoute() if self.snapshot.number else NoBackend()
