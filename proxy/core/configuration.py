"""A snapshot made ready to run: routes compiled, live state of what stays kept."""

from pool.snapshot import EMPTY, PoolSpec, Snapshot
from proxy.core.balancing import Balancer, UnknownAlgorithm, balancer_class
from proxy.core.clock import Clock
from proxy.core.marks import Marks
from proxy.core.pool import Pool
from proxy.core.routing import Route, Router
from proxy.core.steps import Steps, at_once, in_parts
from proxy.core.sticky import Stickiness, build_stickiness, is_sticky
from proxy.core.succession import Succession
from proxy.core.tier import Algorithm
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
        *,
        in_steps: bool = False,
    ) -> None:
        """Raises `UnknownAlgorithm` if the snapshot needs one that is not installed, or unfit.

        `sticky_key`: what clients' marks are made with; without it no pool is sticky.

        `in_steps`: the caller goes through `prepare()`, `arrange()` and `take_over()` itself,
        since `previous` has requests. Until the last of them it is as if there were no other.
        """
        self._algorithms = _algorithms_of(snapshot)
        self.snapshot = snapshot
        self.pools: dict[int, Pool] = {}
        self.sticky: dict[int, Stickiness] = {}
        self.pool_of_backend: dict[int, Pool] = {}
        self.routes: list[Route] = []
        self.router = Router(())
        self._previous = previous
        self._offset = offset
        self._clock = clock or Clock()
        self._sticky_key = sticky_key
        self._marks: dict[int, Marks] = {}
        self._successions: list[Succession] = []
        if not in_steps:
            at_once(self.prepare())
            self.take_over()

    def prepare(self) -> Steps[None]:
        """Make what is new, beside `previous`."""
        for spec in self.snapshot.pools:
            pool = self.pools[spec.id] = yield from self._pool(spec)
            self.pool_of_backend |= dict.fromkeys(pool.backends, pool)
            if self._sticky_key is not None and is_sticky(spec):
                yield from self._make_sticky(pool, self._sticky_key)
            yield
        for part in in_parts(self.snapshot.routes):
            known = [(spec, self.pools.get(spec.pool_id)) for spec in part]
            self.routes += [Route(spec, pool) for spec, pool in known if pool is not None]
            yield
        self.router = Router(self.routes)

    def _pool(self, spec: PoolSpec) -> Steps[Pool]:
        previous = self._previous.pools.get(spec.id) if self._previous is not None else None
        if previous is not None and previous.spec == spec:
            return previous
        main, fallback = self._algorithms[spec.algorithm], self._algorithms[spec.balancing.fallback]
        algorithm = Algorithm(main, fallback, spec.balancing)
        pool = Pool(spec, algorithm, self._offset, self._clock, previous)
        succession = Succession(pool, previous)
        yield from succession.make_backends()
        self._successions.append(succession)
        return pool

    def _make_sticky(self, pool: Pool, key: bytes) -> Steps[None]:
        number = pool.spec.id
        known = self._previous._marks.get(number) if self._previous is not None else None
        marks = self._marks[number] = Marks(key, number)
        for part in in_parts(pool.backends.values()):
            marks.add(part, known)
            yield
        self.sticky[number] = build_stickiness(pool, marks)

    def arrange(self) -> Steps[None]:
        """Work out who will serve, so that `take_over()` has less to do."""
        for succession in self._successions:
            yield from succession.arrange()
            yield

    def take_over(self) -> None:
        """Take the place of `previous`, of which nothing may be used any more but by its requests.

        In one go for all pools: a request goes by the old configuration or by the new one.
        """
        for succession in self._successions:
            succession.take_over()
        self._previous, self._successions = None, []

    def no_route(self) -> ProxyError:
        """What a request is told that none matches. Before the first snapshot one may yet come."""
        return NoRoute() if self.snapshot.number else NoBackend()


def _algorithms_of(snapshot: Snapshot) -> dict[str, type[Balancer]]:
    """Each is looked up once, for it means a search through the installed packages."""
    names = {spec.algorithm for spec in snapshot.pools}
    names |= {spec.balancing.fallback for spec in snapshot.pools}
    algorithms = {name: balancer_class(name) for name in names}
    for spec in snapshot.pools:
        if algorithms[spec.balancing.fallback].needs_key:
            raise UnknownAlgorithm(
                f"{spec.balancing.fallback!r} needs a key itself: it cannot be the fallback "
                f"of pool {spec.name!r}"
            )
    return algorithms
