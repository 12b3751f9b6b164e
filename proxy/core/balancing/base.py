"""What a balancing algorithm is."""

from abc import ABC, abstractmethod
from collections.abc import Container, Sequence
from random import Random
from typing import ClassVar

from pool.snapshot import BalancingPolicy
from proxy.core.backend import Backend
from proxy.core.clock import Clock

NOTHING: frozenset[Backend] = frozenset()


class Balancer(ABC):
    """Chooses among `backends`, the ones of one tier that may serve, in one worker.

    `offset` differs from worker to worker, so that workers that start together
    do not all begin with the first backend. Weights are `backend.weight`, which is
    never 0 here and need not be whole; time is `clock.now`, and chance is `rng`.
    """

    needs_key: ClassVar[bool] = False  # whether equal keys go to the same backend
    weighted: ClassVar[bool] = True  # else all weights are 1, or the part of it that one has now
    by_chance: ClassVar[bool] = False  # whether `rng` has a say, and nobody can tell what is next

    def __init__(
        self,
        backends: Sequence[Backend],
        offset: int = 0,
        *,
        policy: BalancingPolicy | None = None,
        clock: Clock | None = None,
        rng: Random | None = None,
    ) -> None:
        self.offset = offset
        self.policy = policy or BalancingPolicy()
        self.clock = clock or Clock()
        self.rng = rng or Random()  # noqa: S311 - chance, no secret
        self.backends: Sequence[Backend] = ()
        self.begin()
        self.update(backends)

    def begin(self) -> None:  # noqa: B027 - most have no state to set up
        """Set up the algorithm's own state, before the first `update()`."""

    def update(self, backends: Sequence[Backend]) -> None:
        """The backends that may serve, or their weights, have changed."""
        self.backends = tuple(backends)

    def work(self) -> bool:
        """Do a millisecond's worth of what `update()` left to do; whether there is more.

        For tables that take longer to make than an edge may stand still. It is called
        between requests, again and again until nothing is left.
        """
        return False

    @abstractmethod
    def pick(
        self, excluded: Container[Backend] = NOTHING, key: bytes | None = None
    ) -> Backend | None:
        """An `available()` backend outside `excluded`; None if there is none.

        `key` is what the pool's hash key says of the request, for algorithms that
        need one; a request without it is never given to those.
        """

    def failed(self, backend: Backend) -> None:  # noqa: B027 - most do not mind
        """A try at this backend has failed by its own fault; it need not be one of `backends`."""

    def score(self, backend: Backend) -> float | None:
        """What `pick` compares, for an explanation; the least wins. None: it compares nothing."""
        return None
