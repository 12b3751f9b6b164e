"""When a backend is left alone for a time."""

from pool.choices import CircuitMode
from pool.snapshot.spec import Spec


class CircuitPolicy(Spec, frozen=True):
    """When a backend's circuit opens, after resilience4j; times in seconds, shares in percent.

    `threshold`: failures in a row (consecutive). `ratio`: of the calls of the last
    `window` seconds, once there were `minimum_calls` (failure_ratio, slow_ratio).
    `slow_call`: a call that takes longer is slow. `statuses` count as failures, beside
    what is no response at all. An open circuit is tried again after `open_time`, which
    doubles with each failure up to `max_open_time`; then `permits` calls may go at once
    until `successes` have succeeded. `max_open`: of the pool's backends, at most so
    many have their circuit open at once, whatever fails.
    """

    mode: CircuitMode = CircuitMode.CONSECUTIVE
    threshold: int = 5
    ratio: int = 50
    window: float = 10.0
    minimum_calls: int = 100
    slow_call: float = 5.0
    statuses: str = "500,502-504"
    open_time: float = 30.0
    max_open_time: float = 300.0
    permits: int = 10
    successes: int = 3
    max_open: int = 50
