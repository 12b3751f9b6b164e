"""How a pool takes the place of the one before it, while that one has requests."""

from pool.snapshot import BackendSpec, PoolSpec
from proxy.core.backend import Backend
from proxy.core.balancing import Balancer
from proxy.core.clock import Clock
from proxy.core.pool import Arrangement, Pool
from proxy.core.steps import Steps, at_once, in_parts
from proxy.core.tier import Algorithm


class Succession:
    """`pool` serves from `take_over()` on, which follows `make_backends()`; `previous` until then.

    Backends and algorithms of `previous` live on where they fit.
    """

    def __init__(self, pool: Pool, previous: Pool | None) -> None:
        self.pool = pool
        self._previous = previous
        self._changed: dict[Backend, BackendSpec] = {}  # those that stay, and what they shall be
        self._arrangement: Arrangement | None = None
        self._as_of = 0  # `changes` of the previous one that are in it

    def make_backends(self) -> Steps[None]:
        """Make those that are new; those that stay remain for now as `previous` has them."""
        known = self._previous.backends if self._previous is not None else {}
        for part in in_parts(self.pool.spec.backends):
            for spec in part:
                backend = known.get(spec.id)
                # Another URL is another server: nothing that is known of the old one holds for it.
                if backend is None or backend.spec.url != spec.url:
                    backend = Backend(spec)
                elif backend.spec != spec:
                    self._changed[backend] = spec
                self.pool.backends[spec.id] = backend
            yield

    def arrange(self) -> Steps[None]:
        """Work out who will serve, as things are now, so that `take_over()` has less to do."""
        self._arrangement = yield from self._arranged()

    def _arranged(self) -> Steps[Arrangement]:
        previous = self._previous
        if previous is not None:
            self.pool.follow(previous)
            self._as_of = previous.changes
        return (yield from self.pool.arranged(self._changed))

    def take_over(self) -> None:
        """Serve from now on in the place of `previous`, with which it shares what has state.

        Nobody may see some of this and not the rest of it.
        """
        pool, previous, arrangement = self.pool, self._previous, self._arrangement
        later = previous is not None and previous.changes != self._as_of
        if later or arrangement is None:
            arrangement = at_once(self._arranged())  # somebody has gone down meanwhile, or come up
        for backend, spec in self._changed.items():
            backend.configure(spec)
        if pool.queue is not None:
            pool.queue.configure(pool.spec.limits)
        pool.serve(arrangement)
        if previous is not None:
            previous.make_way(pool)


def build_pool(
    spec: PoolSpec,
    algorithm: type[Balancer],
    previous: Pool | None,
    offset: int,
    clock: Clock | None = None,
    fallback: type[Balancer] | None = None,
) -> Pool:
    """The pool of `spec` in the place of `previous`, at once."""
    parts = Algorithm(algorithm, fallback or algorithm, spec.balancing)
    succession = Succession(Pool(spec, parts, offset, clock or Clock(), previous), previous)
    at_once(succession.make_backends())
    succession.take_over()
    return succession.pool
