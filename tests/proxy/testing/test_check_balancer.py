"""The kit finds each broken promise, and says which one it is."""

from collections.abc import Container
from random import Random as Rng

import pytest

from proxy.core.backend import Backend
from proxy.core.balancing.base import NOTHING, Balancer
from proxy.core.balancing.least_connections import LeastConnections
from proxy.core.balancing.random import Random
from proxy.core.balancing.round_robin import RoundRobin
from proxy.testing import BrokenPromise, check_balancer

Pick = Backend | None


class TakesExcluded(RoundRobin):
    def pick(self, excluded: Container[Backend] = NOTHING, key: bytes | None = None) -> Pick:
        return super().pick(NOTHING, key)


class TakesFull(Balancer):
    def pick(self, excluded: Container[Backend] = NOTHING, key: bytes | None = None) -> Pick:
        free = [backend for backend in self.backends if backend not in excluded]
        return self.rng.choice(free) if free else None


class GivesUpEarly(Random):
    """Asks one, and not the next."""

    def pick(self, excluded: Container[Backend] = NOTHING, key: bytes | None = None) -> Pick:
        if not self.backends:
            return None
        backend = self.rng.choice(self.backends)
        return backend if backend.available() and backend not in excluded else None


class Raises(Balancer):
    def pick(self, excluded: Container[Backend] = NOTHING, key: bytes | None = None) -> Pick:
        return next(b for b in self.backends if b.available() and b not in excluded)


class StaysWithTheFirstSet(LeastConnections):
    def update(self, backends: object) -> None:
        if not self.backends:
            super().update(backends)  # type: ignore[arg-type]


class Starves(LeastConnections):
    """The last one is for emergencies."""

    def pick(self, excluded: Container[Backend] = NOTHING, key: bytes | None = None) -> Pick:
        but = {self.backends[-1]} if len(self.backends) > 1 else set()
        others = {b for b in self.backends if b in excluded} | but
        return super().pick(others) or super().pick(excluded)


class ByProcess(Random):
    """A hash that only this worker knows."""

    needs_key = True

    def pick(self, excluded: Container[Backend] = NOTHING, key: bytes | None = None) -> Pick:
        self.rng = Rng(f"{key!r}{self.offset}")
        return super().pick(excluded)


class MovesEverything(Random):
    """Equal keys stay together, until anybody comes or goes."""

    needs_key = True

    def pick(self, excluded: Container[Backend] = NOTHING, key: bytes | None = None) -> Pick:
        self.rng = Rng(key)
        ids = sorted(self.backends, key=lambda backend: backend.id)
        if list(self.backends) != ids:
            self.update(ids)
        return super().pick(excluded)


@pytest.mark.parametrize(
    ("algorithm", "promise"),
    [
        (TakesExcluded, "if all are excluded"),
        (TakesFull, "is available"),
        (GivesUpEarly, "if any is|leaves no trace"),
        (StaysWithTheFirstSet, "taken all away|only its backends"),
        (Starves, "starves"),
        (RoundRobin, "go by weight"),
        (ByProcess, "the same in all workers"),
        (MovesEverything, "are not moved"),
    ],
)
def test_a_broken_promise_is_named(algorithm: type[Balancer], promise: str) -> None:
    with pytest.raises(BrokenPromise, match=promise):
        check_balancer(algorithm)


def test_an_exception_comes_out_as_it_is() -> None:
    with pytest.raises(StopIteration):
        check_balancer(Raises)


def test_what_an_algorithm_means_to_do_is_not_held_against_it() -> None:
    check_balancer(RoundRobin, weighted=False)
    with pytest.raises(BrokenPromise):
        check_balancer(Starves, weighted=False)
    check_balancer(Starves, spreads=False)
