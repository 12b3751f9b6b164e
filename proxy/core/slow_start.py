"""Slow start, after Envoy: a backend that has become healthy grows into its share."""

from pool.snapshot import BalancingPolicy

_SECOND = 1_000_000_000


def grown(policy: BalancingPolicy, elapsed: int) -> int:
    """Percent of its weight that a backend has `elapsed` nanoseconds after its recovery.

    `max(min%, (max(t, 1) / window)^(1 / aggression))`; in whole percents, so that an
    algorithm has new weights to take up a hundred times at the most.
    """
    window = policy.slow_start * _SECOND
    if elapsed >= window:
        return 100
    share = (max(elapsed, _SECOND) / window) ** (1 / policy.slow_start_aggression)
    return min(100, max(policy.slow_start_min, int(share * 100)))
