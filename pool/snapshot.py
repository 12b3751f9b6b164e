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

from pool.choices import DEFAULT_ALGORITHM, AdminState, HeaderAction

FORMAT = 1


class _Spec(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """Unknown fields are refused: an edge must not run a policy that it cannot see.

    Defaults are left out, so that a field added later changes neither the
    encoding nor the hash of the snapshots that were stored before it.
    """


class HealthPolicy(_Spec, frozen=True):
    """Active checks. Times in seconds; defaults after HAProxy's `inter 2s rise 2 fall 3`."""

    enabled: bool = True
    path: str = "/"
    expected_status: str = "200-399"
    interval: float = 2.0
    timeout: float = 2.0
    rise: int = 2
    fall: int = 3


class TimeoutPolicy(_Spec, frozen=True):
    """Seconds. `response`: until the response's head; `idle`: between two reads or writes."""

    connect: float = 5.0
    response: float = 60.0
    idle: float = 60.0
    request: float = 0.0  # for the whole of a request, all tries and both bodies; 0: no limit


class RetryPolicy(_Spec, frozen=True):
    """`attempts` counts all tries of one request, the first included; 1 turns retries off."""

    attempts: int = 3


class HeaderRule(_Spec, frozen=True):
    """One change to a message's header; rules are applied in their order."""

    action: HeaderAction
    name: str
    value: str = ""


class HeaderPolicy(_Spec, frozen=True):
    """`host`: "" passes the client's Host on, "backend" sends the backend's own, else literal."""

    host: str = ""
    forwarded: bool = False  # also RFC 7239's Forwarded, beside X-Forwarded-*
    request_rules: tuple[HeaderRule, ...] = ()
    response_rules: tuple[HeaderRule, ...] = ()


class LimitPolicy(_Spec, frozen=True):
    max_body: int = 0  # bytes of a request's body; 0: no limit


class TlsPolicy(_Spec, frozen=True):
    """For https backends. `ca`: PEM certificates to trust in place of the system's."""

    verify: bool = True
    ca: str = ""
    server_name: str = ""  # for SNI and verification; "": the host of the backend's URL


class BackendSpec(_Spec, frozen=True):
    """One origin server. `id` is the identity under which health and counters are kept."""

    id: int
    name: str
    url: str
    weight: int = 1
    tier: int = 0
    max_connections: int = 0  # 0: no limit
    admin_state: AdminState = AdminState.ACTIVE
    metadata: dict[str, Any] = {}


class PoolSpec(_Spec, frozen=True):
    id: int
    name: str
    algorithm: str = DEFAULT_ALGORITHM
    health: HealthPolicy = HealthPolicy()
    timeouts: TimeoutPolicy = TimeoutPolicy()
    retry: RetryPolicy = RetryPolicy()
    headers: HeaderPolicy = HeaderPolicy()
    limits: LimitPolicy = LimitPolicy()
    tls: TlsPolicy = TlsPolicy()
    backends: tuple[BackendSpec, ...] = ()


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
