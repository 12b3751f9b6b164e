"""How much is let in: of a pool at once, of a route in a time."""

from pool.choices import RateScope
from pool.snapshot.spec import Spec


class LimitPolicy(Spec, frozen=True):
    """`max_in_flight`: tries at once, of all workers of a machine; 0: no limit.

    What finds no room, there or below a backend's `max_connections`, waits for up to
    `queue_timeout` seconds; in each worker `max_queue` may, and 0 turns waiting off.
    """

    max_body: int = 0  # bytes of a request's body; 0: no limit
    max_in_flight: int = 0
    max_queue: int = 100
    queue_timeout: float = 5.0


class RateLimitPolicy(Spec, frozen=True):
    """`requests` in `period` seconds, evenly, of which `burst` may come at once.

    `requests` 0: no limit. `burst` 0: as many as `requests`. `key`: whom it counts
    apart, in the words of `BalancingPolicy.hash_key`; "": nobody, and requests that
    lack it, count together.
    """

    requests: int = 0
    period: float = 1.0
    burst: int = 0
    key: str = ""
    scope: RateScope = RateScope.LOCAL
