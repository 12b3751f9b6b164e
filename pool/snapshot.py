"""The compiled configuration: what the control plane publishes and edges run.

A `Snapshot` is immutable, numbered and complete: it holds everything that an
operator configured, so that it can be compared with another one and restored.
`content_hash` covers the content and not the number, so that two snapshots of
the same configuration are recognised as equal.

No Django in here: edges decode snapshots without it.
"""

import hashlib
from typing import Any

import msgspec

from pool.choices import (
    DEFAULT_ALGORITHM,
    DEFAULT_HASH_KEY,
    AdminState,
    CircuitMode,
    CookieSecure,
    Failback,
    HeaderAction,
    ProbeKind,
    ProbeMethod,
    RateScope,
    SameSite,
    StickyMode,
    TierMode,
)

FORMAT = 1


class _Spec(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """Unknown fields are refused: an edge must not run a policy that it cannot see.

    Defaults are left out, so that a field added later changes neither the
    encoding nor the hash of the snapshots that were stored before it.
    """


class HeaderRule(_Spec, frozen=True):
    """One change to a message's header; rules are applied in their order."""

    action: HeaderAction
    name: str
    value: str = ""


class HealthPolicy(_Spec, frozen=True):
    """Active checks. Times in seconds; defaults after HAProxy's `inter 2s rise 2 fall 3`.

    `host`: "" is what the traffic gets. `headers` are set, beside the probe's own.
    `port`: 0 is the backend's. `body`: what RE2 has to find in the first 256 KiB; "" is
    anything. `fast_interval` while a verdict is on the way to change and `down_interval`
    while it is unhealthy; 0: as ever. `jitter`: up to so many percent of the interval
    come on top of a due time. A backend that passes later than `degraded_latency` is
    degraded, and has `degraded_weight` percent of its weight; 0: however late.
    """

    enabled: bool = True
    kind: ProbeKind = ProbeKind.URL
    method: ProbeMethod = ProbeMethod.GET
    path: str = "/"
    host: str = ""
    port: int = 0
    expected_status: str = "200-399"
    headers: tuple[HeaderRule, ...] = ()
    body: str = ""
    interval: float = 2.0
    timeout: float = 2.0
    fast_interval: float = 0.0
    down_interval: float = 0.0
    rise: int = 2
    fall: int = 3
    degraded_latency: float = 0.0
    degraded_weight: int = 50
    jitter: int = 0


class HealthOverrides(_Spec, frozen=True):
    """What is different for one backend; None is as the pool has it.

    `url`: the origin to probe in place of the backend's, such as a sidecar's.
    """

    url: str | None = None
    kind: ProbeKind | None = None
    method: ProbeMethod | None = None
    path: str | None = None
    host: str | None = None
    port: int | None = None
    expected_status: str | None = None
    headers: tuple[HeaderRule, ...] | None = None
    body: str | None = None
    interval: float | None = None
    timeout: float | None = None
    fast_interval: float | None = None
    down_interval: float | None = None
    rise: int | None = None
    fall: int | None = None
    degraded_latency: float | None = None
    degraded_weight: int | None = None
    jitter: int | None = None

    def over(self, policy: HealthPolicy) -> HealthPolicy:
        """The policy of the backend in a pool that has `policy`."""
        given = {name: getattr(self, name) for name in self.__struct_fields__ if name != "url"}
        return msgspec.structs.replace(
            policy, **{name: value for name, value in given.items() if value is not None}
        )


class TimeoutPolicy(_Spec, frozen=True):
    """Seconds. `response`: until the response's head; `idle`: between two reads or writes."""

    connect: float = 5.0
    response: float = 60.0
    idle: float = 60.0
    request: float = 0.0  # for the whole of a request, all tries and both bodies; 0: no limit


class RetryPolicy(_Spec, frozen=True):
    """When another backend is tried. `attempts`: all tries of a request; 1 turns retries off.

    `on_statuses`: answers that are tried again, such as "502-504"; "" is none. `budget`:
    percent of the pool's active requests that may be hedges, or retries of what had been
    sent. `try_timeout`: seconds until the response's head, of each try; 0: only the pool's
    time-outs. After `hedge_after` seconds without a head a GET or HEAD goes to a second
    backend as well, and the first head wins; 0: never.
    """

    attempts: int = 3
    on_connect_failure: bool = True
    on_reset: bool = True
    on_statuses: str = ""
    budget: int = 20
    try_timeout: float = 0.0
    hedge_after: float = 0.0


class CircuitPolicy(_Spec, frozen=True):
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


class OutlierPolicy(_Spec, frozen=True):
    """Who is ejected for answering worse than it should, after Envoy; times in seconds."""

    enabled: bool = False
    consecutive_5xx: int = 5  # failures in a row; 0: never
    consecutive_gateway: int = 5  # in a row 502, 503, 504 or no response; 0: never
    interval: float = 10.0  # after which success rates are compared
    base_time: float = 30.0  # that an ejection lasts, times how often in a row
    max_time: float = 300.0
    max_ejected: int = 10  # percent of the pool, rounded down
    success_hosts: int = 5  # so many have to have
    success_requests: int = 100  # so many requests in a worker
    success_deviations: float = 1.9  # standard ones below the mean; 0: never
    probes_return: bool = True  # a probe that passes ends an ejection


class HeaderPolicy(_Spec, frozen=True):
    """`host`: "" passes the client's Host on, "backend" sends the backend's own, else literal."""

    host: str = ""
    forwarded: bool = False  # also RFC 7239's Forwarded, beside X-Forwarded-*
    request_rules: tuple[HeaderRule, ...] = ()
    response_rules: tuple[HeaderRule, ...] = ()


class LimitPolicy(_Spec, frozen=True):
    """`max_in_flight`: tries at once, of all workers of a machine; 0: no limit.

    What finds no room, there or below a backend's `max_connections`, waits for up to
    `queue_timeout` seconds; in each worker `max_queue` may, and 0 turns waiting off.
    """

    max_body: int = 0  # bytes of a request's body; 0: no limit
    max_in_flight: int = 0
    max_queue: int = 100
    queue_timeout: float = 5.0


class TlsPolicy(_Spec, frozen=True):
    """For https backends. `ca`: PEM certificates to trust in place of the system's."""

    verify: bool = True
    ca: str = ""
    server_name: str = ""  # for SNI and verification; "": the host of the backend's URL


class BalancingPolicy(_Spec, frozen=True):
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


class TierPolicy(_Spec, frozen=True):
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


class StickyPolicy(_Spec, frozen=True):
    """`name` of the cookie or header field; `lifetime` in seconds, 0: until the browser closes."""

    mode: StickyMode = StickyMode.OFF
    name: str = "lb"
    lifetime: int = 0
    same_site: SameSite = SameSite.LAX
    secure: CookieSecure = CookieSecure.AUTO
    http_only: bool = True


class BackendSpec(_Spec, frozen=True):
    """One origin server. `id` is the identity under which health and counters are kept."""

    id: int
    name: str
    url: str
    weight: int = 1
    tier: int = 0
    max_connections: int = 0  # 0: no limit
    admin_state: AdminState = AdminState.ACTIVE
    backup_of: int = 0  # id of the backend whose place this one takes while it is out
    health: HealthOverrides = HealthOverrides()
    metadata: dict[str, Any] = {}


class PoolSpec(_Spec, frozen=True):
    id: int
    name: str
    algorithm: str = DEFAULT_ALGORITHM
    balancing: BalancingPolicy = BalancingPolicy()
    tiers: TierPolicy = TierPolicy()
    sticky: StickyPolicy = StickyPolicy()
    health: HealthPolicy = HealthPolicy()
    timeouts: TimeoutPolicy = TimeoutPolicy()
    retry: RetryPolicy = RetryPolicy()
    circuit: CircuitPolicy = CircuitPolicy()
    outlier: OutlierPolicy = OutlierPolicy()
    headers: HeaderPolicy = HeaderPolicy()
    limits: LimitPolicy = LimitPolicy()
    tls: TlsPolicy = TlsPolicy()
    backends: tuple[BackendSpec, ...] = ()


class RateLimitPolicy(_Spec, frozen=True):
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


class RouteSpec(_Spec, frozen=True):
    """Host and path prefix → pool.

    `host`: "" for any, "shop.example.com", or "*.example.com" (one or more
    labels below it). `path_prefix` matches whole segments: "/api" matches
    "/api" and "/api/x", not "/apix". `priority`: the higher one wins; among
    equals the more specific host, then the longer prefix.
    """

    id: int
    pool_id: int
    host: str = ""
    path_prefix: str = "/"
    strip_prefix: bool = False
    priority: int = 0
    rate_limit: RateLimitPolicy = RateLimitPolicy()
    request_rules: tuple[HeaderRule, ...] = ()  # applied after the pool's
    response_rules: tuple[HeaderRule, ...] = ()


class Snapshot(_Spec, frozen=True):
    number: int
    pools: tuple[PoolSpec, ...] = ()
    routes: tuple[RouteSpec, ...] = ()
    content_hash: str = ""
    format: int = FORMAT


EMPTY = Snapshot(number=0)


class SnapshotError(ValueError):
    """Bytes that are not a snapshot this version can run."""


def compute_hash(pools: tuple[PoolSpec, ...], routes: tuple[RouteSpec, ...]) -> str:
    """SHA-256, in hex, of the content in its canonical encoding."""
    return hashlib.sha256(msgspec.json.encode((pools, routes), order="deterministic")).hexdigest()


_Content = tuple[tuple[PoolSpec, ...], tuple[RouteSpec, ...]]


def build(number: int, pools: tuple[PoolSpec, ...], routes: tuple[RouteSpec, ...]) -> Snapshot:
    """A snapshot with its hash filled in, and with one encoding for equal contents."""
    # Through the codec once: an int where a float belongs is read back as another text.
    content = msgspec.json.decode(msgspec.json.encode((pools, routes)), type=_Content)
    pools, routes = _canonical(content)
    return Snapshot(
        number=number, pools=pools, routes=routes, content_hash=compute_hash(pools, routes)
    )


def _canonical(value: Any) -> Any:
    """`value` with each default as the struct's own object, since msgspec compares by identity.

    An equal one, read from a database for example, would be written out.
    """
    if isinstance(value, tuple):
        return tuple(map(_canonical, value))
    if not isinstance(value, _Spec):
        return value
    names, defaults = value.__struct_fields__, value.__struct_defaults__
    default_of = dict(zip(names[len(names) - len(defaults) :], defaults, strict=True))
    items = {name: _canonical(getattr(value, name)) for name in names}
    return type(value)(
        **{
            name: item
            for name, item in items.items()
            if name not in default_of or item != default_of[name]
        }
    )


def encode(snapshot: Snapshot) -> bytes:
    return msgspec.json.encode(snapshot, order="deterministic")


def decode(data: bytes) -> Snapshot:
    """The snapshot in `data`; SnapshotError if it is malformed, damaged or of another format."""
    try:
        snapshot = msgspec.json.decode(data, type=Snapshot)
    except msgspec.DecodeError as error:
        raise SnapshotError(f"not a snapshot: {error}") from error
    if snapshot.format != FORMAT:
        raise SnapshotError(f"snapshot format {snapshot.format}, this version reads {FORMAT}")
    if snapshot.content_hash != compute_hash(snapshot.pools, snapshot.routes):
        raise SnapshotError(f"snapshot {snapshot.number} does not match its hash")
    return snapshot
