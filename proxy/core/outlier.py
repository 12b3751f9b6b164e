"""Outlier detection as one worker does it, after Envoy: who answers worse than it should.

A backend's monitor hears of each failure; successes it only counts, so that a request
that went well costs one addition. Two things make a suspect: failures in a row, the moment
there are enough of them, and at the end of an interval a success rate that is far below
the others'. What becomes of a suspect is decided together with all other workers.
"""

from collections.abc import Callable, Mapping
from math import sqrt

from pool.snapshot import OutlierPolicy

_GATEWAY = (502, 503, 504)


class Monitor:
    """`successes`: final responses below 500; whoever passes one on adds it."""

    __slots__ = (
        "_failures",
        "_from",
        "_gateway_row",
        "_policy",
        "_row",
        "_row_from",
        "_suspect",
        "successes",
    )

    def __init__(self, policy: OutlierPolicy, suspect: Callable[[str], None]) -> None:
        """`suspect` is called with what speaks against the backend."""
        self.configure(policy, suspect)
        self.successes = 0
        self._failures = 0
        self._from = (0, 0)  # successes and failures at the interval's beginning
        self.clear()

    def configure(self, policy: OutlierPolicy, suspect: Callable[[str], None]) -> None:
        self._policy = policy
        self._suspect = suspect

    def clear(self) -> None:
        """Begin the rows anew: nobody is suspected twice for the same failures."""
        self._row = self._gateway_row = 0
        self._row_from = self.successes

    def failed(self, status: int) -> None:
        """It answered with this status, 500 or above, or with none, which is a 502 to clients."""
        if self.successes != self._row_from:
            self.clear()
        self._failures += 1
        self._row += 1
        self._gateway_row = self._gateway_row + 1 if status in _GATEWAY else 0
        policy = self._policy
        if self._gateway_row == policy.consecutive_gateway:
            cause = f"{self._gateway_row} gateway failures in a row"
        elif self._row == policy.consecutive_5xx:
            cause = f"{self._row} failures in a row"
        else:
            return
        self.clear()
        self._suspect(cause)

    def begin_interval(self) -> tuple[int, int]:
        """Successes and failures of the interval that ends."""
        successes, failures = self._from
        self._from = self.successes, self._failures
        return self.successes - successes, self._failures - failures


def far_below(counts: Mapping[int, tuple[int, int]], policy: OutlierPolicy) -> dict[int, str]:
    """Whose success rate is far below the others', and by how much, by their ids.

    `counts`: successes and failures of those in service. The threshold is the mean less
    so many standard deviations; it exists only where enough backends had enough requests.
    """
    if not policy.success_deviations:
        return {}
    rates = {
        number: 100 * good / (good + bad)
        for number, (good, bad) in counts.items()
        if good + bad >= max(1, policy.success_requests)
    }
    if len(rates) < max(1, policy.success_hosts):
        return {}
    mean = sum(rates.values()) / len(rates)
    deviation = sqrt(sum((rate - mean) ** 2 for rate in rates.values()) / len(rates))
    threshold = mean - policy.success_deviations * deviation
    return {
        number: f"{rate:.1f} % of {sum(counts[number])} requests succeeded, and it takes "
        f"{threshold:.1f} % beside the others"
        for number, rate in rates.items()
        if rate < threshold
    }
