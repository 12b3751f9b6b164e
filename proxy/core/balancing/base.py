"""What a balancing algorithm is."""

from abc import ABC, abstractmethod
from collections.abc import Container, Sequence

from proxy.core.backend import Backend

NOTHING: frozenset[Backend] = frozenset()


class Balancer(ABC):
    """Chooses among `backends`, the eligible ones of one pool in one worker.

    `offset` differs from worker to worker, so that workers that start together
    do not all begin with the first backend.
    """

    def __init__(self, backends: Sequence[Backend], offset: int = 0) -> None:
        self.offset = offset
        self.backends: Sequence[Backend] = ()
        self.update(backends)

    def update(self, backends: Sequence[Backend]) -> None:
        """The eligible backends, or their weights, have changed."""
        self.backends = tuple(backends)

    @abstractmethod
    def pick(self, excluded: Container[Backend] = NOTHING) -> Backend | None:
        """An `available()` backend outside `excluded`; None if there is none."""
