"""Which backend a request goes to: algorithms, tiers, sticky sessions."""

from pool.choices import (
    DEFAULT_ALGORITHM,
    DEFAULT_HASH_KEY,
    CookieSecure,
    Failback,
    SameSite,
    StickyMode,
    TierMode,
)
from pool.snapshot.spec import Spec


class BalancingPolicy(Spec, frozen=True):
    """What algorithms go by, beside weights.

    `hash_key`: "client_ip", "path", "header:NAME", "cookie:NAME" or "query:NAME";
    requests that lack it are given to `fallback`. `bounded_load`: how much of its
    share a backend may have before ring_hash goes on to the next one; 0: any.
    `slow_start`: seconds in which a backend that has become healthy grows to its
    weight, from `slow_start_min` percent of it, after Envoy's formula with the
    exponent 1 / `slow_start_aggression`; 0: at once.
    """

    hash_key: str = DEFAULT_HASH_KEY
    bounded_load: float = 1.25
    fallback: str = DEFAULT_ALGORITHM
    slow_start: float = 0.0
    slow_start_min: int = 10
    slow_start_aggression: float = 1.0


class TierPolicy(Spec, frozen=True):
    """Who serves when backends of the lower tiers cannot, after Envoy's priority levels.

    `overprovisioning`: percent; a tier counts as whole while its healthy share times
    this is 100 %. `panic_threshold`: percent of healthy backends under which all of a
    tier are used, healthy or not; 0: never. `failback_delay`: seconds.
    """

    mode: TierMode = TierMode.STRICT
    overprovisioning: int = 140
    panic_threshold: int = 50
    failback: Failback = Failback.AUTOMATIC
    failback_delay: float = 0.0


class StickyPolicy(Spec, frozen=True):
    """`name` of the cookie or header field; `lifetime` in seconds, 0: until the browser closes."""

    mode: StickyMode = StickyMode.OFF
    name: str = "lb"
    lifetime: int = 0
    same_site: SameSite = SameSite.LAX
    secure: CookieSecure = CookieSecure.AUTO
    http_only: bool = True
