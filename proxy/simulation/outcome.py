"""What came of a run: counted while it goes on, summed up at its end."""

from array import array
from collections import Counter
from collections.abc import Sequence

import msgspec

from proxy.core.histogram import nearest_rank
from proxy.errors import Cause

_MS = 1e6


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """Milliseconds from a request's arrival to its answer; quantiles by nearest rank."""

    mean: float
    p50: float
    p99: float
    p999: float
    max: float


class Queue(msgspec.Struct, frozen=True, kw_only=True):
    """Milliseconds that tries waited for a slot in their backend."""

    mean: float
    max: float


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """`latency`: of those without an error, None if there are none. `shares`: of all tries."""

    algorithm: str
    requests: int
    seconds: float  # until the last answer
    latency: Latency | None
    errors: dict[str, int]  # by cause
    retries: int
    queue: Queue
    shares: dict[str, float]


class Tally:
    """Times in nanoseconds."""

    def __init__(self) -> None:
        self.latencies = array("q")
        self.errors: Counter[str] = Counter()
        self.retries = 0
        self.tries: Counter[int] = Counter()
        self._waited = 0
        self._waited_longest = 0

    @property
    def ended(self) -> int:
        return len(self.latencies) + self.errors.total()

    def try_sent(self, backend_id: int, waited: int) -> None:
        self.tries[backend_id] += 1
        self._waited += waited
        self._waited_longest = max(self._waited_longest, waited)

    def succeeded(self, latency: int) -> None:
        self.latencies.append(latency)

    def failed(self, cause: Cause | str) -> None:
        self.errors[str(cause)] += 1

    def outcome(self, algorithm: str, elapsed: int, names: dict[int, str]) -> Outcome:
        tries = self.tries.total() or 1
        return Outcome(
            algorithm=algorithm,
            requests=self.ended,
            seconds=round(elapsed / 1e9, 6),
            latency=_latency(self.latencies),
            errors=dict(self.errors),
            retries=self.retries,
            queue=Queue(mean=_ms(self._waited / tries), max=_ms(self._waited_longest)),
            shares={name: round(self.tries[key] / tries, 6) for key, name in names.items()},
        )


def _latency(latencies: "array[int]") -> Latency | None:
    if not latencies:
        return None
    ordered = sorted(latencies)
    return Latency(
        mean=_ms(sum(ordered) / len(ordered)),
        p50=_ms(_quantile(ordered, 0.5)),
        p99=_ms(_quantile(ordered, 0.99)),
        p999=_ms(_quantile(ordered, 0.999)),
        max=_ms(ordered[-1]),
    )


def _quantile(ordered: Sequence[int], q: float) -> int:
    return ordered[nearest_rank(len(ordered), q) - 1]


def _ms(nanoseconds: float) -> float:
    return round(nanoseconds / _MS, 3)
