"""What a thread keeps for its next request, for as long as there are such requests."""

from collections.abc import Callable, Hashable
from math import inf
from time import monotonic
from typing import Generic, Protocol, TypeVar

UNUSED = 300.0  # seconds after which nobody counts on a kept connection


class Closable(Protocol):
    def close(self) -> None: ...


K = TypeVar("K", bound=Hashable)
V = TypeVar("V", bound=Closable)


class Kept(Generic[K, V]):
    """Made when they are asked for; closed when they have not been for long, and others come.

    Operators change policies and backends for as long as the process lives.
    """

    def __init__(self, make: Callable[[K], V], clock: Callable[[], float] = monotonic) -> None:
        self._make = make
        self._clock = clock
        self._kept: dict[K, V] = {}
        self._used_at: dict[K, float] = {}

    def get(self, key: K) -> V:
        now = self._clock()
        if key not in self._kept:
            self._let_go(now - UNUSED)
            self._kept[key] = self._make(key)
        self._used_at[key] = now
        return self._kept[key]

    def close(self) -> None:
        self._let_go(inf)

    def _let_go(self, before: float) -> None:
        for key in [key for key, used_at in self._used_at.items() if used_at < before]:
            del self._used_at[key]
            self._kept.pop(key).close()
